/* SPDX-License-Identifier: MIT */
/* Node numbers for the shards. See lessee.h. */
#include "lessee.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <chat/id.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_STOP_MS 2500u
#define LINE_BYTES  256u
#define NAME_BYTES  300u

static chat_lease_time time_now(uint64_t mono_ms)
{
    chat_lease_time now = {mono_ms, chat__server_unix_ms()};
    return now;
}

chat_status chat__lessee_init(chat_server *server)
{
    chat__lessee *lessee = &server->lessee;
    const chat_lease *given = server->options.lease;
    if (uv_mutex_init(&lessee->mutex) != 0)
        return CHAT_ERR_NOMEM;
    lessee->has_mutex = 1;
    if (given == NULL) {
        lessee->own = chat__alloc_zero(&server->allocator, sizeof *lessee->own);
        if (lessee->own == NULL)
            return CHAT_ERR_NOMEM;
        lessee->own->is_alone = server->store != NULL || server->appender != NULL;
        chat__own_numbers_table(lessee->own, &lessee->table);
        return CHAT_OK;
    }
    const chat_lease *table = &lessee->table;
    chat_status status = chat__sized_take(&lessee->table, sizeof lessee->table, given);
    if (status == CHAT_OK && table->open != NULL && table->fd != NULL && table->deadline != NULL &&
        table->process != NULL && table->next_event != NULL && table->release != NULL)
        return CHAT_OK;
    chat__server_log(server, CHAT_LOG_ERROR, "lease: struct_size or a function is not set");
    return CHAT_ERR_ARG;
}

void chat__lessee_done(chat_server *server)
{
    chat__alloc_free(&server->allocator, server->lessee.own);
    server->lessee.own = NULL;
    if (server->lessee.has_mutex)
        uv_mutex_destroy(&server->lessee.mutex);
    server->lessee.has_mutex = 0;
}

/* --- to the shards --- */

static void set_shard(chat_server *server, uint32_t index, const chat__node_lease *lease)
{
    chat__shard *shard = &server->shards[index];
    uv_mutex_lock(&server->lessee.mutex);
    shard->lease = *lease;
    uv_mutex_unlock(&server->lessee.mutex);
    atomic_fetch_add(&shard->lease_serial, 1);
    chat__shard_wake(shard);
}

void chat__lessee_follow(chat__shard *shard)
{
    unsigned serial = atomic_load(&shard->lease_serial);
    if (serial == shard->lease_seen)
        return;
    shard->lease_seen = serial;
    uv_mutex_lock(&shard->server->lessee.mutex);
    chat__node_lease lease = shard->lease;
    uv_mutex_unlock(&shard->server->lessee.mutex);
    if (shard->node != NULL)
        chat__node_set_lease(shard->node, &lease);
    atomic_store_explicit(&shard->figures.node_number, lease.number, memory_order_relaxed);
}

/* --- events --- */

static void on_lost(chat_server *server, const char *why)
{
    for (uint32_t i = 0; i < server->n_shards; i++) {
        chat__node_lease none = {server->shards[i].lease.number, 0, 0};
        set_shard(server, i, &none);
    }
    atomic_store(&server->lessee.is_held, 0);
    atomic_fetch_add(&server->lessee.n_lost, 1);
    chat__server_log(server, CHAT_LOG_ERROR, "node numbers are lost, senders have to wait: %s",
                     why);
}

static void on_held(chat_server *server, const chat_lease_event *event)
{
    chat__lessee *lessee = &server->lessee;
    char line[LINE_BYTES] = "";
    size_t len = 0;
    int is_good = event->n_numbers == server->n_shards;
    for (size_t i = 0; i < event->n_numbers; i++)
        is_good = is_good && event->numbers[i] <= CHAT_SNOWFLAKE_MAX_NODE;
    if (!is_good) {
        on_lost(server, "the lease gave numbers that nobody asked for");
        return;
    }
    for (uint32_t i = 0; i < server->n_shards; i++) {
        chat__node_lease lease = {event->numbers[i], event->from_unix_ms, event->until_unix_ms};
        set_shard(server, i, &lease);
        if (len < sizeof line)
            len += (size_t)snprintf(line + len, sizeof line - len, " %" PRIu32, event->numbers[i]);
    }
    atomic_fetch_add(&lessee->n_renewals, 1);
    if (atomic_exchange(&lessee->is_held, 1) == 0 && lessee->own == NULL)
        chat__server_log(server, CHAT_LOG_INFO, "node numbers are held:%s", line);
}

