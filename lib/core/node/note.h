/* SPDX-License-Identifier: MIT */
/* What note.c has for the other files of this room: edits, deletions and reactions. */
#ifndef CHAT_NODE_NOTE_H
#define CHAT_NODE_NOTE_H

#include "node/internal.h"

int chat__note_is(uint64_t kind);
void chat__note_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__note_reactions(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* 0: refused; 1: the message must be looked up, or the members are not known yet. */
int chat__note_take(chat__node *node, const chat_frame *submit, chat__room *room);
/* Look it up for the head of the queue. 0: refused. */
int chat__note_ask(chat__node *node, chat__room *room, const chat_frame *submit);
/* What was asked for the head of the queue is there: the message, then the reactions to it. */
void chat__note_found(chat__node *node, chat__op *op, const chat__rows *rows);

#endif
