/* SPDX-License-Identifier: MIT */
/* A scripted cluster for the driver: it greets, tells of its nodes and prepares by itself; requests
   wait until the test answers them. */
#ifndef CHAT_TESTS_CASSANDRA_SCRIPTED_H
#define CHAT_TESTS_CASSANDRA_SCRIPTED_H

#include "backends/cassandra/driver.h"
#include "backends/cassandra/topology.h"
#include "base/bits.h"
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#define SCRIPTED_WIRES 6
#define SCRIPTED_ASKED 64

typedef struct scripted_asked {
    uint32_t wire;
    uint16_t stream;
    uint8_t opcode;
} scripted_asked;

typedef struct scripted {
    chat__cql_driver *driver;
    chat_cassandra_event event;
    uint64_t now_ms;
    const rows_node *nodes;
    uint32_t n_nodes;
    const char *const *replication;
    uint32_t n_replication; /* pairs */
    char host[SCRIPTED_WIRES][64];
    uint8_t is_open[SCRIPTED_WIRES];
    uint32_t n_dials[SCRIPTED_WIRES];
    const char *dead;     /* a host that does not take connections */
    int refuses_password; /* of all */
    int is_mute;          /* nobody answers by itself */
    uint32_t n_prepares, n_pings, n_registers;
    const char *behind;                   /* the address of a node with an old schema */
    uint32_t n_versions;                  /* how often they were asked for */
    scripted_asked asked[SCRIPTED_ASKED]; /* the oldest first */
    uint32_t n_asked;
} scripted;

static const char *const SCRIPTED_SIMPLE[] = {"class", "SimpleStrategy", "replication_factor", "1"};

static const rows_node SCRIPTED_THREE[] = {
    {1, "dc1", "r1", {"-6000000000000000000"}, {127, 0, 0, 1}},
    {2, "dc1", "r1", {"0"}, {127, 0, 0, 2}},
    {3, "dc1", "r1", {"6000000000000000000"}, {127, 0, 0, 3}},
};

static inline void scripted_reply(scripted *s, uint32_t wire, uint16_t stream, uint8_t opcode,
                                  chat_view body)
{
    uint8_t frame[4096] = {0x84, 0};
    assert_true(body.len <= sizeof frame - 9);
    chat__store16be(frame + 2, stream);
    frame[4] = opcode;
    chat__store32be(frame + 5, (uint32_t)body.len);
    if (body.len > 0)
        memcpy(frame + 9, body.data, body.len);
    chat__cql_driver_feed(s->driver, wire, chat__view(frame, body.len + 9));
}

static inline void scripted_tell_cluster(scripted *s, uint32_t wire, uint16_t stream,
                                         chat_view text)
{
    chat__buf buf;
    if (chat__view_starts_with(text, "SELECT replication"))
        rows_write_keyspace(&buf, s->replication, s->n_replication);
    else if (strstr((const char *)text.data, "system.local") != NULL &&
             chat__view_starts_with(text, "SELECT host_id") && text.data[text.len - 1] == '\'')
        rows_write_nodes(&buf, s->nodes, 1);
    else
        rows_write_nodes(&buf, s->nodes + 1, s->n_nodes - 1);
    scripted_reply(s, wire, stream, CHAT__CQL_OP_RESULT, chat__buf_view(&buf));
    chat__buf_done(&buf);
}

/* An id that is the statement's own; its first value is the key. */
static inline void scripted_prepare(scripted *s, uint32_t wire, uint16_t stream, chat_view text)
{
    uint8_t body[] = {0, 0, 0, 4, 0, 1, 0, 0,        0, 0, 0, 0, 0,
                      0, 2, 0, 0, 0, 1, 0, 0 /*pk*/, 0, 0, 0, 0};
    body[6] = text.data[text.len - 1];
    s->n_prepares++;
    scripted_reply(s, wire, stream, CHAT__CQL_OP_RESULT, chat__view(body, sizeof body));
}

static inline void scripted_greet(scripted *s, uint32_t wire, uint16_t stream)
{
    static const uint8_t BAD[] = {0, 0, 1, 0, 0, 1, 'n'};
    if (s->refuses_password)
        scripted_reply(s, wire, stream, CHAT__CQL_OP_ERROR, chat__view(BAD, sizeof BAD));
    else
        scripted_reply(s, wire, stream, CHAT__CQL_OP_READY, chat__view(NULL, 0));
}

