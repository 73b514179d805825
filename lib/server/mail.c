/* SPDX-License-Identifier: MIT */
/*
 * Batches that threads hand to each other, the mailboxes that they travel by, and lists of things
 * that are due in the order in which they came.
 */
#include "answers.h"
#include "recent.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

#define MAX_BATCH_BYTES   ((size_t)1 << 30)
#define MAX_SPARE_BATCHES 4u
#define SPARE_BATCH_BYTES (512u << 10)
#define ALIGNMENT         8u

int chat__mailbox_init(chat__mailbox *box)
{
    box->first = box->last = NULL;
    return uv_mutex_init(&box->mutex);
}

int chat__mailbox_put(chat__mailbox *box, chat__batch *batch)
{
    batch->next = NULL;
    uv_mutex_lock(&box->mutex);
    int was_empty = box->first == NULL;
    if (was_empty)
        box->first = batch;
    else
        box->last->next = batch;
    box->last = batch;
    uv_mutex_unlock(&box->mutex);
    return was_empty;
}

chat__batch *chat__mailbox_take(chat__mailbox *box)
{
    uv_mutex_lock(&box->mutex);
    chat__batch *all = box->first;
    box->first = box->last = NULL;
    uv_mutex_unlock(&box->mutex);
    return all;
}

chat__batch *chat__batch_new(const chat_allocator *allocator, chat__mail_kind kind, uint32_t from)
{
    chat__batch *batch = chat__alloc_zero(allocator, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->kind = kind;
    batch->from = from;
    chat__buf_init(&batch->bytes, allocator, MAX_BATCH_BYTES);
    return batch;
}

void chat__batch_free(const chat_allocator *allocator, chat__batch *batch)
{
    if (batch == NULL)
        return;
    if (batch->guest != NULL)
        chat__guest_free(allocator, batch->guest);
    chat__question_free(allocator, batch->question);
    chat__recent_release(batch->recent);
    chat__buf_done(&batch->bytes);
    chat__alloc_free(allocator, batch);
}

void chat__mailbox_done(chat__mailbox *box, const chat_allocator *allocator)
{
    while (box->first != NULL) {
        chat__batch *next = box->first->next;
        chat__batch_free(allocator, box->first);
        box->first = next;
    }
    uv_mutex_destroy(&box->mutex);
}

chat__batch *chat__shard_batch(chat__shard *shard, chat__mail_kind kind)
{
    chat__batch *batch = shard->spare_batches;
    if (batch == NULL)
        return chat__batch_new(chat__shard_allocator(shard), kind, shard->index);
    shard->spare_batches = batch->next;
    shard->n_spare_batches--;
    batch->next = NULL;
    batch->kind = kind;
    batch->from = shard->index;
    return batch;
}

void chat__shard_drop_batch(chat__shard *shard, chat__batch *batch)
{
    chat__buf bytes = batch->bytes;
    if (batch->guest != NULL || batch->question != NULL || bytes.cap == 0 ||
        bytes.cap > SPARE_BATCH_BYTES || shard->n_spare_batches >= MAX_SPARE_BATCHES) {
        chat__batch_free(chat__shard_allocator(shard), batch);
        return;
    }
    memset(batch, 0, sizeof *batch);
    batch->bytes = bytes;
    batch->bytes.len = 0;
    batch->next = shard->spare_batches;
    shard->spare_batches = batch;
    shard->n_spare_batches++;
}

void chat__shard_free_batches(chat__shard *shard)
{
    while (shard->spare_batches != NULL) {
        chat__batch *next = shard->spare_batches->next;
        chat__batch_free(chat__shard_allocator(shard), shard->spare_batches);
        shard->spare_batches = next;
    }
    shard->n_spare_batches = 0;
}

static size_t padded(size_t len)
{
    return (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

chat_status chat__batch_add_record(chat__batch *batch, const chat__effect *effect)
{
    static const uint8_t zeros[ALIGNMENT] = {0};
    chat__append_head head = {.tag = effect->tag,
                              .id = effect->id,
                              .partition = effect->partition,
                              .kind = effect->kind,
                              .chat_len = (uint32_t)effect->chat.len,
                              .payload_len = (uint32_t)effect->bytes.len,
                              .status = CHAT_ERR_IO};
    size_t len = effect->chat.len + effect->bytes.len;
    chat_status status = chat__buf_reserve(&batch->bytes, sizeof head + padded(len));
    if (status != CHAT_OK)
        return status;
    (void)chat__buf_append(&batch->bytes, &head, sizeof head);
    (void)chat__buf_append(&batch->bytes, effect->chat.data, effect->chat.len);
    (void)chat__buf_append(&batch->bytes, effect->bytes.data, effect->bytes.len);
    (void)chat__buf_append(&batch->bytes, zeros, padded(len) - len);
    batch->n_items++;
    return CHAT_OK;
}

chat__append_head *chat__batch_next_record(chat__batch *batch, size_t *at)
{
    if (*at >= batch->bytes.len)
        return NULL;
    chat__append_head *head = (chat__append_head *)(void *)(batch->bytes.data + *at);
    *at += sizeof *head + padded((size_t)head->chat_len + head->payload_len);
    return head;
}

void chat__due_add(chat__due_list *list, chat__due *due, uint64_t at_ms)
{
    due->at_ms = at_ms;
    due->next = NULL;
    due->prev = list->last;
    if (list->last == NULL)
        list->first = due;
    else
        list->last->next = due;
    list->last = due;
}

void chat__due_remove(chat__due_list *list, chat__due *due)
{
    if (due->prev == NULL)
        list->first = due->next;
    else
        due->prev->next = due->next;
    if (due->next == NULL)
        list->last = due->prev;
    else
        due->next->prev = due->prev;
    due->prev = due->next = NULL;
}
