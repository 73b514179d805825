/* SPDX-License-Identifier: MIT */
/* Frames about groups, on the node where the user lives: checked here, decided by the owner. */
#include "node/internal.h"

static const char *fault_of(const chat_frame *frame)
{
    int has_users = frame->type == CHAT_FRAME_CHAT_ADD || frame->type == CHAT_FRAME_CHAT_REMOVE;
    if (!chat_group_id_is_valid(frame->chat))
        return "`chat` is no valid group id";
    if (has_users && frame->users.n_items == 0)
        return "`users` is empty";
    if (frame->type == CHAT_FRAME_CHAT_ROLE && chat__role_named(frame->role) == CHAT__ROLE_NONE)
        return "`role` must be owner, admin or member";
    return NULL;
}

void chat__request_group_change(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    const char *fault = fault_of(frame);
    if (fault != NULL)
        chat__request_refuse(node, conn, frame, CHAT_ERR_ARG, fault);
    else if (node->is_draining)
        chat__request_refuse(node, conn, frame, CHAT_ERR_DRAIN, "the server is going away");
    else
        chat__request_submit(node, conn, frame, frame->chat);
}

void chat__request_members(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_view none = {NULL, 0};
    chat__effect *effect = NULL;
    if (!chat_group_id_is_valid(frame->chat)) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_ARG, "`chat` is no valid group id");
        return;
    }
    chat__op *op = chat__op_new(node, CHAT__OP_MEMBERS, frame->chat.len);
    if (op != NULL)
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_CHAT, frame->chat, none, none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        chat__request_busy(node, conn, frame);
        return;
    }
    op->conn = conn->id;
    op->has_r = 1;
    op->r = frame->r;
    chat__op_keep(op, frame->chat);
    effect->tag = (uint64_t)(uintptr_t)op;
}

static int is_among(const chat__node_chat *chat, chat_view user)
{
    for (size_t i = 0; i < chat->n_members; i++) {
        if (chat__view_equal(chat->members[i].user, user))
            return 1;
    }
    return 0;
}

static void write_members(chat__node *node, chat__node_conn *conn, const chat__op *op,
                          const chat__node_chat *chat)
{
    for (size_t i = 0; i < chat->n_members; i++) {
        chat_frame row;
        chat_frame_init(&row, CHAT_FRAME_MEMBER);
        CHAT_FRAME_SET(&row, R, r, op->r);
        CHAT_FRAME_SET(&row, CHAT, chat, op->bytes);
        CHAT_FRAME_SET(&row, USER, user, chat->members[i].user);
        CHAT_FRAME_SET(&row, ROLE, role, chat__view_str(chat__role_text(chat->members[i].role)));
        chat__conn_write_frame(node, conn, &row);
    }
    chat__request_result(node, conn, op, chat->n_members, 0);
}

void chat__request_members_loaded(chat__node *node, chat__op *op, chat_status status,
                                  const chat__node_chat *chat)
{
    chat_frame about;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    chat__request_about(op, &about);
    if (conn != NULL && status != CHAT_OK)
        chat__request_refuse(node, conn, &about, status, chat_status_text(status));
    else if (conn != NULL && !is_among(chat, chat__conn_user(conn)))
        chat__request_refuse(node, conn, &about, CHAT_ERR_FORBIDDEN,
                             "you are no member of this chat");
    else if (conn != NULL)
        write_members(node, conn, op, chat);
    chat__op_free(node, op);
}
