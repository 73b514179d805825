/* SPDX-License-Identifier: MIT */
/* Pages from the newest records of a chat that somebody has at hand: which they are, and whether
   nothing is missing. */
#ifndef CHAT_VIEWS_RECENT_H
#define CHAT_VIEWS_RECENT_H

#include <chat/status.h>

#include "views/members.h"

/* Most records that are looked at. */
#define CHAT__RECENT_MAX 128u

/* A record: where it is, and where the one before it in its chat is. */
typedef struct chat__recent_place {
    uint64_t seq, prev;
} chat__recent_place;

typedef struct chat__recent {
    const chat__recent_place *places; /* the newest first */
    size_t n_places;
    uint64_t head_seq; /* of the newest record of the chat */
    const chat__range *ranges;
    size_t n_ranges;        /* what is read, the oldest first */
    uint64_t after, before; /* of them; after UINT64_MAX: the newest first */
    uint32_t limit;
} chat__recent;

/*
 * The numbers of the records that are the page, in its order, and of one more if there is one:
 * `out` has room for limit + 1. Only what follows record by record from the head on counts.
 * CHAT_OK; CHAT_EMPTY: the page is not among them.
 */
chat_status chat__recent_pick(const chat__recent *recent, uint32_t *out, size_t *out_n);

#endif
