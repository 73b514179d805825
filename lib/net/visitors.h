/* SPDX-License-Identifier: MIT */
/* How many handshakes each address may make. Safe for use by several threads. */
#ifndef CHAT_NET_VISITORS_H
#define CHAT_NET_VISITORS_H

#include <chat/status.h>

#include <sys/socket.h>

typedef struct chat__visitors chat__visitors;

typedef struct chat__visitors_options {
    const chat_allocator *allocator;
    uint32_t rate; /* handshakes in a second, not 0: who is refused may come again after one */
    uint32_t burst;
    uint32_t max; /* addresses that are remembered; 0: 65,536 */
    uint64_t seed[2];
} chat__visitors_options;

/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__visitors_new(const chat__visitors_options *options, chat__visitors **out);
void chat__visitors_free(chat__visitors *visitors);

/* Whether one more from this address is within the limit. `now_ms`: a clock that does not run back.
   Whom memory is too short for is let in. */
int chat__visitors_admit(chat__visitors *visitors, const struct sockaddr *address, uint64_t now_ms);

#endif
