/* SPDX-License-Identifier: MIT */
/* What ws.c (reading, the pool), ws_plain.c and ws_write.c share. Private to them. */
#ifndef CHAT_NET_WS_POOL_H
#define CHAT_NET_WS_POOL_H

#include "base/bits.h"
#include "net/ws.h"
#include "net/ws_deflate.h"

#include <wslay/wslay.h>

#define CHAT__WS_MAX_HEADER_BYTES  14u
#define CHAT__WS_MASK_BYTES        4u
#define CHAT__WS_MAX_CONTROL_BYTES 125u   /* RFC 6455 section 5.5 */
#define CHAT__WS_KEEP_BYTES        65536u /* a spare buffer above this goes back to the allocator */
#define CHAT__WS_RANDOM_BYTES      256u   /* asked for at once, for 64 masks */
#define CHAT__WS_CODE_NONE         1005u  /* RFC 6455 section 7.4.1: there was no code */

struct chat__ws_pool {
    chat_allocator allocator;
    chat__ws_limits limits;
    chat__ws_zip *zip;
    chat__buf inflated;
    chat__buf deflated;
    struct ws_partial *spare;
    uint32_t n_spare;
    uint32_t n_random;
    uint8_t random[CHAT__WS_RANDOM_BYTES];
};

/* --- the head of a frame, of which the first two bytes are there --- */

static inline size_t chat__ws_length_bytes(uint8_t second)
{
    return (second & 0x7fu) == 126 ? 2 : (second & 0x7fu) == 127 ? 8 : 0;
}

static inline uint64_t chat__ws_payload_length(const uint8_t *header)
{
    switch (chat__ws_length_bytes(header[1])) {
    case 2:
        return chat__load16be(header + 2);
    case 8:
        return chat__load64be(header + 2);
    default:
        return header[1] & 0x7fu;
    }
}

static inline int chat__ws_is_shortest(const uint8_t *header, uint64_t length)
{
    size_t bytes = chat__ws_length_bytes(header[1]);
    return bytes == 0 || (bytes == 2 ? length > 125 : length > UINT16_MAX);
}

/* ws_plain.c: put the mask on, or take it off. */
void chat__ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[CHAT__WS_MASK_BYTES]);

/* The event of a message that is there as a whole, and the bytes that it took; 0: it is
   not, and `bytes` is as it was. */
size_t chat__ws_take_plain(const chat__ws *ws, uint8_t *bytes, size_t len, chat__ws_event *out);

#endif
