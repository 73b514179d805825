/* SPDX-License-Identifier: MIT */
/* See ws_deflate.h. */
#include "net/ws_deflate.h"
#include "base/alloc.h"
#include "base/view.h"

#include <zlib.h>

#define INFLATE_STEP_BYTES 4096u
#define DEFLATE_LEVEL      3
#define DEFLATE_MEM_LEVEL  5 /* a small hash: it is cleared for each message */

struct chat__ws_zip {
    chat_allocator allocator;
    z_stream inflate;
    z_stream deflate[2]; /* [0]: window of 9 bits, [1]: the usual one */
    int has_inflate;
    int has_deflate[2];
};

static const uint8_t message_tail[4] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 section 7.2.1 */

static voidpf zip_alloc(voidpf opaque, uInt items, uInt size)
{
    return chat__alloc_resize(opaque, NULL, (size_t)items * size);
}

static void zip_free(voidpf opaque, voidpf address)
{
    chat__alloc_free(opaque, address);
}

int chat__ws_zip_is_there(void)
{
    return 1;
}

chat__ws_zip *chat__ws_zip_new(const chat_allocator *allocator)
{
    chat_allocator own = chat__alloc_or_libc(allocator);
    chat__ws_zip *zip = chat__alloc_zero(&own, sizeof *zip);
    if (zip != NULL)
        zip->allocator = own;
    return zip;
}

void chat__ws_zip_free(chat__ws_zip *zip)
{
    if (zip == NULL)
        return;
    if (zip->has_inflate)
        (void)inflateEnd(&zip->inflate);
    for (int i = 0; i < 2; i++) {
        if (zip->has_deflate[i])
            (void)deflateEnd(&zip->deflate[i]);
    }
    chat_allocator allocator = zip->allocator;
    chat__alloc_free(&allocator, zip);
}

static void prepare_stream(chat__ws_zip *zip, z_stream *stream)
{
    stream->zalloc = zip_alloc;
    stream->zfree = zip_free;
    stream->opaque = &zip->allocator;
}

static z_stream *deflate_stream(chat__ws_zip *zip, unsigned window_bits)
{
    int which = window_bits >= CHAT__WS_WINDOW_BITS;
    int bits = which ? (int)CHAT__WS_WINDOW_BITS : (int)CHAT__WS_MIN_WINDOW_BITS;
    z_stream *stream = &zip->deflate[which];
    if (zip->has_deflate[which])
        return deflateReset(stream) == Z_OK ? stream : NULL;
    prepare_stream(zip, stream);
    if (deflateInit2(stream, DEFLATE_LEVEL, Z_DEFLATED, -bits, DEFLATE_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    zip->has_deflate[which] = 1;
    return stream;
}

chat_status chat__ws_zip_deflate(chat__ws_zip *zip, unsigned window_bits, chat_view message,
                                 chat__buf *out)
{
    if (message.len > UINT32_MAX / 2)
        return CHAT_ERR_LIMIT;
    z_stream *stream = deflate_stream(zip, window_bits);
    if (stream == NULL)
        return CHAT_ERR_NOMEM;
    out->len = 0;
    chat_status status = chat__buf_reserve(out, message.len + sizeof message_tail);
    if (status != CHAT_OK)
        return status;
    stream->next_in = (z_const Bytef *)message.data;
    stream->avail_in = (uInt)message.len;
    stream->next_out = out->data;
    stream->avail_out = (uInt)(message.len + sizeof message_tail);
    /* With room left over the flush is complete; without, it is no gain anyway. */
    if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_out == 0 || stream->avail_in > 0)
        return CHAT_ERR_LIMIT;
    out->len = message.len - stream->avail_out;
    return out->len < message.len ? CHAT_OK : CHAT_ERR_LIMIT;
}

/* Expand one piece of input. Fails as chat__ws_zip_inflate(). */
static chat_status inflate_piece(z_stream *stream, chat_view piece, size_t max_bytes,
                                 chat__buf *out)
{
    stream->next_in = (z_const Bytef *)piece.data;
    stream->avail_in = (uInt)piece.len;
    for (;;) {
        chat_status status = chat__buf_reserve(out, INFLATE_STEP_BYTES);
        if (status != CHAT_OK)
            return status;
        size_t room = out->cap - out->len;
        stream->next_out = out->data + out->len;
        stream->avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
        size_t given = stream->avail_out;
        int result = inflate(stream, Z_SYNC_FLUSH);
        out->len += given - stream->avail_out;
        if (out->len > max_bytes)
            return CHAT_ERR_LIMIT;
        /* A sender may end the deflate stream inside the message (RFC 7692 section 7.2.3.4). */
        if (result == Z_STREAM_END && inflateReset(stream) != Z_OK)
            return CHAT_ERR_SYNTAX;
        if (result == Z_MEM_ERROR)
            return CHAT_ERR_NOMEM;
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return CHAT_ERR_SYNTAX;
        if (stream->avail_in == 0 && stream->avail_out > 0)
            return CHAT_OK;
    }
}

/* Whether the last block ended where the input did; see data_type at inflate() in zlib.h. */
static int is_at_block_end(const z_stream *stream)
{
    return (stream->data_type & 128) != 0 && (stream->data_type & 7) == 0;
}

chat_status chat__ws_zip_inflate(chat__ws_zip *zip, chat_view message, size_t max_bytes,
                                 chat__buf *out)
{
    if (!zip->has_inflate) {
        prepare_stream(zip, &zip->inflate);
        if (inflateInit2(&zip->inflate, -MAX_WBITS) != Z_OK)
            return CHAT_ERR_NOMEM;
        zip->has_inflate = 1;
    }
    if (message.len > UINT32_MAX || inflateReset(&zip->inflate) != Z_OK)
        return CHAT_ERR_LIMIT;
    out->len = 0;
    chat_status status = inflate_piece(&zip->inflate, message, max_bytes, out);
    if (status == CHAT_OK)
        status = inflate_piece(&zip->inflate, chat__view(message_tail, sizeof message_tail),
                               max_bytes, out);
    if (status == CHAT_OK && !is_at_block_end(&zip->inflate))
        status = CHAT_ERR_SYNTAX;
    return status;
}
