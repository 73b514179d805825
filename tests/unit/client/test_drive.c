/* SPDX-License-Identifier: MIT */
/* The public client against a peer on a loopback socket. */
#include "peer.h"
#include "bound.h"

#include <pthread.h>
#include <stdlib.h>

static const chat_target ROOM = {{(const uint8_t *)"room", 4}, {NULL, 0}};

static chat_client_options options_for(const struct peer *peer)
{
    chat_client_options options;
    chat_client_options_init(&options);
    options.url = peer->url;
    options.token = "secret-token";
    options.device = "d";
    options.encoding = CHAT_ENCODING_JSON;
    options.backoff_first_ms = 1;
    options.backoff_max_ms = 10;
    return options;
}

static chat_client *client_for(const struct peer *peer)
{
    chat_client *client = NULL;
    chat_client_options options = options_for(peer);
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    return client;
}

static void expect_online(struct peer *peer, chat_client *client)
{
    assert_string_equal(both_event(peer, client), "STATE ok connecting ");
    assert_string_equal(both_event(peer, client), "STATE ok online ");
}

static const char message[] = "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"bob\",\"id\":\"7\","
                              "\"seq\":\"7\",\"ts\":1,\"body\":\"hi\"}";

static void talk(struct peer *peer, chat_client *client)
{
    expect_online(peer, client);
    assert_int_equal(chat_client_send(client, &ROOM, chat__view_str("hello"), NULL), CHAT_OK);
    assert_string_equal(both_event(peer, client), "SENT ok");
    assert_int_equal(chat_client_outbox_count(client), 0);
    peer_say(peer, message);
    assert_string_equal(both_event(peer, client), "MESSAGE ok hi");
    assert_null(strstr(peer->heard, "ack"));
    both_until_heard(peer, client, "{\"t\":\"ack\",\"n\":1}");
}

static void talks_over_a_socket(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    talk(&peer, client);
    assert_int_equal(chat_client_get_state(client), CHAT_CLIENT_ONLINE);
    chat_client_free(client);
    peer_done(&peer);
}

static void a_byte_at_a_time_gives_the_same_events(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    peer.is_slow = 1;
    chat_client *client = client_for(&peer);
    talk(&peer, client);
    chat_client_free(client);
    peer_done(&peer);
}

/* The name may have an address at which nobody listens: the next one is tried. */
static void finds_a_name_and_tries_each_address(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "localhost");
    chat_client *client = client_for(&peer);
    talk(&peer, client);
    chat_client_free(client);
    peer_done(&peer);
}

static void comes_back_with_the_same_descriptor(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    int fd = chat_client_fd(client);
    expect_online(&peer, client);
    for (int i = 2; i < 6; i++) {
        peer_hang_up(&peer);
        assert_int_equal(chat_client_send(client, &ROOM, chat__view_str("late"), NULL), CHAT_OK);
        assert_non_null(strstr(both_event(&peer, client), "waiting"));
        expect_online(&peer, client);
        assert_string_equal(both_event(&peer, client), "SENT ok");
        assert_int_equal(peer.n_connects, i);
        assert_int_equal(chat_client_fd(client), fd);
    }
    chat_client_free(client);
    peer_done(&peer);
}

static void a_refused_token_stops_and_another_one_helps(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    peer.refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nexpired\n";
    chat_client *client = client_for(&peer);
    assert_string_equal(both_event(&peer, client), "STATE ok connecting ");
    assert_string_equal(both_event(&peer, client),
                        "STATE unauthorized refused the server answered 401 expired");
    peer.refusal = NULL;
    assert_int_equal(chat_client_set_token(client, "bad token"), CHAT_ERR_ARG);
    assert_int_equal(chat_client_set_token(client, "better"), CHAT_OK);
    assert_int_equal(chat_client_reconnect(client), CHAT_OK);
    expect_online(&peer, client);
    chat_client_free(client);
    peer_done(&peer);
}

static void a_close_code_says_why(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    expect_online(&peer, client);
    (void)chat__ws_write_close(&peer.ws, 4003, "another phone", &peer.tx);
    assert_string_equal(both_event(&peer, client),
                        "STATE replaced refused another phone (closed with 4003)");
    assert_int_equal(chat_client_timeout(client, real_ms()), -1);
    chat_client_free(client);
    peer_done(&peer);
}

static void a_peer_that_breaks_the_rules_is_left(void **state)
{
    static const char *const bad[] = {"\xff\xff\xff\xff", "\x82\x02{}", "\x81\x81\1\1\1\1z"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct peer peer;
        peer_init(&peer, "127.0.0.1");
        chat_client *client = client_for(&peer);
        expect_online(&peer, client);
        (void)chat__buf_append(&peer.tx, bad[i], strlen(bad[i]));
        assert_non_null(strstr(both_event(&peer, client), "STATE protocol waiting"));
        chat_client_free(client);
        peer_done(&peer);
    }
}

