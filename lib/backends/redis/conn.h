/* SPDX-License-Identifier: MIT */
/*
 * One connection to a Redis server as a function of its bytes and of time: when to dial, what to
 * send, what came back. It logs in, looks at the server, and then carries commands, as many at once
 * as are said; replies come in their order. When it is lost all that waits is told so, and it is
 * dialled again after a pause that grows, with jitter. It opens no socket and reads no clock.
 * One caller at a time.
 */
#ifndef CHAT_REDIS_CONN_H
#define CHAT_REDIS_CONN_H

#include "backends/redis/reply.h"

#define CHAT__REDIS_WHY_BYTES 384u

typedef struct chat__redis_conn chat__redis_conn;

/* What kind of server is meant, which is looked at when it was dialled. */
typedef enum chat__redis_kind {
    CHAT__REDIS_STANDALONE,
    CHAT__REDIS_CLUSTER,
    CHAT__REDIS_SENTINEL
} chat__redis_kind;

typedef struct chat__redis_conn_options {
    chat_allocator allocator;
    chat__redis_kind kind;
    const char *user;          /* NULL: the default one */
    const char *password;      /* NULL: none */
    uint32_t database;         /* 0: it is not selected */
    int must_be_primary;       /* ask for its role */
    uint32_t timeout_ms;       /* of dialling and logging in together, and of each reply: 2,000 */
    uint32_t first_pause_ms;   /* before it is dialled again, twice as long each time: 100 */
    uint32_t max_pause_ms;     /* 5,000 */
    uint32_t max_in_flight;    /* commands without a reply: 1,024 */
    uint32_t max_unsent_bytes; /* 4 MiB */
    uint32_t max_reply_bytes;  /* 16 MiB */
    uint32_t max_reply_values; /* 65,536 */
    uint64_t seed;             /* of the jitter */
} chat__redis_conn_options;

void chat__redis_conn_options_init(chat__redis_conn_options *options);

/* The strings are copied. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__redis_conn_new(const chat__redis_conn_options *options, chat__redis_conn **out);
void chat__redis_conn_free(chat__redis_conn *conn);

typedef enum chat__redis_conn_state {
    CHAT__REDIS_DOWN,     /* no socket; dial when chat__redis_conn_may_dial() */
    CHAT__REDIS_DIALLING, /* between chat__redis_conn_dialling() and _opened() */
    CHAT__REDIS_GREETING,
    CHAT__REDIS_READY,
    CHAT__REDIS_ENDING /* close the socket; events tell what was lost, the last one is DOWN */
} chat__redis_conn_state;

chat__redis_conn_state chat__redis_conn_get_state(const chat__redis_conn *conn);
/* Whether its pause is over. */
int chat__redis_conn_may_dial(const chat__redis_conn *conn, uint64_t now_ms);
void chat__redis_conn_dialling(chat__redis_conn *conn, uint64_t now_ms);
/* The socket is connected: what greets is to be sent. */
void chat__redis_conn_opened(chat__redis_conn *conn, uint64_t now_ms);
/* The socket is lost, or shall be: `why` is copied. Nothing happens when it is down. */
void chat__redis_conn_closed(chat__redis_conn *conn, chat_status status, const char *why);

/* Bytes came; then read all events. */
void chat__redis_conn_feed(chat__redis_conn *conn, chat_view bytes);
/* What is to be sent, borrowed until the next call; then how much of it was. */
chat_view chat__redis_conn_unsent(const chat__redis_conn *conn);
void chat__redis_conn_sent(chat__redis_conn *conn, size_t n);

/* Say a command that was formatted; `ticket` comes back with its reply. CHAT_OK; CHAT_ERR_STATE: it
   is not ready; CHAT_ERR_BUSY: too much is under way; CHAT_ERR_NOMEM. */
chat_status chat__redis_conn_say(chat__redis_conn *conn, uint64_t ticket, chat_view command,
                                 uint64_t now_ms);

/* When chat__redis_conn_process() has something to do, UINT64_MAX: not by itself. When it may be
   dialled again is in it. */
uint64_t chat__redis_conn_deadline(const chat__redis_conn *conn);
/* A reply that is late ends the connection: all others wait behind it. */
void chat__redis_conn_process(chat__redis_conn *conn, uint64_t now_ms);

typedef enum chat__redis_conn_event_type {
    CHAT__REDIS_CONN_READY = 1, /* commands may be said */
    CHAT__REDIS_CONN_REPLY,     /* `ticket`, `reply` */
    CHAT__REDIS_CONN_LOST,      /* `ticket`: it is not known whether the command was carried out */
    CHAT__REDIS_CONN_DOWN       /* `status`, `why`, which names what to change */
} chat__redis_conn_event_type;

typedef struct chat__redis_conn_event {
    chat__redis_conn_event_type type;
    chat_status status;
    uint64_t ticket;
    chat__redis_reply reply;
    const char *why;
} chat__redis_conn_event;

/* Views in it are borrowed until the next call of this function or of feed. `now_ms` begins the
   pause behind DOWN. CHAT_OK, CHAT_EMPTY. */
chat_status chat__redis_conn_next_event(chat__redis_conn *conn, uint64_t now_ms,
                                        chat__redis_conn_event *out);

#endif
