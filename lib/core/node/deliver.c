/* SPDX-License-Identifier: MIT */
/*
 * The node where a user lives: records go to the devices that are connected, each through its
 * window; what does not fit, or came while the device was away, is read back from the log behind
 * the device's cursor. Acks move the cursor and become receipts.
 */
#include "node/behind.h"
#include "node/devices.h"
#include "node/hide.h"
#include "node/notify.h"
#include "node/peer.h"
#include "node/resume.h"
#include "node/trail.h"

#include <string.h>

static int is_record_type(uint64_t type)
{
    return type == CHAT_FRAME_MSG || type == CHAT_FRAME_CHAT || type == CHAT_FRAME_CHANGE ||
           type == CHAT_FRAME_MARKER || type == CHAT_FRAME_NOTE || type == CHAT_FRAME_SETTING ||
           type == CHAT_FRAME_BLOCKED;
}

/* --- pushing --- */

/* CHAT_OK, or why it could not be pushed now. */
static chat_status push(chat__node *node, chat__node_conn *conn, chat__msg *msg, int is_silent)
{
    size_t len = msg->bytes[CHAT_ENCODING_CBOR].len;
    if (!is_silent && !chat__session_has_room(&conn->session, len))
        return CHAT_ERR_LIMIT;
    chat_view bytes = chat__view(NULL, 0);
    if (!is_silent) {
        bytes = chat__msg_bytes(node, msg, conn->encoding);
        if (bytes.len == 0)
            return CHAT_ERR_NOMEM;
    }
    chat_status status =
        chat__session_push(&conn->session, msg, (uint32_t)len, is_silent, node->mono_ms);
    if (status != CHAT_OK)
        return status;
    msg->n_refs++;
    if (!is_silent)
        chat__conn_write_shared(node, conn, bytes, chat__msg_share_of(msg, conn->encoding));
    chat__conn_reschedule(node, conn);
    return CHAT_OK;
}

/* Without memory for it, the device is sent the records again, some day. */
static void save_cursor(chat__node *node, const chat__node_conn *conn, chat_view chat, uint64_t seq,
                        uint64_t since)
{
    chat__effect *effect = NULL;
    if (!conn->is_removed)
        effect = chat__node_emit_about(node, CHAT__EFFECT_CURSOR, chat, chat__conn_user(conn),
                                       chat__conn_device(conn));
    if (effect == NULL)
        return;
    effect->seq = seq;
    effect->after = since;
}

/* The chat is read back up to this record too. */
static void leave_behind(chat__node *node, chat__node_conn *conn, const chat__live *live)
{
    chat__trail_count(node, CHAT__EVENT_QUEUED, conn, live->msg);
    chat__behind_fall(node, conn, live->msg->chat, live->prev, live->msg->seq);
    chat__behind_note_fresh(conn, chat__behind_of(conn, live->msg->chat), live->msg);
}

/* Storage has still to say what it lacks. */
static int is_asked_for(const chat__node_conn *conn)
{
    return conn->session.state == CHAT__SESSION_LOADING || conn->check != CHAT__CHECK_NONE;
}

void chat__deliver_live(chat__node *node, chat__node_conn *conn, const chat__live *live)
{
    chat__msg *msg = live->msg;
    chat__behind *behind = chat__behind_of(conn, msg->chat);
    if (conn->session.state == CHAT__SESSION_HELLO || conn->broken != 0 || conn->is_removed)
        return;
    if (behind != NULL) {
        chat__count(&node->counts, CHAT__EVENT_QUEUED);
        if (behind->target < msg->seq)
            behind->target = msg->seq;
        chat__behind_note_fresh(conn, behind, msg);
        return;
    }
    if (is_asked_for(conn)) {
        leave_behind(node, conn, live);
        return;
    }
    if (live->is_own && conn->session.n_entries == 0) {
        if (!chat__resume_holds(conn, msg->chat, msg->seq))
            save_cursor(node, conn, msg->chat, msg->seq, 0);
        return;
    }
    chat_status status = CHAT_ERR_LIMIT;
    if (!live->must_wait)
        status = push(node, conn, msg, live->is_own);
    if (status == CHAT_ERR_NOMEM) {
        chat__conn_break(node, conn, status);
    } else if (status != CHAT_OK) {
        leave_behind(node, conn, live);
    } else if (!live->is_own) {
        chat__trail_count(node, CHAT__EVENT_PUSHED, conn, msg);
    }
    if (live->must_wait)
        chat__deliver_pump(node, conn);
}

