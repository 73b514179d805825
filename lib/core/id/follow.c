/* SPDX-License-Identifier: MIT */
/* See follow.h. */
#include "id/follow.h"
#include "base/alloc.h"

#include <string.h>

chat_status chat__follow_init(chat__follow *follow, const chat_allocator *allocator,
                              uint32_t window, const chat__follow_at *at)
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
    follow->seq = at->seq;
    follow->base = follow->state = at->past;
    follow->now = at->now;
    follow->is_noting = 1;
    return CHAT_OK;
}

void chat__follow_done(chat__follow *follow)
{
    chat__alloc_free(&follow->allocator, follow->items);
    chat__alloc_free(&follow->allocator, follow->marks);
    follow->items = NULL;
    follow->marks = NULL;
}

/* --- ids --- */

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

static void remember(chat__follow *follow, uint64_t offset, uint64_t id)
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

/* --- terms --- */

static int is_same(chat__follow_term a, chat__follow_term b)
{
    return a.term == b.term && a.is_open == b.is_open;
}

/* From `offset` on it is so. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status set_state(chat__follow *follow, uint64_t offset, chat__follow_term state)
{
    if (is_same(follow->state, state))
        return CHAT_OK;
    if (follow->n_marks == follow->max_marks) {
        size_t max = follow->max_marks == 0 ? 8 : 2 * follow->max_marks;
        chat__follow_mark *marks =
            chat__alloc_resize(&follow->allocator, follow->marks, max * sizeof *marks);
        if (marks == NULL)
            return CHAT_ERR_NOMEM;
        follow->marks = marks;
        follow->max_marks = max;
    }
    follow->marks[follow->n_marks++] = (chat__follow_mark){offset, state};
    follow->state = state;
    return CHAT_OK;
}

/* How many marks are at `offset` or before it. */
static size_t marks_to(const chat__follow *follow, uint64_t offset)
{
    size_t n = follow->n_marks;
    while (n > 0 && follow->marks[n - 1].offset > offset)
        n--;
    return n;
}

static chat__follow_term state_at(const chat__follow *follow, uint64_t offset)
{
    size_t n = marks_to(follow, offset);
    return n == 0 ? follow->base : follow->marks[n - 1].state;
}

/* The rule: what a record is, and the term behind it. */
static chat__follow_what judge(chat__follow_term *state, const chat__follow_record *record)
{
    if (record->term > state->term && (record->is_fence || state->is_open)) {
        state->term = record->term;
        state->is_open = !record->is_fence;
        return record->is_fence ? CHAT__FOLLOW_FENCED : CHAT__FOLLOW_COUNTS;
    }
    return !record->is_fence && record->term == state->term ? CHAT__FOLLOW_COUNTS
                                                            : CHAT__FOLLOW_VOID;
}

chat_status chat__follow_note(chat__follow *follow, const chat__follow_record *record)
{
    chat__follow_term state = follow->state;
    chat__follow_what what = judge(&state, record);
    if (set_state(follow, record->offset, state) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    if (what == CHAT__FOLLOW_COUNTS)
        remember(follow, record->offset, record->id);
    return CHAT_OK;
}

chat__follow_what chat__follow_next(chat__follow *follow, const chat__follow_record *record,
                                    uint64_t *out_seq)
{
    uint64_t offset = record->offset;
    if (follow->is_noting && set_state(follow, offset, follow->now) != CHAT_OK)
        return CHAT__FOLLOW_NOMEM;
    follow->is_noting = 0;
    chat__follow_term state = follow->state;
    chat__follow_what what = judge(&state, record);
    if (set_state(follow, offset, state) != CHAT_OK)
        return CHAT__FOLLOW_NOMEM;
    if (what != CHAT__FOLLOW_COUNTS)
        return what;
    uint32_t slot = follow->slots[find(follow, record->id)];
    int is_seen = slot != 0 && offset - follow->items[slot - 1].offset <= follow->window;
    remember(follow, offset, record->id);
    if (is_seen)
        return CHAT__FOLLOW_KNOWN;
    follow->seq = follow->seq + 1 > record->id ? follow->seq + 1 : record->id;
    *out_seq = follow->seq;
    return CHAT__FOLLOW_COUNTS;
}

chat_status chat__follow_lost(chat__follow *follow, uint64_t offset, int is_noting)
{
    chat__follow_term state = follow->is_noting && !is_noting ? follow->now : follow->state;
    state.is_open = 1;
    if (set_state(follow, offset, state) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    follow->is_noting = is_noting;
    return CHAT_OK;
}

void chat__follow_at_offset(const chat__follow *follow, uint64_t offset, chat__follow_at *out)
{
    out->now = state_at(follow, offset);
    out->past = offset < follow->window ? (chat__follow_term){0, 0}
                                        : state_at(follow, offset - follow->window);
}

void chat__follow_forget(chat__follow *follow, uint64_t offset)
{
    size_t n = offset < follow->window ? 0 : marks_to(follow, offset - follow->window);
    if (n == 0)
        return;
    follow->base = follow->marks[n - 1].state;
    follow->n_marks -= n;
    memmove(follow->marks, follow->marks + n, follow->n_marks * sizeof *follow->marks);
}
