/* SPDX-License-Identifier: MIT */
/*
 * The devices of users: listed, seen, forgotten. To forget one is a row `gone`, which makes a flush
 * delete what SQLite has of it, before it writes anything else, for the device may be here again;
 * until then readers leave that out, and the device's own rows in memory are 0. How far it was goes
 * into cursors without a device: what a user has, he has, whatever becomes of his devices.
 */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <stdlib.h>
#include <string.h>

/* The sweep leaves a device alone that a reader may still have found. */
#define SWEEP_SLACK_MS 60000u
/* Forgotten for one that comes: more than one only when max_devices was lowered. */
#define MAX_FORGOTTEN 64u

static int is_id(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

int chat__store_is_unseen(const chat__store *store, uint64_t seen_ms, uint64_t now_unix_ms)
{
    uint64_t ttl_ms = store->options.device_ttl_ms;
    return ttl_ms > 0 && now_unix_ms > seen_ms && now_unix_ms - seen_ms > ttl_ms;
}

/* --- one device --- */

chat__device_rows chat__store_device_rows(chat__store *store, chat_view user, chat_view device)
{
    chat__state *state = &store->state;
    chat_view none = {NULL, 0};
    const chat__state_row *row = chat__state_find_row(state, CHAT__ROW_DEVICE, user, device, none);
    const chat__state_row *gone = chat__state_find_row(state, CHAT__ROW_GONE, user, device, none);
    chat__device_rows out = {0, gone != NULL && gone->node.epoch != 0};
    if (row != NULL && row->node.epoch != 0)
        out.seen_ms = row->value;
    return out;
}

chat_status chat__store_stored_seen(chat__store *store, chat_view user, chat_view device,
                                    uint64_t *out_seen_ms)
{
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_DEVICE);
    chat__sql_bind(statement, 1, user);
    chat__sql_bind(statement, 2, device);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        *out_seen_ms = chat__sql_number(statement, 0);
        (void)sqlite3_reset(statement);
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* 0: not known. What leaves memory meanwhile is in SQLite by then, but for what is gone: so it is
   read again if a flush ended in between. */
static chat_status last_seen(chat__store *store, chat_view user, chat_view device,
                             uint64_t *out_seen_ms)
{
    for (;;) {
        uint64_t stored_ms = 0;
        uint64_t n_flushes = chat__store_count_flushes(store);
        pthread_mutex_lock(&store->state.lock);
        chat__device_rows rows = chat__store_device_rows(store, user, device);
        pthread_mutex_unlock(&store->state.lock);
        pthread_mutex_lock(&store->read_lock);
        chat_status status =
            rows.is_gone ? CHAT_OK : chat__store_stored_seen(store, user, device, &stored_ms);
        pthread_mutex_unlock(&store->read_lock);
        *out_seen_ms = stored_ms > rows.seen_ms ? stored_ms : rows.seen_ms;
        if (status != CHAT_OK || chat__store_count_flushes(store) == n_flushes)
            return chat__store_note(store, status);
    }
}

chat_status chat__store_find_device(chat__store *store, const chat__store_visit *visit,
                                    uint64_t *out_seen_ms)
{
    if (!is_id(visit->user) || !is_id(visit->device))
        return CHAT_ERR_ARG;
    chat_status status = last_seen(store, visit->user, visit->device, out_seen_ms);
    if (status != CHAT_OK)
        return status;
    return *out_seen_ms > 0 && !chat__store_is_unseen(store, *out_seen_ms, visit->now_unix_ms)
               ? CHAT_OK
               : CHAT_EMPTY;
}

chat_status chat__store_see_device(chat__store *store, const chat__store_visit *visit)
{
    uint64_t seen_ms = 0;
    if (visit->now_unix_ms > INT64_MAX)
        return CHAT_ERR_ARG;
    chat_status status = chat__store_find_device(store, visit, &seen_ms);
    if (status == CHAT_EMPTY)
        return CHAT_OK;
    if (status != CHAT_OK)
        return status;
    return chat__store_put_row(store, CHAT__ROW_DEVICE, visit->user, visit->device,
                               chat__view(NULL, 0), visit->now_unix_ms);
}

/* --- forgetting, under the lock --- */

static int is_cursor_of(const chat__state_row *row, chat_view device)
{
    return row->type == CHAT__ROW_CURSOR && row->node.epoch != 0 &&
           chat__view_equal(chat__state_row_device(row), device);
}

/* Rows that were made and not used. The user itself lives as long as `row` does. */
static void drop_unused(chat__state *state, chat__state_row *row)
{
    while (row != NULL) {
        chat__state_row *next = row->next_of_user;
        int is_ours =
            row->type == CHAT__ROW_GONE || (row->type == CHAT__ROW_CURSOR && row->device_len == 0);
        if (is_ours)
            chat__state_drop_row_if_idle(state, row);
        row = next;
    }
}

/* Make all rows that it takes: nothing fails behind that. */
static chat_status make_rows(chat__state *state, chat_view user, chat_view device,
                             chat__state_row **out_gone)
{
    chat_view none = {NULL, 0};
    *out_gone = chat__state_row_of(state, CHAT__ROW_GONE, user, device, none);
    if (*out_gone == NULL)
        return CHAT_ERR_NOMEM;
    const chat__state_user *owner = (*out_gone)->user;
    /* New rows come in front of the first. */
    for (const chat__state_row *row = owner->rows; row != NULL; row = row->next_of_user) {
        if (is_cursor_of(row, device) && chat__state_row_of(state, CHAT__ROW_CURSOR, user, none,
                                                            chat__state_row_chat(row)) == NULL) {
            drop_unused(state, owner->rows);
            return CHAT_ERR_NOMEM;
        }
    }
    return CHAT_OK;
}

static void keep_cursor(chat__state *state, chat_view user, const chat__state_row *cursor)
{
    chat_view none = {NULL, 0};
    chat__state_row *kept =
        chat__state_find_row(state, CHAT__ROW_CURSOR, user, none, chat__state_row_chat(cursor));
    if (kept->value < cursor->value)
        kept->value = cursor->value;
    chat__state_mark_dirty(state, &kept->node);
}

/* Rows that are 0 are not written. */
static chat_status drop(chat__state *state, chat_view user, chat_view device)
{
    chat__state_row *gone = NULL;
    if (state->n_dirty_bytes > state->max_bytes)
        return CHAT_ERR_BUSY;
    chat_status status = make_rows(state, user, device, &gone);
    if (status != CHAT_OK)
        return status;
    for (chat__state_row *row = gone->user->rows; row != NULL; row = row->next_of_user) {
        int is_device =
            row->type == CHAT__ROW_DEVICE && chat__view_equal(chat__state_row_device(row), device);
        if (is_cursor_of(row, device))
            keep_cursor(state, user, row);
        if (is_device || is_cursor_of(row, device))
            row->value = 0;
    }
    chat__state_mark_dirty(state, &gone->node);
    return CHAT_OK;
}

chat_status chat__store_drop_device(chat__store *store, chat_view user, chat_view device)
{
    pthread_mutex_lock(&store->state.lock);
    chat_status status = drop(&store->state, user, device);
    pthread_mutex_unlock(&store->state.lock);
    return status;
}

chat_status chat__store_forget_device(chat__store *store, const chat__store_visit *visit)
{
    uint64_t seen_ms = 0;
    chat_status status = chat__store_find_device(store, visit, &seen_ms);
    if (status == CHAT_EMPTY)
        return CHAT_ERR_NOT_FOUND;
    return status == CHAT_OK ? chat__store_drop_device(store, visit->user, visit->device) : status;
}

/* --- all devices of a user --- */

typedef struct device {
    uint64_t seen_ms;
    uint8_t is_gone;
    uint8_t len;
    uint8_t id[CHAT_ID_MAX_BYTES];
} device;

typedef struct devices {
    const chat_allocator *allocator;
    device *items;
    size_t n_items, cap, n_memory;
} devices;

static device *find_in_memory(const devices *all, chat_view id)
{
    for (size_t i = 0; i < all->n_memory; i++) {
        if (chat__view_equal(chat__view(all->items[i].id, all->items[i].len), id))
            return &all->items[i];
    }
    return NULL;
}

static device *add(devices *all, chat_view id)
{
    if (all->n_items == all->cap) {
        size_t cap = all->cap == 0 ? 16 : all->cap * 2;
        device *items = chat__alloc_resize(all->allocator, all->items, cap * sizeof *items);
        if (items == NULL)
            return NULL;
        all->items = items;
        all->cap = cap;
    }
    device *item = &all->items[all->n_items++];
    memset(item, 0, sizeof *item);
    item->len = (uint8_t)id.len;
    memcpy(item->id, id.data, id.len);
    return item;
}

static chat_status collect_rows(chat__store *store, chat_view user, devices *all)
{
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&store->state.lock);
    const chat__state_user *known = chat__state_user_of(&store->state, user);
    const chat__state_row *row = known == NULL ? NULL : known->rows;
    for (; row != NULL && status == CHAT_OK; row = row->next_of_user) {
        int is_gone = row->type == CHAT__ROW_GONE;
        if (row->node.epoch == 0 || (row->type != CHAT__ROW_DEVICE && !is_gone))
            continue;
        device *item = find_in_memory(all, chat__state_row_device(row));
        if (item == NULL)
            item = add(all, chat__state_row_device(row));
        all->n_memory = all->n_items;
        if (item == NULL)
            status = CHAT_ERR_NOMEM;
        else if (is_gone)
            item->is_gone = 1;
        else
            item->seen_ms = row->value;
    }
    pthread_mutex_unlock(&store->state.lock);
    return status;
}

