/* SPDX-License-Identifier: MIT */
/* See places.h. */
#include "backends/cassandra/store/places.h"

#include "base/alloc.h"
#include "base/view.h"

/* Of a chat asked at once: the bucket of a seq may have newer records only. */
#define BUCKETS_A_ROUND 2u

uint32_t chat__cstore_ask_head(chat__cstore_call *call, chat_view chat)
{
    uint32_t item = chat__cstore_ask(call, CHAT__CSTORE_GET_CHAT);
    chat__cstore_text(call, chat);
    return item;
}

/* A title without a record that founds the chat is a group's too. */
chat__cstore_head chat__cstore_take_head(const chat__cstore_call *call, uint32_t item)
{
    chat__cstore_head head = {.seq = 0};
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    if (!chat__cstore_next(&rows))
        return head;
    head.seq = chat__cstore_get_u64(&rows);
    head.ordinal = chat__cstore_get_u64(&rows);
    head.has_notes = chat__cstore_get_u8(&rows) != 0;
    head.is_open = chat__cstore_get_u8(&rows) != 0;
    uint64_t created_ms = chat__cstore_get_u64(&rows);
    head.title = chat__cstore_get_text(&rows);
    head.is_group = created_ms > 0 || head.title.data != NULL;
    if (head.title.len > CHAT_TITLE_MAX_BYTES)
        head.title.len = CHAT_TITLE_MAX_BYTES;
    return head;
}

/* --- buckets --- */

uint32_t chat__cstore_ask_buckets(chat__cstore_call *call, chat_view chat)
{
    uint32_t item = chat__cstore_ask(call, CHAT__CSTORE_GET_BUCKETS);
    chat__cstore_text(call, chat);
    return item;
}

chat_status chat__cstore_take_buckets(const chat__cstore_reader *reader,
                                      const chat__cstore_call *call, uint32_t item,
                                      chat__cstore_buckets *out)
{
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    out->n_items = 0;
    out->items = NULL;
    if (rows.n_rows == 0)
        return CHAT_OK;
    out->items = chat__alloc_resize(&reader->allocator, NULL, rows.n_rows * sizeof *out->items);
    if (out->items == NULL)
        return CHAT_ERR_NOMEM;
    while (chat__cstore_next(&rows))
        out->items[out->n_items++] = chat__cstore_get_u32(&rows);
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

size_t chat__cstore_first_bucket(const chat__cstore_buckets *buckets, uint64_t seq)
{
    size_t i = 0;
    while (i < buckets->n_items && buckets->items[i] > chat__cstore_bucket_of(seq))
        i++;
    return i;
}

/* --- records at a seq --- */

static void ask_place(chat__cstore_call *call, chat__cstore_place *place)
{
    place->n_asked = 0;
    while (place->n_asked < BUCKETS_A_ROUND && place->next < place->buckets->n_items) {
        uint32_t item = chat__cstore_ask(call, CHAT__CSTORE_GET_PLACE);
        chat__cstore_text(call, place->chat);
        chat__cstore_u32(call, place->buckets->items[place->next++]);
        chat__cstore_u64(call, place->seq);
        if (place->n_asked++ == 0)
            place->item = item;
    }
    place->is_done = place->n_asked == 0;
}

static chat_status take_place(const chat__cstore_call *call, chat__cstore_place *place)
{
    for (uint32_t i = 0; i < place->n_asked; i++) {
        chat__cstore_rows rows = chat__cstore_rows_of(call, place->item + i);
        if (!chat__cstore_next(&rows))
            continue;
        place->found_seq = chat__cstore_get_u64(&rows);
        (void)chat__cstore_get_u64(&rows); /* prev */
        place->ordinal = chat__cstore_get_u64(&rows);
        place->is_done = 1;
        return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
    }
    place->is_done = place->next >= place->buckets->n_items;
    return CHAT_OK;
}

chat_status chat__cstore_find_places(const chat__cstore_reader *reader, chat__cstore_place *places,
                                     size_t n)
{
    chat__cstore_call call;
    chat_status status = CHAT_OK;
    size_t n_open = n;
    chat__cstore_call_init(&call, reader->session);
    while (n_open > 0 && status == CHAT_OK) {
        chat__cstore_reset(&call);
        for (size_t i = 0; i < n; i++) {
            if (!places[i].is_done)
                ask_place(&call, &places[i]);
        }
        status = chat__cstore_run(&call);
        n_open = 0;
        for (size_t i = 0; i < n && status == CHAT_OK; i++) {
            if (!places[i].is_done)
                status = take_place(&call, &places[i]);
            n_open += !places[i].is_done;
        }
    }
    chat__cstore_call_done(&call);
    return status;
}
