/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a few hundred bytes that come and go with every message: those that were put back are
 * given out again, so that a warm pool asks its allocator for nothing. What it keeps is bounded.
 */
#ifndef CHAT_BASE_POOL_H
#define CHAT_BASE_POOL_H

#include <chat/status.h>

#define CHAT__POOL_CLASSES    5u
#define CHAT__POOL_KEEP_BYTES 524288u /* of each class */

typedef struct chat__pool {
    chat_allocator allocator;
    struct chat__pool_block *spare[CHAT__POOL_CLASSES];
    uint32_t n_spare[CHAT__POOL_CLASSES];
} chat__pool;

void chat__pool_init(chat__pool *pool, const chat_allocator *allocator);
/* Release what was put back; what was not is the caller's to put back first. */
void chat__pool_done(chat__pool *pool);

/* At least `bytes`, of which the first `n_zeroed` are zero; NULL when out of memory. */
void *chat__pool_get(chat__pool *pool, size_t bytes, size_t n_zeroed);

/* NULL does nothing. */
void chat__pool_put(chat__pool *pool, void *ptr);

#endif