/* Which schema the node has, or which the others have. 0: another question. */
static inline int scripted_tell_versions(scripted *s, uint32_t wire, uint16_t stream,
                                         chat_view text)
{
    chat__buf buf;
    chat__cql_writer writer = {&buf, 0, CHAT_OK};
    int is_own = chat__view_starts_with(text, "SELECT schema_version");
    if (!is_own && !chat__view_starts_with(text, "SELECT rpc_address"))
        return 0;
    chat__buf_init(&buf, NULL, 4096);
    rows_head(&writer, is_own ? 1 : 2, is_own ? 1 : s->n_nodes);
    for (uint32_t i = 0; i < (is_own ? 1 : s->n_nodes); i++) {
        char address[16];
        const uint8_t *a = s->nodes[i].address;
        (void)snprintf(address, sizeof address, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
        int is_behind = !is_own && s->behind != NULL && strcmp(s->behind, address) == 0;
        if (!is_own)
            chat__cql_put_bytes(&writer, chat__view(a, 4));
        rows_put_text(&writer, is_behind ? "old old old old " : "new new new new ");
    }
    s->n_versions += (uint32_t)is_own;
    scripted_reply(s, wire, stream, CHAT__CQL_OP_RESULT, chat__buf_view(&buf));
    chat__buf_done(&buf);
    return 1;
}

static inline void scripted_take(scripted *s, uint32_t wire, const uint8_t *frame, size_t len)
{
    uint16_t stream = chat__load16be(frame + 2);
    chat__cql_reader body = chat__cql_read(chat__view(frame + 9, len - 9));
    switch (frame[4]) {
    case CHAT__CQL_OP_STARTUP:
        scripted_greet(s, wire, stream);
        return;
    case CHAT__CQL_OP_REGISTER:
        s->n_registers++;
        scripted_reply(s, wire, stream, CHAT__CQL_OP_READY, chat__view(NULL, 0));
        return;
    case CHAT__CQL_OP_OPTIONS:
        s->n_pings++;
        scripted_reply(s, wire, stream, CHAT__CQL_OP_SUPPORTED, chat__view("\0\0", 2));
        return;
    case CHAT__CQL_OP_PREPARE:
        scripted_prepare(s, wire, stream, chat__cql_get_bytes(&body));
        return;
    default:
        break;
    }
    chat__cql_reader again = body;
    chat_view text = chat__cql_get_bytes(&again);
    if (wire == 0) {
        scripted_tell_cluster(s, wire, stream, text);
        return;
    }
    if (frame[4] == CHAT__CQL_OP_QUERY && scripted_tell_versions(s, wire, stream, text))
        return;
    assert_true(s->n_asked < SCRIPTED_ASKED);
    s->asked[s->n_asked++] = (scripted_asked){wire, stream, frame[4]};
}

static inline int scripted_serve_wire(scripted *s, uint32_t wire)
{
    uint8_t frame[4096];
    int n = 0;
    for (;;) {
        chat_view out = chat__cql_driver_unsent(s->driver, wire);
        if (out.len == 0 || !s->is_open[wire] || s->is_mute)
            return n;
        size_t len = 9 + chat__load32be(out.data + 5);
        assert_true(out.len >= len && len <= sizeof frame);
        memcpy(frame, out.data, len);
        chat__cql_driver_sent(s->driver, wire, len);
        scripted_take(s, wire, frame, len);
        n++;
    }
}

static inline int scripted_obey(scripted *s)
{
    chat__cql_order order;
    int n = 0;
    for (; chat__cql_driver_next_order(s->driver, &order) == CHAT_OK; n++) {
        assert_true(order.wire < SCRIPTED_WIRES);
        s->is_open[order.wire] = 0;
        if (!order.is_open)
            continue;
        (void)snprintf(s->host[order.wire], sizeof s->host[0], "%s", order.host);
        s->n_dials[order.wire]++;
        if (s->dead != NULL && strcmp(s->dead, order.host) == 0) {
            chat__cql_driver_closed(s->driver, order.wire, CHAT_ERR_NETWORK, "refused");
            continue;
        }
        s->is_open[order.wire] = 1;
        chat__cql_driver_opened(s->driver, order.wire);
    }
    return n;
}

/* All goes on as far as it does by itself. CHAT_OK: `event`; CHAT_EMPTY. */
static inline chat_status scripted_next(scripted *s)
{
    for (int n = 1; n > 0;) {
        if (chat__cql_driver_next_event(s->driver, &s->event) == CHAT_OK)
            return CHAT_OK;
        n = scripted_obey(s);
        for (uint32_t i = 0; i < SCRIPTED_WIRES; i++)
            n += scripted_serve_wire(s, i);
    }
    return CHAT_EMPTY;
}

static inline void scripted_expect(scripted *s, chat_cassandra_event_type type)
{
    while (scripted_next(s) == CHAT_OK)
        if (s->event.type == type)
            return;
    fail_msg("no event of type %d", (int)type);
}

/* What happens is no answer and no failure. */
static inline void scripted_settle(scripted *s)
{
    while (scripted_next(s) == CHAT_OK)
        assert_true(s->event.type >= CHAT_CASSANDRA_EVENT_READY);
}

static inline void scripted_pass(scripted *s, uint64_t ms)
{
    s->now_ms += ms;
    chat__cql_driver_begin(s->driver, s->now_ms);
}

static inline chat_cassandra_options scripted_options(void)
{
    chat_cassandra_options options = {.struct_size = sizeof options};
    options.contact_points = "first:9,second:9";
    options.keyspace = "k";
    options.no_lz4 = 1;
    options.max_requests = 8;
    options.max_in_flight = 4;
    options.max_answer_bytes = 65536;
    options.max_request_bytes = 1024;
    options.max_waiting_bytes = 4096;
    options.max_tries = 3;
    options.connect_timeout_ms = 1000;
    options.request_timeout_ms = 5000;
    options.heartbeat_ms = 60000;
    options.reconnect_min_ms = 100;
    options.reconnect_max_ms = 1000;
    return options;
}

static inline void scripted_make(scripted *s, const chat_cassandra_options *options)
{
    memset(s, 0, sizeof *s);
    s->now_ms = 1000;
    s->nodes = SCRIPTED_THREE;
    s->n_nodes = 3;
    s->replication = SCRIPTED_SIMPLE;
    s->n_replication = 2;
    assert_int_equal(chat__cql_driver_new(options, 7, &s->driver), CHAT_OK);
    chat__cql_driver_begin(s->driver, s->now_ms);
}

/* Up to READY, with two statements. */
static inline void scripted_start(scripted *s, const chat_cassandra_options *options)
{
    uint32_t number = 9;
    scripted_make(s, options);
    assert_int_equal(chat__cql_driver_statement(s->driver, "INSERT a", &number), CHAT_OK);
    assert_int_equal(number, 0);
    assert_int_equal(chat__cql_driver_statement(s->driver, "INSERT b", &number), CHAT_OK);
    assert_int_equal(number, 1);
    scripted_expect(s, CHAT_CASSANDRA_EVENT_READY);
    scripted_settle(s);
}

/* Of statement a, with one value. */
static inline chat_cassandra_request scripted_request(const chat_view *key, int is_idempotent)
{
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .values = key,
                                      .n_values = 1,
                                      .is_idempotent = (uint32_t)is_idempotent};
    return request;
}