static void a_mute_peer_is_given_up(void **state)
{
    struct peer peer;
    chat_client *client = NULL;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    peer.is_mute = 1;
    chat_client_options options = options_for(&peer);
    options.connect_timeout_ms = 20;
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    assert_string_equal(both_event(&peer, client), "STATE ok connecting ");
    assert_string_equal(both_event(&peer, client), "STATE timeout waiting no connection in time");
    chat_client_free(client);
    peer_done(&peer);
}

static void close_says_all_and_leaves(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    expect_online(&peer, client);
    peer_say(&peer, message);
    assert_string_equal(both_event(&peer, client), "MESSAGE ok hi");
    assert_int_equal(chat_client_send(client, &ROOM, chat__view_str("bye all"), NULL), CHAT_OK);
    assert_int_equal(chat_client_close(client), CHAT_OK);
    assert_int_equal(chat_client_send(client, &ROOM, chat__view_str("x"), NULL), CHAT_ERR_STATE);
    assert_string_equal(both_event(&peer, client), "SENT ok");
    assert_string_equal(both_event(&peer, client), "STATE ok closed ");
    assert_non_null(strstr(peer.heard, "{\"t\":\"ack\",\"n\":1}"));
    assert_non_null(strstr(peer.heard, "bye all"));
    assert_non_null(strstr(peer.heard, "close 1000"));
    chat_client_free(client);
    peer_done(&peer);
}

static void close_without_a_connection_is_at_once(void **state)
{
    struct peer peer;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    assert_int_equal(chat_client_close(client), CHAT_OK);
    assert_string_equal(both_event(&peer, client), "STATE ok connecting ");
    assert_string_equal(both_event(&peer, client), "STATE ok closed ");
    chat_client_free(client);
    peer_done(&peer);
}

static void free_in_every_state_is_at_once(void **state)
{
    (void)state;
    for (int n_turns = 0; n_turns < 40; n_turns++)
        for (int kind = 0; kind < 4; kind++) {
            struct peer peer;
            peer_init(&peer, kind & 1 ? "localhost" : "127.0.0.1");
            peer.is_slow = kind & 2;
            chat_client *client = client_for(&peer);
            (void)chat_client_send(client, &ROOM, chat__view_str("x"), NULL);
            for (int i = 0; i < n_turns; i++) {
                const chat_event *event;
                peer_turn(&peer);
                (void)chat_client_process(client, real_ms());
                (void)chat_client_next_event(client, &event);
            }
            if (n_turns % 3 == 0)
                (void)chat_client_close(client);
            int64_t before_ms = bound_clock_ms();
            chat_client_free(client);
            assert_true(bound_clock_ms() - before_ms < BOUND_MS);
            peer_done(&peer);
        }
    chat_client_free(NULL);
}

static void *wake(void *client)
{
    chat_client_wakeup(client);
    return NULL;
}

static void another_thread_can_wake_it(void **state)
{
    struct peer peer;
    pthread_t thread;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    expect_online(&peer, client);
    both_until_heard(&peer, client, "hello");
    struct pollfd wait = {chat_client_fd(client), POLLIN, 0};
    while (poll(&wait, 1, 0) > 0)
        both_turn(&peer, client);
    assert_int_equal(pthread_create(&thread, NULL, wake, client), 0);
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(chat_client_process(client, real_ms()), CHAT_OK);
    assert_int_equal(poll(&wait, 1, 0), 0);
    chat_client_free(client);
    peer_done(&peer);
}

static void many_messages_arrive_in_order(void **state)
{
    struct peer peer;
    char json[256], want[32];
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client *client = client_for(&peer);
    expect_online(&peer, client);
    for (int i = 1; i <= 5000; i++) {
        snprintf(json, sizeof json,
                 "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"bob\",\"id\":\"%d\",\"seq\":\"%d\","
                 "\"ts\":1,\"body\":\"m%d\"}",
                 i, i, i);
        peer_say(&peer, json);
    }
    for (int i = 1; i <= 5000; i++) {
        snprintf(want, sizeof want, "MESSAGE ok m%d", i);
        assert_string_equal(both_event(&peer, client), want);
    }
    both_until_heard(&peer, client, "{\"t\":\"ack\",\"n\":5000}");
    chat_client_free(client);
    peer_done(&peer);
}

