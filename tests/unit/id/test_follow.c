/* SPDX-License-Identifier: MIT */
#include "id/follow.h"

#include "base/alloc.h"
#include "unit.h"

static chat_allocator libc_;

static void make(chat__follow *follow, uint32_t window, uint64_t seq)
{
    chat__follow_at at = {.seq = seq};
    libc_ = chat__alloc_or_libc(NULL);
    assert_int_equal(CHAT_OK, chat__follow_init(follow, &libc_, window, &at));
}

/* The seq; 0 when the record is dropped. */
static uint64_t next(chat__follow *follow, uint64_t offset, uint64_t id)
{
    uint64_t seq = 0;
    chat__follow_record record = {.offset = offset, .id = id};
    chat__follow_what what = chat__follow_next(follow, &record, &seq);
    assert_true(what == CHAT__FOLLOW_COUNTS || what == CHAT__FOLLOW_KNOWN);
    assert_true((what == CHAT__FOLLOW_COUNTS) == (seq != 0));
    return seq;
}

static void note(chat__follow *follow, chat__follow_record record)
{
    assert_int_equal(CHAT_OK, chat__follow_note(follow, &record));
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
            note(&part, (chat__follow_record){.offset = i, .id = ids[i]});
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

/* --- terms --- */

static uint64_t offset_;

static chat__follow_what record(chat__follow *follow, uint64_t id, uint64_t term)
{
    uint64_t seq = follow->seq;
    chat__follow_record it = {offset_++, id, term, 0};
    chat__follow_what what = chat__follow_next(follow, &it, &seq);
    assert_int_equal(seq, follow->seq);
    return what;
}

static chat__follow_what fence(chat__follow *follow, uint64_t term)
{
    uint64_t seq = 0;
    chat__follow_record it = {offset_++, 0, term, 1};
    return chat__follow_next(follow, &it, &seq);
}

static void a_fence_makes_other_terms_void(void **state)
{
    chat__follow follow;
    (void)state;
    offset_ = 0;
    make(&follow, 8, 0);
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 10, 0));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 11, 3)); /* before its fence */
    assert_int_equal(CHAT__FOLLOW_FENCED, fence(&follow, 3));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 12, 0));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 13, 2));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 14, 4));
    assert_int_equal(CHAT__FOLLOW_VOID, fence(&follow, 3));
    assert_int_equal(CHAT__FOLLOW_VOID, fence(&follow, 2));
    assert_int_equal(10, follow.seq);
    assert_int_equal(CHAT__FOLLOW_KNOWN, record(&follow, 10, 3));
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 12, 3)); /* void ones are not known */
    assert_int_equal(12, follow.seq);
    assert_int_equal(CHAT__FOLLOW_FENCED, fence(&follow, 9));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 15, 3));
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 5, 9));
    assert_int_equal(13, follow.seq);
    chat__follow_done(&follow);
}

static void where_fences_are_lost_a_higher_term_is_believed(void **state)
{
    chat__follow follow;
    chat__follow_at at;
    (void)state;
    offset_ = 50;
    make(&follow, 8, 0);
    assert_int_equal(CHAT_OK, chat__follow_lost(&follow, 50, 0));
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 10, 0));
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 11, 4));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 12, 3));
    chat__follow_at_offset(&follow, 51, &at);
    assert_int_equal(4, at.now.term);
    assert_int_equal(1, at.now.is_open);
    assert_int_equal(CHAT__FOLLOW_COUNTS, record(&follow, 13, 6));
    assert_int_equal(CHAT__FOLLOW_FENCED, fence(&follow, 7));
    assert_int_equal(CHAT__FOLLOW_VOID, record(&follow, 14, 8));
    chat__follow_at_offset(&follow, 54, &at);
    assert_int_equal(7, at.now.term);
    assert_int_equal(0, at.now.is_open);
    assert_int_equal(0, at.past.term);
    chat__follow_done(&follow);
}

/* Two writers that fence each other, or think they do, in any order. */
enum { N_TURNS = 400, TURN_WINDOW = 12 };

typedef struct outcome {
    chat__follow_what what;
    uint64_t seq; /* behind it */
} outcome;

static chat__follow_record turns_[N_TURNS];
static outcome plain_[N_TURNS];

static uint32_t random_;

static uint32_t below(uint32_t n)
{
    random_ = random_ * 1664525u + 1013904223u;
    return (random_ >> 9) % n;
}

