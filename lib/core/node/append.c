/* SPDX-License-Identifier: MIT */
/*
 * The owner's way from an accepted request to a record: id, payload, append; and when the record is
 * durable, on to the nodes where the members live.
 */
#include "node/block.h"
#include "node/cid.h"
#include "node/note.h"
#include "node/self.h"
#include "wire/wire.h"

#include <chat/partition.h>

#include <assert.h>
#include <string.h>

#define CLOCK_RETRY_MS 2u   /* the next millisecond has ids again */
#define LEASE_RETRY_MS 500u /* a node number, or a clock that is put right, takes longer */

static chat__op *append_op(chat__node *node, const chat_frame *submit, const chat_frame *payload)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, payload);
    size_t len = 0;
    chat__op *op = chat__op_new(node, CHAT__OP_APPEND, cap);
    if (op == NULL)
        return NULL;
    if (chat__frame_encode_own(payload, op->storage, cap, &len) != CHAT_OK) {
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

static void give_up(chat__node *node, const chat_frame *submit, chat__op *op, chat__cid *cid)
{
    if (cid != NULL)
        chat__cid_forget(node, cid);
    if (op != NULL)
        chat__op_free(node, op);
    chat__owner_refuse(node, submit, CHAT_ERR_BUSY, "too much is waiting for storage");
}

/* The chat stays as it is until the record is durable. */
static void hold_room(chat__node *node, chat__op *op, chat__room *room)
{
    op->room = room;
    chat__room_pin(node, room);
    /* What the next one finds must have this one in it. */
    if (chat__note_is(op->kind) || chat__block_is(op->kind))
        room->is_busy = 1;
    else if (op->kind == CHAT_FRAME_CHAT_CREATE)
        room->state = CHAT__ROOM_CREATING;
    else if (op->kind == CHAT_FRAME_READ)
        room->state = CHAT__ROOM_MARKING;
    else if (op->roster != NULL)
        room->state = CHAT__ROOM_CHANGING;
}

void chat__owner_append_record(chat__node *node, const chat_frame *submit, chat__room *room,
                               chat_frame *payload, chat__roster *roster)
{
    chat_view none = {NULL, 0};
    uint64_t id = 0;
    chat_status status = chat_idgen_next(&node->idgen, node->unix_ms, &id);
    if (status != CHAT_OK) {
        chat__node_dealloc(node, roster);
        chat__owner_refuse_for(node, submit, status, "no message id can be given now",
                               status == CHAT_ERR_BUSY ? CLOCK_RETRY_MS : LEASE_RETRY_MS);
        return;
    }
    CHAT_FRAME_SET(payload, CHAT, chat, submit->chat);
    CHAT_FRAME_SET(payload, FROM, from, submit->from);
    CHAT_FRAME_SET(payload, ID, id, id);
    CHAT_FRAME_SET(payload, TS, ts, node->unix_ms);
    chat__op *op = append_op(node, submit, payload);
    if (op != NULL)
        op->roster = roster; /* goes with the op from here on */
    else
        chat__node_dealloc(node, roster);
    chat__cid *cid = NULL;
    int is_named = CHAT_FRAME_HAS(payload, CID);
    if (op != NULL && is_named)
        cid = chat__cid_new(node, submit->from, submit->chat, submit->cid);
    chat__effect *effect = NULL;
    if (op != NULL && (cid != NULL || !is_named))
        effect = chat__node_emit_about(node, CHAT__EFFECT_APPEND, submit->chat, none, none);
    if (effect == NULL) {
        give_up(node, submit, op, cid);
        return;
    }
    if (cid != NULL)
        cid->op = op;
    op->cid = cid;
    op->id = id;
    op->ts = node->unix_ms;
    hold_room(node, op, room);
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->partition = chat_partition_of(submit->chat, node->options.n_partitions);
    chat__count(&node->counts, CHAT__EVENT_ACCEPTED);
    effect->id = id;
    effect->kind = payload->type;
    effect->bytes = op->bytes;
}

/* The payload of a record is the frame that readers get, without its place. */
void chat__owner_append(chat__node *node, const chat_frame *submit, uint32_t n_members,
                        chat__room *room)
{
    chat_frame payload;
    if (submit->kind == CHAT_FRAME_SEND) {
        chat_frame_init(&payload, CHAT_FRAME_MSG);
        CHAT_FRAME_SET(&payload, CID, cid, submit->cid);
        CHAT_FRAME_SET(&payload, BODY, body, submit->body);
        CHAT_FRAME_SET(&payload, COUNT, count, n_members);
        if (CHAT_FRAME_HAS(submit, RE))
            CHAT_FRAME_SET(&payload, RE, re, submit->re);
    } else if (submit->kind == CHAT_FRAME_READ) {
        chat_frame_init(&payload, CHAT_FRAME_MARKER);
        CHAT_FRAME_SET(&payload, OF, of, submit->of);
        CHAT_FRAME_SET(&payload, READ_SEQ, read_seq, submit->read_seq);
    } else if (submit->kind == CHAT_FRAME_MUTE) {
        chat_frame_init(&payload, CHAT_FRAME_SETTING);
        CHAT_FRAME_SET(&payload, OF, of, submit->of);
        CHAT_FRAME_SET(&payload, UNTIL, until, submit->until);
    } else {
        chat_frame_init(&payload, CHAT_FRAME_CHAT);
        CHAT_FRAME_SET(&payload, USERS, users, submit->users);
        if (CHAT_FRAME_HAS(submit, TITLE))
            CHAT_FRAME_SET(&payload, TITLE, title, submit->title);
        if (CHAT_FRAME_HAS(submit, OPEN))
            CHAT_FRAME_SET(&payload, OPEN, open, submit->open);
    }
    chat__owner_append_record(node, submit, room, &payload, NULL);
}

/* Who is sent what, besides the record itself. */
static void address(chat_frame *push, chat_view_list all, chat_view_list here)
{
    if (push->kind == CHAT_FRAME_CHANGE)
        CHAT_FRAME_SET(push, MEMBERS, members, here);
    else if (push->kind == CHAT_FRAME_CHAT)
        CHAT_FRAME_SET(push, USERS, users, all);
    else
        CHAT_FRAME_SET(push, USERS, users, here);
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
        chat_view_list here = {members.items + i, k - i};
        address(push, members, here);
        chat__count(&node->counts, CHAT__EVENT_ROUTED);
        push->has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_CONN) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_R));
        if (to_node == author_node && op->conn != 0) {
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

static chat_view_list copy_list(chat__node *node, const chat_view *items, size_t n)
{
    chat_view *copy = chat__arena_get(&node->arena, (n + 1) * sizeof *copy);
    chat_view_list list = {copy, copy != NULL ? n : 0};
    if (copy != NULL && n > 0)
        memcpy(copy, items, n * sizeof *copy);
    return list;
}

/* A change goes to those who were members and to those who are members now. */
static chat_view_list recipients_of(chat__node *node, const chat__op *op)
{
    const chat__roster *roster = op->room->roster;
    if (op->roster != NULL && op->roster->n_members > roster->n_members)
        roster = op->roster;
    return chat__roster_names(node, roster);
}

static chat_status push_record(chat__node *node, const chat__op *op)
{
    chat_frame push;
    chat_view direct[2];
    chat_view_list members = {direct, 2};
    chat_status status = chat__frame_decode_own(node->row_decoder, op->bytes, &push);
    assert(status == CHAT_OK);
    if (status != CHAT_OK)
        return status;
    if (chat_self_user(push.chat, direct) == CHAT_OK)
        members.n_items = 1;
    else if (chat_direct_members(push.chat, direct) != CHAT_OK)
        members = recipients_of(node, op);
    if (members.items == NULL)
        return CHAT_ERR_NOMEM;
    CHAT_FRAME_SET(&push, KIND, kind, push.type);
    CHAT_FRAME_SET(&push, SEQ, seq, op->seq);
    CHAT_FRAME_SET(&push, PREV, prev, op->prev);
    if (push.type == CHAT_FRAME_CHANGE && CHAT_FRAME_HAS(&push, USERS)) {
        /* The decoder is used again before all have it. */
        push.users = copy_list(node, push.users.items, push.users.n_items);
        if (push.users.items == NULL)
            return CHAT_ERR_NOMEM;
    }
    push.type = CHAT_FRAME_PUSH;
    return fan_out(node, op, &push, members);
}

/* The record of an op as what was submitted, to answer it. */
static chat_status init_about(chat__node *node, const chat__op *op, chat_frame *out)
{
    chat_status status = chat__frame_decode_own(node->row_decoder, op->bytes, out);
    if (status != CHAT_OK)
        return status;
    out->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    out->conn = op->conn;
    out->node = op->node;
    if (op->has_r)
        CHAT_FRAME_SET(out, R, r, op->r);
    return CHAT_OK;
}

void chat__owner_answer_early(chat__node *node, chat__op *op, chat_status status, const char *text)
{
    chat_frame about;
    if (init_about(node, op, &about) == CHAT_OK)
        chat__owner_refuse(node, &about, status, text);
    op->conn = 0;
}

static void finish(chat__node *node, chat__op *op)
{
    chat__room *room = op->room;
    if (op->kind == CHAT_FRAME_READ)
        chat__self_finish(node, op);
    if (chat__note_is(op->kind) || chat__block_is(op->kind))
        room->is_busy = 0;
    if (op->roster != NULL) {
        if (op->seq != 0) {
            chat__room_set_roster(node, room, op->roster);
            op->roster = NULL;
        }
        room->state = CHAT__ROOM_READY;
    }
    chat__op_free(node, op);
    room->n_pins--;
    chat__owner_run_queue(node, room);
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

/* A record goes to the members, a block first to the nodes that must know of it. CHAT_OK;
   CHAT_MORE: they have been told, and answer; CHAT_ERR_NOMEM: again later. */
static chat_status leave(chat__node *node, chat__op *op)
{
    chat_status status = chat__block_is(op->kind) ? chat__block_tell(node, op) : CHAT_OK;
    if (status != CHAT_OK)
        return status;
    if (op->id != 0)
        return push_record(node, op);
    chat_frame about;
    if (op->conn != 0 && init_about(node, op, &about) == CHAT_OK)
        chat__owner_done(node, &about);
    return CHAT_OK;
}

void chat__owner_push_stalled(chat__node *node)
{
    while (node->stalled != NULL) {
        chat__op *op = node->stalled;
        chat_status status = leave(node, op);
        if (status != CHAT_OK && status != CHAT_MORE)
            return;
        node->stalled = op->next;
        if (node->stalled == NULL)
            node->last_stalled = NULL;
        if (status == CHAT_OK)
            finish(node, op);
    }
}

static void go_on(chat__node *node, chat__op *op)
{
    chat_status status = node->stalled == NULL ? leave(node, op) : CHAT_ERR_NOMEM;
    if (status == CHAT_OK)
        finish(node, op);
    else if (status != CHAT_MORE)
        stall(node, op);
}

void chat__owner_told(chat__node *node, chat__op *op)
{
    go_on(node, op);
}

void chat__owner_repeat(chat__node *node, const chat_frame *submit, chat__room *room,
                        chat_frame *payload)
{
    CHAT_FRAME_SET(payload, CHAT, chat, submit->chat);
    CHAT_FRAME_SET(payload, FROM, from, submit->from);
    chat__op *op = append_op(node, submit, payload);
    if (op == NULL) {
        give_up(node, submit, NULL, NULL);
        return;
    }
    hold_room(node, op, room);
    go_on(node, op);
}

/* Who is new is a member since this record. */
static void date_members(chat__roster *roster, uint64_t seq)
{
    for (uint32_t i = 0; roster != NULL && i < roster->n_members; i++) {
        if (roster->members[i].since == 0)
            roster->members[i].since = seq;
    }
}

static void note_durable(chat__node *node, chat__op *op, uint64_t seq, uint64_t prev)
{
    chat__count(&node->counts, CHAT__EVENT_DURABLE);
    op->seq = seq;
    op->prev = prev;
    if (op->cid != NULL) {
        op->cid->op = NULL;
        op->cid->id = op->id;
        op->cid->seq = seq;
        op->cid->ts = op->ts;
        /* A search that began meanwhile could not find it: it may not be forgotten before that. */
        chat__cid_touch(node, op->cid);
    }
    date_members(op->roster, seq);
    if (op->kind == CHAT_FRAME_CHAT_CREATE) {
        date_members(op->room->roster, seq);
        op->room->state = CHAT__ROOM_READY;
    }
}

void chat__owner_appended(chat__node *node, chat__op *op, chat_status status, uint64_t seq,
                          uint64_t prev)
{
    if (status == CHAT_OK) {
        note_durable(node, op, seq, prev);
        go_on(node, op);
        return;
    }
    if (op->cid != NULL)
        chat__cid_forget(node, op->cid);
    if (op->kind == CHAT_FRAME_CHAT_CREATE)
        op->room->state = CHAT__ROOM_MISSING;
    chat__owner_answer_early(node, op, status, chat_status_text(status));
    finish(node, op);
}
