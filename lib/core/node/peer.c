/* SPDX-License-Identifier: MIT */
/*
 * Other nodes that are gone, or back. What a link carried when it broke is lost, and storage has
 * it: each connection is asked for as at hello, and the chats of which it lacks something are read
 * back. Requests are found again by who made them: his connection is closed, and he resends.
 */
#include "node/peer.h"
#include "node/behind.h"
#include "node/block.h"
#include "node/devices.h"
#include "node/hints.h"
#include "node/lookup.h"
#include "node/resume.h"
#include "base/alloc.h"
#include "presence/watched.h"

#define ASKED_AT_ONCE 64u /* users, when they are watched again */

chat_status chat__peer_init(chat__node *node)
{
    /* Numbers of connections that an earlier node of this place gave may still be on their way. */
    node->first_generation = (uint32_t)chat__siphash(node->options.seed, NULL, 0) >> 1;
    node->is_lost = chat__alloc_zero(&node->allocator, node->options.n_nodes);
    return node->is_lost != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* --- what was lost --- */

static void ask(chat__node *node, chat__node_conn *conn)
{
    chat_view none = {NULL, 0};
    chat_view_list connected;
    chat__effect *effect = NULL;
    chat__op *op = chat__op_new(node, CHAT__OP_CHECK, 0);
    if (op != NULL && chat__devices_connected(node, conn->user, &connected))
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_USER, none, chat__conn_user(conn),
                                       chat__conn_device(conn));
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        chat__conn_break(node, conn, CHAT_ERR_BUSY); /* at its next hello, then */
        return;
    }
    op->conn = conn->id;
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->names = connected;
}

void chat__peer_check(chat__node *node, chat__node_conn *conn)
{
    if (conn->session.state == CHAT__SESSION_HELLO || conn->is_removed || conn->broken != 0)
        return;
    if (conn->session.state == CHAT__SESSION_LOADING || conn->check == CHAT__CHECK_ASKED) {
        conn->check = CHAT__CHECK_DUE;
        return;
    }
    conn->check = CHAT__CHECK_ASKED;
    ask(node, conn);
}

static void check_all(chat__node *node)
{
    for (uint32_t i = 0; i < node->n_slots; i++) {
        if (node->slots[i] != NULL)
            chat__peer_check(node, node->slots[i]);
    }
}

/* What the device has, as far as it was acknowledged: what is on its way to it is sent again, and
   the client drops it. */
static void fall_back(chat__node *node, chat__node_conn *conn, const chat__node_user_chat *chat)
{
    uint64_t after = chat__resume_held(conn, chat->chat, chat->cursor);
    chat__behind *behind = chat__behind_of(conn, chat->chat);
    if (behind == NULL) {
        if (chat->last_seq > after)
            chat__behind_fall(node, conn, chat->chat, after, chat->last_seq);
        return;
    }
    if (behind->target < chat->last_seq)
        behind->target = chat->last_seq;
    if (behind->is_unsure && behind->after > after)
        behind->after = after;
}

void chat__peer_checked(chat__node *node, chat__op *op, chat_status status,
                        const chat__node_user_chat *chats, size_t n_chats)
{
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    chat__op_free(node, op);
    if (conn == NULL || conn->is_removed || conn->broken != 0)
        return;
    if (status < 0) {
        chat__conn_close(node, conn, CHAT_ERR_BUSY, "what this device has could not be read");
        return;
    }
    if (conn->check == CHAT__CHECK_DUE) {
        conn->check = CHAT__CHECK_ASKED;
        ask(node, conn);
        return;
    }
    for (size_t i = 0; i < n_chats; i++)
        fall_back(node, conn, &chats[i]);
    conn->check = CHAT__CHECK_NONE;
    for (chat__behind *behind = conn->behind; behind != NULL; behind = behind->next)
        behind->is_unsure = 0;
    chat__deliver_pump(node, conn);
}

/* --- presence --- */

/* The connections of its users are broken, or as good as that. */
static void take_offline(chat__node *node, uint32_t peer)
{
    chat_view user;
    size_t cursor = 0;
    chat_presence_unwatch(node->presence, peer);
    while (chat__presence_next_watched(node->watched, &cursor, &user) == CHAT_OK) {
        if (chat__node_of_user(user, node->options.n_nodes) == peer)
            chat_presence_tell(node->watched, user, 0, node->unix_ms);
    }
    chat__presence_tell_changes(node);
}

static void watch_again(chat__node *node, uint32_t peer, chat_view *users, size_t n)
{
    chat_frame ask;
    chat_view_list list = {users, n};
    chat_frame_init(&ask, CHAT_FRAME_PRESENCE_ASK);
    CHAT_FRAME_SET(&ask, CONN, conn, CHAT__PEER_ASKS);
    CHAT_FRAME_SET(&ask, N, n, 0);
    CHAT_FRAME_SET(&ask, KIND, kind, CHAT_FRAME_PRESENCE_WATCH);
    CHAT_FRAME_SET(&ask, USERS, users, list);
    if (n > 0)
        (void)chat__node_emit_link(node, peer, &ask); /* without memory: as long as it is away */
}

static void watch_all_again(chat__node *node, uint32_t peer)
{
    chat_view users[ASKED_AT_ONCE];
    size_t n = 0;
    size_t cursor = 0;
    while (chat__presence_next_watched(node->watched, &cursor, &users[n]) == CHAT_OK) {
        if (chat__node_of_user(users[n], node->options.n_nodes) == peer)
            n++;
        if (n == ASKED_AT_ONCE) {
            watch_again(node, peer, users, n);
            n = 0;
        }
    }
    watch_again(node, peer, users, n);
}

/* --- links --- */

static int is_peer(const chat__node *node, uint32_t peer)
{
    return peer < node->options.n_nodes && peer != node->options.self;
}

/* Which node was asked is not remembered: whoever waits for any is closed. */
static void close_waiting(chat__node *node)
{
    for (uint32_t i = 0; i < node->n_slots; i++) {
        chat__node_conn *conn = node->slots[i];
        if (conn != NULL && conn->n_submitted > 0)
            chat__conn_close(node, conn, CHAT_ERR_BUSY,
                             "a node that was asked is not reached: connect and send again");
    }
    node->n_submitted = 0;
}

chat_status chat__node_peer_lost(chat__node *node, uint32_t peer)
{
    if (!is_peer(node, peer))
        return CHAT_ERR_ARG;
    if (node->is_lost[peer])
        return CHAT_OK;
    node->is_lost[peer] = 1;
    close_waiting(node);
    take_offline(node, peer);
    chat__lookup_lost(node, peer);
    check_all(node);
    return CHAT_OK;
}

chat_status chat__node_peer_found(chat__node *node, uint32_t peer)
{
    chat_status status = chat__node_peer_lost(node, peer);
    if (status != CHAT_OK)
        return status;
    node->is_lost[peer] = 0;
    chat__block_forget(node);
    watch_all_again(node, peer);
    check_all(node);
    return CHAT_OK;
}
