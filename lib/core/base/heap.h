/* SPDX-License-Identifier: MIT */
/* Deadlines in a binary heap; an item knows its place, so that it can be moved or taken out. */
#ifndef CHAT_BASE_HEAP_H
#define CHAT_BASE_HEAP_H

#include <chat/status.h>

/* Part of the object that has a deadline; zeroed means not in the heap. */
typedef struct chat__heap_item {
    uint64_t at_ms;
    size_t place; /* index + 1, 0: not in the heap */
} chat__heap_item;

typedef struct chat__heap {
    chat_allocator allocator;
    chat__heap_item **items;
    size_t n_items;
    size_t cap;
    size_t max_items;
} chat__heap;

void chat__heap_init(chat__heap *heap, const chat_allocator *allocator, size_t max_items);
/* Release the memory. The items are not touched: they may be gone already. */
void chat__heap_done(chat__heap *heap);

/* Put in, or move: CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM only when it was not in. */
chat_status chat__heap_set(chat__heap *heap, chat__heap_item *item, uint64_t at_ms);

/* Take out; nothing happens when it is not in. */
void chat__heap_remove(chat__heap *heap, chat__heap_item *item);

/* The earliest, or NULL. */
chat__heap_item *chat__heap_first(const chat__heap *heap);

#endif
