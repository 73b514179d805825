/* SPDX-License-Identifier: MIT */
/*
 * What a user does for himself, on the owner of his self stream: markers of what he has read move
 * forward one at a time, chats are muted, each a record that his devices get. And who has read or
 * got a message.
 */
#include "node/self.h"
#include "node/block.h"
#include "node/hide.h"
#include "node/trail.h"

#include <assert.h>
#include <string.h>

/* So many waiting requests are looked at for a higher marker of the same chat. */
#define COALESCE_MAX 32u
#define FIND_ROWS    100u

/* --- requests, on the user's node --- */

int chat__self_is(uint64_t kind)
{
    return kind == CHAT_FRAME_READ || kind == CHAT_FRAME_MUTE || chat__block_is(kind);
}

/* A request about `chat` on its way to the self stream of the user. */
static void submit_own(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_direct_name self;
    chat_view chat;
    chat_frame own;
    const char *why = "";
    chat_status status = chat__request_chat(conn, frame, &name, &chat, &why);
    if (status == CHAT_OK)
        status = chat_self_id(chat__conn_user(conn), &self);
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, status, why);
        return;
    }
    if (chat__request_is_draining(node, conn, frame))
        return;
    chat_frame_init(&own, (chat_frame_type)frame->type);
    CHAT_FRAME_SET(&own, R, r, frame->r);
    CHAT_FRAME_SET(&own, OF, of, chat);
    if (frame->type == CHAT_FRAME_READ)
        CHAT_FRAME_SET(&own, READ_SEQ, read_seq, frame->seq);
    else
        CHAT_FRAME_SET(&own, UNTIL, until, CHAT_FRAME_HAS(frame, UNTIL) ? frame->until : 0);
    chat__request_submit(node, conn, &own, chat__view(self.bytes, self.len));
}

void chat__self_read(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    submit_own(node, conn, frame);
}

void chat__self_mute(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    submit_own(node, conn, frame);
}

void chat__self_find(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    const char *why = "";
    chat_status status = chat__request_chat(conn, frame, &name, &chat, &why);
    if (status == CHAT_OK && frame->id == 0) {
        status = CHAT_ERR_ARG;
        why = "`id` is 0";
    }
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, status, why);
        return;
    }
    /* The author's id comes behind the chat's, and behind that the device. */
    chat__op *op = chat__request_op(node, conn, CHAT__OP_FIND, frame, chat, 2 * CHAT_ID_MAX_BYTES);
    chat__effect *effect = chat__request_read(node, conn, frame, op);
    if (effect == NULL)
        return;
    op->id = frame->id;
    op->kind = (chat_frame_type)frame->type;
    if (CHAT_FRAME_HAS(frame, DEVICE)) {
        op->n_pages = (uint32_t)frame->device.len;
        memcpy(op->storage + op->bytes.len + CHAT_ID_MAX_BYTES, frame->device.data,
               frame->device.len);
    }
    effect->after = frame->id - 1; /* a record's seq is not below its id */
    effect->limit = FIND_ROWS;
}

void chat__self_found(chat__node *node, chat__op *op, const chat__rows *rows)
{
    chat_frame about;
    chat_frame row;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    chat_frame_init(&about, CHAT_FRAME_RECEIPTS);
    CHAT_FRAME_SET(&about, R, r, op->r);
    if (conn == NULL || rows->status < 0) {
        if (conn != NULL)
            chat__request_refuse(node, conn, &about, rows->status, chat_status_text(rows->status));
        chat__op_free(node, op);
        return;
    }
    op->limit = 0;
    for (size_t i = 0; i < rows->n_rows; i++) {
        if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, rows->rows[i].payload, &row) !=
                CHAT_OK ||
            row.id != op->id || !CHAT_FRAME_HAS(&row, FROM))
            continue;
        op->seq = rows->rows[i].seq;
        op->limit = (uint32_t)row.from.len;
        memcpy(op->storage + op->bytes.len, row.from.data, row.from.len);
        break;
    }
    /* Not found is said to members only, so the question goes on. */
    op->type = CHAT__OP_RECEIPTS;
    chat__effect *effect = chat__request_emit(node, conn, &about, CHAT__EFFECT_LOAD_MARKS, op);
    if (effect == NULL)
        return;
    effect->chat = op->bytes;
    effect->user = chat__view(NULL, 0);
    effect->seq = op->seq;
}

static const chat__node_mark *mark_of(const chat__node_marks *marks, chat_view user)
{
    for (size_t i = 0; i < marks->n_items; i++) {
        if (chat__view_equal(marks->items[i].user, user))
            return &marks->items[i];
    }
    return NULL;
}

