/* SPDX-License-Identifier: MIT */
/* What block.c has for the other files of this room: whom users have blocked. */
#ifndef CHAT_NODE_BLOCK_H
#define CHAT_NODE_BLOCK_H

#include "node/internal.h"

/* Whether a request of this type blocks or unblocks. */
int chat__block_is(uint64_t kind);
void chat__block_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__block_list(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__block_listed(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                        size_t n_users);
/* Whether a request of another node names a chat of its two users. */
int chat__block_is_valid(const chat_frame *submit);
/* Ask what it takes to decide the head of a self stream's queue. 0: it was refused. */
int chat__block_ask(chat__node *node, chat__room *room, const chat_frame *submit);
void chat__block_loaded(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                        size_t n_users);
/* See that a block holds where it must before it is answered. CHAT_OK: it does; CHAT_MORE: others
   have been told, chat__owner_told() follows; CHAT_ERR_NOMEM: to be done again. */
chat_status chat__block_tell(chat__node *node, chat__op *op);
/* Give up on nodes that did not answer in time. */
void chat__block_do_due(chat__node *node);
/* What another node told may have been lost: ask storage again. */
void chat__block_forget(chat__node *node);
/* A frame of another node. CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__block_link(chat__node *node, uint32_t from_node, const chat_frame *frame);
/* Whether it was: in a direct chat in which one has blocked the other only deletions pass. */
int chat__block_refuses(chat__node *node, const chat_frame *submit, const chat__room *room);

#endif
