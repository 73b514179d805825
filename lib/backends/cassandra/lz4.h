/* SPDX-License-Identifier: MIT */
/* Bodies of frames as LZ4 [5]: the length before, 4 bytes, and one block. lz4.c has it by liblz4,
   no_lz4.c where that is left out. */
#ifndef CHAT_CASSANDRA_LZ4_H
#define CHAT_CASSANDRA_LZ4_H

#include "base/buf.h"

int chat__lz4_is_there(void);
/* Appends to `out`. CHAT_OK; CHAT_EMPTY: it would not be smaller; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM.
 */
chat_status chat__lz4_compress(chat_view body, chat__buf *out);
/* The other way, into an empty `out`. CHAT_OK; CHAT_ERR_PROTOCOL: it is none; CHAT_ERR_LIMIT: it
   would be larger than `out` may be; CHAT_ERR_NOMEM. */
chat_status chat__lz4_expand(chat_view body, chat__buf *out);

#endif
