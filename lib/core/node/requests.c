/* SPDX-License-Identifier: MIT */
/* Frames of a client, on the node where its user lives: hello, send, ack, lists, ping. */
#include "node/devices.h"
#include "node/block.h"
#include "node/hide.h"
#include "node/hints.h"
#include "node/limits.h"
#include "node/note.h"
#include "node/notify.h"
#include "node/self.h"
#include "node/trail.h"

#include <string.h>

#define AGENT           "libchat/0.1.0"
#define HISTORY_DEFAULT 50u
#define HISTORY_MAX     100u
#define CHATS_MAX       10000u

void chat__request_refuse_for(chat__node *node, chat__node_conn *conn, const chat_frame *about,
                              chat_status status, const char *text, uint64_t retry_ms)
{
    chat_frame error;
    chat_frame_init(&error, CHAT_FRAME_ERROR);
    CHAT_FRAME_SET(&error, CODE, code, chat__view_str(chat_status_wire(status)));
    CHAT_FRAME_SET(&error, TEXT, text, chat__view_str(text));
    if (chat_status_kind_of(status) == CHAT_KIND_RETRY)
        CHAT_FRAME_SET(&error, RETRY_AFTER, retry_after_ms, retry_ms);
    if (about != NULL && CHAT_FRAME_HAS(about, R))
        CHAT_FRAME_SET(&error, R, r, about->r);
    if (about != NULL && CHAT_FRAME_HAS(about, CID))
        CHAT_FRAME_SET(&error, CID, cid, about->cid);
    chat__conn_write_frame(node, conn, &error);
}

void chat__request_refuse(chat__node *node, chat__node_conn *conn, const chat_frame *about,
                          chat_status status, const char *text)
{
    chat__request_refuse_for(node, conn, about, status, text, CHAT__BUSY_RETRY_MS);
}

chat_status chat__request_chat(const chat__node_conn *conn, const chat_frame *frame,
                               chat_direct_name *storage, chat_view *out, const char **why)
{
    chat_view members[2];
    chat_view user = chat__conn_user(conn);
    if (CHAT_FRAME_HAS(frame, TO) == CHAT_FRAME_HAS(frame, CHAT)) {
        *why = "give either `chat` or `to`";
        return CHAT_ERR_ARG;
    }
    if (CHAT_FRAME_HAS(frame, TO)) {
        *why = "`to` must be another user";
        if (chat_direct_id(user, frame->to, storage) != CHAT_OK)
            return CHAT_ERR_ARG;
        *out = chat__view(storage->bytes, storage->len);
        return CHAT_OK;
    }
    *why = "a self stream is nobody's chat";
    if (chat_self_user(frame->chat, members) == CHAT_OK)
        return CHAT_ERR_FORBIDDEN;
    *why = "you are no member of this chat";
    if (chat_direct_members(frame->chat, members) == CHAT_OK &&
        !chat__view_equal(members[0], user) && !chat__view_equal(members[1], user))
        return CHAT_ERR_FORBIDDEN;
    *out = frame->chat;
    return CHAT_OK;
}

chat__op *chat__request_op(chat__node *node, const chat__node_conn *conn, chat__op_type type,
                           const chat_frame *frame, chat_view keep, size_t more)
{
    chat__op *op = chat__op_new(node, type, keep.len + more);
    if (op == NULL)
        return NULL;
    op->conn = conn->id;
    op->has_r = CHAT_FRAME_HAS(frame, R);
    op->r = op->has_r ? frame->r : 0;
    op->limit = CHAT_FRAME_HAS(frame, LIMIT) && frame->limit < HISTORY_MAX ? (uint32_t)frame->limit
                                                                           : HISTORY_DEFAULT;
    if (CHAT_FRAME_HAS(frame, LIMIT) && frame->limit >= HISTORY_MAX)
        op->limit = HISTORY_MAX;
    op->after = CHAT_FRAME_HAS(frame, AFTER) ? frame->after : UINT64_MAX;
    op->before = CHAT_FRAME_HAS(frame, BEFORE) ? frame->before : UINT64_MAX;
    chat__op_keep(op, keep);
    return op;
}

void chat__request_busy(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__request_refuse(node, conn, frame, CHAT_ERR_BUSY, "too much is waiting for storage");
}

chat__effect *chat__request_emit(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                                 chat__effect_type type, chat__op *op)
{
    chat_view none = {NULL, 0};
    chat__effect *effect = NULL;
    if (op != NULL)
        effect = chat__node_emit_about(node, type, none, chat__conn_user(conn), none);
    if (effect != NULL) {
        effect->tag = (uint64_t)(uintptr_t)op;
        return effect;
    }
    if (op != NULL)
        chat__op_free(node, op);
    chat__request_busy(node, conn, frame);
    return NULL;
}

