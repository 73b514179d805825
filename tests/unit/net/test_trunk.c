/* SPDX-License-Identifier: MIT */
#include "base/bits.h"
#include "unit.h"
#include "trunk_rig.h"

#define N_FRAMES 1000u

static void expect_news(rig_side *side, chat__trunk_news first, chat__trunk_news second)
{
    assert_int_equal(chat__trunk_next_news(side->trunk), first);
    assert_int_equal(chat__trunk_next_news(side->trunk), second);
    assert_int_equal(chat__trunk_next_news(side->trunk), CHAT__TRUNK_NOTHING);
}

static void open_and_join(rig *r)
{
    assert_int_equal(rig_open(r, NULL), CHAT_OK);
    assert_int_equal(rig_dial(r), CHAT_OK);
    assert_int_equal(rig_run(r), CHAT_OK);
    expect_news(&r->dialer, CHAT__TRUNK_UP, CHAT__TRUNK_NOTHING);
    expect_news(&r->acceptor, CHAT__TRUNK_UP, CHAT__TRUNK_NOTHING);
}

static void reconnect(rig *r)
{
    assert_int_equal(rig_dial(r), CHAT_OK);
    assert_int_equal(rig_run(r), CHAT_OK);
}

static void send_numbers(rig_side *side, uint64_t from, uint64_t n, size_t len)
{
    for (uint64_t i = from; i < from + n; i++)
        assert_int_equal(rig_send(side, i, len), CHAT_OK);
}

static void expect_all(const rig_side *side, uint64_t n)
{
    assert_false(side->is_out_of_order);
    assert_int_equal(side->n_records, n);
}

/* --- what a link is for --- */

static void carries_frames_in_order_both_ways(void **state)
{
    static const size_t steps[] = {0, 1, 7};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        rig r;
        open_and_join(&r);
        r.step = steps[i];
        send_numbers(&r.dialer, 0, N_FRAMES, 40);
        send_numbers(&r.acceptor, 0, 10, 3000);
        assert_int_equal(rig_run(&r), CHAT_OK);
        expect_all(&r.acceptor, N_FRAMES);
        expect_all(&r.dialer, 10);
        rig_close(&r);
    }
}

static void greets_byte_by_byte(void **state)
{
    rig r;
    (void)state;
    assert_int_equal(rig_open(&r, NULL), CHAT_OK);
    r.step = 1;
    reconnect(&r);
    assert_int_equal(r.dialer.peer.member, 1);
    assert_int_equal(r.dialer.peer.instance, 200);
    assert_int_equal(r.acceptor.peer.member, 0);
    assert_int_equal(r.acceptor.peer.instance, 100);
    assert_true(chat__trunk_is_up(r.dialer.trunk) && chat__trunk_is_up(r.acceptor.trunk));
    rig_close(&r);
}

static void takes_a_frame_larger_than_the_window(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    send_numbers(&r.dialer, 0, 1, 100000);
    send_numbers(&r.dialer, 1, 1, 40);
    assert_int_equal(rig_run(&r), CHAT_OK);
    expect_all(&r.acceptor, 1);
    rig_work_off(&r.acceptor);
    assert_int_equal(rig_run(&r), CHAT_OK);
    expect_all(&r.acceptor, 2);
    rig_close(&r);
}

static void refuses_frames_that_cannot_be(void **state)
{
    rig r;
    chat__trunk_record empty = {0, 1, {NULL, 0}};
    chat__trunk_record huge = {0, 1, {(const uint8_t *)"", CHAT__TRUNK_MAX_RECORD}};
    (void)state;
    assert_int_equal(rig_open(&r, NULL), CHAT_OK);
    assert_int_equal(rig_send(&r.dialer, 0, 40), CHAT_ERR_CLOSED);
    reconnect(&r);
    assert_int_equal(chat__trunk_send(r.dialer.trunk, &empty), CHAT_ERR_LIMIT);
    assert_int_equal(chat__trunk_send(r.dialer.trunk, &huge), CHAT_ERR_LIMIT);
    rig_close(&r);
}

/* --- flow control --- */

static void waits_for_who_does_not_work_off(void **state)
{
    rig r;
    uint64_t n = 0, kept, unsent;
    (void)state;
    open_and_join(&r);
    while (rig_send(&r.dialer, n, 1000) == CHAT_OK)
        n++;
    chat__trunk_kept(r.dialer.trunk, &kept, &unsent);
    assert_in_range(kept, 131072, 262144);
    assert_int_equal(rig_run(&r), CHAT_OK);
    assert_in_range(r.acceptor.n_bytes, 1, 65536);
    assert_int_equal(rig_send(&r.dialer, n, 1000), CHAT_ERR_BUSY);
    while (r.acceptor.n_records < n) {
        assert_true(r.acceptor.n_bytes > 0);
        rig_work_off(&r.acceptor);
        assert_int_equal(rig_run(&r), CHAT_OK);
        assert_true(r.acceptor.n_bytes <= 65536);
    }
    expect_all(&r.acceptor, n);
    rig_work_off(&r.acceptor);
    r.now_ms += 3000;
    assert_int_equal(rig_run(&r), CHAT_OK);
    chat__trunk_kept(r.dialer.trunk, &kept, &unsent);
    assert_int_equal(kept, 0);
    rig_close(&r);
}

