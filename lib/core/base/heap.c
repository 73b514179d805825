/* SPDX-License-Identifier: MIT */
/* See heap.h. */
#include "base/heap.h"
#include "base/alloc.h"

#include <string.h>

void chat__heap_init(chat__heap *heap, const chat_allocator *allocator, size_t max_items)
{
    memset(heap, 0, sizeof *heap);
    heap->allocator = chat__alloc_or_libc(allocator);
    heap->max_items = max_items;
}

void chat__heap_done(chat__heap *heap)
{
    if (heap->items != NULL)
        chat__alloc_free(&heap->allocator, heap->items);
    heap->items = NULL;
    heap->n_items = 0;
    heap->cap = 0;
}

static void place(chat__heap *heap, size_t i, chat__heap_item *item)
{
    heap->items[i] = item;
    item->place = i + 1;
}

static void sift_up(chat__heap *heap, size_t i, chat__heap_item *item)
{
    while (i > 0 && heap->items[(i - 1) / 2]->at_ms > item->at_ms) {
        place(heap, i, heap->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(heap, i, item);
}

static void sift_down(chat__heap *heap, size_t i, chat__heap_item *item)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->n_items)
            break;
        if (child + 1 < heap->n_items && heap->items[child + 1]->at_ms < heap->items[child]->at_ms)
            child++;
        if (heap->items[child]->at_ms >= item->at_ms)
            break;
        place(heap, i, heap->items[child]);
        i = child;
    }
    place(heap, i, item);
}

static chat_status grow(chat__heap *heap)
{
    if (heap->n_items >= heap->max_items)
        return CHAT_ERR_LIMIT;
    if (heap->n_items < heap->cap)
        return CHAT_OK;
    size_t cap = heap->cap == 0 ? 16 : heap->cap * 2;
    chat__heap_item **items =
        chat__alloc_resize(&heap->allocator, heap->items, cap * sizeof(chat__heap_item *));
    if (items == NULL)
        return CHAT_ERR_NOMEM;
    heap->items = items;
    heap->cap = cap;
    return CHAT_OK;
}

chat_status chat__heap_set(chat__heap *heap, chat__heap_item *item, uint64_t at_ms)
{
    if (item->place == 0) {
        chat_status status = grow(heap);
        if (status != CHAT_OK)
            return status;
        item->at_ms = at_ms;
        heap->n_items++;
        sift_up(heap, heap->n_items - 1, item);
        return CHAT_OK;
    }
    uint64_t before_ms = item->at_ms;
    item->at_ms = at_ms;
    if (at_ms < before_ms)
        sift_up(heap, item->place - 1, item);
    else
        sift_down(heap, item->place - 1, item);
    return CHAT_OK;
}

void chat__heap_remove(chat__heap *heap, chat__heap_item *item)
{
    if (item->place == 0)
        return;
    size_t i = item->place - 1;
    chat__heap_item *last = heap->items[--heap->n_items];
    item->place = 0;
    if (last == item)
        return;
    if (i > 0 && heap->items[(i - 1) / 2]->at_ms > last->at_ms)
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}

chat__heap_item *chat__heap_first(const chat__heap *heap)
{
    return heap->n_items == 0 ? NULL : heap->items[0];
}
