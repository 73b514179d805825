/* SPDX-License-Identifier: MIT */
/*
 * Reads a frame from CBOR (RFC 8949) in one pass without allocation: texts borrow from the input.
 * Any well-formed encoding is taken, except that texts of the table must not come in chunks.
 */
#include "wire/wire.h"
#include "base/bits.h"
#include "base/utf8.h"
#include "base/view.h"

/* Major types, RFC 8949 section 3.1. */
enum { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

#define INDEFINITE 31u
#define BREAK      0xffu
/* Simple values in the low bits of major type 7. */
#define SIMPLE_FALSE 20u
#define SIMPLE_TRUE  21u
#define SIMPLE_BYTE  24u
#define SIMPLE_MIN   32u

typedef struct reader {
    const uint8_t *at;
    const uint8_t *end;
    int is_own; /* this library wrote it: texts are what they must be */
} reader;

typedef struct head {
    uint64_t value;
    uint8_t major;
    uint8_t info;
} head;

static size_t left(const reader *in)
{
    return (size_t)(in->end - in->at);
}

static chat_status read_long_head(reader *in, head *out)
{
    size_t n = (size_t)1 << (out->info - 24u);
    if (out->info > 27)
        return CHAT_ERR_SYNTAX;
    if (left(in) < n)
        return CHAT_ERR_SYNTAX;
    out->value = n == 1   ? in->at[0]
                 : n == 2 ? chat__load16be(in->at)
                 : n == 4 ? chat__load32be(in->at)
                          : chat__load64be(in->at);
    in->at += n;
    return CHAT_OK;
}

/* First bytes of an item. Of what may be indefinite, `info` tells, and `value` is 0. */
static inline chat_status read_head(reader *in, head *out)
{
    if (in->at == in->end)
        return CHAT_ERR_SYNTAX;
    uint8_t first = *in->at++;
    out->major = first >> 5;
    out->info = first & 0x1f;
    out->value = out->info;
    if (out->info < 24)
        return CHAT_OK;
    if (out->info != INDEFINITE)
        return read_long_head(in, out);
    out->value = 0;
    return out->major >= BYTES && out->major <= MAP ? CHAT_OK : CHAT_ERR_SYNTAX;
}

/* Step over a break code, if there is one. */
static int take_break(reader *in)
{
    if (in->at == in->end || *in->at != BREAK)
        return 0;
    in->at++;
    return 1;
}

static chat_status skip_string(reader *in, const head *item)
{
    chat_view bytes = chat__view(in->at, (size_t)item->value);
    if (item->value > left(in))
        return CHAT_ERR_SYNTAX;
    in->at += item->value;
    return item->major == BYTES || chat__utf8_is_valid(bytes) ? CHAT_OK : CHAT_ERR_SYNTAX;
}

static chat_status skip_chunks(reader *in, uint8_t major)
{
    while (!take_break(in)) {
        head chunk;
        chat_status status = read_head(in, &chunk);
        if (status == CHAT_OK && (chunk.major != major || chunk.info == INDEFINITE))
            status = CHAT_ERR_SYNTAX;
        if (status == CHAT_OK)
            status = skip_string(in, &chunk);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

static chat_status skip(reader *in, unsigned depth);

/* Step over `n` items, or over all up to a break, which a map may have only after a value. */
static chat_status skip_items(reader *in, const head *item, unsigned depth)
{
    uint64_t n_each = item->major == MAP ? 2 : 1;
    int is_indefinite = item->info == INDEFINITE;
    if (depth >= CHAT_FRAME_MAX_DEPTH)
        return CHAT_ERR_LIMIT;
    /* Each item takes a byte at least. */
    if (item->value > left(in))
        return CHAT_ERR_SYNTAX;
    for (uint64_t i = 0; is_indefinite ? !take_break(in) : i < item->value; i++) {
        for (uint64_t k = 0; k < n_each; k++) {
            chat_status status = skip(in, depth + 1);
            if (status != CHAT_OK)
                return status;
        }
    }
    return CHAT_OK;
}

static chat_status skip_body(reader *in, const head *item, unsigned depth)
{
    switch (item->major) {
    case BYTES:
    case TEXT:
        return item->info == INDEFINITE ? skip_chunks(in, item->major) : skip_string(in, item);
    case ARRAY:
    case MAP:
        return skip_items(in, item, depth);
    case TAG:
        return depth >= CHAT_FRAME_MAX_DEPTH ? CHAT_ERR_LIMIT : skip(in, depth + 1);
    case SIMPLE:
        return item->info == SIMPLE_BYTE && item->value < SIMPLE_MIN ? CHAT_ERR_SYNTAX : CHAT_OK;
    default:
        return CHAT_OK;
    }
}

/* Step over one item of any kind inside `depth` others. Bounded recursion. */
static chat_status skip(reader *in, unsigned depth)
{
    head item;
    chat_status status = read_head(in, &item);
    return status == CHAT_OK ? skip_body(in, &item, depth) : status;
}

/* The fields of one frame while they are read. */
typedef struct fields {
    chat_frame *frame;
    chat__wire_items *items;
    uint64_t seen; /* bit 0: the type */
    uint64_t good;
    uint64_t bad;
} fields;

/* A definite text of the right kind. CHAT_ERR_ARG: stepped over, but not good. */
static inline chat_status read_text(reader *in, const head *item, const chat__wire_field *field,
                                    unsigned depth, chat_view *out)
{
    if (item->major != TEXT || item->info == INDEFINITE) {
        chat_status status = skip_body(in, item, depth);
        return status == CHAT_OK ? CHAT_ERR_ARG : status;
    }
    if (item->value > left(in))
        return CHAT_ERR_SYNTAX;
    *out = chat__view(in->at, (size_t)item->value);
    in->at += item->value;
    return in->is_own ? CHAT_OK : chat__wire_check_text(field, *out);
}

static chat_status read_number(reader *in, const head *item, const chat__wire_field *field,
                               uint64_t *out)
{
    if (field->kind == CHAT__WIRE_BOOL && item->major == SIMPLE &&
        (item->info == SIMPLE_FALSE || item->info == SIMPLE_TRUE)) {
        *out = item->info == SIMPLE_TRUE;
        return CHAT_OK;
    }
    if (field->kind == CHAT__WIRE_BOOL || item->major != UNSIGNED) {
        chat_status status = skip_body(in, item, 1);
        return status == CHAT_OK ? CHAT_ERR_ARG : status;
    }
    *out = item->value;
    return chat__wire_check_number(field, item->value);
}

/* One item of a list; what does not fit is stepped over. */
static chat_status read_list_item(reader *in, const chat__wire_field *field, size_t index,
                                  chat_view *items)
{
    chat_view text = {NULL, 0};
    head item;
    chat_status status = read_head(in, &item);
    if (status == CHAT_OK)
        status = read_text(in, &item, field, 2, &text);
    if (status == CHAT_OK && index >= field->max)
        return CHAT_ERR_ARG;
    if (status == CHAT_OK)
        items[index] = text;
    return status;
}

static chat_status read_list(reader *in, const head *array, const chat__wire_field *field,
                             fields *to)
{
    chat_view *items = to->items->items + to->items->n_used;
    chat_view_list list = {items, 0};
    int is_indefinite = array->info == INDEFINITE;
    int is_bad = 0;
    if (array->major != ARRAY) {
        chat_status status = skip_body(in, array, 1);
        return status == CHAT_OK ? CHAT_ERR_ARG : status;
    }
    if (array->value > left(in))
        return CHAT_ERR_SYNTAX;
    for (uint64_t i = 0; is_indefinite ? !take_break(in) : i < array->value; i++) {
        chat_status status = read_list_item(in, field, list.n_items, items);
        if (status == CHAT_OK)
            list.n_items++;
        else if (status == CHAT_ERR_ARG)
            is_bad = 1;
        else
            return status;
    }
    if (is_bad)
        return CHAT_ERR_ARG;
    to->items->n_used += list.n_items;
    *chat__wire_list_at(to->frame, field) = list;
    return CHAT_OK;
}

static chat_status read_type(reader *in, const head *item, fields *to)
{
    if (item->major != UNSIGNED) {
        chat_status status = skip_body(in, item, 1);
        return status == CHAT_OK ? CHAT_ERR_ARG : status;
    }
    to->frame->type = item->value <= UINT32_MAX ? (uint32_t)item->value : UINT32_MAX;
    return CHAT_OK;
}

static chat_status read_value(reader *in, uint64_t key, fields *to)
{
    const chat__wire_field *field = &chat__wire_fields[key];
    head item;
    chat_status status = read_head(in, &item);
    if (status != CHAT_OK)
        return status;
    switch (field->kind) {
    case CHAT__WIRE_ID:
    case CHAT__WIRE_CHAT:
    case CHAT__WIRE_TEXT:
        return read_text(in, &item, field, 1, chat__wire_text_at(to->frame, field));
    case CHAT__WIRE_U64:
    case CHAT__WIRE_UINT:
    case CHAT__WIRE_BOOL:
        return read_number(in, &item, field, chat__wire_number_at(to->frame, field));
    case CHAT__WIRE_IDS:
        return read_list(in, &item, field, to);
    default:
        return key == 0 ? read_type(in, &item, to) : skip_body(in, &item, 1);
    }
}

/* One key and its value. */
static chat_status read_pair(reader *in, fields *to)
{
    head key;
    chat_status status = read_head(in, &key);
    if (status != CHAT_OK)
        return status;
    if (key.major != UNSIGNED || key.value >= CHAT__WIRE_N_KEYS) {
        status = skip_body(in, &key, 1);
        return status == CHAT_OK ? skip(in, 1) : status;
    }
    uint64_t bit = CHAT_FIELD_BIT(key.value);
    if ((to->seen & bit) != 0) {
        /* Bit 0 makes the frame bad whatever its type, and keeps what was read first. */
        to->bad |= 1;
        return skip(in, 1);
    }
    to->seen |= bit;
    status = read_value(in, key.value, to);
    if (status == CHAT_OK)
        to->good |= bit;
    if (status == CHAT_ERR_ARG)
        to->bad |= bit;
    return status == CHAT_ERR_ARG ? CHAT_OK : status;
}

static chat_status read_map(reader *in, const head *map, fields *to)
{
    int is_indefinite = map->info == INDEFINITE;
    if (map->value > left(in))
        return CHAT_ERR_SYNTAX;
    for (uint64_t i = 0; is_indefinite ? !take_break(in) : i < map->value; i++) {
        chat_status status = read_pair(in, to);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

chat_status chat__wire_cbor_read(chat_view bytes, int is_own, chat__wire_items *items,
                                 chat_frame *out)
{
    reader in = {bytes.data, bytes.data + bytes.len, is_own};
    fields to = {out, items, 0, 0, 0};
    head map;
    items->n_used = 0;
    out->struct_size = sizeof *out;
    out->type = 0;
    out->has = 0;
    chat_status status = read_head(&in, &map);
    if (status == CHAT_OK)
        status = map.major == MAP ? read_map(&in, &map, &to) : skip_body(&in, &map, 0);
    if (status == CHAT_OK && in.at != in.end)
        status = CHAT_ERR_SYNTAX;
    if (status != CHAT_OK) {
        out->type = 0;
        return status;
    }
    if ((to.good & 1) == 0)
        to.bad |= 1;
    out->has = to.good & ~UINT64_C(1);
    return chat__wire_conclude(out, to.bad);
}

chat_status chat__frame_find_text(chat_view bytes, uint64_t key, chat_view *out)
{
    reader in = {bytes.data, bytes.data + bytes.len, 0};
    head map;
    head item;
    chat_status status = read_head(&in, &map);
    if (status != CHAT_OK || map.major != MAP || map.info == INDEFINITE)
        return CHAT_ERR_SYNTAX;
    for (uint64_t i = 0; i < map.value; i++) {
        status = read_head(&in, &item);
        if (status != CHAT_OK || item.major != UNSIGNED)
            return CHAT_ERR_SYNTAX;
        if (item.value == key) {
            status = read_head(&in, &item);
            if (status != CHAT_OK || item.major != TEXT || item.info == INDEFINITE ||
                item.value > left(&in))
                return CHAT_ERR_SYNTAX;
            *out = chat__view(in.at, (size_t)item.value);
            return CHAT_OK;
        }
        status = skip(&in, 1);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_EMPTY;
}
