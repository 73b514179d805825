/* SPDX-License-Identifier: MIT */
/*
 * The one frame of a connection that says: what this device lacked when it said hello was pushed.
 * Each chat that was behind then carries how far that goes, so what comes later, and goes on
 * coming, does not put the frame off.
 *
 * And gaps: what is too much or too old is not sent but named. Until the client says that it has
 * filled the gap, the cursor of that chat stays in front of it, whatever is acked behind: a client
 * that dies on the way is told again.
 */
#include "node/resume.h"

#include <string.h>

static chat__gap **gap_of(chat__node_conn *conn, chat_view chat)
{
    chat__gap **at = &conn->gaps;
    while (*at != NULL && !chat__view_equal(chat__view((*at)->chat, (*at)->chat_len), chat))
        at = &(*at)->next;
    return at;
}

void chat__resume_gap(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t after,
                      uint64_t last)
{
    chat_frame out;
    chat__gap *gap = chat__node_alloc(node, sizeof *gap + chat.len);
    if (gap == NULL) {
        chat__conn_break(node, conn, CHAT_ERR_NOMEM);
        return;
    }
    gap->last = last;
    gap->held = last;
    gap->chat_len = (uint32_t)chat.len;
    memcpy(gap->chat, chat.data, chat.len);
    gap->next = conn->gaps;
    conn->gaps = gap;
    conn->has_gap = 1;
    chat__count(&node->counts, CHAT__EVENT_DROPPED);
    chat_frame_init(&out, CHAT_FRAME_GAP);
    CHAT_FRAME_SET(&out, CHAT, chat, chat);
    CHAT_FRAME_SET(&out, AFTER, after, after);
    CHAT_FRAME_SET(&out, BEFORE, before, last + 1);
    chat__conn_write_frame(node, conn, &out);
}

int chat__resume_holds(chat__node_conn *conn, chat_view chat, uint64_t seq)
{
    chat__gap *gap = *gap_of(conn, chat);
    if (gap != NULL && seq > gap->held)
        gap->held = seq;
    return gap != NULL;
}

uint64_t chat__resume_held(chat__node_conn *conn, chat_view chat, uint64_t cursor)
{
    const chat__gap *gap = *gap_of(conn, chat);
    return gap != NULL && gap->held > cursor ? gap->held : cursor;
}

uint64_t chat__resume_fill(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t seq)
{
    chat__gap **at = gap_of(conn, chat);
    chat__gap *gap = *at;
    if (gap == NULL)
        return 0;
    if (seq < gap->last)
        return seq;
    seq = gap->held;
    *at = gap->next;
    chat__node_dealloc(node, gap);
    return seq;
}

void chat__resume_drop_gaps(chat__node *node, chat__node_conn *conn)
{
    while (conn->gaps != NULL) {
        chat__gap *gap = conn->gaps;
        conn->gaps = gap->next;
        chat__node_dealloc(node, gap);
    }
}

void chat__resume_begin(chat__node_conn *conn, int is_reset)
{
    conn->is_resuming = 1;
    conn->is_reset = is_reset != 0;
    for (chat__behind *behind = conn->behind; behind != NULL; behind = behind->next)
        behind->owed = behind->target;
}

void chat__resume_count(chat__node_conn *conn, uint64_t seq)
{
    if (conn->is_resuming && conn->behind != NULL && seq <= conn->behind->owed)
        conn->n_resumed++;
}

void chat__resume_settle(chat__node *node, chat__node_conn *conn)
{
    chat_frame out;
    if (!conn->is_resuming || conn->broken != 0 || conn->is_removed)
        return;
    for (const chat__behind *behind = conn->behind; behind != NULL; behind = behind->next) {
        if (behind->after < behind->owed)
            return;
    }
    conn->is_resuming = 0;
    chat_frame_init(&out, CHAT_FRAME_RESUMED);
    CHAT_FRAME_SET(&out, STATE, state,
                   chat__view_str(conn->is_reset  ? "reset"
                                  : conn->has_gap ? "gap"
                                                  : "recovered"));
    CHAT_FRAME_SET(&out, COUNT, count, conn->n_resumed);
    chat__conn_write_frame(node, conn, &out);
}
