/* SPDX-License-Identifier: MIT */
/* The devices of a user: listed, removed, seen, and too many. */
#include "harness.h"

#define REMOVE(device) "{\"t\":\"device.remove\",\"r\":7,\"device\":\"" device "\"}"
#define DONE           "{\"t\":\"result\",\"r\":7}"

static world w;

static int set_up(void **state)
{
    (void)state;
    world_init(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void answer_forget(chat_status status)
{
    uint64_t tag = w.forget_tag;
    w.forget_tag = 0;
    chat__node_forgotten(w.node, tag, status);
    run(&w);
}

static void a_list_says_who_is_connected_and_when_the_others_were_seen(void **state)
{
    (void)state;
    w.devices[0] = "laptop";
    w.devices[1] = "phone";
    w.devices[2] = "tablet";
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "tablet");
    say(&w, 0, "{\"t\":\"devices\",\"r\":3}");
    assert_written(&w, 0, "\"r\":3,\"ts\":1,\"device\":\"laptop\",\"online\":false}");
    assert_written(&w, 0, "\"device\":\"phone\",\"online\":true}");
    assert_written(&w, 0, "\"ts\":3,\"device\":\"tablet\",\"online\":false}");
    assert_written(&w, 0, "{\"t\":\"result\",\"r\":3,\"more\":false,\"count\":3}");
}

static void removing_is_answered_and_done_when_it_is_durable(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    join(&w, 2, "bob", "tablet");
    say(&w, 0, REMOVE("tablet"));
    assert_string_equal(w.forgotten, "alice/tablet;");
    assert_not_written(&w, 0, "result");
    assert_int_equal(w.closed[1], CHAT_OK);
    answer_forget(CHAT_OK);
    assert_written(&w, 0, DONE);
    assert_int_equal(w.closed[1], CHAT_ERR_REMOVED);
    assert_written(&w, 1, "{\"t\":\"bye\",\"code\":\"removed\"");
    assert_int_equal(w.closed[2], CHAT_OK);
    assert_int_equal(w.closed[0], CHAT_OK);
}

static void who_removes_himself_is_answered_and_closed(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    say(&w, 0, REMOVE("phone"));
    w.seen[0] = 0;
    answer_forget(CHAT_OK);
    assert_written(&w, 0, DONE);
    const char *bye = strstr(w.written[0], "\"t\":\"bye\"");
    assert_non_null(bye);
    assert_true(bye > strstr(w.written[0], DONE));
    assert_int_equal(w.closed[0], CHAT_ERR_REMOVED);
    assert_string_equal(w.seen, "");
}

static void what_a_device_acknowledges_while_it_is_removed_does_not_count(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "tablet");
    join(&w, 2, "bob", "phone");
    say(&w, 0, "{\"t\":\"send\",\"cid\":\"a\",\"to\":\"bob\",\"body\":\"x\"}");
    say(&w, 2, REMOVE("tablet"));
    w.written[0][0] = 0;
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    assert_string_equal(w.cursor, "alice/phone dm:5:alice:bob 10");
    assert_not_written(&w, 0, "receipt");
    say(&w, 2, "{\"t\":\"ack\",\"n\":1}");
    assert_string_equal(w.cursor, "bob/phone dm:5:alice:bob 10");
    assert_written(&w, 0, "receipt");
}

static void an_unknown_device_is_not_found(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    say(&w, 0, REMOVE("no-such"));
    answer_forget(CHAT_ERR_NOT_FOUND);
    assert_written(&w, 0, "\"code\":\"not_found\"");
    assert_written(&w, 0, "you have no such device");
    assert_int_equal(w.closed[0], CHAT_OK);
}

static void what_storage_does_not_know_and_is_connected_goes_all_the_same(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    say(&w, 0, REMOVE("tablet"));
    answer_forget(CHAT_ERR_NOT_FOUND);
    assert_written(&w, 0, DONE);
    assert_int_equal(w.closed[1], CHAT_ERR_REMOVED);
}

/* Whether it is forgotten nobody knows: it comes back and asks. */
static void when_storage_fails_the_device_comes_back(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    say(&w, 0, REMOVE("tablet"));
    answer_forget(CHAT_ERR_BUSY);
    assert_written(&w, 0, "\"code\":\"busy\"");
    assert_int_equal(w.closed[1], CHAT_ERR_BUSY);
}

