/* SPDX-License-Identifier: MIT */
/*
 * What a link sends and keeps until the peer has worked it off: a stream of records in chunks, each
 * of which is one DATA message. The last one grows until it is sent, so what the peer has always
 * ends where a chunk ends. Of trunk.c alone.
 */
#ifndef CHAT_NET_TRUNK_QUEUE_H
#define CHAT_NET_TRUNK_QUEUE_H

#include "net/trunk_wire.h"

typedef struct chat__trunk_chunk {
    struct chat__trunk_chunk *next;
    uint64_t offset; /* in the stream, of its first record */
    chat__buf bytes; /* the head of DATA, then records */
} chat__trunk_chunk;

typedef struct chat__trunk_queue {
    chat_allocator allocator;
    chat__trunk_chunk *first, *unsent, *last; /* `unsent`: the first that was not sent */
    chat__trunk_chunk *spare;
    uint32_t n_spare;
    uint64_t end;        /* of the stream */
    uint64_t sent;       /* where `unsent` begins */
    uint64_t worked_off; /* by the peer */
    uint64_t cost_bytes; /* of all that is kept */
} chat__trunk_queue;

void chat__trunk_queue_init(chat__trunk_queue *queue, const chat_allocator *allocator);
void chat__trunk_queue_done(chat__trunk_queue *queue);
/* Forget all and begin at 0. */
void chat__trunk_queue_reset(chat__trunk_queue *queue);

/* Copy a record to the end, into a chunk of `chunk_bytes` if it fits. CHAT_OK; CHAT_ERR_BUSY: it
   would cost more than `max_bytes` with what is kept; CHAT_ERR_NOMEM. */
chat_status chat__trunk_queue_add(chat__trunk_queue *queue, const chat__trunk_record *record,
                                  size_t chunk_bytes, uint64_t max_bytes);

/* Whether the next chunk may go to a peer that takes `window_bytes`; one alone always may. */
int chat__trunk_queue_may_send(const chat__trunk_queue *queue, uint32_t window_bytes);
/* The next chunk as a message; it was sent. */
chat_view chat__trunk_queue_peek(const chat__trunk_queue *queue);
void chat__trunk_queue_next(chat__trunk_queue *queue);

/* The peer has worked off all up to `offset`. 0: it cannot have done that. */
int chat__trunk_queue_work_off(chat__trunk_queue *queue, uint64_t offset);
/* Send again what is behind `received`. 0: that is no place where the peer can be. */
int chat__trunk_queue_rewind(chat__trunk_queue *queue, uint64_t received);

#endif
