/* SPDX-License-Identifier: MIT */
/* Where a queue is cut. */
#include "queue/cut.h"
#include "unit.h"

static void too_old_is_what_came_before_the_ttl(void **state)
{
    static const struct {
        uint64_t at_ms, now_ms, ttl_ms;
        int is_expired;
    } rows[] = {
        {0, 0, 0, 0},     {0, 100, 0, 0},     {0, 100, 100, 0},       {0, 101, 100, 1},
        {1, 101, 100, 0}, {500, 101, 100, 0}, {5, 10, UINT64_MAX, 0}, {UINT64_MAX, 1, 1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(chat__queue_is_expired(rows[i].at_ms, rows[i].now_ms, rows[i].ttl_ms),
                         rows[i].is_expired);
}

static uint64_t count_behind(const uint64_t *items, size_t n, uint64_t at)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += items[i] > at;
    return count;
}

/* Positions are different ones, so exactly `limit` can be left. */
static void leaves_exactly_the_limit_in_few_rounds(void **state)
{
    static const uint64_t items[] = {1, 2, 3, 1000, 1001, 5000000000, 5000000001, INT64_MAX - 1};
    size_t n = sizeof items / sizeof *items;
    (void)state;
    for (uint64_t limit = 0; limit < n; limit++) {
        chat__queue_cut cut;
        uint64_t probe;
        int n_rounds = 0;
        chat__queue_cut_init(&cut, 0, items[n - 1], limit);
        for (; chat__queue_cut_next(&cut, &probe); n_rounds++)
            chat__queue_cut_give(&cut, probe, count_behind(items, n, probe));
        assert_int_equal(count_behind(items, n, cut.high), limit);
        assert_true(n_rounds <= 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_old_is_what_came_before_the_ttl),
        cmocka_unit_test(leaves_exactly_the_limit_in_few_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