static const char *state_of(const chat__node_mark *mark, uint64_t seq)
{
    if (mark->read_seq >= seq)
        return "read";
    return mark->delivered_seq >= seq ? "delivered" : "sent";
}

/* Of that state; 0: not known. */
static uint64_t since_of(const chat__node_mark *mark, uint64_t seq)
{
    if (mark->read_seq >= seq)
        return mark->read_unix_ms;
    return mark->delivered_seq >= seq ? mark->delivered_unix_ms : 0;
}

static void write_receipts(chat__node *node, chat__node_conn *conn, const chat__op *op,
                           const chat__node_marks *marks)
{
    chat_view author = chat__view(op->storage + op->bytes.len, op->limit);
    chat_frame frame;
    size_t count = 0;
    for (size_t i = 0; i < marks->n_items; i++) {
        uint64_t since = since_of(&marks->items[i], op->seq);
        if (chat__view_equal(marks->items[i].user, author))
            continue;
        chat_frame_init(&frame, CHAT_FRAME_RECEIPT);
        CHAT_FRAME_SET(&frame, R, r, op->r);
        CHAT_FRAME_SET(&frame, CHAT, chat, op->bytes);
        CHAT_FRAME_SET(&frame, USER, user, marks->items[i].user);
        CHAT_FRAME_SET(&frame, SEQ, seq, op->seq);
        CHAT_FRAME_SET(&frame, STATE, state, chat__view_str(state_of(&marks->items[i], op->seq)));
        if (since > 0)
            CHAT_FRAME_SET(&frame, TS, ts, since);
        chat__conn_write_frame(node, conn, &frame);
        count++;
    }
    chat_frame_init(&frame, CHAT_FRAME_RESULT);
    CHAT_FRAME_SET(&frame, R, r, op->r);
    CHAT_FRAME_SET(&frame, COUNT, count, count);
    chat__conn_write_frame(node, conn, &frame);
}

static void answer_found(chat__node *node, chat__node_conn *conn, const chat__op *op,
                         const chat__node_marks *marks)
{
    chat_frame about;
    chat__request_about(op, &about);
    if (chat__hide_refuses(node, conn, op, &about))
        return;
    if (mark_of(marks, chat__conn_user(conn)) == NULL)
        chat__request_refuse(node, conn, &about, CHAT_ERR_FORBIDDEN,
                             "you are no member of this chat");
    else if (op->seq == 0)
        chat__request_refuse(node, conn, &about, CHAT_ERR_NOT_FOUND,
                             "there is no such message in this chat");
    else if (op->kind == CHAT_FRAME_WHY)
        chat__why_answer(node, conn, op, marks);
    else
        write_receipts(node, conn, op, marks);
}

void chat__self_receipts_loaded(chat__node *node, chat__op *op, chat_status status,
                                const chat__node_marks *marks)
{
    chat_frame about;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    chat__request_about(op, &about);
    if (conn != NULL && status < 0)
        chat__request_refuse(node, conn, &about, status, chat_status_text(status));
    else if (conn != NULL)
        answer_found(node, conn, op, marks);
    chat__op_free(node, op);
}

/* --- markers, on the owner of the self stream --- */

static void answer_marker(chat__node *node, const chat_frame *submit, uint64_t read_seq)
{
    chat_frame out;
    chat_frame_init(&out, CHAT_FRAME_ANSWER);
    CHAT_FRAME_SET(&out, CONN, conn, submit->conn);
    CHAT_FRAME_SET(&out, KIND, kind, CHAT_FRAME_RESULT);
    CHAT_FRAME_SET(&out, R, r, submit->r);
    CHAT_FRAME_SET(&out, CHAT, chat, submit->of);
    CHAT_FRAME_SET(&out, SEQ, seq, read_seq);
    if (submit->node == node->options.self)
        chat__deliver_answer(node, &out);
    else
        (void)chat__node_emit_link(node, (uint32_t)submit->node, &out);
}

/* One record covers all that wait for the same chat. The frames have no lists, so the decoder that
   lent `submit` serves the others too. */
static uint64_t highest_wanted(chat__node *node, const chat__room *room, const chat_frame *submit)
{
    uint64_t seq = submit->read_seq;
    uint32_t n = 0;
    for (const chat__op *op = room->queue; op != NULL && n < COALESCE_MAX; op = op->next, n++) {
        chat_frame other;
        if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, op->bytes, &other) ==
                CHAT_OK &&
            other.kind == CHAT_FRAME_READ && chat__view_equal(other.of, submit->of) &&
            other.read_seq > seq)
            seq = other.read_seq;
    }
    return seq;
}

