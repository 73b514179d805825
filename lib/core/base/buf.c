/* SPDX-License-Identifier: MIT */
/* See buf.h. */
#include "base/buf.h"
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

#define BUF_MIN_BYTES 64u

void chat__buf_init(chat__buf *buf, const chat_allocator *allocator, size_t max_bytes)
{
    memset(buf, 0, sizeof *buf);
    buf->allocator = chat__alloc_or_libc(allocator);
    buf->max_bytes = max_bytes;
}

void chat__buf_done(chat__buf *buf)
{
    if (buf->data != NULL)
        chat__alloc_free(&buf->allocator, buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}

chat_status chat__buf_reserve(chat__buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len)
        return CHAT_OK;
    if (more > buf->max_bytes || buf->len > buf->max_bytes - more)
        return CHAT_ERR_LIMIT;
    size_t cap = buf->cap < BUF_MIN_BYTES ? BUF_MIN_BYTES : buf->cap;
    if (cap > buf->max_bytes)
        cap = buf->max_bytes;
    while (cap < buf->len + more)
        cap = cap > buf->max_bytes / 2 ? buf->max_bytes : cap * 2;
    uint8_t *data = chat__alloc_resize(&buf->allocator, buf->data, cap);
    if (data == NULL)
        return CHAT_ERR_NOMEM;
    buf->data = data;
    buf->cap = cap;
    return CHAT_OK;
}

chat_status chat__buf_append(chat__buf *buf, const void *bytes, size_t len)
{
    chat_status status = chat__buf_reserve(buf, len);
    if (status != CHAT_OK)
        return status;
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    return CHAT_OK;
}

void chat__buf_consume(chat__buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n > 0 && n < buf->len)
        memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
}

chat_view chat__buf_view(const chat__buf *buf)
{
    chat_view view = {buf->data, buf->len};
    return view;
}
