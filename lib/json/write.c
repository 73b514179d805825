/* SPDX-License-Identifier: MIT */
/*
 * Writes a frame as compact JSON straight from the field table, with `t` first. Texts are escaped
 * so far that the result may stand in a script too (U+2028, U+2029); 64-bit numbers are strings.
 */
#include "json/json.h"

#include <string.h>

#define NUMBER_MAX_BYTES 20u

typedef struct writer {
    uint8_t *at;
    uint8_t *end;
    int is_full;
} writer;

static void put(writer *to, const void *bytes, size_t len)
{
    if (to->is_full || (size_t)(to->end - to->at) < len) {
        to->is_full = 1;
        return;
    }
    if (len > 0)
        memcpy(to->at, bytes, len);
    to->at += len;
}

static void put_str(writer *to, const char *text)
{
    put(to, text, strlen(text));
}

/* Letter of the two-character escape of a byte, 0: it has none. */
static char short_escape(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* U+2028 and U+2029 are e2 80 a8 and e2 80 a9. */
static int is_line_separator(const uint8_t *p, size_t n)
{
    return n >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8;
}

static int needs_escape(const uint8_t *p, size_t n)
{
    uint8_t byte = *p;
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f ||
           (byte == 0xe2 && is_line_separator(p, n));
}

static void put_hex_escape(writer *to, unsigned code)
{
    static const char DIGITS[] = "0123456789abcdef";
    char escape[6] = {'\\',
                      'u',
                      DIGITS[code >> 12],
                      DIGITS[code >> 8 & 15],
                      DIGITS[code >> 4 & 15],
                      DIGITS[code & 15]};
    put(to, escape, sizeof escape);
}

/* Write what stands for the character at `p`; how many bytes of `p` that was. */
static size_t put_escape(writer *to, const uint8_t *p, size_t n)
{
    char letter = short_escape(*p);
    if (letter != 0) {
        char escape[2] = {'\\', letter};
        put(to, escape, sizeof escape);
        return 1;
    }
    if (is_line_separator(p, n)) {
        put_hex_escape(to, 0x2028u + (p[2] & 1u));
        return 3;
    }
    put_hex_escape(to, *p);
    return 1;
}

static void put_text(writer *to, chat_view text)
{
    size_t i = 0;
    put(to, "\"", 1);
    while (i < text.len) {
        size_t run = i;
        while (run < text.len && !needs_escape(text.data + run, text.len - run))
            run++;
        put(to, text.data + i, run - i);
        i = run;
        if (i < text.len)
            i += put_escape(to, text.data + i, text.len - i);
    }
    put(to, "\"", 1);
}

static void put_number(writer *to, uint64_t value)
{
    char digits[NUMBER_MAX_BYTES];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(to, digits + at, sizeof digits - at);
}

static void put_list(writer *to, const chat_view_list *list)
{
    put(to, "[", 1);
    for (size_t i = 0; i < list->n_items; i++) {
        if (i > 0)
            put(to, ",", 1);
        put_text(to, list->items[i]);
    }
    put(to, "]", 1);
}

static void put_value(writer *to, const chat__wire_field *field, chat_frame *frame)
{
    switch (field->kind) {
    case CHAT__WIRE_ID:
    case CHAT__WIRE_CHAT:
    case CHAT__WIRE_TEXT:
        put_text(to, *chat__wire_text_at(frame, field));
        break;
    case CHAT__WIRE_U64:
        put(to, "\"", 1);
        put_number(to, *chat__wire_number_at(frame, field));
        put(to, "\"", 1);
        break;
    case CHAT__WIRE_BOOL:
        put_str(to, *chat__wire_number_at(frame, field) != 0 ? "true" : "false");
        break;
    case CHAT__WIRE_IDS:
        put_list(to, chat__wire_list_at(frame, field));
        break;
    default:
        put_number(to, *chat__wire_number_at(frame, field));
        break;
    }
}

chat_status chat__json_write(const chat_frame *frame, uint8_t *out, size_t cap, size_t *out_len)
{
    writer to = {out, out + cap, 0};
    const chat__wire_type *type = chat__wire_type_of(frame->type);
    if (type == NULL)
        return CHAT_ERR_ARG;
    put_str(&to, "{\"t\":\"");
    put(&to, type->name, type->name_len);
    put(&to, "\"", 1);
    for (uint64_t has = frame->has & type->allowed; has != 0; has &= has - 1) {
        const chat__wire_field *field = &chat__wire_fields[__builtin_ctzll(has)];
        put(&to, ",\"", 2);
        put(&to, field->name, field->name_len);
        put(&to, "\":", 2);
        /* The accessors are shared with the decoder; nothing is written. */
        put_value(&to, field, (chat_frame *)(uintptr_t)frame);
    }
    put(&to, "}", 1);
    if (to.is_full)
        return CHAT_ERR_LIMIT;
    *out_len = (size_t)(to.at - out);
    return CHAT_OK;
}

static size_t text_bound(chat_view text)
{
    size_t bytes = text.len + 2;
    for (size_t i = 0; i < text.len; i++) {
        /* At most \u00xx for one byte. */
        if (needs_escape(text.data + i, text.len - i))
            bytes += 5;
    }
    return bytes;
}

size_t chat__json_bound(const chat_frame *frame)
{
    chat_frame *from = (chat_frame *)(uintptr_t)frame;
    const chat__wire_type *type = chat__wire_type_of(frame->type);
    size_t bytes = sizeof "{\"t\":\"\"}";
    if (type == NULL)
        return bytes;
    bytes += type->name_len;
    for (uint64_t has = frame->has & type->allowed; has != 0; has &= has - 1) {
        const chat__wire_field *field = &chat__wire_fields[__builtin_ctzll(has)];
        bytes += sizeof ",\"\":" + field->name_len + NUMBER_MAX_BYTES + 2;
        if (field->kind == CHAT__WIRE_IDS) {
            const chat_view_list *list = chat__wire_list_at(from, field);
            for (size_t i = 0; i < list->n_items; i++)
                bytes += text_bound(list->items[i]) + 1;
        } else if (field->kind <= CHAT__WIRE_TEXT) {
            bytes += text_bound(*chat__wire_text_at(from, field));
        }
    }
    return bytes;
}
