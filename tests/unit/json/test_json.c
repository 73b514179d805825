/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "frames.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_BYTES 8192

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

/* In memory of exactly its length, so that a sanitizer sees any byte too far. */
static chat_status decode(chat_view text, chat_frame *out)
{
    uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
    memcpy(copy, text.data, text.len);
    chat_status status =
        chat_frame_decode(decoder, CHAT_ENCODING_JSON, chat__view(copy, text.len), out);
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
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, sizeof bytes, &len), want);
    if (want != CHAT_OK)
        return;
    assert_true(len <= chat_frame_size_bound(CHAT_ENCODING_JSON, &in));
    assert_int_equal(decode(chat__view(bytes, len), &out), CHAT_OK);
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
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, MAX_BYTES, &len), CHAT_OK);
    return len;
}

static void every_truncation_is_refused(void **state)
{
    uint8_t bytes[MAX_BYTES];
    chat_frame out;
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        size_t len = encode_full(type, bytes);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(decode(chat__view(bytes, i), &out), CHAT_ERR_SYNTAX);
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
        for (size_t i = 0; i < len * 256; i += 7) {
            uint8_t kept = bytes[i / 256];
            bytes[i / 256] = (uint8_t)i;
            if (chat_frame_decode(decoder, CHAT_ENCODING_JSON, chat__view(bytes, len), &out) ==
                CHAT_OK)
                assert_int_equal(
                    chat_frame_encode(CHAT_ENCODING_JSON, &out, again, MAX_BYTES, &again_len),
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
            assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, exact, cap, &len),
                             CHAT_ERR_LIMIT);
            free(exact);
        }
        assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, full, &len), CHAT_OK);
    }
}

static void writes_compact_escaped_json(void **state)
{
    static const char WANT[] =
        "{\"t\":\"msg\",\"chat\":\"g\",\"body\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\\u2028"
        "\\u2029\xe2\x80\xaa\xc3\xa4\",\"id\":\"18446744073709551615\",\"ts\":0,\"from\":\"a\"}";
    uint8_t bytes[256];
    size_t len;
    chat_frame in;
    (void)state;
    chat_frame_init(&in, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&in, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(&in, FROM, from, chat__view_str("a"));
    CHAT_FRAME_SET(&in, ID, id, UINT64_MAX);
    CHAT_FRAME_SET(&in, TS, ts, 0);
    CHAT_FRAME_SET(&in, BODY, body,
                   chat__view_str("\"\\/\b\f\n\r\t\x01\x7f\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"
                                  "\xc3\xa4"));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, sizeof bytes, &len),
                     CHAT_OK);
    assert_int_equal(len, sizeof WANT - 1);
    assert_memory_equal(bytes, WANT, len);
}

typedef struct row {
    const char *text;
    chat_status want;
} row;

static const row ROWS[] = {
    {"{\"t\":\"ack\",\"n\":1}", CHAT_OK},
    {" { \"n\" : 1 , \"t\" : \"ack\" } ", CHAT_OK},
    {"{\"\\u0074\":\"\\u0061ck\",\"\\u006e\":1}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":0}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":-0}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":1.0}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":1e3}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":9007199254740992}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":9007199254740994}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":1e400}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":-1}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":1.5}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":\"1\"}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":null}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":true}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":[1]}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\"}", CHAT_ERR_ARG},
    {"{\"n\":1}", CHAT_ERR_ARG},
    {"{}", CHAT_ERR_ARG},
    {"[]", CHAT_ERR_ARG},
    {"1", CHAT_ERR_ARG},
    {"\"ack\"", CHAT_ERR_ARG},
    {"{\"t\":3,\"n\":1}", CHAT_ERR_ARG},
    {"{\"T\":\"ack\",\"n\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"Ack\",\"n\":1}", CHAT_ERR_UNSUPPORTED},
    {"{\"t\":\"\",\"n\":1}", CHAT_ERR_UNSUPPORTED},
    {"{\"t\":\"?\"}", CHAT_ERR_UNSUPPORTED},
    {"{\"t\":\"ack\",\"n\":1,\"n\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":1,\"\\u006e\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"t\":\"ack\",\"n\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":1,\"x\":1,\"x\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"ack\",\"n\":1,\"x\":{\"n\":[1,2]},\"y\":null}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":1,\"N\":2}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":1,\"id\":2}", CHAT_OK},
    {"{\"t\":\"ack\",\"n\":1} x", CHAT_ERR_SYNTAX},
    {"{\"t\":\"ack\",\"n\":1}{}", CHAT_ERR_SYNTAX},
    {"{\"t\":\"ack\",\"n\":01}", CHAT_ERR_SYNTAX},
    {"{\"t\":\"ack\",\"n\":1,\"x\":\"\\u0000\"}", CHAT_ERR_SYNTAX},
    {"{\"t\":\"hello\",\"device\":\"a\"}", CHAT_OK},
    {"{\"t\":\"hello\",\"device\":\"\"}", CHAT_ERR_ARG},
    {"{\"t\":\"hello\",\"device\":\"\\n\"}", CHAT_ERR_ARG},
    {"{\"t\":\"hello\",\"device\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"hello\",\"device\":\"a\",\"needs\":[]}", CHAT_OK},
    {"{\"t\":\"hello\",\"device\":\"a\",\"needs\":[\"x\",1]}", CHAT_ERR_ARG},
    {"{\"t\":\"hello\",\"device\":\"a\",\"needs\":{\"x\":\"y\"}}", CHAT_ERR_ARG},
    {"{\"t\":\"hello\",\"device\":\"a\",\"needs\":\"x\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"18446744073709551615\"}", CHAT_OK},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"18446744073709551616\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"99999999999999999999\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"0\"}", CHAT_OK},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"00\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"01\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\" 1\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"+1\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"-1\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":\"0x1\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"before\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"chat\":\"dm:1:a:b\"}", CHAT_OK},
    {"{\"t\":\"history\",\"r\":1,\"chat\":\"dm:1:b:a\"}", CHAT_ERR_ARG},
    {"{\"t\":\"history\",\"r\":1,\"chat\":\"dm:\"}", CHAT_ERR_ARG},
    {"{\"t\":\"send\",\"cid\":\"c\",\"body\":\"\",\"resend\":true}", CHAT_OK},
    {"{\"t\":\"send\",\"cid\":\"c\",\"body\":\"\",\"resend\":1}", CHAT_ERR_ARG},
    {"{\"t\":\"send\",\"cid\":\"c\",\"body\":\"\",\"resend\":\"true\"}", CHAT_ERR_ARG},
    {"{\"t\":\"send\",\"cid\":\"c\",\"body\":null}", CHAT_ERR_ARG},
};

