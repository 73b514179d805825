/* SPDX-License-Identifier: MIT */
/*
 * Messages without an answer, in the order in which the application sent them. Each leaves once: as
 * sent, or as failed with a reason. What was written over a lost connection is written again, as a
 * resend, before anything new. A message that the server turned away for now keeps its place; when
 * a later one of its chat got through before it could be repeated, it fails, for it can no longer
 * be delivered in order.
 */
#ifndef CHAT_CLIENT_OUTBOX_H
#define CHAT_CLIENT_OUTBOX_H

#include "base/map.h"
#include "client/item.h"

/* Written and unanswered at most: polite to the server, plenty for any network. */
#define CHAT__OUTBOX_MAX_IN_FLIGHT 256u

typedef struct chat__client_outbox {
    chat_allocator allocator;
    chat__client_list list;
    chat__client_list failed;     /* to be told */
    chat__client_item *next_item; /* first that is QUEUED, or NULL */
    chat__map by_cid;
    size_t bytes;
    size_t max_bytes;
    size_t n_in_flight;
    size_t n_refused;
    uint64_t hold_until_ms; /* nothing is written before, while n_refused > 0 */
} chat__client_outbox;

void chat__client_outbox_init(chat__client_outbox *outbox, const chat_allocator *allocator,
                              uint32_t max_count, uint32_t max_bytes, const uint64_t seed[2]);
void chat__client_outbox_done(chat__client_outbox *outbox);

/* Copy a `send` frame with its cid. CHAT_OK; CHAT_ERR_BUSY (full), CHAT_ERR_EXISTS, CHAT_ERR_NOMEM.
 */
chat_status chat__client_outbox_put(chat__client_outbox *outbox, const chat_frame *frame,
                                    int is_resend);

/* The item that was put last leaves again: right behind the call, before it can be written. */
void chat__client_outbox_unput(chat__client_outbox *outbox);

/* The next to write, or NULL; then say that it was written. */
chat__client_item *chat__client_outbox_next(const chat__client_outbox *outbox);
void chat__client_outbox_written(chat__client_outbox *outbox, uint64_t deadline_ms);

/* The connection is gone: all is to be written again. */
void chat__client_outbox_rewind(chat__client_outbox *outbox);

/* `sent` came. CHAT_OK; CHAT_EMPTY: it was answered before. */
chat_status chat__client_outbox_sent(chat__client_outbox *outbox, chat_view cid);

/* `error` with this cid came. With `is_retry` it stays. CHAT_OK: it left, tell the application;
   CHAT_EMPTY: nothing to tell. */
chat_status chat__client_outbox_refused(chat__client_outbox *outbox, chat_view cid, int is_retry,
                                        chat_status status, uint64_t until_ms);

/* The next to write cannot be sent at all. */
void chat__client_outbox_fail_next(chat__client_outbox *outbox, chat_status status);

/* End a hold that is over. */
void chat__client_outbox_turn(chat__client_outbox *outbox, uint64_t now_ms);

/* When the oldest unanswered one should have its answer, or the hold ends; UINT64_MAX: nothing. */
uint64_t chat__client_outbox_answer_at(const chat__client_outbox *outbox);
uint64_t chat__client_outbox_hold_at(const chat__client_outbox *outbox);

#endif
