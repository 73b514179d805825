/* SPDX-License-Identifier: MIT */
/* What redis.c, say.c, hear.c and sockets.c share. Nobody else includes it. */
#ifndef CHAT_REDIS_INTERNAL_H
#define CHAT_REDIS_INTERNAL_H

#include <chat/redis.h>

#include "backends/redis/fleet.h"
#include "net/dial.h"
#include "net/resolve.h"
#include "net/tls.h"

#define CHAT__REDIS_SEQ_DIGITS 16u /* hexadecimal, in front of a record that is kept */
/* In front of the seq up to which records were cut: behind all of them. */
#define CHAT__REDIS_RECENT_END "ffffffffffffffff"

/* An ask of the caller: one command, or several when it names many users. */
typedef struct chat__redis_op {
    uint64_t tag;
    chat_shared_op op;  /* 0: free */
    uint32_t next_free; /* index + 1 */
    uint32_t n_left;    /* commands without an answer */
    chat_status status; /* the first that failed */
    uint32_t n_users;
    /* WHO: of each user, which one is next in the same command (0: none), and what came. */
    uint16_t *next_user;
    uint8_t *is_online;
} chat__redis_op;

typedef enum chat__redis_phase {
    CHAT__REDIS_SOCKET_NONE,
    CHAT__REDIS_SOCKET_RESOLVING,
    CHAT__REDIS_SOCKET_CONNECTING,
    CHAT__REDIS_SOCKET_OPEN
} chat__redis_phase;

typedef struct chat__redis_socket {
    chat__redis_phase phase;
    int fd;              /* OPEN */
    uint8_t is_ready;    /* to be read */
    uint8_t wants_write; /* as epoll knows it */
    chat__redis_address address;
    chat__resolve *resolve;
    chat__dial dial;
    chat__tls_context *tls_context; /* of `address`, kept: its session is resumed */
    chat__tls *tls;
    size_t tls_repeat_bytes;
} chat__redis_socket;

struct chat_redis {
    chat_allocator allocator;
    chat_redis_options options;
    chat_shared table;
    char *ca_file;
    chat__redis_fleet *fleet;
    uint64_t now_ms;
    /* asks */
    chat__redis_op *ops;
    uint32_t first_free; /* index + 1 */
    chat__buf items;     /* of the last event */
    /* sockets */
    int epoll_fd;
    chat__redis_socket sockets[CHAT__REDIS_MAX_LINKS];
    uint8_t bytes[65536]; /* just read */
};

/* --- say.c: asks become commands --- */
chat_status chat__redis_say(chat_redis *redis, const chat_shared_ask *ask);
void chat__redis_op_free(chat_redis *redis, chat__redis_op *op);

/* --- hear.c: replies become events. CHAT_OK: `out` is one; CHAT_EMPTY: more parts are to come. ---
 */
chat_status chat__redis_hear(chat_redis *redis, const chat__redis_fleet_event *event,
                             chat_shared_event *out);

/* --- sockets.c --- */
chat_status chat__redis_sockets_init(chat_redis *redis);
void chat__redis_sockets_done(chat_redis *redis);
/* Read what came, as far as it is quick. */
void chat__redis_sockets_read(chat_redis *redis);
/* Dial, hang up and write as the fleet wants it. */
void chat__redis_sockets_work(chat_redis *redis);
uint64_t chat__redis_sockets_deadline(const chat_redis *redis);

#endif
