/* SPDX-License-Identifier: MIT */
/* Memory that lives until the arena is reset: what one turn needs, without a free for each piece.
 */
#ifndef CHAT_BASE_ARENA_H
#define CHAT_BASE_ARENA_H

#include <chat/status.h>

typedef struct chat__arena_block chat__arena_block;

typedef struct chat__arena {
    chat_allocator allocator;
    chat__arena_block *blocks; /* the one in use first */
    size_t used;               /* of the first block */
    size_t total_bytes;        /* of all blocks */
    size_t max_bytes;
} chat__arena;

void chat__arena_init(chat__arena *arena, const chat_allocator *allocator, size_t max_bytes);
void chat__arena_done(chat__arena *arena);

/* Forget everything that was given; one block stays for the next turn. */
void chat__arena_reset(chat__arena *arena);

/* Aligned for any type, not zeroed. NULL when out of memory or above `max_bytes`. */
void *chat__arena_get(chat__arena *arena, size_t bytes);

/* A copy of the bytes; `data` is NULL on failure (and for an empty view). */
chat_view chat__arena_copy(chat__arena *arena, chat_view bytes);

#endif
