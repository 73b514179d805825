/* SPDX-License-Identifier: MIT */
/*
 * The owner's way from an accepted request to a record: id, payload, append; and when the record is
 * durable, on to the nodes where the members live.
 */
#include "node/internal.h"

#include <chat/partition.h>

#include <assert.h>
#include <string.h>

#define BUSY_RETRY_MS  1000u
#define CLOCK_RETRY_MS 2u

static chat_frame_type record_type(uint64_t request)
{
    if (request == CHAT_FRAME_READ)
        return CHAT_FRAME_MARKER;
    return request == CHAT_FRAME_SEND ? CHAT_FRAME_MSG : CHAT_FRAME_CHAT;
}

/* The payload of a record: the frame that readers get, without its place. */
static void payload_of(const chat__node *node, const chat_frame *submit, uint64_t id,
                       uint32_t n_members, chat_frame *out)
{
    int is_message = submit->kind == CHAT_FRAME_SEND;
    chat_frame_init(out, record_type(submit->kind));
    CHAT_FRAME_SET(out, CHAT, chat, submit->chat);
    CHAT_FRAME_SET(out, FROM, from, submit->from);
    CHAT_FRAME_SET(out, ID, id, id);
    CHAT_FRAME_SET(out, TS, ts, node->unix_ms);
    if (is_message) {
        CHAT_FRAME_SET(out, CID, cid, submit->cid);
        CHAT_FRAME_SET(out, BODY, body, submit->body);
        CHAT_FRAME_SET(out, COUNT, count, n_members);
        return;
    }
    if (submit->kind == CHAT_FRAME_READ) {
        CHAT_FRAME_SET(out, OF, of, submit->of);
        CHAT_FRAME_SET(out, READ_SEQ, read_seq, submit->read_seq);
        return;
    }
    CHAT_FRAME_SET(out, USERS, users, submit->users);
    if (CHAT_FRAME_HAS(submit, TITLE))
        CHAT_FRAME_SET(out, TITLE, title, submit->title);
}

static chat__op *append_op(chat__node *node, const chat_frame *submit, const chat_frame *payload)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, payload);
    size_t len = 0;
    chat__op *op = chat__op_new(node, CHAT__OP_APPEND, cap);
    if (op == NULL)
        return NULL;
    if (chat_frame_encode(CHAT_ENCODING_CBOR, payload, op->storage, cap, &len) != CHAT_OK) {
        chat__op_free(node, op);
        return NULL;
    }
    op->bytes = chat__view(op->storage, len);
    op->kind = (chat_frame_type)submit->kind;
    op->conn = submit->conn;
    op->node = (uint32_t)submit->node;
    op->has_r = CHAT_FRAME_HAS(submit, R);
    op->r = op->has_r ? submit->r : 0;
    return op;
}

/* `room` (NULL or transient for a direct chat) keeps its members until the record is durable. */
void chat__owner_append(chat__node *node, const chat_frame *submit, uint32_t n_members,
                        chat__room *room)
{
    chat_view none = {NULL, 0};
    chat_frame payload;
    uint64_t id = 0;
    chat_status status = chat_idgen_next(&node->idgen, node->unix_ms, &id);
    if (status != CHAT_OK) {
        chat__owner_refuse(node, submit, status, "no message id can be given now", CLOCK_RETRY_MS);
        return;
    }
    payload_of(node, submit, id, n_members, &payload);
    chat__op *op = append_op(node, submit, &payload);
    chat__cid *cid = NULL;
    if (op != NULL && submit->kind == CHAT_FRAME_SEND)
        cid = chat__cid_new(node, submit->from, submit->cid);
    chat__effect *effect = NULL;
    if (op != NULL && (cid != NULL || submit->kind != CHAT_FRAME_SEND))
        effect = chat__node_emit_about(node, CHAT__EFFECT_APPEND, submit->chat, none, none);
    if (effect == NULL) {
        if (cid != NULL)
            chat__cid_forget(node, cid);
        if (op != NULL)
            chat__op_free(node, op);
        chat__owner_refuse(node, submit, CHAT_ERR_BUSY, "too much is waiting for storage",
                           BUSY_RETRY_MS);
        return;
    }
    if (cid != NULL)
        cid->op = op;
    op->cid = cid;
    op->id = id;
    op->ts = node->unix_ms;
    if (room != NULL && !room->is_direct) {
        op->room = room;
        chat__room_pin(node, room);
        if (submit->kind == CHAT_FRAME_CHAT_CREATE)
            room->state = CHAT__ROOM_CREATING;
        if (submit->kind == CHAT_FRAME_READ)
            room->state = CHAT__ROOM_MARKING;
    }
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->partition = chat_partition_of(submit->chat, node->options.n_partitions);
    effect->id = id;
    effect->kind = payload.type;
    effect->bytes = op->bytes;
}

