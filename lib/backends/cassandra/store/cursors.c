/* SPDX-License-Identifier: MIT */
/*
 * How far devices are. Two rounds: what is not remembered is looked up, all of it at once, then all
 * is written. A run of `since` says what was reached and how far it was before, so that no message
 * gets the time of a run that did not bring it.
 */
#include "backends/cassandra/store/devices_internal.h"
#include "backends/cassandra/store/marks.h"

#include "base/view.h"

#include <string.h>

#define CURSORS_A_ROUND 1000u

/* Numbers of entries while cursors are put. */
enum { SEQ = 0, IS_SURE = 1, ITEM = 2 }; /* of a user's chat */
enum { GENERATION = 0 };                 /* of a device; ITEM too */

typedef struct putting {
    chat__cstore_devices *devices;
    const chat_store_cursor *cursors;
    size_t n;
    chat__cstore_call call;
    chat__cstore_cache by_device;
    chat__cstore_cache by_chat;
} putting;

static chat__cstore_entry *device_of(putting *p, const chat_store_cursor *cursor)
{
    uint8_t raw[CHAT__CSTORE_KEY_BYTES];
    return chat__cstore_cache_put(&p->by_device,
                                  chat__cstore_key_of(cursor->user, cursor->device, raw));
}

static chat__cstore_entry *reached_in(putting *p, const chat_store_cursor *cursor)
{
    uint8_t raw[CHAT__CSTORE_KEY_BYTES];
    return chat__cstore_cache_put(&p->by_chat,
                                  chat__cstore_key_of(cursor->user, cursor->chat, raw));
}

/* --- looking up; an ITEM is the number of the ask and 1 --- */

static chat_status ask_device(putting *p, const chat_store_cursor *cursor)
{
    chat__cstore_device it = {0, 0};
    chat__cstore_entry *entry = device_of(p, cursor);
    if (entry == NULL)
        return CHAT_ERR_NOMEM;
    if (entry->numbers[GENERATION] > 0 || entry->numbers[ITEM] > 0)
        return CHAT_OK;
    if (chat__cstore_recall(p->devices, cursor->user, cursor->device, &it)) {
        entry->numbers[GENERATION] = it.generation;
    } else {
        chat__cstore_ask_device(&p->call, cursor->user, cursor->device);
        entry->numbers[ITEM] = p->call.n_items;
    }
    return CHAT_OK;
}

/* Only of what somebody will ask for it matters how far it was before. */
static chat_status ask_chat(putting *p, const chat_store_cursor *cursor)
{
    chat__cstore_entry *entry = reached_in(p, cursor);
    if (entry == NULL)
        return CHAT_ERR_NOMEM;
    if (entry->numbers[IS_SURE] || entry->numbers[ITEM] > 0)
        return CHAT_OK;
    pthread_mutex_lock(&p->devices->lock);
    const chat__cstore_entry *known =
        chat__cstore_cache_get(&p->devices->delivered, chat__view(entry->key, entry->key_len));
    entry->numbers[IS_SURE] = known != NULL;
    entry->numbers[SEQ] = known != NULL ? known->numbers[SEQ] : 0;
    pthread_mutex_unlock(&p->devices->lock);
    if (entry->numbers[IS_SURE] || cursor->at_unix_ms == 0)
        return CHAT_OK;
    (void)chat__cstore_ask(&p->call, CHAT__CSTORE_GET_DELIVERED);
    chat__cstore_text(&p->call, cursor->chat);
    chat__cstore_text(&p->call, cursor->user);
    entry->numbers[ITEM] = p->call.n_items;
    return CHAT_OK;
}

static void take_devices(putting *p)
{
    for (size_t i = 0; i < p->n; i++) {
        chat__cstore_entry *entry = device_of(p, &p->cursors[i]);
        if (entry == NULL || entry->numbers[ITEM] == 0)
            continue;
        chat__cstore_device it =
            chat__cstore_take_device(&p->call, (uint32_t)entry->numbers[ITEM] - 1);
        entry->numbers[GENERATION] = it.generation;
        entry->numbers[ITEM] = 0;
        chat__cstore_remember(p->devices, p->cursors[i].user, p->cursors[i].device, &it);
    }
}

static void take_chats(putting *p)
{
    for (chat__cstore_entry *entry = p->by_chat.oldest; entry != NULL; entry = entry->newer) {
        if (entry->numbers[ITEM] == 0)
            continue;
        chat__cstore_rows rows = chat__cstore_rows_of(&p->call, (uint32_t)entry->numbers[ITEM] - 1);
        entry->numbers[SEQ] = chat__cstore_next(&rows) ? chat__cstore_get_u64(&rows) : 0;
        entry->numbers[IS_SURE] = 1;
    }
}

static chat_status look_up(putting *p)
{
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < p->n && status == CHAT_OK; i++) {
        status = ask_device(p, &p->cursors[i]);
        if (status == CHAT_OK)
            status = ask_chat(p, &p->cursors[i]);
    }
    if (status == CHAT_OK)
        status = chat__cstore_run(&p->call);
    if (status == CHAT_OK) {
        take_devices(p);
        take_chats(p);
        chat__cstore_reset(&p->call);
    }
    return status;
}

