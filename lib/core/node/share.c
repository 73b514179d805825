/* SPDX-License-Identifier: MIT */
/*
 * Presence beyond the nodes: which devices are connected here is told as effects, for who keeps
 * that in a memory that servers share; and who lives on a node that is not reached is asked for
 * there.
 */
#include "node/share.h"
#include "node/hints.h"
#include "node/lookup.h"

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

/* A watch would need somebody who tells changes, and what became of a message is known there alone.
 */
chat_status chat__share_ask(chat__node *node, const chat_frame *ask)
{
    if (!node->options.shares_presence || ask->type != CHAT_FRAME_PRESENCE_ASK ||
        ask->kind != CHAT_FRAME_PRESENCE_GET || ask->users.n_items > CHAT__WHO_MAX)
        return CHAT_ERR_TIMEOUT;
    chat_view *names = chat__arena_get(&node->arena, ask->users.n_items * sizeof *names);
    for (size_t i = 0; names != NULL && i < ask->users.n_items; i++) {
        names[i] = chat__arena_copy(&node->arena, ask->users.items[i]);
        if (names[i].len != ask->users.items[i].len)
            names = NULL;
    }
    chat__effect *effect = names != NULL ? chat__node_emit(node, CHAT__EFFECT_WHO) : NULL;
    if (effect == NULL)
        return CHAT_ERR_NOMEM;
    effect->conn = ask->conn;
    effect->id = ask->n;
    effect->names = (chat_view_list){names, ask->users.n_items};
    return CHAT_OK;
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
        (void)chat__presence_link(node, node->options.self, &row);
    }
    if (status != CHAT_OK)
        CHAT_FRAME_SET(&end, CODE, code, chat__view_str(chat_status_wire(CHAT_ERR_TIMEOUT)));
    (void)chat__presence_link(node, node->options.self, &end);
}
