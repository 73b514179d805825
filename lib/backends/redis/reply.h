/* SPDX-License-Identifier: MIT */
/*
 * RESP2: commands written by hiredis' formatter, replies read by its redisReader, of which only the
 * reading is used. A reply is a flat array of values in the order of the wire, in memory of ours
 * that is kept for the next one; what the reader holds of an unfinished reply is libc's and
 * bounded.
 */
#ifndef CHAT_REDIS_REPLY_H
#define CHAT_REDIS_REPLY_H

#include "base/buf.h"

typedef enum chat__redis_type {
    CHAT__REDIS_NIL,
    CHAT__REDIS_STATUS,
    CHAT__REDIS_ERROR,
    CHAT__REDIS_INTEGER,
    CHAT__REDIS_STRING,
    CHAT__REDIS_ARRAY
} chat__redis_type;

typedef struct chat__redis_value {
    chat__redis_type type;
    uint32_t n_items; /* of an array */
    uint32_t n_below; /* values that belong to an array, items of items included */
    int64_t integer;
    size_t at, len; /* of its text */
} chat__redis_value;

/* The first value is the reply; what is in an array stands behind it. Never empty. */
typedef struct chat__redis_reply {
    const chat__redis_value *values;
    uint32_t n_values;
    const uint8_t *bytes;
} chat__redis_reply;

/* "" for what has no text. */
chat_view chat__redis_text(const chat__redis_reply *reply, uint32_t value);
/* The value of item `i` of the array at `array`, or 0 when there is none. A walk over all items is
   quicker with chat__redis_next(). */
uint32_t chat__redis_item(const chat__redis_reply *reply, uint32_t array, uint32_t i);
/* The value behind `value` and all that belongs to it. */
uint32_t chat__redis_next(const chat__redis_reply *reply, uint32_t value);
/* The number that an integer or a text of digits says. CHAT_OK, CHAT_ERR_PROTOCOL. */
chat_status chat__redis_number(const chat__redis_reply *reply, uint32_t value, uint64_t *out);
/* Whether the reply is an error whose text begins with the word. */
int chat__redis_is_error(const chat__redis_reply *reply, const char *word);

typedef struct chat__redis_parser chat__redis_parser;

/* A reply has at most so many bytes and values. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__redis_parser_new(const chat_allocator *allocator, uint32_t max_bytes,
                                   uint32_t max_values, chat__redis_parser **out);
void chat__redis_parser_free(chat__redis_parser *parser);
/* Forget all, for another connection. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__redis_parser_reset(chat__redis_parser *parser);
/* Bytes came; read the replies until CHAT_EMPTY then. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__redis_parser_feed(chat__redis_parser *parser, chat_view bytes);
/* CHAT_OK: `*out` is borrowed until the next call; CHAT_EMPTY; CHAT_ERR_PROTOCOL, CHAT_ERR_LIMIT,
   CHAT_ERR_NOMEM: only reset and free remain. */
chat_status chat__redis_parser_next(chat__redis_parser *parser, chat__redis_reply *out);

/* Put a command at the end of `out`. CHAT_OK, CHAT_ERR_LIMIT, CHAT_ERR_NOMEM. */
chat_status chat__redis_format(chat__buf *out, int n_args, const char *const *args,
                               const size_t *lens);

#endif
