/* SPDX-License-Identifier: MIT */
/* Questions that several nodes answer: presence.c keeps them, why.c asks by them too. */
#ifndef CHAT_NODE_LOOKUP_H
#define CHAT_NODE_LOOKUP_H

#include "node/internal.h"

/* A question, asked at the nodes where the users live. */
struct chat__lookup {
    chat__lookup *prev, *next; /* of the node, oldest first */
    chat__lookup *next_of_conn;
    chat__node_conn *conn;
    uint64_t number;
    uint64_t r;
    uint64_t due_ms;
    uint64_t count;  /* rows given */
    uint32_t n_open; /* nodes that have not answered */
    uint32_t is_watch;
    int32_t status;
    uint8_t device_len; /* of `why`: only rows of this device */
    uint8_t device[CHAT_ID_MAX_BYTES];
};

/* A question of this connection that is open until all parts are closed, one more than the nodes
   that are asked. NULL: too many, or out of memory. */
chat__lookup *chat__lookup_begin(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The question that a node's answer names, NULL: over. */
chat__lookup *chat__lookup_of(const chat__node *node, const chat_frame *frame);
/* A node has answered or could not be asked. The last one answers the client. */
void chat__lookup_close_part(chat__node *node, chat__lookup *lookup, chat_status status);

#endif
