/* SPDX-License-Identifier: MIT */
/*
 * What comes nearly always: a message that is whole, in one frame, not compressed. It is taken from
 * where it is, without wslay and without a copy. Everything else, good or bad, is left to ws.c.
 */
#include "base/utf8.h"
#include "base/view.h"
#include "net/ws_pool.h"

#include <string.h>

/* Bytes of the head, 0: it is no such frame, or not all of it is there. */
static size_t head_len_of(const chat__ws *ws, const uint8_t *bytes, size_t len,
                          size_t *out_payload_len)
{
    size_t mask_bytes = ws->is_client ? 0 : CHAT__WS_MASK_BYTES;
    /* FIN alone and a data opcode; masked by a client, and not by a server. */
    if (ws->partial != NULL || len < 2 || ((bytes[1] & 0x80u) == 0) != (mask_bytes == 0) ||
        (bytes[0] != (0x80u | WSLAY_TEXT_FRAME) && bytes[0] != (0x80u | WSLAY_BINARY_FRAME)))
        return 0;
    size_t head_len = 2 + chat__ws_length_bytes(bytes[1]) + mask_bytes;
    if (len < head_len)
        return 0;
    uint64_t payload_len = chat__ws_payload_length(bytes);
    if (payload_len > len - head_len || payload_len > ws->pool->limits.max_message_bytes ||
        !chat__ws_is_shortest(bytes, payload_len))
        return 0;
    *out_payload_len = (size_t)payload_len;
    return head_len;
}

void chat__ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[CHAT__WS_MASK_BYTES])
{
    uint8_t wide[8];
    uint64_t mask_word;
    size_t i = 0;
    memcpy(wide, mask, CHAT__WS_MASK_BYTES);
    memcpy(wide + CHAT__WS_MASK_BYTES, mask, CHAT__WS_MASK_BYTES);
    memcpy(&mask_word, wide, sizeof wide);
    for (; len - i >= sizeof wide; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        word ^= mask_word;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < len; i++)
        bytes[i] ^= mask[i % CHAT__WS_MASK_BYTES];
}

size_t chat__ws_take_plain(const chat__ws *ws, uint8_t *bytes, size_t len, chat__ws_event *out)
{
    size_t payload_len = 0;
    size_t head_len = head_len_of(ws, bytes, len, &payload_len);
    if (head_len == 0)
        return 0;
    int is_text = (bytes[0] & 0x0fu) == WSLAY_TEXT_FRAME;
    uint8_t *payload = bytes + head_len;
    chat__ws_event event = {is_text ? CHAT__WS_TEXT : CHAT__WS_BINARY, 0,
                            chat__view(payload, payload_len), NULL};
    if (!ws->is_client)
        chat__ws_mask(payload, payload_len, payload - CHAT__WS_MASK_BYTES);
    if (is_text && !chat__utf8_is_valid(event.payload)) {
        if (!ws->is_client)
            chat__ws_mask(payload, payload_len, payload - CHAT__WS_MASK_BYTES);
        return 0;
    }
    *out = event;
    return head_len + payload_len;
}