chat__effect *chat__request_read(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                                 chat__op *op)
{
    chat__effect *effect = chat__request_emit(node, conn, frame, CHAT__EFFECT_READ, op);
    if (effect != NULL)
        effect->chat = op->bytes;
    return effect;
}

/* --- hello --- */

static void replace_same_device(chat__node *node, chat__node_conn *conn)
{
    chat__node_conn *other = conn->user->conns;
    while (other != NULL) {
        chat__node_conn *next = other->next;
        if (other != conn && other->session.state != CHAT__SESSION_HELLO &&
            chat__view_equal(chat__conn_device(other), chat__conn_device(conn)))
            chat__conn_close(node, other, CHAT_ERR_REPLACED, "this device connected again");
        other = next;
    }
}

static void write_welcome(chat__node *node, chat__node_conn *conn)
{
    chat_frame welcome;
    chat_frame_init(&welcome, CHAT_FRAME_WELCOME);
    CHAT_FRAME_SET(&welcome, USER, user, chat__conn_user(conn));
    CHAT_FRAME_SET(&welcome, DEVICE, device, chat__conn_device(conn));
    CHAT_FRAME_SET(&welcome, HEARTBEAT, heartbeat_ms, node->options.heartbeat_ms);
    CHAT_FRAME_SET(&welcome, MAX_BODY, max_body_bytes, node->options.max_body_bytes);
    CHAT_FRAME_SET(&welcome, AGENT, agent, chat__view_str(AGENT));
    CHAT_FRAME_SET(&welcome, TS, ts, node->unix_ms);
    chat__conn_write_frame(node, conn, &welcome);
}

static void on_hello(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (conn->session.state != CHAT__SESSION_HELLO) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_STATE, "hello was said already");
        return;
    }
    if (CHAT_FRAME_HAS(frame, NEEDS) && frame->needs.n_items > 0) {
        chat__conn_close(node, conn, CHAT_ERR_VERSION, "a needed capability is not supported");
        return;
    }
    if (chat__conn_set_device(node, conn, frame->device) != CHAT_OK) {
        chat__conn_close(node, conn, CHAT_ERR_NOMEM, "out of memory");
        return;
    }
    (void)chat__session_step(&conn->session, CHAT__SESSION_EV_HELLO);
    conn->fan_from = node->n_fanned;
    chat__notify_arrive(node, conn);
    if (chat__presence_arrive(node, conn) != CHAT_OK) {
        chat__conn_close(node, conn, CHAT_ERR_NOMEM, "out of memory");
        return;
    }
    replace_same_device(node, conn);
    write_welcome(node, conn);
    conn->seen_due = (uint32_t)node->mono_ms + node->options.device_seen_ms;
    chat__hide_learn(node, conn);
    chat__op *op = chat__request_op(node, conn, CHAT__OP_DEVICE, frame, chat__view(NULL, 0), 0);
    chat__effect *effect = NULL;
    chat_view_list connected;
    if (op != NULL && chat__devices_connected(node, conn->user, &connected))
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_USER, chat__view(NULL, 0),
                                       chat__conn_user(conn), frame->device);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        chat__conn_close(node, conn, CHAT_ERR_BUSY, "too much is waiting for storage");
        return;
    }
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->names = connected;
}

/* --- requests that the chat's owner answers --- */

void chat__request_submit(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                          chat_view chat)
{
    uint32_t owner = chat__node_of_chat(chat, node->options.n_partitions, node->options.n_nodes);
    if (!chat__limits_admit(node, conn, frame))
        return;
    if (node->is_lost[owner]) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_BUSY,
                             "the node that owns this chat is not reached");
        return;
    }
    chat_frame out = *frame;
    out.struct_size = (uint32_t)sizeof out;
    out.type = CHAT_FRAME_SUBMIT;
    out.has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_TO) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_DEVICE));
    CHAT_FRAME_SET(&out, CONN, conn, conn->id);
    CHAT_FRAME_SET(&out, NODE, node, node->options.self);
    CHAT_FRAME_SET(&out, KIND, kind, frame->type);
    CHAT_FRAME_SET(&out, FROM, from, chat__conn_user(conn));
    CHAT_FRAME_SET(&out, CHAT, chat, chat);
    conn->n_submitted++;
    node->n_submitted++;
    if (owner == node->options.self)
        chat__owner_submit(node, &out);
    else
        chat__node_emit_link(node, owner, &out);
}

int chat__request_is_draining(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (!node->is_draining)
        return 0;
    chat__request_refuse(node, conn, frame, CHAT_ERR_DRAIN, "the server is going away");
    return 1;
}

