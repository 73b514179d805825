/* SPDX-License-Identifier: MIT */
/* <chat/cassandra.h>: the driver of driver.h on the sockets of link.h. */
#include <chat/cassandra.h>

#include "backends/cassandra/driver.h"
#include "backends/cassandra/link.h"
#include "backends/cassandra/wire.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#define READ_BYTES     65536u
#define MAX_READS      8 /* of a link in a turn: then the others */
#define N_EPOLL_EVENTS 64
#define WHY_BYTES      256u

struct chat_cassandra {
    chat_allocator allocator;
    chat__cql_driver *driver;
    chat__cql_link_place place;
    char *tls_name;
    chat__cql_link *links[CHAT__CQL_MAX_WIRES]; /* NULL: was never used */
    uint32_t n_links;                           /* numbers below may be used */
    uint8_t is_dirty;                           /* something was asked and not sent */
    uint8_t bytes[READ_BYTES];
};

void chat_cassandra_options_init(chat_cassandra_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->contact_points = "127.0.0.1:9042";
    options->keyspace = "chat";
    options->max_requests = 4096;
    options->max_in_flight = 1024;
    options->max_answer_bytes = 16u * 1024 * 1024;
    options->max_request_bytes = 4u * 1024 * 1024;
    options->max_waiting_bytes = 64u * 1024 * 1024;
    options->max_tries = 4;
    options->connect_timeout_ms = 5000;
    options->request_timeout_ms = 10000;
    options->heartbeat_ms = 5000;
    options->reconnect_min_ms = 500;
    options->reconnect_max_ms = 30000;
}

/* --- life --- */

static chat_status set_up_tls(chat_cassandra *cassandra, const chat_cassandra_options *options)
{
    char why[WHY_BYTES];
    if (!options->use_tls)
        return CHAT_OK;
    if (options->tls_name != NULL) {
        size_t len = strlen(options->tls_name);
        cassandra->tls_name = chat__alloc_zero(&cassandra->allocator, len + 1);
        if (cassandra->tls_name == NULL)
            return CHAT_ERR_NOMEM;
        memcpy(cassandra->tls_name, options->tls_name, len);
        cassandra->place.tls_name = cassandra->tls_name;
    }
    chat_status status = chat__tls_client_new(options->ca_file, !options->tls_insecure, why,
                                              sizeof why, &cassandra->place.tls);
    return status == CHAT_OK || status == CHAT_ERR_NOMEM ? status : CHAT_ERR_TLS;
}

chat_status chat_cassandra_new(const chat_cassandra_options *given, chat_cassandra **out)
{
    chat_cassandra_options options;
    uint64_t seed = 0;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_cassandra_options_init(&options);
    if (chat__sized_take(&options, sizeof options, given) != CHAT_OK)
        return CHAT_ERR_ARG;
    (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK); /* for the length of pauses only */
    chat_allocator allocator = chat__alloc_or_libc(options.allocator);
    chat_cassandra *cassandra = chat__alloc_zero(&allocator, sizeof *cassandra);
    if (cassandra == NULL)
        return CHAT_ERR_NOMEM;
    cassandra->allocator = allocator;
    cassandra->place.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    chat_status status = cassandra->place.epoll_fd < 0
                             ? CHAT_ERR_LIMIT
                             : chat__cql_driver_new(&options, seed, &cassandra->driver);
    if (status == CHAT_OK)
        status = set_up_tls(cassandra, &options);
    if (status != CHAT_OK) {
        chat_cassandra_free(cassandra);
        return status;
    }
    *out = cassandra;
    return CHAT_OK;
}

void chat_cassandra_free(chat_cassandra *cassandra)
{
    if (cassandra == NULL)
        return;
    chat_allocator allocator = cassandra->allocator;
    for (uint32_t i = 0; i < cassandra->n_links; i++) {
        if (cassandra->links[i] != NULL)
            chat__cql_link_close(cassandra->links[i], &cassandra->place);
        chat__alloc_free(&allocator, cassandra->links[i]);
    }
    chat__cql_driver_free(cassandra->driver);
    chat__tls_context_free(cassandra->place.tls);
    chat__alloc_free(&allocator, cassandra->tls_name);
    if (cassandra->place.epoll_fd >= 0)
        close(cassandra->place.epoll_fd);
    chat__alloc_free(&allocator, cassandra);
}

