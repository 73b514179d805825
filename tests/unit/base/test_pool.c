/* SPDX-License-Identifier: MIT */
#include "base/pool.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

typedef struct counting {
    size_t n_calls; /* that ask for memory */
    size_t n_held;
    int is_failing;
} counting;

static void *count(void *ctx, void *ptr, size_t bytes)
{
    counting *it = ctx;
    if (bytes == 0) {
        it->n_held -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    it->n_calls++;
    if (it->is_failing)
        return NULL;
    it->n_held += ptr == NULL;
    return realloc(ptr, bytes);
}

static void a_warm_pool_asks_for_nothing(void **state)
{
    (void)state;
    counting it = {0};
    chat_allocator allocator = {&it, count};
    chat__pool pool;
    void *blocks[50];
    chat__pool_init(&pool, &allocator);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 50; i++) {
            blocks[i] = chat__pool_get(&pool, 1 + i * 40, 1);
            assert_non_null(blocks[i]);
        }
        for (size_t i = 0; i < 50; i++)
            chat__pool_put(&pool, blocks[i]);
        assert_int_equal(it.n_calls, 50);
    }
    chat__pool_done(&pool);
    assert_int_equal(it.n_held, 0);
}

static void what_is_given_is_as_large_as_asked_and_zero_where_asked(void **state)
{
    (void)state;
    chat__pool pool;
    chat__pool_init(&pool, NULL);
    for (size_t bytes = 0; bytes < 5000; bytes += 61) {
        for (int round = 0; round < 2; round++) {
            uint8_t *block = chat__pool_get(&pool, bytes, bytes / 2);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % sizeof(void *), 0);
            for (size_t i = 0; i < bytes / 2; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xff, bytes);
            chat__pool_put(&pool, block);
        }
    }
    chat__pool_done(&pool);
}

static void keeps_no_more_than_it_says(void **state)
{
    (void)state;
    enum { N = CHAT__POOL_KEEP_BYTES / 128 + 10 };
    static void *blocks[N];
    counting it = {0};
    chat_allocator allocator = {&it, count};
    chat__pool pool;
    chat__pool_init(&pool, &allocator);
    for (size_t i = 0; i < N; i++)
        assert_non_null(blocks[i] = chat__pool_get(&pool, 100, 0));
    void *large = chat__pool_get(&pool, 1u << 20, 0);
    assert_non_null(large);
    for (size_t i = 0; i < N; i++)
        chat__pool_put(&pool, blocks[i]);
    chat__pool_put(&pool, large);
    assert_int_equal(it.n_held, CHAT__POOL_KEEP_BYTES / 128);
    chat__pool_done(&pool);
    assert_int_equal(it.n_held, 0);
}

static void without_memory_there_is_nothing(void **state)
{
    (void)state;
    counting it = {.is_failing = 1};
    chat_allocator allocator = {&it, count};
    chat__pool pool;
    chat__pool_init(&pool, &allocator);
    assert_null(chat__pool_get(&pool, 100, 0));
    assert_null(chat__pool_get(&pool, SIZE_MAX, 0));
    chat__pool_put(&pool, NULL);
    chat__pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_pool_asks_for_nothing),
        cmocka_unit_test(what_is_given_is_as_large_as_asked_and_zero_where_asked),
        cmocka_unit_test(keeps_no_more_than_it_says),
        cmocka_unit_test(without_memory_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
