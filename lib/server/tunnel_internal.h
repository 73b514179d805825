/* SPDX-License-Identifier: MIT */
/* What the two ends of tunnels share. Private to tunnel.c (the user's end) and tunnel_socket.c. */
#ifndef CHAT_SERVER_TUNNEL_INTERNAL_H
#define CHAT_SERVER_TUNNEL_INTERNAL_H

#include "cluster.h"
#include "tunnel.h"

#include "base/map.h"

/* What is said in a tunnel: a word, the number of the connection (8 bytes), what belongs to it. */
typedef enum chat__tunnel_word {
    /* To the user: */
    CHAT__TUNNEL_OPEN = 1, /* encoding (1), expires (8, unix ms), age (8, ms), user */
    CHAT__TUNNEL_MESSAGE,  /* the message */
    CHAT__TUNNEL_ALIVE,
    CHAT__TUNNEL_TAKEN, /* bytes of messages that the socket took since OPEN (8) */
    CHAT__TUNNEL_CLOSED,
    /* To the socket: */
    CHAT__TUNNEL_WRITE = 16, /* the message */
    CHAT__TUNNEL_END         /* code (2), text */
} chat__tunnel_word;

#define CHAT__TUNNEL_HEAD      9u
#define CHAT__TUNNEL_OPEN_HEAD 17u /* in front of the user */
/* So much of `max-unsent-bytes` may be taken before it is reported. */
#define CHAT__TUNNEL_SLACK 8u

/* Without a socket: the thread of another member has that. */
typedef struct chat__tunnel_user {
    chat__peer peer;
    struct {
        uint32_t at; /* in `to_sockets` */
        uint32_t unused;
        uint64_t number;
    } key;
    uint64_t session;
    uint64_t written, taken;
} chat__tunnel_user;

typedef struct chat__tunnel_socket {
    chat__peer peer;
    uint64_t number; /* 0: nobody serves it any more */
    uint64_t written, taken, reported;
    uint32_t slot;
} chat__tunnel_socket;

typedef struct chat__tunnels {
    chat__map sockets; /* by number */
    chat__map users;   /* by key */
    uint64_t last_number;
    chat__batch **to_sockets; /* of this turn, by place of the member and thread */
    uint32_t n_to_sockets;
} chat__tunnels;

static inline uint64_t chat__tunnel_slack(const chat__shard *shard)
{
    return shard->server->options.max_unsent_bytes / CHAT__TUNNEL_SLACK;
}

static inline chat_view chat__tunnel_key(const void *key, size_t len)
{
    chat_view view = {key, len};
    return view;
}

#endif
