/* SPDX-License-Identifier: MIT */
/* How many handshakes each address may make. Safe for use by several threads. */
#ifndef CHAT_NET_VISITORS_H
#define CHAT_NET_VISITORS_H

#include <chat/status.h>

#include <sys/socket.h>

#define CHAT__VISITORS_KEY_BYTES  9u /* family, address */
#define CHAT__VISITORS_NAME_BYTES 64u

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

/*
 * Counting over several members. What is admitted is also owed to a bucket that members share: take
 * it from there when that can be done, and say how that ended. An address that owes what the bucket
 * did not give is not admitted before it does. So members together admit no more than the limit
 * and, at once, what comes before the first answer.
 */
typedef struct chat__visitors_count {
    uint8_t key[CHAT__VISITORS_KEY_BYTES]; /* of the address */
    uint32_t count;
} chat__visitors_count;

/* Count from now on; `wake` is called, by any thread, when there is something to be taken. */
void chat__visitors_share(chat__visitors *visitors, void (*wake)(void *ctx), void *ctx);
/* What an address owes: CHAT_OK, CHAT_EMPTY. No more of it before it was told how that ended. */
chat_status chat__visitors_next_count(chat__visitors *visitors, chat__visitors_count *out);
/* `wait_ms`: not before so long; 0: taken, or nobody knows. */
void chat__visitors_counted(chat__visitors *visitors, const chat__visitors_count *count,
                            uint64_t wait_ms, uint64_t now_ms);
/* The name of the bucket. */
void chat__visitors_name(const chat__visitors_count *count, char out[CHAT__VISITORS_NAME_BYTES]);

#endif