static void one_that_said_hello_again_meanwhile_stays(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    say(&w, 0, REMOVE("tablet"));
    join(&w, 2, "alice", "tablet");
    assert_int_equal(w.closed[1], CHAT_ERR_REPLACED);
    answer_forget(CHAT_OK);
    assert_int_equal(w.closed[2], CHAT_OK);
    say(&w, 2, "{\"t\":\"ping\",\"r\":1}");
    assert_written(&w, 2, "pong");
}

static void it_is_done_though_who_asked_is_gone(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    say(&w, 0, REMOVE("tablet"));
    chat__node_closed(w.node, w.conns[0]);
    answer_forget(CHAT_OK);
    assert_int_equal(w.closed[1], CHAT_ERR_REMOVED);
    join(&w, 0, "alice", "phone");
    say(&w, 0, REMOVE("tablet"));
    chat__node_closed(w.node, w.conns[0]);
    answer_forget(CHAT_OK);
}

static void presence_ends_with_the_last_device_that_is_removed(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "tablet");
    say(&w, 0, "{\"t\":\"presence.watch\",\"r\":1,\"users\":[\"bob\"]}");
    say(&w, 1, REMOVE("tablet"));
    w.written[0][0] = 0;
    answer_forget(CHAT_OK);
    assert_written(&w, 0, "\"t\":\"presence\"");
    assert_written(&w, 0, "\"online\":false");
}

static void storage_is_told_of_a_device_that_goes_and_of_one_that_stays(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_string_equal(w.seen, "alice/tablet;");
    for (int hours = 0; hours < 23; hours++) {
        for (int i = 0; i < 120; i++) {
            pass_time(&w, 30000);
            say(&w, 0, "{\"t\":\"ping\"}");
        }
    }
    assert_string_equal(w.seen, "alice/tablet;");
    for (int i = 0; i < 120; i++) {
        pass_time(&w, 30000);
        say(&w, 0, "{\"t\":\"ping\"}");
    }
    assert_string_equal(w.seen, "alice/tablet;alice/phone;");
}

/* Storage forgets none of them for the one that comes. */
static void hello_names_the_devices_that_are_connected(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    assert_string_equal(w.connected, "phone ");
    open_conn(&w, 3, "alice");
    join(&w, 1, "alice", "tablet");
    join(&w, 2, "bob", "laptop");
    assert_string_equal(w.connected, "laptop ");
    join(&w, 2, "alice", "laptop");
    assert_string_equal(w.connected, "laptop tablet phone ");
}

static void one_too_many_is_refused(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    w.load_status = CHAT_ERR_LIMIT;
    join(&w, 1, "alice", "tablet");
    assert_int_equal(w.closed[1], CHAT_ERR_DEVICES);
    assert_written(&w, 1, "{\"t\":\"bye\",\"code\":\"too_many_devices\"");
    assert_int_equal(w.closed[0], CHAT_OK);
}

static void what_one_device_sends_reaches_the_others_of_its_user(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "alice", "tablet");
    say(&w, 0, "{\"t\":\"send\",\"cid\":\"a\",\"to\":\"bob\",\"body\":\"from my phone\"}");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_not_written(&w, 0, "\"t\":\"msg\"");
    assert_written(&w, 1, "from my phone");
    assert_written(&w, 1, "\"from\":\"alice\"");
}

/* What was not acknowledged goes into the trail under the name of the device. */
static void a_long_name_is_known_until_the_end(void **state)
{
    (void)state;
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "a-name-that-is-longer-than-most");
    say(&w, 0, "{\"t\":\"send\",\"cid\":\"a\",\"to\":\"bob\",\"body\":\"hello\"}");
    assert_written(&w, 1, "hello");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_string_equal(w.seen, "bob/a-name-that-is-longer-than-most;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_says_who_is_connected_and_when_the_others_were_seen),
        TEST(removing_is_answered_and_done_when_it_is_durable),
        TEST(who_removes_himself_is_answered_and_closed),
        TEST(what_a_device_acknowledges_while_it_is_removed_does_not_count),
        TEST(an_unknown_device_is_not_found),
        TEST(what_storage_does_not_know_and_is_connected_goes_all_the_same),
        TEST(when_storage_fails_the_device_comes_back),
        TEST(one_that_said_hello_again_meanwhile_stays),
        TEST(it_is_done_though_who_asked_is_gone),
        TEST(presence_ends_with_the_last_device_that_is_removed),
        TEST(storage_is_told_of_a_device_that_goes_and_of_one_that_stays),
        TEST(hello_names_the_devices_that_are_connected),
        TEST(one_too_many_is_refused),
        TEST(what_one_device_sends_reaches_the_others_of_its_user),
        TEST(a_long_name_is_known_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
