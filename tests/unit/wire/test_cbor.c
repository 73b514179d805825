/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "frames.h"

#include <stdlib.h>

#define MAX_BYTES 4096

static chat_decoder *decoder;

static int make_decoder(void **state)
{
    (void)state;
    return chat_decoder_new(NULL, MAX_BYTES, &decoder) == CHAT_OK ? 0 : -1;
}

static int free_decoder(void **state)
{
    (void)state;
    chat_decoder_free(decoder);
    return 0;
}

/* A copy of exactly `len` bytes, so that a sanitizer sees any byte too far. */
static chat_status decode_exact(chat_view bytes, chat_frame *out)
{
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    memcpy(copy, bytes.data, bytes.len);
    chat_status status =
        chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(copy, bytes.len), out);
    free(copy);
    return status;
}

static void check_round_trip(const chat__wire_type *type, uint64_t has, chat_status want)
{
    uint8_t bytes[MAX_BYTES];
    size_t len = 0;
    chat_frame in;
    chat_frame out;
    frames_make(&in, type, has);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, sizeof bytes, &len), want);
    if (want != CHAT_OK) {
        assert_int_equal(chat__frame_encode_own(&in, bytes, sizeof bytes, &len), want);
        return;
    }
    assert_true(len <= chat_frame_size_bound(CHAT_ENCODING_CBOR, &in));
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(bytes, len), &out),
                     CHAT_OK);
    assert_true(frames_equal(&in, &out));
    size_t own_len = 0;
    uint8_t own[MAX_BYTES];
    assert_int_equal(chat__frame_encode_own(&in, own, sizeof own, &own_len), CHAT_OK);
    assert_int_equal(own_len, len);
    assert_memory_equal(own, bytes, len);
    assert_int_equal(chat__frame_decode_own(decoder, chat__view(own, len), &out), CHAT_OK);
    assert_true(frames_equal(&in, &out));
}

static void every_frame_comes_back_with_any_field_left_out(void **state)
{
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        check_round_trip(type, type->allowed, CHAT_OK);
        check_round_trip(type, type->required, CHAT_OK);
        for (unsigned key = 1; key < CHAT__WIRE_N_KEYS; key++) {
            uint64_t bit = CHAT_FIELD_BIT(key);
            if ((type->allowed & bit) != 0)
                check_round_trip(type, type->allowed & ~bit,
                                 (type->required & bit) != 0 ? CHAT_ERR_ARG : CHAT_OK);
        }
    }
}

static size_t encode_full(const chat__wire_type *type, uint8_t *bytes)
{
    size_t len = 0;
    chat_frame in;
    frames_make(&in, type, type->allowed);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, MAX_BYTES, &len), CHAT_OK);
    return len;
}

static void every_truncation_is_refused(void **state)
{
    uint8_t bytes[MAX_BYTES];
    chat_frame out;
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        size_t len = encode_full(type, bytes);
        for (size_t i = 0; i < len; i++) {
            assert_int_equal(decode_exact(chat__view(bytes, i), &out), CHAT_ERR_SYNTAX);
            assert_true(out.has == 0 && out.type == 0);
        }
    }
}

static void every_byte_may_be_anything(void **state)
{
    uint8_t bytes[MAX_BYTES];
    uint8_t again[MAX_BYTES];
    chat_frame out;
    size_t again_len;
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        size_t len = encode_full(type, bytes);
        for (size_t i = 0; i < len * 256; i++) {
            uint8_t kept = bytes[i / 256];
            bytes[i / 256] = (uint8_t)i;
            /* What is taken can be written again. */
            if (chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(bytes, len), &out) ==
                CHAT_OK)
                assert_int_equal(
                    chat_frame_encode(CHAT_ENCODING_CBOR, &out, again, MAX_BYTES, &again_len),
                    CHAT_OK);
            bytes[i / 256] = kept;
        }
    }
}

static void every_capacity_below_the_length_is_refused(void **state)
{
    uint8_t bytes[MAX_BYTES];
    chat_frame in;
    size_t len;
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        size_t full = encode_full(type, bytes);
        frames_make(&in, type, type->allowed);
        for (size_t cap = 0; cap < full; cap++) {
            uint8_t *exact = malloc(cap > 0 ? cap : 1);
            len = 77;
            assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, exact, cap, &len),
                             CHAT_ERR_LIMIT);
            assert_int_equal(len, 77);
            free(exact);
        }
        assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, full, &len), CHAT_OK);
    }
}

