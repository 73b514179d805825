/* SPDX-License-Identifier: MIT */
/* See pool.h. */
#include "base/pool.h"
#include "base/alloc.h"

#include <string.h>

#define LEAST_BYTES 128u /* of the first kind; each next one has twice that */

/* In front of what is given out, of the size that keeps that aligned. */
typedef struct chat__pool_block {
    struct chat__pool_block *next;
    uint64_t kind; /* CHAT__POOL_CLASSES: larger than all of them */
} chat__pool_block;

void chat__pool_init(chat__pool *pool, const chat_allocator *allocator)
{
    memset(pool, 0, sizeof *pool);
    pool->allocator = chat__alloc_or_libc(allocator);
}

void chat__pool_done(chat__pool *pool)
{
    for (size_t i = 0; i < CHAT__POOL_CLASSES; i++) {
        while (pool->spare[i] != NULL) {
            chat__pool_block *block = pool->spare[i];
            pool->spare[i] = block->next;
            chat__alloc_free(&pool->allocator, block);
        }
        pool->n_spare[i] = 0;
    }
}

void *chat__pool_get(chat__pool *pool, size_t bytes, size_t n_zeroed)
{
    size_t kind = 0;
    while (kind < CHAT__POOL_CLASSES && bytes > (size_t)LEAST_BYTES << kind)
        kind++;
    chat__pool_block *block = kind < CHAT__POOL_CLASSES ? pool->spare[kind] : NULL;
    if (block != NULL) {
        pool->spare[kind] = block->next;
        pool->n_spare[kind]--;
    } else {
        size_t size = kind < CHAT__POOL_CLASSES ? (size_t)LEAST_BYTES << kind : bytes;
        if (size > SIZE_MAX - sizeof *block)
            return NULL;
        block = chat__alloc_resize(&pool->allocator, NULL, sizeof *block + size);
        if (block == NULL)
            return NULL;
        block->kind = kind;
    }
    memset(block + 1, 0, n_zeroed);
    return block + 1;
}

void chat__pool_put(chat__pool *pool, void *ptr)
{
    if (ptr == NULL)
        return;
    chat__pool_block *block = (chat__pool_block *)ptr - 1;
    uint64_t kind = block->kind;
    if (kind == CHAT__POOL_CLASSES ||
        pool->n_spare[kind] >= CHAT__POOL_KEEP_BYTES / (LEAST_BYTES << kind)) {
        chat__alloc_free(&pool->allocator, block);
        return;
    }
    block->next = pool->spare[kind];
    pool->spare[kind] = block;
    pool->n_spare[kind]++;
}
