/* SPDX-License-Identifier: MIT */
/*
 * The node of a shard: made when its slot is to run here, and taken down when it is not. To stop is
 * to say `bye`, to finish what was accepted, and to end; a slot that was lost ends at once, as if
 * it had crashed. The control thread says what is wanted (placer.h), the shard does it.
 */
#ifndef CHAT_SERVER_SLOT_H
#define CHAT_SERVER_SLOT_H

#include "internal.h"

/* @thread any, before the shard's own. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__slot_init(chat__shard *shard);

/* @thread control. Run it in this term; 0: do not. `is_lost`: not even for a moment. */
void chat__slot_want(chat__shard *shard, uint64_t term, int is_lost);
/* @thread control. The term in which it runs, also while it stops; 0: it does not. */
uint64_t chat__slot_term(const chat__shard *shard);

/* @thread any: storage says that the slot's partitions are ours, with ids up to `max_id`; that they
   are left; that another server has taken one of them; that they cannot be taken over here. */
void chat__slot_opened(chat__shard *shard, uint64_t max_id);
void chat__slot_closed(chat__shard *shard);
void chat__slot_taken(chat__shard *shard);
void chat__slot_refused(chat__shard *shard);

/* The rest: @thread the shard's own. */
/* In the first turn. */
void chat__slot_begin(chat__shard *shard);
/* Do what is wanted. */
void chat__slot_follow(chat__shard *shard);
/* At the end of a turn: whether what was to be finished is. */
void chat__slot_check(chat__shard *shard);

#endif
