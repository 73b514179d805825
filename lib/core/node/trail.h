/* SPDX-License-Identifier: MIT */
/*
 * What happened to the last records for users who live here, so that `why` can tell: a ring of
 * events. A crash empties it; what is durable of a message, `why` takes from storage.
 */
#ifndef CHAT_NODE_TRAIL_H
#define CHAT_NODE_TRAIL_H

#include "node/internal.h"

chat_status chat__trail_init(chat__node *node);
void chat__trail_done(chat__node *node);
/* `key` of the record and `user` are hashes, see below; `device` may be empty. */
void chat__trail_put(chat__node *node, chat__event event, uint64_t key, uint64_t user,
                     chat_view device);
uint64_t chat__trail_key(const chat__node *node, chat_view chat, uint64_t seq);
/* Count that the event happened to this record on this connection, and remember it. */
void chat__trail_count(chat__node *node, chat__event event, const chat__node_conn *conn,
                       const chat__msg *msg);
/* Remember it of a user, whatever the device. */
void chat__trail_away(chat__node *node, chat__event event, chat_view user, chat_view chat,
                      uint64_t seq);

/* --- why.c --- */
void chat__why_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The message was found (or not), and who is in the chat is known: the asker is. */
void chat__why_answer(chat__node *node, chat__node_conn *conn, const chat__op *op,
                      const chat__node_marks *marks);
/* A frame of another node. CHAT_OK, CHAT_ERR_ARG: it is none of these. */
chat_status chat__why_link(chat__node *node, uint32_t from_node, const chat_frame *frame);

typedef struct chat__trail_row {
    uint64_t key, user; /* hashes; key 0: empty */
    uint64_t at_ms;     /* unix */
    uint8_t event;
    uint8_t device_len;
    uint8_t device[CHAT_ID_MAX_BYTES];
} chat__trail_row;

/* The i-th row, oldest first. NULL at the end. */
const chat__trail_row *chat__trail_at(const chat__node *node, uint32_t i);
uint64_t chat__trail_user(const chat__node *node, chat_view user);

#endif
