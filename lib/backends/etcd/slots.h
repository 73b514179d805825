/* SPDX-License-Identifier: MIT */
/*
 * Which member runs which slot, from etcd (<chat/backend/places.h>), as a function of its answers
 * and of time. Calls come out one at a time, their replies go in.
 *
 * Keys below the prefix, NNNN a number of four digits; all hang on the lease of who wrote them:
 *   slot/NNNN    "<member>": who has the slot. Written when it is not there, never changed: the
 *                revision in which it was written is the term of the claim
 *   place/NNNN   "<runs_slots>" or "<runs_slots> <address>": the member is there
 *
 * What is ours is so until the lease would end if etcd had counted from when we last asked it to go
 * on. All keys are read twice a second, or when the caller has heard of a change; what is there
 * under our lease is ours whatever we had heard, so an answer that is lost, or a claim that comes
 * late, leaves nothing behind.
 */
#ifndef CHAT_ETCD_SLOTS_H
#define CHAT_ETCD_SLOTS_H

#include <chat/backend/places.h>

#include "backends/etcd/call.h"

typedef struct chat__etcd_slots chat__etcd_slots;

typedef struct chat__etcd_slots_options {
    const chat_allocator *allocator;
    const char *prefix; /* copied */
    chat__etcd_endpoints endpoints;
    uint64_t ttl_ms;
    const chat_places_wish *wish; /* copied */
} chat__etcd_slots_options;

/* CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
chat_status chat__etcd_slots_new(const chat__etcd_slots_options *options, chat__etcd_slots **out);
/* NULL does nothing. */
void chat__etcd_slots_free(chat__etcd_slots *slots);

void chat__etcd_slots_begin(chat__etcd_slots *slots, uint64_t mono_ms);
uint64_t chat__etcd_slots_deadline(const chat__etcd_slots *slots);
/* CHAT_OK: forget what was asked before, ask this; CHAT_EMPTY. */
chat_status chat__etcd_slots_next_call(chat__etcd_slots *slots, chat__etcd_call *out);
/* Of the last call. */
void chat__etcd_slots_reply(chat__etcd_slots *slots, const chat__etcd_reply *reply);
/* As chat_places. */
chat_status chat__etcd_slots_next_event(chat__etcd_slots *slots, chat_places_event *out);
chat_status chat__etcd_slots_look(const chat__etcd_slots *slots, chat_places_picture *out);
void chat__etcd_slots_claim(chat__etcd_slots *slots, uint32_t slot);
void chat__etcd_slots_give_up(chat__etcd_slots *slots, uint32_t slot);
/* Whether changes are heard of, so that keys are read less often without one, and whether there was
   one. */
void chat__etcd_slots_hear(chat__etcd_slots *slots, int is_heard, int has_news);
void chat__etcd_slots_leave(chat__etcd_slots *slots);
void chat__etcd_slots_release(chat__etcd_slots *slots, uint64_t mono_ms);

#endif
