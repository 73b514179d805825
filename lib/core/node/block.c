/* SPDX-License-Identifier: MIT */
/*
 * Whom users have blocked. A block is a record of the user's self stream. Before it is answered it
 * holds at the owner of the direct chat, who refuses from then on, and on the node of who is
 * blocked, which hides the other one from him (hide.c). Both ask storage for what they do not
 * remember, and the record is there first: so whoever asks later knows it anyway.
 */
#include "node/block.h"
#include "node/hide.h"

#include <assert.h>

#define TELL_MS 5000u

int chat__block_is(uint64_t kind)
{
    return kind == CHAT_FRAME_BLOCK || kind == CHAT_FRAME_UNBLOCK;
}

/* --- requests, on the user's node --- */

void chat__block_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_direct_name self;
    chat_frame own;
    chat_status status = chat_direct_id(chat__conn_user(conn), frame->user, &name);
    if (status == CHAT_OK)
        status = chat_self_id(chat__conn_user(conn), &self);
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_ARG, "`user` must be another user");
        return;
    }
    if (chat__request_is_draining(node, conn, frame))
        return;
    chat_frame_init(&own, (chat_frame_type)frame->type);
    CHAT_FRAME_SET(&own, R, r, frame->r);
    CHAT_FRAME_SET(&own, OF, of, chat__view(name.bytes, name.len));
    CHAT_FRAME_SET(&own, USER, user, frame->user);
    chat__request_submit(node, conn, &own, chat__view(self.bytes, self.len));
}

void chat__block_list(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__op *op = chat__request_op(node, conn, CHAT__OP_BLOCKS, frame, chat__view(NULL, 0), 0);
    (void)chat__request_emit(node, conn, frame, CHAT__EFFECT_LOAD_BLOCKS, op);
}

void chat__block_listed(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                        size_t n_users)
{
    chat_frame frame;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    if (conn != NULL && status != CHAT_OK) {
        chat__request_about(op, &frame);
        chat__request_refuse(node, conn, &frame, status, chat_status_text(status));
    } else if (conn != NULL) {
        for (size_t i = 0; i < n_users; i++) {
            chat_frame_init(&frame, CHAT_FRAME_BLOCKED);
            CHAT_FRAME_SET(&frame, R, r, op->r);
            CHAT_FRAME_SET(&frame, USER, user, users[i]);
            CHAT_FRAME_SET(&frame, IS_BLOCKED, blocked, 1);
            chat__conn_write_frame(node, conn, &frame);
        }
        chat__request_result(node, conn, op, n_users, 0);
    }
    chat__op_free(node, op);
}

/* --- on the owner of the self stream --- */

static int is_chat_of(chat_view chat, chat_view a, chat_view b)
{
    chat_direct_name name;
    return chat_direct_id(a, b, &name) == CHAT_OK &&
           chat__view_equal(chat, chat__view(name.bytes, name.len));
}

static int is_self_of(chat_view chat, chat_view id)
{
    chat_view user;
    return chat_self_user(chat, &user) == CHAT_OK && chat__view_equal(user, id);
}

int chat__block_is_valid(const chat_frame *submit)
{
    return CHAT_FRAME_HAS(submit, USER) && is_self_of(submit->chat, submit->from) &&
           is_chat_of(submit->of, submit->from, submit->user);
}

int chat__block_ask(chat__node *node, chat__room *room, const chat_frame *submit)
{
    chat__op *op = chat__op_new(node, CHAT__OP_BLOCK, 0);
    return chat__owner_ask(node, room, submit, CHAT__EFFECT_LOAD_BLOCKS, op) != NULL;
}

/* The head of the queue. What is so already is told again: a node may have forgotten it. */
static void take(chat__node *node, chat__room *room, const chat_frame *submit,
                 const chat_view *users, size_t n_users)
{
    chat_frame payload;
    int is_wanted = submit->kind == CHAT_FRAME_BLOCK;
    size_t at = 0;
    while (at < n_users && !chat__view_equal(users[at], submit->user))
        at++;
    int is_blocked = at < n_users;
    if (is_wanted && !is_blocked && n_users >= node->options.max_blocked) {
        chat__owner_refuse(node, submit, CHAT_ERR_LIMIT,
                           "you have blocked as many users as you may: unblock one first");
        return;
    }
    chat_frame_init(&payload, CHAT_FRAME_BLOCKED);
    CHAT_FRAME_SET(&payload, OF, of, submit->of);
    CHAT_FRAME_SET(&payload, USER, user, submit->user);
    CHAT_FRAME_SET(&payload, IS_BLOCKED, blocked, is_wanted);
    if (is_wanted == is_blocked)
        chat__owner_repeat(node, submit, room, &payload);
    else
        chat__owner_append_record(node, submit, room, &payload, NULL);
}

void chat__block_loaded(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                        size_t n_users)
{
    chat_frame submit;
    chat__room *room = op->room;
    chat__op *head = room->queue;
    chat__op_free(node, op);
    room->is_busy = 0;
    assert(head != NULL);
    /* Off the queue first: what is so already may be finished at once, and take the next. */
    room->queue = head->next;
    if (room->queue == NULL)
        room->last = NULL;
    room->n_pins++;
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, head->bytes, &submit) == CHAT_OK) {
        if (status == CHAT_OK)
            take(node, room, &submit, users, n_users);
        else
            chat__owner_refuse(node, &submit, status, chat_status_text(status));
    }
    chat__op_free(node, head);
    room->n_pins--;
    chat__owner_run_queue(node, room);
}

