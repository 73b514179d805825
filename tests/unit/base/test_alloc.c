/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

typedef struct counts {
    int calls;
    int is_empty;
} counts;

static void *counting_resize(void *ctx, void *ptr, size_t new_bytes)
{
    counts *self = ctx;
    self->calls++;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    return self->is_empty ? NULL : realloc(ptr, new_bytes);
}

static void libc_stands_behind_a_null(void **state)
{
    chat_allocator none = {NULL, NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        chat_allocator allocator = chat__alloc_or_libc(i == 0 ? NULL : &none);
        uint8_t *ptr = chat__alloc_zero(&allocator, 100);
        assert_non_null(ptr);
        for (int at = 0; at < 100; at++)
            assert_int_equal(ptr[at], 0);
        ptr[99] = 7;
        ptr = chat__alloc_resize(&allocator, ptr, 100000);
        assert_non_null(ptr);
        assert_int_equal(ptr[99], 7);
        chat__alloc_free(&allocator, ptr);
    }
}

static void the_callers_functions_are_used(void **state)
{
    counts self = {0, 0};
    chat_allocator given = {&self, counting_resize};
    (void)state;
    chat_allocator allocator = chat__alloc_or_libc(&given);
    void *ptr = chat__alloc_zero(&allocator, 10);
    assert_non_null(ptr);
    ptr = chat__alloc_resize(&allocator, ptr, 20);
    assert_non_null(ptr);
    chat__alloc_free(&allocator, ptr);
    chat__alloc_free(&allocator, NULL);
    assert_int_equal(self.calls, 3);
}

static void out_of_memory_is_a_null(void **state)
{
    counts self = {0, 1};
    chat_allocator allocator = {&self, counting_resize};
    void *ptr = malloc(10);
    (void)state;
    assert_null(chat__alloc_zero(&allocator, 10));
    assert_null(chat__alloc_resize(&allocator, ptr, 20));
    chat__alloc_free(&allocator, ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libc_stands_behind_a_null),
        cmocka_unit_test(the_callers_functions_are_used),
        cmocka_unit_test(out_of_memory_is_a_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
