/* SPDX-License-Identifier: MIT */
#include "harness.h"

#define CREATE "{\"t\":\"chat.create\",\"r\":5,\"chat\":\"team\",\"users\":[\"bob\"]}"
#define READ   "{\"t\":\"read\",\"r\":6,\"to\":\"bob\",\"seq\":\"10\"}"

static world w;

static void start(uint32_t rate_msgs, uint32_t burst_msgs, uint32_t rate_bytes)
{
    chat__node_options options;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.rate_msgs = rate_msgs;
    options.burst_msgs = burst_msgs;
    options.rate_bytes = rate_bytes;
    options.burst_bytes = rate_bytes;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1000);
    join(&w, 0, "alice", "phone");
}

/* Unlike say(): no time passes. */
static void say_now(int conn, const char *frame)
{
    w.written[conn][0] = 0;
    chat__node_receive(w.node, w.conns[conn], chat__view_str(frame));
    run(&w);
}

static void send_to_bob(int conn, const char *cid, const char *body)
{
    char frame[512];
    snprintf(frame, sizeof frame, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"%s\",\"body\":\"%s\"}",
             cid, body);
    say_now(conn, frame);
}

static void a_refusal_says_when_and_stores_nothing(void **state)
{
    (void)state;
    start(2, 3, 0);
    for (int i = 0; i < 3; i++) {
        send_to_bob(0, i == 0 ? "a" : i == 1 ? "b" : "c", "hi");
        assert_written(&w, 0, "\"t\":\"sent\"");
    }
    send_to_bob(0, "d", "hi");
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    assert_written(&w, 0, "\"cid\":\"d\"");
    assert_written(&w, 0, "\"retry_after_ms\":1000");
    assert_not_written(&w, 0, "\"t\":\"sent\"");
    assert_int_equal(w.n_records, 3);
    world_done(&w);
}

/* A token is there after 10 ms, but what comes before the time that was told would overtake. */
static void after_a_refusal_all_is_refused_until_the_time_told(void **state)
{
    (void)state;
    start(100, 1, 0);
    for (int i = 0; i < 100; i++) {
        char frame[80];
        snprintf(frame, sizeof frame, "{\"t\":\"chat.join\",\"r\":%d,\"chat\":\"team\"}", i);
        say_now(0, frame);
    }
    send_to_bob(0, "a", "hi");
    assert_written(&w, 0, "\"retry_after_ms\":1000");
    pass_time(&w, 999);
    send_to_bob(0, "b", "hi");
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    assert_written(&w, 0, "\"retry_after_ms\":1}");
    pass_time(&w, 1);
    send_to_bob(0, "a", "hi");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_to_bob(0, "b", "hi");
    assert_written(&w, 0, "\"t\":\"sent\"");
    world_done(&w);
}

static void devices_share_and_others_do_not_notice(void **state)
{
    (void)state;
    start(1, 1, 0);
    join(&w, 1, "alice", "laptop");
    join(&w, 2, "carol", "phone");
    send_to_bob(0, "a", "hi");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_to_bob(1, "b", "hi");
    assert_written(&w, 1, "\"code\":\"rate_limited\"");
    send_to_bob(2, "c", "hi");
    assert_written(&w, 2, "\"t\":\"sent\"");
    world_done(&w);
}

static void connecting_again_is_no_way_out(void **state)
{
    (void)state;
    start(1, 1, 0);
    send_to_bob(0, "a", "hi");
    send_to_bob(0, "b", "hi");
    chat__node_closed(w.node, w.conns[0]);
    join(&w, 1, "alice", "phone");
    send_to_bob(1, "b", "hi");
    assert_written(&w, 1, "\"code\":\"rate_limited\"");
    chat__node_closed(w.node, w.conns[1]);
    pass_time(&w, 5000);
    join(&w, 0, "alice", "phone");
    send_to_bob(0, "b", "hi");
    assert_written(&w, 0, "\"t\":\"sent\"");
    world_done(&w);
}

static void bytes_count_too(void **state)
{
    (void)state;
    start(0, 0, 10);
    send_to_bob(0, "a", "12345678");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_to_bob(0, "b", "12345678901234567890");
    assert_written(&w, 0, "\"retry_after_ms\":1000");
    pass_time(&w, 1000);
    /* More than the bucket holds passes when it is full. */
    send_to_bob(0, "b", "12345678901234567890");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_to_bob(0, "c", "1");
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    world_done(&w);
}

static void every_request_that_makes_a_record_counts_and_no_other(void **state)
{
    (void)state;
    start(1, 1, 0);
    send_to_bob(0, "a", "hi");
    say_now(0, CREATE);
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    assert_written(&w, 0, "\"r\":5");
    say_now(0, READ);
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    assert_written(&w, 0, "\"r\":6");
    assert_int_equal(w.n_records, 1);
    say(&w, 0, "{\"t\":\"ping\",\"r\":7}");
    assert_written(&w, 0, "\"t\":\"pong\"");
    say(&w, 0, "{\"t\":\"history\",\"r\":8,\"to\":\"bob\"}");
    assert_written(&w, 0, "\"t\":\"result\"");
    world_done(&w);
}

static void questions_are_limited_for_each_connection(void **state)
{
    chat__node_options options;
    (void)state;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.rate_requests = 1;
    options.burst_requests = 2;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1000);
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tab");
    for (int i = 0; i < 2; i++) {
        say_now(0, "{\"t\":\"chats\",\"r\":1}");
        assert_written(&w, 0, "\"t\":\"result\"");
    }
    say_now(0, "{\"t\":\"history\",\"r\":2,\"to\":\"bob\"}");
    assert_written(&w, 0, "\"code\":\"rate_limited\"");
    assert_written(&w, 0, "\"retry_after_ms\":");
    say_now(1, "{\"t\":\"chats\",\"r\":1}");
    assert_written(&w, 1, "\"t\":\"result\"");
    send_to_bob(0, "a", "what is stored is counted elsewhere");
    assert_written(&w, 0, "\"t\":\"sent\"");
    pass_time(&w, 1000);
    say_now(0, "{\"t\":\"chats\",\"r\":3}");
    assert_written(&w, 0, "\"t\":\"result\"");
    chat__node_free(w.node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_when_and_stores_nothing),
        cmocka_unit_test(after_a_refusal_all_is_refused_until_the_time_told),
        cmocka_unit_test(devices_share_and_others_do_not_notice),
        cmocka_unit_test(connecting_again_is_no_way_out),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(every_request_that_makes_a_record_counts_and_no_other),
        cmocka_unit_test(questions_are_limited_for_each_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