int chat__self_ask(chat__node *node, chat__room *room, const chat_frame *submit)
{
    if (room->is_busy || room->state == CHAT__ROOM_MARKING)
        return 1;
    if (chat__block_is(submit->kind))
        return chat__block_ask(node, room, submit);
    chat__op *op = chat__op_new(node, CHAT__OP_MARKS, 0);
    chat__effect *effect = chat__owner_ask(node, room, submit, CHAT__EFFECT_LOAD_MARKS, op);
    if (effect == NULL)
        return 0;
    if (submit->kind == CHAT_FRAME_READ)
        effect->seq = highest_wanted(node, room, submit);
    return 1;
}

/* Whom the receipts go to; none in a large chat. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status keep_members(chat__node *node, chat__room *room, const chat__node_marks *marks)
{
    chat__node_member members[CHAT__RECEIPT_MEMBERS];
    size_t n = 0;
    memset(members, 0, sizeof members);
    if (marks->n_items < CHAT__RECEIPT_MEMBERS) {
        for (size_t i = 0; i < marks->n_items; i++)
            members[n++].user = marks->items[i].user;
    }
    chat__roster *roster = chat__roster_new(node, members, n);
    if (roster == NULL)
        return CHAT_ERR_NOMEM;
    chat__room_set_roster(node, room, roster);
    return CHAT_OK;
}

/* The head of the queue: a marker that moves, or a chat that is muted, by one of its members. */
static void take_own(chat__node *node, chat__room *room, chat_frame *submit, chat_status status,
                     const chat__node_marks *marks)
{
    const chat__node_mark *mine = status == CHAT_OK ? mark_of(marks, submit->from) : NULL;
    if (status == CHAT_OK && mine == NULL)
        status = CHAT_ERR_FORBIDDEN;
    if (status == CHAT_OK && submit->kind == CHAT_FRAME_MUTE) {
        chat__owner_append(node, submit, 1, room);
        return;
    }
    if (status == CHAT_OK && marks->seq <= mine->read_seq) {
        answer_marker(node, submit, mine->read_seq);
        return;
    }
    if (status == CHAT_OK)
        status = keep_members(node, room, marks);
    if (status != CHAT_OK) {
        chat__owner_refuse(node, submit, status, chat_status_text(status));
        return;
    }
    submit->read_seq = marks->seq;
    chat__owner_append(node, submit, 1, room);
}

void chat__self_marks_loaded(chat__node *node, chat__op *op, chat_status status,
                             const chat__node_marks *marks)
{
    chat_frame submit;
    chat__room *room = op->room;
    chat__op_free(node, op);
    room->is_busy = 0;
    assert(room->queue != NULL);
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, room->queue->bytes, &submit) ==
        CHAT_OK)
        take_own(node, room, &submit, status, marks);
    chat__owner_drop_head(node, room);
    chat__owner_run_queue(node, room);
}

/* A receipt that is lost is covered by the next one, and `receipts` knows. */
static void tell_members(chat__node *node, const chat__room *room, const chat_frame *marker)
{
    for (uint32_t i = 0; room->roster != NULL && i < room->roster->n_members; i++) {
        chat_frame out;
        chat_view member = room->roster->members[i].user;
        if (chat__view_equal(member, marker->from))
            continue;
        chat_frame_init(&out, CHAT_FRAME_DELIVERED);
        CHAT_FRAME_SET(&out, TO, to, member);
        CHAT_FRAME_SET(&out, CHAT, chat, marker->of);
        CHAT_FRAME_SET(&out, USER, user, marker->from);
        CHAT_FRAME_SET(&out, SEQ, seq, marker->read_seq);
        CHAT_FRAME_SET(&out, STATE, state, chat__view_str("read"));
        uint32_t to_node = chat__node_of_user(member, node->options.n_nodes);
        if (to_node == node->options.self)
            chat__deliver_receipt(node, &out);
        else
            (void)chat__node_emit_link(node, to_node, &out);
    }
}

void chat__self_finish(chat__node *node, const chat__op *op)
{
    chat_frame marker;
    chat__room *room = op->room;
    /* `seq` is 0 when it did not become durable. */
    if (op->seq != 0 &&
        chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, op->bytes, &marker) == CHAT_OK)
        tell_members(node, room, &marker);
    chat__room_set_roster(node, room, NULL);
    room->state = CHAT__ROOM_NEW;
}
