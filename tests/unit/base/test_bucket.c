/* SPDX-License-Identifier: MIT */
#include "base/bucket.h"
#include "unit.h"

#include <string.h>

typedef struct step {
    uint64_t at_ms;
    uint64_t n;
    uint64_t wait_ms; /* 0: taken */
} step;

#define MAX_STEPS 6

static const struct {
    const char *name;
    chat__bucket_rule rule;
    step steps[MAX_STEPS];
} ROWS[] = {
    {"off", {0, 0}, {{0, 1000000, 0}, {0, UINT64_MAX, 0}, {0, 1, 0}}},
    {"burst", {10, 20}, {{0, 20, 0}, {0, 1, 100}, {99, 1, 1}, {100, 1, 0}, {100, 1, 100}}},
    {"a second's worth at least", {10, 3}, {{5, 10, 0}, {5, 1, 100}, {1005, 10, 0}}},
    {"ten seconds' worth", {10, 0}, {{5, 100, 0}, {5, 1, 100}, {10005, 100, 0}, {10005, 1, 100}}},
    {"several", {10, 20}, {{0, 15, 0}, {0, 10, 500}, {0, 5, 0}, {500, 5, 0}}},
    {"never above the burst", {10, 20}, {{0, 20, 0}, {1000000, 20, 0}, {1000000, 1, 100}}},
    {"more than fits", {10, 20}, {{0, 50, 0}, {0, 50, 2000}, {1999, 50, 1}, {2000, 50, 0}}},
    {"a huge demand", {10, 20}, {{0, UINT64_MAX, 0}, {0, UINT64_MAX, 2000}}},
    {"rounded up", {3, 3}, {{0, 3, 0}, {0, 1, 334}, {333, 1, 1}, {334, 1, 0}, {334, 1, 333}}},
    {"clock stands still", {10, 10}, {{7, 10, 0}, {7, 1, 100}, {7, 1, 100}, {7, 0, 0}}},
    {"clock jumps back", {10, 10}, {{1000, 10, 0}, {10, 1, 100}, {109, 1, 1}, {110, 1, 0}}},
    {"clock jumps to the end",
     {10, 10},
     {{0, 10, 0}, {UINT64_MAX, 10, 0}, {UINT64_MAX, 1, 100}, {0, 1, 100}, {100, 1, 0}}},
    {"largest numbers",
     {UINT32_MAX, UINT32_MAX},
     {{0, UINT32_MAX, 0}, {0, UINT32_MAX, 1000}, {1000, UINT32_MAX, 0}}},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat__bucket bucket;
        memset(&bucket, 0, sizeof bucket);
        for (size_t k = 0;
             k < MAX_STEPS && (k == 0 || ROWS[i].steps[k].wait_ms > 0 || ROWS[i].steps[k].n > 0);
             k++) {
            const step *s = &ROWS[i].steps[k];
            uint64_t wait_ms = 99;
            chat_status status =
                chat__bucket_take(&bucket, &ROWS[i].rule, s->n, s->at_ms, &wait_ms);
            if (wait_ms != s->wait_ms || (status == CHAT_OK) != (s->wait_ms == 0))
                fail_msg("%s, step %zu: waits %llu", ROWS[i].name, k, (unsigned long long)wait_ms);
            assert_true(status == CHAT_OK || status == CHAT_ERR_RATE);
        }
    }
}

/* However often it is asked, an hour gives an hour's worth and the burst. */
static void never_drifts(void **state)
{
    chat__bucket_rule rule = {7, 7};
    chat__bucket bucket;
    uint64_t taken = 0, wait_ms;
    (void)state;
    memset(&bucket, 0, sizeof bucket);
    for (uint64_t ms = 0; ms <= 3600000; ms++) {
        if (chat__bucket_take(&bucket, &rule, 1, ms, &wait_ms) == CHAT_OK)
            taken++;
    }
    assert_int_equal(taken, 7 * 3600 + 7);
}

static void the_wait_is_exact(void **state)
{
    (void)state;
    for (uint32_t rate = 1; rate < 2000; rate += 13) {
        chat__bucket_rule rule = {rate, rate + rate / 2};
        chat__bucket bucket;
        uint64_t wait_ms, left_ms;
        memset(&bucket, 0, sizeof bucket);
        assert_int_equal(chat__bucket_take(&bucket, &rule, rule.burst, 0, &wait_ms), CHAT_OK);
        assert_int_equal(chat__bucket_take(&bucket, &rule, 1, 0, &wait_ms), CHAT_ERR_RATE);
        assert_int_equal(chat__bucket_take(&bucket, &rule, 1, wait_ms - 1, &left_ms),
                         CHAT_ERR_RATE);
        assert_int_equal(left_ms, 1);
        assert_int_equal(chat__bucket_take(&bucket, &rule, 1, wait_ms, &left_ms), CHAT_OK);
    }
}

static void full_means_nothing_is_missing(void **state)
{
    chat__bucket_rule rule = {10, 10};
    chat__bucket bucket;
    uint64_t wait_ms;
    (void)state;
    memset(&bucket, 0, sizeof bucket);
    assert_true(chat__bucket_is_full(&bucket, &rule, 0));
    assert_int_equal(chat__bucket_take(&bucket, &rule, 1, 0, &wait_ms), CHAT_OK);
    assert_false(chat__bucket_is_full(&bucket, &rule, 99));
    assert_true(chat__bucket_is_full(&bucket, &rule, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(never_drifts),
        cmocka_unit_test(the_wait_is_exact),
        cmocka_unit_test(full_means_nothing_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
