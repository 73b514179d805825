/* SPDX-License-Identifier: MIT */
/* See events.h; and a group as it is. */
#include "backends/cassandra/store/events.h"
#include "backends/cassandra/store/places.h"

#include "base/alloc.h"
#include "base/view.h"

chat_status chat__cstore_take_events(const chat__cstore_reader *reader,
                                     const chat__cstore_call *call, uint32_t item,
                                     chat__cstore_events *out)
{
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    out->n_items = 0;
    out->items = NULL;
    if (rows.n_rows == 0)
        return CHAT_OK;
    out->items = chat__alloc_resize(&reader->allocator, NULL, rows.n_rows * sizeof *out->items);
    if (out->items == NULL)
        return CHAT_ERR_NOMEM;
    while (chat__cstore_next(&rows)) {
        chat__member_event *event = &out->items[out->n_items++];
        event->name = chat__cstore_get_text(&rows);
        event->seq = chat__cstore_get_u64(&rows);
        event->value = chat__cstore_get_u8(&rows);
    }
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

chat_status chat__cstore_members_of(const chat__cstore_reader *reader,
                                    const chat__cstore_events *events, chat__member **out,
                                    size_t *out_n)
{
    *out = chat__alloc_resize(&reader->allocator, NULL, (events->n_items + 1) * sizeof **out);
    if (*out == NULL)
        return CHAT_ERR_NOMEM;
    *out_n = chat__members_of(events->items, events->n_items, *out);
    return CHAT_OK;
}

/* --- a group --- */

static chat_status give_group(const chat__cstore_reader *reader, const chat__cstore_call *call,
                              chat_store_chat_fn fn, void *ctx)
{
    chat__cstore_events events = {NULL, 0};
    chat__member *members = NULL;
    chat_store_member *items = NULL;
    size_t n = 0;
    chat__cstore_head head = chat__cstore_take_head(call, 0);
    chat_status status =
        head.is_group ? chat__cstore_take_events(reader, call, 1, &events) : CHAT_ERR_NOT_FOUND;
    if (status == CHAT_OK)
        status = chat__cstore_members_of(reader, &events, &members, &n);
    if (status == CHAT_OK) {
        items = chat__alloc_resize(&reader->allocator, NULL, (n + 1) * sizeof *items);
        status = items != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    }
    for (size_t i = 0; status == CHAT_OK && i < n; i++) {
        items[i].user = members[i].user;
        items[i].since = members[i].since;
        items[i].role = (chat_store_role)members[i].role;
    }
    if (status == CHAT_OK) {
        chat_store_chat chat = {head.title, head.is_open != 0, items, n};
        fn(ctx, &chat);
    }
    chat__alloc_free(&reader->allocator, items);
    chat__alloc_free(&reader->allocator, members);
    chat__alloc_free(&reader->allocator, events.items);
    return status;
}

chat_status chat__cstore_load_chat(const chat__cstore_reader *reader, chat_view chat,
                                   chat_store_chat_fn fn, void *ctx)
{
    chat__cstore_call call;
    if (!chat__cstore_is_chat(chat))
        return CHAT_ERR_NOT_FOUND;
    chat__cstore_call_init(&call, reader->session);
    (void)chat__cstore_ask_head(&call, chat);
    (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_MEMBERS);
    chat__cstore_text(&call, chat);
    chat_status status = chat__cstore_run(&call);
    if (status == CHAT_OK)
        status = give_group(reader, &call, fn, ctx);
    chat__cstore_call_done(&call);
    return status;
}
