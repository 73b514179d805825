/* SPDX-License-Identifier: MIT */
/* See arena.h. */
#include "base/arena.h"
#include "base/alloc.h"

#include <string.h>

#define BLOCK_BYTES     16384u /* of the first; each next one has twice that */
#define MAX_BLOCK_BYTES (1u << 20)
#define ALIGNMENT       16u

struct chat__arena_block {
    chat__arena_block *next;
    size_t cap;
};

#define HEAD_BYTES ((sizeof(chat__arena_block) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1))

void chat__arena_init(chat__arena *arena, const chat_allocator *allocator, size_t max_bytes)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = chat__alloc_or_libc(allocator);
    arena->max_bytes = max_bytes;
}

static void free_blocks(chat__arena *arena, chat__arena_block *block)
{
    while (block != NULL) {
        chat__arena_block *next = block->next;
        arena->total_bytes -= block->cap;
        chat__alloc_free(&arena->allocator, block);
        block = next;
    }
}

void chat__arena_done(chat__arena *arena)
{
    free_blocks(arena, arena->blocks);
    arena->blocks = NULL;
    arena->used = 0;
}

void chat__arena_reset(chat__arena *arena)
{
    arena->used = 0;
    if (arena->blocks == NULL)
        return;
    free_blocks(arena, arena->blocks->next);
    arena->blocks->next = NULL;
    /* A block that one huge turn asked for is not kept. */
    if (arena->blocks->cap > MAX_BLOCK_BYTES) {
        free_blocks(arena, arena->blocks);
        arena->blocks = NULL;
    }
}

void *chat__arena_get(chat__arena *arena, size_t bytes)
{
    if (bytes > arena->max_bytes)
        return NULL;
    size_t need = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->blocks == NULL || need > arena->blocks->cap - arena->used) {
        size_t cap = arena->blocks == NULL ? BLOCK_BYTES : arena->blocks->cap * 2;
        if (cap > MAX_BLOCK_BYTES)
            cap = MAX_BLOCK_BYTES;
        if (cap < need)
            cap = need;
        if (cap > arena->max_bytes - arena->total_bytes)
            return NULL;
        chat__arena_block *block = chat__alloc_resize(&arena->allocator, NULL, HEAD_BYTES + cap);
        if (block == NULL)
            return NULL;
        block->next = arena->blocks;
        block->cap = cap;
        arena->blocks = block;
        arena->total_bytes += cap;
        arena->used = 0;
    }
    void *out = (uint8_t *)arena->blocks + HEAD_BYTES + arena->used;
    arena->used += need;
    return out;
}

chat_view chat__arena_copy(chat__arena *arena, chat_view bytes)
{
    chat_view out = {NULL, 0};
    if (bytes.len == 0)
        return out;
    uint8_t *copy = chat__arena_get(arena, bytes.len);
    if (copy == NULL)
        return out;
    memcpy(copy, bytes.data, bytes.len);
    out.data = copy;
    out.len = bytes.len;
    return out;
}
