/* SPDX-License-Identifier: MIT */
/* What peer.c has for the other files of this room: other nodes that are gone, or back. */
#ifndef CHAT_NODE_PEER_H
#define CHAT_NODE_PEER_H

#include "node/internal.h"

/* In place of a connection in a question about presence that the node asks for itself. */
#define CHAT__PEER_ASKS 0u

/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__peer_init(chat__node *node);
/* Ask storage what the connection lacks; until then it is pushed nothing. */
void chat__peer_check(chat__node *node, chat__node_conn *conn);
void chat__peer_checked(chat__node *node, chat__op *op, chat_status status,
                        const chat__node_user_chat *chats, size_t n_chats);

#endif
