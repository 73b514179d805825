/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/result.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

/* Two columns (text, map of text to list of int) with their specs, more pages, one row. */
static const uint8_t ROWS_BODY[] = {
    0, 0, 0,    2,    0,    0,   0,    3, 0,    0,   0,    2,    0,    0,
    0, 2, 0xAA, 0xBB,                                   /* flags, paging state */
    0, 1, 'k',  0,    1,    't',                        /* keyspace, table */
    0, 1, 'a',  0,    0x0D,                             /* a text */
    0, 1, 'b',  0,    0x21, 0,   0x0D, 0, 0x20, 0,   9, /* b map */
    0, 0, 0,    1,    0,    0,   0,    2, 'h',  'i', 0xFF, 0xFF, 0xFF, 0xFF, /* "hi", null */
};

static void rows_are_read_behind_any_types(void **state)
{
    chat__cql_result result;
    (void)state;
    assert_int_equal(chat__cql_read_result(chat__view(ROWS_BODY, sizeof ROWS_BODY), &result),
                     CHAT_OK);
    assert_int_equal(result.kind, CHAT__CQL_ROWS);
    assert_int_equal(result.n_columns, 2);
    assert_int_equal(result.n_rows, 1);
    assert_true(result.has_more);
    assert_int_equal(result.paging_state.len, 2);
    assert_true(chat__view_equal(chat__cql_get_bytes(&result.cells), chat__view_str("hi")));
    assert_null(chat__cql_get_bytes(&result.cells).data);
    assert_false(result.cells.is_bad);
}

static void what_is_cut_off_is_refused(void **state)
{
    chat__cql_result result;
    uint8_t bytes[sizeof ROWS_BODY];
    (void)state;
    memcpy(bytes, ROWS_BODY, sizeof bytes);
    for (size_t len = 0; len < sizeof bytes - 8; len++)
        assert_int_equal(chat__cql_read_result(chat__view(bytes, len), &result), CHAT_ERR_PROTOCOL);
    bytes[sizeof bytes - 14] = 0x7F; /* two thousand million rows that are not there */
    assert_int_equal(chat__cql_read_result(chat__view(bytes, sizeof bytes), &result),
                     CHAT_ERR_PROTOCOL);
}

static void types_without_end_are_refused(void **state)
{
    static uint8_t bytes[65536];
    static const uint8_t HEAD[] = {0, 0, 0, 2,   0, 0, 0,   1, 0, 0,  0,
                                   1, 0, 1, 'k', 0, 1, 't', 0, 1, 'a'};
    chat__cql_result result;
    (void)state;
    memcpy(bytes, HEAD, sizeof HEAD);
    for (size_t i = sizeof HEAD; i + 1 < sizeof bytes; i += 2)
        bytes[i + 1] = 0x21; /* a map of maps of maps */
    assert_int_equal(chat__cql_read_result(chat__view(bytes, sizeof bytes), &result),
                     CHAT_ERR_PROTOCOL);
}

static void errors_say_what_can_be_done(void **state)
{
    static const struct {
        uint8_t code[2];
        chat__cql_again again;
    } ROWS[] = {
        {{0x10, 0x01}, CHAT__CQL_AGAIN_NEXT},    {{0x25, 0x00}, CHAT__CQL_AGAIN_PREPARE},
        {{0x20, 0x00}, CHAT__CQL_AGAIN_NO},      {{0x11, 0x00}, CHAT__CQL_AGAIN_UNKNOWN},
        {{0x77, 0x77}, CHAT__CQL_AGAIN_UNKNOWN},
    };
    chat__cql_error error;
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint8_t body[] = {0, 0, ROWS[i].code[0], ROWS[i].code[1], 0, 2, 'n', 'o'};
        assert_int_equal(chat__cql_read_error(chat__view(body, sizeof body), &error), CHAT_OK);
        assert_int_equal(error.again, ROWS[i].again);
        assert_true(chat__view_equal(error.message, chat__view_str("no")));
        assert_true(strlen(error.advice) > 0);
        assert_int_equal(chat__cql_read_error(chat__view(body, 7), &error), CHAT_ERR_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_behind_any_types),
        cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(types_without_end_are_refused),
        cmocka_unit_test(errors_say_what_can_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
