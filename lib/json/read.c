/* SPDX-License-Identifier: MIT */
/* Reads a frame from JSON: scan, then cJSON, then one walk over the members. */
#include "json/json.h"
#include "base/view.h"

#include <cjson/cJSON.h>

/* Members that are no field: compared with each other, so there must not be many. */
#define MAX_UNKNOWN 64u
/* Digits of UINT64_MAX. */
#define U64_MAX_DIGITS 20u

typedef struct fields {
    chat_frame *frame;
    chat__wire_items *items;
    uint64_t seen; /* bit 0: the type */
    uint64_t good;
    uint64_t bad;
    size_t n_unknown;
    const char *unknown[MAX_UNKNOWN];
} fields;

/* Decimal digits without leading zeros. */
static chat_status read_u64(const cJSON *value, uint64_t *out)
{
    uint64_t number = 0;
    if (!cJSON_IsString(value))
        return CHAT_ERR_ARG;
    const char *text = value->valuestring;
    size_t len = strlen(text);
    if (len == 0 || len > U64_MAX_DIGITS || (text[0] == '0' && len > 1))
        return CHAT_ERR_ARG;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(uint8_t)text[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return CHAT_ERR_ARG;
        number = number * 10 + digit;
    }
    *out = number;
    return CHAT_OK;
}

static chat_status read_uint(const cJSON *value, uint64_t *out)
{
    if (!cJSON_IsNumber(value))
        return CHAT_ERR_ARG;
    double number = value->valuedouble;
    /* In this order: what is not in range must not be converted. */
    if (!(number >= 0 && number <= (double)CHAT__WIRE_UINT_MAX) ||
        (double)(uint64_t)number != number)
        return CHAT_ERR_ARG;
    *out = (uint64_t)number;
    return CHAT_OK;
}

static chat_status read_text(const cJSON *value, const chat__wire_field *field, chat_view *out)
{
    if (!cJSON_IsString(value))
        return CHAT_ERR_ARG;
    *out = chat__view_str(value->valuestring);
    return chat__wire_check_text(field, *out);
}

static chat_status read_list(const cJSON *value, const chat__wire_field *field, fields *to)
{
    chat_view_list list = {to->items->items + to->items->n_used, 0};
    chat_view *items = to->items->items + to->items->n_used;
    const cJSON *item;
    if (!cJSON_IsArray(value))
        return CHAT_ERR_ARG;
    cJSON_ArrayForEach(item, value)
    {
        chat_view text;
        if (list.n_items == field->max || read_text(item, field, &text) != CHAT_OK)
            return CHAT_ERR_ARG;
        items[list.n_items++] = text;
    }
    to->items->n_used += list.n_items;
    *chat__wire_list_at(to->frame, field) = list;
    return CHAT_OK;
}

/* A name that is not in the table becomes a number that is in no table either. */
static chat_status read_type(const cJSON *value, chat_frame *frame)
{
    if (!cJSON_IsString(value))
        return CHAT_ERR_ARG;
    const chat__wire_type *type = chat__wire_type_named(chat__view_str(value->valuestring));
    frame->type = type == NULL ? UINT32_MAX : type->number;
    return CHAT_OK;
}

static chat_status read_value(const cJSON *value, uint32_t key, fields *to)
{
    const chat__wire_field *field = &chat__wire_fields[key];
    switch (field->kind) {
    case CHAT__WIRE_ID:
    case CHAT__WIRE_CHAT:
    case CHAT__WIRE_TEXT:
        return read_text(value, field, chat__wire_text_at(to->frame, field));
    case CHAT__WIRE_U64:
        return read_u64(value, chat__wire_number_at(to->frame, field));
    case CHAT__WIRE_UINT:
        return read_uint(value, chat__wire_number_at(to->frame, field));
    case CHAT__WIRE_BOOL:
        *chat__wire_number_at(to->frame, field) = cJSON_IsTrue(value) ? 1 : 0;
        return cJSON_IsBool(value) ? CHAT_OK : CHAT_ERR_ARG;
    case CHAT__WIRE_IDS:
        return read_list(value, field, to);
    default:
        return read_type(value, to->frame);
    }
}

/* Remember a name that is no field. CHAT_ERR_ARG: there twice. */
static chat_status note_unknown(fields *to, const char *name)
{
    for (size_t i = 0; i < to->n_unknown; i++) {
        if (strcmp(to->unknown[i], name) == 0)
            return CHAT_ERR_ARG;
    }
    if (to->n_unknown == MAX_UNKNOWN)
        return CHAT_ERR_LIMIT;
    to->unknown[to->n_unknown++] = name;
    return CHAT_OK;
}

static chat_status read_member(const cJSON *member, fields *to)
{
    chat_status status;
    uint32_t key = chat__wire_key_named(chat__view_str(member->string));
    if (key == 0 && strcmp(member->string, "t") != 0) {
        status = note_unknown(to, member->string);
        to->bad |= status == CHAT_ERR_ARG ? 1 : 0;
        return status == CHAT_ERR_ARG ? CHAT_OK : status;
    }
    uint64_t bit = CHAT_FIELD_BIT(key);
    if ((to->seen & bit) != 0) {
        /* Bit 0 makes the frame bad whatever its type, and keeps what was read first. */
        to->bad |= 1;
        return CHAT_OK;
    }
    to->seen |= bit;
    status = read_value(member, key, to);
    if (status == CHAT_OK)
        to->good |= bit;
    else
        to->bad |= bit;
    return CHAT_OK;
}

chat_status chat__json_read(chat_view text, chat__wire_items *items, chat_frame *out,
                            chat__json_tree **tree)
{
    fields to = {.frame = out, .items = items};
    const cJSON *member;
    items->n_used = 0;
    out->struct_size = sizeof *out;
    out->type = 0;
    out->has = 0;
    *tree = NULL;
    chat_status status = chat__json_scan(text);
    if (status != CHAT_OK)
        return status;
    *tree = cJSON_ParseWithLength((const char *)text.data, text.len);
    if (*tree == NULL)
        return CHAT_ERR_NOMEM;
    if (!cJSON_IsObject(*tree))
        return CHAT_ERR_ARG;
    cJSON_ArrayForEach(member, *tree)
    {
        status = read_member(member, &to);
        if (status != CHAT_OK) {
            out->type = 0;
            return status;
        }
    }
    if ((to.good & 1) == 0)
        to.bad |= 1;
    out->has = to.good & ~UINT64_C(1);
    return chat__wire_conclude(out, to.bad);
}

void chat__json_tree_free(chat__json_tree *tree)
{
    cJSON_Delete(tree);
}
