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

/* @thread shards. The mail of the herald: what became of notifications, for the node. */
void chat__herald_take(chat__shard *shard, const chat__batch *batch);

/* @thread any. How many ever came so far. */
uint64_t chat__herald_count(const chat_server *server, chat__fate fate);

/* notify_file.c: a notifier that appends JSON lines to a file. CHAT_OK; CHAT_ERR_NOMEM. */
chat_status chat__notify_file_new(const chat_allocator *allocator, const char *path,
                                  chat_notifier *out);
void chat__notify_file_free(const chat_allocator *allocator, chat_notifier *notifier);

#endif
