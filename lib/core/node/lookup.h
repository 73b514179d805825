/* SPDX-License-Identifier: MIT */
/* Questions that several nodes answer: of presence.c and why.c. */
#ifndef CHAT_NODE_LOOKUP_H
#define CHAT_NODE_LOOKUP_H

#include "node/internal.h"

/* Users whose node has not answered: others may know of them (share.h). */
typedef struct chat__lookup_part {
    struct chat__lookup_part *next;
    uint32_t node;
    size_t n_users;
    chat_view users[];
} chat__lookup_part;

/* A question, asked at the nodes where the users live. */
struct chat__lookup {
    chat__lookup_part *parts;
    chat__lookup *prev, *next; /* of the node, oldest first */
    chat__lookup *next_of_conn;
    chat__node_conn *conn;
    uint64_t number;
    uint64_t r;
    uint64_t due_ms;
    uint64_t count;  /* rows given */
    uint32_t n_open; /* nodes that have not answered */
    uint8_t is_watch;
    uint8_t is_why;
    uint8_t is_untold; /* nobody asked: the row is told as a change */
    uint8_t is_shared; /* others were asked instead of who has not answered */
    int32_t status;
    uint8_t device_len; /* of `why`: only rows of this device */
    uint8_t device[CHAT_ID_MAX_BYTES];
};

/* A question of this connection that is open until all parts are closed, one more than the nodes
   that are asked. NULL: too many, or out of memory. */
chat__lookup *chat__lookup_begin(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__lookup_drop(chat__node *node, chat__lookup *lookup);
/* Wait once more as long; what nodes answer to the question as it was is for nobody. */
void chat__lookup_renew(chat__node *node, chat__lookup *lookup);
/* The question that a node's answer names, NULL: over. */
chat__lookup *chat__lookup_of(const chat__node *node, const chat_frame *frame);
/* A node has answered or could not be asked. The last one answers the client. */
void chat__lookup_close_part(chat__node *node, chat__lookup *lookup, chat_status status);
/* A node has answered. Whether it was asked, and has not yet. */
int chat__lookup_is_answered(chat__node *node, chat__lookup *lookup, uint32_t from_node);
/* A node is not reached, and nobody else knows: the client is told so for each of its users. The
   question may be over then. */
void chat__lookup_miss(chat__node *node, chat__lookup *lookup, uint32_t peer);
/* The link to a node is lost: so are its answers. */
void chat__lookup_lost(chat__node *node, uint32_t peer);
/* The time of the first question is over. */
void chat__lookup_due(chat__node *node, chat__lookup *lookup);
/* A row for a user whose node is not reached: presence.c, why.c. */
void chat__presence_miss(chat__node *node, chat__lookup *lookup, chat_view user);
void chat__why_miss(chat__node *node, chat__lookup *lookup, chat_view user);

/* Answers `ask` for the users who live here; `from_node` asked. */
typedef void chat__lookup_taker(chat__node *node, uint32_t from_node, const chat_frame *ask);

/* Ask the nodes where `users` live, each for its own: `question` has what is asked besides. `take`
   answers on this node. Closes the part that `begin` left open. */
void chat__lookup_ask(chat__node *node, chat__lookup *lookup, chat_view_list users,
                      const chat_frame *question, chat__lookup_taker *take);
/* A frame for the question that `ask` carries. */
void chat__lookup_init_answer(chat_frame *out, chat_frame_type type, const chat_frame *ask);
/* Tell the node that asked that it has all rows, or why not. It may be lost. */
void chat__lookup_end(chat__node *node, uint32_t to_node, const chat_frame *ask,
                      chat_status status);

#endif