static void read_events(chat_server *server)
{
    chat__lessee *lessee = &server->lessee;
    chat_lease_event event = {.struct_size = sizeof event};
    while (lessee->table.next_event(lessee->table.ctx, &event) == CHAT_OK) {
        switch (event.type) {
        case CHAT_LEASE_HELD:
            on_held(server, &event);
            break;
        case CHAT_LEASE_LOST:
            on_lost(server, event.why);
            break;
        case CHAT_LEASE_TROUBLE:
            chat__server_log(server, CHAT_LOG_WARN, "%s", event.why);
            break;
        default:
            lessee->is_released = 1;
            break;
        }
    }
}

/* --- life --- */

chat_status chat__lessee_start(chat_server *server)
{
    chat__lessee *lessee = &server->lessee;
    char host[NAME_BYTES / 2] = "";
    char name[NAME_BYTES];
    char address[NAME_BYTES];
    const char *listen = server->options.listen;
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(name, sizeof name, "%s:%d", host, (int)getpid());
    (void)snprintf(address, sizeof address, "%.*s:%u",
                   (int)(strrchr(listen, ':') - listen) < 200 ? (int)(strrchr(listen, ':') - listen)
                                                              : 200,
                   listen, server->port);
    chat_lease_wish wish = {sizeof wish, server->n_shards, chat__view_str(name),
                            chat__view_str(address), chat__view_str("all")};
    chat_status status =
        lessee->table.open(lessee->table.ctx, &wish, time_now(chat__server_mono_ms()));
    if (status == CHAT_ERR_LIMIT)
        chat__server_log(server, CHAT_LOG_ERROR,
                         "%" PRIu32 " shards need a node number each, and the lease does not give "
                         "so many: set --shards to fewer",
                         server->n_shards);
    else if (status != CHAT_OK)
        chat__server_log(server, CHAT_LOG_ERROR, "the lease on node numbers cannot begin: %s",
                         chat_status_text(status));
    if (status != CHAT_OK)
        return status;
    lessee->is_open = 1;
    read_events(server);
    return CHAT_OK;
}

int chat__lessee_fd(const chat_server *server)
{
    return server->lessee.is_open ? server->lessee.table.fd(server->lessee.table.ctx) : -1;
}

uint64_t chat__lessee_deadline(const chat_server *server)
{
    return server->lessee.is_open ? server->lessee.table.deadline(server->lessee.table.ctx)
                                  : UINT64_MAX;
}

void chat__lessee_turn(chat_server *server, uint64_t now_ms)
{
    if (!server->lessee.is_open)
        return;
    server->lessee.table.process(server->lessee.table.ctx, time_now(now_ms));
    read_events(server);
}

void chat__lessee_stop(chat_server *server)
{
    chat__lessee *lessee = &server->lessee;
    uint64_t now_ms = chat__server_mono_ms();
    uint64_t end_ms = now_ms + MAX_STOP_MS;
    if (!lessee->is_open)
        return;
    lessee->table.release(lessee->table.ctx, time_now(now_ms));
    read_events(server);
    while (!lessee->is_released && now_ms < end_ms) {
        struct pollfd wait = {.fd = chat__lessee_fd(server), .events = POLLIN};
        uint64_t at_ms = chat__lessee_deadline(server);
        at_ms = at_ms < end_ms ? at_ms : end_ms;
        (void)poll(&wait, 1, at_ms > now_ms ? (int)(at_ms - now_ms) : 0);
        now_ms = chat__server_mono_ms();
        chat__lessee_turn(server, now_ms);
    }
    lessee->is_open = 0;
    atomic_store(&lessee->is_held, 0);
}
