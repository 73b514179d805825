/* SPDX-License-Identifier: MIT */
/* What share.c has for the other files of this room: presence that servers share. */
#ifndef CHAT_NODE_SHARE_H
#define CHAT_NODE_SHARE_H

#include "node/internal.h"

/* The connection has said hello. */
void chat__share_arrive(chat__node *node, const chat__node_conn *conn);
/* It goes: its device too, unless that has connected again. */
void chat__share_leave(chat__node *node, const chat__node_conn *conn);
/* The user hides, or no longer. */
void chat__share_hide(chat__node *node, const chat__user *user, int is_hidden);
/* A question for a node that is not reached: CHAT_OK, its part is answered later; CHAT_ERR_TIMEOUT:
   nobody else knows; CHAT_ERR_NOMEM. */
chat_status chat__share_ask(chat__node *node, const chat_frame *ask);

#endif
