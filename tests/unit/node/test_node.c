/* SPDX-License-Identifier: MIT */
#include "harness.h"

#define SEND_TO_BOB "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\"}"

static world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void sent_comes_only_when_durable(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    w.is_append_held = 1;
    w.written[1][0] = 0;
    say(&w, 0, SEND_TO_BOB);
    assert_string_equal(w.written[0], "");
    assert_string_equal(w.written[1], "");
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_written(&w, 1, "\"t\":\"msg\"");
    assert_written(&w, 1, "\"body\":\"hi\"");
    assert_not_written(&w, 0, "\"t\":\"msg\"");
}

static void delivered_comes_only_on_the_clients_ack(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    say(&w, 0, SEND_TO_BOB);
    assert_not_written(&w, 0, "receipt");
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    assert_written(&w, 0, "\"t\":\"receipt\"");
    assert_written(&w, 0, "\"user\":\"bob\"");
    assert_string_equal(w.cursor, "bob/laptop dm:5:alice:bob 10");
}

static void first_frame_must_be_hello(void **state)
{
    (void)state;
    open_conn(&w, 0, "alice");
    say(&w, 0, SEND_TO_BOB);
    assert_int_equal(w.closed[0], CHAT_ERR_STATE);
    open_conn(&w, 1, "alice");
    say(&w, 1, "{\"t\":\"hello\"}");
    assert_int_equal(w.closed[1], CHAT_ERR_ARG);
}

static void hello_must_come_in_time(void **state)
{
    (void)state;
    open_conn(&w, 0, "alice");
    pass_time(&w, 9999);
    assert_int_equal(w.closed[0], CHAT_OK);
    pass_time(&w, 1);
    assert_int_equal(w.closed[0], CHAT_ERR_TIMEOUT);
}

static void one_deadline_covers_the_upgrade_and_hello(void **state)
{
    (void)state;
    pass_time(&w, 8000);
    open_conn(&w, 0, "alice");
    chat__node_since(w.node, w.conns[0], w.now_ms - 8000);
    pass_time(&w, 1999);
    assert_int_equal(w.closed[0], CHAT_OK);
    pass_time(&w, 1);
    assert_int_equal(w.closed[0], CHAT_ERR_TIMEOUT);
}

static void same_cid_gets_the_first_id(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    say(&w, 0, SEND_TO_BOB);
    char first[8192];
    memcpy(first, w.written[0], sizeof first);
    say(&w, 0, SEND_TO_BOB);
    assert_string_equal(w.written[0], first);
    assert_int_equal(w.n_records, 1);
}

/* The node that took the first copy is gone; its log is not. */
static void one_copy_after_a_restart(void **state)
{
    char first[8192];
    chat__node_options options;
    (void)state;
    join(&w, 0, "alice", "phone");
    say(&w, 0, SEND_TO_BOB);
    memcpy(first, w.written[0], sizeof first);
    chat__node_free(w.node);
    chat__node_options_init(&options);
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1);
    w.cursor_of_loaded = UINT64_MAX;
    join(&w, 0, "alice", "phone");
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\",\"resend\":true}");
    assert_string_equal(w.written[0], first);
    assert_int_equal(w.n_records, 1);
}

/* One search finds what is there and knows what is not. */
static void resends_are_told_apart_after_a_restart(void **state)
{
    static const char *const RESENDS[] = {"k9", "k1", "k9", "k0", "k1"};
    char text[128];
    chat__node_options options;
    (void)state;
    join(&w, 0, "alice", "phone");
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text,
                 "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"k%d\",\"body\":\"x\"}", i);
        say(&w, 0, text);
    }
    chat__node_free(w.node);
    chat__node_options_init(&options);
    options.dedupe_count = 3; /* some are forgotten again at once */
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1);
    w.cursor_of_loaded = UINT64_MAX;
    join(&w, 0, "alice", "phone");
    for (size_t i = 0; i < sizeof RESENDS / sizeof RESENDS[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"%s\",\"body\":\"x\","
                 "\"resend\":true}",
                 RESENDS[i]);
        say(&w, 0, text);
        assert_written(&w, 0, "\"t\":\"sent\"");
    }
    assert_int_equal(w.n_records, 4);
}