static void keeps_as_little_of_small_frames_as_of_large(void **state)
{
    rig r;
    uint64_t kept, unsent;
    (void)state;
    open_and_join(&r);
    /* Each goes out alone, so each is a chunk of its own. */
    for (uint64_t i = 0; rig_send(&r.dialer, i, 8) == CHAT_OK && i < 100000; i++)
        assert_int_equal(rig_pull(&r, &r.dialer), CHAT_OK);
    chat__trunk_kept(r.dialer.trunk, &kept, &unsent);
    assert_true(kept <= 262144);
    rig_close(&r);
}

/* Who is held back hears of all that is worked off, not of a good part of the window at once. */
static void who_waits_is_given_credit_at_once(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    send_numbers(&r.dialer, 0, 1, 5000);
    assert_int_equal(rig_run(&r), CHAT_OK);
    send_numbers(&r.dialer, 1, 1, 100000);
    assert_int_equal(rig_run(&r), CHAT_OK);
    expect_all(&r.acceptor, 1);
    rig_work_off(&r.acceptor);
    assert_int_equal(rig_run(&r), CHAT_OK);
    expect_all(&r.acceptor, 2);
    rig_close(&r);
}

/* --- reconnecting --- */

/* Cut the wire after `n` bytes of what waits. */
static void lose_the_rest(rig *r, size_t n)
{
    assert_int_equal(rig_pull(r, &r->dialer), CHAT_OK);
    n = n < r->dialer.out.len ? n : r->dialer.out.len;
    assert_int_equal(rig_feed(r, &r->acceptor, r->dialer.out.data, n), CHAT_OK);
    rig_hang_up(r);
}

static void goes_on_after_a_cut_anywhere(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 4200; cut += 13) {
        rig r;
        open_and_join(&r);
        send_numbers(&r.dialer, 0, 20, 100);
        assert_int_equal(rig_pull(&r, &r.dialer), CHAT_OK);
        send_numbers(&r.dialer, 20, 20, 70);
        lose_the_rest(&r, cut);
        send_numbers(&r.dialer, 40, 5, 100);
        reconnect(&r);
        expect_news(&r.dialer, CHAT__TRUNK_NOTHING, CHAT__TRUNK_NOTHING);
        expect_news(&r.acceptor, CHAT__TRUNK_NOTHING, CHAT__TRUNK_NOTHING);
        expect_all(&r.acceptor, 45);
        rig_close(&r);
    }
}

static void goes_on_after_cuts_of_the_greeting(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 500; cut += 3) {
        rig r;
        open_and_join(&r);
        send_numbers(&r.dialer, 0, 3, 100);
        lose_the_rest(&r, 150);
        assert_int_equal(rig_dial(&r), CHAT_OK);
        lose_the_rest(&r, cut);
        send_numbers(&r.dialer, 3, 3, 100);
        reconnect(&r);
        expect_news(&r.dialer, CHAT__TRUNK_NOTHING, CHAT__TRUNK_NOTHING);
        expect_all(&r.acceptor, 6);
        rig_close(&r);
    }
}

/* What the other process had is gone with it, and nothing of it comes to the new one. */
static void another_process_begins_anew(void **state)
{
    (void)state;
    for (int who = 0; who < 2; who++) {
        rig r;
        open_and_join(&r);
        rig_side *dead = who == 0 ? &r.acceptor : &r.dialer;
        rig_side *alive = who == 0 ? &r.dialer : &r.acceptor;
        send_numbers(alive, 0, 10, 100);
        assert_int_equal(rig_run(&r), CHAT_OK);
        rig_hang_up(&r);
        send_numbers(alive, 10, 10, 100);
        rig_side_close(dead);
        assert_int_equal(rig_side_open(dead, NULL, who == 1), CHAT_OK);
        dead->own.instance += 1;
        reconnect(&r);
        expect_news(alive, CHAT__TRUNK_LOST, CHAT__TRUNK_UP);
        expect_news(dead, CHAT__TRUNK_UP, CHAT__TRUNK_NOTHING);
        send_numbers(alive, 0, 4, 100);
        assert_int_equal(rig_run(&r), CHAT_OK);
        expect_all(dead, 4);
        rig_close(&r);
    }
}

/* --- silence --- */

