/* SPDX-License-Identifier: MIT */
/*
 * The slots of a cluster, as a shard sees them: where each runs (slots_map.h), and the way there.
 * Each slot has a thread on each member; the one where it runs has its node. A shard hears by mail
 * that a slot was lost or found, in the order in which that is true for what it is sent, and then
 * tells its node; so nothing of a life of a slot comes to a node outside of that life.
 */
#ifndef CHAT_SERVER_SLOTS_H
#define CHAT_SERVER_SLOTS_H

#include "internal.h"
#include "slots_map.h"

/* A record of a link is a kind, the life of the slot that it is for (0: none), and then frames with
   their lengths as in a batch; or what slots_map.h says. */
typedef enum chat__slots_record {
    CHAT__SLOTS_SAID = 1,
    CHAT__SLOTS_FRAMES,   /* from node to node */
    CHAT__SLOTS_TO_HOME,  /* tunnel.h: from a thread to a node */
    CHAT__SLOTS_TO_SOCKET /* from a node to a thread */
} chat__slots_record;

#define CHAT__SLOTS_HEAD 9u

typedef struct chat__slots {
    chat__slot_place places[CHAT__SLOTS_MAX]; /* as this shard was told */
    chat__batch *to_home[CHAT__SLOTS_MAX];    /* of this turn */
    struct chat__tunnels *tunnels;
} chat__slots;

/* What mail of kind SLOTS holds, any number of them. */
typedef struct chat__slots_news {
    enum { CHAT__SLOTS_NEWS_LOST = 1, CHAT__SLOTS_NEWS_FOUND, CHAT__SLOTS_NEWS_GONE } type;
    uint32_t slot;          /* LOST, FOUND */
    uint32_t member;        /* GONE: all that it had to do with this shard is over */
    chat__slot_place place; /* FOUND */
} chat__slots_news;

/* @thread any, before the shard's thread. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__slots_init(chat__shard *shard);
void chat__slots_done(chat__shard *shard);

/* The rest: @thread the shard's own. */

/* In the first turn: its node knows of nobody yet. */
void chat__slots_begin(chat__shard *shard);
void chat__slots_take_news(chat__shard *shard, const chat__batch *batch);

/* Where a slot runs; NULL: here, and no other way is possible. */
const chat__slot_place *chat__slots_place(const chat__shard *shard, uint32_t slot);

/* One more frame for a slot or a thread, in `*batch`, which is made when it is NULL. Its head is
   left free. CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_LIMIT. */
chat_status chat__slots_add(chat__shard *shard, chat__batch **batch, chat__mail_kind kind,
                            chat_view a, chat_view b);
/* Send a batch to node or thread `to` of a member, in records; takes it. */
void chat__slots_send(chat__shard *shard, chat__batch *batch, const chat__slot_place *place,
                      uint32_t to);
/* Hand on what was collected for nodes, here and elsewhere. */
void chat__slots_send_batches(chat__shard *shard);

/* A member said what cannot be: its session is over. Nothing when it was a shard of this one. */
void chat__slots_distrust(chat__shard *shard, const chat__batch *batch);

/* The next of a batch's frames: CHAT_OK, CHAT_EMPTY. */
chat_status chat__slots_next(chat_view *left, chat_view *out);

#endif