/* It was in no history yet when the other one was looked for. */
static void what_was_pending_during_a_search_is_known_later(void **state)
{
    static const char *const SENDS[] = {"k0", "k9\",\"resend\":true,\"body\":\"x"};
    char text[160];
    chat__node_options options;
    (void)state;
    chat__node_free(w.node);
    chat__node_options_init(&options);
    options.dedupe_count = 3;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1);
    join(&w, 0, "alice", "phone");
    w.is_append_held = 1;
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"%s\"%s}", SENDS[i],
                 i == 0 ? ",\"body\":\"x\"" : "");
        say(&w, 0, text);
    }
    w.is_append_held = 0;
    pass_time(&w, 1);
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"k1\",\"body\":\"x\"}");
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"k0\",\"body\":\"x\",\"resend\":true}");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_int_equal(w.n_records, 3);
}

static void failed_append_is_told_and_may_be_tried_again(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    w.append_status = CHAT_ERR_FULL;
    say(&w, 0, SEND_TO_BOB);
    assert_written(&w, 0, "\"code\":\"storage_full\"");
    assert_written(&w, 0, "\"retry_after_ms\"");
    w.append_status = CHAT_OK;
    say(&w, 0, SEND_TO_BOB);
    assert_written(&w, 0, "\"t\":\"sent\"");
}

static void what_came_while_away_arrives_in_order_on_reconnect(void **state)
{
    char send[128];
    (void)state;
    join(&w, 0, "alice", "phone");
    for (int i = 0; i < 10; i++) {
        snprintf(send, sizeof send,
                 "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"k%d\",\"body\":\"m%d\"}", i, i);
        say(&w, 0, send);
    }
    join(&w, 1, "bob", "laptop");
    /* The window has four places. */
    assert_written(&w, 1, "m3");
    assert_not_written(&w, 1, "m4");
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}");
    assert_written(&w, 1, "m7");
    say(&w, 1, "{\"t\":\"ack\",\"n\":8}");
    assert_written(&w, 1, "m9");
}

static void slow_reader_gets_the_rest_from_its_cursor(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    chat__node_unsent(w.node, w.conns[1], 2000000);
    w.written[1][0] = 0;
    say(&w, 0, SEND_TO_BOB);
    assert_string_equal(w.written[1], "");
    chat__node_unsent(w.node, w.conns[1], 0);
    run(&w);
    assert_written(&w, 1, "\"body\":\"hi\"");
}

static void slow_reader_is_closed_with_its_code(void **state)
{
    (void)state;
    join(&w, 1, "bob", "laptop");
    chat__node_unsent(w.node, w.conns[1], 2000000);
    pass_time(&w, 29000);
    assert_int_equal(w.closed[1], CHAT_OK);
    pass_time(&w, 1100);
    assert_int_equal(w.closed[1], CHAT_ERR_SLOW);
}

static void dead_peer_is_given_up_after_three_retries(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    say(&w, 0, SEND_TO_BOB);
    const uint64_t waits_ms[] = {5000, 1000, 2000};
    for (int i = 0; i < 3; i++) {
        w.written[1][0] = 0;
        pass_time(&w, waits_ms[i]);
        assert_written(&w, 1, "\"body\":\"hi\"");
    }
    pass_time(&w, 5000);
    assert_int_equal(w.closed[1], CHAT_ERR_UNACKED);
    assert_string_equal(w.cursor, "alice/phone dm:5:alice:bob 10");
    assert_not_written(&w, 0, "receipt");
}

