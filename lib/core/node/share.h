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
/* Ask others about the users of a node that is not reached; 0: nobody else knows, or no memory. */
int chat__share_ask(chat__node *node, const chat__lookup *lookup, const chat__lookup_part *part);
/* Ask them, once, about all of which no node has answered; 0: there is nobody to be asked. */
int chat__share_ask_instead(chat__node *node, chat__lookup *lookup);

#endif
