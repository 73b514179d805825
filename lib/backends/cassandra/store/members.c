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
        chat__cstore_event *event = &out->items[out->n_items++];
        event->name = chat__cstore_get_text(&rows);
        event->seq = chat__cstore_get_u64(&rows);
        event->value = chat__cstore_get_u8(&rows);
    }
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

size_t chat__cstore_count_same(const chat__cstore_events *events, size_t first)
{
    size_t n = 1;
    while (first + n < events->n_items &&
           chat__view_equal(events->items[first].name, events->items[first + n].name))
        n++;
    return n;
}

size_t chat__cstore_ranges_of(const chat__cstore_event *events, size_t n, chat__cstore_range *out)
{
    size_t n_out = 0;
    int is_in = 0;
    for (size_t i = 0; i < n; i++) {
        int is_member = chat__cstore_role_of(events[i].value) != CHAT_STORE_ROLE_NONE;
        if (is_member && !is_in) {
            out[n_out].first = n_out == 0 ? 0 : events[i].seq;
            out[n_out++].last = UINT64_MAX;
        } else if (!is_member && is_in) {
            out[n_out - 1].last = events[i].seq;
        }
        is_in = is_member;
    }
    return n_out;
}

size_t chat__cstore_members_of(const chat__cstore_events *events, chat_store_member *out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < events->n_items;) {
        size_t n = chat__cstore_count_same(events, i);
        uint64_t since = 0;
        chat_store_role role = CHAT_STORE_ROLE_NONE;
        for (size_t k = i; k < i + n; k++) {
            role = chat__cstore_role_of(events->items[k].value);
            since = role == CHAT_STORE_ROLE_NONE ? 0 : since == 0 ? events->items[k].seq : since;
        }
        if (role != CHAT_STORE_ROLE_NONE) {
            out[n_out].user = events->items[i].name;
            out[n_out].since = since;
            out[n_out++].role = role;
        }
        i += n;
    }
    return n_out;
}

/* --- a group --- */

static chat_status give_group(const chat__cstore_reader *reader, const chat__cstore_call *call,
                              chat_store_chat_fn fn, void *ctx)
{
    chat__cstore_events events = {NULL, 0};
    chat_store_member *members = NULL;
    chat__cstore_head head = chat__cstore_take_head(call, 0);
    chat_status status =
        head.is_group ? chat__cstore_take_events(reader, call, 1, &events) : CHAT_ERR_NOT_FOUND;
    if (status == CHAT_OK) {
        members =
            chat__alloc_resize(&reader->allocator, NULL, (events.n_items + 1) * sizeof *members);
        status = members != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    }
    if (status == CHAT_OK) {
        chat_store_chat chat = {head.title, head.is_open != 0, members, 0};
        chat.n_members = chat__cstore_members_of(&events, members);
        fn(ctx, &chat);
    }
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
