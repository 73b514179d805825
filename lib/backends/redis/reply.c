/* SPDX-License-Identifier: MIT */
/* See reply.h. */
#include "backends/redis/reply.h"

#include "base/alloc.h"
#include "base/view.h"

#include <hiredis/hiredis.h>

#include <string.h>

#define FIRST_VALUES 64u

struct chat__redis_parser {
    chat_allocator allocator;
    redisReader *reader;
    chat_status status; /* why one of the functions below refused */
    uint32_t max_bytes, max_values;
    chat__redis_value *values;
    uint32_t n_values, cap_values;
    chat__buf text;
};

/* --- what the reader calls, in the order of the wire --- */

static void *refuse(chat__redis_parser *parser, chat_status status)
{
    parser->status = status;
    return NULL;
}

static chat_status make_room(chat__redis_parser *parser)
{
    if (parser->n_values < parser->cap_values)
        return CHAT_OK;
    if (parser->cap_values >= parser->max_values)
        return CHAT_ERR_LIMIT;
    uint32_t cap = parser->cap_values == 0 ? FIRST_VALUES : parser->cap_values * 2;
    cap = cap < parser->max_values ? cap : parser->max_values;
    chat__redis_value *values =
        chat__alloc_resize(&parser->allocator, parser->values, cap * sizeof *values);
    if (values == NULL)
        return CHAT_ERR_NOMEM;
    parser->values = values;
    parser->cap_values = cap;
    return CHAT_OK;
}

/* The reader wants to be told of a value by a pointer that is not NULL; it never looks behind it.
 */
static void *add(const redisReadTask *task, const chat__redis_value *value)
{
    chat__redis_parser *parser = task->privdata;
    if (task->parent == NULL) {
        parser->n_values = 0;
        chat__buf_consume(&parser->text, parser->text.len);
    }
    chat_status status = make_room(parser);
    if (status != CHAT_OK)
        return refuse(parser, status);
    parser->values[parser->n_values++] = *value;
    return parser;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    chat__redis_parser *parser = task->privdata;
    chat__redis_value value = {.type = task->type == REDIS_REPLY_ERROR    ? CHAT__REDIS_ERROR
                                       : task->type == REDIS_REPLY_STATUS ? CHAT__REDIS_STATUS
                                                                          : CHAT__REDIS_STRING,
                               .len = len};
    value.at = task->parent == NULL ? 0 : parser->text.len;
    if (add(task, &value) == NULL)
        return NULL;
    chat_status status = chat__buf_append(&parser->text, text, len);
    return status == CHAT_OK ? parser : refuse(parser, status);
}

static void *on_array(const redisReadTask *task, int n_items)
{
    chat__redis_parser *parser = task->privdata;
    chat__redis_value value = {.type = CHAT__REDIS_ARRAY, .n_items = (uint32_t)n_items};
    if (n_items < 0 || value.n_items > parser->max_values)
        return refuse(parser, CHAT_ERR_LIMIT);
    return add(task, &value);
}

static void *on_integer(const redisReadTask *task, long long integer)
{
    chat__redis_value value = {.type = CHAT__REDIS_INTEGER, .integer = integer};
    return add(task, &value);
}

static void *on_nil(const redisReadTask *task)
{
    chat__redis_value value = {.type = CHAT__REDIS_NIL};
    return add(task, &value);
}

