/* SPDX-License-Identifier: MIT */
/*
 * How far people are: markers of what a user has read (views of the records of his self stream),
 * what reached his devices, and from both what is unread. The latter is counted, never stored.
 */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"
#include "views/shown.h"

#include <chat/id.h>

#include <string.h>

#define UNREAD_MAX  999u
#define UNREAD_PAGE 250u

static int is_user(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

static int is_chat(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_CHAT_ID_MAX_BYTES;
}

/* --- the record --- */

chat_status chat__store_stage_marker(chat__store *store, chat__state_change *change,
                                     const chat__facts *facts)
{
    chat__state *state = &store->state;
    chat_view none = {NULL, 0};
    pthread_mutex_lock(&state->lock);
    change->mark = chat__state_row_of(state, CHAT__ROW_READ, facts->user, none, facts->of);
    change->mark_value = facts->read_seq;
    if (change->mark != NULL)
        change->mark->n_staged++;
    change->run = chat__store_stage_read(state, facts->user, facts->of, facts->read_seq);
    change->run_ms = facts->at_ms;
    pthread_mutex_unlock(&state->lock);
    return change->mark != NULL && change->run != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* --- questions --- */

/* One number from SQLite; 0 when there is none. */
static chat_status get_number(chat__store *store, chat__db_statement which, chat_view user,
                              chat_view chat, uint64_t *out)
{
    *out = 0;
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, which);
    chat__sql_bind(statement, 1, user);
    chat__sql_bind(statement, 2, chat);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        *out = chat__sql_number(statement, 0);
        (void)sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&store->read_lock);
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

/* Memory first: what leaves it meanwhile is in SQLite by then. */
chat_status chat__store_read_seq(chat__store *store, chat_view user, chat_view chat,
                                 uint64_t *out_seq)
{
    chat__state *state = &store->state;
    chat_view none = {NULL, 0};
    uint64_t stored;
    *out_seq = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_row *row = chat__state_find_row(state, CHAT__ROW_READ, user, none, chat);
    if (row != NULL && row->node.epoch != 0)
        *out_seq = row->value;
    pthread_mutex_unlock(&state->lock);
    chat_status status = get_number(store, CHAT__DB_GET_READ, user, chat, &stored);
    if (stored > *out_seq)
        *out_seq = stored;
    return status;
}

/* What the user's furthest device has. */
static chat_status delivered_seq(chat__store *store, chat_view user, chat_view chat,
                                 uint64_t *out_seq)
{
    chat__state *state = &store->state;
    uint64_t stored;
    *out_seq = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *known = chat__state_user_of(state, user);
    const chat__state_row *row = known == NULL ? NULL : known->rows;
    for (; row != NULL; row = row->next_of_user) {
        if (row->type == CHAT__ROW_CURSOR && row->node.epoch != 0 && row->value > *out_seq &&
            chat__view_equal(chat__state_row_chat(row), chat))
            *out_seq = row->value;
    }
    pthread_mutex_unlock(&state->lock);
    chat_status status = get_number(store, CHAT__DB_GET_DELIVERED, user, chat, &stored);
    if (stored > *out_seq)
        *out_seq = stored;
    return status;
}

/* --- unread --- */

typedef struct counting {
    chat_decoder *decoder;
    chat_view user;
    uint32_t n_rows;
    uint32_t n_unread;
    uint64_t last_seq;
} counting;

static void count_row(void *ctx, const chat__store_row *row)
{
    counting *count = ctx;
    count->n_rows++;
    count->last_seq = row->seq;
    count->n_unread +=
        (uint32_t)chat__shown_is_unread(count->decoder, row->kind, row->payload, count->user);
}

static chat_status count_pages(chat__store *store, chat_view chat, uint64_t after, uint32_t *budget,
                               counting *count)
{
    chat_status status = CHAT_MORE;
    count->last_seq = after;
    while (status == CHAT_MORE && count->n_unread < UNREAD_MAX) {
        chat__store_query query = {.chat = chat,
                                   .after = count->last_seq,
                                   .before = UINT64_MAX,
                                   .limit = UNREAD_PAGE,
                                   .user = count->user};
        if (*budget == 0)
            return CHAT_ERR_LIMIT;
        if (query.limit > *budget)
            query.limit = *budget;
        count->n_rows = 0;
        status = chat__store_read(store, &query, count_row, count);
        *budget -= count->n_rows < *budget ? count->n_rows : *budget;
    }
    return status < 0 ? status : CHAT_OK;
}

chat_status chat__store_count_unread(chat__store *store, chat_view user, chat_view chat,
                                     uint64_t after, uint32_t *budget, uint32_t *out_count)
{
    chat__state_head head;
    counting count = {.user = user};
    *out_count = 0;
    chat_status status = chat__store_head(store, chat, &head);
    if (status != CHAT_OK || head.seq <= after)
        return status;
    status = chat_decoder_new(&store->allocator, CHAT__SHOWN_DECODER_MAX, &count.decoder);
    if (status == CHAT_OK)
        status = count_pages(store, chat, after, budget, &count);
    chat_decoder_free(count.decoder);
    *out_count = count.n_unread < UNREAD_MAX ? count.n_unread : UNREAD_MAX;
    return status;
}

/* --- marks of a chat --- */

typedef struct marking {
    chat__store *store;
    chat_view chat;
    chat_view user;
    uint64_t seq; /* of which is wanted since when */
    chat__store_marks marks;
    chat__store_marks_fn fn;
    void *ctx;
    chat_status status;
} marking;

static chat_status take_times(const marking *mark, chat__store_mark *item)
{
    chat__since of = {item->user, mark->chat, CHAT__RUN_DELIVERED, mark->seq};
    chat_status status = CHAT_OK;
    if (item->delivered_seq >= mark->seq)
        status = chat__store_since(mark->store, &of, &item->delivered_unix_ms);
    of.type = CHAT__RUN_READ;
    if (status == CHAT_OK && item->read_seq >= mark->seq)
        status = chat__store_since(mark->store, &of, &item->read_unix_ms);
    return status;
}

static void take_members(void *ctx, const chat__store_chat *group)
{
    marking *mark = ctx;
    const chat_allocator *allocator = &mark->store->allocator;
    chat__store_mark *items = chat__alloc_zero(allocator, (group->n_members + 1) * sizeof *items);
    if (items == NULL) {
        mark->status = CHAT_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < group->n_members && mark->status == CHAT_OK; i++) {
        items[i].user = group->members[i].user;
        if (mark->user.len > 0 && !chat__view_equal(mark->user, items[i].user))
            continue;
        mark->status =
            chat__store_read_seq(mark->store, items[i].user, mark->chat, &items[i].read_seq);
        if (mark->status == CHAT_OK && mark->user.len == 0)
            mark->status =
                delivered_seq(mark->store, items[i].user, mark->chat, &items[i].delivered_seq);
        if (mark->status == CHAT_OK && mark->user.len == 0 && mark->seq > 0 &&
            group->n_members < CHAT__RECEIPT_MEMBERS)
            mark->status = take_times(mark, &items[i]);
    }
    mark->marks.items = items;
    mark->marks.n_items = group->n_members;
    if (mark->status == CHAT_OK)
        mark->fn(mark->ctx, &mark->marks);
    chat__alloc_free(allocator, items);
}

static void take_seq(void *ctx, const chat__store_row *row)
{
    marking *mark = ctx;
    mark->marks.seq = row->seq;
}

chat_status chat__store_load_marks(chat__store *store, chat_view chat, chat_view user, uint64_t seq,
                                   chat__store_marks_fn fn, void *ctx)
{
    marking mark = {.store = store, .chat = chat, .user = user, .seq = seq, .fn = fn, .ctx = ctx};
    chat_view members[2];
    if (!is_chat(chat) || (user.len > 0 && !is_user(user)))
        return CHAT_ERR_NOT_FOUND;
    if (seq > 0) {
        chat__store_query query = {.chat = chat,
                                   .after = UINT64_MAX,
                                   .before = seq == UINT64_MAX ? seq : seq + 1,
                                   .limit = 1};
        chat_status status = chat__store_read(store, &query, take_seq, &mark);
        if (status < 0)
            return status;
    }
    if (chat_direct_members(chat, members) == CHAT_OK) {
        chat__store_member both[2] = {{members[0], 0, CHAT__ROLE_MEMBER},
                                      {members[1], 0, CHAT__ROLE_MEMBER}};
        chat__store_chat direct = {.members = both, .n_members = 2};
        take_members(&mark, &direct);
        return mark.status;
    }
    chat_status status = chat__store_load_chat(store, chat, take_members, &mark);
    return status == CHAT_OK ? mark.status : status;
}
