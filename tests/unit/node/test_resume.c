/* SPDX-License-Identifier: MIT */
/* The one frame that says that a device has what it lacked when it said hello. */
#include "harness.h"

#define RESUMED(state, count) "{\"t\":\"resumed\",\"state\":\"" state "\",\"count\":" #count "}\n"

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        n++;
    return n;
}

static void send_many(world *w, int i, int n)
{
    char frame[128];
    for (int k = 0; k < n; k++) {
        snprintf(frame, sizeof frame,
                 "{\"t\":\"send\",\"cid\":\"%d-%zu\",\"to\":\"bob\",\"body\":\"x\"}", i,
                 w->n_records);
        say(w, i, frame);
    }
}

static void a_device_that_lacks_nothing_is_told_at_once(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    assert_written(&w, 0, RESUMED("recovered", 0));
    w.load_status = CHAT_EMPTY;
    join(&w, 1, "alice", "laptop");
    assert_written(&w, 1, RESUMED("reset", 0));
    assert_int_equal(count_of(w.written[1], "\"t\":\"resumed\""), 1);
    world_done(&w);
}

/* The window holds 4. */
static void resumed_comes_behind_everything_that_was_lacked(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    send_many(&w, 0, 6);
    join(&w, 1, "bob", "laptop");
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 4);
    assert_not_written(&w, 1, "\"t\":\"resumed\"");
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}");
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 2);
    const char *resumed = strstr(w.written[1], RESUMED("recovered", 6));
    assert_non_null(resumed);
    assert_int_equal(count_of(resumed, "\"t\":\"msg\""), 0);
    world_done(&w);
}

/* What is sent meanwhile is given behind, in the same go, but does not put it off. */
static void what_comes_meanwhile_does_not_put_it_off(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    send_many(&w, 0, 6);
    join(&w, 1, "bob", "laptop");
    send_many(&w, 0, 4);
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}");
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 4);
    assert_written(&w, 1, RESUMED("recovered", 6));
    say(&w, 1, "{\"t\":\"ack\",\"n\":8}");
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 2);
    assert_not_written(&w, 1, "\"t\":\"resumed\"");
    world_done(&w);
}

static void a_slow_reader_is_told_once(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    assert_written(&w, 1, RESUMED("recovered", 0));
    w.written[1][0] = 0;
    send_many(&w, 0, 6);
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 4);
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}");
    assert_int_equal(count_of(w.written[1], "\"t\":\"msg\""), 2);
    say(&w, 1, "{\"t\":\"ack\",\"n\":6}");
    assert_not_written(&w, 1, "\"t\":\"resumed\"");
    world_done(&w);
}

/* `resumed` is not counted: the first stream frame behind it is the first. */
static void resumed_is_no_stream_frame(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    send_many(&w, 0, 1);
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    assert_string_equal(w.cursor, "bob/laptop dm:5:alice:bob 10");
    say(&w, 1, "{\"t\":\"ack\",\"n\":2}");
    assert_int_equal(w.closed[1], CHAT_ERR_PROTOCOL);
    world_done(&w);
}

static void a_chat_that_cannot_be_read_does_not_hold_it_back(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    w.group = "team";
    say(&w, 0, "{\"t\":\"send\",\"cid\":\"a\",\"chat\":\"team\",\"body\":\"x\"}");
    join(&w, 1, "mallory", "laptop");
    assert_not_written(&w, 1, "\"t\":\"msg\"");
    assert_written(&w, 1, RESUMED("recovered", 0));
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_lacks_nothing_is_told_at_once),
        cmocka_unit_test(resumed_comes_behind_everything_that_was_lacked),
        cmocka_unit_test(what_comes_meanwhile_does_not_put_it_off),
        cmocka_unit_test(a_slow_reader_is_told_once),
        cmocka_unit_test(resumed_is_no_stream_frame),
        cmocka_unit_test(a_chat_that_cannot_be_read_does_not_hold_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