static void on_send(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    const char *why = "";
    chat_status status = chat__request_chat(conn, frame, &name, &chat, &why);
    if (status == CHAT_OK && frame->body.len == 0) {
        status = CHAT_ERR_ARG;
        why = "`body` is empty";
    }
    if (status == CHAT_OK && frame->body.len > node->options.max_body_bytes) {
        status = CHAT_ERR_LIMIT;
        why = "`body` is longer than max_body_bytes of welcome";
    }
    if (status != CHAT_OK)
        chat__request_refuse(node, conn, frame, status, why);
    else if (!chat__request_is_draining(node, conn, frame))
        chat__request_submit(node, conn, frame, chat);
}

static void on_create(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    size_t n_users = CHAT_FRAME_HAS(frame, USERS) ? frame->users.n_items : 0;
    if (!chat_group_id_is_valid(frame->chat))
        chat__request_refuse(node, conn, frame, CHAT_ERR_ARG, "`chat` is no valid group id");
    else if (n_users >= node->options.max_group_members)
        chat__request_refuse(node, conn, frame, CHAT_ERR_LIMIT, "too many members");
    else if (!chat__request_is_draining(node, conn, frame))
        chat__request_submit(node, conn, frame, frame->chat);
}

/* --- history --- */

static void on_history(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    const char *why = "";
    chat_status status = chat__request_chat(conn, frame, &name, &chat, &why);
    if (status == CHAT_OK && CHAT_FRAME_HAS(frame, AFTER) && CHAT_FRAME_HAS(frame, BEFORE)) {
        status = CHAT_ERR_ARG;
        why = "give either `before` or `after`";
    }
    if (status == CHAT_OK && (frame->has & CHAT_FIELD_BIT(CHAT_FIELD_KEY_AFTER)) != 0 &&
        frame->after == UINT64_MAX) {
        status = CHAT_ERR_ARG;
        why = "`after` is out of range";
    }
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, status, why);
        return;
    }
    chat__op *op = chat__request_op(node, conn, CHAT__OP_HISTORY, frame, chat, 0);
    chat__effect *effect = chat__request_read(node, conn, frame, op);
    if (effect == NULL)
        return;
    effect->after = op->after;
    effect->before = op->before;
    effect->limit = op->limit;
}

void chat__request_about(const chat__op *op, chat_frame *out)
{
    chat_frame_init(out, CHAT_FRAME_RESULT);
    if (op->has_r)
        CHAT_FRAME_SET(out, R, r, op->r);
}

void chat__request_result(chat__node *node, chat__node_conn *conn, const chat__op *op, size_t count,
                          int has_more)
{
    chat_frame result;
    chat__request_about(op, &result);
    CHAT_FRAME_SET(&result, COUNT, count, count);
    CHAT_FRAME_SET(&result, HAS_MORE, more, has_more != 0);
    chat__conn_write_frame(node, conn, &result);
}

void chat__request_history_read(chat__node *node, chat__op *op, const chat__rows *rows)
{
    chat_frame frame;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    size_t count = 0;
    if (conn != NULL && rows->status < 0) {
        chat__request_about(op, &frame);
        chat__request_refuse(node, conn, &frame, rows->status, chat_status_text(rows->status));
    } else if (conn != NULL) {
        for (size_t i = 0; i < rows->n_rows; i++) {
            const chat__node_row *row = &rows->rows[i];
            if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, row->payload, &frame) !=
                CHAT_OK)
                continue;
            CHAT_FRAME_SET(&frame, SEQ, seq, row->seq);
            CHAT_FRAME_SET(&frame, PREV, prev, row->prev);
            CHAT_FRAME_SET(&frame, R, r, op->r);
            chat__conn_write_frame(node, conn, &frame);
            count++;
        }
        chat__request_result(node, conn, op, count, rows->has_more);
    }
    chat__op_free(node, op);
}

/* --- chats --- */

static void on_chats(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__op *op = chat__request_op(node, conn, CHAT__OP_CHATS, frame, chat__view(NULL, 0), 0);
    if (op != NULL)
        op->limit = CHAT_FRAME_HAS(frame, LIMIT) && frame->limit < CHATS_MAX
                        ? (uint32_t)frame->limit
                        : CHATS_MAX;
    (void)chat__request_emit(node, conn, frame, CHAT__EFFECT_LOAD_USER, op);
}

static void write_chat_row(chat__node *node, chat__node_conn *conn, const chat__op *op,
                           const chat__node_user_chat *row)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_CHAT);
    CHAT_FRAME_SET(&frame, CHAT, chat, row->chat);
    CHAT_FRAME_SET(&frame, R, r, op->r);
    CHAT_FRAME_SET(&frame, LAST_SEQ, last_seq, row->last_seq);
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, row->read_seq);
    if (row->has_unread)
        CHAT_FRAME_SET(&frame, UNREAD, unread, row->unread);
    if (row->title.len > 0)
        CHAT_FRAME_SET(&frame, TITLE, title, row->title);
    if (row->muted_until_ms > node->unix_ms)
        CHAT_FRAME_SET(&frame, UNTIL, until, row->muted_until_ms);
    chat__conn_write_frame(node, conn, &frame);
}