static void stream_frame(const chat_frame *push, chat_frame *out)
{
    *out = *push;
    out->type = (uint32_t)push->kind;
    out->has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_CONN) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_KIND) |
                  CHAT_FIELD_BIT(CHAT_FIELD_KEY_R));
    if (push->kind == CHAT_FRAME_MSG || push->kind == CHAT_FRAME_NOTE)
        out->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
}

static void request_is_over(chat__node *node, chat__node_conn *conn)
{
    if (node->n_submitted > 0)
        node->n_submitted--;
    if (conn != NULL && conn->n_submitted > 0)
        conn->n_submitted--;
}

/* The sender's own connection learns that its request is durable. */
static void answer_origin(chat__node *node, const chat_frame *push)
{
    chat_frame out;
    chat__node_conn *conn = chat__conn_of(node, push->conn);
    request_is_over(node, conn);
    if (conn == NULL)
        return;
    chat_frame_init(&out, push->kind == CHAT_FRAME_MSG ? CHAT_FRAME_SENT : CHAT_FRAME_RESULT);
    if (push->kind == CHAT_FRAME_MARKER) {
        CHAT_FRAME_SET(&out, CHAT, chat, push->of);
        CHAT_FRAME_SET(&out, SEQ, seq, push->read_seq);
    } else if (CHAT_FRAME_HAS(push, OF)) {
        CHAT_FRAME_SET(&out, CHAT, chat, push->of);
    } else {
        CHAT_FRAME_SET(&out, CHAT, chat, push->chat);
        CHAT_FRAME_SET(&out, ID, id, push->id);
        CHAT_FRAME_SET(&out, SEQ, seq, push->seq);
    }
    if (push->kind == CHAT_FRAME_MSG) {
        CHAT_FRAME_SET(&out, CID, cid, push->cid);
        CHAT_FRAME_SET(&out, TS, ts, push->ts);
    }
    if (CHAT_FRAME_HAS(push, R))
        CHAT_FRAME_SET(&out, R, r, push->r);
    chat__conn_write_frame(node, conn, &out);
}

/* The connection that made this record has it already. A change of members has no name by which its
   author could ask for it again, so that one is sent to the author too. */
static chat__conn own_conn(const chat_frame *push)
{
    return CHAT_FRAME_HAS(push, CONN) && push->kind != CHAT_FRAME_CHANGE &&
                   push->kind != CHAT_FRAME_NOTE
               ? push->conn
               : 0;
}

static int is_for_many(const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, COUNT) && frame->count > 2;
}

static void push_to_user(chat__node *node, chat_view id, const chat_frame *frame,
                         const chat_frame *push, chat__msg **msg)
{
    chat__user *user = chat__map_get(&node->users, id);
    chat__node_conn *conn = user != NULL ? user->conns : NULL;
    if (chat__notify_is_away(user, NULL)) {
        chat__missed missed = {frame->chat, frame->from, frame->id, frame->seq, 1};
        chat__count(&node->counts, CHAT__EVENT_QUEUED);
        if (frame->type == CHAT_FRAME_MSG) {
            chat__trail_away(node, CHAT__EVENT_QUEUED, id, frame->chat, frame->seq);
            chat__notify_missed(node, id, &missed);
        }
        if (frame->type == CHAT_FRAME_SETTING)
            chat__notify_settings_changed(node, id);
        return;
    }
    if (conn != NULL && *msg == NULL) {
        *msg = chat__msg_new(node, frame);
        if (*msg != NULL) {
            (*msg)->live_ms = frame->ts;
            (*msg)->is_fresh = 1;
        }
        if (*msg != NULL && is_for_many(frame))
            chat__msg_share(node, *msg);
        if (*msg == NULL) {
            /* What is connected reads it back after a reconnect. */
            for (; conn != NULL; conn = conn->next)
                chat__conn_break(node, conn, CHAT_ERR_NOMEM);
            return;
        }
    }
    for (; conn != NULL; conn = conn->next) {
        chat__live live = {*msg, push->prev, conn->id == own_conn(push), 0};
        chat__deliver_live(node, conn, &live);
    }
}

