/* SPDX-License-Identifier: MIT */
/*
 * The records of one chat, linked backwards: to the one before and to an older one, chosen as in
 * E. W. Myers, "An applicative random-access stack", Information Processing Letters 17 (1983):
 * the ordinals form complete binary trees of 2^k - 1 records each, sizes falling towards the newest
 * but for the last two, which may be equal. A new record joins the last two trees if they are
 * equal, else it stands alone; it skips to the newest record in front of its tree. Any record is
 * then O(log n) hops away, and all that a writer must know of a chat are the newest records of its
 * O(log n) trees: its roots.
 */
#ifndef CHAT_STORE_CHAIN_H
#define CHAT_STORE_CHAIN_H

#include "base/buf.h"
#include "store/record.h"
#include "store/segment.h"

#define CHAT__CHAIN_ROOTS_MAX 64u

typedef struct chat__root {
    uint64_t at; /* 0: not known, after damage */
    uint64_t seq;
} chat__root;

/* How many roots a chat of so many records has. */
size_t chat__chain_n_roots(uint64_t ordinal);

/* Ordinal to which record `ordinal` skips, 0: none. */
uint64_t chat__chain_skip_ordinal(uint64_t ordinal);

/* Whether record `ordinal` joins the last two trees before it. */
int chat__chain_joins(uint64_t ordinal);

/*
 * Add a record that joins or not: `roots` are those of the one before and have room for one more.
 * Returns how many there are now; the last is the new record, the one in front of it is where it
 * skips to.
 */
size_t chat__chain_push(chat__root *roots, size_t n_roots, int joins, chat__root added);

/* Where damage makes a detour necessary, once found. */
typedef struct chat__detour {
    uint64_t damaged_at;
    uint64_t found_at; /* the record of the chat before it, 0: none */
} chat__detour;

#define CHAT__CHAIN_DETOURS_MAX 256u
#define CHAT__CHAIN_TOLD_MAX    256u

/* What it takes to follow chains; any thread, each with its own reader. */
typedef struct chat__chain_shared {
    pthread_mutex_t lock;
    chat__detour detours[CHAT__CHAIN_DETOURS_MAX]; /* a ring */
    size_t n_detours;
    /* Damage that reading comes upon is told once; may be NULL. Called without the lock. */
    void (*tell)(void *ctx, uint64_t at);
    void *tell_ctx;
    uint64_t told[CHAT__CHAIN_TOLD_MAX]; /* a ring */
    size_t n_told;
} chat__chain_shared;

typedef struct chat__chain {
    chat__segments *segments;
    chat__chain_shared *shared;
    chat_view chat;
    chat__buf bytes; /* of the record that was read last */
} chat__chain;

void chat__chain_init(chat__chain *chain, chat__segments *segments, chat__chain_shared *shared,
                      const chat_allocator *allocator, chat_view chat);
void chat__chain_done(chat__chain *chain);

/* Read a record's head. CHAT_OK; CHAT_ERR_CORRUPT not a record of this chat; CHAT_ERR_IO. */
chat_status chat__chain_read(chat__chain *chain, uint64_t at, chat__record *out);

/* Read its payload, borrowed until the next read; the record may have been erased since its head
   was read, is_erased says so. CHAT_OK, CHAT_ERR_CORRUPT, CHAT_ERR_IO. */
chat_status chat__chain_payload(chat__chain *chain, chat__record *record, chat_view *out);

/*
 * Read the record at `at` or, if it is damaged, the newest one before it. `floor_at`: an older
 * record of the chat from which to look for it, 0: not known. CHAT_EMPTY: there is none.
 */
chat_status chat__chain_at_or_before(chat__chain *chain, uint64_t at, uint64_t floor_at,
                                     chat__record *out);

/* The record before this one. CHAT_OK, CHAT_EMPTY, CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__chain_prev(chat__chain *chain, const chat__record *record, chat__record *out);

/*
 * From `record` back to the newest record with seq < `seq_below` and ordinal <= `max_ordinal`.
 * CHAT_OK, CHAT_EMPTY, CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__chain_find(chat__chain *chain, uint64_t seq_below, uint64_t max_ordinal,
                             chat__record *record);

#endif
