/* SPDX-License-Identifier: MIT */
/* Users and their devices' cursors: what is in memory and what SQLite has, merged. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

/* Records that may be looked at to count what is unread in all chats of a user. */
#define UNREAD_BUDGET 20000u

static int is_id(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

/* A user's chat while it is put together; in the map by its name. */
typedef struct user_chat {
    struct user_chat *next;
    chat__backlog backlog;
    uint64_t cursor;
    uint64_t last_seq;
    uint64_t read_seq;
    uint64_t muted_until_ms;
    uint32_t unread;
    uint8_t has_unread;
    chat__membership membership;
    uint8_t is_stored; /* SQLite has a membership, and with it the title */
    uint8_t title_len;
    uint8_t has_long_title; /* CHAT_TITLE_MAX_BYTES does not fit a byte */
    uint8_t chat_len;
    uint8_t title[CHAT_TITLE_MAX_BYTES];
    uint8_t chat[];
} user_chat;

typedef struct loading {
    chat__store *store;
    chat_view user;
    chat_view device;
    uint64_t now_unix_ms;
    chat__map by_chat;
    user_chat *first;
    user_chat **last;
    chat__device_rows rows; /* what memory has of the device */
    uint64_t seen_ms;       /* when it was here last, 0: never */
    int is_known;           /* seen, and not too long ago */
} loading;

static user_chat *entry_of(loading *load, chat_view chat)
{
    const chat_allocator *allocator = &load->store->allocator;
    user_chat *found = chat__map_get(&load->by_chat, chat);
    if (found != NULL || chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return found;
    found = chat__alloc_zero(allocator, sizeof *found + chat.len);
    if (found == NULL)
        return NULL;
    found->chat_len = (uint8_t)chat.len;
    memcpy(found->chat, chat.data, chat.len);
    if (chat__map_put(&load->by_chat, chat__view(found->chat, chat.len), found) != CHAT_OK) {
        chat__alloc_free(allocator, found);
        return NULL;
    }
    *load->last = found;
    load->last = &found->next;
    return found;
}

static void set_title(user_chat *entry, chat_view title)
{
    if (title.len > CHAT_TITLE_MAX_BYTES)
        return;
    entry->title_len = (uint8_t)title.len;
    entry->has_long_title = title.len > UINT8_MAX;
    if (title.len > 0)
        memcpy(entry->title, title.data, title.len);
}

static chat_status note_event(loading *load, chat_view chat, uint64_t seq, uint64_t value)
{
    user_chat *entry = entry_of(load, chat);
    if (entry == NULL)
        return CHAT_ERR_NOMEM;
    chat__membership_take(&entry->membership, seq, value);
    return CHAT_OK;
}

static void raise_cursor(loading *load, chat_view chat, uint64_t seq)
{
    user_chat *found = chat__map_get(&load->by_chat, chat);
    if (found != NULL && seq > found->cursor)
        found->cursor = seq;
}

/* Whether a cursor of this device counts: its own, or every device's while it is not known. */
static int counts(const loading *load, const chat__state_row *row)
{
    return load->device.len > 0 &&
           (!load->is_known || chat__view_equal(chat__state_row_device(row), load->device));
}

/* What memory has of the user. Two walks: cursors count once the chats and the device are known. */
static chat_status load_rows(loading *load, int is_first_walk)
{
    chat__state *state = &load->store->state;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *user = chat__state_user_of(state, load->user);
    const chat__state_row *row = user == NULL ? NULL : user->rows;
    if (is_first_walk && load->device.len > 0)
        load->rows = chat__store_device_rows(load->store, load->user, load->device);
    for (; row != NULL && status == CHAT_OK; row = row->next_of_user) {
        if (row->node.epoch == 0)
            continue;
        if (is_first_walk && row->type == CHAT__ROW_MEMBER)
            status =
                note_event(load, chat__state_row_chat(row), chat__state_row_seq(row), row->value);
        if (!is_first_walk && row->type == CHAT__ROW_CURSOR && counts(load, row))
            raise_cursor(load, chat__state_row_chat(row), row->value);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

static chat_status load_stored_chats(loading *load)
{
    sqlite3_stmt *statement = chat__db_use(&load->store->read_db, CHAT__DB_GET_USER_CHATS);
    chat__sql_bind(statement, 1, load->user);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        chat_view chat = chat__sql_text(statement, 0, CHAT_CHAT_ID_MAX_BYTES);
        if (chat.len == 0)
            continue;
        if (note_event(load, chat, chat__sql_number(statement, 3),
                       chat__sql_number(statement, 4)) != CHAT_OK) {
            (void)sqlite3_reset(statement);
            return CHAT_ERR_NOMEM;
        }
        user_chat *found = entry_of(load, chat);
        found->is_stored = 1;
        set_title(found, chat__sql_text(statement, 1, CHAT_TITLE_MAX_BYTES));
        found->last_seq = chat__sql_number(statement, 2);
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* Of groups that the user came to so lately that only memory knows. */
static chat_status load_stored_titles(loading *load)
{
    for (user_chat *each = load->first; each != NULL; each = each->next) {
        if (each->is_stored)
            continue;
        sqlite3_stmt *statement = chat__db_use(&load->store->read_db, CHAT__DB_GET_GROUP);
        chat__sql_bind(statement, 1, chat__view(each->chat, each->chat_len));
        chat_status status = chat__sql_step(statement);
        if (status == CHAT_OK) {
            set_title(each, chat__sql_text(statement, 0, CHAT_TITLE_MAX_BYTES));
            (void)sqlite3_reset(statement);
        } else if (status != CHAT_EMPTY) {
            return status;
        }
    }
    return CHAT_OK;
}

static chat_status load_stored_device(loading *load)
{
    chat_status status = CHAT_OK;
    uint64_t stored_ms = 0;
    if (!load->rows.is_gone)
        status = chat__store_stored_seen(load->store, load->user, load->device, &stored_ms);
    load->seen_ms = stored_ms > load->rows.seen_ms ? stored_ms : load->rows.seen_ms;
    load->is_known =
        load->seen_ms > 0 && !chat__store_is_unseen(load->store, load->seen_ms, load->now_unix_ms);
    return status;
}

static chat_status load_stored_cursors(loading *load)
{
    if (load->is_known && load->rows.is_gone)
        return CHAT_OK;
    sqlite3_stmt *statement = chat__db_use(
        &load->store->read_db, load->is_known ? CHAT__DB_GET_CURSORS : CHAT__DB_GET_FURTHEST);
    chat__sql_bind(statement, 1, load->user);
    if (load->is_known)
        chat__sql_bind(statement, 2, load->device);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK)
        raise_cursor(load, chat__sql_text(statement, 0, CHAT_CHAT_ID_MAX_BYTES),
                     chat__sql_number(statement, 1));
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* Titles and heads that are newer in memory. */
static void load_heads(loading *load)
{
    chat__state *state = &load->store->state;
    for (user_chat *each = load->first; each != NULL; each = each->next) {
        pthread_mutex_lock(&state->lock);
        const chat__state_chat *chat =
            chat__map_get(&state->chats, chat__view(each->chat, each->chat_len));
        if (chat != NULL && chat->head.seq > each->last_seq)
            each->last_seq = chat->head.seq;
        if (chat != NULL && chat->meta != NULL)
            set_title(each, chat->meta->title);
        pthread_mutex_unlock(&state->lock);
    }
}

static chat_status load_stored(loading *load)
{
    pthread_mutex_lock(&load->store->read_lock);
    chat_status status = load_stored_chats(load);
    if (status == CHAT_OK)
        status = load_stored_titles(load);
    if (status == CHAT_OK && load->device.len > 0)
        status = load_stored_device(load);
    if (status == CHAT_OK && load->device.len > 0)
        status = load_stored_cursors(load);
    pthread_mutex_unlock(&load->store->read_lock);
    return chat__store_note(load->store, status);
}

/* What the user has read and what not, for people: not part of what a device is sent. */
static chat_status load_unread(loading *load)
{
    uint32_t budget = UNREAD_BUDGET;
    chat_status status = CHAT_OK;
    for (user_chat *each = load->first; each != NULL && status >= 0; each = each->next) {
        chat_view chat = {each->chat, each->chat_len};
        status = chat__store_read_seq(load->store, load->user, chat, &each->read_seq);
        if (status == CHAT_OK)
            status = chat__store_muted_until(load->store, load->user, chat, &each->muted_until_ms);
        if (status < 0)
            return status;
        status = chat__store_count_unread(load->store, load->user, chat, each->read_seq, &budget,
                                          &each->unread);
        each->has_unread = status == CHAT_OK;
        if (status == CHAT_ERR_LIMIT)
            status = CHAT_OK;
    }
    return status;
}

/* What of it a device is still sent. */
static chat_status cut_backlog(loading *load, uint64_t now_unix_ms)
{
    chat__backlog *first = NULL;
    for (user_chat *each = load->first; each != NULL; each = each->next) {
        each->cursor = chat__membership_cursor(&each->membership, each->cursor);
        each->last_seq = chat__membership_last_seq(&each->membership, each->last_seq);
        each->backlog.chat = chat__view(each->chat, each->chat_len);
        each->backlog.cursor = each->cursor;
        each->backlog.last_seq = each->last_seq;
        each->backlog.next = first;
        first = &each->backlog;
    }
    return load->device.len > 0 ? chat__store_cut_backlog(load->store, first, now_unix_ms)
                                : CHAT_OK;
}

uint64_t chat__store_count_flushes(chat__store *store)
{
    pthread_mutex_lock(&store->state.lock);
    uint64_t n = store->state.n_flushes;
    pthread_mutex_unlock(&store->state.lock);
    return n;
}

/* Memory first: what leaves it meanwhile is in SQLite by then. Heads are looked up last and by
   name; if a flush ended in between, one may have been missed in both, so all is read again. */
static chat_status load_all(loading *load)
{
    for (;;) {
        uint64_t n_flushes = chat__store_count_flushes(load->store);
        chat_status status = load_rows(load, 1);
        if (status == CHAT_OK)
            status = load_stored(load);
        if (status == CHAT_OK)
            status = load_rows(load, 0);
        if (status != CHAT_OK)
            return status;
        load_heads(load);
        if (chat__store_count_flushes(load->store) == n_flushes)
            return CHAT_OK;
    }
}

chat_status chat__store_put_row(chat__store *store, chat__row_type type, chat_view user,
                                chat_view device, chat_view chat, uint64_t value)
{
    chat__state *state = &store->state;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&state->lock);
    chat__state_row *row = chat__state_row_of(state, type, user, device, chat);
    if (row == NULL) {
        status = CHAT_ERR_NOMEM;
    } else if (row->node.epoch == 0 && state->n_dirty_bytes > state->max_bytes) {
        chat__state_drop_row_if_idle(state, row);
        status = CHAT_ERR_BUSY;
    } else if (row->node.epoch == 0 || value > row->value) {
        row->value = value;
        chat__state_mark_dirty(state, &row->node);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

/*
 * A device's rows become dirty together: a flush in between must not store it without cursors. It
 * is the caller's to flush before the device gets anything: one that a kill makes unknown again
 * would start further on, where another device of its user is.
 */
static chat_status introduce(loading *load, const chat__store_visit *visit)
{
    chat_view none = {NULL, 0};
    chat_status status = load->is_known ? CHAT_OK : chat__store_make_room(load->store, visit);
    const user_chat *each = load->is_known ? NULL : load->first;
    if (status == CHAT_OK && !load->is_known && load->seen_ms > 0)
        status = chat__store_drop_device(load->store, load->user, load->device);
    for (; each != NULL && status == CHAT_OK; each = each->next) {
        chat_view chat = {each->chat, each->chat_len};
        if (each->cursor > 0)
            status = chat__store_put_row(load->store, CHAT__ROW_CURSOR, load->user, load->device,
                                         chat, each->cursor);
    }
    if (status == CHAT_OK)
        status = chat__store_put_row(load->store, CHAT__ROW_DEVICE, load->user, load->device, none,
                                     visit->now_unix_ms > 0 ? visit->now_unix_ms : 1);
    /* When it was last here is nothing to refuse a known device for. */
    return load->is_known && status == CHAT_ERR_BUSY ? CHAT_OK : status;
}

chat_status chat__store_load_user(chat__store *store, const chat__store_visit *visit,
                                  chat__store_user_chat_fn fn, void *ctx)
{
    chat_view device = visit->device;
    loading load = {
        .store = store, .user = visit->user, .device = device, .now_unix_ms = visit->now_unix_ms};
    if (!is_id(visit->user) || device.len > CHAT_ID_MAX_BYTES || visit->now_unix_ms > INT64_MAX)
        return CHAT_ERR_ARG;
    load.last = &load.first;
    chat__map_init(&load.by_chat, &store->allocator, SIZE_MAX, store->state.chats.seed);
    chat_status status = load_all(&load);
    if (status == CHAT_OK)
        status = device.len > 0 ? introduce(&load, visit) : load_unread(&load);
    chat_status cut_status = cut_backlog(&load, visit->now_unix_ms);
    if (status == CHAT_OK)
        status = cut_status;
    while (load.first != NULL) {
        user_chat *each = load.first;
        size_t title_len = each->has_long_title ? CHAT_TITLE_MAX_BYTES : each->title_len;
        chat__store_user_chat row = {{each->chat, each->chat_len},
                                     {each->title, title_len},
                                     each->cursor,
                                     each->last_seq,
                                     each->read_seq,
                                     each->unread,
                                     each->has_unread,
                                     chat__membership_is_past(&each->membership),
                                     each->muted_until_ms,
                                     each->backlog.gap_seq};
        if (status == CHAT_OK)
            fn(ctx, &row);
        load.first = each->next;
        chat__alloc_free(&store->allocator, each);
    }
    chat__map_done(&load.by_chat);
    return status == CHAT_OK && device.len > 0 && !load.is_known ? CHAT_EMPTY : status;
}

chat_status chat__store_put_cursor(chat__store *store, chat_view user, chat_view device,
                                   chat_view chat, uint64_t seq, uint64_t at_ms)
{
    /* SQLite's numbers have a sign. */
    if (!is_id(user) || !is_id(device) || chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES ||
        seq > INT64_MAX || at_ms > INT64_MAX)
        return CHAT_ERR_ARG;
    /* In front, so that no flush has the cursor without it. */
    if (at_ms > 0)
        chat__store_put_delivered(store, user, chat, seq, at_ms);
    return chat__store_put_row(store, CHAT__ROW_CURSOR, user, device, chat, seq);
}
