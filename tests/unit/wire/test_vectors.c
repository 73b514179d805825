/* SPDX-License-Identifier: MIT */
/* Every vector of tests/vectors; the folder is the first argument. */
#include "unit.h"
#include "frames.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_BYTES 131072

static const char *folder;
static chat_decoder *decoders[2];

static int make_decoders(void **state)
{
    (void)state;
    return chat_decoder_new(NULL, MAX_BYTES, &decoders[0]) != CHAT_OK ||
           chat_decoder_new(NULL, MAX_BYTES, &decoders[1]) != CHAT_OK;
}

static int free_decoders(void **state)
{
    (void)state;
    chat_decoder_free(decoders[0]);
    chat_decoder_free(decoders[1]);
    return 0;
}

static char *read_file(const char *name)
{
    static char text[4 * MAX_BYTES];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        print_error("cannot open %s\n", path);
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    return text;
}

static const char *text_of(const cJSON *row, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));
}

/* The vector's hexadecimal digits as bytes, in memory of exactly their length. */
static chat_view bytes_of_hex(const char *hex, uint8_t **out)
{
    size_t len = strlen(hex) / 2;
    *out = malloc(len > 0 ? len : 1);
    for (size_t i = 0; i < len; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        (*out)[i] = (uint8_t)byte;
    }
    return chat__view(*out, len);
}

/* The frame as JSON text without white space. cJSON would write large numbers with 15 digits. */
static chat_status decode_json(const cJSON *row, chat_frame *out)
{
    cJSON *frame = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(row, "json"), 1);
    for (cJSON *member = frame->child; member != NULL; member = member->next) {
        char digits[32];
        if (!cJSON_IsNumber(member))
            continue;
        snprintf(digits, sizeof digits, "%.0f", member->valuedouble);
        cJSON *raw = cJSON_CreateRaw(digits);
        assert_true(cJSON_ReplaceItemInObjectCaseSensitive(frame, member->string, raw));
        member = raw;
    }
    char *text = cJSON_PrintUnformatted(frame);
    chat_status status =
        chat_frame_decode(decoders[0], CHAT_ENCODING_JSON, chat__view_str(text), out);
    cJSON_free(text);
    cJSON_Delete(frame);
    return status;
}

typedef void (*check_row)(const cJSON *row);

static void for_each(const char *file, check_row check)
{
    cJSON *rows = cJSON_Parse(read_file(file));
    const cJSON *row;
    assert_true(cJSON_GetArraySize(rows) > 5);
    cJSON_ArrayForEach(row, rows)
    {
        print_message("%s: %s\n", file, text_of(row, "name"));
        check(row);
    }
    cJSON_Delete(rows);
}

static void check_cuts(chat_view bytes)
{
    chat_frame out;
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(
            chat_frame_decode(decoders[1], CHAT_ENCODING_CBOR, chat__view(bytes.data, len), &out),
            CHAT_ERR_SYNTAX);
}

/* JSON and CBOR say the same, and are written as in the vector. */
static void check_frame(const cJSON *row)
{
    static uint8_t written[MAX_BYTES];
    uint8_t *memory;
    size_t len;
    chat_frame a;
    chat_frame b;
    chat_view cbor = bytes_of_hex(text_of(row, "cbor"), &memory);
    check_cuts(cbor);
    assert_int_equal(decode_json(row, &a), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoders[1], CHAT_ENCODING_CBOR, cbor, &b), CHAT_OK);
    assert_true(frames_equal(&a, &b));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &a, written, MAX_BYTES, &len), CHAT_OK);
    assert_true(chat__view_equal(chat__view(written, len), cbor));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_JSON, &b, written, MAX_BYTES, &len), CHAT_OK);
    assert_int_equal(
        chat_frame_decode(decoders[0], CHAT_ENCODING_JSON, chat__view(written, len), &a), CHAT_OK);
    assert_true(frames_equal(&a, &b));
    free(memory);
}

static void check_lenient_cbor(const cJSON *row)
{
    uint8_t *memory;
    chat_frame a;
    chat_frame b;
    chat_view cbor = bytes_of_hex(text_of(row, "cbor"), &memory);
    check_cuts(cbor);
    assert_int_equal(decode_json(row, &a), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoders[1], CHAT_ENCODING_CBOR, cbor, &b), CHAT_OK);
    assert_true(frames_equal(&a, &b));
    free(memory);
}

static void check_lenient_json(const cJSON *row)
{
    chat_frame a;
    chat_frame b;
    assert_int_equal(decode_json(row, &a), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoders[1], CHAT_ENCODING_JSON,
                                       chat__view_str(text_of(row, "text")), &b),
                     CHAT_OK);
    assert_true(frames_equal(&a, &b));
}

static void check_invalid(const cJSON *row, chat_encoding encoding, chat_view bytes)
{
    chat_frame out;
    chat_status status = chat_frame_decode(decoders[0], encoding, bytes, &out);
    assert_string_equal(chat_status_name(status), text_of(row, "status"));
}

static void check_invalid_cbor(const cJSON *row)
{
    uint8_t *memory;
    check_invalid(row, CHAT_ENCODING_CBOR, bytes_of_hex(text_of(row, "cbor"), &memory));
    free(memory);
}

/* As a text, or as `hex` where the file could not hold it. */
static void check_invalid_json(const cJSON *row)
{
    uint8_t *memory = NULL;
    const char *hex = text_of(row, "hex");
    chat_view bytes =
        hex != NULL ? bytes_of_hex(hex, &memory) : chat__view_str(text_of(row, "text"));
    check_invalid(row, CHAT_ENCODING_JSON, bytes);
    free(memory);
}

static void frames_are_the_same_in_both_encodings(void **state)
{
    (void)state;
    for_each("client", check_frame);
    for_each("server", check_frame);
    for_each("node", check_frame);
}

static void unusual_encodings_are_taken(void **state)
{
    (void)state;
    for_each("lenient-cbor", check_lenient_cbor);
    for_each("lenient-json", check_lenient_json);
}

static void invalid_frames_are_refused(void **state)
{
    (void)state;
    for_each("invalid-cbor", check_invalid_cbor);
    for_each("invalid-json", check_invalid_json);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_the_same_in_both_encodings),
        cmocka_unit_test(unusual_encodings_are_taken),
        cmocka_unit_test(invalid_frames_are_refused),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, make_decoders, free_decoders);
}
