/* SPDX-License-Identifier: MIT */
/* See follow.h. */
#include "id/follow.h"
#include "base/alloc.h"

#include <string.h>

chat_status chat__follow_init(chat__follow *follow, const chat_allocator *allocator,
                              uint32_t window, uint64_t seq)
{
    uint32_t n_slots = 2;
    while (n_slots < 2 * (uint64_t)window && n_slots < UINT32_C(1) << 31)
        n_slots *= 2;
    size_t items_bytes = window * sizeof *follow->items;
    memset(follow, 0, sizeof *follow);
    follow->allocator = *allocator;
    follow->items = chat__alloc_zero(allocator, items_bytes + n_slots * sizeof *follow->slots);
    if (follow->items == NULL)
        return CHAT_ERR_NOMEM;
    follow->slots = (uint32_t *)(follow->items + window);
    follow->window = window;
    follow->mask = n_slots - 1;
    follow->seq = seq;
    return CHAT_OK;
}

void chat__follow_done(chat__follow *follow)
{
    chat__alloc_free(&follow->allocator, follow->items);
    follow->items = NULL;
}

static uint32_t home_of(const chat__follow *follow, uint64_t id)
{
    return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & follow->mask;
}

/* The slot of an id, or the empty one where it would go. */
static uint32_t find(const chat__follow *follow, uint64_t id)
{
    uint32_t at = home_of(follow, id);
    while (follow->slots[at] != 0 && follow->items[follow->slots[at] - 1].id != id)
        at = (at + 1) & follow->mask;
    return at;
}

/* Empty a slot; those behind that would not be found any more move up. */
static void empty(chat__follow *follow, uint32_t at)
{
    uint32_t next = at;
    follow->slots[at] = 0;
    for (;;) {
        next = (next + 1) & follow->mask;
        if (follow->slots[next] == 0)
            return;
        uint32_t home = home_of(follow, follow->items[follow->slots[next] - 1].id);
        if (((next - home) & follow->mask) < ((next - at) & follow->mask))
            continue;
        follow->slots[at] = follow->slots[next];
        follow->slots[next] = 0;
        at = next;
    }
}

void chat__follow_note(chat__follow *follow, uint64_t offset, uint64_t id)
{
    uint32_t index = (uint32_t)(offset % follow->window);
    chat__follow_item *item = &follow->items[index];
    if (item->id != 0) {
        uint32_t old = find(follow, item->id);
        if (follow->slots[old] == index + 1)
            empty(follow, old);
    }
    item->id = 0;
    uint32_t at = find(follow, id);
    item->id = id;
    item->offset = offset;
    follow->slots[at] = index + 1;
}

chat_status chat__follow_next(chat__follow *follow, uint64_t offset, uint64_t id, uint64_t *out_seq)
{
    uint32_t slot = follow->slots[find(follow, id)];
    int is_seen = slot != 0 && offset - follow->items[slot - 1].offset <= follow->window;
    chat__follow_note(follow, offset, id);
    if (is_seen)
        return CHAT_ERR_EXISTS;
    follow->seq = follow->seq + 1 > id ? follow->seq + 1 : id;
    *out_seq = follow->seq;
    return CHAT_OK;
}
