/* SPDX-License-Identifier: MIT */
/* What share.c has for the other files of this room: presence that servers share. */
#ifndef CHAT_NODE_SHARE_H
#define CHAT_NODE_SHARE_H

#include "node/lookup.h"

/* The connection has said hello. */
void chat__share_arrive(chat__node *node, const chat__node_conn *conn);
/* It goes: its device too, unless that has connected again. */
void chat__share_leave(chat__node *node, const chat__node_conn *conn);
/* The user hides, or no longer. */
void chat__share_hide(chat__node *node, const chat__user *user, int is_hidden);
/* A question for a node that is not reached: CHAT_OK, its part is answered later; CHAT_ERR_TIMEOUT:
   nobody else knows; CHAT_ERR_NOMEM. */
chat_status chat__share_ask(chat__node *node, uint32_t lost, const chat_frame *ask);
/* A node was asked this, and may not answer. Without memory that is a timeout as ever. */
void chat__share_keep(chat__node *node, chat__lookup *lookup, uint32_t to_node,
                      const chat_frame *ask);
/* It has answered. */
void chat__share_answered(chat__node *node, chat__lookup *lookup, uint32_t from_node);
/* Ask about all of which no node has answered; 0: there is nobody to be asked. */
int chat__share_ask_instead(chat__node *node, chat__lookup *lookup);
/* The link to a node is lost: so are its answers. */
void chat__share_lost(chat__node *node, uint32_t peer);
void chat__share_drop(chat__node *node, chat__lookup *lookup);

#endif
