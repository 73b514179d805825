/* SPDX-License-Identifier: MIT */
/* Blocks: what one of the two says in their direct chat after the answer to a block is not
   accepted, unless somebody asked to take the block back. What was said before may come later. */
#include "testing/judge.h"
#include "base/view.h"

#include <chat/id.h>

#include <stdlib.h>

/* What was asked and answered about blocks, in order. */
typedef struct bars {
    const chat__happening **items;
    size_t n;
} bars;

static uint32_t user_of(const judge *j, const chat__happening *item)
{
    return j->history->observers[item->by].user;
}

static int is_same_pair(const judge *j, const chat__happening *a, const chat__happening *b)
{
    return user_of(j, a) == user_of(j, b) && a->from == b->from;
}

/* When it was first said. NULL: the history does not tell. */
static const chat__happening *first_said(const judge *j, const chat__happening *record)
{
    for (size_t i = 0; i < j->history->n_items; i++) {
        const chat__happening *said = &j->history->items[i];
        if (said->type == CHAT__HAPPENED_SAID && said->chat == record->chat &&
            said->cid == record->cid && user_of(j, said) == record->from)
            return said;
    }
    return NULL;
}

/* The line by which it was accepted, as far as the history tells. */
static uint64_t accepted_line(const judge *j, const chat__happening *record)
{
    uint64_t line = UINT64_MAX;
    for (size_t i = 0; i < j->n_seen; i++) {
        const chat__happening *seen = &j->seen[i];
        if (seen->chat == record->chat && seen->seq == record->seq && seen->line < line)
            line = seen->line;
    }
    return line;
}

/* The line of the answer to what was asked, or none. */
static uint64_t done_line(const judge *j, const bars *all, size_t asked)
{
    const chat__happening *ask = all->items[asked];
    for (size_t i = asked + 1; i < all->n; i++) {
        const chat__happening *end = all->items[i];
        if (end->by == ask->by && end->is_done && end->is_blocking == ask->is_blocking &&
            is_same_pair(j, end, ask))
            return end->line;
    }
    return UINT64_MAX;
}

/* When the block was asked for first that was answered then. */
static uint64_t asked_line(const judge *j, const bars *all, size_t block)
{
    const chat__happening *done = all->items[block];
    uint64_t line = done->line;
    for (size_t i = block; i-- > 0;) {
        const chat__happening *at = all->items[i];
        if (at->by != done->by || !at->is_blocking || !is_same_pair(j, at, done))
            continue;
        if (at->is_done)
            break;
        line = at->line;
    }
    return line;
}

/* Whether the block was perhaps taken back before `line`: by what was asked then, and had no answer
   yet when the block was asked for. */
static int is_lifted(const judge *j, const bars *all, size_t block, uint64_t line)
{
    uint64_t asked = asked_line(j, all, block);
    for (size_t i = 0; i < all->n && all->items[i]->line < line; i++) {
        const chat__happening *ask = all->items[i];
        if (!ask->is_blocking && !ask->is_done && is_same_pair(j, ask, all->items[block]) &&
            done_line(j, all, i) > asked)
            return 1;
    }
    return 0;
}

/* Whether the record is of the direct chat of the two. */
static int is_between(const judge *j, const chat__happening *record, const chat__happening *block)
{
    uint32_t user = user_of(j, block);
    chat_direct_name name;
    if ((record->from != user && record->from != block->from) ||
        chat_direct_id(chat__view_str(chat__judge_name(j, user)),
                       chat__view_str(chat__judge_name(j, block->from)), &name) != CHAT_OK)
        return 0;
    return chat__view_equal(chat__view_str(chat__judge_name(j, record->chat)),
                            chat__view(name.bytes, name.len));
}

static void check_record(judge *j, const bars *all, const chat__happening *record)
{
    const chat__happening *said = NULL;
    uint64_t accepted = 0;
    for (size_t i = 0; i < all->n; i++) {
        const chat__happening *block = all->items[i];
        if (!block->is_blocking || !block->is_done || !is_between(j, record, block))
            continue;
        if (accepted == 0) {
            said = first_said(j, record);
            accepted = accepted_line(j, record);
        }
        if (said == NULL || said->line < block->line || is_lifted(j, all, i, accepted))
            continue;
        chat__judge_violate(
            j, said->line, "blocked is blocked: %s has blocked %s, and seq %llu of %s was accepted",
            chat__judge_name(j, user_of(j, block)), chat__judge_name(j, block->from),
            (unsigned long long)record->seq, chat__judge_name(j, record->chat));
        return;
    }
}

chat_status chat__judge_blocks(judge *j)
{
    const chat_history *history = j->history;
    bars all = {malloc((history->n_items + 1) * sizeof *all.items), 0};
    if (all.items == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < history->n_items; i++) {
        if (history->items[i].type == CHAT__HAPPENED_BLOCK)
            all.items[all.n++] = &history->items[i];
    }
    for (size_t i = 0; i < j->n_log && all.n > 0; i++) {
        if (!j->log[i].is_deletion && j->log[i].cid != CHAT__NO_NAME)
            check_record(j, &all, &j->log[i]);
    }
    free(all.items);
    return CHAT_OK;
}