static inline chat_status scripted_ask(scripted *s, uint64_t tag, const char *key,
                                       int is_idempotent)
{
    chat_view value = chat__view_str(key);
    chat_cassandra_request request = scripted_request(&value, is_idempotent);
    return chat__cql_driver_ask(s->driver, tag, &request, 0, s->now_ms);
}

/* The oldest request that was not answered yet. */
static inline scripted_asked scripted_take_asked(scripted *s)
{
    assert_true(s->n_asked > 0);
    scripted_asked asked = s->asked[0];
    memmove(s->asked, s->asked + 1, --s->n_asked * sizeof asked);
    return asked;
}

static inline uint32_t scripted_answer(scripted *s)
{
    static const uint8_t DONE[] = {0, 0, 0, 1};
    scripted_asked asked = scripted_take_asked(s);
    scripted_reply(s, asked.wire, asked.stream, CHAT__CQL_OP_RESULT, chat__view(DONE, 4));
    return asked.wire;
}

static inline uint32_t scripted_refuse(scripted *s, uint16_t code)
{
    uint8_t body[] = {0, 0, 0, 0, 0, 1, 'x', 0, 1, 'a'}; /* a: of UNPREPARED, an id */
    scripted_asked asked = scripted_take_asked(s);
    chat__store16be(body + 2, code);
    scripted_reply(s, asked.wire, asked.stream, CHAT__CQL_OP_ERROR, chat__view(body, sizeof body));
    return asked.wire;
}

#endif
