/* SPDX-License-Identifier: MIT */
/* See lz4.h. */
#include "backends/cassandra/lz4.h"

#include "base/bits.h"

#include <limits.h>
#include <lz4.h>

#define LENGTH_BYTES 4u

int chat__lz4_is_there(void)
{
    return 1;
}

chat_status chat__lz4_compress(chat_view body, chat__buf *out)
{
    if (body.len <= LENGTH_BYTES || body.len > LZ4_MAX_INPUT_SIZE)
        return CHAT_EMPTY;
    size_t room = body.len - 1; /* no more is worth it */
    chat_status status = chat__buf_reserve(out, room);
    if (status != CHAT_OK)
        return status;
    uint8_t *to = out->data + out->len;
    int n = LZ4_compress_default((const char *)body.data, (char *)to + LENGTH_BYTES, (int)body.len,
                                 (int)(room - LENGTH_BYTES));
    if (n <= 0)
        return CHAT_EMPTY;
    chat__store32be(to, (uint32_t)body.len);
    out->len += LENGTH_BYTES + (size_t)n;
    return CHAT_OK;
}

chat_status chat__lz4_expand(chat_view body, chat__buf *out)
{
    if (body.len < LENGTH_BYTES || body.len > INT_MAX)
        return CHAT_ERR_PROTOCOL;
    uint32_t len = chat__load32be(body.data);
    if (len == 0) /* an empty body has no block worth reading */
        return CHAT_OK;
    if (len > out->max_bytes || len > INT_MAX)
        return CHAT_ERR_LIMIT;
    chat_status status = chat__buf_reserve(out, len);
    if (status != CHAT_OK)
        return status;
    int n = LZ4_decompress_safe((const char *)body.data + LENGTH_BYTES, (char *)out->data,
                                (int)(body.len - LENGTH_BYTES), (int)len);
    if (n < 0 || (uint32_t)n != len)
        return CHAT_ERR_PROTOCOL;
    out->len = len;
    return CHAT_OK;
}
