/* SPDX-License-Identifier: MIT */
#include "base/heap.h"
#include "unit.h"

#include <string.h>

#define N 500

static uint32_t random_below(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

static void gives_the_earliest_first(void **state)
{
    static chat__heap_item items[N];
    chat__heap heap;
    uint32_t random = 1;
    uint64_t last = 0;
    (void)state;
    memset(items, 0, sizeof items);
    chat__heap_init(&heap, NULL, N);
    assert_null(chat__heap_first(&heap));
    for (int i = 0; i < N; i++)
        assert_int_equal(chat__heap_set(&heap, &items[i], random_below(&random, 100)), CHAT_OK);
    for (int i = 0; i < N; i++) {
        chat__heap_item *first = chat__heap_first(&heap);
        assert_non_null(first);
        assert_true(first->at_ms >= last);
        last = first->at_ms;
        chat__heap_remove(&heap, first);
        assert_int_equal(first->place, 0);
    }
    assert_null(chat__heap_first(&heap));
    chat__heap_done(&heap);
}

static void check(const chat__heap *heap, const chat__heap_item *items)
{
    const chat__heap_item *first = chat__heap_first(heap);
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        if (items[i].place == 0)
            continue;
        n++;
        assert_ptr_equal(heap->items[items[i].place - 1], &items[i]);
        assert_true(first->at_ms <= items[i].at_ms);
    }
    assert_int_equal(n, heap->n_items);
}

static void moving_and_taking_out_keep_the_order(void **state)
{
    static chat__heap_item items[N];
    chat__heap heap;
    uint32_t random = 7;
    (void)state;
    memset(items, 0, sizeof items);
    chat__heap_init(&heap, NULL, N);
    for (int i = 0; i < 20000; i++) {
        chat__heap_item *item = &items[random_below(&random, N)];
        if (random_below(&random, 3) == 0)
            chat__heap_remove(&heap, item);
        else
            assert_int_equal(chat__heap_set(&heap, item, random_below(&random, 1000)), CHAT_OK);
        if (i % 16 == 0)
            check(&heap, items);
    }
    check(&heap, items);
    chat__heap_done(&heap);
}

static void refuses_above_its_maximum_but_still_moves(void **state)
{
    chat__heap_item items[3] = {{0, 0}, {0, 0}, {0, 0}};
    chat__heap heap;
    (void)state;
    chat__heap_init(&heap, NULL, 2);
    assert_int_equal(chat__heap_set(&heap, &items[0], 5), CHAT_OK);
    assert_int_equal(chat__heap_set(&heap, &items[1], UINT64_MAX), CHAT_OK);
    assert_int_equal(chat__heap_set(&heap, &items[2], 1), CHAT_ERR_LIMIT);
    assert_int_equal(items[2].place, 0);
    assert_int_equal(chat__heap_set(&heap, &items[1], 0), CHAT_OK);
    assert_ptr_equal(chat__heap_first(&heap), &items[1]);
    chat__heap_remove(&heap, &items[2]);
    assert_int_equal(heap.n_items, 2);
    chat__heap_done(&heap);
}

static void *no_memory(void *ctx, void *ptr, size_t new_bytes)
{
    (void)ctx;
    (void)ptr;
    (void)new_bytes;
    return NULL;
}

static void without_memory_nothing_is_put_in(void **state)
{
    chat_allocator allocator = {NULL, no_memory};
    chat__heap_item item = {0, 0};
    chat__heap heap;
    (void)state;
    chat__heap_init(&heap, &allocator, 2);
    assert_int_equal(chat__heap_set(&heap, &item, 5), CHAT_ERR_NOMEM);
    assert_int_equal(item.place, 0);
    assert_null(chat__heap_first(&heap));
    chat__heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_earliest_first),
        cmocka_unit_test(moving_and_taking_out_keep_the_order),
        cmocka_unit_test(refuses_above_its_maximum_but_still_moves),
        cmocka_unit_test(without_memory_nothing_is_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
