/* SPDX-License-Identifier: MIT */
/*
 * What a reader of a partition derives from it: the seq of each record, and whether its id was
 * among the `window` records before it. Only offsets and ids decide, so all readers agree: one that
 * starts in the middle is shown the ids of the window before with chat__follow_note().
 */
#ifndef CHAT_ID_FOLLOW_H
#define CHAT_ID_FOLLOW_H

#include <chat/status.h>

typedef struct chat__follow_item {
    uint64_t id; /* 0: none */
    uint64_t offset;
} chat__follow_item;

typedef struct chat__follow {
    chat_allocator allocator;
    chat__follow_item *items; /* at offset % window */
    uint32_t *slots;          /* of a hash table: index in items + 1, 0: empty */
    uint32_t window;
    uint32_t mask;
    uint64_t seq; /* of the last record that counts */
} chat__follow;

/* CHAT_OK, CHAT_ERR_NOMEM. `window` is at least 1. */
chat_status chat__follow_init(chat__follow *follow, const chat_allocator *allocator,
                              uint32_t window, uint64_t seq);
void chat__follow_done(chat__follow *follow);

/* The record was there before the position. Offsets rise; `id` is not 0. */
void chat__follow_note(chat__follow *follow, uint64_t offset, uint64_t id);

/* CHAT_OK: it counts, with `*out_seq`. CHAT_ERR_EXISTS: it is to be dropped. */
chat_status chat__follow_next(chat__follow *follow, uint64_t offset, uint64_t id,
                              uint64_t *out_seq);

#endif