static void nobody_else_reads_or_writes_a_chat(void **state)
{
    (void)state;
    w.group = "team";
    join(&w, 0, "mallory", "d");
    say(&w, 0, "{\"t\":\"send\",\"chat\":\"dm:5:alice:bob\",\"cid\":\"c\",\"body\":\"x\"}");
    assert_written(&w, 0, "\"code\":\"forbidden\"");
    say(&w, 0, "{\"t\":\"history\",\"r\":1,\"chat\":\"dm:5:alice:bob\"}");
    assert_written(&w, 0, "\"code\":\"forbidden\"");
    say(&w, 0, "{\"t\":\"send\",\"chat\":\"team\",\"cid\":\"c\",\"body\":\"x\"}");
    assert_written(&w, 0, "\"code\":\"forbidden\"");
    say(&w, 0, "{\"t\":\"history\",\"r\":2,\"chat\":\"team\"}");
    assert_written(&w, 0, "\"code\":\"forbidden\"");
    say(&w, 0, "{\"t\":\"send\",\"chat\":\"nowhere\",\"cid\":\"c\",\"body\":\"x\"}");
    assert_written(&w, 0, "\"code\":\"not_found\"");
    assert_int_equal(w.n_records, 0);
}

static void groups_reach_every_member_and_device(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    join(&w, 2, "alice", "tablet");
    say(&w, 0, "{\"t\":\"chat.create\",\"r\":5,\"chat\":\"g\",\"users\":[\"bob\",\"alice\"]}");
    assert_written(&w, 0, "\"t\":\"result\"");
    assert_written(&w, 1, "\"t\":\"chat\"");
    assert_written(&w, 2, "\"t\":\"chat\"");
    say(&w, 1, "{\"t\":\"send\",\"chat\":\"g\",\"cid\":\"c9\",\"body\":\"hello\"}");
    assert_written(&w, 0, "\"body\":\"hello\"");
    assert_written(&w, 2, "\"body\":\"hello\"");
    assert_written(&w, 1, "\"t\":\"sent\"");
    w.group = "g";
    say(&w, 1, "{\"t\":\"chat.create\",\"r\":6,\"chat\":\"g\"}");
    assert_written(&w, 1, "\"code\":\"exists\"");
}

static void history_pages_both_ways(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    say(&w, 0, SEND_TO_BOB);
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c2\",\"body\":\"two\"}");
    say(&w, 0, "{\"t\":\"history\",\"r\":3,\"to\":\"bob\",\"limit\":1}");
    assert_written(&w, 0, "\"body\":\"two\"");
    assert_written(&w, 0, "\"more\":true");
    say(&w, 0, "{\"t\":\"history\",\"r\":4,\"to\":\"bob\",\"before\":\"20\"}");
    assert_written(&w, 0, "\"body\":\"hi\"");
    assert_written(&w, 0, "\"count\":1");
    say(&w, 0, "{\"t\":\"history\",\"r\":4,\"to\":\"bob\",\"after\":\"10\"}");
    assert_written(&w, 0, "\"body\":\"two\"");
    assert_not_written(&w, 0, "\"body\":\"hi\"");
    say(&w, 0, "{\"t\":\"history\",\"r\":4,\"to\":\"bob\",\"after\":\"1\",\"before\":\"2\"}");
    assert_written(&w, 0, "\"code\":\"bad_request\"");
}

static void same_device_replaces_its_older_connection(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    join(&w, 2, "alice", "phone");
    assert_int_equal(w.closed[0], CHAT_ERR_REPLACED);
    assert_int_equal(w.closed[1], CHAT_OK);
}

static void devices_are_told_apart_by_long_names_too(void **state)
{
    static const char A[] = "0123456789012345678901234567890123456789012345678901234567890123";
    static const char B[] = "0123456789012345678901234567890123456789012345678901234567890124";
    (void)state;
    join(&w, 0, "alice", A);
    join(&w, 1, "alice", B);
    assert_int_equal(w.closed[0], CHAT_OK);
    assert_written(&w, 1, B);
    join(&w, 2, "alice", A);
    assert_int_equal(w.closed[0], CHAT_ERR_REPLACED);
    assert_int_equal(w.closed[1], CHAT_OK);
}

