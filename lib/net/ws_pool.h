/* SPDX-License-Identifier: MIT */
/* What ws.c (reading, the pool) and ws_write.c share. Private to the two. */
#ifndef CHAT_NET_WS_POOL_H
#define CHAT_NET_WS_POOL_H

#include "net/ws.h"
#include "net/ws_deflate.h"

#include <wslay/wslay.h>

#define CHAT__WS_MAX_HEADER_BYTES  14u
#define CHAT__WS_MAX_CONTROL_BYTES 125u   /* RFC 6455 section 5.5 */
#define CHAT__WS_KEEP_BYTES        65536u /* a spare buffer above this goes back to the allocator */
#define CHAT__WS_RANDOM_BYTES      256u   /* asked for at once, for 64 masks */
#define CHAT__WS_CODE_NONE         1005u  /* RFC 6455 section 7.4.1: there was no code */

struct chat__ws_pool {
    chat_allocator allocator;
    chat__ws_limits limits;
    chat__ws_zip *zip;
    wslay_frame_context_ptr senders[2]; /* by is_client: wslay never goes back to not masking */
    chat__buf *sender_out;
    chat__buf inflated;
    chat__buf deflated;
    struct ws_partial *spare;
    uint32_t n_spare;
    uint32_t n_random;
    uint8_t random[CHAT__WS_RANDOM_BYTES];
};

#endif