static void output_is_deterministic(void **state)
{
    static const char WANT[] = "\xa4\x00\x02\x01\x18\x64\x04\x61"
                               "c\x05\x62"
                               "hi";
    uint8_t bytes[64];
    size_t len;
    chat_frame in;
    (void)state;
    chat_frame_init(&in, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(&in, BODY, body, chat__view_str("hi"));
    CHAT_FRAME_SET(&in, CID, cid, chat__view_str("c"));
    CHAT_FRAME_SET(&in, R, r, 100);
    /* No field of `send`: left out. */
    CHAT_FRAME_SET(&in, SEQ, seq, 1);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, sizeof bytes, &len),
                     CHAT_OK);
    assert_int_equal(len, sizeof WANT - 1);
    assert_memory_equal(bytes, WANT, len);
}

typedef struct row {
    const char *name;
    const char *bytes;
    size_t len;
    chat_status want;
} row;

#define ROW(name, bytes, want)                                                                     \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, want                                                       \
    }

/* Around ack{n}: a2 00 03 0a 01. */
static const row ROWS[] = {
    ROW("the plain frame", "\xa2\x00\x03\x0a\x01", CHAT_OK),
    ROW("nothing", "", CHAT_ERR_SYNTAX),
    ROW("trailing byte", "\xa2\x00\x03\x0a\x01\x00", CHAT_ERR_SYNTAX),
    ROW("long forms", "\xb8\x02\x18\x00\x19\x00\x03\x1a\x00\x00\x00\x0a\x1b\0\0\0\0\0\0\0\x01",
        CHAT_OK),
    ROW("indefinite map", "\xbf\x00\x03\x0a\x01\xff", CHAT_OK),
    ROW("indefinite map, no break", "\xbf\x00\x03\x0a\x01", CHAT_ERR_SYNTAX),
    ROW("indefinite map, break for a value", "\xbf\x00\x03\x0a\xff", CHAT_ERR_SYNTAX),
    ROW("break in a definite map", "\xa2\x00\x03\xff\x01", CHAT_ERR_SYNTAX),
    ROW("break alone", "\xff", CHAT_ERR_SYNTAX),
    ROW("reserved head 28", "\xa2\x00\x03\x0a\x1c", CHAT_ERR_SYNTAX),
    ROW("indefinite number", "\xa2\x00\x03\x0a\x1f", CHAT_ERR_SYNTAX),
    ROW("indefinite tag", "\xa3\x00\x03\x0a\x01\x3f\xdf\x01", CHAT_ERR_SYNTAX),
    ROW("map of 2^64-1 pairs", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x03", CHAT_ERR_SYNTAX),
    ROW("key twice", "\xa3\x00\x03\x0a\x01\x0a\x01", CHAT_ERR_ARG),
    ROW("type twice", "\xa3\x00\x03\x00\x03\x0a\x01", CHAT_ERR_ARG),
    ROW("no type", "\xa1\x0a\x01", CHAT_ERR_ARG),
    ROW("type is a text", "\xa2\x00\x61\x61\x0a\x01", CHAT_ERR_ARG),
    ROW("type last", "\xa2\x0a\x01\x00\x03", CHAT_OK),
    ROW("unknown type", "\xa1\x00\x18\x63", CHAT_ERR_UNSUPPORTED),
    ROW("type above 32 bits", "\xa2\x00\x1b\0\0\0\x01\0\0\0\x03\x0a\x01", CHAT_ERR_UNSUPPORTED),
    ROW("field missing", "\xa1\x00\x03", CHAT_ERR_ARG),
    ROW("number is negative", "\xa2\x00\x03\x0a\x20", CHAT_ERR_ARG),
    ROW("number is a float", "\xa2\x00\x03\x0a\xf9\x3c\x00", CHAT_ERR_ARG),
    ROW("number is tagged", "\xa2\x00\x03\x0a\xc2\x01", CHAT_ERR_ARG),
    ROW("number is null", "\xa2\x00\x03\x0a\xf6", CHAT_ERR_ARG),
    ROW("number is 2^53", "\xa2\x00\x03\x0a\x1b\x00\x20\0\0\0\0\0\0", CHAT_OK),
    ROW("number above 2^53", "\xa2\x00\x03\x0a\x1b\x00\x20\0\0\0\0\0\x01", CHAT_ERR_ARG),
    ROW("no map: array", "\x80", CHAT_ERR_ARG),
    ROW("no map: number", "\x01", CHAT_ERR_ARG),
    ROW("no map: cut array", "\x82\x01", CHAT_ERR_SYNTAX),
    ROW("unknown key, number", "\xa3\x00\x03\x0a\x01\x18\x3f\x05", CHAT_OK),
    ROW("unknown key, text key", "\xa3\x00\x03\x0a\x01\x61x\x05", CHAT_OK),
    ROW("unknown key, negative", "\xa3\x00\x03\x0a\x01\x20\x05", CHAT_OK),
    ROW("unknown key, array key", "\xa3\x00\x03\x0a\x01\x81\x01\x05", CHAT_OK),
    ROW("unknown key, chunked text key", "\xa3\x00\x03\x0a\x01\x7f\x61x\xff\x05", CHAT_OK),
    ROW("unknown value, map", "\xa3\x00\x03\x0a\x01\x18\x3f\xa1\x01\x02", CHAT_OK),
    ROW("unknown value, indefinite map", "\xa3\x00\x03\x0a\x01\x18\x3f\xbf\x01\x02\xff", CHAT_OK),
    ROW("unknown value, odd map", "\xa3\x00\x03\x0a\x01\x18\x3f\xbf\x01\xff", CHAT_ERR_SYNTAX),
    ROW("unknown value, tag", "\xa3\x00\x03\x0a\x01\x18\x3f\xc1\x1a\x01\x02\x03\x04", CHAT_OK),
    ROW("unknown value, double", "\xa3\x00\x03\x0a\x01\x18\x3f\xfb\x40\0\0\0\0\0\0\0", CHAT_OK),
    ROW("unknown value, undefined", "\xa3\x00\x03\x0a\x01\x18\x3f\xf7", CHAT_OK),
    ROW("unknown value, simple 255", "\xa3\x00\x03\x0a\x01\x18\x3f\xf8\xff", CHAT_OK),
    ROW("unknown value, simple 31", "\xa3\x00\x03\x0a\x01\x18\x3f\xf8\x1f", CHAT_ERR_SYNTAX),
    ROW("unknown value, bytes", "\xa3\x00\x03\x0a\x01\x18\x3f\x42\xff\xfe", CHAT_OK),
    ROW("unknown value, chunks", "\xa3\x00\x03\x0a\x01\x18\x3f\x5f\x41\xff\x40\xff", CHAT_OK),
    ROW("unknown value, chunk of another kind", "\xa3\x00\x03\x0a\x01\x18\x3f\x5f\x61x\xff",
        CHAT_ERR_SYNTAX),
    ROW("unknown value, chunk in chunk", "\xa3\x00\x03\x0a\x01\x18\x3f\x5f\x5f\xff\xff",
        CHAT_ERR_SYNTAX),
    ROW("unknown value, not UTF-8", "\xa3\x00\x03\x0a\x01\x18\x3f\x62\xc3\x28", CHAT_ERR_SYNTAX),
    ROW("field of other types", "\xa3\x00\x03\x0a\x01\x06\x05", CHAT_OK),
    ROW("bad field of other types", "\xa3\x00\x03\x0a\x01\x06\x61x", CHAT_OK),
    /* hello{device} */
    ROW("id",
        "\xa2\x00\x01\x0e\x61"
        "a",
        CHAT_OK),
    ROW("id is empty", "\xa2\x00\x01\x0e\x60", CHAT_ERR_ARG),
    ROW("id with a control character", "\xa2\x00\x01\x0e\x61\x01", CHAT_ERR_ARG),
    ROW("id with U+0085", "\xa2\x00\x01\x0e\x62\xc2\x85", CHAT_ERR_ARG),
    ROW("id with U+00E4", "\xa2\x00\x01\x0e\x62\xc3\xa4", CHAT_OK),
    ROW("id is not UTF-8", "\xa2\x00\x01\x0e\x62\xc3\x28", CHAT_ERR_SYNTAX),
    ROW("id is bytes",
        "\xa2\x00\x01\x0e\x41"
        "a",
        CHAT_ERR_ARG),
    ROW("id in chunks",
        "\xa2\x00\x01\x0e\x7f\x61"
        "a\xff",
        CHAT_ERR_ARG),
    ROW("id past the end",
        "\xa2\x00\x01\x0e\x7b\xff\xff\xff\xff\xff\xff\xff\xff"
        "a",
        CHAT_ERR_SYNTAX),
    ROW("list",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x82\x61x\x61y",
        CHAT_OK),
    ROW("list, indefinite",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x9f\x61x\x61y\xff",
        CHAT_OK),
    ROW("list is empty",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x80",
        CHAT_OK),
    ROW("list of numbers",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x82\x61x\x01",
        CHAT_ERR_ARG),
    ROW("list is a text",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x61x",
        CHAT_ERR_ARG),
    ROW("list past the end",
        "\xa3\x00\x01\x0e\x61"
        "a\x18\x19\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x61x",
        CHAT_ERR_SYNTAX),
    /* send{cid, body, resend} */
    ROW("bool",
        "\xa4\x00\x02\x04\x61"
        "c\x05\x60\x18\x1c\xf5",
        CHAT_OK),
    ROW("bool is a number",
        "\xa4\x00\x02\x04\x61"
        "c\x05\x60\x18\x1c\x01",
        CHAT_ERR_ARG),
    ROW("bool is null",
        "\xa4\x00\x02\x04\x61"
        "c\x05\x60\x18\x1c\xf6",
        CHAT_ERR_ARG),
    ROW("text with U+0000",
        "\xa3\x00\x02\x04\x61"
        "c\x05\x61\x00",
        CHAT_ERR_ARG),
    ROW("group",
        "\xa4\x00\x02\x02\x61g\x04\x61"
        "c\x05\x60",
        CHAT_OK),
    ROW("direct chat",
        "\xa4\x00\x02\x02\x68"
        "dm:1:a:b\x04\x61"
        "c\x05\x60",
        CHAT_OK),
    ROW("direct chat in the wrong order",
        "\xa4\x00\x02\x02\x68"
        "dm:1:b:a\x04\x61"
        "c\x05\x60",
        CHAT_ERR_ARG),
};

static void takes_and_refuses_as_documented(void **state)
{
    chat_frame out;
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_status got = decode_exact(chat__view(ROWS[i].bytes, ROWS[i].len), &out);
        if (got != ROWS[i].want)
            print_error("%s\n", ROWS[i].name);
        assert_int_equal(got, ROWS[i].want);
    }
}

