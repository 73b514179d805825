/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate (RFC 7692) of whole messages with no_context_takeover: the streams belong to a
 * thread's pool and are reset for each message. ws_no_deflate.c stands in where zlib is left out.
 */
#ifndef CHAT_NET_WS_DEFLATE_H
#define CHAT_NET_WS_DEFLATE_H

#include "base/buf.h"

#define CHAT__WS_MIN_WINDOW_BITS 9u  /* zlib has no raw deflate with 8 */
#define CHAT__WS_WINDOW_BITS     12u /* what we compress with when the peer allows it */

typedef struct chat__ws_zip chat__ws_zip;

/* Whether this build can compress; else it is neither offered nor accepted. */
int chat__ws_zip_is_there(void);

/* NULL when out of memory. The streams themselves are made when first needed. */
chat__ws_zip *chat__ws_zip_new(const chat_allocator *allocator);
void chat__ws_zip_free(chat__ws_zip *zip);

/* Compress into `out` (emptied first), without the 00 00 ff ff at the end. CHAT_OK; CHAT_ERR_LIMIT
   when it does not get smaller than `message`; CHAT_ERR_NOMEM. */
chat_status chat__ws_zip_deflate(chat__ws_zip *zip, unsigned window_bits, chat_view message,
                                 chat__buf *out);

/* Expand into `out` (emptied first). CHAT_OK; CHAT_ERR_LIMIT above `max_bytes`; CHAT_ERR_SYNTAX:
   no deflate data, or not to its end; CHAT_ERR_NOMEM. */
chat_status chat__ws_zip_inflate(chat__ws_zip *zip, chat_view message, size_t max_bytes,
                                 chat__buf *out);

#endif
