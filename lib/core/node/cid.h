/* SPDX-License-Identifier: MIT */
/* Which messages were sent before: cid.c. */
#ifndef CHAT_NODE_CID_H
#define CHAT_NODE_CID_H

#include "node/internal.h"

/* NULL: it is not known. */
chat__cid *chat__cid_find(chat__node *node, chat_view user, chat_view chat, chat_view cid);
chat__cid *chat__cid_new(chat__node *node, chat_view user, chat_view chat, chat_view cid);
/* As if it were new: those that are older go first. */
void chat__cid_touch(chat__node *node, chat__cid *cid);
/*
 * That a chat was searched for what a user sent. Made before what is found is remembered, so it is
 * dropped before it: as long as the mark is there and not open, a name of this user that is not
 * here is new in this chat.
 */
chat__cid *chat__cid_search(chat__node *node, chat_view user, chat_view chat);
chat__cid *chat__cid_search_new(chat__node *node, chat_view user, chat_view chat);
void chat__cid_forget(chat__node *node, chat__cid *cid);

#endif
