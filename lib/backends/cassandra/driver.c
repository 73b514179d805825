/* SPDX-License-Identifier: MIT */
/* See driver.h: life, options and what comes out. */
#include "backends/cassandra/driver_internal.h"

#include "base/alloc.h"
#include "base/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT   9042u
#define MAX_HOST_BYTES 255u
#define MAX_TRIES      16u

/* --- options --- */

static int is_in(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max;
}

static int are_sane(const chat_cassandra_options *o)
{
    return o->contact_points != NULL && o->keyspace != NULL &&
           (o->user == NULL) == (o->password == NULL) && is_in(o->max_requests, 1, 1000000) &&
           is_in(o->max_in_flight, 1, 32000) && o->max_answer_bytes >= 4096 &&
           is_in(o->max_request_bytes, 256, 256u * 1024 * 1024) && o->max_waiting_bytes > 0 &&
           is_in(o->max_tries, 1, MAX_TRIES) && o->connect_timeout_ms > 0 &&
           o->request_timeout_ms > 0 && o->heartbeat_ms > 0 && o->reconnect_min_ms > 0 &&
           o->reconnect_max_ms >= o->reconnect_min_ms;
}

static chat_status copy_text(const chat_allocator *allocator, const char *from, size_t len,
                             char **out)
{
    char *copy = chat__alloc_zero(allocator, len + 1);
    if (copy == NULL)
        return CHAT_ERR_NOMEM;
    memcpy(copy, from, len);
    *out = copy;
    return CHAT_OK;
}