/* --- bytes --- */

/* There is an event now, and perhaps something to send: see chat_cassandra_timeout(). */
static void is_down(chat_cassandra *cassandra, uint32_t wire, chat_status status)
{
    cassandra->is_dirty = 1;
    chat__cql_driver_closed(cassandra->driver, wire, status, cassandra->links[wire]->why);
}

static void write_link(chat_cassandra *cassandra, uint32_t wire)
{
    chat__cql_link *link = cassandra->links[wire];
    chat_status status = CHAT_OK;
    while (status == CHAT_OK && link->state == CHAT__CQL_LINK_UP) {
        chat_view unsent = chat__cql_driver_unsent(cassandra->driver, wire);
        size_t n = 0;
        if (unsent.len == 0)
            break;
        status = chat__cql_link_write(link, &cassandra->place, unsent, &n);
        if (status == CHAT_OK)
            chat__cql_driver_sent(cassandra->driver, wire, n);
        else if (status < 0)
            is_down(cassandra, wire, status);
    }
    if (link->state == CHAT__CQL_LINK_UP)
        chat__cql_link_want(link, &cassandra->place, status == CHAT_MORE);
}

/* TLS may hold bytes that the socket does not show: what is left is read in the next turn. */
static void read_link(chat_cassandra *cassandra, uint32_t wire)
{
    chat__cql_link *link = cassandra->links[wire];
    link->has_more = 0;
    for (int i = 0; link->state == CHAT__CQL_LINK_UP; i++) {
        size_t n = 0;
        if (i == MAX_READS) {
            link->has_more = 1;
            cassandra->is_dirty = 1;
            return;
        }
        chat_status status = chat__cql_link_read(link, &cassandra->place, cassandra->bytes,
                                                 sizeof cassandra->bytes, &n);
        if (status == CHAT_MORE)
            return;
        if (status != CHAT_OK) {
            is_down(cassandra, wire, status);
            return;
        }
        chat__cql_driver_feed(cassandra->driver, wire, chat__view(cassandra->bytes, n));
        if (n < sizeof cassandra->bytes && link->tls == NULL)
            return;
    }
}

/* --- orders --- */

static void open_link(chat_cassandra *cassandra, const chat__cql_order *order)
{
    uint32_t wire = order->wire;
    if (cassandra->links[wire] == NULL) {
        cassandra->links[wire] =
            chat__alloc_zero(&cassandra->allocator, sizeof *cassandra->links[wire]);
        if (cassandra->links[wire] == NULL) {
            chat__cql_driver_closed(cassandra->driver, wire, CHAT_ERR_NOMEM, "no memory");
            return;
        }
        cassandra->links[wire]->number = wire;
        if (wire >= cassandra->n_links)
            cassandra->n_links = wire + 1;
    }
    chat_status status =
        chat__cql_link_open(cassandra->links[wire], &cassandra->place, order->host, order->port);
    if (status != CHAT_OK)
        is_down(cassandra, wire, status);
}

static void obey(chat_cassandra *cassandra)
{
    chat__cql_order order;
    while (chat__cql_driver_next_order(cassandra->driver, &order) == CHAT_OK) {
        if (order.is_open)
            open_link(cassandra, &order);
        else if (cassandra->links[order.wire] != NULL)
            chat__cql_link_close(cassandra->links[order.wire], &cassandra->place);
    }
}

static void work_links(chat_cassandra *cassandra, uint64_t now_ms)
{
    for (uint32_t i = 0; i < cassandra->n_links; i++) {
        chat__cql_link *link = cassandra->links[i];
        if (link == NULL || link->state == CHAT__CQL_LINK_DOWN || link->state == CHAT__CQL_LINK_UP)
            continue;
        chat_status status = chat__cql_link_work(link, &cassandra->place, now_ms);
        if (status == CHAT_OK)
            chat__cql_driver_opened(cassandra->driver, i);
        else if (status != CHAT_MORE)
            is_down(cassandra, i, status);
    }
}

static void flush(chat_cassandra *cassandra)
{
    obey(cassandra);
    for (uint32_t i = 0; i < cassandra->n_links; i++)
        if (cassandra->links[i] != NULL && cassandra->links[i]->state == CHAT__CQL_LINK_UP)
            write_link(cassandra, i);
}

/* --- the calls --- */

