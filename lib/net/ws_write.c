/* SPDX-License-Identifier: MIT */
/* The sending half of ws.h: each call appends whole frames, so nothing is kept between calls. */
#include "base/bits.h"
#include "base/view.h"
#include "net/ws_pool.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define MAX_REASON_BYTES 123u

/* Room was reserved before, so this cannot fail and leave wslay in the middle of a frame. */
static ssize_t take_frame(const uint8_t *bytes, size_t len, int flags, void *user)
{
    chat__ws_pool *pool = user;
    (void)flags;
    return chat__buf_append(pool->sender_out, bytes, len) == CHAT_OK ? (ssize_t)len : -1;
}

static int give_mask(uint8_t *out, size_t len, void *user)
{
    chat__ws_pool *pool = user;
    assert(pool->n_random >= len);
    pool->n_random -= (uint32_t)len;
    memcpy(out, pool->random + pool->n_random, len);
    return 0;
}

/* NULL when out of memory. */
static wslay_frame_context_ptr sender_of(chat__ws_pool *pool, int is_client)
{
    const struct wslay_frame_callbacks callbacks = {take_frame, NULL, give_mask};
    wslay_frame_context_ptr *sender = &pool->senders[is_client];
    if (*sender == NULL && wslay_frame_context_init(sender, &callbacks, pool) != 0)
        *sender = NULL;
    return *sender;
}

static chat_status fill_random(chat__ws_pool *pool)
{
    if (pool->n_random >= 4)
        return CHAT_OK;
    if (getrandom(pool->random, sizeof pool->random, 0) != (ssize_t)sizeof pool->random)
        return CHAT_ERR_IO;
    pool->n_random = sizeof pool->random;
    return CHAT_OK;
}

static chat_status write_frame(chat__ws *ws, uint8_t opcode, uint8_t reserved, chat_view payload,
                               chat__buf *out)
{
    chat__ws_pool *pool = ws->pool;
    chat_status status = ws->is_client ? fill_random(pool) : CHAT_OK;
    if (status == CHAT_OK && payload.len > SIZE_MAX / 2)
        status = CHAT_ERR_LIMIT;
    if (status == CHAT_OK)
        status = chat__buf_reserve(out, payload.len + CHAT__WS_MAX_HEADER_BYTES);
    wslay_frame_context_ptr sender = sender_of(pool, ws->is_client);
    if (status == CHAT_OK && sender == NULL)
        status = CHAT_ERR_NOMEM;
    if (status != CHAT_OK)
        return status;
    struct wslay_frame_iocb iocb = {.fin = 1,
                                    .rsv = reserved,
                                    .opcode = opcode,
                                    .payload_length = payload.len,
                                    .mask = ws->is_client,
                                    .data = payload.data,
                                    .data_length = payload.len};
    pool->sender_out = out;
    ssize_t sent = wslay_frame_send(sender, &iocb);
    assert(sent == (ssize_t)payload.len);
    (void)sent;
    return CHAT_OK;
}

static int is_data_opcode(chat__ws_opcode opcode)
{
    return opcode == CHAT__WS_OP_TEXT || opcode == CHAT__WS_OP_BINARY;
}

/* Of the window that it is compressed with, 0: it is not. */
static unsigned deflate_bits(const chat__ws *ws, chat__ws_opcode opcode, size_t payload_len)
{
    if (!is_data_opcode(opcode) || !ws->has_deflate ||
        payload_len < ws->pool->limits.deflate_min_bytes)
        return 0;
    return ws->has_deflate == 1 ? CHAT__WS_WINDOW_BITS : ws->has_deflate;
}

uint32_t chat__ws_way(const chat__ws *ws, chat__ws_opcode opcode, size_t payload_len)
{
    return (uint32_t)opcode << 8 | deflate_bits(ws, opcode, payload_len);
}

chat_status chat__ws_write(chat__ws *ws, chat__ws_opcode opcode, chat_view payload, chat__buf *out)
{
    chat__ws_pool *pool = ws->pool;
    int is_data = is_data_opcode(opcode);
    if (!is_data && payload.len > CHAT__WS_MAX_CONTROL_BYTES)
        return CHAT_ERR_LIMIT;
    unsigned bits = deflate_bits(ws, opcode, payload.len);
    if (bits == 0)
        return write_frame(ws, (uint8_t)opcode, WSLAY_RSV_NONE, payload, out);
    if (pool->deflated.cap > CHAT__WS_KEEP_BYTES)
        chat__buf_done(&pool->deflated);
    chat_status status = chat__ws_zip_deflate(pool->zip, bits, payload, &pool->deflated);
    if (status == CHAT_ERR_NOMEM)
        return status;
    if (status != CHAT_OK)
        return write_frame(ws, (uint8_t)opcode, WSLAY_RSV_NONE, payload, out);
    return write_frame(ws, (uint8_t)opcode, WSLAY_RSV1_BIT, chat__buf_view(&pool->deflated), out);
}

chat_status chat__ws_write_close(chat__ws *ws, uint16_t code, const char *reason, chat__buf *out)
{
    uint8_t payload[CHAT__WS_MAX_CONTROL_BYTES];
    size_t len = reason == NULL ? 0 : strlen(reason);
    if (ws->is_close_sent)
        return CHAT_OK;
    if (len > MAX_REASON_BYTES) {
        len = MAX_REASON_BYTES;
        while (len > 0 && ((uint8_t)reason[len] & 0xc0u) == 0x80u)
            len--;
    }
    chat__store16be(payload, code);
    if (len > 0)
        memcpy(payload + 2, reason, len);
    /* 1005 says that there was no code, and never travels. */
    chat_view view = chat__view(payload, code == CHAT__WS_CODE_NONE ? 0 : 2 + len);
    chat_status status = write_frame(ws, WSLAY_CONNECTION_CLOSE, WSLAY_RSV_NONE, view, out);
    if (status == CHAT_OK)
        ws->is_close_sent = 1;
    return status;
}
