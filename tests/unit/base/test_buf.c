/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/view.h"
#include "unit.h"

#include <stdlib.h>

static void keeps_what_was_appended(void **state)
{
    chat__buf buf;
    uint8_t want[3000];
    (void)state;
    chat__buf_init(&buf, NULL, 4000);
    assert_int_equal(chat__buf_view(&buf).len, 0);
    for (size_t i = 0; i < sizeof want; i++) {
        want[i] = (uint8_t)(i * 31);
        assert_int_equal(chat__buf_append(&buf, &want[i], 1), CHAT_OK);
    }
    assert_true(chat__view_equal(chat__buf_view(&buf), chat__view(want, sizeof want)));
    chat__buf_consume(&buf, 1000);
    assert_true(chat__view_equal(chat__buf_view(&buf), chat__view(want + 1000, 2000)));
    chat__buf_consume(&buf, 0);
    assert_int_equal(buf.len, 2000);
    chat__buf_consume(&buf, 2000);
    assert_int_equal(buf.len, 0);
    chat__buf_done(&buf);
}

/* Below, at and above the smallest piece that a buffer asks for. */
static void never_holds_more_than_its_maximum(void **state)
{
    static const uint8_t ZEROS[400];
    static const size_t MAXIMA[] = {0, 1, 10, 63, 64, 65, 100, 128, 129, 200};
    (void)state;
    for (size_t i = 0; i < sizeof MAXIMA / sizeof MAXIMA[0]; i++) {
        size_t max = MAXIMA[i];
        chat__buf buf;
        chat__buf_init(&buf, NULL, max);
        assert_int_equal(chat__buf_append(&buf, ZEROS, max + 1), CHAT_ERR_LIMIT);
        assert_int_equal(chat__buf_append(&buf, ZEROS, SIZE_MAX), CHAT_ERR_LIMIT);
        for (size_t n = 0; n < max; n++)
            assert_int_equal(chat__buf_append(&buf, ZEROS, 1), CHAT_OK);
        assert_int_equal(chat__buf_append(&buf, ZEROS, 1), CHAT_ERR_LIMIT);
        assert_int_equal(chat__buf_append(&buf, NULL, 0), CHAT_OK);
        assert_int_equal(buf.len, max);
        assert_true(buf.cap <= max);
        chat__buf_done(&buf);
    }
}

static void room_that_is_there_is_not_asked_for_again(void **state)
{
    chat__buf buf;
    (void)state;
    chat__buf_init(&buf, NULL, 1000);
    assert_int_equal(chat__buf_reserve(&buf, 1000), CHAT_OK);
    const uint8_t *data = buf.data;
    for (int i = 0; i < 10; i++)
        assert_int_equal(chat__buf_append(&buf, "0123456789", 10), CHAT_OK);
    assert_ptr_equal(buf.data, data);
    assert_int_equal(chat__buf_reserve(&buf, 901), CHAT_ERR_LIMIT);
    chat__buf_done(&buf);
}

static void *refusing_resize(void *ctx, void *ptr, size_t new_bytes)
{
    int *left = ctx;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(ptr, new_bytes) : NULL;
}

static void without_memory_it_stays_as_it_was(void **state)
{
    static const uint8_t ZEROS[100];
    int left = 1;
    chat_allocator allocator = {&left, refusing_resize};
    chat__buf buf;
    (void)state;
    chat__buf_init(&buf, &allocator, 1000);
    assert_int_equal(chat__buf_append(&buf, "abc", 3), CHAT_OK);
    assert_int_equal(chat__buf_append(&buf, ZEROS, 100), CHAT_ERR_NOMEM);
    assert_true(chat__view_equal(chat__buf_view(&buf), chat__view_str("abc")));
    left = 1;
    assert_int_equal(chat__buf_append(&buf, ZEROS, 100), CHAT_OK);
    assert_int_equal(buf.len, 103);
    chat__buf_done(&buf);
    assert_int_equal(buf.len, 0);
    left = 1;
    assert_int_equal(chat__buf_append(&buf, "x", 1), CHAT_OK);
    chat__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_appended),
        cmocka_unit_test(never_holds_more_than_its_maximum),
        cmocka_unit_test(room_that_is_there_is_not_asked_for_again),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
