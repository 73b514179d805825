/* SPDX-License-Identifier: MIT */
/*
 * <chat/testing_server.h>: one node over the simulator's storage, with a disk that does as it is
 * told. Connections are in server_conn.c.
 */
#include "testing/server.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <string.h>

#define DAY_MS            UINT64_C(86400000)
#define MAX_MEMBERS       60u
#define MAX_FRAME_BYTES   131072u
#define MAX_FRAGMENTS     64u
#define DEFLATE_MIN_BYTES 512u

void chat_test_server_options_init(chat_test_server_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->heartbeat_ms = 30000;
    options->seed = 1;
    options->unix_ms = CHAT_EPOCH_MS + DAY_MS;
    options->max_body_bytes = CHAT_BODY_MAX_BYTES;
}

/* --- the node and its storage --- */

static test_conn *conn_of(chat_test_server *server, chat_test_conn number)
{
    for (test_conn *conn = server->conns; conn != NULL; conn = conn->next)
        if (conn->number == number)
            return conn;
    return NULL;
}

static void to_client(chat_test_server *server, const chat__effect *effect)
{
    for (test_conn *conn = server->conns; conn != NULL; conn = conn->next) {
        if (conn->conn != effect->conn)
            continue;
        if (effect->type == CHAT__EFFECT_WRITE) {
            chat__test_conn_write(server, conn, effect->bytes);
        } else {
            conn->conn = 0;
            chat__test_conn_end(server, conn, chat_status_close_code(effect->status),
                                effect->text != NULL ? effect->text : "");
        }
        return;
    }
}

static void run_effect(chat_test_server *server, const chat__effect *effect)
{
    sim *world = &server->world;
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
    case CHAT__EFFECT_CLOSE:
        to_client(server, effect);
        break;
    case CHAT__EFFECT_LINK:
        (void)chat__node_link(world->nodes[0], 0, effect->bytes);
        break;
    case CHAT__EFFECT_APPEND:
        chat__sim_storage_append(world, 0, effect);
        break;
    case CHAT__EFFECT_CURSOR:
        chat__sim_storage_cursor(world, effect);
        break;
    case CHAT__EFFECT_SEEN:
        chat__sim_devices_seen(world, effect);
        break;
    case CHAT__EFFECT_NOTIFY:
    case CHAT__EFFECT_LOG:
        break;
    default: {
        sim_answer *answer = chat__sim_storage_ask(world, effect);
        if (answer == NULL)
            return;
        chat__sim_storage_give(world, world->nodes[0], answer);
        chat__sim_answer_free(answer);
        break;
    }
    }
}

void chat__test_server_pump(chat_test_server *server)
{
    sim *world = &server->world;
    chat__effect effect;
    int is_busy = world->nodes[0] != NULL;
    while (is_busy) {
        is_busy = 0;
        while (chat__node_next_effect(world->nodes[0], &effect) == CHAT_OK)
            run_effect(server, &effect);
        if (world->storage.is_commit_due && !server->is_disk_held) {
            world->storage.is_commit_due = 0;
            chat__sim_begin(world, 0);
            chat__sim_storage_answer(world, CHAT_OK);
            is_busy = 1;
        }
    }
}

static void begin(chat_test_server *server)
{
    if (server->world.nodes[0] != NULL)
        chat__sim_begin(&server->world, 0);
}

static chat_status start_node(chat_test_server *server)
{
    chat__node_options options;
    chat__node_options_init(&options);
    options.n_partitions = SIM_PARTITIONS;
    options.heartbeat_ms = server->options.heartbeat_ms;
    options.max_body_bytes = server->options.max_body_bytes;
    options.max_group_members = MAX_MEMBERS;
    options.max_frame_bytes = MAX_FRAME_BYTES;
    options.seed[0] = server->world.rng;
    options.not_before_id = chat__sim_storage_max_id(&server->world, 0);
    chat_status status = chat__node_new(&options, &server->world.nodes[0]);
    begin(server);
    return status;
}

