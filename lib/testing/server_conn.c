/* SPDX-License-Identifier: MIT */
/* A connection of the test server: the upgrade, then WebSocket messages to and from the node. */
#include "base/alloc.h"
#include "base/view.h"
#include "net/http.h"
#include "testing/server.h"

#include <string.h>

#define MAX_TX_BYTES   (4u << 20)
#define CLOSE_NORMAL   1000u /* RFC 6455 section 7.4.1 */
#define CLOSE_NO_CODE  1005u
#define CLOSE_INTERNAL 1011u

test_conn *chat__test_conn_new(chat_test_server *server)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    test_conn *conn = chat__alloc_zero(&libc, sizeof *conn);
    if (conn == NULL)
        return NULL;
    chat__buf_init(&conn->rx, NULL, CHAT__HTTP_MAX_HEAD_BYTES * 2);
    chat__buf_init(&conn->tx, NULL, MAX_TX_BYTES);
    conn->number = ++server->last_number;
    conn->next = server->conns;
    server->conns = conn;
    return conn;
}

void chat__test_conn_free(chat_test_server *server, test_conn *conn)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    for (test_conn **at = &server->conns; *at != NULL; at = &(*at)->next) {
        if (*at == conn) {
            *at = conn->next;
            break;
        }
    }
    if (conn->is_open)
        chat__ws_done(&conn->ws);
    chat__buf_done(&conn->rx);
    chat__buf_done(&conn->tx);
    chat__alloc_free(&libc, conn);
}

/* What was just appended to `tx` behind `before` bytes. */
static void wrote(chat_test_server *server, test_conn *conn, size_t before)
{
    if (conn->is_mute)
        conn->tx.len = before;
    else if (before == 0 && conn->tx.len > 0)
        conn->ready_at_ms = server->world.now_ms + conn->delay_ms;
}

/* Tell the node, if it does not know already. */
static void forget(chat_test_server *server, test_conn *conn)
{
    chat__conn id = conn->conn;
    conn->conn = 0;
    if (id != 0 && server->world.nodes[0] != NULL)
        chat__node_closed(server->world.nodes[0], id);
}

void chat__test_conn_end(chat_test_server *server, test_conn *conn, uint16_t code, const char *text)
{
    size_t before = conn->tx.len;
    if (conn->is_over)
        return;
    (void)chat__ws_write_close(&conn->ws, code != 0 ? code : CLOSE_INTERNAL, text, &conn->tx);
    wrote(server, conn, before);
    conn->is_over = 1;
}

void chat__test_conn_write(chat_test_server *server, test_conn *conn, chat_view message)
{
    size_t before = conn->tx.len;
    chat__ws_opcode opcode =
        conn->encoding == CHAT_ENCODING_JSON ? CHAT__WS_OP_TEXT : CHAT__WS_OP_BINARY;
    if (conn->is_over)
        return;
    if (chat__ws_write(&conn->ws, opcode, message, &conn->tx) != CHAT_OK) {
        forget(server, conn);
        conn->is_over = 1;
        return;
    }
    wrote(server, conn, before);
}

/* --- the upgrade --- */

static chat_status refuse(chat_test_server *server, test_conn *conn, uint16_t status,
                          const char *why)
{
    size_t before = conn->tx.len;
    chat_status result = chat__http_write_answer(status, NULL, chat__view_str(why), &conn->tx);
    wrote(server, conn, before);
    conn->is_over = 1;
    return result;
}

/* CHAT_OK: `claims` has the user. */
static chat_status authenticate(const chat_test_server *server, chat_view token,
                                chat__jwt_claims *claims, const char **out_why)
{
    chat__jwt_check check = {.key = server->key,
                             .now_unix_ms = server->world.unix_base_ms + server->world.now_ms};
    if (server->key != NULL)
        return chat__jwt_verify(&check, token, claims, out_why);
    *out_why = "the token is no user's name";
    if (!chat_id_is_valid(token))
        return CHAT_ERR_AUTH;
    memcpy(claims->sub, token.data, token.len);
    claims->sub_len = token.len;
    claims->exp_unix_ms = UINT64_MAX;
    return CHAT_OK;
}

static chat_status let_in(chat_test_server *server, test_conn *conn,
                          const chat__http_request *request, const chat__jwt_claims *claims)
{
    size_t before = conn->tx.len;
    int deflate = server->options.no_deflate ? 0 : request->offers_deflate;
    chat_status status =
        chat__node_open(server->world.nodes[0], chat__view(claims->sub, claims->sub_len),
                        request->encoding, claims->exp_unix_ms, &conn->conn);
    if (status != CHAT_OK)
        return refuse(server, conn, 503, "full\n");
    conn->encoding = request->encoding;
    status = chat__http_write_switch(request, deflate, &conn->tx);
    chat__ws_init(&conn->ws, server->pool, 0, deflate);
    conn->is_open = 1;
    wrote(server, conn, before);
    return status;
}

