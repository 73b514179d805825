/* SPDX-License-Identifier: MIT */
/* What limits.c has for the other files of this room: how much a user and a connection may ask. */
#ifndef CHAT_NODE_LIMITS_H
#define CHAT_NODE_LIMITS_H

#include "node/internal.h"

/* Whether it may go on; else it was refused. */
int chat__limits_admit(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The same for a request that stores nothing: counted for each connection. */
int chat__limits_admit_question(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The user's first connection came, the last one goes. */
void chat__limits_arrive(chat__node *node, chat__user *user);
void chat__limits_leave(chat__node *node, chat__user *user);
void chat__limits_done(chat__node *node);

#endif