static chat_view_list recipients_of(const chat_frame *push)
{
    chat_view_list nobody = {NULL, 0};
    if (push->kind == CHAT_FRAME_CHANGE)
        return CHAT_FRAME_HAS(push, MEMBERS) ? push->members : nobody;
    return CHAT_FRAME_HAS(push, USERS) ? push->users : nobody;
}

void chat__deliver_push(chat__node *node, const chat_frame *push)
{
    chat_frame frame;
    chat__msg *msg = NULL;
    if (!is_record_type(push->kind))
        return;
    chat_view_list to = recipients_of(push);
    if (CHAT_FRAME_HAS(push, CONN))
        answer_origin(node, push);
    stream_frame(push, &frame);
    if (chat__fanout_take(node, &frame, to, push->prev, own_conn(push)) == CHAT_OK)
        return;
    for (size_t i = 0; i < to.n_items; i++) {
        if (chat__node_of_user(to.items[i], node->options.n_nodes) == node->options.self)
            push_to_user(node, to.items[i], &frame, push, &msg);
    }
    if (msg != NULL)
        chat__msg_release(node, msg);
}

void chat__deliver_answer(chat__node *node, const chat_frame *answer)
{
    chat_frame out = *answer;
    chat__node_conn *conn = chat__conn_of(node, answer->conn);
    request_is_over(node, conn);
    /* An `ack` in place of an answer: another connection gets that. */
    if (conn == NULL || (answer->kind != CHAT_FRAME_SENT && answer->kind != CHAT_FRAME_RESULT &&
                         answer->kind != CHAT_FRAME_ERROR))
        return;
    out.type = (uint32_t)answer->kind;
    out.has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_CONN) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_KIND));
    chat__conn_write_frame(node, conn, &out);
}

/* --- acks and receipts --- */

static void emit_receipt(chat__node *node, const chat__node_conn *conn, const chat__msg *msg)
{
    chat_frame out;
    chat_frame_init(&out, CHAT_FRAME_DELIVERED);
    CHAT_FRAME_SET(&out, TO, to, msg->from);
    CHAT_FRAME_SET(&out, CHAT, chat, msg->chat);
    CHAT_FRAME_SET(&out, USER, user, chat__conn_user(conn));
    CHAT_FRAME_SET(&out, SEQ, seq, msg->seq);
    CHAT_FRAME_SET(&out, STATE, state, chat__view_str("delivered"));
    uint32_t to_node = chat__node_of_user(msg->from, node->options.n_nodes);
    if (to_node == node->options.self)
        chat__deliver_receipt(node, &out);
    else
        (void)chat__node_emit_link(node, to_node, &out); /* the next receipt covers it */
}

void chat__deliver_receipt(chat__node *node, const chat_frame *delivered)
{
    chat_frame out = *delivered;
    chat__node_conn *conn = chat__hide_conn(chat__map_get(&node->users, delivered->to));
    if (conn != NULL && chat__hide_holds(node, conn, delivered->user, delivered->chat, delivered))
        return;
    out.type = CHAT_FRAME_RECEIPT;
    out.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_TO);
    for (; conn != NULL; conn = conn->next) {
        if (conn->session.state != CHAT__SESSION_HELLO &&
            conn->session.unsent_bytes <= node->limits.max_unsent_bytes)
            chat__conn_write_late(node, conn, &out);
    }
}

static int is_same_stream(const chat__msg *a, const chat__msg *b)
{
    return a->is_receipt_wanted == b->is_receipt_wanted && chat__view_equal(a->chat, b->chat) &&
           chat__view_equal(a->from, b->from);
}

