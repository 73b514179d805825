/* SPDX-License-Identifier: MIT */
/*
 * Who is in a group, and what a user may read of it: both follow from the events of memberships,
 * which are in memory until SQLite has them. Memory is looked at first: what leaves it meanwhile is
 * in SQLite by then. What is found twice is the same.
 */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/view.h"

#include <stdlib.h>
#include <string.h>

typedef struct events {
    chat__store *store;
    chat__member_event *items;
    size_t n_items;
    size_t cap;
    chat__arena names;
    uint8_t title[CHAT_TITLE_MAX_BYTES];
    size_t title_len;
    int is_open; /* -1: not known yet */
    int is_there;
} events;

static chat_status add(events *all, chat_view user, uint64_t seq, uint64_t value)
{
    if (user.len == 0 || user.len > CHAT_ID_MAX_BYTES)
        return CHAT_OK;
    if (all->n_items == all->cap) {
        size_t cap = all->cap == 0 ? 64 : all->cap * 2;
        chat__member_event *items =
            chat__alloc_resize(&all->store->allocator, all->items, cap * sizeof *items);
        if (items == NULL)
            return CHAT_ERR_NOMEM;
        all->items = items;
        all->cap = cap;
    }
    chat__member_event *event = &all->items[all->n_items++];
    event->seq = seq;
    event->value = (uint8_t)value;
    event->name = chat__arena_copy(&all->names, user);
    return event->name.data != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

static void set_title(events *all, chat_view title)
{
    all->title_len = title.len < sizeof all->title ? title.len : sizeof all->title;
    if (all->title_len > 0)
        memcpy(all->title, title.data, all->title_len);
}

/* `user` empty: of all users. */
static chat_status add_from_memory(events *all, chat_view chat, chat_view user)
{
    chat__state *state = &all->store->state;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&state->lock);
    const chat__state_chat *found = chat__map_get(&state->chats, chat);
    if (found != NULL && found->meta != NULL) {
        all->is_there = 1;
        all->is_open = found->meta->is_open;
        set_title(all, found->meta->title);
    }
    const chat__state_user *group = chat__state_group_of(state, chat);
    const chat__state_row *row = group == NULL ? NULL : group->rows;
    for (; row != NULL && status == CHAT_OK; row = row->next_of_group) {
        if (row->type == CHAT__ROW_MEMBER && row->node.epoch != 0 &&
            (user.len == 0 || chat__view_equal(chat__state_row_user(row), user)))
            status = add(all, chat__state_row_user(row), chat__state_row_seq(row), row->value);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

/* Title, whether it is open: CHAT_OK, CHAT_EMPTY: SQLite has no such group. */
static chat_status add_stored_group(events *all, chat_view chat)
{
    sqlite3_stmt *statement = chat__db_use(&all->store->read_db, CHAT__DB_GET_GROUP);
    chat__sql_bind(statement, 1, chat);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    if (!all->is_there)
        set_title(all, chat__sql_text(statement, 0, sizeof all->title));
    if (all->is_open < 0)
        all->is_open = chat__sql_number(statement, 1) != 0;
    all->is_there = 1;
    (void)sqlite3_reset(statement);
    return CHAT_OK;
}

static chat_status add_stored_events(events *all, chat_view chat, chat_view user)
{
    int is_one = user.len > 0;
    sqlite3_stmt *statement =
        chat__db_use(&all->store->read_db, is_one ? CHAT__DB_GET_EVENTS : CHAT__DB_GET_MEMBERS);
    chat__sql_bind(statement, 1, chat);
    if (is_one)
        chat__sql_bind(statement, 2, user);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        chat_view name = is_one ? user : chat__sql_text(statement, 0, CHAT_ID_MAX_BYTES);
        status = add(all, name, chat__sql_number(statement, is_one ? 0 : 1),
                     chat__sql_number(statement, is_one ? 1 : 2));
        if (status != CHAT_OK) {
            (void)sqlite3_reset(statement);
            return status;
        }
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

static void begin(events *all, chat__store *store)
{
    memset(all, 0, sizeof *all);
    all->store = store;
    chat__arena_init(&all->names, &store->allocator, SIZE_MAX / 2);
}

static void end(events *all)
{
    chat__alloc_free(&all->store->allocator, all->items);
    chat__arena_done(&all->names);
}

static chat_status load(events *all, chat_view chat, chat_view user)
{
    all->is_open = -1;
    chat_status status = add_from_memory(all, chat, user);
    if (status != CHAT_OK)
        return status;
    pthread_mutex_lock(&all->store->read_lock);
    status = add_stored_group(all, chat);
    if (status == CHAT_OK || status == CHAT_EMPTY)
        status = add_stored_events(all, chat, user);
    pthread_mutex_unlock(&all->store->read_lock);
    if (status == CHAT_OK && all->n_items > 1)
        qsort(all->items, all->n_items, sizeof *all->items, chat__member_event_compare);
    return chat__store_note(all->store, status);
}

chat_status chat__store_load_chat(chat__store *store, chat_view chat, chat__store_chat_fn fn,
                                  void *ctx)
{
    events all;
    chat__store_member *members = NULL;
    if (chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return CHAT_ERR_NOT_FOUND;
    begin(&all, store);
    chat_status status = load(&all, chat, chat__view(NULL, 0));
    if (status == CHAT_OK && !all.is_there)
        status = CHAT_ERR_NOT_FOUND;
    if (status == CHAT_OK) {
        members = chat__alloc_resize(&store->allocator, NULL, (all.n_items + 1) * sizeof *members);
        status = members == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
    }
    if (status == CHAT_OK) {
        chat__store_chat row = {{all.title, all.title_len}, all.is_open > 0, members, 0};
        row.n_members = chat__members_of(all.items, all.n_items, members);
        fn(ctx, &row);
    }
    chat__alloc_free(&store->allocator, members);
    end(&all);
    return status;
}

chat_status chat__store_ranges(chat__store *store, chat_view chat, chat_view user,
                               chat__range **out, size_t *out_n)
{
    events all;
    begin(&all, store);
    *out = NULL;
    *out_n = 0;
    chat_status status = load(&all, chat, user);
    if (status == CHAT_OK && all.n_items == 0)
        status = all.is_there ? CHAT_ERR_FORBIDDEN : CHAT_ERR_NOT_FOUND;
    if (status == CHAT_OK) {
        *out = chat__alloc_resize(&store->allocator, NULL, all.n_items * sizeof **out);
        status = *out == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
    }
    if (status == CHAT_OK)
        *out_n = chat__ranges_of(all.items, all.n_items, *out);
    end(&all);
    return status;
}