static chat_status collect_stored(chat__store *store, chat_view user, devices *all)
{
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_DEVICES);
    chat__sql_bind(statement, 1, user);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        chat_view id = chat__sql_text(statement, 0, CHAT_ID_MAX_BYTES);
        uint64_t seen_ms = chat__sql_number(statement, 1);
        device *item = find_in_memory(all, id);
        if (item == NULL)
            item = add(all, id);
        if (item == NULL) {
            (void)sqlite3_reset(statement);
            status = CHAT_ERR_NOMEM;
            break;
        }
        if (!item->is_gone && seen_ms > item->seen_ms)
            item->seen_ms = seen_ms;
    }
    pthread_mutex_unlock(&store->read_lock);
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

static void leave_out_unknown(const chat__store *store, devices *all, uint64_t now_unix_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n_items; i++) {
        const device *item = &all->items[i];
        if (item->seen_ms > 0 && !chat__store_is_unseen(store, item->seen_ms, now_unix_ms))
            all->items[n++] = *item;
    }
    all->n_items = n;
}

/* Free the items in any case. */
static chat_status collect(chat__store *store, chat_view user, uint64_t now_unix_ms, devices *all)
{
    memset(all, 0, sizeof *all);
    all->allocator = &store->allocator;
    for (;;) {
        uint64_t n_flushes = chat__store_count_flushes(store);
        all->n_items = 0;
        all->n_memory = 0;
        chat_status status = collect_rows(store, user, all);
        if (status == CHAT_OK)
            status = collect_stored(store, user, all);
        if (status != CHAT_OK)
            return status;
        if (chat__store_count_flushes(store) == n_flushes)
            break;
    }
    leave_out_unknown(store, all, now_unix_ms);
    return CHAT_OK;
}

