/* SPDX-License-Identifier: MIT */
/*
 * The tables of <chat/frame.h> as data, the checks that both encodings share, and the CBOR codec.
 * Other rooms encode and decode with the public functions of <chat/frame.h>; what they need from
 * here are the functions that start with chat__frame_.
 */
#ifndef CHAT_WIRE_WIRE_H
#define CHAT_WIRE_WIRE_H

#include <chat/frame.h>

#include "base/buf.h"

#define CHAT__WIRE_N_KEYS 64u
/* Largest UINT: what a double holds exactly. */
#define CHAT__WIRE_UINT_MAX (UINT64_C(1) << 53)

/* Bits of the fields that are readable in a refused frame, for the answer. */
#define CHAT__WIRE_ANSWER_BITS                                                                     \
    (CHAT_FIELD_BIT(CHAT_FIELD_KEY_R) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_CID))

typedef enum chat__wire_kind {
    CHAT__WIRE_NONE = 0, /* no such key */
    CHAT__WIRE_ID,
    CHAT__WIRE_CHAT,
    CHAT__WIRE_TEXT,
    CHAT__WIRE_U64,
    CHAT__WIRE_UINT,
    CHAT__WIRE_BOOL,
    CHAT__WIRE_IDS
} chat__wire_kind;

typedef struct chat__wire_field {
    uint16_t offset; /* in chat_frame */
    uint8_t kind;    /* chat__wire_kind */
    uint8_t name_len;
    uint32_t max;
    const char *name; /* in JSON */
    const char *text;
} chat__wire_field;

/* By key. */
extern const chat__wire_field chat__wire_fields[CHAT__WIRE_N_KEYS];

typedef struct chat__wire_type {
    uint32_t number;
    char direction; /* 'c', 's', 'b' both, 'n' between nodes */
    uint8_t name_len;
    const char *name;
    uint64_t required;
    uint64_t allowed; /* required and optional */
    const char *text;
} chat__wire_type;

/* All types in the order of the table, closed by a row with number 0. */
extern const chat__wire_type chat__wire_types[];

/* NULL: not in the table. Constant time. */
const chat__wire_type *chat__wire_type_of(uint32_t number);
/* By name in JSON; NULL: not in the table. */
const chat__wire_type *chat__wire_type_named(chat_view name);
/* Key of a field by its name in JSON, 0: not in the table. */
uint32_t chat__wire_key_named(chat_view name);

/* Masks of a type, 0 for an unknown one. */
uint64_t chat__frame_required(uint32_t type);
uint64_t chat__frame_allowed(uint32_t type);

/* Whether it counts in the device's stream: `msg`, `chat`, `change` or `note` without `r`. */
static inline int chat__frame_is_stream(const chat_frame *frame)
{
    return (frame->type == CHAT_FRAME_MSG || frame->type == CHAT_FRAME_CHAT ||
            frame->type == CHAT_FRAME_CHANGE || frame->type == CHAT_FRAME_NOTE) &&
           !CHAT_FRAME_HAS(frame, R);
}

/* Whether a client may send this type. */
static inline int chat__frame_is_from_client(const chat_frame *frame)
{
    char direction = chat_frame_direction(frame->type);
    return direction == 'c' || direction == 'b';
}

/* Append an encoded frame to `out`. As chat_frame_encode(); on errors `out` is unchanged.
   CHAT_ERR_LIMIT: above the buffer's maximum; CHAT_ERR_NOMEM. */
chat_status chat__frame_encode_buf(chat_encoding encoding, const chat_frame *frame, chat__buf *out);

/*
 * CBOR of frames that do not leave this process, and of those that a node makes of what it checked
 * when it came in: as the public functions, without another look at each text. A debug build looks.
 */
chat_status chat__frame_encode_own(const chat_frame *frame, uint8_t *out, size_t cap,
                                   size_t *out_len);
/* `bytes` were written by chat__frame_encode_own() and have been in memory since. */
chat_status chat__frame_decode_own(chat_decoder *decoder, chat_view bytes, chat_frame *out);

static inline chat_view *chat__wire_text_at(chat_frame *frame, const chat__wire_field *field)
{
    return (chat_view *)((char *)frame + field->offset);
}

static inline uint64_t *chat__wire_number_at(chat_frame *frame, const chat__wire_field *field)
{
    return (uint64_t *)((char *)frame + field->offset);
}

static inline chat_view_list *chat__wire_list_at(chat_frame *frame, const chat__wire_field *field)
{
    return (chat_view_list *)((char *)frame + field->offset);
}

/* Where the items of decoded lists live: room for every list of the table at its maximum. */
enum {
#define CHAT__WIRE_MAX_IDS(max)                          (max)
#define CHAT__WIRE_MAX_ID(max)                           0
#define CHAT__WIRE_MAX_CHAT(max)                         0
#define CHAT__WIRE_MAX_TEXT(max)                         0
#define CHAT__WIRE_MAX_U64(max)                          0
#define CHAT__WIRE_MAX_UINT(max)                         0
#define CHAT__WIRE_MAX_BOOL(max)                         0
#define CHAT__WIRE_ADD(name, key, json, kind, max, text) +CHAT__WIRE_MAX_##kind(max)
    CHAT__WIRE_MAX_ITEMS = 0 CHAT_FIELD_TABLE(CHAT__WIRE_ADD)
#undef CHAT__WIRE_ADD
};

typedef struct chat__wire_items {
    size_t n_used;
    chat_view items[CHAT__WIRE_MAX_ITEMS];
} chat__wire_items;

/* Check a text of kind ID, CHAT, TEXT or an item of IDS: CHAT_OK; CHAT_ERR_SYNTAX: not UTF-8;
   CHAT_ERR_ARG: too long, or no valid id. */
chat_status chat__wire_check_text(const chat__wire_field *field, chat_view text);
/* Check a number of kind U64, UINT or BOOL: CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__wire_check_number(const chat__wire_field *field, uint64_t value);
/* Check the whole of a frame that is to be encoded: CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__wire_check_frame(const chat_frame *frame);

/* Close a decoded frame: `has` names the good fields and `bad` those that were refused (bit 0: the
   type). Masks `has` by the type and gives the result of chat_frame_decode(). */
chat_status chat__wire_conclude(chat_frame *frame, uint64_t bad);

/* Decode and encode CBOR; statuses as of the public functions. The frame that is written has
   passed chat__wire_check_frame(); of one that is read and `is_own`, texts are not checked again.
 */
chat_status chat__wire_cbor_read(chat_view bytes, int is_own, chat__wire_items *items,
                                 chat_frame *out);
chat_status chat__wire_cbor_write(const chat_frame *frame, uint8_t *out, size_t cap,
                                  size_t *out_len);
size_t chat__wire_cbor_bound(const chat_frame *frame);
/* The text with this key in a frame that may hold anything there, UTF-8 or not: CHAT_OK;
   CHAT_EMPTY: there is none; CHAT_ERR_SYNTAX. */
chat_status chat__frame_find_text(chat_view bytes, uint64_t key, chat_view *out);

#endif