/* Digits up to `end`. 0: no port. */
static uint16_t read_port(const char *text, const char *end)
{
    uint32_t port = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9' || port > UINT16_MAX)
            return 0;
        port = port * 10 + (uint32_t)(*text - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Where the host ends and the port begins, NULL: there is none. 0: neither. */
static int split_contact(const char **at, const char *end, const char **host_end, const char **port)
{
    int has_brackets = *at < end && **at == '[';
    *at += has_brackets;
    *host_end = memchr(*at, has_brackets ? ']' : ':', (size_t)(end - *at));
    if (*host_end == NULL)
        *host_end = has_brackets ? *at : end; /* an empty host is refused */
    *port = *host_end + has_brackets;
    if (*port >= end)
        *port = NULL;
    else if (*(*port)++ != ':')
        return 0;
    return *host_end > *at && *host_end - *at <= (ptrdiff_t)MAX_HOST_BYTES;
}

/* host, host:port, [address]:port. CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
static chat_status add_contact(chat__cql_driver *driver, const char *at, const char *end)
{
    const char *host_end = NULL, *port = NULL;
    while (at < end && *at == ' ')
        at++;
    while (end > at && end[-1] == ' ')
        end--;
    if (driver->n_contacts == CHAT__CQL_MAX_CONTACTS || !split_contact(&at, end, &host_end, &port))
        return CHAT_ERR_ARG;
    chat__cql_contact *contact = &driver->contacts[driver->n_contacts];
    contact->port = port == NULL ? DEFAULT_PORT : read_port(port, end);
    if (contact->port == 0)
        return CHAT_ERR_ARG;
    driver->n_contacts++;
    return copy_text(&driver->allocator, at, (size_t)(host_end - at), &contact->host);
}

static chat_status add_contacts(chat__cql_driver *driver, const char *text)
{
    chat_status status = CHAT_OK;
    for (const char *at = text; status == CHAT_OK && at != NULL;) {
        const char *comma = strchr(at, ',');
        status = add_contact(driver, at, comma != NULL ? comma : at + strlen(at));
        at = comma != NULL ? comma + 1 : NULL;
    }
    return status;
}

/* The strings that are needed later, as copies. */
static chat_status copy_strings(chat__cql_driver *driver)
{
    const char **strings[] = {&driver->options.keyspace, &driver->options.user,
                              &driver->options.password};
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        const char *from = *strings[i];
        char *copy = NULL;
        if (from != NULL && status == CHAT_OK)
            status = copy_text(&driver->allocator, from, strlen(from), &copy);
        *strings[i] = copy;
    }
    return status;
}

/* --- life --- */

static chat_status make(chat__cql_driver *driver)
{
    const chat_cassandra_options *options = &driver->options;
    const char *datacenter = options->datacenter != NULL ? options->datacenter : "";
    chat__heap_init(&driver->timers, &driver->allocator, options->max_requests);
    chat__buf_init(&driver->key, &driver->allocator, options->max_request_bytes + 64);
    chat_status status = add_contacts(driver, options->contact_points);
    driver->options.contact_points = NULL;
    chat_status of_strings = copy_strings(driver);
    if (status == CHAT_OK)
        status = of_strings;
    if (status == CHAT_OK)
        status = strlen(datacenter) < CHAT__CQL_NAME_BYTES
                     ? chat__cql_topology_init(&driver->topology, &driver->allocator, datacenter)
                     : CHAT_ERR_ARG;
    if (status != CHAT_OK)
        return status;
    driver->wires =
        chat__alloc_zero(&driver->allocator, CHAT__CQL_MAX_WIRES * sizeof *driver->wires);
    driver->requests =
        chat__alloc_zero(&driver->allocator, options->max_requests * sizeof(chat__cql_request *));
    return driver->wires == NULL || driver->requests == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
}

chat_status chat__cql_driver_new(const chat_cassandra_options *options, uint64_t seed,
                                 chat__cql_driver **out)
{
    if (!are_sane(options))
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat__cql_driver *driver = chat__alloc_zero(&allocator, sizeof *driver);
    if (driver == NULL)
        return CHAT_ERR_NOMEM;
    driver->allocator = allocator;
    driver->options = *options;
    driver->random = seed;
    driver->refresh_at_ms = driver->refresh_until_ms = driver->agree_at_ms = UINT64_MAX;
    chat_status status = make(driver);
    if (status != CHAT_OK) {
        chat__cql_driver_free(driver);
        return status;
    }
    driver->wires[CHAT__CQL_CONTROL].state = CHAT__CQL_WIRE_PAUSED;
    *out = driver;
    return CHAT_OK;
}

static void free_text(const chat_allocator *allocator, const char *text)
{
    void *gone = NULL;
    memcpy(&gone, &text, sizeof gone);
    chat__alloc_free(allocator, gone);
}

static void free_requests(chat__cql_driver *driver)
{
    for (uint32_t i = 0; i < driver->n_requests; i++) {
        chat__buf_done(&driver->requests[i]->body);
        chat__buf_done(&driver->requests[i]->text);
        chat__alloc_free(&driver->allocator, driver->requests[i]);
    }
    chat__alloc_free(&driver->allocator, driver->requests);
    chat__heap_done(&driver->timers);
    chat__buf_done(&driver->key);
}

void chat__cql_driver_free(chat__cql_driver *driver)
{
    if (driver == NULL)
        return;
    chat_allocator allocator = driver->allocator;
    for (uint32_t i = 0; driver->wires != NULL && i < CHAT__CQL_MAX_WIRES; i++)
        chat__cql_conn_free(driver->wires[i].conn);
    chat__alloc_free(&allocator, driver->wires);
    free_requests(driver);
    for (uint32_t i = 0; i < driver->n_statements; i++)
        chat__alloc_free(&allocator, driver->statements[i].text);
    for (uint32_t i = 0; i < driver->n_contacts; i++)
        chat__alloc_free(&allocator, driver->contacts[i].host);
    chat__cql_topology_done(&driver->topology);
    free_text(&allocator, driver->options.keyspace);
    free_text(&allocator, driver->options.user);
    if (driver->options.password != NULL) {
        char *secret = NULL;
        memcpy(&secret, &driver->options.password, sizeof secret);
        memset(secret, 0, strlen(secret));
        chat__alloc_free(&allocator, secret);
    }
    chat__alloc_free(&allocator, driver);
}

uint64_t chat__cql_random(chat__cql_driver *driver)
{
    /* SplitMix64: pauses need no secret. */
    uint64_t x = driver->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* --- time --- */

void chat__cql_driver_begin(chat__cql_driver *driver, uint64_t now_ms)
{
    driver->now_ms = now_ms;
    chat__cql_on_timers(driver);
    chat__cql_wires_look(driver);
    chat__cql_control_look(driver);
    chat__cql_agree_look(driver);
    chat__cql_pump(driver);
}

uint64_t chat__cql_driver_deadline(const chat__cql_driver *driver)
{
    uint64_t at_ms = chat__cql_wires_deadline(driver);
    const chat__heap_item *first = chat__heap_first(&driver->timers);
    if (first != NULL && first->at_ms < at_ms)
        at_ms = first->at_ms;
    if (driver->refresh_at_ms < at_ms)
        at_ms = driver->refresh_at_ms;
    if (driver->agree_at_ms < at_ms)
        at_ms = driver->agree_at_ms;
    if (driver->refresh_until_ms < at_ms)
        at_ms = driver->refresh_until_ms;
    return at_ms;
}

/* --- events --- */

void chat__cql_say(chat__cql_driver *driver, chat_cassandra_event_type type, chat_status status,
                   const char *format, ...)
{
    va_list args;
    if (driver->n_notes == CHAT__CQL_MAX_NOTES)
        return; /* nobody reads them */
    chat__cql_note *note =
        &driver->notes[(driver->first_note + driver->n_notes++) % CHAT__CQL_MAX_NOTES];
    note->type = type;
    note->status = status;
    va_start(args, format);
    (void)vsnprintf(note->text, sizeof note->text, format, args);
    va_end(args);
}

static void take_note(chat__cql_driver *driver, chat_cassandra_event *out)
{
    const chat__cql_note *note = &driver->notes[driver->first_note];
    driver->first_note = (driver->first_note + 1) % CHAT__CQL_MAX_NOTES;
    driver->n_notes--;
    out->type = note->type;
    out->status = note->status;
    memcpy(driver->text, note->text, sizeof driver->text);
    out->text = driver->text;
}

static void tell_failed(chat__cql_driver *driver, chat__cql_request *request,
                        const chat__cql_error *error, chat_cassandra_event *out)
{
    out->type = CHAT_CASSANDRA_EVENT_FAILED;
    out->tag = request->tag;
    out->status = error != NULL ? error->status : request->status;
    if (error != NULL)
        (void)snprintf(driver->text, sizeof driver->text, "%s (%.*s)", error->advice,
                       error->message.len < 300 ? (int)error->message.len : 300,
                       (const char *)error->message.data);
    else
        (void)snprintf(driver->text, sizeof driver->text, "%s", request->why);
    out->text = driver->text;
    driver->figures.failed++;
    chat__cql_request_free(driver, request);
}

static void tell_answer(chat__cql_driver *driver, chat__cql_request *request,
                        const chat__cql_result *result, chat_cassandra_event *out)
{
    out->type = CHAT_CASSANDRA_EVENT_ANSWER;
    out->tag = request->tag;
    if (result->kind == CHAT__CQL_ROWS) {
        out->n_columns = result->n_columns;
        out->n_rows = result->n_rows;
        out->has_more = (uint32_t)result->has_more;
        out->paging_state = result->paging_state;
        out->cells = chat__view(result->cells.at, (size_t)(result->cells.end - result->cells.at));
    }
    driver->figures.answered++;
    chat__cql_request_free(driver, request);
}

/* To a question of the driver itself. */
static void take_own(chat__cql_driver *driver, uint32_t wire, const chat__cql_conn_event *event)
{
    const chat__cql_result *result = event->type == CHAT__CQL_CONN_RESULT ? &event->result : NULL;
    if (wire == CHAT__CQL_CONTROL)
        chat__cql_control_answer(driver, event->tag, result);
    else
        chat__cql_agree_answer(driver, event->tag, result);
}

/* To a request. 1: `out` is an event. */
static int take_answer(chat__cql_driver *driver, uint32_t wire, const chat__cql_conn_event *event,
                       chat_cassandra_event *out)
{
    chat__cql_request *request = driver->requests[event->tag];
    if (event->type == CHAT__CQL_CONN_ERROR) {
        if (!chat__cql_try_failed(driver, request, wire, &event->error))
            return 0;
        tell_failed(driver, request, &event->error, out);
        return 1;
    }
    chat__cql_learn_key(driver, request, driver->wires[wire].conn);
    chat__cql_land(driver, request, wire);
    if (event->result.kind == CHAT__CQL_SCHEMA_CHANGE) {
        chat__cql_agree(driver, request, wire);
        return 0;
    }
    tell_answer(driver, request, &event->result, out);
    return 1;
}

/* 1: `out` is an event. */
static int take_event(chat__cql_driver *driver, uint32_t wire, const chat__cql_conn_event *event,
                      chat_cassandra_event *out)
{
    int is_answer = event->type == CHAT__CQL_CONN_RESULT || event->type == CHAT__CQL_CONN_ERROR;
    if (is_answer && wire != CHAT__CQL_CONTROL && event->tag < driver->n_requests)
        return take_answer(driver, wire, event, out);
    if (is_answer)
        take_own(driver, wire, event);
    else if (event->type == CHAT__CQL_CONN_PUSHED)
        chat__cql_control_pushed(driver, event->body);
    else
        chat__cql_wire_event(driver, wire, event);
    return 0;
}

static chat_status read_wires(chat__cql_driver *driver, chat_cassandra_event *out)
{
    uint32_t n_wires = driver->topology.n_nodes + 1;
    chat__cql_conn_event event;
    for (uint32_t n = 0; n < n_wires; n++) {
        uint32_t wire = driver->reading < n_wires ? driver->reading : 0;
        while (driver->wires[wire].conn != NULL &&
               chat__cql_conn_next_event(driver->wires[wire].conn, &event) == CHAT_OK)
            if (take_event(driver, wire, &event, out))
                return CHAT_OK;
        driver->reading = wire + 1;
    }
    return CHAT_EMPTY;
}

chat_status chat__cql_driver_next_event(chat__cql_driver *driver, chat_cassandra_event *out)
{
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    for (;;) {
        chat__cql_request *request = chat__cql_queue_take(&driver->failed);
        if (request != NULL) {
            tell_failed(driver, request, NULL, out);
            return CHAT_OK;
        }
        request = chat__cql_queue_take(&driver->agreed);
        if (request != NULL) {
            const chat__cql_result nothing = {.kind = CHAT__CQL_SCHEMA_CHANGE};
            tell_answer(driver, request, &nothing, out);
            return CHAT_OK;
        }
        if (driver->n_notes > 0) {
            take_note(driver, out);
            return CHAT_OK;
        }
        if (read_wires(driver, out) == CHAT_OK)
            return CHAT_OK;
        chat__cql_pump(driver);
        if (driver->failed.first == NULL && driver->agreed.first == NULL && driver->n_notes == 0)
            return CHAT_EMPTY;
    }
}

chat_cassandra_figures chat__cql_driver_figures(const chat__cql_driver *driver)
{
    chat_cassandra_figures figures = driver->figures;
    figures.struct_size = sizeof figures;
    figures.waiting = driver->n_waiting;
    for (uint32_t i = 0; i < driver->topology.n_nodes; i++) {
        figures.nodes_known += driver->topology.nodes[i].is_there;
        figures.nodes_up += chat__cql_is_open(driver, i + 1);
    }
    return figures;
}
