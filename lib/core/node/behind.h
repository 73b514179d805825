/* SPDX-License-Identifier: MIT */
/* Chats that a connection has not been sent everything of: what deliver.c keeps of them. */
#ifndef CHAT_NODE_BEHIND_H
#define CHAT_NODE_BEHIND_H

#include "node/internal.h"

/* NULL: nothing of the chat is left. */
chat__behind *chat__behind_of(const chat__node_conn *conn, chat_view chat);
/* All behind `after` and up to `target` is to be read back. Out of memory ends the connection. */
void chat__behind_fall(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t after,
                       uint64_t target);
void chat__behind_drop_first(chat__node *node, chat__node_conn *conn);
/* A record came while the chat is read back: if the last device goes before it has acknowledged
   that, the user is notified. `behind` may be NULL. */
void chat__behind_note_fresh(const chat__node_conn *conn, chat__behind *behind,
                             const chat__msg *msg);

#endif
