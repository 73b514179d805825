/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "base/view.h"
#include "unit.h"

/*
 * The other way round than the code under test: take the code point out of the bytes by its bit
 * pattern, then ask whether it may be there and whether this is its shortest form. Returns the
 * length, 0 when there is none.
 */
static size_t decode(const uint8_t *p, size_t len, uint32_t *out)
{
    static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = 1;
    uint32_t code = p[0];
    if (p[0] >= 0x80) {
        n = (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 9;
        if (n > len)
            return 0;
        code = p[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (p[i] & 0x3fu);
        }
    }
    if (code > 0x10ffff || (code & 0xfffff800u) == 0xd800 || code < SMALLEST[n])
        return 0;
    *out = code;
    return n;
}

static int is_valid_by_decoding(const uint8_t *p, size_t len)
{
    uint32_t code;
    for (size_t i = 0; i < len;) {
        size_t n = decode(p + i, len - i, &code);
        if (n == 0)
            return 0;
        i += n;
    }
    return 1;
}

static void check(const uint8_t *p, size_t len)
{
    int is_valid = chat__utf8_is_valid(chat__view(p, len));
    if (is_valid != is_valid_by_decoding(p, len))
        fail_msg("%zu bytes: %02x %02x %02x %02x", len, p[0], p[1], p[2], p[3]);
}

static void all_of_1_2_and_3_bytes_are_judged_right(void **state)
{
    (void)state;
    for (uint32_t word = 0; word < UINT32_C(1) << 24; word++) {
        uint8_t bytes[4] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word, 0};
        check(bytes, 3);
        if ((word & 0xff) == 0)
            check(bytes, 2);
        if ((word & 0xffff) == 0)
            check(bytes, 1);
    }
}

/* With each first and second byte; of the others, all that lie at a boundary. */
static void all_boundaries_of_4_bytes_are_judged_right(void **state)
{
    static const uint8_t EDGES[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                    0xc0, 0xc2, 0xdf, 0xe0, 0xef, 0xf0, 0xf4, 0xff};
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        for (unsigned edges = 0; edges < 256; edges++) {
            uint8_t bytes[4] = {(uint8_t)(pair >> 8), (uint8_t)pair, EDGES[edges >> 4],
                                EDGES[edges & 15]};
            check(bytes, 4);
        }
    }
}

static size_t encode(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)((0xf00u >> n & 0xff) | code);
    return n;
}

static void every_code_point_but_the_surrogates_is_valid(void **state)
{
    uint8_t bytes[4];
    (void)state;
    for (uint32_t code = 0; code < 0x110400; code++) {
        int want = code < 0x110000 && (code < 0xd800 || code > 0xdfff);
        size_t n = encode(code, bytes);
        assert_int_equal(chat__utf8_is_valid(chat__view(bytes, n)), want);
        if (!want)
            continue;
        want = code < 0x20 || (code >= 0x7f && code < 0xa0);
        assert_int_equal(chat__utf8_has_control(chat__view(bytes, n)), want);
        assert_int_equal(chat__utf8_is_valid(chat__view(bytes, n - 1)), n == 1);
    }
}

/* Whole words of ASCII are skipped at once: a bad byte is found wherever it lies. */
static void a_bad_byte_is_found_at_any_place(void **state)
{
    uint8_t text[64];
    (void)state;
    for (size_t len = 1; len <= sizeof text; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof text);
            assert_true(chat__utf8_is_valid(chat__view(text, len)));
            text[at] = 0xff;
            assert_false(chat__utf8_is_valid(chat__view(text, len)));
            text[at] = 0xc3;
            assert_false(chat__utf8_is_valid(chat__view(text, len)));
            text[at] = 0x1f;
            assert_true(chat__utf8_has_control(chat__view(text, len)));
        }
    }
    assert_true(chat__utf8_is_valid(chat__view(NULL, 0)));
    assert_false(chat__utf8_is_valid(chat__view(NULL, 9)));
    assert_false(chat__utf8_has_control(chat__view(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_1_2_and_3_bytes_are_judged_right),
        cmocka_unit_test(all_boundaries_of_4_bytes_are_judged_right),
        cmocka_unit_test(every_code_point_but_the_surrogates_is_valid),
        cmocka_unit_test(a_bad_byte_is_found_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
