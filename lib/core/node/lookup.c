/* SPDX-License-Identifier: MIT */
/*
 * Questions that several nodes answer, while they are open: each waits for so many parts, and for
 * so long at most. What is asked and answered is in presence.c and why.c.
 */
#include "node/lookup.h"
#include "node/share.h"

#include "route/fanout.h"

#include <string.h>

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

/* --- parts --- */

/* What `to_node` is asked. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status keep(chat__node *node, chat__lookup *lookup, uint32_t to_node,
                        const chat_frame *ask)
{
    size_t n = ask->users.n_items;
    size_t size = sizeof(chat__lookup_part) + n * sizeof(chat_view);
    for (size_t i = 0; i < n; i++)
        size += ask->users.items[i].len;
    chat__lookup_part *part = chat__node_alloc(node, size);
    if (part == NULL)
        return CHAT_ERR_NOMEM;
    uint8_t *at = (uint8_t *)(part->users + n);
    for (size_t i = 0; i < n; i++) {
        chat_view user = ask->users.items[i];
        memcpy(at, user.data, user.len);
        part->users[i] = chat__view(at, user.len);
        at += user.len;
    }
    part->node = to_node;
    part->n_users = n;
    part->next = lookup->parts;
    lookup->parts = part;
    return CHAT_OK;
}

static chat__lookup_part *take_part(chat__lookup *lookup, uint32_t peer)
{
    chat__lookup_part **link = &lookup->parts;
    while (*link != NULL && (*link)->node != peer)
        link = &(*link)->next;
    chat__lookup_part *part = *link;
    if (part != NULL)
        *link = part->next;
    return part;
}

int chat__lookup_is_answered(chat__node *node, chat__lookup *lookup, uint32_t from_node)
{
    chat__lookup_part *part = take_part(lookup, from_node);
    chat__node_dealloc(node, part);
    return part != NULL || from_node == node->options.self;
}

void chat__lookup_miss(chat__node *node, chat__lookup *lookup, uint32_t peer)
{
    chat__lookup_part *part = take_part(lookup, peer);
    if (part == NULL)
        return;
    for (size_t i = 0; i < part->n_users; i++) {
        if (lookup->is_why)
            chat__why_miss(node, lookup, part->users[i]);
        else
            chat__presence_miss(node, lookup, part->users[i]);
    }
    chat__node_dealloc(node, part);
    chat__lookup_close_part(node, lookup, CHAT_OK);
}

static int waits_for(const chat__lookup *lookup, uint32_t peer)
{
    const chat__lookup_part *part = lookup->parts;
    while (part != NULL && part->node != peer)
        part = part->next;
    return part != NULL;
}

void chat__lookup_lost(chat__node *node, uint32_t peer)
{
    chat__lookup *next;
    for (chat__lookup *lookup = node->lookup_first; lookup != NULL; lookup = next) {
        next = lookup->next;
        /* Of those that are shared, others were asked about all. */
        if (waits_for(lookup, peer) && !lookup->is_shared && !chat__share_ask_instead(node, lookup))
            chat__lookup_miss(node, lookup, peer);
    }
}

void chat__lookup_due(chat__node *node, chat__lookup *lookup)
{
    if (chat__share_ask_instead(node, lookup))
        return;
    for (size_t n = lookup->n_open; n > 0; n--)
        chat__lookup_miss(node, lookup, lookup->parts->node);
}

/* --- questions --- */

void chat__lookup_drop(chat__node *node, chat__lookup *lookup)
{
    chat__lookup **link = &lookup->conn->lookups;
    while (*link != lookup)
        link = &(*link)->next_of_conn;
    *link = lookup->next_of_conn;
    unlink_one(node, lookup);
    while (lookup->parts != NULL)
        (void)chat__lookup_is_answered(node, lookup, lookup->parts->node);
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
    lookup->is_why = frame->type == CHAT_FRAME_WHY;
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
        status = keep(node, lookup, part->node, &ask);
    }
    if (status == CHAT_OK && !node->is_lost[part->node])
        status = chat__node_emit_link(node, part->node, &ask);
    else if (status == CHAT_OK && !chat__share_ask(node, lookup, lookup->parts))
        chat__lookup_miss(node, lookup, part->node);
    if (status != CHAT_OK) {
        (void)chat__lookup_is_answered(node, lookup, part->node);
        chat__lookup_close_part(node, lookup, status);
    }
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