static int by_id(const void *left, const void *right)
{
    const device *a = left, *b = right;
    int order = memcmp(a->id, b->id, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (int)a->len - (int)b->len;
}

chat_status chat__store_load_devices(chat__store *store, chat_view user, uint64_t now_unix_ms,
                                     chat__store_device_fn fn, void *ctx)
{
    devices all;
    if (!is_id(user))
        return CHAT_ERR_ARG;
    chat_status status = collect(store, user, now_unix_ms, &all);
    if (status == CHAT_OK && all.n_items > 1)
        qsort(all.items, all.n_items, sizeof *all.items, by_id);
    for (size_t i = 0; i < all.n_items && status == CHAT_OK; i++)
        fn(ctx, chat__view(all.items[i].id, all.items[i].len), all.items[i].seen_ms);
    chat__alloc_free(all.allocator, all.items);
    return status;
}

static int is_connected(const chat__store_visit *visit, const device *item)
{
    for (size_t i = 0; i < visit->n_connected; i++) {
        if (chat__view_equal(visit->connected[i], chat__view(item->id, item->len)))
            return 1;
    }
    return 0;
}

static device *longest_unseen(const chat__store_visit *visit, const devices *all)
{
    device *found = NULL;
    for (size_t i = 0; i < all->n_items; i++) {
        device *item = &all->items[i];
        if (!is_connected(visit, item) && (found == NULL || item->seen_ms < found->seen_ms))
            found = item;
    }
    return found;
}

chat_status chat__store_make_room(chat__store *store, const chat__store_visit *visit)
{
    devices all;
    uint32_t max = store->options.max_devices;
    if (max == 0)
        return CHAT_OK;
    chat_status status = collect(store, visit->user, visit->now_unix_ms, &all);
    for (uint32_t i = 0; i < MAX_FORGOTTEN && status == CHAT_OK && all.n_items >= max; i++) {
        device *item = longest_unseen(visit, &all);
        status = item == NULL
                     ? CHAT_ERR_LIMIT
                     : chat__store_drop_device(store, visit->user, chat__view(item->id, item->len));
        if (status == CHAT_OK)
            *item = all.items[--all.n_items];
    }
    chat__alloc_free(all.allocator, all.items);
    return status;
}

/* --- all that were not seen for long --- */

/* Those that memory knows to be newer, or gone, stay as they are. */
static chat_status forget_stored(chat__store *store, chat_view user, chat_view id)
{
    pthread_mutex_lock(&store->state.lock);
    chat__device_rows rows = chat__store_device_rows(store, user, id);
    chat_status status = rows.seen_ms > 0 || rows.is_gone ? CHAT_OK : drop(&store->state, user, id);
    pthread_mutex_unlock(&store->state.lock);
    return status;
}

static chat_status forget_rows(chat__store *store, uint64_t before_ms, uint32_t max)
{
    uint32_t n = 0;
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_UNSEEN);
    chat__sql_bind_number(statement, 1, before_ms);
    chat__sql_bind_number(statement, 2, max);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        chat_view user = chat__sql_text(statement, 0, CHAT_ID_MAX_BYTES);
        chat_view id = chat__sql_text(statement, 1, CHAT_ID_MAX_BYTES);
        n++;
        chat_status forgotten = is_id(user) && is_id(id) ? forget_stored(store, user, id) : CHAT_OK;
        if (forgotten != CHAT_OK) {
            (void)sqlite3_reset(statement);
            return forgotten;
        }
    }
    if (status == CHAT_EMPTY)
        status = n == max ? CHAT_MORE : CHAT_OK;
    return status;
}

/* No flush in between: it would take a newer row out of memory behind what SQLite said before. */
chat_status chat__store_forget_unseen(chat__store *store, uint64_t now_unix_ms, uint32_t max)
{
    uint64_t ttl_ms = store->options.device_ttl_ms;
    if (ttl_ms == 0 || now_unix_ms > INT64_MAX || now_unix_ms <= SWEEP_SLACK_MS ||
        now_unix_ms - SWEEP_SLACK_MS <= ttl_ms)
        return CHAT_OK;
    pthread_mutex_lock(&store->flush_lock);
    pthread_mutex_lock(&store->read_lock);
    chat_status status = forget_rows(store, now_unix_ms - SWEEP_SLACK_MS - ttl_ms, max);
    pthread_mutex_unlock(&store->read_lock);
    pthread_mutex_unlock(&store->flush_lock);
    return chat__store_note(store, status);
}
