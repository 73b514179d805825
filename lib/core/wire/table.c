/* SPDX-License-Identifier: MIT */
/* The tables of <chat/frame.h> as data, and what is looked up in them. */
#include "wire/wire.h"
#include "base/view.h"

#include <stddef.h>

const chat__wire_field chat__wire_fields[CHAT__WIRE_N_KEYS] = {
#define FIELD_ROW(NAME, key, json, kind, max, text)                                                \
    [key] = {offsetof(chat_frame, json), CHAT__WIRE_##kind, sizeof #json - 1, max, #json, text},
    CHAT_FIELD_TABLE(FIELD_ROW)
#undef FIELD_ROW
};

enum { DIRECTION_CLIENT = 'c', DIRECTION_SERVER = 's', DIRECTION_BOTH = 'b', DIRECTION_NODE = 'n' };

#define F(NAME) CHAT_FIELD_BIT(CHAT_FIELD_KEY_##NAME)

const chat__wire_type chat__wire_types[] = {
#define TYPE_ROW(NAME, number, json, direction, required, optional, text)                          \
    {number, DIRECTION_##direction, sizeof json - 1, json, required, (required) | (optional), text},
    CHAT_FRAME_TABLE(TYPE_ROW)
#undef TYPE_ROW
        {0, 0, 0, NULL, 0, 0, NULL},
};

/* Place of a type in the table above. */
enum {
#define TYPE_PLACE(NAME, number, json, direction, required, optional, text) PLACE_##NAME,
    CHAT_FRAME_TABLE(TYPE_PLACE)
#undef TYPE_PLACE
        N_TYPES
};

#define N_NUMBERS 256u
#define NO_PLACE  0

/* By number: place + 1. */
static const uint8_t PLACES[N_NUMBERS] = {
#define TYPE_INDEX(NAME, number, json, direction, required, optional, text)                        \
    [number] = PLACE_##NAME + 1,
    CHAT_FRAME_TABLE(TYPE_INDEX)
#undef TYPE_INDEX
};

const chat__wire_type *chat__wire_type_of(uint32_t number)
{
    if (number >= N_NUMBERS || PLACES[number] == NO_PLACE)
        return NULL;
    return &chat__wire_types[PLACES[number] - 1];
}

const chat__wire_type *chat__wire_type_named(chat_view name)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        const chat__wire_type *type = &chat__wire_types[i];
        if (name.len == type->name_len && memcmp(name.data, type->name, name.len) == 0)
            return type;
    }
    return NULL;
}

uint32_t chat__wire_key_named(chat_view name)
{
    for (uint32_t key = 1; key < CHAT__WIRE_N_KEYS; key++) {
        const chat__wire_field *field = &chat__wire_fields[key];
        if (field->kind != CHAT__WIRE_NONE && name.len == field->name_len &&
            memcmp(name.data, field->name, name.len) == 0)
            return key;
    }
    return 0;
}

uint64_t chat__frame_required(uint32_t type)
{
    const chat__wire_type *row = chat__wire_type_of(type);
    return row == NULL ? 0 : row->required;
}

uint64_t chat__frame_allowed(uint32_t type)
{
    const chat__wire_type *row = chat__wire_type_of(type);
    return row == NULL ? 0 : row->allowed;
}

void chat_frame_init(chat_frame *frame, chat_frame_type type)
{
    memset(frame, 0, sizeof *frame);
    frame->struct_size = sizeof *frame;
    frame->type = (uint32_t)type;
}

const char *chat_frame_type_name(uint32_t type)
{
    const chat__wire_type *row = chat__wire_type_of(type);
    return row == NULL ? "?" : row->name;
}

char chat_frame_direction(uint32_t type)
{
    const chat__wire_type *row = chat__wire_type_of(type);
    return row == NULL ? 0 : row->direction;
}

chat_status chat__frame_encode_buf(chat_encoding encoding, const chat_frame *frame, chat__buf *out)
{
    size_t room = out->max_bytes > out->len ? out->max_bytes - out->len : 0;
    size_t bound = chat_frame_size_bound(encoding, frame);
    size_t written = 0;
    /* The bound may not fit where the frame does. */
    chat_status status = chat__buf_reserve(out, bound < room ? bound : room);
    if (status != CHAT_OK)
        return status;
    if (room > out->cap - out->len)
        room = out->cap - out->len;
    if (room == 0)
        return CHAT_ERR_LIMIT;
    status = chat_frame_encode(encoding, frame, out->data + out->len, room, &written);
    if (status == CHAT_OK)
        out->len += written;
    return status;
}
