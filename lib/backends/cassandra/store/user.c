/* SPDX-License-Identifier: MIT */
/* All chats of a user: what is kept by user is asked first, and then all their heads together. */
#include "backends/cassandra/store/user.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

typedef struct loading {
    const chat__cstore_reader *reader;
    const chat_store_visit *visit;
    uint64_t generation; /* of the device; 0: there is no device */
    chat__cstore_call call, heads;
    chat__cstore_events events;
    chat__cstore_user_chat *chats; /* in the order of names */
    size_t n_chats;
} loading;

#define MEMBERSHIPS_ITEM 0u
#define CURSORS_ITEM     1u /* with a device */
#define READS_ITEM       1u /* without */
#define MUTES_ITEM       2u

static void ask_of_user(loading *load)
{
    (void)chat__cstore_ask(&load->call, CHAT__CSTORE_GET_MEMBERSHIPS);
    chat__cstore_text(&load->call, load->visit->user);
    if (load->generation > 0) {
        (void)chat__cstore_ask(&load->call, CHAT__CSTORE_GET_CURSORS);
        chat__cstore_text(&load->call, load->visit->user);
        chat__cstore_text(&load->call, load->visit->device);
        chat__cstore_u64(&load->call, load->generation);
        return;
    }
    (void)chat__cstore_ask(&load->call, CHAT__CSTORE_GET_READS);
    chat__cstore_text(&load->call, load->visit->user);
    (void)chat__cstore_ask(&load->call, CHAT__CSTORE_GET_MUTES);
    chat__cstore_text(&load->call, load->visit->user);
}

static chat_status make_chats(loading *load)
{
    const chat__cstore_events *events = &load->events;
    if (events->n_items == 0)
        return CHAT_OK;
    load->chats = chat__alloc_zero(&load->reader->allocator, events->n_items * sizeof *load->chats);
    if (load->chats == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < events->n_items;) {
        chat__cstore_user_chat *added = &load->chats[load->n_chats++];
        added->chat = events->items[i].name;
        added->events = &events->items[i];
        added->n_events = chat__member_events_of_first(added->events, events->n_items - i);
        for (size_t k = 0; k < added->n_events; k++)
            chat__membership_take(&added->membership, added->events[k].seq, added->events[k].value);
        i += added->n_events;
    }
    return CHAT_OK;
}

static chat__cstore_user_chat *find(const loading *load, chat_view chat)
{
    size_t low = 0;
    size_t high = load->n_chats;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = chat__view_compare(load->chats[middle].chat, chat);
        if (order == 0)
            return &load->chats[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A number for each of some chats, to the field at `offset`. */
static chat_status take_numbers(const loading *load, uint32_t item, size_t offset)
{
    chat__cstore_rows rows = chat__cstore_rows_of(&load->call, item);
    while (chat__cstore_next(&rows)) {
        chat__cstore_user_chat *chat = find(load, chat__cstore_get_text(&rows));
        uint64_t number = chat__cstore_get_u64(&rows);
        if (chat != NULL)
            memcpy((uint8_t *)chat + offset, &number, sizeof number);
    }
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

static chat_status load_of_user(loading *load)
{
    ask_of_user(load);
    chat_status status = chat__cstore_run(&load->call);
    if (status == CHAT_OK)
        status =
            chat__cstore_take_events(load->reader, &load->call, MEMBERSHIPS_ITEM, &load->events);
    if (status == CHAT_OK)
        status = make_chats(load);
    if (status == CHAT_OK && load->generation > 0)
        return take_numbers(load, CURSORS_ITEM, offsetof(chat__cstore_user_chat, cursor));
    if (status == CHAT_OK)
        status = take_numbers(load, READS_ITEM, offsetof(chat__cstore_user_chat, read_seq));
    if (status == CHAT_OK)
        status = take_numbers(load, MUTES_ITEM, offsetof(chat__cstore_user_chat, muted_until_ms));
    return status;
}

static chat_status load_heads(loading *load)
{
    for (size_t i = 0; i < load->n_chats; i++)
        (void)chat__cstore_ask_head(&load->heads, load->chats[i].chat);
    chat_status status = chat__cstore_run(&load->heads);
    for (size_t i = 0; i < load->n_chats && status == CHAT_OK; i++) {
        chat__cstore_user_chat *chat = &load->chats[i];
        chat->head = chat__cstore_take_head(&load->heads, (uint32_t)i);
        chat->title = chat->head.title;
        chat->cursor = chat__membership_cursor(&chat->membership, chat->cursor);
        chat->last_seq = chat__membership_last_seq(&chat->membership, chat->head.seq);
    }
    return status;
}

static chat_status load_all(loading *load)
{
    chat_status status = load_of_user(load);
    if (status == CHAT_OK)
        status = load_heads(load);
    if (status != CHAT_OK)
        return status;
    return load->generation > 0 ? chat__cstore_cut(load->reader, load->chats, load->n_chats,
                                                   load->visit->now_unix_ms)
                                : chat__cstore_count_unread(load->reader, load->visit->user,
                                                            load->chats, load->n_chats);
}

static void give(const loading *load, chat_store_user_chat_fn fn, void *ctx)
{
    for (size_t i = 0; i < load->n_chats; i++) {
        const chat__cstore_user_chat *chat = &load->chats[i];
        chat_store_user_chat row = {.chat = chat->chat,
                                    .title = chat->title,
                                    .cursor = chat->cursor,
                                    .last_seq = chat->last_seq,
                                    .read_seq = chat->read_seq,
                                    .muted_until_ms = chat->muted_until_ms,
                                    .gap_seq = chat->gap_seq,
                                    .unread = chat->unread,
                                    .has_unread = chat->has_unread != 0,
                                    .is_past =
                                        (uint32_t)chat__membership_is_past(&chat->membership)};
        fn(ctx, &row);
    }
}

chat_status chat__cstore_load_user(const chat__cstore_reader *reader, const chat_store_visit *visit,
                                   chat_store_user_chat_fn fn, void *ctx)
{
    loading load = {.reader = reader, .visit = visit};
    chat_status known = CHAT_OK;
    if (!chat__cstore_is_user(visit->user) || visit->device.len > CHAT_ID_MAX_BYTES ||
        visit->now_unix_ms > INT64_MAX)
        return CHAT_ERR_ARG;
    if (visit->device.len > 0)
        known = chat__cstore_introduce(reader->devices, visit, &load.generation);
    if (known != CHAT_OK && known != CHAT_EMPTY)
        return known;
    chat__cstore_call_init(&load.call, reader->session);
    chat__cstore_call_init(&load.heads, reader->session);
    chat_status status = load_all(&load);
    if (status == CHAT_OK)
        give(&load, fn, ctx);
    chat__alloc_free(&reader->allocator, load.chats);
    chat__alloc_free(&reader->allocator, load.events.items);
    chat__cstore_call_done(&load.heads);
    chat__cstore_call_done(&load.call);
    return status == CHAT_OK ? known : status;
}
