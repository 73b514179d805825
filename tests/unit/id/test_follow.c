/* SPDX-License-Identifier: MIT */
#include "id/follow.h"

#include "base/alloc.h"
#include "unit.h"

static chat_allocator libc_;

static void make(chat__follow *follow, uint32_t window, uint64_t seq)
{
    libc_ = chat__alloc_or_libc(NULL);
    assert_int_equal(CHAT_OK, chat__follow_init(follow, &libc_, window, seq));
}

/* The seq, or 0 when the record is dropped. */
static uint64_t next(chat__follow *follow, uint64_t offset, uint64_t id)
{
    uint64_t seq = 0;
    chat_status status = chat__follow_next(follow, offset, id, &seq);
    assert_true(status == CHAT_OK || status == CHAT_ERR_EXISTS);
    assert_true((status == CHAT_OK) == (seq != 0));
    return seq;
}

static void seq_is_the_id_or_the_next_after_the_last(void **state)
{
    chat__follow follow;
    (void)state;
    make(&follow, 8, 0);
    assert_int_equal(100, next(&follow, 0, 100));
    assert_int_equal(200, next(&follow, 1, 200));
    assert_int_equal(201, next(&follow, 2, 150));
    assert_int_equal(202, next(&follow, 3, 201));
    assert_int_equal(203, next(&follow, 4, 203));
    chat__follow_done(&follow);
    make(&follow, 8, 500);
    assert_int_equal(501, next(&follow, 5, 300));
    chat__follow_done(&follow);
}

static void an_id_of_the_window_is_dropped_and_takes_no_seq(void **state)
{
    chat__follow follow;
    (void)state;
    make(&follow, 4, 0);
    assert_int_equal(10, next(&follow, 0, 10));
    assert_int_equal(0, next(&follow, 1, 10));
    assert_int_equal(11, next(&follow, 2, 11));
    assert_int_equal(12, next(&follow, 3, 12));
    assert_int_equal(0, next(&follow, 5, 10)); /* at 1, four before */
    assert_int_equal(0, next(&follow, 6, 11));
    assert_int_equal(13, next(&follow, 8, 12)); /* five before: forgotten */
    chat__follow_done(&follow);
}

static void who_starts_in_the_middle_sees_the_same(void **state)
{
    chat__follow whole, part;
    uint32_t random = 1;
    uint64_t ids[2000], seqs[2000];
    (void)state;
    make(&whole, 16, 0);
    for (size_t i = 0; i < 2000; i++) {
        random = random * 1664525u + 1013904223u;
        ids[i] = 1 + i / 2 + (random >> 8) % 24;
        seqs[i] = next(&whole, i, ids[i]);
    }
    for (size_t from = 100; from < 1900; from += 97) {
        size_t last = from;
        while (seqs[--last] == 0)
            continue;
        make(&part, 16, seqs[last]);
        for (size_t i = from - 16; i < from; i++)
            chat__follow_note(&part, i, ids[i]);
        for (size_t i = from; i < 2000; i++)
            assert_int_equal(seqs[i], next(&part, i, ids[i]));
        chat__follow_done(&part);
    }
    chat__follow_done(&whole);
}

/* Against the plain rule: was the id at one of the `window` offsets before? */
static void it_agrees_with_a_search_also_over_holes(void **state)
{
    enum { N = 5000, WINDOW = 7 };
    static uint64_t ids[N], offsets[N];
    chat__follow follow;
    uint32_t random = 7;
    (void)state;
    make(&follow, WINDOW, 0);
    for (size_t i = 0; i < N; i++) {
        random = random * 1664525u + 1013904223u;
        ids[i] = 1 + (random >> 10) % 12;
        offsets[i] = i == 0 ? 0 : offsets[i - 1] + 1 + (random >> 28 == 0) * 5;
        int is_seen = 0;
        for (size_t k = i; k-- > 0 && offsets[i] - offsets[k] <= WINDOW;)
            is_seen |= ids[k] == ids[i];
        assert_int_equal(is_seen, next(&follow, offsets[i], ids[i]) == 0);
    }
    chat__follow_done(&follow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seq_is_the_id_or_the_next_after_the_last),
        cmocka_unit_test(an_id_of_the_window_is_dropped_and_takes_no_seq),
        cmocka_unit_test(who_starts_in_the_middle_sees_the_same),
        cmocka_unit_test(it_agrees_with_a_search_also_over_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