/* --- writing --- */

static int is_further(const chat__cstore_entry *chat, const chat_store_cursor *cursor)
{
    return !chat->numbers[IS_SURE] || cursor->seq > chat->numbers[SEQ];
}

/* Rows of one user one behind the other: they are one partition. */
static void put_rows_of_users(putting *p)
{
    chat_view last = {NULL, 0};
    for (size_t i = 0; i < p->n; i++) {
        const chat_store_cursor *each = &p->cursors[i];
        uint64_t generation = device_of(p, each)->numbers[GENERATION];
        if (generation == 0)
            continue;
        if (chat__view_equal(last, each->user))
            (void)chat__cstore_join(&p->call, CHAT__CSTORE_PUT_CURSOR);
        else
            (void)chat__cstore_ask(&p->call, CHAT__CSTORE_PUT_CURSOR);
        last = each->user;
        chat__cstore_text(&p->call, each->user);
        chat__cstore_text(&p->call, each->device);
        chat__cstore_u64(&p->call, generation);
        chat__cstore_text(&p->call, each->chat);
        chat__cstore_u64(&p->call, each->seq);
        chat__cstore_u64(&p->call, each->seq);
        if (!is_further(reached_in(p, each), each))
            continue;
        (void)chat__cstore_join(&p->call, CHAT__CSTORE_PUT_KEPT);
        chat__cstore_text(&p->call, each->user);
        chat__cstore_text(&p->call, each->chat);
        chat__cstore_u64(&p->call, each->seq);
        chat__cstore_u64(&p->call, each->seq);
    }
}

static void put_rows_of_chats(putting *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const chat_store_cursor *each = &p->cursors[i];
        chat__cstore_entry *chat = reached_in(p, each);
        if (device_of(p, each)->numbers[GENERATION] == 0 || !is_further(chat, each))
            continue;
        (void)chat__cstore_ask(&p->call, CHAT__CSTORE_PUT_DELIVERED);
        chat__cstore_text(&p->call, each->chat);
        chat__cstore_text(&p->call, each->user);
        chat__cstore_u64(&p->call, each->seq);
        chat__cstore_u64(&p->call, each->seq);
        if (!chat->numbers[IS_SURE])
            continue;
        if (each->at_unix_ms > 0) {
            chat__cstore_run_of run = {each->user,         each->chat, CHAT__CSTORE_DELIVERED,
                                       chat->numbers[SEQ], each->seq,  each->at_unix_ms};
            chat__cstore_put_run(&p->call, &run);
        }
        chat->numbers[SEQ] = each->seq;
    }
}

static void remember_chats(putting *p)
{
    pthread_mutex_lock(&p->devices->lock);
    for (const chat__cstore_entry *each = p->by_chat.oldest; each != NULL; each = each->newer) {
        chat__cstore_entry *entry =
            each->numbers[IS_SURE] ? chat__cstore_cache_put(&p->devices->delivered,
                                                            chat__view(each->key, each->key_len))
                                   : NULL;
        if (entry != NULL && entry->numbers[SEQ] < each->numbers[SEQ])
            entry->numbers[SEQ] = each->numbers[SEQ];
    }
    pthread_mutex_unlock(&p->devices->lock);
}

static chat_status put_some(chat__cstore_devices *devices, const chat_store_cursor *cursors,
                            size_t n)
{
    putting p = {.devices = devices, .cursors = cursors, .n = n};
    chat__cstore_call_init(&p.call, devices->session);
    chat__cstore_cache_init(&p.by_device, 0);
    chat__cstore_cache_init(&p.by_chat, 0);
    chat_status status = look_up(&p);
    if (status == CHAT_OK) {
        put_rows_of_users(&p);
        put_rows_of_chats(&p);
        status = chat__cstore_run(&p.call);
    }
    if (status == CHAT_OK)
        remember_chats(&p);
    chat__cstore_cache_done(&p.by_device);
    chat__cstore_cache_done(&p.by_chat);
    chat__cstore_call_done(&p.call);
    return status;
}

static int is_sane(const chat_store_cursor *cursor)
{
    return cursor->user.len > 0 && cursor->user.len <= CHAT_ID_MAX_BYTES &&
           cursor->device.len > 0 && cursor->device.len <= CHAT_ID_MAX_BYTES &&
           cursor->chat.len > 0 && cursor->chat.len <= CHAT_CHAT_ID_MAX_BYTES &&
           cursor->seq <= INT64_MAX && cursor->at_unix_ms <= INT64_MAX;
}

chat_status chat__cstore_put_cursors(chat__cstore_devices *devices,
                                     const chat_store_cursor *cursors, size_t n)
{
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < n; i++) {
        if (!is_sane(&cursors[i]))
            return CHAT_ERR_ARG;
    }
    for (size_t i = 0; i < n && status == CHAT_OK; i += CURSORS_A_ROUND)
        status = put_some(devices, cursors + i, n - i < CURSORS_A_ROUND ? n - i : CURSORS_A_ROUND);
    return status;
}
