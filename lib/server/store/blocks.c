/* SPDX-License-Identifier: MIT */
/* Who has blocked whom: views of the `blocked` records of self streams. The newest record about a
   pair counts, so each is kept with its seq, and an end of a block is kept as well. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <stdlib.h>
#include <string.h>

#define IS_BLOCKED 1u
#define IS_NOT     2u

chat_status chat__store_stage_block(chat__store *store, chat__state_change *change, uint64_t seq,
                                    const chat__facts *facts)
{
    chat__state *state = &store->state;
    uint8_t place[8];
    chat__store64le(place, seq);
    pthread_mutex_lock(&state->lock);
    change->mark = chat__state_row_of(state, CHAT__ROW_BLOCK, facts->user,
                                      chat__view(place, sizeof place), facts->of);
    change->mark_value = facts->is_blocked ? IS_BLOCKED : IS_NOT;
    if (change->mark != NULL)
        change->mark->n_staged++;
    pthread_mutex_unlock(&state->lock);
    return change->mark != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

static int is_user(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

static int is_published(const chat__state_row *row)
{
    return row->type == CHAT__ROW_BLOCK && row->node.epoch != 0;
}

/* --- one pair --- */

/* Memory first: what leaves it meanwhile is in SQLite by then. */
static uint64_t newest_in_memory(chat__store *store, chat_view user, chat_view whom,
                                 uint64_t *out_state)
{
    chat__state *state = &store->state;
    uint64_t seq = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *group = chat__state_group_of(state, whom);
    const chat__state_row *row = group == NULL ? NULL : group->rows;
    for (; row != NULL; row = row->next_of_group) {
        if (!is_published(row) || chat__state_row_seq(row) < seq ||
            !chat__view_equal(chat__state_row_user(row), user))
            continue;
        seq = chat__state_row_seq(row);
        *out_state = row->value;
    }
    pthread_mutex_unlock(&state->lock);
    return seq;
}

chat_status chat__store_has_blocked(chat__store *store, chat_view user, chat_view whom, int *out)
{
    uint64_t value = IS_NOT;
    if (!is_user(user) || !is_user(whom))
        return CHAT_ERR_ARG;
    uint64_t seq = newest_in_memory(store, user, whom, &value);
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_BLOCK);
    chat__sql_bind(statement, 1, user);
    chat__sql_bind(statement, 2, whom);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        if (chat__sql_number(statement, 0) > seq)
            value = chat__sql_number(statement, 1);
        (void)sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&store->read_lock);
    status = chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
    if (status == CHAT_OK)
        *out = value == IS_BLOCKED;
    return status;
}

/* --- all of a user --- */

typedef struct block {
    uint64_t seq;
    uint64_t state;
    uint8_t len;
    uint8_t name[CHAT_ID_MAX_BYTES];
} block;

typedef struct blocks {
    chat__store *store;
    block *items;
    size_t n_items, cap;
} blocks;

static chat_status add(blocks *all, chat_view name, uint64_t seq, uint64_t state)
{
    if (!is_user(name))
        return CHAT_OK;
    if (all->n_items == all->cap) {
        size_t cap = all->cap == 0 ? 8 : all->cap * 2;
        block *items = chat__alloc_resize(&all->store->allocator, all->items, cap * sizeof *items);
        if (items == NULL)
            return CHAT_ERR_NOMEM;
        all->items = items;
        all->cap = cap;
    }
    block *added = &all->items[all->n_items++];
    added->seq = seq;
    added->state = state;
    added->len = (uint8_t)name.len;
    memcpy(added->name, name.data, name.len);
    return CHAT_OK;
}

static chat_status add_from_memory(blocks *all, chat_view user, int is_reverse)
{
    chat__state *state = &all->store->state;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *known =
        is_reverse ? chat__state_group_of(state, user) : chat__state_user_of(state, user);
    const chat__state_row *row = known == NULL ? NULL : known->rows;
    for (; row != NULL && status == CHAT_OK;
         row = is_reverse ? row->next_of_group : row->next_of_user) {
        if (is_published(row))
            status = add(all, is_reverse ? chat__state_row_user(row) : chat__state_row_chat(row),
                         chat__state_row_seq(row), row->value);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

/* CHAT_OK, CHAT_MORE. */
static chat_status add_stored(blocks *all, chat_view user, int is_reverse, uint32_t limit)
{
    chat__store *store = all->store;
    uint64_t n = 0;
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement =
        chat__db_use(&store->read_db, is_reverse ? CHAT__DB_GET_BLOCKERS : CHAT__DB_GET_BLOCKED);
    chat__sql_bind(statement, 1, user);
    chat__sql_bind_number(statement, 2, limit > 0 ? limit + UINT64_C(1) : INT64_MAX);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        status = add(all, chat__sql_text(statement, 2, CHAT_ID_MAX_BYTES),
                     chat__sql_number(statement, 0), chat__sql_number(statement, 1));
        if (status != CHAT_OK) {
            (void)sqlite3_reset(statement);
            break;
        }
        n++;
    }
    pthread_mutex_unlock(&store->read_lock);
    if (status == CHAT_EMPTY)
        return limit > 0 && n > limit ? CHAT_MORE : CHAT_OK;
    return chat__store_note(store, status);
}

static int compare(const void *left, const void *right)
{
    const block *a = left;
    const block *b = right;
    int order = chat__view_compare(chat__view(a->name, a->len), chat__view(b->name, b->len));
    if (order != 0)
        return order;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

/* The newest of each name counts: the last, as they stand. */
static uint64_t give(const blocks *all, chat__store_name_fn fn, void *ctx)
{
    uint64_t n = 0;
    for (size_t i = 0; i < all->n_items; i++) {
        const block *each = &all->items[i];
        chat_view name = {each->name, each->len};
        int is_last =
            i + 1 == all->n_items || !chat__view_equal(name, chat__view(each[1].name, each[1].len));
        if (!is_last || each->state != IS_BLOCKED)
            continue;
        fn(ctx, name);
        n++;
    }
    return n;
}

chat_status chat__store_blocks(chat__store *store, chat_view user, int is_reverse, uint32_t limit,
                               chat__store_name_fn fn, void *ctx)
{
    blocks all = {.store = store};
    if (!is_user(user))
        return CHAT_ERR_ARG;
    chat_status status = add_from_memory(&all, user, is_reverse);
    if (status == CHAT_OK)
        status = add_stored(&all, user, is_reverse, limit);
    if (status >= 0 && all.n_items > 1)
        qsort(all.items, all.n_items, sizeof *all.items, compare);
    if (status >= 0 && give(&all, fn, ctx) > limit && limit > 0)
        status = CHAT_MORE;
    chat__alloc_free(&store->allocator, all.items);
    return status;
}
