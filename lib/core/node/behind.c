/* SPDX-License-Identifier: MIT */
/* Chats that a connection reads back, and what is left when it goes. See behind.h. */
#include "node/behind.h"
#include "node/notify.h"
#include "node/resume.h"
#include "node/trail.h"

#include <string.h>

chat__behind *chat__behind_of(const chat__node_conn *conn, chat_view chat)
{
    chat__behind *behind = conn->behind;
    while (behind != NULL && !chat__view_equal(chat__view(behind->chat, behind->chat_len), chat))
        behind = behind->next;
    return behind;
}

void chat__behind_fall(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t after,
                       uint64_t target)
{
    chat__behind *behind = chat__node_alloc(node, sizeof *behind + chat.len);
    if (behind == NULL) {
        chat__conn_break(node, conn, CHAT_ERR_NOMEM);
        return;
    }
    behind->after = after;
    behind->target = target;
    behind->owed = 0;
    behind->fresh_from = 0;
    behind->n_fresh = 0;
    behind->chat_len = (uint16_t)chat.len;
    behind->is_unsure = conn->check != CHAT__CHECK_NONE;
    memcpy(behind->chat, chat.data, chat.len);
    if (conn->last_behind != NULL)
        conn->last_behind->next = behind;
    else
        conn->behind = behind;
    conn->last_behind = behind;
}

void chat__behind_drop_first(chat__node *node, chat__node_conn *conn)
{
    chat__behind *behind = conn->behind;
    conn->behind = behind->next;
    if (conn->behind == NULL)
        conn->last_behind = NULL;
    chat__node_dealloc(node, behind);
}

/* It was pushed, and the last device went without acknowledging it. */
static void notify_unacked(chat__node *node, const chat__node_conn *conn, const chat__msg *msg)
{
    chat__missed missed = {msg->chat, msg->from, msg->id, msg->seq, 1};
    if (msg->is_message && msg->is_fresh)
        chat__notify_missed(node, chat__conn_user(conn), &missed);
}

/* Messages that came while the chat was read back, and were not pushed yet. */
static void notify_behind(chat__node *node, const chat__node_conn *conn, const chat__behind *behind)
{
    chat__missed missed = {.chat = chat__view(behind->chat, behind->chat_len),
                           .seq = behind->target,
                           .count = behind->n_fresh};
    if (behind->n_fresh > 0)
        chat__notify_missed(node, chat__conn_user(conn), &missed);
}

void chat__deliver_away(chat__node *node, chat_view user, const chat__msg *msg)
{
    chat__missed missed = {msg->chat, msg->from, msg->id, msg->seq, 1};
    chat__count(&node->counts, CHAT__EVENT_QUEUED);
    if (msg->is_message) {
        chat__trail_away(node, CHAT__EVENT_QUEUED, user, msg->chat, msg->seq);
        chat__notify_missed(node, user, &missed);
    }
}

void chat__deliver_drop_all(chat__node *node, chat__node_conn *conn)
{
    chat__window_entry entry;
    int is_away = chat__notify_is_away(conn->user, conn);
    while (chat__session_drop(&conn->session, &entry) == CHAT_OK) {
        if (!entry.is_silent) {
            chat__trail_count(node, CHAT__EVENT_QUEUED, conn, entry.item);
            if (is_away)
                notify_unacked(node, conn, entry.item);
        }
        chat__msg_release(node, entry.item);
    }
    while (conn->behind != NULL) {
        if (is_away)
            notify_behind(node, conn, conn->behind);
        chat__behind_drop_first(node, conn);
    }
    chat__resume_drop_gaps(node, conn);
}

void chat__behind_note_fresh(const chat__node_conn *conn, chat__behind *behind,
                             const chat__msg *msg)
{
    if (behind == NULL || !msg->is_message || chat__view_equal(msg->from, chat__conn_user(conn)))
        return;
    if (behind->fresh_from == 0)
        behind->fresh_from = msg->seq;
    behind->n_fresh++;
}
