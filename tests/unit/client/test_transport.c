/* SPDX-License-Identifier: MIT */
/* A client on the test's own transport, joined in memory to a test server. */
#include "end.h"
#include "bound.h"

#include <chat/token.h>
#include <stdlib.h>
#include <time.h>

static void talks_in_pieces_of_any_size(void **state)
{
    const uint32_t pieces[] = {4096, 7, 1};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        chat_test_server *server = new_server();
        struct end alice, bob;
        begin(&alice, server, "alice");
        begin(&bob, server, "bob");
        alice.piece = bob.piece = pieces[i];
        send_to_bob(&alice, "hello");
        for (int turn = 0; turn < 1500; turn++) {
            go_on(&alice, 1);
            go_on(&bob, 1);
        }
        assert_non_null(strstr(alice.seen, "4:3:0:"));
        assert_non_null(strstr(bob.seen, "2:3:0:hello"));
        chat_client_free(alice.client);
        chat_client_free(bob.client);
        chat_test_server_free(server);
    }
}

/* ordered-outbox, one-copy: written offline and over connections that are cut at any byte. */
static void ordered_outbox_and_one_copy(void **state)
{
    struct end alice, bob;
    chat_test_server *server = new_server();
    char text[32];
    (void)state;
    begin(&alice, server, "alice");
    begin(&bob, server, "bob");
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "<%d>", i);
        send_to_bob(&alice, text);
        alice.piece = (uint32_t)(i % 5) * 100 + 40;
        go_on(&alice, (uint64_t)(i % 7) * 3);
        go_on(&bob, 5);
        if (i % 3 == 0)
            (void)chat_test_server_fault(server, 0, CHAT_TEST_FAULT_CUT, 0);
        if (i % 10 == 5)
            assert_int_equal(chat_test_server_crash(server), CHAT_OK);
    }
    for (int turn = 0; turn < 100000 && strstr(bob.seen, "<39>") == NULL; turn++) {
        go_on(&alice, 1);
        go_on(&bob, 1);
    }
    const char *at = bob.seen;
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "<%d>", i);
        assert_int_equal(count_of(bob.seen, text), 1);
        assert_non_null(at = strstr(at, text));
    }
    chat_client_free(alice.client);
    chat_client_free(bob.client);
    chat_test_server_free(server);
}

static void one_resume_event(void **state)
{
    struct end alice;
    chat_test_server *server = new_server();
    char resumed[16];
    (void)state;
    begin(&alice, server, "alice");
    snprintf(resumed, sizeof resumed, "%d:3:0:", CHAT_EVENT_RESUMED);
    for (int i = 1; i <= 5; i++) {
        go_on(&alice, 40000);
        assert_int_equal(count_of(alice.seen, resumed), i);
        (void)chat_test_server_fault(server, 0, CHAT_TEST_FAULT_CUT, 0);
    }
    chat_client_free(alice.client);
    chat_test_server_free(server);
}

static void no_thread_needed_every_call_from_every_event(void **state)
{
    struct end alice;
    chat_test_server *server = new_server();
    (void)state;
    begin(&alice, server, "alice");
    alice.calls_everything = 1;
    go_on(&alice, 30);
    (void)chat_test_server_fault(server, 0, CHAT_TEST_FAULT_CUT, 0);
    go_on(&alice, 30);
    assert_int_equal(chat_client_reconnect(alice.client), CHAT_OK);
    go_on(&alice, 30);
    assert_int_equal(chat_client_close(alice.client), CHAT_OK);
    go_on(&alice, 3000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_CLOSED);
    call_everything(alice.client, 1, 0);
    chat_client_free(alice.client);
    chat_test_server_free(server);
}

/* A client is freed after each number of steps on its way. */
static void free_in_every_state_is_at_once(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 30; ms++) {
        struct end alice;
        chat_test_server *server = new_server();
        begin(&alice, server, "alice");
        send_to_bob(&alice, "hello");
        alice.piece = 64;
        go_on(&alice, ms);
        if (ms % 3 == 0)
            (void)chat_client_close(alice.client);
        int64_t before_ms = bound_clock_ms();
        chat_client_free(alice.client);
        assert_true(bound_clock_ms() - before_ms < BOUND_MS);
        chat_test_server_free(server);
    }
}

