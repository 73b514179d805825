/* SPDX-License-Identifier: MIT */
/* What resume.c has for the other files of this room: when a device has what it lacked at hello. */
#ifndef CHAT_NODE_RESUME_H
#define CHAT_NODE_RESUME_H

#include "node/internal.h"

/* What the connection is behind now is what it lacked. */
void chat__resume_begin(chat__node_conn *conn, int is_reset);
/* A record of the first chat behind was read back and pushed. */
void chat__resume_count(chat__node_conn *conn, uint64_t seq);
/* Tell of records behind `after` and up to `last` that are not sent. */
void chat__resume_gap(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t after,
                      uint64_t last);
/* Whether the chat's cursor has to wait, for what is in front of `seq` is not all there. */
int chat__resume_holds(chat__node_conn *conn, chat_view chat, uint64_t seq);
/* Up to where the device has the chat, whose cursor may wait in front of a gap. */
uint64_t chat__resume_held(chat__node_conn *conn, chat_view chat, uint64_t cursor);
/* The client has what it wants of the gap up to `seq`. Returns where the cursor is now, 0: where it
   was. */
uint64_t chat__resume_fill(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t seq);
void chat__resume_drop_gaps(chat__node *node, chat__node_conn *conn);
/* Say `resumed` if nothing is owed any more. */
void chat__resume_settle(chat__node *node, chat__node_conn *conn);

#endif
