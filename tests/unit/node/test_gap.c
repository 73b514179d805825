/* SPDX-License-Identifier: MIT */
/* What is too much or too old is named, and the cursor waits until the client has it. */
#include "harness.h"

/* Six messages for bob; the first `n_gap` are not to be sent to him. */
static void bob_comes_with_a_gap(world *w, size_t n_gap)
{
    char frame[128];
    world_init(w);
    join(w, 0, "alice", "phone");
    for (int i = 0; i < 6; i++) {
        snprintf(frame, sizeof frame,
                 "{\"t\":\"send\",\"cid\":\"%d\",\"to\":\"bob\",\"body\":\"x\"}", i);
        say(w, 0, frame);
    }
    w->gap_of_loaded = w->records[n_gap - 1].seq;
    w->cursor[0] = 0;
    join(w, 1, "bob", "laptop");
}

static void say_ack(world *w, unsigned n, uint64_t seq)
{
    char frame[256];
    snprintf(frame, sizeof frame,
             "{\"t\":\"ack\",\"n\":%u,\"chat\":\"dm:5:alice:bob\",\"seq\":\"%llu\"}", n,
             (unsigned long long)seq);
    say(w, 1, frame);
}

static void assert_cursor(world *w, uint64_t seq)
{
    char want[128];
    snprintf(want, sizeof want, "bob/laptop dm:5:alice:bob %d", (int)seq);
    assert_string_equal(w->cursor, want);
    w->cursor[0] = 0;
}

static void a_gap_is_told_before_what_is_behind_it(void **state)
{
    world w;
    char gap[160];
    (void)state;
    bob_comes_with_a_gap(&w, 4);
    snprintf(gap, sizeof gap,
             "{\"t\":\"gap\",\"chat\":\"dm:5:alice:bob\",\"before\":\"%llu\",\"after\":\"0\"}",
             (unsigned long long)w.gap_of_loaded + 1);
    const char *at = strstr(w.written[1], gap);
    assert_non_null(at);
    assert_ptr_equal(strstr(w.written[1], "\"t\":\"msg\""), strstr(at, "\"t\":\"msg\""));
    assert_written(&w, 1, "{\"t\":\"resumed\",\"state\":\"gap\",\"count\":2}");
    world_done(&w);
}

static void the_cursor_waits_until_the_gap_is_filled(void **state)
{
    world w;
    (void)state;
    bob_comes_with_a_gap(&w, 4);
    say(&w, 1, "{\"t\":\"ack\",\"n\":2}");
    assert_string_equal(w.cursor, "");
    say_ack(&w, 2, w.records[1].seq);
    assert_cursor(&w, w.records[1].seq);
    say_ack(&w, 2, w.records[3].seq);
    assert_cursor(&w, w.records[5].seq);
    say_ack(&w, 2, w.records[5].seq);
    assert_string_equal(w.cursor, "");
    world_done(&w);
}

static void nobody_is_told_that_it_was_delivered_before_that(void **state)
{
    world w;
    (void)state;
    bob_comes_with_a_gap(&w, 4);
    w.written[0][0] = 0;
    say(&w, 1, "{\"t\":\"ack\",\"n\":2}");
    assert_not_written(&w, 0, "\"t\":\"receipt\"");
    world_done(&w);
}

/* A chat without a gap: nothing moves, whatever is claimed. */
static void only_a_gap_that_was_told_can_be_filled(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    join(&w, 1, "bob", "laptop");
    say_ack(&w, 0, 99);
    assert_string_equal(w.cursor, "");
    assert_int_equal(w.closed[1], CHAT_OK);
    world_done(&w);
}

static void a_new_device_is_told_reset_and_the_gap(void **state)
{
    world w;
    (void)state;
    bob_comes_with_a_gap(&w, 4);
    w.load_status = CHAT_EMPTY;
    join(&w, 2, "bob", "tablet");
    assert_written(&w, 2, "\"t\":\"gap\"");
    assert_written(&w, 2, "{\"t\":\"resumed\",\"state\":\"reset\",\"count\":2}");
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_told_before_what_is_behind_it),
        cmocka_unit_test(the_cursor_waits_until_the_gap_is_filled),
        cmocka_unit_test(nobody_is_told_that_it_was_delivered_before_that),
        cmocka_unit_test(only_a_gap_that_was_told_can_be_filled),
        cmocka_unit_test(a_new_device_is_told_reset_and_the_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