static chat_status upgrade(chat_test_server *server, test_conn *conn, size_t *out_head_len)
{
    chat__http_request request;
    chat__jwt_claims claims;
    const char *why = "";
    memset(&request, 0, sizeof request);
    memset(&claims, 0, sizeof claims);
    chat_status status =
        chat__http_parse_request(chat__buf_view(&conn->rx), 1, &request, out_head_len);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    if (status != CHAT_OK)
        return refuse(server, conn, request.error_status, request.error_text);
    if (!request.is_upgrade)
        return refuse(server, conn, 426, "This is a test server. It speaks WebSocket.\n");
    if (request.encoding == 0)
        return refuse(server, conn, 400, "offer subprotocol chat.v1.cbor or chat.v1.json\n");
    if (server->refused_with != 0 || server->world.nodes[0] == NULL)
        return refuse(server, conn,
                      (uint16_t)(server->refused_with != 0 ? server->refused_with : 503),
                      "refused by the test\n");
    if (authenticate(server, request.token, &claims, &why) != CHAT_OK)
        return refuse(server, conn, 401, why);
    return let_in(server, conn, &request, &claims);
}

/* --- messages --- */

static void on_event(chat_test_server *server, test_conn *conn, const chat__ws_event *event)
{
    chat__node *node = server->world.nodes[0];
    size_t before = conn->tx.len;
    switch (event->type) {
    case CHAT__WS_TEXT:
    case CHAT__WS_BINARY:
        if (conn->conn != 0)
            chat__node_receive(node, conn->conn, event->payload);
        break;
    case CHAT__WS_PING:
        if (conn->conn != 0)
            chat__node_alive(node, conn->conn);
        (void)chat__ws_write(&conn->ws, CHAT__WS_OP_PONG, event->payload, &conn->tx);
        wrote(server, conn, before);
        break;
    case CHAT__WS_CLOSE:
        forget(server, conn);
        chat__test_conn_end(server, conn, event->code == CLOSE_NO_CODE ? CLOSE_NORMAL : event->code,
                            "");
        break;
    case CHAT__WS_FAIL:
        forget(server, conn);
        chat__test_conn_end(server, conn, event->code, event->why != NULL ? event->why : "");
        break;
    case CHAT__WS_PONG:
    default:
        break;
    }
}

static chat_status read_messages(chat_test_server *server, test_conn *conn)
{
    size_t at = 0;
    while (at < conn->rx.len && !conn->is_over) {
        chat__ws_event event;
        size_t used = 0;
        memset(&event, 0, sizeof event);
        chat_status status =
            chat__ws_read(&conn->ws, conn->rx.data + at, conn->rx.len - at, &used, &event);
        at += used;
        if (status == CHAT_MORE)
            break;
        if (status != CHAT_OK)
            return status;
        on_event(server, conn, &event);
        chat__test_server_pump(server);
    }
    conn->rx.len = 0;
    return CHAT_OK;
}

static chat_status feed_piece(chat_test_server *server, test_conn *conn, chat_view bytes)
{
    size_t head_len = 0;
    chat_status status = chat__buf_append(&conn->rx, bytes.data, bytes.len);
    if (status == CHAT_OK && !conn->is_open) {
        status = upgrade(server, conn, &head_len);
        if (status == CHAT_MORE)
            return CHAT_OK;
        chat__buf_consume(&conn->rx, head_len);
    }
    if (status == CHAT_OK && conn->is_open)
        status = read_messages(server, conn);
    return status;
}

chat_status chat__test_conn_feed(chat_test_server *server, test_conn *conn, chat_view bytes)
{
    chat_status status = CHAT_OK;
    if (conn->is_over)
        return CHAT_ERR_CLOSED;
    if (conn->is_deaf)
        return CHAT_OK;
    while (status == CHAT_OK && bytes.len > 0 && !conn->is_over) {
        chat_view piece = bytes;
        if (piece.len > CHAT__HTTP_MAX_HEAD_BYTES)
            piece.len = CHAT__HTTP_MAX_HEAD_BYTES;
        bytes.data += piece.len;
        bytes.len -= piece.len;
        status = feed_piece(server, conn, piece);
    }
    if (status != CHAT_OK) {
        forget(server, conn);
        conn->is_over = 1;
    }
    return status;
}
