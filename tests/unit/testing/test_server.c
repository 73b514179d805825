/* SPDX-License-Identifier: MIT */
#include "base/view.h"
#include "net/http.h"
#include "net/ws.h"
#include "unit.h"

#include <chat/testing_server.h>
#include <stdio.h>
#include <string.h>

/* A peer that speaks JSON over the server's bytes. */
struct peer {
    chat_test_server *server;
    chat_test_conn conn;
    chat__ws_pool *pool;
    chat__ws ws;
    chat__http_upgrade upgrade;
    chat__buf rx, tx;
    uint16_t status; /* of HTTP */
    char heard[65536];
};

static chat_status flush(struct peer *peer)
{
    chat_status status =
        chat_test_server_feed(peer->server, peer->conn, peer->tx.data, peer->tx.len);
    peer->tx.len = 0;
    return status;
}

static chat_test_server *new_server(void)
{
    chat_test_server_options options;
    chat_test_server *server = NULL;
    chat_test_server_options_init(&options);
    assert_int_equal(chat_test_server_new(&options, &server), CHAT_OK);
    return server;
}

/* What came since the last call, a line for each message; "closed CODE" for a close. */
static const char *hear(struct peer *peer)
{
    uint8_t bytes[1000];
    size_t n = 0, head_len = 0, used = 0;
    chat__ws_event event;
    peer->heard[0] = '\0';
    while (chat_test_server_take(peer->server, peer->conn, bytes, sizeof bytes, &n) == CHAT_OK)
        assert_int_equal(chat__buf_append(&peer->rx, bytes, n), CHAT_OK);
    if (peer->status != 101 && peer->rx.len > 0) {
        chat__http_response response;
        memset(&response, 0, sizeof response);
        (void)chat__http_parse_response(chat__buf_view(&peer->rx), &peer->upgrade, &response,
                                        &head_len);
        peer->status = response.status;
        chat__buf_consume(&peer->rx, peer->status == 101 ? head_len : peer->rx.len);
        chat__ws_init(&peer->ws, peer->pool, 1, 0);
    }
    memset(&event, 0, sizeof event);
    while (peer->rx.len > 0 &&
           chat__ws_read(&peer->ws, peer->rx.data, peer->rx.len, &used, &event) == CHAT_OK) {
        size_t at = strlen(peer->heard);
        snprintf(peer->heard + at, sizeof peer->heard - at, "%s %u %.*s\n",
                 event.type == CHAT__WS_CLOSE ? "closed" : "", event.code, (int)event.payload.len,
                 (const char *)event.payload.data);
        chat__buf_consume(&peer->rx, used);
    }
    return peer->heard;
}

static void say(struct peer *peer, const char *json)
{
    assert_int_equal(chat__ws_write(&peer->ws, CHAT__WS_OP_TEXT, chat__view_str(json), &peer->tx),
                     CHAT_OK);
    (void)flush(peer);
}

static void join(struct peer *peer, chat_test_server *server, const char *token)
{
    chat__ws_limits limits = {131072, 8, 512};
    if (peer->pool == NULL) {
        assert_int_equal(chat__ws_pool_new(NULL, &limits, &peer->pool), CHAT_OK);
        chat__buf_init(&peer->rx, NULL, 1 << 20);
        chat__buf_init(&peer->tx, NULL, 1 << 20);
    }
    peer->rx.len = peer->tx.len = 0;
    peer->server = server;
    peer->status = 0;
    peer->upgrade.host_header = "test";
    peer->upgrade.path = "/";
    peer->upgrade.token = chat__view_str(token);
    peer->upgrade.encoding = CHAT_ENCODING_JSON;
    assert_int_equal(chat_test_server_accept(server, &peer->conn), CHAT_OK);
    assert_int_equal(chat__http_write_upgrade(&peer->upgrade, &peer->tx), CHAT_OK);
    assert_int_equal(flush(peer), CHAT_OK);
    (void)hear(peer);
    if (peer->status == 101)
        say(peer, "{\"t\":\"hello\",\"device\":\"d\"}");
}

static void leave(struct peer *peer)
{
    chat_test_server_hangup(peer->server, peer->conn);
    chat__ws_pool_free(peer->pool);
    chat__buf_done(&peer->rx);
    chat__buf_done(&peer->tx);
}

#define SEND_TO_BOB "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"1\",\"body\":\"hello\"}"

