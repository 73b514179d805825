/* SPDX-License-Identifier: MIT */
/*
 * All connections to a Redis of any shape, as a function of bytes and time: one server, shards that
 * are chosen here, a primary that sentinels name, a Redis Cluster. An ask is a command with a key;
 * it goes to the server that has the key, follows it when it moves, waits while there is none, and
 * is answered once, at the latest at its deadline. Who drives it opens and closes sockets as told.
 * One caller at a time.
 */
#ifndef CHAT_REDIS_FLEET_H
#define CHAT_REDIS_FLEET_H

#include "backends/redis/conn.h"
#include "backends/redis/slot.h"

#define CHAT__REDIS_MAX_LINKS   64u
#define CHAT__REDIS_MAX_SCRIPTS 16u

typedef struct chat__redis_fleet chat__redis_fleet;

typedef enum chat__redis_mode {
    CHAT__REDIS_ONE,
    CHAT__REDIS_SHARDS,
    CHAT__REDIS_WATCHED, /* by sentinels */
    CHAT__REDIS_CLUSTERED
} chat__redis_mode;

typedef struct chat__redis_fleet_options {
    chat__redis_mode mode;
    const char *servers; /* "host:port,...", of sentinels when watched; read by _new() */
    const char *master;  /* the name that sentinels know the primary by */
    const char *sentinel_user, *sentinel_password;
    chat__redis_conn_options conn; /* of all servers but sentinels; read by _new() */
    uint32_t wait_ms;              /* until an ask is answered at the latest: 5,000 */
    uint32_t poll_ms;              /* how often a sentinel is asked, a cluster at most: 1,000 */
    uint32_t max_asks;             /* without an answer: 4,096 */
    uint64_t max_ask_bytes;        /* of them together: 16 MiB */
    const char *const *scripts;    /* text of each, static */
    uint32_t n_scripts;
} chat__redis_fleet_options;

void chat__redis_fleet_options_init(chat__redis_fleet_options *options);

/* CHAT_OK; CHAT_ERR_ARG: `why` names the option; CHAT_ERR_NOMEM. */
chat_status chat__redis_fleet_new(const chat__redis_fleet_options *options,
                                  char why[CHAT__REDIS_WHY_BYTES], chat__redis_fleet **out);
void chat__redis_fleet_free(chat__redis_fleet *fleet);

/* --- sockets --- */

typedef enum chat__redis_io_type {
    CHAT__REDIS_IO_DIAL = 1, /* connect `link` to `address` (and TLS) */
    CHAT__REDIS_IO_HANG_UP   /* close the socket of `link`, or stop to connect */
} chat__redis_io_type;

typedef struct chat__redis_io {
    chat__redis_io_type type;
    uint32_t link; /* below CHAT__REDIS_MAX_LINKS */
    chat__redis_address address;
} chat__redis_io;

/* What is to be done; read all after each process. CHAT_OK, CHAT_EMPTY. */
chat_status chat__redis_fleet_next_io(chat__redis_fleet *fleet, uint64_t now_ms,
                                      chat__redis_io *out);
void chat__redis_fleet_opened(chat__redis_fleet *fleet, uint32_t link, uint64_t now_ms);
/* The socket is closed, or could not be opened. */
void chat__redis_fleet_closed(chat__redis_fleet *fleet, uint32_t link, chat_status status,
                              const char *why);
void chat__redis_fleet_feed(chat__redis_fleet *fleet, uint32_t link, chat_view bytes);
chat_view chat__redis_fleet_unsent(const chat__redis_fleet *fleet, uint32_t link);
void chat__redis_fleet_sent(chat__redis_fleet *fleet, uint32_t link, size_t n);

/* --- asks --- */

typedef struct chat__redis_ask {
    uint64_t tag;
    uint32_t script;   /* 0: none; else index + 1: n_args begin behind the digest */
    int is_repeatable; /* to do it twice does no harm: it is said again when a connection is lost */
    chat_view key;
    int n_args;
    const char *const *args;
    const size_t *lens;
} chat__redis_ask;

/* CHAT_OK; CHAT_ERR_BUSY: `max_asks` or `max_ask_bytes` wait; CHAT_ERR_NOMEM. */
chat_status chat__redis_fleet_ask(chat__redis_fleet *fleet, const chat__redis_ask *ask,
                                  uint64_t now_ms);
/* Which part of an ask with many keys a key belongs to: the same for keys that one command may
   name. */
uint32_t chat__redis_fleet_part(const chat__redis_fleet *fleet, chat_view key);

typedef enum chat__redis_fleet_event_type {
    CHAT__REDIS_FLEET_ANSWER = 1, /* `tag`, `status`; CHAT_OK: `reply`. CHAT_ERR_TIMEOUT: it may
                                     have been carried out or not; else not */
    CHAT__REDIS_FLEET_PROBLEM,    /* `status`, `why`; it goes on by itself */
    CHAT__REDIS_FLEET_WELL        /* behind a problem: it is over */
} chat__redis_fleet_event_type;

typedef struct chat__redis_fleet_event {
    chat__redis_fleet_event_type type;
    chat_status status;
    uint64_t tag;
    chat__redis_reply reply;
    const char *why;
} chat__redis_fleet_event;

/* Borrowed until the next call of any function. CHAT_OK, CHAT_EMPTY. */
chat_status chat__redis_fleet_next_event(chat__redis_fleet *fleet, uint64_t now_ms,
                                         chat__redis_fleet_event *out);
uint64_t chat__redis_fleet_deadline(const chat__redis_fleet *fleet);
void chat__redis_fleet_process(chat__redis_fleet *fleet, uint64_t now_ms);

#endif
