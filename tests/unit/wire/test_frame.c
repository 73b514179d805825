/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "frames.h"

#define MAX_BYTES 1000

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

#define DECODE(bytes, out)                                                                         \
    chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(bytes, sizeof(bytes) - 1), out)

static void a_refused_frame_shows_what_its_answer_needs(void **state)
{
    chat_frame out;
    (void)state;
    /* send{r, cid, chat}: the body is missing. */
    assert_int_equal(DECODE("\xa4\x00\x02\x01\x07\x02\x61g\x04\x61z", &out), CHAT_ERR_ARG);
    assert_int_equal(out.type, CHAT_FRAME_SEND);
    assert_true(out.has == CHAT__WIRE_ANSWER_BITS);
    assert_int_equal(out.r, 7);
    assert_true(chat__view_equal(out.cid, chat__view_str("z")));
    /* The cid is unreadable, r comes twice: the first counts. */
    assert_int_equal(DECODE("\xa4\x00\x02\x01\x07\x01\x08\x04\x01", &out), CHAT_ERR_ARG);
    assert_true(out.has == CHAT_FIELD_BIT(CHAT_FIELD_KEY_R));
    assert_int_equal(out.r, 7);
    /* Of an unknown type. */
    assert_int_equal(DECODE("\xa2\x00\x18\x63\x01\x09", &out), CHAT_ERR_UNSUPPORTED);
    assert_int_equal(out.type, 99);
    assert_true(CHAT_FRAME_HAS(&out, R));
    assert_int_equal(out.r, 9);
}

static void a_longer_frame_than_the_maximum_is_refused(void **state)
{
    static uint8_t bytes[MAX_BYTES + 1] = {0xa3, 0, 3, 10, 1, 0x18, 63, 0x59};
    chat_frame out;
    (void)state;
    bytes[8] = (uint8_t)((MAX_BYTES - 10) >> 8);
    bytes[9] = (uint8_t)(MAX_BYTES - 10);
    chat_view exact = {bytes, MAX_BYTES};
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, exact, &out), CHAT_OK);
    exact.len++;
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, exact, &out), CHAT_ERR_LIMIT);
    assert_true(out.has == 0);
}

/* ack{n} with arrays (0x81), tags (0xc1) or maps in keys (0xa1) around 0 under an unknown key. */
static chat_status decode_nested(uint8_t opener, size_t n, const uint8_t *tail, size_t n_tail)
{
    uint8_t bytes[MAX_BYTES] = {0xa3, 0, 3, 10, 1, 0x18, 63};
    chat_frame out;
    memset(bytes + 7, opener, n);
    memcpy(bytes + 7 + n, tail, n_tail);
    return chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(bytes, 7 + n + n_tail), &out);
}

static void nesting_is_bounded(void **state)
{
    const uint8_t zeros[32] = {0};
    (void)state;
    /* The frame's map is the first level. */
    assert_int_equal(decode_nested(0x81, 15, zeros, 1), CHAT_OK);
    assert_int_equal(decode_nested(0x81, 16, zeros, 1), CHAT_ERR_LIMIT);
    assert_int_equal(decode_nested(0x81, 900, zeros, 1), CHAT_ERR_LIMIT);
    assert_int_equal(decode_nested(0xc1, 15, zeros, 1), CHAT_OK);
    assert_int_equal(decode_nested(0xc1, 16, zeros, 1), CHAT_ERR_LIMIT);
    assert_int_equal(decode_nested(0xa1, 15, zeros, 16), CHAT_OK);
    assert_int_equal(decode_nested(0xa1, 16, zeros, 17), CHAT_ERR_LIMIT);
    assert_int_equal(decode_nested(0x9f, 900, zeros, 0), CHAT_ERR_LIMIT);
}