static void first_connect_is_tried_until_it_works(void **state)
{
    struct end alice;
    chat_test_server *server = new_server();
    (void)state;
    begin(&alice, server, "alice");
    chat_test_server_refuse(server, 503);
    go_on(&alice, 20000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_WAITING);
    assert_true(count_of(alice.seen, "1:1:") >= 3);
    chat_test_server_refuse(server, 0);
    go_on(&alice, 40000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_ONLINE);
    chat_client_free(alice.client);
    chat_test_server_free(server);
}

static void bye_is_honoured(void **state)
{
    struct end alice;
    chat_test_server *server = new_server();
    (void)state;
    begin(&alice, server, "alice");
    go_on(&alice, 20);
    chat_test_server_drain(server, 60000);
    go_on(&alice, 20);
    assert_int_equal(chat_test_server_crash(server), CHAT_OK);
    go_on(&alice, 55000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_WAITING);
    go_on(&alice, 30000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_ONLINE);
    chat_client_free(alice.client);
    chat_test_server_free(server);
}

#define SECRET "a secret of at least thirty-two bytes"

/* The old token ends in 60 s, a new one is wanted 50 s before; then it is refused. */
static void a_token_is_asked_for_before_it_expires_and_when_it_is_refused(void **state)
{
    chat_test_server_options options;
    chat_client_options mine;
    char token[512];
    struct end alice = {.piece = 4096};
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    (void)state;
    chat_test_server_options_init(&options);
    options.secret = chat__view_str(SECRET);
    options.unix_ms = now_ms;
    assert_int_equal(chat_test_server_new(&options, &alice.server), CHAT_OK);
    chat_client_options_init(&mine);
    mine.url = "ws://memory";
    mine.device = "d";
    mine.token = token;
    mine.own_transport = 1;
    mine.token_lead_ms = 50000;
    assert_int_equal(chat_token_make(options.secret, chat__view_str("alice"), now_ms + 60000, token,
                                     sizeof token),
                     CHAT_OK);
    assert_int_equal(chat_client_new(&mine, &alice.client), CHAT_OK);
    go_on(&alice, 5000);
    assert_null(strstr(alice.seen, "64:"));
    go_on(&alice, 6000);
    assert_non_null(strstr(alice.seen, "64:3:0:"));
    go_on(&alice, 60000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_REFUSED);
    assert_int_equal(count_of(alice.seen, "64:"), 2);
    (void)chat_token_make(options.secret, chat__view_str("alice"), now_ms + 900000, token,
                          sizeof token);
    assert_int_equal(chat_client_set_token(alice.client, token), CHAT_OK);
    go_on(&alice, 1000);
    assert_int_equal(chat_client_get_state(alice.client), CHAT_CLIENT_ONLINE);
    chat_client_free(alice.client);
    chat_test_server_free(alice.server);
}

static void an_older_connection_is_closed(void **state)
{
    struct end alice;
    chat_test_server *server = new_server();
    size_t n = 0;
    uint8_t byte = 0;
    (void)state;
    begin(&alice, server, "alice");
    assert_int_equal(chat_client_transport_opened(alice.client, 1), CHAT_ERR_CLOSED);
    go_on(&alice, 20);
    uint64_t old = alice.number;
    assert_int_equal(chat_client_transport_opened(alice.client, old), CHAT_ERR_STATE);
    assert_int_equal(chat_client_reconnect(alice.client), CHAT_OK);
    go_on(&alice, 20);
    assert_int_not_equal(alice.number, old);
    assert_int_equal(chat_client_transport_feed(alice.client, old, &byte, 1, &n), CHAT_ERR_CLOSED);
    assert_int_equal(chat_client_transport_take(alice.client, old, &byte, 1, &n), CHAT_ERR_CLOSED);
    assert_int_equal(chat_client_transport_lost(alice.client, old), CHAT_ERR_CLOSED);
    chat_client_free(alice.client);
    chat_test_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_in_pieces_of_any_size),
        cmocka_unit_test(ordered_outbox_and_one_copy),
        cmocka_unit_test(one_resume_event),
        cmocka_unit_test(no_thread_needed_every_call_from_every_event),
        cmocka_unit_test(free_in_every_state_is_at_once),
        cmocka_unit_test(first_connect_is_tried_until_it_works),
        cmocka_unit_test(bye_is_honoured),
        cmocka_unit_test(a_token_is_asked_for_before_it_expires_and_when_it_is_refused),
        cmocka_unit_test(an_older_connection_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
