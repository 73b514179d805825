/* SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

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

/* Key 00..0f, message 00, 01, ..: by a Python program that gives the paper's vector (appendix A)
   when run with two and four rounds. */
static void siphash_equals_an_independent_one(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } ROWS[] = {
        {0, 0xabac0158050fc4dcu}, {1, 0xc9f49bf37d57ca93u},  {7, 0xd3927d989bb11140u},
        {8, 0x369095118d299a8eu}, {15, 0xd320d86d2a519956u}, {63, 0x9d199062b7bbb3a8u},
    };
    uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint8_t message[63];
    (void)state;
    for (uint8_t i = 0; i < 63; i++)
        message[i] = i;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_true(chat__siphash(seed, message, ROWS[i].len) == ROWS[i].hash);
}

static void *no_memory_above(void *ctx, void *ptr, size_t new_bytes)
{
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    return new_bytes > *(size_t *)ctx ? NULL : realloc(ptr, new_bytes);
}

static void without_memory_it_stays_as_it_was(void **state)
{
    size_t max_bytes = 0;
    chat_allocator allocator = {&max_bytes, no_memory_above};
    chat__map map;
    (void)state;
    chat__map_init(&map, &allocator, SIZE_MAX, UNIT_SEED);
    assert_int_equal(chat__map_put(&map, chat__view_str("a"), keys), CHAT_ERR_NOMEM);
    assert_null(chat__map_get(&map, chat__view_str("a")));
    max_bytes = 16 * sizeof(chat__map_slot);
    for (int i = 0; i <= 12; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        chat_status status = chat__map_put(&map, chat__view_str(keys[i]), keys[i]);
        assert_int_equal(status, i < 12 ? CHAT_OK : CHAT_ERR_NOMEM);
    }
    assert_int_equal(map.n_items, 12);
    for (int i = 0; i < 12; i++)
        assert_ptr_equal(chat__map_get(&map, chat__view_str(keys[i])), keys[i]);
    chat__map_done(&map);
}

/* A binary key, an empty key, and two keys of which one is the start of the other. */
static void keys_are_bytes(void **state)
{
    static const chat_view KEYS[] = {{NULL, 0},
                                     {(const uint8_t *)"a\0b", 3},
                                     {(const uint8_t *)"a\0b", 2},
                                     {(const uint8_t *)"a\0b", 1}};
    chat__map map;
    (void)state;
    chat__map_init(&map, NULL, 10, UNIT_SEED);
    for (int i = 0; i < 4; i++)
        assert_int_equal(chat__map_put(&map, KEYS[i], keys[i]), CHAT_OK);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(chat__map_get(&map, KEYS[i]), keys[i]);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(chat__map_remove(&map, KEYS[i]), keys[i]);
    assert_null(chat__map_remove(&map, KEYS[0]));
    chat__map_done(&map);
}

static void a_large_table_goes_when_it_is_empty(void **state)
{
    static const uint64_t SEED[2] = {7, 8};
    chat__map map;
    (void)state;
    chat__map_init(&map, NULL, N, SEED);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++) {
            snprintf(keys[i], sizeof keys[i], "k%u", i);
            assert_int_equal(chat__map_put(&map, chat__view_str(keys[i]), keys[i]), CHAT_OK);
        }
        assert_true(map.n_slots > 4096);
        for (unsigned i = 0; i < N; i++)
            assert_ptr_equal(chat__map_remove(&map, chat__view_str(keys[i])), keys[i]);
        assert_int_equal(map.n_slots, 0);
        assert_null(map.slots);
        assert_null(chat__map_get(&map, chat__view_str(keys[0])));
        assert_null(chat__map_remove(&map, chat__view_str(keys[0])));
    }
    chat__map_done(&map);
}

static void what_is_known_by_its_hash_goes_in_and_out_without_its_key(void **state)
{
    enum { N_NAMES = 500 };
    static const uint64_t SEED[2] = {5, 6};
    static char names[N_NAMES][16];
    chat__map map;
    (void)state;
    chat__map_init(&map, NULL, N_NAMES, SEED);
    assert_null(chat__map_guess(&map, 7));
    for (unsigned i = 0; i < N_NAMES; i++) {
        snprintf(names[i], sizeof names[i], "k%u", i);
        chat_view key = chat__view_str(names[i]);
        uint32_t hash = chat__map_hash(&map, key);
        chat__map_prefetch(&map, hash);
        assert_int_equal(chat__map_put_hashed(&map, key, hash, names[i]), CHAT_OK);
        assert_int_equal(chat__map_put_hashed(&map, key, hash, names[i]), CHAT_ERR_EXISTS);
    }
    for (unsigned i = 0; i < N_NAMES; i += 2)
        chat__map_drop(&map, chat__map_hash(&map, chat__view_str(names[i])), names[i]);
    for (unsigned i = 0; i < N_NAMES; i++)
        assert_ptr_equal(chat__map_get(&map, chat__view_str(names[i])),
                         i % 2 == 0 ? NULL : names[i]);
    for (unsigned i = 0; i < N_NAMES; i++) {
        uint32_t hash = chat__map_hash(&map, chat__view_str(names[i]));
        char *want = i % 2 == 0 ? NULL : names[i];
        assert_ptr_equal(chat__map_get_hashed(&map, chat__view_str(names[i]), hash), want);
        assert_ptr_equal(chat__map_guess(&map, hash), want);
    }
    assert_int_equal(map.n_items, N_NAMES / 2);
    chat__map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put_and_only_that),
        cmocka_unit_test(removing_leaves_the_rest_reachable),
        cmocka_unit_test(refuses_above_its_maximum),
        cmocka_unit_test(siphash_equals_an_independent_one),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(a_large_table_goes_when_it_is_empty),
        cmocka_unit_test(what_is_known_by_its_hash_goes_in_and_out_without_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