/* --- life --- */

static chat_status set_up(chat_test_server *server)
{
    chat__ws_limits limits = {MAX_FRAME_BYTES, MAX_FRAGMENTS, DEFLATE_MIN_BYTES};
    chat_status status = CHAT_OK;
    server->world.options.n_nodes = 1;
    server->world.report = &server->report;
    server->world.rng = server->options.seed;
    server->world.unix_base_ms = server->options.unix_ms;
    server->world.is_calm = 1;
    if (server->options.secret.len > 0)
        status = chat__jwt_key_secret(NULL, server->options.secret, &server->key);
    server->options.secret = chat__view(NULL, 0);
    if (status == CHAT_OK)
        status = chat_decoder_new(NULL, MAX_FRAME_BYTES, &server->world.decoder);
    if (status == CHAT_OK)
        status = chat__ws_pool_new(NULL, &limits, &server->pool);
    if (status == CHAT_OK)
        status = start_node(server);
    return status;
}

chat_status chat_test_server_new(const chat_test_server_options *options, chat_test_server **out)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat_test_server_options known;
    if (options == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_test_server_options_init(&known);
    if (chat__sized_take(&known, sizeof known, options) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_test_server *server = chat__alloc_zero(&libc, sizeof *server);
    if (server == NULL)
        return CHAT_ERR_NOMEM;
    server->options = known;
    chat_status status = set_up(server);
    if (status != CHAT_OK) {
        chat_test_server_free(server);
        return status;
    }
    *out = server;
    return CHAT_OK;
}

void chat_test_server_free(chat_test_server *server)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    if (server == NULL)
        return;
    while (server->conns != NULL)
        chat__test_conn_free(server, server->conns);
    chat__node_free(server->world.nodes[0]);
    chat__sim_drop_events(&server->world);
    chat__sim_storage_free(&server->world);
    chat_decoder_free(server->world.decoder);
    chat__ws_pool_free(server->pool);
    chat__jwt_key_free(server->key);
    chat__alloc_free(&libc, server);
}

/* --- connections --- */

chat_status chat_test_server_accept(chat_test_server *server, chat_test_conn *out)
{
    if (server == NULL || out == NULL)
        return CHAT_ERR_ARG;
    test_conn *conn = chat__test_conn_new(server);
    if (conn == NULL)
        return CHAT_ERR_NOMEM;
    *out = conn->number;
    return CHAT_OK;
}

chat_status chat_test_server_feed(chat_test_server *server, chat_test_conn number,
                                  const uint8_t *bytes, size_t len)
{
    if (server == NULL || (bytes == NULL && len > 0))
        return CHAT_ERR_ARG;
    test_conn *conn = conn_of(server, number);
    if (conn == NULL)
        return CHAT_ERR_CLOSED;
    begin(server);
    chat_status status = chat__test_conn_feed(server, conn, chat__view(bytes, len));
    chat__test_server_pump(server);
    return status;
}

chat_status chat_test_server_take(chat_test_server *server, chat_test_conn number, uint8_t *out,
                                  size_t cap, size_t *out_len)
{
    if (server == NULL || out == NULL || out_len == NULL || cap == 0)
        return CHAT_ERR_ARG;
    test_conn *conn = conn_of(server, number);
    if (conn == NULL)
        return CHAT_ERR_CLOSED;
    if (conn->tx.len == 0 && conn->is_over) {
        chat__test_conn_free(server, conn);
        return CHAT_ERR_CLOSED;
    }
    if (conn->tx.len == 0 || server->world.now_ms < conn->ready_at_ms)
        return CHAT_EMPTY;
    size_t n = conn->tx.len < cap ? conn->tx.len : cap;
    memcpy(out, conn->tx.data, n);
    chat__buf_consume(&conn->tx, n);
    *out_len = n;
    return CHAT_OK;
}

