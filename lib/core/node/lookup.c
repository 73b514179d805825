/* SPDX-License-Identifier: MIT */
/*
 * Questions that several nodes answer, while they are open: each waits for so many parts, and for
 * so long at most. What is asked and answered is in presence.c and why.c.
 */
#include "node/lookup.h"
#include "node/share.h"

#include "route/fanout.h"

#define LOOKUP_MS   5000u
#define MAX_LOOKUPS 16u /* of a connection at the same time */

static void unlink_one(chat__node *node, chat__lookup *lookup)
{
    if (lookup->prev != NULL)
        lookup->prev->next = lookup->next;
    else
        node->lookup_first = lookup->next;
    if (lookup->next != NULL)
        lookup->next->prev = lookup->prev;
    else
        node->lookup_last = lookup->prev;
}

/* All wait for the same time, so the first is due first. */
static void append(chat__node *node, chat__lookup *lookup)
{
    lookup->due_ms = node->mono_ms + LOOKUP_MS;
    lookup->prev = node->lookup_last;
    lookup->next = NULL;
    if (node->lookup_last != NULL)
        node->lookup_last->next = lookup;
    else
        node->lookup_first = lookup;
    node->lookup_last = lookup;
}

void chat__lookup_drop(chat__node *node, chat__lookup *lookup)
{
    chat__lookup **link = &lookup->conn->lookups;
    while (*link != lookup)
        link = &(*link)->next_of_conn;
    *link = lookup->next_of_conn;
    unlink_one(node, lookup);
    chat__share_drop(node, lookup);
    chat__node_dealloc(node, lookup);
}

chat__lookup *chat__lookup_of(const chat__node *node, const chat_frame *frame)
{
    chat__node_conn *conn = chat__conn_of(node, frame->conn);
    chat__lookup *lookup = conn != NULL ? conn->lookups : NULL;
    while (lookup != NULL && lookup->number != frame->n)
        lookup = lookup->next_of_conn;
    return lookup;
}

void chat__lookup_init_answer(chat_frame *out, chat_frame_type type, const chat_frame *ask)
{
    chat_frame_init(out, type);
    CHAT_FRAME_SET(out, CONN, conn, ask->conn);
    CHAT_FRAME_SET(out, N, n, ask->n);
}

chat__lookup *chat__lookup_begin(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    size_t n = 0;
    for (const chat__lookup *at = conn->lookups; at != NULL; at = at->next_of_conn)
        n++;
    chat__lookup *lookup = n < MAX_LOOKUPS ? chat__node_alloc(node, sizeof *lookup) : NULL;
    if (lookup == NULL)
        return NULL;
    lookup->conn = conn;
    lookup->number = ++node->n_lookups;
    lookup->r = frame->r;
    lookup->is_watch = frame->type == CHAT_FRAME_PRESENCE_WATCH;
    lookup->n_open = 1; /* until all have been asked */
    lookup->next_of_conn = conn->lookups;
    conn->lookups = lookup;
    append(node, lookup);
    return lookup;
}

void chat__lookup_renew(chat__node *node, chat__lookup *lookup)
{
    unlink_one(node, lookup);
    append(node, lookup);
    lookup->number = ++node->n_lookups;
}

static void ask_part(chat__node *node, chat__lookup *lookup, const chat_view *names,
                     const chat__route_part *part, const chat_frame *question,
                     chat__lookup_taker *take)
{
    chat_frame ask = *question;
    chat_status status = CHAT_ERR_NOMEM;
    chat_view *users = chat__arena_get(&node->arena, part->n_stops * sizeof *users);
    lookup->n_open++;
    if (users != NULL) {
        chat_view_list list = {users, part->n_stops};
        for (size_t i = 0; i < part->n_stops; i++)
            users[i] = names[part->stops[i].member];
        CHAT_FRAME_SET(&ask, CONN, conn, lookup->conn->id);
        CHAT_FRAME_SET(&ask, N, n, lookup->number);
        CHAT_FRAME_SET(&ask, USERS, users, list);
        if (part->node == node->options.self) {
            take(node, part->node, &ask);
            return;
        }
        chat__share_keep(node, lookup, part->node, &ask);
        status = node->is_lost[part->node] ? chat__share_ask(node, part->node, &ask)
                                           : chat__node_emit_link(node, part->node, &ask);
    }
    if (status != CHAT_OK)
        chat__lookup_close_part(node, lookup, status);
}

void chat__lookup_ask(chat__node *node, chat__lookup *lookup, chat_view_list users,
                      const chat_frame *question, chat__lookup_taker *take)
{
    chat__route_plan plan;
    chat__route_part part;
    chat__route_stop *scratch =
        chat__arena_get(&node->arena, (users.n_items + 1) * sizeof *scratch);
    if (scratch == NULL) {
        chat__lookup_close_part(node, lookup, CHAT_ERR_NOMEM);
        return;
    }
    chat__route_plan_init(&plan, users.items, users.n_items, node->options.n_nodes, scratch);
    while (chat__route_plan_next(&plan, users.n_items, &part) == CHAT_OK)
        ask_part(node, lookup, users.items, &part, question, take);
    chat__lookup_close_part(node, lookup, CHAT_OK);
}
