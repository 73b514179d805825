/* SPDX-License-Identifier: MIT */
/*
 * Where the slots of a cluster run, as one member knows it: a function of what happens, without
 * threads and sockets. Each run of a slot is a *life*, with a random number; a life has a *term*,
 * and of two members that say they run a slot the higher term counts. What a member runs it says
 * itself, in the stream of its link: all of it when a session begins, and then what changes. So
 * what is known of a member ends with its session, and a frame belongs to the life that was said
 * last in front of it.
 *
 * After each input chat__slots_map_next() says what became of slots: the old place is lost, then
 * there is a new one.
 */
#ifndef CHAT_SERVER_SLOTS_MAP_H
#define CHAT_SERVER_SLOTS_MAP_H

#include <chat/status.h>

#include "base/buf.h"

#define CHAT__SLOTS_MAX     256u
#define CHAT__SLOTS_HERE    UINT32_MAX /* instead of a member's number */
#define CHAT__SLOTS_SAY_LEN 20u        /* of a slot in what members say */

typedef struct chat__slot_place {
    uint64_t life; /* 0: the slot runs nowhere */
    uint64_t term;
    uint64_t session; /* of the member's link; 0: here */
    uint32_t member;  /* CHAT__SLOTS_HERE: this one */
} chat__slot_place;

typedef struct chat__slots_change {
    uint32_t slot;
    chat__slot_place was; /* lost, when it has a life */
    chat__slot_place is;  /* found, when it has a life */
} chat__slots_change;

typedef struct chat__slots_map chat__slots_map;

/* Of this member alone. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__slots_map_new(const chat_allocator *allocator, uint32_t n_slots,
                                chat__slots_map **out);
void chat__slots_map_free(chat__slots_map *map);
/* One more member, which is not there yet. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__slots_map_add(chat__slots_map *map, uint32_t member);

/* This member runs the slot from now on: `life` is random, not 0. */
void chat__slots_map_start(chat__slots_map *map, uint32_t slot, uint64_t term, uint64_t life);
void chat__slots_map_stop(chat__slots_map *map, uint32_t slot);

/* A session begins: the other side has said nothing yet. */
void chat__slots_map_up(chat__slots_map *map, uint32_t member, uint64_t session);
void chat__slots_map_lost(chat__slots_map *map, uint32_t member);

/* What a member has said of its slots. CHAT_OK; CHAT_ERR_SYNTAX: nothing that can be read;
   CHAT_ERR_STATE: there is no session. */
chat_status chat__slots_map_told(chat__slots_map *map, uint32_t member, chat_view said);

/* What this member has to say: of all that it runs, or of one slot. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__slots_map_say_all(const chat__slots_map *map, chat__buf *out);
chat_status chat__slots_map_say(const chat__slots_map *map, uint32_t slot, chat__buf *out);

/* What became of a slot, as far as it was not told. CHAT_OK, CHAT_EMPTY. */
chat_status chat__slots_map_next(chat__slots_map *map, chat__slots_change *out);

/* Where a slot runs, as it was told last. */
const chat__slot_place *chat__slots_map_place(const chat__slots_map *map, uint32_t slot);
/* The life of a slot that this member runs, 0: it does not. */
uint64_t chat__slots_map_own_life(const chat__slots_map *map, uint32_t slot);
/* The session of a member's link, 0: there is none. */
uint64_t chat__slots_map_session(const chat__slots_map *map, uint32_t member);
/* Whether a frame that came from a member's link may go to a slot here: the slot that it is from
   runs there, and the one that it is to lives the life that the sender meant. */
int chat__slots_map_lets_in(const chat__slots_map *map, uint32_t member, uint32_t from, uint32_t to,
                            uint64_t to_life);

#endif