/* `msg` is the last of a run of acked records of one chat and author. */
static void acked_run(chat__node *node, chat__node_conn *conn, const chat__msg *msg)
{
    /* A receipt would say that the user has what is in the gap too. */
    if (chat__resume_holds(conn, msg->chat, msg->seq) || conn->is_removed)
        return;
    save_cursor(node, conn, msg->chat, msg->seq, msg->is_receipt_wanted ? node->unix_ms : 0);
    if (msg->is_receipt_wanted && !chat__view_equal(msg->from, chat__conn_user(conn)))
        emit_receipt(node, conn, msg);
}

static void count_acked(chat__node *node, const chat__node_conn *conn, const chat__msg *msg)
{
    chat__trail_count(node, CHAT__EVENT_ACKED, conn, msg);
    if (msg->live_ms != 0)
        chat__event_latency(&node->counts,
                            node->unix_ms > msg->live_ms ? node->unix_ms - msg->live_ms : 0);
}

void chat__deliver_acked(chat__node *node, chat__node_conn *conn, uint64_t n)
{
    chat__window_entry entry;
    chat__msg *last = NULL;
    if (chat__session_ack(&conn->session, n, node->mono_ms) != CHAT_OK) {
        chat__conn_close(node, conn, CHAT_ERR_PROTOCOL,
                         "ack is ahead of what was sent: count stream frames from welcome on");
        return;
    }
    while (chat__session_pop(&conn->session, &entry) == CHAT_OK) {
        chat__msg *msg = entry.item;
        if (!entry.is_silent)
            count_acked(node, conn, msg);
        if (last != NULL && !is_same_stream(last, msg))
            acked_run(node, conn, last);
        if (last != NULL)
            chat__msg_release(node, last);
        last = msg;
    }
    if (last != NULL) {
        acked_run(node, conn, last);
        chat__msg_release(node, last);
    }
    chat__deliver_pump(node, conn);
}

void chat__deliver_filled(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t seq)
{
    uint64_t cursor = chat__resume_fill(node, conn, chat, seq);
    if (cursor > 0)
        save_cursor(node, conn, chat, cursor, 0);
}

void chat__deliver_retry(chat__node *node, chat__node_conn *conn)
{
    if (conn->is_removed)
        return;
    chat__window_entry *entry = chat__session_renumber(&conn->session, 0);
    chat__count(&node->counts, CHAT__EVENT_RETRIED);
    for (uint32_t i = 1; entry != NULL; i++) {
        if (!entry->is_silent)
            chat__conn_write(node, conn, chat__msg_bytes(node, entry->item, conn->encoding));
        entry = chat__session_renumber(&conn->session, i);
    }
}

/* --- reading back --- */

void chat__deliver_pump(chat__node *node, chat__node_conn *conn)
{
    if (conn->behind == NULL || conn->is_reading || conn->broken != 0 || conn->is_removed ||
        conn->check != CHAT__CHECK_NONE || !chat__session_has_room(&conn->session, 0))
        return;
    chat_view none = {NULL, 0};
    chat__op *op = chat__op_new(node, CHAT__OP_BACKLOG, 0);
    chat__effect *effect = NULL;
    chat_view chat = chat__view(conn->behind->chat, conn->behind->chat_len);
    if (op != NULL)
        effect = chat__node_emit_about(node, CHAT__EFFECT_READ, chat, chat__conn_user(conn), none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        return; /* the next ack comes by here again */
    }
    op->conn = conn->id;
    conn->is_reading = 1;
    effect->tag = (uint64_t)(uintptr_t)op;
    conn->behind->asked = conn->behind->target;
    effect->after = conn->behind->after;
    effect->limit = node->options.batch_count;
}