/* --- telling who must know --- */

/* It holds here from now on, as far as this node is concerned. */
static void take_tell(chat__node *node, const chat_frame *tell)
{
    chat_view members[2];
    chat__room *room = chat__room_find(node, tell->of);
    if (room != NULL && chat_direct_members(tell->of, members) == CHAT_OK) {
        uint8_t bit = chat__view_equal(members[0], tell->from) ? CHAT__BLOCKED_BY_FIRST
                                                               : CHAT__BLOCKED_BY_SECOND;
        room->blocked = (uint8_t)(tell->blocked ? room->blocked | bit : room->blocked & ~bit);
        room->is_stale = 1;
    }
    chat__hide_take(node, tell->user, tell->from, (int)tell->blocked);
}

chat_status chat__block_tell(chat__node *node, chat__op *op)
{
    chat_frame tell;
    if (op->is_told)
        return CHAT_OK;
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, op->bytes, &tell) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    const chat__node_options *options = &node->options;
    uint32_t owner = chat__node_of_chat(tell.of, options->n_partitions, options->n_nodes);
    uint32_t home = chat__node_of_user(tell.user, options->n_nodes);
    uint32_t n_told = 0;
    chat_status status = CHAT_OK;
    tell.type = CHAT_FRAME_BLOCK_TELL;
    tell.has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_ID) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_TS));
    CHAT_FRAME_SET(&tell, N, n, ++node->n_tellings);
    if (owner != options->self) {
        status = chat__node_emit_link(node, owner, &tell);
        n_told++;
    }
    if (status == CHAT_OK && home != options->self && home != owner) {
        status = chat__node_emit_link(node, home, &tell);
        n_told++;
    }
    if (status != CHAT_OK)
        return CHAT_ERR_NOMEM; /* answers to this number are nobody's */
    take_tell(node, &tell);
    op->is_told = n_told == 0;
    op->n_telling = n_told;
    if (n_told == 0)
        return CHAT_OK;
    op->telling = tell.n;
    op->telling_due_ms = node->mono_ms + TELL_MS;
    op->room->telling = op;
    op->next = NULL;
    *(node->last_telling != NULL ? &node->last_telling->next : &node->telling) = op;
    node->last_telling = op;
    return CHAT_MORE;
}

/* Nobody is waited for any more. */
static void end_telling(chat__node *node, chat__op *op)
{
    chat__op *before = NULL;
    for (chat__op *at = node->telling; at != op; at = at->next)
        before = at;
    *(before != NULL ? &before->next : &node->telling) = op->next;
    if (node->last_telling == op)
        node->last_telling = before;
    op->room->telling = NULL;
    op->is_told = 1;
    chat__owner_told(node, op);
}

/* A node that is gone, or is of an older version. The record is there, so the other devices get it;
   whether it holds is not known. */
void chat__block_do_due(chat__node *node)
{
    while (node->telling != NULL && node->telling->telling_due_ms <= node->mono_ms) {
        chat__op *op = node->telling;
        chat__owner_answer_early(node, op, CHAT_ERR_TIMEOUT,
                                 "not all nodes that must know have answered: ask again");
        end_telling(node, op);
    }
}

static void take_done(chat__node *node, const chat_frame *done)
{
    chat__room *room = chat__room_find(node, done->chat);
    chat__op *op = room != NULL ? room->telling : NULL;
    if (op != NULL && op->telling == done->n && --op->n_telling == 0)
        end_telling(node, op);
}

chat_status chat__block_link(chat__node *node, uint32_t from_node, const chat_frame *frame)
{
    chat_frame done;
    if (frame->type == CHAT_FRAME_BLOCK_DONE) {
        take_done(node, frame);
        return CHAT_OK;
    }
    if (!is_self_of(frame->chat, frame->from) || !is_chat_of(frame->of, frame->from, frame->user))
        return CHAT_ERR_ARG;
    take_tell(node, frame);
    chat_frame_init(&done, CHAT_FRAME_BLOCK_DONE);
    CHAT_FRAME_SET(&done, CHAT, chat, frame->chat);
    CHAT_FRAME_SET(&done, N, n, frame->n);
    return chat__node_emit_link(node, from_node, &done);
}

void chat__block_forget(chat__node *node)
{
    size_t cursor = 0;
    chat__room *room = chat__map_next(&node->rooms, &cursor);
    for (; room != NULL; room = chat__map_next(&node->rooms, &cursor)) {
        room->is_stale = 1;
        if (room->is_direct && room->state == CHAT__ROOM_READY)
            room->state = CHAT__ROOM_NEW;
    }
    chat__hide_learn_again(node);
}

/* --- on the owner of the direct chat --- */

int chat__block_refuses(chat__node *node, const chat_frame *submit, const chat__room *room)
{
    chat_view members[2];
    if (room->blocked == 0 || submit->kind == CHAT_FRAME_DELETE ||
        chat_direct_members(submit->chat, members) != CHAT_OK)
        return 0;
    unsigned mine = chat__view_equal(members[0], submit->from) ? CHAT__BLOCKED_BY_FIRST
                                                               : CHAT__BLOCKED_BY_SECOND;
    chat__owner_refuse(node, submit, CHAT_ERR_FORBIDDEN,
                       (room->blocked & mine) != 0 ? "you have blocked this user: unblock first"
                                                   : "this user has blocked you");
    return 1;
}