static void notices_silence_within_the_timeout(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    assert_int_equal(chat__trunk_deadline(r.dialer.trunk), 1000 + 3000);
    r.now_ms = 1000 + 8999;
    assert_int_equal(chat__trunk_check(r.dialer.trunk, r.now_ms), CHAT_OK);
    r.now_ms = 1000 + 9000;
    assert_int_equal(chat__trunk_check(r.dialer.trunk, r.now_ms), CHAT_ERR_TIMEOUT);
    assert_false(chat__trunk_is_joined(r.dialer.trunk));
    expect_news(&r.dialer, CHAT__TRUNK_LOST, CHAT__TRUNK_NOTHING);
    assert_int_equal(rig_send(&r.dialer, 0, 40), CHAT_ERR_CLOSED);
    /* One side has given up, the other has not: both begin anew. */
    reconnect(&r);
    expect_news(&r.dialer, CHAT__TRUNK_UP, CHAT__TRUNK_NOTHING);
    expect_news(&r.acceptor, CHAT__TRUNK_LOST, CHAT__TRUNK_UP);
    rig_close(&r);
}

static void waits_for_a_reconnect_until_the_timeout(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    send_numbers(&r.dialer, 0, 1, 40);
    rig_hang_up(&r);
    assert_int_equal(chat__trunk_deadline(r.dialer.trunk), 1000 + 9000);
    r.now_ms = 1000 + 8999;
    assert_int_equal(chat__trunk_check(r.dialer.trunk, r.now_ms), CHAT_OK);
    assert_true(chat__trunk_is_up(r.dialer.trunk));
    r.now_ms++;
    assert_int_equal(chat__trunk_check(r.dialer.trunk, r.now_ms), CHAT_OK);
    expect_news(&r.dialer, CHAT__TRUNK_LOST, CHAT__TRUNK_NOTHING);
    rig_close(&r);
}

static void who_is_idle_is_heard(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    for (int i = 0; i < 20; i++) {
        r.now_ms = chat__trunk_deadline(r.dialer.trunk);
        assert_int_equal(rig_run(&r), CHAT_OK);
        assert_int_equal(chat__trunk_check(r.dialer.trunk, r.now_ms), CHAT_OK);
        assert_int_equal(chat__trunk_check(r.acceptor.trunk, r.now_ms), CHAT_OK);
    }
    assert_in_range(r.now_ms, 1000 + 20 * 2999, 1000 + 20 * 3001);
    rig_close(&r);
}

/* Each says something as often as the more impatient of the two wants. */
static void members_with_other_timeouts_hear_each_other(void **state)
{
    rig r;
    (void)state;
    assert_int_equal(rig_open(&r, NULL), CHAT_OK);
    r.dialer.own.timeout_ms = 300;
    reconnect(&r);
    assert_int_equal(chat__trunk_deadline(r.acceptor.trunk), 1000 + 100);
    rig_close(&r);
}

static void goodbye_is_heard_at_once(void **state)
{
    rig r;
    (void)state;
    open_and_join(&r);
    assert_int_equal(chat__trunk_goodbye(r.acceptor.trunk, &r.acceptor.out), CHAT_OK);
    assert_int_equal(rig_feed(&r, &r.dialer, r.acceptor.out.data, r.acceptor.out.len),
                     CHAT_ERR_DRAIN);
    expect_news(&r.dialer, CHAT__TRUNK_LOST, CHAT__TRUNK_NOTHING);
    assert_false(chat__trunk_is_joined(r.dialer.trunk));
    rig_close(&r);
}

static void what_nobody_was_told_of_is_not_lost(void **state)
{
    rig r;
    (void)state;
    assert_int_equal(rig_open(&r, NULL), CHAT_OK);
    reconnect(&r);
    chat__trunk_end(r.dialer.trunk);
    expect_news(&r.dialer, CHAT__TRUNK_NOTHING, CHAT__TRUNK_NOTHING);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_frames_in_order_both_ways),
        cmocka_unit_test(greets_byte_by_byte),
        cmocka_unit_test(takes_a_frame_larger_than_the_window),
        cmocka_unit_test(refuses_frames_that_cannot_be),
        cmocka_unit_test(waits_for_who_does_not_work_off),
        cmocka_unit_test(keeps_as_little_of_small_frames_as_of_large),
        cmocka_unit_test(who_waits_is_given_credit_at_once),
        cmocka_unit_test(goes_on_after_a_cut_anywhere),
        cmocka_unit_test(goes_on_after_cuts_of_the_greeting),
        cmocka_unit_test(another_process_begins_anew),
        cmocka_unit_test(notices_silence_within_the_timeout),
        cmocka_unit_test(waits_for_a_reconnect_until_the_timeout),
        cmocka_unit_test(who_is_idle_is_heard),
        cmocka_unit_test(members_with_other_timeouts_hear_each_other),
        cmocka_unit_test(goodbye_is_heard_at_once),
        cmocka_unit_test(what_nobody_was_told_of_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