typedef struct bad_row {
    const char *frame;
    const char *answer; /* NULL: closed with `closed` */
    chat_status closed;
} bad_row;

static void bad_input_costs_the_sender_only(void **state)
{
    static const bad_row ROWS[] = {
        {"{\"t\":\"nonsense\",\"r\":1}", "\"code\":\"unsupported\"", CHAT_OK},
        {"{\"t\":\"node.push\",\"kind\":34,\"chat\":\"g\",\"from\":\"a\",\"id\":\"1\",\"seq\":"
         "\"1\","
         "\"prev\":\"0\",\"ts\":1}",
         "\"code\":\"unsupported\"", CHAT_OK},
        {"{\"t\":\"welcome\",\"user\":\"a\",\"device\":\"d\",\"heartbeat_ms\":1,"
         "\"max_body_bytes\":1}",
         "\"code\":\"unsupported\"", CHAT_OK},
        {"{\"t\":\"send\",\"cid\":\"c\",\"body\":\"x\"}", "\"code\":\"bad_request\"", CHAT_OK},
        {"{\"t\":\"send\",\"to\":\"alice\",\"cid\":\"c\",\"body\":\"x\"}",
         "\"code\":\"bad_request\"", CHAT_OK},
        {"{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c\",\"body\":\"\"}", "\"code\":\"bad_request\"",
         CHAT_OK},
        {"{\"t\":\"hello\",\"device\":\"again\"}", "\"code\":\"state\"", CHAT_OK},
        {"{\"t\":\"ack\",\"n\":99}", NULL, CHAT_ERR_PROTOCOL},
        {"{\"t\":", NULL, CHAT_ERR_SYNTAX},
    };
    (void)state;
    join(&w, 1, "bob", "laptop");
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        join(&w, 0, "alice", "phone");
        say(&w, 0, ROWS[i].frame);
        assert_int_equal(w.closed[0], ROWS[i].closed);
        if (ROWS[i].answer != NULL)
            assert_written(&w, 0, ROWS[i].answer);
        assert_int_equal(w.closed[1], CHAT_OK);
    }
}

static void draining_finishes_what_was_accepted(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    w.is_append_held = 1;
    say(&w, 0, SEND_TO_BOB);
    chat__node_drain(w.node, 2000);
    run(&w);
    assert_written(&w, 0, "\"t\":\"bye\"");
    pass_time(&w, 5);
    assert_int_equal(w.closed[0], CHAT_OK);
    assert_int_equal(w.closed[1], CHAT_ERR_DRAIN);
    assert_false(chat__node_is_idle(w.node));
    w.is_append_held = 0;
    pass_time(&w, 5);
    assert_written(&w, 0, "\"t\":\"sent\"");
    pass_time(&w, 5);
    assert_int_equal(w.closed[0], CHAT_ERR_DRAIN);
    assert_true(chat__node_is_idle(w.node));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sent_comes_only_when_durable),
        TEST(delivered_comes_only_on_the_clients_ack),
        TEST(first_frame_must_be_hello),
        TEST(hello_must_come_in_time),
        TEST(one_deadline_covers_the_upgrade_and_hello),
        TEST(same_cid_gets_the_first_id),
        TEST(one_copy_after_a_restart),
        TEST(resends_are_told_apart_after_a_restart),
        TEST(what_was_pending_during_a_search_is_known_later),
        TEST(failed_append_is_told_and_may_be_tried_again),
        TEST(what_came_while_away_arrives_in_order_on_reconnect),
        TEST(slow_reader_gets_the_rest_from_its_cursor),
        TEST(slow_reader_is_closed_with_its_code),
        TEST(dead_peer_is_given_up_after_three_retries),
        TEST(nobody_else_reads_or_writes_a_chat),
        TEST(groups_reach_every_member_and_device),
        TEST(history_pages_both_ways),
        TEST(same_device_replaces_its_older_connection),
        TEST(devices_are_told_apart_by_long_names_too),
        TEST(bad_input_costs_the_sender_only),
        TEST(draining_finishes_what_was_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
