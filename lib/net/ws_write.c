/* SPDX-License-Identifier: MIT */
/* The sending half of ws.h: each call appends whole frames, so nothing is kept between calls. */
#include "base/bits.h"
#include "base/view.h"
#include "net/ws_pool.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define MAX_REASON_BYTES 123u

static chat_status fill_random(chat__ws_pool *pool)
{
    if (pool->n_random >= 4)
        return CHAT_OK;
    if (getrandom(pool->random, sizeof pool->random, 0) != (ssize_t)sizeof pool->random)
        return CHAT_ERR_IO;
    pool->n_random = sizeof pool->random;
    return CHAT_OK;
}

/* The head of a frame without its mask, RFC 6455 section 5.2; how many bytes. */
static size_t put_head(uint8_t *out, uint8_t first, uint8_t mask_bit, uint64_t len)
{
    out[0] = first;
    if (len < 126) {
        out[1] = (uint8_t)(mask_bit | len);
        return 2;
    }
    if (len <= UINT16_MAX) {
        out[1] = mask_bit | 126;
        chat__store16be(out + 2, (uint16_t)len);
        return 4;
    }
    out[1] = mask_bit | 127;
    chat__store64be(out + 2, len);
    return 10;
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
    if (status != CHAT_OK)
        return status;
    uint8_t *at = out->data + out->len;
    uint8_t first = (uint8_t)(0x80u | reserved << 4 | opcode);
    at += put_head(at, first, ws->is_client ? 0x80u : 0, payload.len);
    if (ws->is_client) {
        pool->n_random -= CHAT__WS_MASK_BYTES;
        memcpy(at, pool->random + pool->n_random, CHAT__WS_MASK_BYTES);
        at += CHAT__WS_MASK_BYTES;
    }
    if (payload.len > 0)
        memcpy(at, payload.data, payload.len);
    if (ws->is_client)
        chat__ws_mask(at, payload.len, at - CHAT__WS_MASK_BYTES);
    out->len = (size_t)(at - out->data) + payload.len;
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
