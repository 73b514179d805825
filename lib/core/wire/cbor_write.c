/* SPDX-License-Identifier: MIT */
/* Writes a frame as deterministic CBOR (RFC 8949 section 4.2): shortest heads, keys ascending. */
#include "wire/wire.h"
#include "base/bits.h"

#include <assert.h>
#include <string.h>

/* Major types, shifted to their place in the first byte. */
enum { UNSIGNED = 0x00, TEXT = 0x60, ARRAY = 0x80, MAP = 0xa0 };

#define SIMPLE_FALSE   0xf4u
#define HEAD_MAX_BYTES 9u
/* Keys are below 64: one or two bytes. */
#define KEY_MAX_BYTES 2u

typedef struct writer {
    uint8_t *at;
    uint8_t *end;
    int is_full;
} writer;

static size_t head_len(uint64_t value)
{
    return value < 24 ? 1 : value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

static inline void put_head(writer *to, uint8_t major, uint64_t value)
{
    size_t len = head_len(value);
    uint8_t *at = to->at;
    if ((size_t)(to->end - at) < len) {
        to->is_full = 1;
        return;
    }
    to->at += len;
    if (len == 1) {
        at[0] = (uint8_t)(major | value);
    } else if (len == 2) {
        at[0] = major | 24;
        at[1] = (uint8_t)value;
    } else if (len == 3) {
        at[0] = major | 25;
        chat__store16be(at + 1, (uint16_t)value);
    } else if (len == 5) {
        at[0] = major | 26;
        chat__store32be(at + 1, (uint32_t)value);
    } else {
        at[0] = major | 27;
        chat__store64be(at + 1, value);
    }
}

static inline void put_text(writer *to, chat_view text)
{
    put_head(to, TEXT, text.len);
    if (to->is_full || (size_t)(to->end - to->at) < text.len) {
        to->is_full = 1;
        return;
    }
    if (text.len > 0)
        memcpy(to->at, text.data, text.len);
    to->at += text.len;
}

static void put_field(writer *to, const chat__wire_field *field, chat_frame *frame)
{
    const chat_view_list *list;
    switch (field->kind) {
    case CHAT__WIRE_ID:
    case CHAT__WIRE_CHAT:
    case CHAT__WIRE_TEXT:
        put_text(to, *chat__wire_text_at(frame, field));
        break;
    case CHAT__WIRE_BOOL:
        /* A simple value below 24 has the same head as a number; SIMPLE_FALSE + 1 is true. */
        put_head(to, (uint8_t)(SIMPLE_FALSE & 0xe0u),
                 (SIMPLE_FALSE & 0x1fu) + *chat__wire_number_at(frame, field));
        break;
    case CHAT__WIRE_IDS:
        list = chat__wire_list_at(frame, field);
        put_head(to, ARRAY, list->n_items);
        for (size_t i = 0; i < list->n_items; i++)
            put_text(to, list->items[i]);
        break;
    default:
        put_head(to, UNSIGNED, *chat__wire_number_at(frame, field));
        break;
    }
}

chat_status chat__wire_cbor_write(const chat_frame *frame, uint8_t *out, size_t cap,
                                  size_t *out_len)
{
    writer to = {out, out + cap, 0};
    uint64_t has = frame->has & chat__frame_allowed(frame->type);
    put_head(&to, MAP, (uint64_t)__builtin_popcountll(has) + 1);
    put_head(&to, UNSIGNED, 0);
    put_head(&to, UNSIGNED, frame->type);
    for (; has != 0 && !to.is_full; has &= has - 1) {
        unsigned key = (unsigned)__builtin_ctzll(has);
        put_head(&to, UNSIGNED, key);
        /* The accessors are shared with the decoder; nothing is written. */
        put_field(&to, &chat__wire_fields[key], (chat_frame *)(uintptr_t)frame);
    }
    if (to.is_full)
        return CHAT_ERR_LIMIT;
    *out_len = (size_t)(to.at - out);
    return CHAT_OK;
}

chat_status chat__frame_encode_own(const chat_frame *frame, uint8_t *out, size_t cap,
                                   size_t *out_len)
{
    const chat__wire_type *type = chat__wire_type_of(frame->type);
    if (type == NULL || (type->required & ~frame->has) != 0)
        return CHAT_ERR_ARG;
    assert(chat__wire_check_frame(frame) == CHAT_OK);
    return chat__wire_cbor_write(frame, out, cap, out_len);
}

static size_t list_bound(const chat_view_list *list)
{
    size_t bytes = HEAD_MAX_BYTES;
    for (size_t i = 0; i < list->n_items; i++)
        bytes += HEAD_MAX_BYTES + list->items[i].len;
    return bytes;
}

size_t chat__wire_cbor_bound(const chat_frame *frame)
{
    chat_frame *from = (chat_frame *)(uintptr_t)frame;
    size_t bytes = 3 * HEAD_MAX_BYTES;
    uint64_t has = frame->has & chat__frame_allowed(frame->type);
    for (; has != 0; has &= has - 1) {
        const chat__wire_field *field = &chat__wire_fields[__builtin_ctzll(has)];
        bytes += KEY_MAX_BYTES;
        if (field->kind == CHAT__WIRE_IDS)
            bytes += list_bound(chat__wire_list_at(from, field));
        else if (field->kind <= CHAT__WIRE_TEXT)
            bytes += HEAD_MAX_BYTES + chat__wire_text_at(from, field)->len;
        else
            bytes += HEAD_MAX_BYTES;
    }
    return bytes;
}
