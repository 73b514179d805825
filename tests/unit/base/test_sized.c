/* SPDX-License-Identifier: MIT */
#include "base/sized.h"

#include "unit.h"

#include <string.h>

/* A struct over three versions. */
typedef struct first {
    uint32_t struct_size;
    uint32_t a;
} first;

typedef struct second {
    uint32_t struct_size;
    uint32_t a;
    uint64_t b;
} second;

typedef struct third {
    uint32_t struct_size;
    uint32_t a;
    uint64_t b;
    uint64_t c;
} third;

static const second DEFAULTS = {sizeof(second), 10, 20};

static void the_same_version_is_copied(void **state)
{
    second known = DEFAULTS;
    second given = {sizeof given, 1, 2};
    (void)state;
    assert_int_equal(chat__sized_take(&known, sizeof known, &given), CHAT_OK);
    assert_memory_equal(&known, &given, sizeof given);
}

static void an_older_one_leaves_the_defaults(void **state)
{
    second known = DEFAULTS;
    first given = {sizeof given, 1};
    (void)state;
    assert_int_equal(chat__sized_take(&known, sizeof known, &given), CHAT_OK);
    assert_int_equal(known.struct_size, sizeof known);
    assert_int_equal(known.a, 1);
    assert_int_equal(known.b, 20);
}

static void a_newer_one_may_ask_for_nothing_new(void **state)
{
    second known = DEFAULTS;
    third given = {sizeof given, 1, 2, 0};
    (void)state;
    assert_int_equal(chat__sized_take(&known, sizeof known, &given), CHAT_OK);
    assert_int_equal(known.struct_size, sizeof known);
    assert_int_equal(known.b, 2);
    given.c = 1;
    known = DEFAULTS;
    assert_int_equal(chat__sized_take(&known, sizeof known, &given), CHAT_ERR_ARG);
    assert_memory_equal(&known, &DEFAULTS, sizeof known);
}

/* Each last byte of what is not known counts. */
static void no_byte_of_the_tail_is_skipped(void **state)
{
    uint8_t given[sizeof(second) + 16] = {0};
    uint32_t size = sizeof given;
    (void)state;
    memcpy(given, &size, sizeof size);
    for (size_t i = sizeof(second); i < sizeof given; i++) {
        second known = DEFAULTS;
        given[i] = 1;
        assert_int_equal(chat__sized_take(&known, sizeof known, given), CHAT_ERR_ARG);
        given[i] = 0;
        assert_int_equal(chat__sized_take(&known, sizeof known, given), CHAT_OK);
    }
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    static const uint32_t sizes[] = {0, 1, 3, CHAT__SIZED_MAX_BYTES + 1, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        second known = DEFAULTS;
        second given = {sizes[i], 1, 2};
        assert_int_equal(chat__sized_take(&known, sizeof known, &given), CHAT_ERR_ARG);
        assert_memory_equal(&known, &DEFAULTS, sizeof known);
        assert_int_equal(chat__sized_give(&given, &known, sizeof known), CHAT_ERR_ARG);
        assert_int_equal(given.a, 1);
    }
}

static void what_is_given_ends_where_the_caller_ends(void **state)
{
    second known = {sizeof known, 1, 2};
    struct {
        first given;
        uint64_t behind;
    } older = {{sizeof(first), 0}, 7};
    third newer = {sizeof newer, 0, 0, 9};
    (void)state;
    assert_int_equal(chat__sized_give(&older.given, &known, sizeof known), CHAT_OK);
    assert_int_equal(older.given.struct_size, sizeof(first));
    assert_int_equal(older.given.a, 1);
    assert_int_equal(older.behind, 7);
    assert_int_equal(chat__sized_give(&newer, &known, sizeof known), CHAT_OK);
    assert_int_equal(newer.struct_size, sizeof newer);
    assert_int_equal(newer.b, 2);
    assert_int_equal(newer.c, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_version_is_copied),
        cmocka_unit_test(an_older_one_leaves_the_defaults),
        cmocka_unit_test(a_newer_one_may_ask_for_nothing_new),
        cmocka_unit_test(no_byte_of_the_tail_is_skipped),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
        cmocka_unit_test(what_is_given_ends_where_the_caller_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
