/* SPDX-License-Identifier: MIT */
/*
 * Between the shards, which want users told, and the notifier, which may be slow: a bounded queue
 * and a thread. It looks up the badge on the way, and leaves out what was read meanwhile.
 */
#ifndef CHAT_SERVER_HERALD_H
#define CHAT_SERVER_HERALD_H

#include "internal.h"

typedef struct chat__herald chat__herald;

/* `server->herald` stays NULL without a notifier. CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_ARG. */
chat_status chat__herald_init(chat_server *server);
void chat__herald_done(chat_server *server);
/* @thread control. What the notifier's `open` says; CHAT_ERR_NOMEM. */
chat_status chat__herald_start(chat_server *server);
/* @thread control. What waits is told for a second at most. */
void chat__herald_stop(chat_server *server);
/* @thread shards. Copies; above the limit it is dropped and counted. */
void chat__herald_put(chat_server *server, const chat__effect *effect);

typedef enum chat__herald_fate {
    CHAT__HERALD_QUEUED = 0,
    CHAT__HERALD_SENT,
    CHAT__HERALD_ACCEPTED,
    CHAT__HERALD_FAILED,
    CHAT__HERALD_READ,    /* meanwhile: not told */
    CHAT__HERALD_MUTED,   /* by the user: not told */
    CHAT__HERALD_DROPPED, /* the queue was full, or the server stopped */
    CHAT__HERALD_FATES
} chat__herald_fate;

/* @thread any. How many ever came so far. */
uint64_t chat__herald_count(const chat_server *server, chat__herald_fate fate);

/* notify_file.c: a notifier that appends JSON lines to a file. CHAT_OK; CHAT_ERR_NOMEM. */
chat_status chat__notify_file_new(const chat_allocator *allocator, const char *path,
                                  chat_notifier *out);
void chat__notify_file_free(const chat_allocator *allocator, chat_notifier *notifier);

#endif