static void make_turns(void)
{
    uint64_t terms[2] = {0, 0}, highest = 0, offset = 0;
    for (size_t i = 0; i < N_TURNS; i++) {
        uint64_t *term = &terms[below(2)];
        offset += 1 + (below(20) == 0) * below(2 * TURN_WINDOW);
        uint32_t way = below(12);
        if (way == 0)
            *term = ++highest;
        turns_[i] = (chat__follow_record){offset, 1 + i / 3 + below(9), *term, way < 2};
        if (turns_[i].is_fence)
            turns_[i].id = 0;
    }
}

static int counted_before(size_t i)
{
    for (size_t k = i; k-- > 0 && turns_[i].offset - turns_[k].offset <= TURN_WINDOW;)
        if (turns_[k].id == turns_[i].id &&
            (plain_[k].what == CHAT__FOLLOW_COUNTS || plain_[k].what == CHAT__FOLLOW_KNOWN))
            return 1;
    return 0;
}

/* The rule in words, with a search. */
static void read_plainly(void)
{
    uint64_t term = 0, seq = 0;
    for (size_t i = 0; i < N_TURNS; i++) {
        const chat__follow_record *it = &turns_[i];
        outcome *out = &plain_[i];
        if (it->is_fence)
            out->what = it->term > term ? CHAT__FOLLOW_FENCED : CHAT__FOLLOW_VOID;
        else if (it->term != term)
            out->what = CHAT__FOLLOW_VOID;
        else
            out->what = counted_before(i) ? CHAT__FOLLOW_KNOWN : CHAT__FOLLOW_COUNTS;
        if (out->what == CHAT__FOLLOW_FENCED)
            term = it->term;
        if (out->what == CHAT__FOLLOW_COUNTS)
            seq = seq + 1 > it->id ? seq + 1 : it->id;
        out->seq = seq;
    }
}

static void read_on(chat__follow *follow, size_t i)
{
    uint64_t seq = 0;
    assert_int_equal(plain_[i].what, chat__follow_next(follow, &turns_[i], &seq));
    assert_int_equal(plain_[i].seq, follow->seq);
    assert_true(plain_[i].what != CHAT__FOLLOW_COUNTS || seq == follow->seq);
}

/* From the position behind record `last`. */
static void read_from(const chat__follow_at *at, size_t last)
{
    chat__follow follow;
    uint64_t position = turns_[last].offset + 1;
    assert_int_equal(CHAT_OK, chat__follow_init(&follow, &libc_, TURN_WINDOW, at));
    for (size_t i = 0; i <= last; i++)
        if (turns_[i].offset + TURN_WINDOW >= position)
            note(&follow, turns_[i]);
    for (size_t i = last + 1; i < N_TURNS; i++)
        read_on(&follow, i);
    chat__follow_done(&follow);
}

static void two_writers_and_any_position(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        chat__follow whole, late;
        chat__follow_at at, again;
        random_ = seed * 7919u;
        make_turns();
        read_plainly();
        make(&whole, TURN_WINDOW, 0);
        make(&late, TURN_WINDOW, 0);
        for (size_t i = 0; i < N_TURNS; i++)
            read_on(&whole, i);
        for (size_t i = 0; i < N_TURNS; i++) {
            read_on(&late, i);
            chat__follow_at_offset(&whole, turns_[i].offset, &at);
            at.seq = plain_[i].seq;
            read_from(&at, i);
            if (below(3) > 0)
                continue;
            chat__follow_at_offset(&late, turns_[i].offset, &again);
            chat__follow_forget(&late, turns_[i].offset);
            assert_int_equal(at.now.term, again.now.term);
            assert_int_equal(at.past.term, again.past.term);
            assert_int_equal(at.now.is_open | at.past.is_open, 0);
        }
        chat__follow_done(&whole);
        chat__follow_done(&late);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seq_is_the_id_or_the_next_after_the_last),
        cmocka_unit_test(an_id_of_the_window_is_dropped_and_takes_no_seq),
        cmocka_unit_test(who_starts_in_the_middle_sees_the_same),
        cmocka_unit_test(it_agrees_with_a_search_also_over_holes),
        cmocka_unit_test(a_fence_makes_other_terms_void),
        cmocka_unit_test(where_fences_are_lost_a_higher_term_is_believed),
        cmocka_unit_test(two_writers_and_any_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
