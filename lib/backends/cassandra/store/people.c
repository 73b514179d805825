/* SPDX-License-Identifier: MIT */
/* What is known of users: their devices, which of them lack a message, whom they have blocked, and
   how far the members of a chat are. */
#include "backends/cassandra/store/events.h"
#include "backends/cassandra/store/people.h"
#include "backends/cassandra/store/places.h"

#include <chat/id.h>

#include "base/alloc.h"
#include "base/view.h"

/* --- devices --- */

int chat__cstore_next_device(const chat__cstore_reader *reader, chat__cstore_rows *rows,
                             uint64_t now_unix_ms, chat__cstore_device_row *out)
{
    while (chat__cstore_next(rows)) {
        out->id = chat__cstore_get_text(rows);
        out->seen_ms = chat__cstore_get_u64(rows);
        out->generation = chat__cstore_get_u64(rows);
        if (chat__cstore_is_known(reader->rules, out->generation, out->seen_ms, now_unix_ms))
            return 1;
    }
    return 0;
}

chat_status chat__cstore_load_devices(const chat__cstore_reader *reader, chat_view user,
                                      uint64_t now_unix_ms, chat_store_device_fn fn, void *ctx)
{
    chat__cstore_call call;
    chat__cstore_device_row device;
    if (!chat__cstore_is_user(user))
        return CHAT_ERR_ARG;
    chat__cstore_call_init(&call, reader->session);
    (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_DEVICES);
    chat__cstore_text(&call, user);
    chat_status status = chat__cstore_run(&call);
    chat__cstore_rows rows = chat__cstore_rows_of(&call, 0);
    while (status == CHAT_OK && chat__cstore_next_device(reader, &rows, now_unix_ms, &device))
        fn(ctx, device.id, device.seen_ms);
    if (status == CHAT_OK && rows.is_bad)
        status = CHAT_ERR_IO;
    chat__cstore_call_done(&call);
    return status;
}

/* --- away --- */

static uint64_t first_number(const chat__cstore_call *call, uint32_t item)
{
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    return chat__cstore_next(&rows) ? chat__cstore_get_u64(&rows) : 0;
}

typedef struct absence {
    const chat__cstore_reader *reader;
    const chat_store_visit *visit;
    chat_view chat;
    uint64_t seq;
    chat__cstore_call call;    /* who he is, and his devices */
    chat__cstore_call cursors; /* how far each of them is */
    chat_view *devices;
    chat_store_away away;
} absence;

static void ask_about_user(absence *a)
{
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_GET_MUTE);
    chat__cstore_text(&a->call, a->visit->user);
    chat__cstore_text(&a->call, a->chat);
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_GET_READ);
    chat__cstore_text(&a->call, a->visit->user);
    chat__cstore_text(&a->call, a->chat);
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_GET_DEVICES);
    chat__cstore_text(&a->call, a->visit->user);
}

static void ask_for_cursors(absence *a)
{
    chat__cstore_device_row device;
    chat__cstore_rows rows = chat__cstore_rows_of(&a->call, 2);
    while (chat__cstore_next_device(a->reader, &rows, a->visit->now_unix_ms, &device)) {
        a->devices[a->away.n_known++] = device.id;
        (void)chat__cstore_ask(&a->cursors, CHAT__CSTORE_GET_CURSOR);
        chat__cstore_text(&a->cursors, a->visit->user);
        chat__cstore_text(&a->cursors, device.id);
        chat__cstore_u64(&a->cursors, device.generation);
        chat__cstore_text(&a->cursors, a->chat);
    }
}

/* Those that lack the record move to the front. */
static void keep_lacking(absence *a)
{
    for (size_t i = 0; i < a->away.n_known; i++) {
        if (first_number(&a->cursors, (uint32_t)i) < a->seq)
            a->devices[a->away.n_devices++] = a->devices[i];
    }
    a->away.devices = a->devices;
}

static chat_status load_absence(absence *a)
{
    ask_about_user(a);
    chat_status status = chat__cstore_run(&a->call);
    if (status != CHAT_OK)
        return status;
    a->away.muted_until_ms = first_number(&a->call, 0);
    a->away.read_seq = first_number(&a->call, 1);
    size_t n = chat__cstore_rows_of(&a->call, 2).n_rows;
    a->devices = chat__alloc_resize(&a->reader->allocator, NULL, (n + 1) * sizeof *a->devices);
    if (a->devices == NULL)
        return CHAT_ERR_NOMEM;
    ask_for_cursors(a);
    status = chat__cstore_run(&a->cursors);
    if (status == CHAT_OK)
        keep_lacking(a);
    return status;
}

chat_status chat__cstore_load_away(const chat__cstore_reader *reader, const chat_store_visit *visit,
                                   chat_view chat, uint64_t seq, chat_store_away_fn fn, void *ctx)
{
    absence a = {.reader = reader, .visit = visit, .chat = chat, .seq = seq};
    if (!chat__cstore_is_user(visit->user) || !chat__cstore_is_chat(chat))
        return CHAT_ERR_ARG;
    chat__cstore_call_init(&a.call, reader->session);
    chat__cstore_call_init(&a.cursors, reader->session);
    chat_status status = load_absence(&a);
    if (status == CHAT_OK)
        fn(ctx, &a.away);
    chat__alloc_free(&reader->allocator, a.devices);
    chat__cstore_call_done(&a.cursors);
    chat__cstore_call_done(&a.call);
    return status;
}

/* --- blocks --- */

#define IS_BLOCKED 1u

chat_status chat__cstore_load_blocks(const chat__cstore_reader *reader, chat_view user,
                                     int is_reverse, uint32_t limit, chat_store_name_fn fn,
                                     void *ctx)
{
    chat__cstore_call call;
    if (!chat__cstore_is_user(user))
        return CHAT_ERR_ARG;
    chat__cstore_call_init(&call, reader->session);
    (void)chat__cstore_ask(&call,
                           is_reverse ? CHAT__CSTORE_GET_BLOCKERS : CHAT__CSTORE_GET_BLOCKED);
    chat__cstore_text(&call, user);
    if (limit > 0 && limit < UINT32_MAX)
        chat__cstore_page(&call, 0, limit + 1);
    chat_status status = chat__cstore_run(&call);
    chat__cstore_rows rows = chat__cstore_rows_of(&call, 0);
    int is_more = limit > 0 && rows.n_rows > limit;
    while (status == CHAT_OK && chat__cstore_next(&rows)) {
        chat_view name = chat__cstore_get_text(&rows);
        if (chat__cstore_get_u8(&rows) == IS_BLOCKED)
            fn(ctx, name);
    }
    if (status == CHAT_OK && rows.is_bad)
        status = CHAT_ERR_IO;
    chat__cstore_call_done(&call);
    return status == CHAT_OK && is_more ? CHAT_MORE : status;
}

chat_status chat__cstore_has_blocked(const chat__cstore_reader *reader, chat_view user,
                                     chat_view whom, int *out)
{
    chat__cstore_call call;
    if (!chat__cstore_is_user(user) || !chat__cstore_is_user(whom))
        return CHAT_ERR_ARG;
    chat__cstore_call_init(&call, reader->session);
    (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_BLOCK);
    chat__cstore_text(&call, user);
    chat__cstore_text(&call, whom);
    chat_status status = chat__cstore_run(&call);
    chat__cstore_rows rows = chat__cstore_rows_of(&call, 0);
    if (status == CHAT_OK)
        *out = chat__cstore_next(&rows) && chat__cstore_get_u8(&rows) == IS_BLOCKED;
    chat__cstore_call_done(&call);
    return status;
}
