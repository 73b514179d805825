/* SPDX-License-Identifier: MIT */
/*
 * How a link between two hosts begins, without I/O: the upgrade to WebSocket, who is who, and the
 * proof by both that they know the cluster's secret. The secret never travels: each proves it by an
 * HMAC over what both said, the random bytes of both among it. Until then nothing that the other
 * one says has an effect, and no more than 16 KiB of it is kept.
 *
 * Without TLS this tells who is there when the connection begins, and no more: on a network that is
 * not trusted the driver puts TLS below it.
 */
#ifndef CHAT_NET_TRUNK_HELLO_H
#define CHAT_NET_TRUNK_HELLO_H

#include "net/trunk_wire.h"
#include "net/ws.h"

typedef struct chat__trunk_hello chat__trunk_hello;

#define CHAT__TRUNK_ANYBODY UINT32_MAX

typedef struct chat__trunk_hello_options {
    const chat_allocator *allocator;
    chat__ws_pool *pool; /* of chat__trunk_hello_limits */
    int is_dialer;
    const char *host_header; /* dialer: "host:port" */
    chat_view secret;        /* empty: TLS has told who is who */
    chat_view cluster;       /* the same for all; 1 to CHAT__TRUNK_MAX_TEXT visible characters */
    chat_view setup;         /* what else must be the same, for people to compare */
    uint32_t self;
    uint32_t peer;     /* dialer: who must answer */
    uint64_t instance; /* of this process, random */
    uint64_t session;  /* dialer: see trunk.h; 0: none */
    uint64_t received;
    uint32_t window_bytes;
    uint32_t timeout_ms;                      /* of silence */
    uint8_t random[CHAT__TRUNK_RANDOM_BYTES]; /* new for each connection */
    uint8_t key[16];                          /* dialer: the same */
} chat__trunk_hello_options;

extern const chat__ws_limits chat__trunk_hello_limits;

/* Who is at the other end, proved. */
typedef struct chat__trunk_peer {
    uint32_t member;
    uint64_t instance;
    uint64_t session;  /* what it has of an earlier connection; dialer: what counts from now on */
    uint64_t received; /* of that session */
    uint32_t window_bytes;
    uint32_t timeout_ms; /* of silence */
} chat__trunk_peer;

/* Everything is copied but the pool. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__trunk_hello_new(const chat__trunk_hello_options *options,
                                  chat__trunk_hello **out);
void chat__trunk_hello_free(chat__trunk_hello *hello);

/*
 * Take received bytes (they may be changed) until the greeting is over. CHAT_OK: `*out` is written,
 * bytes behind `*used` belong to the link; CHAT_MORE: all are consumed. Anything else: send what
 * chat__trunk_hello_output() has and close; chat__trunk_hello_why() says why.
 */
chat_status chat__trunk_hello_feed(chat__trunk_hello *hello, uint8_t *bytes, size_t len,
                                   size_t *used, chat__trunk_peer *out);

/* Instead of taking the peer: what the other one is told. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__trunk_hello_refuse(chat__trunk_hello *hello, chat__trunk_refusal refusal);

/* What is to be sent; consume what was. */
chat__buf *chat__trunk_hello_output(chat__trunk_hello *hello);

/* One line for people. */
const char *chat__trunk_hello_why(const chat__trunk_hello *hello);

#endif
