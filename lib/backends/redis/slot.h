/* SPDX-License-Identifier: MIT */
/* Where a key is: its hash tag, its slot in a Redis Cluster; and addresses in options and replies.
 */
#ifndef CHAT_REDIS_SLOT_H
#define CHAT_REDIS_SLOT_H

#include <chat/status.h>

#define CHAT__REDIS_N_SLOTS    16384u
#define CHAT__REDIS_HOST_BYTES 254u /* with the zero; longer ones are no names (RFC 1035) */

/* CRC-16/XMODEM of the key, or of what is between its first { and the next } unless that is
   nothing, not yet cut to CHAT__REDIS_N_SLOTS. */
uint16_t chat__redis_crc(chat_view key);

typedef struct chat__redis_address {
    char host[CHAT__REDIS_HOST_BYTES];
    uint16_t port;
} chat__redis_address;

/* CHAT_OK; CHAT_ERR_ARG: no host, one with bytes that no name has, or no port. */
chat_status chat__redis_address_set(chat__redis_address *out, chat_view host, uint64_t port);
/* "host:port" or "[v6]:port". As above. */
chat_status chat__redis_address_read(chat_view text, chat__redis_address *out);
/* The next of "a:1,b:2" from `*rest`. CHAT_OK; CHAT_EMPTY: it was the last; CHAT_ERR_ARG. */
chat_status chat__redis_address_next(chat_view *rest, chat__redis_address *out);
int chat__redis_address_equal(const chat__redis_address *a, const chat__redis_address *b);

#endif
