/* SPDX-License-Identifier: MIT */
/* The fair queue: parts of a turn, order per chat and device, and what a busy one gives up. */
#include "harness.h"

static world w;

/* Frames of `type` that connection `i` was written. */
static int count_written(int i, const char *what)
{
    int n = 0;
    for (const char *at = strstr(w.written[i], what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

static void start(uint32_t sync_members, uint32_t turn_sockets, uint32_t chat_records)
{
    chat__node_options options;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.window_count = 32;
    options.fanout_sync_members = sync_members;
    options.fanout_turn_sockets = turn_sockets;
    options.fanout_chat_records = chat_records;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1000);
    join(&w, 0, "alice", "a");
    join(&w, 1, "bob", "b");
    join(&w, 2, "carol", "c");
    join(&w, 3, "dave", "d");
}

/* All that is there to be done without waiting, in as many turns as it takes. */
static int finish(void)
{
    int n_turns = 0;
    for (; chat__node_deadline(w.node) <= w.now_ms && n_turns < 100; n_turns++)
        pass_time(&w, 0);
    return n_turns;
}

static void make_group(const char *name, const char *users)
{
    char json[256];
    snprintf(json, sizeof json, "{\"t\":\"chat.create\",\"r\":1,\"chat\":\"%s\",\"users\":[%s]}",
             name, users);
    say(&w, 0, json);
    finish();
    for (int i = 0; i < MAX_CONNS; i++)
        w.written[i][0] = 0;
}

/* Hand a message in and take what comes at once, no further turn. */
static void send_to(int i, const char *field, const char *chat, const char *body)
{
    char json[256];
    snprintf(json, sizeof json, "{\"t\":\"send\",\"%s\":\"%s\",\"cid\":\"%s\",\"body\":\"%s\"}",
             field, chat, body, body);
    chat__node_receive(w.node, w.conns[i], chat__view_str(json));
    run(&w);
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void small_chats_go_out_in_the_turn(void **state)
{
    (void)state;
    start(5, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    send_to(0, "chat", "four", "hey");
    for (int i = 1; i < 4; i++)
        assert_written(&w, i, "hey");
    assert_int_equal(finish(), 0);
}

static void a_turn_takes_a_part_and_the_answer_does_not_wait(void **state)
{
    (void)state;
    start(4, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    send_to(0, "chat", "four", "hey");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_false(chat__node_is_idle(w.node));
    assert_true(count_written(1, "\"body\":\"hey\"") + count_written(2, "\"body\":\"hey\"") +
                    count_written(3, "\"body\":\"hey\"") <=
                1);
    assert_true(finish() >= 2);
    for (int i = 1; i < 4; i++)
        assert_int_equal(count_written(i, "\"body\":\"hey\""), 1);
    assert_int_equal(count_written(0, "\"t\":\"msg\""), 0);
}

static void a_small_chat_is_served_before_what_waits(void **state)
{
    (void)state;
    start(4, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    for (int i = 0; i < 4; i++) {
        char body[8];
        snprintf(body, sizeof body, "big%d", i);
        send_to(0, "chat", "four", body);
    }
    send_to(1, "to", "dave", "small");
    assert_written(&w, 3, "small");
    assert_not_written(&w, 3, "big3");
    finish();
    assert_written(&w, 3, "big3");
}

/* The one that came later does not wait until the other is empty. */
static void chats_take_turns(void **state)
{
    (void)state;
    start(3, 16, 8);
    make_group("one", "\"bob\",\"carol\",\"dave\"");
    make_group("two", "\"bob\",\"carol\",\"dave\"");
    w.is_append_held = 1;
    for (int i = 0; i < 7; i++) {
        char body[8];
        snprintf(body, sizeof body, "one%d", i);
        send_to(0, "chat", "one", body);
    }
    send_to(0, "chat", "two", "two0");
    w.is_append_held = 0;
    for (size_t i = w.n_told; i < w.n_records; i++) {
        w.n_told++;
        chat__node_appended(w.node, w.records[i].tag, CHAT_OK, w.records[i].seq, w.records[i].prev);
    }
    run(&w);
    assert_not_written(&w, 3, "one6");
    pass_time(&w, 0);
    const char *two = strstr(w.written[3], "two0");
    const char *last = strstr(w.written[3], "one6");
    assert_non_null(two);
    assert_true(last == NULL || two < last);
    finish();
    for (int i = 1; i < 4; i++) {
        assert_written(&w, i, "one6");
        assert_true(strstr(w.written[i], "one0") < strstr(w.written[i], "one6"));
    }
}

/* A change to fewer members than the queue is for goes behind what waits of its chat. */
static void order_is_kept_when_a_chat_becomes_small(void **state)
{
    (void)state;
    start(4, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    send_to(0, "chat", "four", "first");
    chat__node_receive(
        w.node, w.conns[0],
        chat__view_str("{\"t\":\"chat.remove\",\"r\":2,\"chat\":\"four\",\"users\":[\"carol\"]}"));
    run(&w);
    send_to(0, "chat", "four", "second");
    finish();
    assert_true(strstr(w.written[3], "first") < strstr(w.written[3], "\"change\""));
    assert_true(strstr(w.written[3], "\"change\"") < strstr(w.written[3], "second"));
    assert_written(&w, 2, "first");
    assert_not_written(&w, 2, "second");
}

static void who_comes_later_has_it_from_storage_and_once(void **state)
{
    (void)state;
    start(4, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    send_to(0, "chat", "four", "hey");
    assert_not_written(&w, 3, "hey");
    open_conn(&w, 4, "dave");
    chat__node_receive(w.node, w.conns[4], chat__view_str("{\"t\":\"hello\",\"device\":\"d\"}"));
    run(&w);
    finish();
    assert_int_equal(count_written(4, "\"body\":\"hey\""), 1);
}

static void more_than_the_queue_holds_is_read_back(void **state)
{
    (void)state;
    start(4, 1, 2);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    say(&w, 3, "{\"t\":\"ack\",\"n\":1}");
    for (int i = 0; i < 6; i++) {
        char body[8];
        snprintf(body, sizeof body, "big%d", i);
        send_to(0, "chat", "four", body);
    }
    finish();
    for (int i = 0; i < 6; i++) {
        char body[24];
        snprintf(body, sizeof body, "\"body\":\"big%d\"", i);
        assert_int_equal(count_written(1, body), 1);
        assert_int_equal(count_written(3, body), 1);
    }
    assert_true(strstr(w.written[3], "big0") < strstr(w.written[3], "big5"));
}

static void a_queue_that_is_never_served_goes_with_the_node(void **state)
{
    (void)state;
    start(4, 1, 8);
    make_group("four", "\"bob\",\"carol\",\"dave\"");
    send_to(0, "chat", "four", "hey");
    assert_false(chat__node_is_idle(w.node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(small_chats_go_out_in_the_turn, teardown),
        cmocka_unit_test_teardown(a_turn_takes_a_part_and_the_answer_does_not_wait, teardown),
        cmocka_unit_test_teardown(a_small_chat_is_served_before_what_waits, teardown),
        cmocka_unit_test_teardown(chats_take_turns, teardown),
        cmocka_unit_test_teardown(order_is_kept_when_a_chat_becomes_small, teardown),
        cmocka_unit_test_teardown(who_comes_later_has_it_from_storage_and_once, teardown),
        cmocka_unit_test_teardown(more_than_the_queue_holds_is_read_back, teardown),
        cmocka_unit_test_teardown(a_queue_that_is_never_served_goes_with_the_node, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
