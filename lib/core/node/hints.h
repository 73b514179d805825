/* SPDX-License-Identifier: MIT */
/* What presence.c and typing.c have for the other files of this room: what is never stored. */
#ifndef CHAT_NODE_HINTS_H
#define CHAT_NODE_HINTS_H

#include "node/internal.h"

/* --- presence.c: who is online, asked and watched over all nodes --- */
chat_status chat__presence_init(chat__node *node);
void chat__presence_done(chat__node *node);
/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__presence_arrive(chat__node *node, const chat__node_conn *conn);
void chat__presence_leave(chat__node *node, chat__node_conn *conn);
void chat__presence_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__presence_on_hide(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The same when it is known who has blocked the user. */
void chat__presence_ask(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* `user` has blocked him who is connected, or no longer: tell him if he watches. */
void chat__presence_blocked(chat__node *node, chat__node_conn *conn, chat_view user,
                            int is_blocked);
/* To who watches: nodes and connections. */
void chat__presence_tell_changes(chat__node *node);
/* Refuse what was not answered in time. */
void chat__presence_do_due(chat__node *node);
/* A frame of another node. CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__presence_link(chat__node *node, uint32_t from_node, const chat_frame *frame);

/* --- typing.c: never stored, lost without harm --- */
void chat__typing_on_client(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__typing_on_owner(chat__node *node, const chat_frame *frame);
void chat__typing_on_push(chat__node *node, const chat_frame *frame);

#endif
