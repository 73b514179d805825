/* SPDX-License-Identifier: MIT */
/* Blocks: what one of the two says in their direct chat after the answer to a block is not
   accepted, unless somebody asked to take the block back. What was said before may come later. */
#include "testing/judge.h"
#include "base/view.h"

#include <chat/id.h>

static uint32_t user_of(const judge *j, const chat__happening *item)
{
    return j->history->observers[item->by].user;
}

static int is_about(const judge *j, const chat__happening *item, uint32_t user, uint32_t whom)
{
    return item->type == CHAT__HAPPENED_BLOCK && user_of(j, item) == user && item->from == whom;
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

/* Whether the block was perhaps taken back before `line`: by what was asked then, and had no answer
   yet when the block was asked for. */
static int is_lifted(const judge *j, const chat__happening *block, uint64_t asked, uint64_t line)
{
    const chat_history *history = j->history;
    for (size_t i = 0; i < history->n_items && history->items[i].line < line; i++) {
        const chat__happening *ask = &history->items[i];
        uint64_t done = UINT64_MAX;
        if (!is_about(j, ask, user_of(j, block), block->from) || ask->is_blocking || ask->is_done)
            continue;
        for (size_t k = i + 1; k < history->n_items && done == UINT64_MAX; k++) {
            const chat__happening *end = &history->items[k];
            if (is_about(j, end, user_of(j, block), block->from) && end->by == ask->by &&
                !end->is_blocking && end->is_done)
                done = end->line;
        }
        if (done > asked)
            return 1;
    }
    return 0;
}

/* When the block was asked for first that was answered then. */
static uint64_t asked_line(const judge *j, const chat__happening *block)
{
    uint64_t line = block->line;
    for (const chat__happening *at = block; at-- > j->history->items;) {
        if (at->by != block->by || !is_about(j, at, user_of(j, block), block->from) ||
            !at->is_blocking)
            continue;
        if (at->is_done)
            break;
        line = at->line;
    }
    return line;
}

/* Whether the record is of the direct chat of the two. */
static int is_between(const judge *j, const chat__happening *record, const chat__happening *block)
{
    chat_direct_name name;
    chat_view user = chat__view_str(chat__judge_name(j, user_of(j, block)));
    chat_view whom = chat__view_str(chat__judge_name(j, block->from));
    return chat_direct_id(user, whom, &name) == CHAT_OK &&
           chat__view_equal(chat__view_str(chat__judge_name(j, record->chat)),
                            chat__view(name.bytes, name.len));
}

static void check_record(judge *j, const chat__happening *record, const chat__happening *block)
{
    if (record->is_deletion || record->cid == CHAT__NO_NAME || !is_between(j, record, block))
        return;
    const chat__happening *said = first_said(j, record);
    if (said == NULL || said->line < block->line ||
        is_lifted(j, block, asked_line(j, block), accepted_line(j, record)))
        return;
    chat__judge_violate(j, said->line,
                        "blocked is blocked: %s has blocked %s, and seq %llu of %s was accepted",
                        chat__judge_name(j, user_of(j, block)), chat__judge_name(j, block->from),
                        (unsigned long long)record->seq, chat__judge_name(j, record->chat));
}

void chat__judge_blocks(judge *j)
{
    for (size_t i = 0; i < j->history->n_items; i++) {
        const chat__happening *block = &j->history->items[i];
        if (block->type != CHAT__HAPPENED_BLOCK || !block->is_blocking || !block->is_done)
            continue;
        for (size_t k = 0; k < j->n_log; k++)
            check_record(j, &j->log[k], block);
    }
}