/* Wrong options, each with its status. */
static void options_are_checked(void **state)
{
    chat_client *client = NULL;
    chat_client_options options;
    (void)state;
    assert_int_equal(chat_client_new(NULL, &client), CHAT_ERR_ARG);
    chat_client_options_init(&options);
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG); /* no URL */
    options.url = "http://x";
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    options.url = "ws://x";
    options.token = "a b";
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    options.token = NULL;
    options.device = "";
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    options.device = "d";
    options.max_requests = 0;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    options.max_requests = 1;
    options.struct_size = 0;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    assert_null(client);
}

/* What programs of other versions hand over: fewer fields, or more that ask for nothing. */
static void structs_of_other_versions_are_taken(void **state)
{
    struct {
        chat_client_options options;
        uint64_t newer;
    } given = {.newer = 0};
    chat_client *client = NULL;
    chat_history_query query = {.struct_size = offsetof(chat_history_query, limit),
                                .target = {chat__view_str("room"), {NULL, 0}},
                                .limit = UINT32_MAX};
    (void)state;
    chat_client_options_init(&given.options);
    given.options.url = "ws://x";
    given.options.device = "d";
    given.options.struct_size = sizeof given;
    assert_int_equal(chat_client_new(&given.options, &client), CHAT_OK);
    assert_int_equal(chat_client_history(client, &query, NULL), CHAT_OK);
    query.struct_size = 0;
    assert_int_equal(chat_client_history(client, &query, NULL), CHAT_ERR_ARG);
    chat_client_free(client);
    given.newer = 1;
    assert_int_equal(chat_client_new(&given.options, &client), CHAT_ERR_ARG);
    given.options.struct_size = offsetof(chat_client_options, agent);
    given.options.max_requests = 0; /* it does not know of it */
    assert_int_equal(chat_client_new(&given.options, &client), CHAT_OK);
    chat_client_free(client);
}

/* --- each allocation fails once --- */

struct failing {
    int n_left; /* until the one that fails */
    int n_live;
};

static void *failing_resize(void *ctx, void *ptr, size_t new_bytes)
{
    struct failing *failing = ctx;
    if (new_bytes == 0) {
        failing->n_live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (failing->n_left-- == 0)
        return NULL;
    void *made = realloc(ptr, new_bytes);
    failing->n_live += made != NULL && ptr == NULL;
    return made;
}

/* 1: the message was sent in the end. */
static int try_to_send(struct peer *peer, chat_client *client)
{
    int is_put = 0;
    for (int i = 0; i < PEER_STEPS; i++) {
        const chat_event *event;
        if (!is_put)
            is_put = chat_client_send(client, &ROOM, chat__view_str("hello"), NULL) == CHAT_OK;
        both_turn(peer, client);
        while (chat_client_next_event(client, &event) == CHAT_OK)
            if (event->type == CHAT_EVENT_SENT)
                return 1;
    }
    return 0;
}

static void a_failed_allocation_is_survived(void **state)
{
    int n_refused = 0, n = 0;
    (void)state;
    for (int is_over = 0; !is_over; n++) {
        struct peer peer;
        struct failing failing = {n, 0};
        chat_allocator allocator = {&failing, failing_resize};
        chat_client *client = NULL;
        peer_init(&peer, "127.0.0.1");
        chat_client_options options = options_for(&peer);
        options.allocator = &allocator;
        chat_status status = chat_client_new(&options, &client);
        if (status == CHAT_OK)
            assert_int_equal(try_to_send(&peer, client), 1);
        else
            assert_int_equal(status, CHAT_ERR_NOMEM);
        n_refused += status != CHAT_OK;
        is_over = failing.n_left >= 0;
        chat_client_free(client);
        assert_int_equal(failing.n_live, 0);
        peer_done(&peer);
    }
    assert_true(n_refused > 3 && n > n_refused + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_over_a_socket),
        cmocka_unit_test(a_byte_at_a_time_gives_the_same_events),
        cmocka_unit_test(finds_a_name_and_tries_each_address),
        cmocka_unit_test(comes_back_with_the_same_descriptor),
        cmocka_unit_test(a_refused_token_stops_and_another_one_helps),
        cmocka_unit_test(a_close_code_says_why),
        cmocka_unit_test(a_peer_that_breaks_the_rules_is_left),
        cmocka_unit_test(a_mute_peer_is_given_up),
        cmocka_unit_test(close_says_all_and_leaves),
        cmocka_unit_test(close_without_a_connection_is_at_once),
        cmocka_unit_test(free_in_every_state_is_at_once),
        cmocka_unit_test(another_thread_can_wake_it),
        cmocka_unit_test(many_messages_arrive_in_order),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(structs_of_other_versions_are_taken),
        cmocka_unit_test(a_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
