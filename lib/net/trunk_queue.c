/* SPDX-License-Identifier: MIT */
/* See trunk_queue.h. */
#include "net/trunk_queue.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

#define MAX_SPARE_CHUNKS 4u
#define CHUNK_COST       (sizeof(chat__trunk_chunk) + CHAT__TRUNK_DATA_HEAD)

typedef chat__trunk_chunk chunk;

/* Without the head. */
static uint64_t length_of(const chunk *c)
{
    return c->bytes.len - CHAT__TRUNK_DATA_HEAD;
}

void chat__trunk_queue_init(chat__trunk_queue *queue, const chat_allocator *allocator)
{
    memset(queue, 0, sizeof *queue);
    queue->allocator = *allocator;
}

static void free_chunk(chat__trunk_queue *queue, chunk *c)
{
    chat__buf_done(&c->bytes);
    chat__alloc_free(&queue->allocator, c);
}

static void drop_first(chat__trunk_queue *queue)
{
    chunk *c = queue->first;
    queue->first = c->next;
    if (queue->first == NULL)
        queue->last = NULL;
    /* A buffer that grows takes twice as much at most; spare ones are few. */
    queue->cost_bytes -= CHUNK_COST + length_of(c);
    if (c->bytes.cap > 2 * CHAT__TRUNK_CHUNK_BYTES || queue->n_spare >= MAX_SPARE_CHUNKS) {
        free_chunk(queue, c);
        return;
    }
    c->next = queue->spare;
    queue->spare = c;
    queue->n_spare++;
}

void chat__trunk_queue_reset(chat__trunk_queue *queue)
{
    while (queue->first != NULL)
        drop_first(queue);
    queue->unsent = NULL;
    queue->end = queue->sent = queue->worked_off = 0;
}

void chat__trunk_queue_done(chat__trunk_queue *queue)
{
    chat__trunk_queue_reset(queue);
    while (queue->spare != NULL) {
        chunk *next = queue->spare->next;
        free_chunk(queue, queue->spare);
        queue->spare = next;
    }
    queue->n_spare = 0;
}

/* --- adding --- */

/* An empty one with room for `bytes`, in no list. */
static chunk *new_chunk(chat__trunk_queue *queue, size_t bytes)
{
    chat__trunk_message head = {.type = CHAT__TRUNK_DATA, .offset = queue->end};
    chunk *c = queue->spare;
    if (c != NULL) {
        queue->spare = c->next;
        queue->n_spare--;
    } else {
        c = chat__alloc_zero(&queue->allocator, sizeof *c);
        if (c == NULL)
            return NULL;
        chat__buf_init(&c->bytes, &queue->allocator, CHAT__TRUNK_MAX_MESSAGE);
    }
    c->next = NULL;
    c->offset = queue->end;
    c->bytes.len = 0;
    if (chat__buf_reserve(&c->bytes, CHAT__TRUNK_DATA_HEAD + bytes) != CHAT_OK) {
        free_chunk(queue, c);
        return NULL;
    }
    (void)chat__trunk_write(&head, &c->bytes);
    return c;
}

static chunk *append_chunk(chat__trunk_queue *queue, size_t bytes)
{
    chunk *c = new_chunk(queue, bytes);
    if (c == NULL)
        return NULL;
    if (queue->last != NULL)
        queue->last->next = c;
    else
        queue->first = c;
    queue->last = c;
    if (queue->unsent == NULL)
        queue->unsent = c;
    queue->cost_bytes += CHUNK_COST;
    return c;
}

chat_status chat__trunk_queue_add(chat__trunk_queue *queue, const chat__trunk_record *record,
                                  size_t chunk_bytes, uint64_t max_bytes)
{
    uint8_t head[CHAT__TRUNK_RECORD_HEAD];
    size_t bytes = sizeof head + record->frame.len;
    chunk *c = queue->last;
    if (queue->first != NULL && queue->cost_bytes + bytes + CHUNK_COST > max_bytes)
        return CHAT_ERR_BUSY;
    if (queue->unsent == NULL || c->bytes.len + bytes > chunk_bytes)
        c = append_chunk(queue, bytes);
    if (c == NULL || chat__buf_reserve(&c->bytes, bytes) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    chat__trunk_write_record_head(record, head);
    (void)chat__buf_append(&c->bytes, head, sizeof head);
    (void)chat__buf_append(&c->bytes, record->frame.data, record->frame.len);
    queue->end += bytes;
    queue->cost_bytes += bytes;
    return CHAT_OK;
}

/* --- sending --- */

int chat__trunk_queue_may_send(const chat__trunk_queue *queue, uint32_t window_bytes)
{
    const chunk *c = queue->unsent;
    return c != NULL && (queue->sent == queue->worked_off ||
                         queue->sent - queue->worked_off + length_of(c) <= window_bytes);
}

chat_view chat__trunk_queue_peek(const chat__trunk_queue *queue)
{
    return chat__buf_view(&queue->unsent->bytes);
}

void chat__trunk_queue_next(chat__trunk_queue *queue)
{
    queue->sent += length_of(queue->unsent);
    queue->unsent = queue->unsent->next;
}

int chat__trunk_queue_work_off(chat__trunk_queue *queue, uint64_t offset)
{
    if (offset < queue->worked_off || offset > queue->sent)
        return 0;
    queue->worked_off = offset;
    while (queue->first != NULL && queue->first != queue->unsent &&
           queue->first->offset + length_of(queue->first) <= offset)
        drop_first(queue);
    return 1;
}

int chat__trunk_queue_rewind(chat__trunk_queue *queue, uint64_t received)
{
    chunk *c = queue->first;
    while (c != NULL && c->offset < received)
        c = c->next;
    uint64_t at = c != NULL ? c->offset : queue->end;
    if (at != received || received < queue->worked_off || received > queue->sent)
        return 0;
    queue->unsent = c;
    queue->sent = received;
    return 1;
}
