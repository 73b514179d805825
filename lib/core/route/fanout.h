/* SPDX-License-Identifier: MIT */
/*
 * Who lives where, and what a record's way to the members of its chat looks like: which nodes get
 * it, and for whom on each. Pure; the caller gives the memory.
 */
#ifndef CHAT_ROUTE_FANOUT_H
#define CHAT_ROUTE_FANOUT_H

#include <chat/status.h>

/* The node on which all of a user's connections are. `n_nodes` 0 counts as 1. */
uint32_t chat__route_user_node(chat_view user, uint32_t n_nodes);

/* The node that owns a chat: the one that owns its partition. 0 counts as 1. */
uint32_t chat__route_chat_node(chat_view chat, uint32_t n_partitions, uint32_t n_nodes);

/* A member by its index in the list, and the node where it lives. */
typedef struct chat__route_stop {
    uint32_t node;
    uint32_t member;
} chat__route_stop;

/* Members on one node: the `member` of each of `stops`. */
typedef struct chat__route_part {
    uint32_t node;
    const chat__route_stop *stops;
    size_t n_stops;
} chat__route_part;

typedef struct chat__route_plan {
    const chat__route_stop *stops; /* by node, then by index */
    size_t n_stops;
    size_t next;
} chat__route_plan;

/*
 * Plan the way to `members` over `n_nodes` (0 counts as 1). `scratch` has room for `n_members`
 * stops and is borrowed as long as the plan is used; the members are not.
 * Time: n log n in the members.
 */
void chat__route_plan_init(chat__route_plan *plan, const chat_view *members, size_t n_members,
                           uint32_t n_nodes, chat__route_stop *scratch);

/*
 * The next at most `max_stops` (0 counts as 1) members that share a node; nodes come in rising
 * order, and one node comes again when its members do not fit into one part.
 * CHAT_OK, CHAT_EMPTY.
 */
chat_status chat__route_plan_next(chat__route_plan *plan, size_t max_stops, chat__route_part *out);

#endif
