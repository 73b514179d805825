/* SPDX-License-Identifier: MIT */
/*
 * What hide.c has for the other files of this room: who has blocked a user, on the node where that
 * user lives. All that he is shown of others comes by there.
 */
#ifndef CHAT_NODE_HIDE_H
#define CHAT_NODE_HIDE_H

#include "node/internal.h"

/* Ask storage who has blocked the user of a connection, unless it is known or being asked. */
void chat__hide_learn(chat__node *node, chat__node_conn *conn);
/* Whether `frame` has to wait for that; chat__presence_ask() follows, or it is refused. */
int chat__hide_must_wait(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The connection goes. */
void chat__hide_leave(chat__node *node, chat__node_conn *conn);
void chat__hide_loaded(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                       size_t n_users);
/* `from` has blocked `user`, or no longer. */
void chat__hide_take(chat__node *node, chat_view user, chat_view from, int is_blocked);
/* What was told may have been lost: ask storage again about all who are connected. */
void chat__hide_learn_again(chat__node *node);
/* Whether `other` is hidden from `user`. As long as it is not known, everybody is. */
int chat__hide_is(const chat__node *node, const chat__user *user, chat_view other);
/* Whether `hint`, which is about `other` and what happens in `chat`, must not pass now: for he is
   hidden, or, kept for then, until that is known. Groups are none of it. */
int chat__hide_holds(chat__node *node, chat__node_conn *conn, chat_view other, chat_view chat,
                     const chat_frame *hint);
/* Whether `frame` was put behind what waits so. */
int chat__hide_follows(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* A connection of the user that has said hello, NULL: he has none, or is none. */
chat__node_conn *chat__hide_conn(const chat__user *user);
/* Whether it was: a question about a direct chat (`op`'s bytes) with one who hides. */
int chat__hide_refuses(chat__node *node, chat__node_conn *conn, const chat__op *op,
                       const chat_frame *about);

#endif
