/* SPDX-License-Identifier: MIT */
/* What devices.c has for the other files of this room: the devices of a user. */
#ifndef CHAT_NODE_DEVICES_H
#define CHAT_NODE_DEVICES_H

#include "node/internal.h"

/* Tell storage that the device of the connection is here, and when to do that again. */
void chat__devices_seen(chat__node *node, chat__node_conn *conn);
/* When that is; UINT64_MAX before hello. */
uint64_t chat__devices_due(const chat__node *node, const chat__node_conn *conn);
/* The devices of the user's connections, in the arena. 0: out of memory. */
int chat__devices_connected(chat__node *node, const chat__user *user, chat_view_list *out);

void chat__devices_list(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__devices_loaded(chat__node *node, chat__op *op, chat_status status,
                          const chat__node_device *rows, size_t n_rows);
void chat__devices_remove(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__devices_forgotten(chat__node *node, chat__op *op, chat_status status);

#endif
