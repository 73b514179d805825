/* SPDX-License-Identifier: MIT */
/*
 * Presence beyond the nodes: which devices are connected here is told as effects, for who keeps
 * that in a memory that servers share; and who lives on a node that is not reached is asked for
 * there.
 */
#include "node/share.h"
#include "node/hints.h"

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
static int is_for_others(const chat__node *node, const chat__lookup *lookup)
{
    return node->options.shares_presence && !lookup->is_watch && !lookup->is_why;
}

int chat__share_ask(chat__node *node, const chat__lookup *lookup, const chat__lookup_part *part)
{
    chat_view_list users = {part->users, part->n_users};
    chat_view_list names;
    chat__effect *effect = NULL;
    if (!is_for_others(node, lookup) || users.n_items > CHAT__WHO_MAX)
        return 0;
    if (chat__node_copy_list(node, users, &names) == CHAT_OK)
        effect = chat__node_emit(node, CHAT__EFFECT_WHO);
    if (effect == NULL)
        return 0;
    effect->conn = lookup->conn->id;
    effect->id = lookup->number;
    effect->to_node = part->node;
    effect->names = names;
    return 1;
}

int chat__share_ask_instead(chat__node *node, chat__lookup *lookup)
{
    chat__lookup_part *next;
    if (lookup->is_shared || !is_for_others(node, lookup))
        return 0;
    chat__lookup_renew(node, lookup);
    lookup->is_shared = 1;
    for (chat__lookup_part *part = lookup->parts; part != NULL; part = next) {
        next = part->next;
        if (!chat__share_ask(node, lookup, part))
            chat__lookup_miss(node, lookup, part->node);
    }
    return 1;
}

void chat__node_who_told(chat__node *node, chat_status status, const chat__node_who *who)
{
    chat_frame row;
    chat_frame end;
    chat_frame_init(&end, CHAT_FRAME_PRESENCE_END);
    CHAT_FRAME_SET(&end, CONN, conn, who->conn);
    CHAT_FRAME_SET(&end, N, n, who->id);
    chat__lookup *lookup = chat__lookup_of(node, &end);
    if (lookup == NULL)
        return;
    if (status != CHAT_OK) {
        chat__lookup_miss(node, lookup, who->node);
        return;
    }
    for (size_t i = 0; i < who->users.n_items; i++) {
        chat__lookup_init_answer(&row, CHAT_FRAME_PRESENCE_ROW, &end);
        CHAT_FRAME_SET(&row, USER, user, who->users.items[i]);
        CHAT_FRAME_SET(&row, ONLINE, online, who->is_online[i]);
        (void)chat__presence_link(node, who->node, &row);
    }
    (void)chat__presence_link(node, who->node, &end);
}
