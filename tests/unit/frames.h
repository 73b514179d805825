/* SPDX-License-Identifier: MIT */
/* Sample frames for codec tests: any type with any set of fields, and a comparison. */
#ifndef CHAT_TESTS_FRAMES_H
#define CHAT_TESTS_FRAMES_H

#include "base/view.h"
#include "wire/wire.h"

#include <string.h>

static const chat_view FRAMES_IDS[2] = {{(const uint8_t *)"bob", 3},
                                        {(const uint8_t *)"car\xc3\xb6l", 6}};

static inline chat_view frames_text(const chat__wire_field *field)
{
    if (field->kind == CHAT__WIRE_CHAT)
        return chat__view_str("dm:5:alice:bob");
    if (field->kind == CHAT__WIRE_ID)
        return chat__view_str("al\xc3\xafs");
    return chat__view_str("a \"b\"\n\\\x01\x7f \xe2\x80\xa8");
}

/* Give a field a value that differs from key to key. */
static inline void frames_put(chat_frame *frame, unsigned key)
{
    const chat__wire_field *field = &chat__wire_fields[key];
    chat_view_list list = {FRAMES_IDS, 2};
    if (field->kind == CHAT__WIRE_IDS)
        *chat__wire_list_at(frame, field) = list;
    else if (field->kind <= CHAT__WIRE_TEXT)
        *chat__wire_text_at(frame, field) = frames_text(field);
    else if (field->kind == CHAT__WIRE_BOOL)
        *chat__wire_number_at(frame, field) = key & 1;
    else if (field->kind == CHAT__WIRE_UINT)
        *chat__wire_number_at(frame, field) = CHAT__WIRE_UINT_MAX - key;
    else
        *chat__wire_number_at(frame, field) = UINT64_MAX - key;
    frame->has |= CHAT_FIELD_BIT(key);
}

static inline void frames_make(chat_frame *frame, const chat__wire_type *type, uint64_t has)
{
    chat_frame_init(frame, (chat_frame_type)type->number);
    for (; has != 0; has &= has - 1)
        frames_put(frame, (unsigned)__builtin_ctzll(has));
}

static inline int frames_equal_field(chat_frame *a, chat_frame *b, const chat__wire_field *field)
{
    if (field->kind == CHAT__WIRE_IDS) {
        chat_view_list *x = chat__wire_list_at(a, field);
        chat_view_list *y = chat__wire_list_at(b, field);
        int is_equal = x->n_items == y->n_items;
        for (size_t i = 0; is_equal && i < x->n_items; i++)
            is_equal = chat__view_equal(x->items[i], y->items[i]);
        return is_equal;
    }
    if (field->kind <= CHAT__WIRE_TEXT)
        return chat__view_equal(*chat__wire_text_at(a, field), *chat__wire_text_at(b, field));
    return *chat__wire_number_at(a, field) == *chat__wire_number_at(b, field);
}

static inline int frames_equal(chat_frame *a, chat_frame *b)
{
    if (a->type != b->type || a->has != b->has)
        return 0;
    for (uint64_t has = a->has; has != 0; has &= has - 1) {
        if (!frames_equal_field(a, b, &chat__wire_fields[__builtin_ctzll(has)]))
            return 0;
    }
    return 1;
}

#endif