/* Send a durable record to every node where a member lives: one frame for each. On CHAT_ERR_NOMEM
   some have it; to do it again is harmless, clients drop what they have seen. */
static chat_status fan_out(chat__node *node, const chat__op *op, chat_frame *push,
                           chat_view_list members)
{
    uint32_t author_node = chat__node_of_user(push->from, node->options.n_nodes);
    size_t i = 0;
    while (i < members.n_items) {
        /* Members are grouped by node. */
        uint32_t to_node = chat__node_of_user(members.items[i], node->options.n_nodes);
        size_t k = i + 1;
        while (k < members.n_items &&
               chat__node_of_user(members.items[k], node->options.n_nodes) == to_node)
            k++;
        push->users.items = members.items + i;
        push->users.n_items = k - i;
        if (push->kind == CHAT_FRAME_CHAT)
            push->users = members;
        push->has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
        push->has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_CONN) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_R));
        if (to_node == author_node) {
            CHAT_FRAME_SET(push, CONN, conn, op->conn);
            if (op->has_r)
                CHAT_FRAME_SET(push, R, r, op->r);
        }
        if (to_node == node->options.self)
            chat__deliver_push(node, push);
        else if (chat__node_emit_link(node, to_node, push) != CHAT_OK)
            return CHAT_ERR_NOMEM;
        i = k;
    }
    return CHAT_OK;
}

static chat_status push_record(chat__node *node, const chat__op *op)
{
    chat_frame push;
    chat_view direct[2];
    chat_view_list members = {direct, 2};
    chat_status status = chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, op->bytes, &push);
    assert(status == CHAT_OK);
    if (status != CHAT_OK)
        return status;
    if (chat_self_user(push.chat, direct) == CHAT_OK) {
        members.n_items = 1;
    } else if (chat_direct_members(push.chat, direct) != CHAT_OK) {
        members.items = op->room->members;
        members.n_items = op->room->n_members;
    }
    CHAT_FRAME_SET(&push, KIND, kind, push.type);
    CHAT_FRAME_SET(&push, SEQ, seq, op->seq);
    CHAT_FRAME_SET(&push, PREV, prev, op->prev);
    push.type = CHAT_FRAME_PUSH;
    return fan_out(node, op, &push, members);
}

static void refuse_append(chat__node *node, const chat__op *op, chat_status status)
{
    chat_frame about;
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, op->bytes, &about) != CHAT_OK)
        return;
    about.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    about.conn = op->conn;
    about.node = op->node;
    if (op->has_r)
        CHAT_FRAME_SET(&about, R, r, op->r);
    chat__owner_refuse(node, &about, status, chat_status_text(status), BUSY_RETRY_MS);
}

static void finish(chat__node *node, chat__op *op)
{
    chat__room *room = op->room;
    if (op->kind == CHAT_FRAME_READ)
        chat__self_finish(node, op);
    chat__op_free(node, op);
    if (room != NULL) {
        room->n_pins--;
        chat__owner_run_queue(node, room);
    }
}

/* Records leave in order: behind one that memory was short for, the next ones wait too. */
static void stall(chat__node *node, chat__op *op)
{
    op->next = NULL;
    if (node->last_stalled != NULL)
        node->last_stalled->next = op;
    else
        node->stalled = op;
    node->last_stalled = op;
}

void chat__owner_push_stalled(chat__node *node)
{
    while (node->stalled != NULL && push_record(node, node->stalled) == CHAT_OK) {
        chat__op *op = node->stalled;
        node->stalled = op->next;
        if (node->stalled == NULL)
            node->last_stalled = NULL;
        finish(node, op);
    }
}

static void note_durable(chat__node *node, chat__op *op, uint64_t seq, uint64_t prev)
{
    if (op->kind != CHAT_FRAME_READ)
        node->counts.accepted_msgs++;
    op->seq = seq;
    op->prev = prev;
    if (op->cid != NULL) {
        op->cid->op = NULL;
        op->cid->id = op->id;
        op->cid->seq = seq;
        op->cid->ts = op->ts;
    }
    if (op->kind == CHAT_FRAME_CHAT_CREATE)
        op->room->state = CHAT__ROOM_READY;
}

void chat__owner_appended(chat__node *node, chat__op *op, chat_status status, uint64_t seq,
                          uint64_t prev)
{
    if (status == CHAT_OK) {
        note_durable(node, op, seq, prev);
        if (node->stalled != NULL || push_record(node, op) != CHAT_OK)
            stall(node, op);
        else
            finish(node, op);
        return;
    }
    if (op->cid != NULL)
        chat__cid_forget(node, op->cid);
    if (op->kind == CHAT_FRAME_CHAT_CREATE)
        op->room->state = CHAT__ROOM_MISSING;
    refuse_append(node, op, status);
    finish(node, op);
}
