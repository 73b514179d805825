/* SPDX-License-Identifier: MIT */
/*
 * What servers share in memory (<chat/backend/shared.h>): a thread that tells it which devices are
 * connected here, asks it who is online elsewhere, and counts there what is limited over all
 * members. Nothing waits for it: what it cannot be told is told later, and without it each member
 * knows what it knows itself.
 */
#ifndef CHAT_SERVER_COMMONS_H
#define CHAT_SERVER_COMMONS_H

#include "internal.h"

typedef struct chat__commons_figures {
    uint64_t is_up;  /* nothing is known to be wrong */
    uint64_t n_asks; /* that were answered, or failed */
    uint64_t n_failed;
    uint64_t n_devices;        /* that are told to be here */
    uint64_t n_kept, n_shed;   /* newest records of chats (recent.h) */
    uint64_t n_hits, n_misses; /* pages of them */
} chat__commons_figures;

/* Without options.shared nothing happens in all of these. What is wrong goes to the log. CHAT_OK,
   CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__commons_init(chat_server *server);
void chat__commons_done(chat_server *server);
/* @thread control */
chat_status chat__commons_start(chat_server *server);
/* @thread control, when the shards are gone. Says that all devices are away: a second at most. */
void chat__commons_stop(chat_server *server);

/* @thread shards. PRESENCE and WHO. */
void chat__commons_put(chat__shard *shard, const chat__effect *effect);
/* At the end of a turn. */
void chat__commons_send(chat__shard *shard);
/* The shard's node is gone, and all of its users with it. */
void chat__commons_drop(chat__shard *shard);
/* A WHO batch with the answer. */
void chat__commons_take(chat__shard *shard, const chat__batch *batch);

/* @thread any. 0: there is none. */
int chat__commons_figures_get(const chat_server *server, chat__commons_figures *out);

#endif
