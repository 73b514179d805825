/* SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>

#define N 5000

static char keys[N][16];

static void fill(chat__map *map)
{
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        assert_int_equal(chat__map_put(map, chat__view_str(keys[i]), keys[i]), CHAT_OK);
    }
}

static void finds_what_was_put_and_only_that(void **state)
{
    chat__map map;
    (void)state;
    chat__map_init(&map, NULL, SIZE_MAX, UNIT_SEED);
    assert_null(chat__map_get(&map, chat__view_str("key-1")));
    fill(&map);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(chat__map_get(&map, chat__view_str(keys[i])), keys[i]);
    assert_null(chat__map_get(&map, chat__view_str("key-5000")));
    assert_int_equal(chat__map_put(&map, chat__view_str("key-7"), keys), CHAT_ERR_EXISTS);
    chat__map_done(&map);
}

static void removing_leaves_the_rest_reachable(void **state)
{
    chat__map map;
    size_t cursor = 0;
    int left = 0;
    (void)state;
    chat__map_init(&map, NULL, SIZE_MAX, UNIT_SEED);
    fill(&map);
    for (int i = 0; i < N; i += 3)
        assert_ptr_equal(chat__map_remove(&map, chat__view_str(keys[i])), keys[i]);
    for (int i = 0; i < N; i++) {
        void *want = i % 3 == 0 ? NULL : keys[i];
        assert_ptr_equal(chat__map_get(&map, chat__view_str(keys[i])), want);
    }
    while (chat__map_next(&map, &cursor) != NULL)
        left++;
    assert_int_equal(left, (int)map.n_items);
    chat__map_done(&map);
}

static void refuses_above_its_maximum(void **state)
{
    chat__map map;
    (void)state;
    chat__map_init(&map, NULL, 1, UNIT_SEED);
    assert_int_equal(chat__map_put(&map, chat__view_str("a"), keys), CHAT_OK);
    assert_int_equal(chat__map_put(&map, chat__view_str("b"), keys), CHAT_ERR_LIMIT);
    chat__map_done(&map);
}

/* Key 00..0f, message 00..0e: appendix A of the SipHash paper. */
static void siphash_equals_the_papers_vector(void **state)
{
    uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint8_t message[15];
    (void)state;
    for (uint8_t i = 0; i < 15; i++)
        message[i] = i;
    assert_true(chat__siphash(seed, message, 15) == 0xa129ca6149be45e5u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put_and_only_that),
        cmocka_unit_test(removing_leaves_the_rest_reachable),
        cmocka_unit_test(refuses_above_its_maximum),
        cmocka_unit_test(siphash_equals_the_papers_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