void chat_test_server_hangup(chat_test_server *server, chat_test_conn number)
{
    test_conn *conn = server != NULL ? conn_of(server, number) : NULL;
    if (conn == NULL)
        return;
    begin(server);
    if (conn->conn != 0)
        chat__node_closed(server->world.nodes[0], conn->conn);
    chat__test_conn_free(server, conn);
    chat__test_server_pump(server);
}

/* --- the clock --- */

uint64_t chat_test_server_now(const chat_test_server *server)
{
    return server->world.now_ms;
}

uint64_t chat_test_server_due(const chat_test_server *server)
{
    uint64_t now_ms = server->world.now_ms;
    uint64_t at_ms =
        server->world.nodes[0] != NULL ? chat__node_deadline(server->world.nodes[0]) : UINT64_MAX;
    for (const test_conn *conn = server->conns; conn != NULL; conn = conn->next)
        if (conn->tx.len > 0 && conn->ready_at_ms > now_ms && conn->ready_at_ms < at_ms)
            at_ms = conn->ready_at_ms;
    if (at_ms == UINT64_MAX)
        return UINT64_MAX;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

void chat_test_server_advance(chat_test_server *server, uint64_t ms)
{
    uint64_t until_ms = server->world.now_ms + ms;
    for (;;) {
        uint64_t due_ms = chat_test_server_due(server);
        uint64_t left_ms = until_ms - server->world.now_ms;
        int is_last = due_ms >= left_ms;
        server->world.now_ms += is_last ? left_ms : due_ms > 0 ? due_ms : 1;
        begin(server);
        chat__test_server_pump(server);
        if (is_last)
            return;
    }
}

/* --- faults --- */

static void cut(chat_test_server *server, test_conn *conn)
{
    chat__conn id = conn->conn;
    conn->conn = 0;
    conn->tx.len = 0;
    conn->is_over = 1;
    if (id != 0 && server->world.nodes[0] != NULL)
        chat__node_closed(server->world.nodes[0], id);
}

static void apply(chat_test_server *server, test_conn *conn, chat_test_fault fault, uint64_t value)
{
    switch (fault) {
    case CHAT_TEST_FAULT_DELAY:
        conn->delay_ms = value;
        break;
    case CHAT_TEST_FAULT_MUTE:
        conn->is_mute = value != 0;
        break;
    case CHAT_TEST_FAULT_DEAF:
        conn->is_deaf = value != 0;
        break;
    case CHAT_TEST_FAULT_CUT:
    default:
        cut(server, conn);
        break;
    }
}

chat_status chat_test_server_fault(chat_test_server *server, chat_test_conn number,
                                   chat_test_fault fault, uint64_t value)
{
    if (server == NULL || fault < CHAT_TEST_FAULT_DELAY || fault > CHAT_TEST_FAULT_CUT)
        return CHAT_ERR_ARG;
    if (number != 0 && conn_of(server, number) == NULL)
        return CHAT_ERR_NOT_FOUND;
    begin(server);
    for (test_conn *conn = server->conns; conn != NULL; conn = conn->next)
        if (number == 0 || conn->number == number)
            apply(server, conn, fault, value);
    chat__test_server_pump(server);
    return CHAT_OK;
}

void chat_test_server_refuse(chat_test_server *server, uint32_t http_status)
{
    server->refused_with = http_status;
}

void chat_test_server_hold_disk(chat_test_server *server, int is_held)
{
    server->is_disk_held = is_held != 0;
    begin(server);
    chat__test_server_pump(server);
}

chat_status chat_test_server_crash(chat_test_server *server)
{
    chat__node_free(server->world.nodes[0]);
    server->world.nodes[0] = NULL;
    for (test_conn *conn = server->conns; conn != NULL; conn = conn->next)
        cut(server, conn);
    chat__sim_storage_crash(&server->world);
    return start_node(server);
}

void chat_test_server_drain(chat_test_server *server, uint32_t retry_after_ms)
{
    begin(server);
    if (server->world.nodes[0] != NULL)
        chat__node_drain(server->world.nodes[0], retry_after_ms);
    chat__test_server_pump(server);
}
