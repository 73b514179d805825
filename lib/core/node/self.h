/* SPDX-License-Identifier: MIT */
/* What self.c has for the other files of this room: what users do for themselves. */
#ifndef CHAT_NODE_SELF_H
#define CHAT_NODE_SELF_H

#include "node/internal.h"

void chat__self_read(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__self_mute(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* `receipts` and `why`: find the message, then who is in the chat. */
void chat__self_find(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__self_found(chat__node *node, chat__op *op, const chat__rows *rows);
void chat__self_receipts_loaded(chat__node *node, chat__op *op, chat_status status,
                                const chat__node_marks *marks);
/* Whether a request of this type is for the self stream. */
int chat__self_is(uint64_t kind);
/* Ask for what it takes to judge the head of a self stream's queue. 0: it was refused. */
int chat__self_ask(chat__node *node, chat__room *room, const chat_frame *submit);
void chat__self_marks_loaded(chat__node *node, chat__op *op, chat_status status,
                             const chat__node_marks *marks);
/* A marker was pushed, or did not become durable. */
void chat__self_finish(chat__node *node, const chat__op *op);

#endif