static void a_message_goes_from_one_to_the_other(void **state)
{
    struct peer alice = {0}, bob = {0};
    chat_test_server *server = new_server();
    (void)state;
    join(&alice, server, "alice");
    join(&bob, server, "bob");
    assert_non_null(strstr(hear(&alice), "\"welcome\""));
    (void)hear(&bob);
    say(&alice, SEND_TO_BOB);
    assert_non_null(strstr(hear(&alice), "\"sent\""));
    assert_non_null(strstr(hear(&bob), "\"hello\""));
    leave(&alice);
    leave(&bob);
    chat_test_server_free(server);
}

static void nothing_is_sent_while_the_disk_hangs(void **state)
{
    struct peer alice = {0};
    chat_test_server *server = new_server();
    (void)state;
    join(&alice, server, "alice");
    (void)hear(&alice);
    chat_test_server_hold_disk(server, 1);
    say(&alice, SEND_TO_BOB);
    assert_null(strstr(hear(&alice), "\"sent\""));
    chat_test_server_hold_disk(server, 0);
    assert_non_null(strstr(hear(&alice), "\"sent\""));
    leave(&alice);
    chat_test_server_free(server);
}

static void what_was_acknowledged_survives_a_crash(void **state)
{
    struct peer alice = {0}, bob = {0};
    chat_test_server *server = new_server();
    uint8_t byte;
    size_t n = 0;
    (void)state;
    join(&alice, server, "alice");
    say(&alice, SEND_TO_BOB);
    assert_non_null(strstr(hear(&alice), "\"sent\""));
    assert_int_equal(chat_test_server_crash(server), CHAT_OK);
    assert_int_equal(chat_test_server_take(server, alice.conn, &byte, 1, &n), CHAT_ERR_CLOSED);
    assert_int_equal(chat_test_server_feed(server, alice.conn, &byte, 1), CHAT_ERR_CLOSED);
    join(&bob, server, "bob");
    assert_non_null(strstr(hear(&bob), "\"hello\""));
    leave(&alice);
    leave(&bob);
    chat_test_server_free(server);
}

static void the_clock_only_moves_by_hand(void **state)
{
    struct peer alice = {0};
    chat_test_server *server = new_server();
    (void)state;
    join(&alice, server, "alice");
    (void)hear(&alice);
    chat_test_server_advance(server, 59000);
    assert_string_equal(hear(&alice), "");
    chat_test_server_advance(server, 2000);
    assert_non_null(strstr(hear(&alice), "closed"));
    assert_int_equal(chat_test_server_now(server), 61000);
    leave(&alice);
    chat_test_server_free(server);
}

static void faults_delay_lose_and_cut(void **state)
{
    struct peer alice = {0};
    chat_test_server *server = new_server();
    (void)state;
    join(&alice, server, "alice");
    (void)hear(&alice);
    (void)chat_test_server_fault(server, alice.conn, CHAT_TEST_FAULT_DELAY, 50);
    say(&alice, SEND_TO_BOB);
    assert_string_equal(hear(&alice), "");
    chat_test_server_advance(server, 50);
    assert_non_null(strstr(hear(&alice), "\"sent\""));
    (void)chat_test_server_fault(server, alice.conn, CHAT_TEST_FAULT_MUTE, 1);
    say(&alice, "{\"t\":\"ping\",\"r\":1}");
    chat_test_server_advance(server, 50);
    assert_string_equal(hear(&alice), "");
    assert_int_equal(chat_test_server_fault(server, 0, CHAT_TEST_FAULT_CUT, 0), CHAT_OK);
    assert_int_equal(flush(&alice), CHAT_ERR_CLOSED);
    leave(&alice);
    chat_test_server_free(server);
}

static void a_refusal_is_told_in_http(void **state)
{
    struct peer alice = {0};
    chat_test_server *server = new_server();
    (void)state;
    chat_test_server_refuse(server, 429);
    join(&alice, server, "alice");
    assert_int_equal(alice.status, 429);
    chat_test_server_refuse(server, 0);
    join(&alice, server, "a-name-that-is-longer-than-a-name-may-be-by-the-rules-of-the-protocol");
    assert_int_equal(alice.status, 401);
    leave(&alice);
    chat_test_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_from_one_to_the_other),
        cmocka_unit_test(nothing_is_sent_while_the_disk_hangs),
        cmocka_unit_test(what_was_acknowledged_survives_a_crash),
        cmocka_unit_test(the_clock_only_moves_by_hand),
        cmocka_unit_test(faults_delay_lose_and_cut),
        cmocka_unit_test(a_refusal_is_told_in_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