/* Each row: the start of a frame, and where its `body` is; -1: it has none. */
static void a_text_is_found_whatever_is_in_it(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int at, body_len;
        chat_status status;
    } TEXTS[] = {
        {"\xa1\x05\x63\x61\x62\x63", 6, 3, 3, CHAT_OK},
        {"\xa3\x00\x18\x22\x02\x61\x67\x05\x62\xff\xfe", 11, 9, 2, CHAT_OK},
        {"\xa2\x05\x60\x06\x01", 5, 3, 0, CHAT_OK},
        {"\xa1\x06\x01", 3, -1, 0, CHAT_EMPTY},
        {"\xa0", 1, -1, 0, CHAT_EMPTY},
        {"\xa1\x05\x63\x61\x62", 5, -1, 0, CHAT_ERR_SYNTAX},
        {"\xa1\x05\x01", 3, -1, 0, CHAT_ERR_SYNTAX},
        {"\xa1\x05\x7f\x61\x61\xff", 6, -1, 0, CHAT_ERR_SYNTAX},
        {"\xa2\x00\x18\x22", 4, -1, 0, CHAT_ERR_SYNTAX},
        {"hello", 5, -1, 0, CHAT_ERR_SYNTAX},
        {"", 0, -1, 0, CHAT_ERR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        chat_view found = {NULL, 0};
        uint8_t *copy = malloc(TEXTS[i].len + 1);
        memcpy(copy, TEXTS[i].bytes, TEXTS[i].len);
        chat_view bytes = {copy, TEXTS[i].len};
        assert_int_equal(chat__frame_find_text(bytes, CHAT_FIELD_KEY_BODY, &found),
                         TEXTS[i].status);
        if (TEXTS[i].at >= 0) {
            assert_ptr_equal(found.data, copy + TEXTS[i].at);
            assert_int_equal(found.len, TEXTS[i].body_len);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_comes_back_with_any_field_left_out),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_byte_may_be_anything),
        cmocka_unit_test(every_capacity_below_the_length_is_refused),
        cmocka_unit_test(output_is_deterministic),
        cmocka_unit_test(takes_and_refuses_as_documented),
        cmocka_unit_test(a_text_is_found_whatever_is_in_it),
    };
    return cmocka_run_group_tests(tests, make_decoder, free_decoder);
}
