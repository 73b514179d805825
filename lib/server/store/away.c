/* SPDX-License-Identifier: MIT */
/* Which devices lack a message, for who notifies those that are away. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/view.h"

#include <string.h>

typedef struct device {
    uint8_t len;
    uint8_t id[CHAT_ID_MAX_BYTES];
} device;

typedef struct devices {
    chat__store *store;
    chat_view user, chat;
    chat__buf items; /* of `device` */
    size_t n;
    chat_status status;
} devices;

static device *at(const devices *all, size_t i)
{
    return (device *)(void *)all->items.data + i;
}

static chat_view id_of(const device *item)
{
    return chat__view(item->id, item->len);
}

static void add(void *ctx, chat_view id, uint64_t seen_ms)
{
    devices *all = ctx;
    device item = {.len = (uint8_t)id.len};
    (void)seen_ms;
    memcpy(item.id, id.data, id.len);
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->items, &item, sizeof item);
    all->n += all->status == CHAT_OK;
}

/* What the device has acknowledged of the chat. */
static chat_status cursor_of(const devices *all, chat_view id, uint64_t *out)
{
    chat__store *store = all->store;
    *out = 0;
    pthread_mutex_lock(&store->state.lock);
    const chat__state_row *row =
        chat__state_find_row(&store->state, CHAT__ROW_CURSOR, all->user, id, all->chat);
    if (row != NULL && row->node.epoch != 0)
        *out = row->value;
    int is_gone = chat__store_device_rows(store, all->user, id).is_gone;
    pthread_mutex_unlock(&store->state.lock);
    if (is_gone)
        return CHAT_OK;
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_CURSOR);
    chat__sql_bind(statement, 1, all->user);
    chat__sql_bind(statement, 2, id);
    chat__sql_bind(statement, 3, all->chat);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        uint64_t stored = chat__sql_number(statement, 0);
        (void)sqlite3_reset(statement);
        if (stored > *out)
            *out = stored;
    }
    pthread_mutex_unlock(&store->read_lock);
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

/* Moves those that lack the record to the front. */
static chat_status keep_lacking(devices *all, uint64_t seq, size_t *out_n)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        uint64_t cursor;
        device item = *at(all, i);
        chat_status status = cursor_of(all, id_of(&item), &cursor);
        if (status != CHAT_OK)
            return status;
        if (cursor < seq)
            *at(all, n++) = item;
    }
    *out_n = n;
    return CHAT_OK;
}

static chat_status load(devices *all, uint64_t now_unix_ms, uint64_t seq, chat__store_away *out)
{
    chat_status status =
        chat__store_muted_until(all->store, all->user, all->chat, &out->muted_until_ms);
    if (status == CHAT_OK)
        status = chat__store_read_seq(all->store, all->user, all->chat, &out->read_seq);
    if (status == CHAT_OK)
        status = chat__store_load_devices(all->store, all->user, now_unix_ms, add, all);
    if (status == CHAT_OK)
        status = all->status;
    out->n_known = all->n;
    if (status == CHAT_OK)
        status = keep_lacking(all, seq, &out->n_devices);
    return status;
}

chat_status chat__store_load_away(chat__store *store, const chat__store_visit *visit,
                                  chat_view chat, uint64_t seq, chat__store_away_fn fn, void *ctx)
{
    devices all = {.store = store, .user = visit->user, .chat = chat};
    chat__store_away away = {.n_devices = 0};
    chat_view *views = NULL;
    chat__buf_init(&all.items, &store->allocator, SIZE_MAX / 2);
    chat_status status = load(&all, visit->now_unix_ms, seq, &away);
    if (status == CHAT_OK) {
        views = chat__alloc_resize(&store->allocator, NULL, (away.n_devices + 1) * sizeof *views);
        status = views != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    }
    for (size_t i = 0; status == CHAT_OK && i < away.n_devices; i++)
        views[i] = id_of(at(&all, i));
    away.devices = views;
    if (status == CHAT_OK)
        fn(ctx, &away);
    chat__alloc_free(&store->allocator, views);
    chat__buf_done(&all.items);
    return status;
}