void chat__request_chats_loaded(chat__node *node, chat__op *op, chat_status status,
                                const chat__node_user_chat *chats, size_t n_chats)
{
    chat_frame frame;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    if (conn != NULL && status < 0) {
        chat__request_about(op, &frame);
        chat__request_refuse(node, conn, &frame, status, chat_status_text(status));
    } else if (conn != NULL) {
        size_t n_rows = 0;
        int has_more = 0;
        for (size_t i = 0; i < n_chats && !has_more; i++) {
            chat_view user;
            if (chats[i].is_past || chat_self_user(chats[i].chat, &user) == CHAT_OK)
                continue;
            has_more = n_rows == op->limit;
            if (!has_more) {
                write_chat_row(node, conn, op, &chats[i]);
                n_rows++;
            }
        }
        chat__request_result(node, conn, op, n_rows, has_more);
    }
    chat__op_free(node, op);
}

/* --- the rest --- */

static void on_ack(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (CHAT_FRAME_HAS(frame, CHAT) && CHAT_FRAME_HAS(frame, SEQ))
        chat__deliver_filled(node, conn, frame->chat, frame->seq);
    chat__deliver_acked(node, conn, frame->n);
}

void chat__request_pong(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_frame pong;
    chat_frame_init(&pong, CHAT_FRAME_PONG);
    if (CHAT_FRAME_HAS(frame, R))
        CHAT_FRAME_SET(&pong, R, r, frame->r);
    CHAT_FRAME_SET(&pong, TS, ts, node->unix_ms);
    chat__conn_write_frame(node, conn, &pong);
}

/* Whoever has the answer knows that what he said before was taken. */
static void on_ping(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (!chat__hide_follows(node, conn, frame))
        chat__request_pong(node, conn, frame);
}

void chat__request(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    typedef void (*handler)(chat__node *, chat__node_conn *, const chat_frame *);
    static const struct {
        uint32_t type;
        handler handle;
        int is_question; /* stores nothing: limited for each connection */
    } HANDLERS[] = {
        {CHAT_FRAME_SEND, on_send, 0},
        {CHAT_FRAME_ACK, on_ack, 0},
        {CHAT_FRAME_HISTORY, on_history, 1},
        {CHAT_FRAME_CHATS, on_chats, 1},
        {CHAT_FRAME_HELLO, on_hello, 0},
        {CHAT_FRAME_CHAT_CREATE, on_create, 0},
        {CHAT_FRAME_PING, on_ping, 0},
        {CHAT_FRAME_CHAT_UPDATE, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_JOIN, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_LEAVE, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_ADD, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_REMOVE, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_ROLE, chat__request_group_change, 0},
        {CHAT_FRAME_CHAT_MEMBERS, chat__request_members, 1},
        {CHAT_FRAME_TYPING, chat__typing_on_client, 0},
        {CHAT_FRAME_PRESENCE_GET, chat__presence_request, 1},
        {CHAT_FRAME_PRESENCE_WATCH, chat__presence_request, 1},
        {CHAT_FRAME_PRESENCE_HIDE, chat__presence_on_hide, 1},
        {CHAT_FRAME_DEVICES, chat__devices_list, 1},
        {CHAT_FRAME_DEVICE_REMOVE, chat__devices_remove, 1},
        {CHAT_FRAME_WHY, chat__why_request, 1},
        {CHAT_FRAME_READ, chat__self_read, 0},
        {CHAT_FRAME_MUTE, chat__self_mute, 0},
        {CHAT_FRAME_BLOCK, chat__block_request, 0},
        {CHAT_FRAME_UNBLOCK, chat__block_request, 0},
        {CHAT_FRAME_BLOCKS, chat__block_list, 1},
        {CHAT_FRAME_RECEIPTS, chat__self_find, 1},
        {CHAT_FRAME_EDIT, chat__note_request, 0},
        {CHAT_FRAME_DELETE, chat__note_request, 0},
        {CHAT_FRAME_REACT, chat__note_request, 0},
        {CHAT_FRAME_REACTIONS, chat__note_reactions, 1},
    };
    for (size_t i = 0; i < sizeof HANDLERS / sizeof HANDLERS[0]; i++) {
        if (HANDLERS[i].type == frame->type) {
            if (!HANDLERS[i].is_question || chat__limits_admit_question(node, conn, frame))
                HANDLERS[i].handle(node, conn, frame);
            return;
        }
    }
    chat__request_refuse(node, conn, frame, CHAT_ERR_UNSUPPORTED,
                         "this server knows no such frame");
}
