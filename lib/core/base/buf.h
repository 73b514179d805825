/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a maximum. */
#ifndef CHAT_BASE_BUF_H
#define CHAT_BASE_BUF_H

#include <chat/status.h>

typedef struct chat__buf {
    chat_allocator allocator;
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max_bytes;
} chat__buf;

/* Prepare an empty buffer; allocates nothing. `allocator` NULL means libc. */
void chat__buf_init(chat__buf *buf, const chat_allocator *allocator, size_t max_bytes);

/* Release the memory; the buffer is empty and may be used again. */
void chat__buf_done(chat__buf *buf);

/* Make room for `more` bytes behind `len`. CHAT_OK, CHAT_ERR_LIMIT, CHAT_ERR_NOMEM (unchanged). */
chat_status chat__buf_reserve(chat__buf *buf, size_t more);

/* Copy bytes to the end. As chat__buf_reserve(). */
chat_status chat__buf_append(chat__buf *buf, const void *bytes, size_t len);

/* Drop `n` (<= len) bytes from the front; what is left moves down. */
void chat__buf_consume(chat__buf *buf, size_t n);

/* What is in it, borrowed until the next change. */
chat_view chat__buf_view(const chat__buf *buf);

#endif