static void takes_and_refuses_as_documented(void **state)
{
    chat_frame out;
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_status got = decode(chat__view_str(ROWS[i].text), &out);
        if (got != ROWS[i].want)
            print_error("%s: %s\n", ROWS[i].text, chat_status_name(got));
        assert_int_equal(got, ROWS[i].want);
    }
}

static void a_refused_frame_shows_what_its_answer_needs(void **state)
{
    chat_frame out;
    (void)state;
    assert_int_equal(
        decode(chat__view_str("{\"cid\":\"z\",\"r\":7,\"t\":\"send\",\"seq\":1}"), &out),
        CHAT_ERR_ARG);
    assert_int_equal(out.type, CHAT_FRAME_SEND);
    assert_true(out.has == CHAT__WIRE_ANSWER_BITS);
    assert_int_equal(out.r, 7);
    assert_true(chat__view_equal(out.cid, chat__view_str("z")));
    assert_int_equal(decode(chat__view_str("{\"t\":\"nope\",\"r\":9}"), &out),
                     CHAT_ERR_UNSUPPORTED);
    assert_true(out.has == CHAT_FIELD_BIT(CHAT_FIELD_KEY_R));
    assert_int_equal(out.r, 9);
}

static void unknown_members_are_bounded(void **state)
{
    char text[MAX_BYTES] = "{\"t\":\"ack\",\"n\":1";
    size_t len = strlen(text);
    chat_frame out;
    (void)state;
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",\"x%d\":%d", i, i);
    memcpy(text + len, "}", 2);
    assert_int_equal(decode(chat__view_str(text), &out), CHAT_OK);
    memcpy(text + len, ",\"y\":1}", 8);
    assert_int_equal(decode(chat__view_str(text), &out), CHAT_ERR_LIMIT);
    assert_true(out.has == 0 && out.type == 0);
}

static int n_allocations_left;

static void *failing_malloc(size_t size)
{
    return n_allocations_left-- > 0 ? malloc(size) : NULL;
}

static void every_failing_allocation_is_survived(void **state)
{
    static const char TEXT[] = "{\"t\":\"hello\",\"device\":\"d\",\"needs\":[\"a\",\"\\u00e4\"],"
                               "\"x\":{\"y\":[1,true,null]}}";
    cJSON_Hooks hooks = {failing_malloc, free};
    chat_status status = CHAT_ERR_NOMEM;
    int n_failed = 0;
    chat_frame out;
    (void)state;
    cJSON_InitHooks(&hooks);
    for (int k = 0; status != CHAT_OK; k++) {
        n_allocations_left = k;
        status = decode(chat__view_str(TEXT), &out);
        assert_true(status == CHAT_OK || status == CHAT_ERR_NOMEM);
        assert_true(status == CHAT_OK || (out.has == 0 && out.type == 0));
        n_failed += status != CHAT_OK;
    }
    cJSON_InitHooks(NULL);
    assert_true(n_failed > 10);
    assert_int_equal(out.needs.n_items, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_comes_back_with_any_field_left_out),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_byte_may_be_anything),
        cmocka_unit_test(every_capacity_below_the_length_is_refused),
        cmocka_unit_test(writes_compact_escaped_json),
        cmocka_unit_test(takes_and_refuses_as_documented),
        cmocka_unit_test(a_refused_frame_shows_what_its_answer_needs),
        cmocka_unit_test(unknown_members_are_bounded),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, make_decoder, free_decoder);
}
