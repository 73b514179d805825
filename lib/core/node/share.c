/* SPDX-License-Identifier: MIT */
/*
 * Presence beyond the nodes: which devices are connected here is told as effects, for who keeps
 * that in a memory that servers share; and who lives on a node that is not reached is asked for
 * there.
 */
#include "node/share.h"
#include "node/hints.h"

#include <string.h>

static void share(chat__node *node, const chat__node_conn *conn, int is_here)
{
    chat_view none = {NULL, 0};
    if (!node->options.shares_presence)
        return;
    chat__effect *effect = chat__node_emit_about(node, CHAT__EFFECT_PRESENCE, none,
                                                 chat__conn_user(conn), chat__conn_device(conn));
    if (effect != NULL)
        effect->kind = is_here != 0;
}

static int is_hidden(const chat__node *node, const chat__node_conn *conn)
{
    chat_presence_state state;
    chat_presence_get(node->presence, chat__conn_user(conn), &state);
    return (int)state.is_hidden;
}

void chat__share_arrive(chat__node *node, const chat__node_conn *conn)
{
    if (!is_hidden(node, conn))
        share(node, conn, 1);
}

/* Both said hello, with this device. */
static int is_same_device(const chat__node_conn *a, const chat__node_conn *b)
{
    return a->session.state != CHAT__SESSION_HELLO && b->session.state != CHAT__SESSION_HELLO &&
           chat__view_equal(chat__conn_device(a), chat__conn_device(b));
}

void chat__share_leave(chat__node *node, const chat__node_conn *conn)
{
    const chat__node_conn *other = conn->user->conns;
    while (other != NULL && (other == conn || !is_same_device(other, conn)))
        other = other->next;
    if (other == NULL && conn->session.state != CHAT__SESSION_HELLO)
        share(node, conn, 0);
}

void chat__share_hide(chat__node *node, const chat__user *user, int is_hidden)
{
    for (const chat__node_conn *conn = user->conns; conn != NULL; conn = conn->next) {
        if (conn->session.state != CHAT__SESSION_HELLO)
            share(node, conn, !is_hidden);
    }
}

/* --- questions --- */

/* A watch would need somebody who tells changes, and what became of a message is known there
   alone. */
static int is_for_others(const chat__node *node, const chat_frame *ask)
{
    return node->options.shares_presence && ask->type == CHAT_FRAME_PRESENCE_ASK &&
           ask->kind == CHAT_FRAME_PRESENCE_GET && ask->users.n_items <= CHAT__WHO_MAX;
}

static chat_status emit(chat__node *node, const chat__node_who *question)
{
    chat_view_list names;
    chat__effect *effect = NULL;
    if (chat__node_copy_list(node, question->users, &names) == CHAT_OK)
        effect = chat__node_emit(node, CHAT__EFFECT_WHO);
    if (effect == NULL)
        return CHAT_ERR_NOMEM;
    effect->conn = question->conn;
    effect->id = question->id;
    effect->to_node = question->node;
    effect->names = names;
    return CHAT_OK;
}

chat_status chat__share_ask(chat__node *node, uint32_t lost, const chat_frame *ask)
{
    chat__node_who question = {ask->conn, ask->n, lost, ask->users, NULL};
    return is_for_others(node, ask) ? emit(node, &question) : CHAT_ERR_TIMEOUT;
}

void chat__share_keep(chat__node *node, chat__lookup *lookup, uint32_t to_node,
                      const chat_frame *ask)
{
    size_t n = ask->users.n_items;
    size_t size = sizeof(chat__lookup_part) + n * sizeof(chat_view);
    for (size_t i = 0; i < n; i++)
        size += ask->users.items[i].len;
    chat__lookup_part *part = is_for_others(node, ask) ? chat__node_alloc(node, size) : NULL;
    if (part == NULL)
        return;
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
}

void chat__share_answered(chat__node *node, chat__lookup *lookup, uint32_t from_node)
{
    chat__lookup_part **link = &lookup->parts;
    while (*link != NULL && (*link)->node != from_node)
        link = &(*link)->next;
    chat__lookup_part *part = *link;
    if (part == NULL)
        return;
    *link = part->next;
    chat__node_dealloc(node, part);
}

void chat__share_drop(chat__node *node, chat__lookup *lookup)
{
    while (lookup->parts != NULL)
        chat__share_answered(node, lookup, lookup->parts->node);
}

int chat__share_ask_instead(chat__node *node, chat__lookup *lookup)
{
    uint32_t n_asked = 0;
    if (lookup->parts == NULL)
        return 0;
    chat__lookup_renew(node, lookup);
    for (chat__lookup_part *part = lookup->parts; part != NULL; part = part->next) {
        chat__node_who question = {
            lookup->conn->id, lookup->number, part->node, {part->users, part->n_users}, NULL};
        if (emit(node, &question) == CHAT_OK)
            n_asked++;
        else
            lookup->status = CHAT_ERR_NOMEM;
    }
    chat__share_drop(node, lookup);
    lookup->n_open = n_asked;
    return n_asked > 0;
}

static int waits_for(const chat__lookup *lookup, uint32_t peer)
{
    const chat__lookup_part *part = lookup->parts;
    while (part != NULL && part->node != peer)
        part = part->next;
    return part != NULL;
}

void chat__share_lost(chat__node *node, uint32_t peer)
{
    chat__lookup *next;
    for (chat__lookup *lookup = node->lookup_first; lookup != NULL; lookup = next) {
        next = lookup->next;
        if (waits_for(lookup, peer))
            (void)chat__share_ask_instead(node, lookup);
    }
}

void chat__node_who_told(chat__node *node, chat_status status, const chat__node_who *who)
{
    chat_frame row;
    chat_frame end;
    chat_frame_init(&end, CHAT_FRAME_PRESENCE_END);
    CHAT_FRAME_SET(&end, CONN, conn, who->conn);
    CHAT_FRAME_SET(&end, N, n, who->id);
    for (size_t i = 0; status == CHAT_OK && i < who->users.n_items; i++) {
        chat__lookup_init_answer(&row, CHAT_FRAME_PRESENCE_ROW, &end);
        CHAT_FRAME_SET(&row, USER, user, who->users.items[i]);
        CHAT_FRAME_SET(&row, ONLINE, online, who->is_online[i]);
        (void)chat__presence_link(node, who->node, &row);
    }
    if (status != CHAT_OK)
        CHAT_FRAME_SET(&end, CODE, code, chat__view_str(chat_status_wire(CHAT_ERR_TIMEOUT)));
    (void)chat__presence_link(node, who->node, &end);
}