void chat__deliver_device_loaded(chat__node *node, chat__op *op, chat_status status,
                                 const chat__node_user_chat *chats, size_t n_chats)
{
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    chat__op_free(node, op);
    if (conn == NULL || conn->is_removed)
        return;
    if (status == CHAT_ERR_LIMIT) {
        chat__conn_close(node, conn, CHAT_ERR_DEVICES,
                         "too many devices are connected: disconnect or remove one");
        return;
    }
    if (status < 0) {
        chat__conn_close(node, conn, CHAT_ERR_BUSY, "what this device has could not be read");
        return;
    }
    for (size_t i = 0; i < n_chats; i++) {
        chat__behind *behind = chat__behind_of(conn, chats[i].chat);
        uint64_t after = chats[i].cursor;
        if (chats[i].gap_seq > after) {
            chat__resume_gap(node, conn, chats[i].chat, after, chats[i].gap_seq);
            after = chats[i].gap_seq;
        }
        if (behind != NULL)
            behind->after = after;
        else if (chats[i].last_seq > after)
            chat__behind_fall(node, conn, chats[i].chat, after, chats[i].last_seq);
    }
    (void)chat__session_step(&conn->session, CHAT__SESSION_EV_LOADED);
    chat__resume_begin(conn, status == CHAT_EMPTY);
    chat__resume_settle(node, conn);
    chat__conn_reschedule(node, conn);
    if (conn->check != CHAT__CHECK_NONE)
        chat__peer_check(node, conn);
    chat__deliver_pump(node, conn);
}

static int is_record(const chat_frame *frame)
{
    return is_record_type(frame->type) && CHAT_FRAME_HAS(frame, CHAT) &&
           CHAT_FRAME_HAS(frame, FROM);
}

/* 1: pushed or to be skipped, 0: no room now. */
static int push_row(chat__node *node, chat__node_conn *conn, const chat__node_row *row)
{
    chat_frame frame;
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, row->payload, &frame) != CHAT_OK ||
        !is_record(&frame)) {
        chat__node_log(node, "a stored record is no valid frame and was skipped");
        return 1;
    }
    CHAT_FRAME_SET(&frame, SEQ, seq, row->seq);
    CHAT_FRAME_SET(&frame, PREV, prev, row->prev);
    chat__msg *msg = chat__msg_new(node, &frame);
    if (msg == NULL)
        return 0;
    chat__behind *behind = conn->behind;
    msg->is_fresh = behind->fresh_from != 0 && row->seq >= behind->fresh_from;
    chat_status status = push(node, conn, msg, 0);
    if (status == CHAT_OK) {
        if (msg->is_fresh && msg->is_message && behind->n_fresh > 0)
            behind->n_fresh--;
        chat__trail_count(node, CHAT__EVENT_READ_BACK, conn, msg);
        chat__resume_count(conn, row->seq);
    }
    chat__msg_release(node, msg);
    return status == CHAT_OK;
}

void chat__deliver_backlog_read(chat__node *node, chat__op *op, const chat__rows *rows)
{
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    size_t i = 0;
    chat__op_free(node, op);
    if (conn == NULL)
        return;
    conn->is_reading = 0;
    if (conn->is_removed)
        return;
    /* Not a member, as storage has it: there is nothing to read. */
    if (rows->status == CHAT_ERR_FORBIDDEN || rows->status == CHAT_ERR_NOT_FOUND) {
        chat__behind_drop_first(node, conn);
        chat__resume_settle(node, conn);
        chat__deliver_pump(node, conn);
        return;
    }
    if (rows->status < 0) {
        chat__conn_close(node, conn, CHAT_ERR_BUSY, "stored messages could not be read");
        return;
    }
    chat__behind *behind = conn->behind;
    for (; i < rows->n_rows; i++) {
        if (rows->rows[i].seq > behind->after && !push_row(node, conn, &rows->rows[i]))
            break;
        behind->after = rows->rows[i].seq;
    }
    /* Everything that storage has was pushed; what came meanwhile asks for one more look. */
    if (i == rows->n_rows && !rows->has_more &&
        (behind->after >= behind->target ||
         (rows->n_rows == 0 && behind->target <= behind->asked))) {
        chat__fanout_read(node, conn, chat__view(behind->chat, behind->chat_len), behind->after);
        chat__behind_drop_first(node, conn);
    }
    chat__resume_settle(node, conn);
    /* No room: the next ack, or the socket, comes by again. */
    if (i == rows->n_rows)
        chat__deliver_pump(node, conn);
}
