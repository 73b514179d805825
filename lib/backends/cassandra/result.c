/* SPDX-License-Identifier: MIT */
/* See result.h. */
#include "backends/cassandra/result.h"

#include "base/view.h"

#include <string.h>

/* [4.2.5.2] flags of metadata */
#define GLOBAL_TABLE 0x01
#define MORE_PAGES   0x02
#define NO_METADATA  0x04

/* Types that have types inside [4.2.5.2]. */
#define TYPE_CUSTOM 0x00
#define TYPE_LIST   0x20
#define TYPE_MAP    0x21
#define TYPE_SET    0x22
#define TYPE_UDT    0x30
#define TYPE_TUPLE  0x31

#define MAX_TYPES   4096u /* in one answer: what is larger is no answer to our statements */
#define MAX_COLUMNS 1024u

static void skip_table_name(chat__cql_reader *reader)
{
    (void)chat__cql_get_string(reader);
    (void)chat__cql_get_string(reader);
}

/* Reads what belongs to a type besides its number. Returns how many types are inside it. */
static uint32_t types_inside(chat__cql_reader *reader, uint16_t type)
{
    switch (type) {
    case TYPE_CUSTOM:
        (void)chat__cql_get_string(reader);
        return 0;
    case TYPE_LIST:
    case TYPE_SET:
        return 1;
    case TYPE_MAP:
        return 2;
    case TYPE_TUPLE:
        return chat__cql_get_u16(reader);
    case TYPE_UDT: /* with names between its types: none of our tables has one */
        reader->is_bad = 1;
        return 0;
    default:
        return 0;
    }
}

/* Types nest; they are skipped with a count of how many are still to come, not by recursion. */
static void skip_type(chat__cql_reader *reader)
{
    uint32_t n_left = 1;
    for (uint32_t n = 0; n_left > 0 && !reader->is_bad; n++) {
        uint16_t type = chat__cql_get_u16(reader);
        n_left += types_inside(reader, type) - 1;
        if (n > MAX_TYPES)
            reader->is_bad = 1;
    }
}

static void skip_columns(chat__cql_reader *reader, int32_t flags, uint32_t n_columns)
{
    if (flags & GLOBAL_TABLE)
        skip_table_name(reader);
    for (uint32_t i = 0; i < n_columns && !reader->is_bad; i++) {
        if (!(flags & GLOBAL_TABLE))
            skip_table_name(reader);
        (void)chat__cql_get_string(reader);
        skip_type(reader);
    }
}

static uint32_t get_count(chat__cql_reader *reader, uint32_t max)
{
    int32_t count = chat__cql_get_i32(reader);
    if (count < 0 || (uint32_t)count > max)
        reader->is_bad = 1;
    return reader->is_bad ? 0 : (uint32_t)count;
}

static void read_rows(chat__cql_reader *reader, chat__cql_result *out)
{
    int32_t flags = chat__cql_get_i32(reader);
    out->n_columns = get_count(reader, MAX_COLUMNS);
    if (flags & MORE_PAGES) {
        out->paging_state = chat__cql_get_bytes(reader);
        out->has_more = 1;
    }
    if (!(flags & NO_METADATA))
        skip_columns(reader, flags, out->n_columns);
    out->n_rows = get_count(reader, INT32_MAX);
    /* Each cell has at least its length: what cannot be there is not asked for. */
    if (!reader->is_bad && out->n_columns > 0 &&
        out->n_rows > (size_t)(reader->end - reader->at) / 4 / out->n_columns)
        reader->is_bad = 1;
    out->cells = *reader;
}

static void read_prepared(chat__cql_reader *reader, chat__cql_result *out)
{
    out->id = chat__cql_get_string(reader);
    (void)chat__cql_get_i32(reader); /* flags */
    (void)get_count(reader, MAX_COLUMNS);
    uint32_t n = get_count(reader, MAX_COLUMNS);
    out->n_key_parts = n <= CHAT__CQL_MAX_KEY_PARTS ? n : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t index = chat__cql_get_u16(reader);
        if (i < out->n_key_parts)
            out->key_parts[i] = index;
    }
}

chat_status chat__cql_read_result(chat_view body, chat__cql_result *out)
{
    chat__cql_reader reader = chat__cql_read(body);
    memset(out, 0, sizeof *out);
    int32_t kind = chat__cql_get_i32(&reader);
    if (kind < CHAT__CQL_VOID || kind > CHAT__CQL_SCHEMA_CHANGE)
        return CHAT_ERR_PROTOCOL;
    out->kind = (chat__cql_result_kind)kind;
    if (kind == CHAT__CQL_ROWS)
        read_rows(&reader, out);
    else if (kind == CHAT__CQL_PREPARED)
        read_prepared(&reader, out);
    return reader.is_bad ? CHAT_ERR_PROTOCOL : CHAT_OK;
}

chat_status chat__cql_read_error(chat_view body, chat__cql_error *out)
{
    static const struct {
        uint32_t code;
        chat__cql_again again;
        chat_status status;
        const char *advice;
    } ERRORS[] = {
#define CQL_ERROR_ROW(name, code, again, status, advice)                                           \
    {code, CHAT__CQL_AGAIN_##again, CHAT_ERR_##status, advice},
        CHAT__CQL_ERROR_TABLE(CQL_ERROR_ROW)
#undef CQL_ERROR_ROW
    };
    chat__cql_reader reader = chat__cql_read(body);
    out->code = (uint32_t)chat__cql_get_i32(&reader);
    out->message = chat__cql_get_string(&reader);
    out->id = chat__view(NULL, 0);
    out->again = ERRORS[0].again;
    out->status = ERRORS[0].status;
    out->advice = ERRORS[0].advice;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        if (ERRORS[i].code == out->code) {
            out->again = ERRORS[i].again;
            out->status = ERRORS[i].status;
            out->advice = ERRORS[i].advice;
        }
    }
    chat__cql_reader rest = reader; /* one that is not there is no id */
    if (out->again == CHAT__CQL_AGAIN_PREPARE)
        out->id = chat__cql_get_string(&rest);
    return reader.is_bad ? CHAT_ERR_PROTOCOL : CHAT_OK;
}