static void on_free(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions functions = {on_string, on_array, on_integer, on_nil, on_free};

/* --- the parser --- */

chat_status chat__redis_parser_new(const chat_allocator *allocator, uint32_t max_bytes,
                                   uint32_t max_values, chat__redis_parser **out)
{
    chat__redis_parser *parser = chat__alloc_zero(allocator, sizeof *parser);
    if (parser == NULL)
        return CHAT_ERR_NOMEM;
    parser->allocator = *allocator;
    parser->max_bytes = max_bytes;
    parser->max_values = max_values;
    chat__buf_init(&parser->text, allocator, max_bytes);
    if (chat__redis_parser_reset(parser) != CHAT_OK) {
        chat__redis_parser_free(parser);
        return CHAT_ERR_NOMEM;
    }
    *out = parser;
    return CHAT_OK;
}

void chat__redis_parser_free(chat__redis_parser *parser)
{
    if (parser == NULL)
        return;
    if (parser->reader != NULL)
        redisReaderFree(parser->reader);
    chat__buf_done(&parser->text);
    if (parser->values != NULL)
        chat__alloc_free(&parser->allocator, parser->values);
    chat__alloc_free(&parser->allocator, parser);
}

chat_status chat__redis_parser_reset(chat__redis_parser *parser)
{
    redisReader *reader = redisReaderCreateWithFunctions(&functions);
    if (reader == NULL)
        return CHAT_ERR_NOMEM;
    if (parser->reader != NULL)
        redisReaderFree(parser->reader);
    reader->privdata = parser;
    parser->reader = reader;
    parser->status = CHAT_OK;
    return CHAT_OK;
}

chat_status chat__redis_parser_feed(chat__redis_parser *parser, chat_view bytes)
{
    if (bytes.len == 0 ||
        redisReaderFeed(parser->reader, (const char *)bytes.data, bytes.len) == REDIS_OK)
        return CHAT_OK;
    return CHAT_ERR_NOMEM;
}

/* Backwards, so that what is below an item is known before its array. */
static void count_below(chat__redis_value *values, uint32_t n)
{
    for (uint32_t i = n; i > 0; i--) {
        uint32_t next = i;
        for (uint32_t k = 0; k < values[i - 1].n_items; k++)
            next += 1 + values[next].n_below;
        values[i - 1].n_below = next - i;
    }
}

chat_status chat__redis_parser_next(chat__redis_parser *parser, chat__redis_reply *out)
{
    void *reply = NULL;
    if (redisReaderGetReply(parser->reader, &reply) != REDIS_OK) {
        if (parser->status != CHAT_OK)
            return parser->status;
        return parser->reader->err == REDIS_ERR_OOM ? CHAT_ERR_NOMEM : CHAT_ERR_PROTOCOL;
    }
    if (reply == NULL)
        return parser->reader->len - parser->reader->pos > parser->max_bytes ? CHAT_ERR_LIMIT
                                                                             : CHAT_EMPTY;
    count_below(parser->values, parser->n_values);
    out->values = parser->values;
    out->n_values = parser->n_values;
    out->bytes = parser->text.data;
    return CHAT_OK;
}

/* --- looking at a reply --- */

chat_view chat__redis_text(const chat__redis_reply *reply, uint32_t value)
{
    const chat__redis_value *v = &reply->values[value];
    return v->len > 0 ? chat__view(reply->bytes + v->at, v->len) : chat__view("", 0);
}

uint32_t chat__redis_next(const chat__redis_reply *reply, uint32_t value)
{
    return value + 1 + reply->values[value].n_below;
}

uint32_t chat__redis_item(const chat__redis_reply *reply, uint32_t array, uint32_t i)
{
    if (i >= reply->values[array].n_items)
        return 0;
    uint32_t value = array + 1;
    while (i-- > 0)
        value = chat__redis_next(reply, value);
    return value;
}

chat_status chat__redis_number(const chat__redis_reply *reply, uint32_t value, uint64_t *out)
{
    const chat__redis_value *v = &reply->values[value];
    chat_view text = chat__redis_text(reply, value);
    uint64_t number = 0;
    if (v->type == CHAT__REDIS_INTEGER && v->integer >= 0) {
        *out = (uint64_t)v->integer;
        return CHAT_OK;
    }
    if (text.len == 0 || v->type == CHAT__REDIS_ERROR)
        return CHAT_ERR_PROTOCOL;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return CHAT_ERR_PROTOCOL;
        number = number * 10 + digit;
    }
    *out = number;
    return CHAT_OK;
}

int chat__redis_is_error(const chat__redis_reply *reply, const char *word)
{
    return reply->values[0].type == CHAT__REDIS_ERROR &&
           chat__view_starts_with(chat__redis_text(reply, 0), word);
}

chat_status chat__redis_format(chat__buf *out, int n_args, const char *const *args,
                               const size_t *lens)
{
    char *command = NULL;
    int len = redisFormatCommandArgv(&command, n_args, (const char **)(uintptr_t)args, lens);
    if (len < 0)
        return CHAT_ERR_NOMEM;
    chat_status status = chat__buf_append(out, command, (size_t)len);
    redisFreeCommand(command);
    return status;
}
