/* SPDX-License-Identifier: MIT */
/* See outbox.h. */
#include "client/outbox.h"
#include "base/alloc.h"
#include "base/view.h"

#include <assert.h>

void chat__client_outbox_init(chat__client_outbox *outbox, const chat_allocator *allocator,
                              uint32_t max_count, uint32_t max_bytes, const uint64_t seed[2])
{
    memset(outbox, 0, sizeof *outbox);
    outbox->allocator = chat__alloc_or_libc(allocator);
    outbox->max_bytes = max_bytes;
    chat__map_init(&outbox->by_cid, allocator, max_count, seed);
}

void chat__client_outbox_done(chat__client_outbox *outbox)
{
    chat__map_done(&outbox->by_cid);
    chat__client_list_free(&outbox->list, &outbox->allocator);
    chat__client_list_free(&outbox->failed, &outbox->allocator);
    outbox->next_item = NULL;
}

chat_status chat__client_outbox_put(chat__client_outbox *outbox, const chat_frame *frame,
                                    int is_resend)
{
    chat__client_item *item;
    chat_status status = chat__client_item_new(&outbox->allocator, frame, &item);
    if (status != CHAT_OK)
        return status;
    if (outbox->bytes + item->bytes > outbox->max_bytes)
        status = CHAT_ERR_BUSY;
    else
        status = chat__map_put(&outbox->by_cid, item->frame.cid, item);
    if (status != CHAT_OK) {
        chat__alloc_free(&outbox->allocator, item);
        return status == CHAT_ERR_LIMIT ? CHAT_ERR_BUSY : status;
    }
    item->was_written = is_resend;
    outbox->bytes += item->bytes;
    chat__client_list_append(&outbox->list, item);
    if (outbox->next_item == NULL)
        outbox->next_item = item;
    return CHAT_OK;
}

chat__client_item *chat__client_outbox_next(const chat__client_outbox *outbox)
{
    if (outbox->n_refused > 0 || outbox->n_in_flight >= CHAT__OUTBOX_MAX_IN_FLIGHT)
        return NULL;
    return outbox->next_item;
}

static chat__client_item *next_queued(chat__client_item *item)
{
    while (item != NULL && item->state != CHAT__ITEM_QUEUED)
        item = item->next;
    return item;
}

void chat__client_outbox_written(chat__client_outbox *outbox, uint64_t deadline_ms)
{
    chat__client_item *item = outbox->next_item;
    assert(item != NULL && item->state == CHAT__ITEM_QUEUED);
    item->state = CHAT__ITEM_WRITTEN;
    item->was_written = 1;
    item->deadline_ms = deadline_ms;
    outbox->n_in_flight++;
    outbox->next_item = next_queued(item->next);
}

void chat__client_outbox_rewind(chat__client_outbox *outbox)
{
    for (chat__client_item *item = outbox->list.first; item != NULL; item = item->next)
        item->state = CHAT__ITEM_QUEUED;
    outbox->n_in_flight = 0;
    outbox->n_refused = 0;
    outbox->next_item = outbox->list.first;
}

/* Take an item out of the queue; the caller owns it. */
static void take_out(chat__client_outbox *outbox, chat__client_item *item)
{
    if (item == outbox->next_item)
        outbox->next_item = next_queued(item->next);
    if (item->state == CHAT__ITEM_WRITTEN)
        outbox->n_in_flight--;
    if (item->state == CHAT__ITEM_REFUSED)
        outbox->n_refused--;
    outbox->bytes -= item->bytes;
    (void)chat__map_remove(&outbox->by_cid, item->frame.cid);
    chat__client_list_remove(&outbox->list, item);
}

void chat__client_outbox_unput(chat__client_outbox *outbox)
{
    chat__client_item *item = outbox->list.last;
    take_out(outbox, item);
    chat__alloc_free(&outbox->allocator, item);
}

static void fail(chat__client_outbox *outbox, chat__client_item *item, chat_status status)
{
    take_out(outbox, item);
    item->status = status;
    chat__client_list_append(&outbox->failed, item);
}

static int is_same_chat(const chat_frame *a, const chat_frame *b)
{
    return chat__view_equal(a->chat, b->chat) && chat__view_equal(a->to, b->to);
}

chat_status chat__client_outbox_sent(chat__client_outbox *outbox, chat_view cid)
{
    chat__client_item *item = chat__map_get(&outbox->by_cid, cid);
    chat__client_item *earlier = outbox->n_refused > 0 ? outbox->list.first : item;
    if (item == NULL)
        return CHAT_EMPTY;
    while (earlier != item) {
        chat__client_item *next = earlier->next;
        if (earlier->state == CHAT__ITEM_REFUSED && is_same_chat(&earlier->frame, &item->frame))
            fail(outbox, earlier, earlier->status);
        earlier = next;
    }
    take_out(outbox, item);
    chat__alloc_free(&outbox->allocator, item);
    return CHAT_OK;
}

chat_status chat__client_outbox_refused(chat__client_outbox *outbox, chat_view cid, int is_retry,
                                        chat_status status, uint64_t until_ms)
{
    chat__client_item *item = chat__map_get(&outbox->by_cid, cid);
    if (item == NULL || item->state == CHAT__ITEM_REFUSED)
        return CHAT_EMPTY;
    if (!is_retry) {
        take_out(outbox, item);
        chat__alloc_free(&outbox->allocator, item);
        return CHAT_OK;
    }
    if (item == outbox->next_item)
        outbox->next_item = next_queued(item->next);
    if (item->state == CHAT__ITEM_WRITTEN)
        outbox->n_in_flight--;
    item->state = CHAT__ITEM_REFUSED;
    item->status = status;
    if (outbox->n_refused++ == 0 || outbox->hold_until_ms < until_ms)
        outbox->hold_until_ms = until_ms;
    return CHAT_EMPTY;
}

void chat__client_outbox_fail_next(chat__client_outbox *outbox, chat_status status)
{
    if (outbox->next_item != NULL)
        fail(outbox, outbox->next_item, status);
}

/* What is in flight must be answered first: it would otherwise overtake what is held. */
void chat__client_outbox_turn(chat__client_outbox *outbox, uint64_t now_ms)
{
    if (outbox->n_refused == 0 || outbox->n_in_flight > 0 || now_ms < outbox->hold_until_ms)
        return;
    chat__client_outbox_rewind(outbox);
}

uint64_t chat__client_outbox_answer_at(const chat__client_outbox *outbox)
{
    const chat__client_item *item = outbox->n_in_flight > 0 ? outbox->list.first : NULL;
    while (item != NULL && item->state != CHAT__ITEM_WRITTEN)
        item = item->next;
    return item != NULL ? item->deadline_ms : UINT64_MAX;
}

uint64_t chat__client_outbox_hold_at(const chat__client_outbox *outbox)
{
    return outbox->n_refused > 0 && outbox->n_in_flight == 0 ? outbox->hold_until_ms : UINT64_MAX;
}