chat_status chat_cassandra_statement(chat_cassandra *cassandra, const char *text,
                                     uint32_t *out_number)
{
    if (cassandra == NULL || out_number == NULL)
        return CHAT_ERR_ARG;
    return chat__cql_driver_statement(cassandra->driver, text, out_number);
}

chat_status chat_cassandra_ask(chat_cassandra *cassandra, uint64_t tag,
                               const chat_cassandra_request *request, uint64_t now_ms)
{
    if (cassandra == NULL)
        return CHAT_ERR_ARG;
    cassandra->is_dirty = 1;
    return chat__cql_driver_ask(cassandra->driver, tag, request, 0, now_ms);
}

chat_status chat_cassandra_batch(chat_cassandra *cassandra, uint64_t tag,
                                 const chat_cassandra_request *requests, uint32_t n,
                                 uint64_t now_ms)
{
    if (cassandra == NULL || n == 0)
        return CHAT_ERR_ARG;
    cassandra->is_dirty = 1;
    return chat__cql_driver_ask(cassandra->driver, tag, requests, n, now_ms);
}

int chat_cassandra_fd(const chat_cassandra *cassandra)
{
    return cassandra->place.epoll_fd;
}

int chat_cassandra_timeout(const chat_cassandra *cassandra, uint64_t now_ms)
{
    uint64_t at_ms = chat__cql_driver_deadline(cassandra->driver);
    if (cassandra->is_dirty)
        return 0;
    for (uint32_t i = 0; i < cassandra->n_links; i++) {
        uint64_t of_link =
            cassandra->links[i] != NULL ? chat__cql_link_deadline(cassandra->links[i]) : UINT64_MAX;
        if (of_link < at_ms)
            at_ms = of_link;
    }
    if (at_ms == UINT64_MAX)
        return -1;
    if (at_ms <= now_ms)
        return 0;
    return at_ms - now_ms < INT_MAX ? (int)(at_ms - now_ms) : INT_MAX;
}

void chat_cassandra_process(chat_cassandra *cassandra, uint64_t now_ms)
{
    struct epoll_event events[N_EPOLL_EVENTS];
    cassandra->is_dirty = 0;
    chat__cql_driver_begin(cassandra->driver, now_ms);
    obey(cassandra);
    work_links(cassandra, now_ms);
    int n = epoll_wait(cassandra->place.epoll_fd, events, N_EPOLL_EVENTS, 0);
    for (int i = 0; i < n; i++) {
        uint64_t mark = events[i].data.u64;
        uint32_t wire = (uint32_t)mark;
        if ((mark & CHAT__CQL_LINK_MARK) != 0 && wire < cassandra->n_links &&
            cassandra->links[wire] != NULL)
            cassandra->links[wire]->has_more = 1;
    }
    for (uint32_t i = 0; i < cassandra->n_links; i++)
        if (cassandra->links[i] != NULL && cassandra->links[i]->has_more)
            read_link(cassandra, i);
    flush(cassandra);
}

chat_status chat_cassandra_next_event(chat_cassandra *cassandra, chat_cassandra_event *out)
{
    chat_cassandra_event event;
    if (out == NULL)
        return CHAT_ERR_ARG;
    if (chat__cql_driver_next_event(cassandra->driver, &event) != CHAT_OK) {
        cassandra->is_dirty = 0;
        flush(cassandra); /* what was asked meanwhile, in one piece */
        return CHAT_EMPTY;
    }
    return chat__sized_give(out, &event, sizeof event);
}

chat_status chat_cassandra_take_cell(chat_view *cells, chat_view *out)
{
    if (cells == NULL || out == NULL)
        return CHAT_ERR_ARG;
    if (cells->len == 0)
        return CHAT_EMPTY;
    chat__cql_reader reader = chat__cql_read(*cells);
    chat_view cell = chat__cql_get_bytes(&reader);
    if (reader.is_bad)
        return CHAT_ERR_PROTOCOL;
    *cells = chat__view(reader.at, (size_t)(reader.end - reader.at));
    *out = cell;
    return CHAT_OK;
}

chat_status chat_cassandra_get_figures(const chat_cassandra *cassandra, chat_cassandra_figures *out)
{
    if (cassandra == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_cassandra_figures figures = chat__cql_driver_figures(cassandra->driver);
    return chat__sized_give(out, &figures, sizeof figures);
}
