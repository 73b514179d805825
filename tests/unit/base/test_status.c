/* SPDX-License-Identifier: MIT */
#include <chat/status.h>

#include "base/view.h"
#include "unit.h"

typedef struct row {
    chat_status status;
    int value;
    chat_status_kind kind;
    unsigned close_code;
    const char *name;
    const char *wire;
    const char *text;
} row;

static const row ROWS[] = {
#define ROW(name, value, kind, wire, close, text)                                                  \
    {CHAT_##name, value, CHAT_KIND_##kind, close, #name, wire, text},
    CHAT_STATUS_TABLE(ROW)
#undef ROW
};

#define N_ROWS (sizeof ROWS / sizeof ROWS[0])

static void each_row_is_found_by_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        const row *want = &ROWS[i];
        assert_string_equal(chat_status_name(want->status), want->name);
        assert_string_equal(chat_status_wire(want->status), want->wire);
        assert_string_equal(chat_status_text(want->status), want->text);
        assert_int_equal(chat_status_kind_of(want->status), want->kind);
        assert_int_equal(chat_status_close_code(want->status), want->close_code);
        assert_int_equal(chat_status_from_wire(chat__view_str(want->wire)), want->status);
    }
}

static void no_two_rows_share_value_name_or_wire(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(ROWS[i].value, ROWS[j].value);
            assert_string_not_equal(ROWS[i].name, ROWS[j].name);
            assert_string_not_equal(ROWS[i].wire, ROWS[j].wire);
        }
    }
}

/* Zero is done, positive an expected outcome, negative an error; RFC 6455 section 7.4. */
static void values_kinds_and_close_codes_go_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        const row *it = &ROWS[i];
        assert_int_equal(it->value == 0, it->kind == CHAT_KIND_DONE);
        assert_int_equal(it->value > 0, it->kind == CHAT_KIND_EXPECTED);
        assert_int_equal(it->value < 0, chat__view_starts_with(chat__view_str(it->name), "ERR_"));
        /* 1004 to 1006 and 1015 never stand in a close frame. */
        if (it->close_code != 0)
            assert_true((it->close_code >= 1000 && it->close_code <= 1003) ||
                        (it->close_code >= 1007 && it->close_code <= 1014) ||
                        (it->close_code >= 4000 && it->close_code <= 4999));
        assert_in_range(strlen(it->wire), 1, 32);
        assert_in_range(strlen(it->text), 1, 100);
    }
}

static void what_is_not_in_the_table_has_an_answer_too(void **state)
{
    (void)state;
    assert_string_equal(chat_status_name((chat_status)-9999), "UNKNOWN");
    assert_string_equal(chat_status_wire((chat_status)-9999), "unknown");
    assert_string_equal(chat_status_text((chat_status)-9999), "a status of a newer version");
    assert_int_equal(chat_status_kind_of((chat_status)-9999), CHAT_KIND_PEER);
    assert_int_equal(chat_status_close_code((chat_status)-9999), 0);
    assert_int_equal(chat_status_from_wire(chat__view_str("busyx")), CHAT_ERR_UNSUPPORTED);
    assert_int_equal(chat_status_from_wire(chat__view_str("bus")), CHAT_ERR_UNSUPPORTED);
    assert_int_equal(chat_status_from_wire(chat__view(NULL, 0)), CHAT_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_found_by_its_status),
        cmocka_unit_test(no_two_rows_share_value_name_or_wire),
        cmocka_unit_test(values_kinds_and_close_codes_go_together),
        cmocka_unit_test(what_is_not_in_the_table_has_an_answer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