static void lists_are_bounded(void **state)
{
    chat_view names[CHAT_GROUP_MAX_MEMBERS + 1];
    uint8_t bytes[MAX_BYTES];
    size_t len;
    chat_frame in;
    chat_frame out;
    (void)state;
    for (size_t i = 0; i <= CHAT_GROUP_MAX_MEMBERS; i++)
        names[i] = chat__view_str("u");
    chat_frame_init(&in, CHAT_FRAME_CHAT_CREATE);
    CHAT_FRAME_SET(&in, R, r, 1);
    CHAT_FRAME_SET(&in, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(&in, USERS, users, ((chat_view_list){names, CHAT_GROUP_MAX_MEMBERS}));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, sizeof bytes, &len),
                     CHAT_OK);
    chat_view view = {bytes, len};
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, view, &out), CHAT_OK);
    assert_true(frames_equal(&in, &out));
    in.users.n_items++;
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, sizeof bytes, &len),
                     CHAT_ERR_ARG);
    /* 99 01 00: 256 items; one more. */
    uint8_t *count = memchr(bytes, 0x99, view.len);
    count[2] = 1;
    memcpy(bytes + view.len, "\x61u", 2);
    view.len += 2;
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, view, &out), CHAT_ERR_ARG);
}

static void encode_refuses_what_decode_would(void **state)
{
    uint8_t bytes[64];
    size_t len = 5;
    chat_frame in;
    (void)state;
    chat_frame_init(&in, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&in, N, n, CHAT__WIRE_UINT_MAX + 1);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &in, bytes, 64, &len), CHAT_ERR_ARG);
    chat_frame_init(&in, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&in, DEVICE, device, chat__view_str(""));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, 64, &len), CHAT_ERR_ARG);
    in.device = chat__view_str("\xff");
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, 64, &len), CHAT_ERR_ARG);
    chat_frame_init(&in, (chat_frame_type)99);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &in, bytes, 64, &len), CHAT_ERR_ARG);
    assert_int_equal(chat_frame_encode((chat_encoding)3, &in, bytes, 64, &len), CHAT_ERR_ARG);
    assert_int_equal(len, 5);
}

static void only_live_messages_count_in_the_stream(void **state)
{
    chat_frame frame;
    (void)state;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    assert_true(chat__frame_is_stream(&frame));
    CHAT_FRAME_SET(&frame, R, r, 1);
    assert_false(chat__frame_is_stream(&frame));
    chat_frame_init(&frame, CHAT_FRAME_CHAT);
    assert_true(chat__frame_is_stream(&frame));
    chat_frame_init(&frame, CHAT_FRAME_SENT);
    assert_false(chat__frame_is_stream(&frame));
}

static void types_have_names_and_directions(void **state)
{
    chat_frame frame;
    (void)state;
    assert_string_equal(chat_frame_type_name(CHAT_FRAME_CHAT_CREATE), "chat.create");
    assert_string_equal(chat_frame_type_name(99), "?");
    assert_int_equal(chat_frame_direction(CHAT_FRAME_SEND), 'c');
    assert_int_equal(chat_frame_direction(CHAT_FRAME_MSG), 's');
    assert_int_equal(chat_frame_direction(CHAT_FRAME_PUSH), 'n');
    assert_int_equal(chat_frame_direction(UINT32_MAX), 0);
    chat_frame_init(&frame, CHAT_FRAME_SUBMIT);
    assert_false(chat__frame_is_from_client(&frame));
    frame.type = CHAT_FRAME_PING;
    assert_true(chat__frame_is_from_client(&frame));
}

static void appends_to_a_buffer_up_to_its_maximum(void **state)
{
    chat__buf buf;
    chat_frame in;
    (void)state;
    chat_frame_init(&in, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&in, N, n, 1);
    chat__buf_init(&buf, NULL, 10);
    assert_int_equal(chat__frame_encode_buf(CHAT_ENCODING_CBOR, &in, &buf), CHAT_OK);
    assert_int_equal(chat__frame_encode_buf(CHAT_ENCODING_CBOR, &in, &buf), CHAT_OK);
    assert_int_equal(chat__frame_encode_buf(CHAT_ENCODING_CBOR, &in, &buf), CHAT_ERR_LIMIT);
    assert_int_equal(buf.len, 10);
    assert_memory_equal(buf.data, "\xa2\x00\x03\x0a\x01\xa2\x00\x03\x0a\x01", 10);
    chat__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_frame_shows_what_its_answer_needs),
        cmocka_unit_test(a_longer_frame_than_the_maximum_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(encode_refuses_what_decode_would),
        cmocka_unit_test(only_live_messages_count_in_the_stream),
        cmocka_unit_test(types_have_names_and_directions),
        cmocka_unit_test(appends_to_a_buffer_up_to_its_maximum),
    };
    return cmocka_run_group_tests(tests, make_decoder, free_decoder);
}
