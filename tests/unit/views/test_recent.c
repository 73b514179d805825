/* SPDX-License-Identifier: MIT */
/* Pages from the newest records of a chat that somebody has at hand. */
#include "views/recent.h"
#include "unit.h"

#include <string.h>

#define N_RECORDS 40u
#define N_TALES   20000u

/* A chat of records 10, 20, ... 100, all of which may be read. */
static chat__recent_place at_hand[10];
static const chat__range whole = {0, UINT64_MAX};
static uint32_t picked[CHAT__RECENT_MAX + 1];
static size_t n_picked;

static chat__recent chat_of(size_t n_at_hand, uint32_t limit)
{
    for (size_t i = 0; i < 10; i++)
        at_hand[i] = (chat__recent_place){100 - 10 * i, 90 - 10 * i};
    return (chat__recent){at_hand, n_at_hand, 100, &whole, 1, UINT64_MAX, UINT64_MAX, limit};
}

static chat_status pick(const chat__recent *recent)
{
    n_picked = 0;
    return chat__recent_pick(recent, picked, &n_picked);
}

static void the_newest_and_one_more_are_picked(void **state)
{
    (void)state;
    chat__recent recent = chat_of(6, 5);
    assert_int_equal(pick(&recent), CHAT_OK);
    assert_int_equal(n_picked, 6);
    assert_int_equal(picked[0], 0);
    assert_int_equal(picked[5], 5);
    recent.n_places = 5; /* whether there are more is not known */
    assert_int_equal(pick(&recent), CHAT_EMPTY);
    recent.n_places = 0;
    assert_int_equal(pick(&recent), CHAT_EMPTY);
}

static void a_short_chat_is_all_there(void **state)
{
    (void)state;
    chat__recent recent = chat_of(10, 50);
    assert_int_equal(pick(&recent), CHAT_OK);
    assert_int_equal(n_picked, 10);
}

static void what_is_not_the_newest_is_nothing(void **state)
{
    (void)state;
    chat__recent recent = chat_of(10, 5);
    recent.head_seq = 110;
    assert_int_equal(pick(&recent), CHAT_EMPTY);
    recent.head_seq = 90; /* nobody can have been faster than the head */
    assert_int_equal(pick(&recent), CHAT_EMPTY);
}

static void a_hole_ends_it(void **state)
{
    (void)state;
    chat__recent recent = chat_of(10, 5);
    memmove(at_hand + 3, at_hand + 4, 6 * sizeof *at_hand);
    recent.n_places = 9;
    assert_int_equal(pick(&recent), CHAT_EMPTY);
    recent.limit = 2;
    assert_int_equal(pick(&recent), CHAT_OK);
    recent.limit = 3;
    assert_int_equal(pick(&recent), CHAT_EMPTY);
}

static void who_joined_late_needs_no_more_than_he_may_read(void **state)
{
    static const chat__range late = {70, UINT64_MAX};
    (void)state;
    chat__recent recent = chat_of(5, 50);
    recent.ranges = &late;
    assert_int_equal(pick(&recent), CHAT_OK);
    assert_int_equal(n_picked, 4);
    assert_int_equal(picked[3], 3);
}

static void behind_a_place_the_oldest_comes_first(void **state)
{
    (void)state;
    chat__recent recent = chat_of(5, 50);
    recent.after = 70;
    assert_int_equal(pick(&recent), CHAT_OK);
    assert_int_equal(n_picked, 3);
    assert_int_equal(picked[0], 2);
    assert_int_equal(picked[2], 0);
    recent.after = 40; /* 50 is not there, and 60 says so */
    assert_int_equal(pick(&recent), CHAT_EMPTY);
    recent.after = 50;
    assert_int_equal(pick(&recent), CHAT_OK);
    assert_int_equal(n_picked, 5);
}

/* --- by chance, beside one that has all records --- */

static uint64_t chance;

static uint32_t draw(uint32_t n)
{
    chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(chance >> 33) % n;
}

typedef struct tale {
    chat__recent_place all[N_RECORDS], left[N_RECORDS];
    chat__range ranges[2];
    size_t n;
} tale;

static chat__recent draw_tale(tale *t)
{
    chat__recent recent = {.places = t->left, .ranges = t->ranges, .n_ranges = draw(3)};
    uint64_t seq = 0;
    t->n = 1 + draw(N_RECORDS - 1);
    for (size_t i = t->n; i-- > 0; seq = t->all[i].seq)
        t->all[i] = (chat__recent_place){seq + 1 + draw(3), seq};
    uint32_t keeps = 1 + draw(30);
    for (size_t i = 0; i < t->n; i++) {
        if (draw(keeps) > 0 || keeps > 25)
            t->left[recent.n_places++] = t->all[i];
    }
    if (draw(2) == 0)
        recent.n_places = draw((uint32_t)recent.n_places + 1);
    recent.head_seq = seq;
    recent.limit = 1 + draw(12);
    recent.after = draw(2) ? UINT64_MAX : draw((uint32_t)seq + 2);
    recent.before = draw(2) ? UINT64_MAX : draw((uint32_t)seq + 2);
    uint64_t from = 0;
    for (size_t i = 0; i < recent.n_ranges; i++) {
        t->ranges[i].first = from + draw(20);
        t->ranges[i].last = t->ranges[i].first + draw(40);
        from = t->ranges[i].last + 1;
    }
    if (recent.n_ranges > 0 && draw(2))
        t->ranges[recent.n_ranges - 1].last = UINT64_MAX;
    return recent;
}

/* What a page of all records has, and one more. */
static size_t naive(const tale *t, const chat__recent *recent, uint64_t *seqs)
{
    size_t n = 0;
    int is_back = recent->after == UINT64_MAX;
    for (size_t k = 0; k < t->n && n <= recent->limit; k++) {
        uint64_t seq = t->all[is_back ? k : t->n - 1 - k].seq;
        int is_inside = is_back ? seq < recent->before : seq > recent->after;
        if (is_inside && chat__ranges_have(recent->ranges, recent->n_ranges, seq))
            seqs[n++] = seq;
    }
    return n;
}

static void what_is_picked_is_what_there_is(void **state)
{
    static tale t;
    uint64_t seqs[N_RECORDS + 1];
    uint32_t n_had = 0;
    (void)state;
    for (uint32_t i = 0; i < N_TALES; i++) {
        memset(&t, 0, sizeof t);
        chance = i;
        chat__recent recent = draw_tale(&t);
        size_t n = naive(&t, &recent, seqs);
        if (pick(&recent) != CHAT_OK) {
            assert_true(recent.n_places < t.n); /* with all of them there is no other answer */
            continue;
        }
        n_had++;
        assert_int_equal(n_picked, n);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(t.left[picked[k]].seq, seqs[k]);
    }
    assert_in_range(n_had, N_TALES / 10, N_TALES - N_TALES / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_and_one_more_are_picked),
        cmocka_unit_test(a_short_chat_is_all_there),
        cmocka_unit_test(what_is_not_the_newest_is_nothing),
        cmocka_unit_test(a_hole_ends_it),
        cmocka_unit_test(who_joined_late_needs_no_more_than_he_may_read),
        cmocka_unit_test(behind_a_place_the_oldest_comes_first),
        cmocka_unit_test(what_is_picked_is_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
