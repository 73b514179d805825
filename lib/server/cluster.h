/* SPDX-License-Identifier: MIT */
/*
 * The members of a cluster as one server: which slots run where, told to the other members and to
 * the shards of this one, and what comes over the links brought to its shard. With link-* options
 * but without `slots` a server keeps its links up and is one of its own.
 */
#ifndef CHAT_SERVER_CLUSTER_H
#define CHAT_SERVER_CLUSTER_H

#include "links.h"
#include "slots.h"

typedef struct chat__cluster {
    chat_server *server;
    uv_mutex_t mutex; /* of the map, and of the order in which shards hear what follows from it */
    int has_mutex;
    chat__slots_map *map;
    uint32_t members[CHAT__LINKS_MAX_OTHERS]; /* besides this one; there may come more */
    _Atomic uint32_t n_members;
} chat__cluster;

/* @thread control. Without link-* options they do nothing. */
/* Before the shards are made. */
chat_status chat__cluster_init(chat_server *server);
chat_status chat__cluster_start(chat_server *server);
void chat__cluster_stop(chat_server *server);
void chat__cluster_done(chat_server *server);

/* A member was found, and where it is; one that nobody knew is a member from now on. */
void chat__cluster_meet(chat_server *server, uint32_t member, const char *address);

/* Whether a slot is this member's, when places are fixed: the k-th slot is on the k-th member, and
   so on, going round. */
int chat__cluster_is_own(const chat_server *server, uint32_t slot);
/* The place of a member among all others; CHAT__LINKS_MAX_OTHERS: there is no such member. */
uint32_t chat__cluster_place_of(const chat__cluster *cluster, uint32_t member);

/* @thread any. The shard's node lives from now on, or does not: whoever has to know is told. */
void chat__cluster_slot_started(chat__shard *shard, uint64_t term);
void chat__cluster_slot_stopped(chat__shard *shard);
/* @thread shards. What came with a batch is dealt with. */
void chat__cluster_settle(const chat_server *server, const chat__batch *batch);

#endif
