/* SPDX-License-Identifier: MIT */
/*
 * The one frame of a connection that says: what this device lacked when it said hello was pushed.
 * Each chat that was behind then carries how far that goes, so what comes later, and goes on
 * coming, does not put the frame off.
 */
#include "node/internal.h"

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
    if (!conn->is_resuming || conn->broken != 0)
        return;
    for (const chat__behind *behind = conn->behind; behind != NULL; behind = behind->next) {
        if (behind->after < behind->owed)
            return;
    }
    conn->is_resuming = 0;
    chat_frame_init(&out, CHAT_FRAME_RESUMED);
    CHAT_FRAME_SET(&out, STATE, state, chat__view_str(conn->is_reset ? "reset" : "recovered"));
    CHAT_FRAME_SET(&out, COUNT, count, conn->n_resumed);
    chat__conn_write_frame(node, conn, &out);
}
