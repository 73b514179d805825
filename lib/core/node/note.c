/* SPDX-License-Identifier: MIT */
/*
 * What is done to a message afterwards: edited, deleted, reacted to. Each is a record of the chat,
 * a `note`, so that its place among the others says what counts. The owner looks the message up as
 * it is now, one such request of a chat at a time, and decides: only the author edits, the author
 * and who manages the group delete, every member reacts, and nothing happens to what was deleted.
 * What is so already leaves no record.
 */
#include "node/cid.h"
#include "node/note.h"
#include "node/block.h"

#include <string.h>

#define FIND_ROWS 100u

typedef enum step {
    STEP_DONE, /* answered, refused or being appended */
    STEP_ASKED /* storage was asked once more */
} step;

int chat__note_is(uint64_t kind)
{
    return kind == CHAT_FRAME_EDIT || kind == CHAT_FRAME_DELETE || kind == CHAT_FRAME_REACT;
}

/* --- requests, on the user's node --- */

static chat_status fault_of(const chat__node *node, const chat_frame *frame, const char **why)
{
    int has_body = CHAT_FRAME_HAS(frame, BODY);
    *why = "`re` is 0";
    if (frame->re == 0)
        return CHAT_ERR_ARG;
    *why = "`body` is empty: to take a message back there is delete";
    if (has_body && frame->body.len == 0)
        return CHAT_ERR_ARG;
    *why = "`body` is longer than max_body_bytes of welcome";
    return has_body && frame->body.len > node->options.max_body_bytes ? CHAT_ERR_LIMIT : CHAT_OK;
}

/* Whether it was; else `out_chat` is the chat, perhaps in `storage`. */
static int is_refused(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                      chat_direct_name *storage, chat_view *out_chat)
{
    const char *why = "";
    chat_status status = chat__request_chat(conn, frame, storage, out_chat, &why);
    if (status == CHAT_OK)
        status = fault_of(node, frame, &why);
    if (status != CHAT_OK)
        chat__request_refuse(node, conn, frame, status, why);
    return status != CHAT_OK;
}

void chat__note_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    if (!is_refused(node, conn, frame, &name, &chat) &&
        !chat__request_is_draining(node, conn, frame))
        chat__request_submit(node, conn, frame, chat);
}

void chat__note_reactions(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    if (is_refused(node, conn, frame, &name, &chat))
        return;
    chat__op *op = chat__request_op(node, conn, CHAT__OP_HISTORY, frame, chat, 0);
    chat__effect *effect = chat__request_read(node, conn, frame, op);
    if (effect == NULL)
        return;
    effect->id = frame->re;
    effect->limit = CHAT_GROUP_MAX_MEMBERS;
}

/* --- the owner --- */

int chat__note_take(chat__node *node, const chat_frame *submit, chat__room *room)
{
    if (room == NULL || room->state == CHAT__ROOM_NEW)
        return 1;
    return !chat__owner_is_refused(node, submit, room);
}

/* NULL: refused. */
static chat__effect *ask(chat__node *node, chat__room *room, const chat_frame *submit,
                         chat__op_type type, uint64_t seq)
{
    chat__op *op = chat__op_new(node, type, 0);
    if (op != NULL)
        op->seq = seq;
    return chat__owner_ask(node, room, submit, CHAT__EFFECT_READ, op);
}

int chat__note_ask(chat__node *node, chat__room *room, const chat_frame *submit)
{
    chat__effect *effect = ask(node, room, submit, CHAT__OP_TARGET, 0);
    if (effect == NULL)
        return 0;
    effect->after = submit->re - 1; /* a record's seq is not below its id */
    effect->limit = FIND_ROWS;
    return 1;
}

/* What is thought of the message at `seq` already. */
static step ask_reactions(chat__node *node, chat__room *room, const chat_frame *submit,
                          uint64_t seq)
{
    chat__effect *effect = ask(node, room, submit, CHAT__OP_REACTIONS, seq);
    if (effect == NULL)
        return STEP_DONE;
    effect->id = submit->re;
    effect->limit = CHAT_GROUP_MAX_MEMBERS;
    return STEP_ASKED;
}

/* The message `id`. The rows have no lists, so the decoder that lent `submit` serves them too.
   CHAT_OK, CHAT_ERR_NOT_FOUND. */
static chat_status find(chat__node *node, const chat__rows *rows, uint64_t id, chat_frame *out,
                        uint64_t *out_seq)
{
    for (size_t i = 0; i < rows->n_rows; i++) {
        if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, rows->rows[i].payload, out) ==
                CHAT_OK &&
            out->type == CHAT_FRAME_MSG && out->id == id) {
            *out_seq = rows->rows[i].seq;
            return CHAT_OK;
        }
    }
    return CHAT_ERR_NOT_FOUND;
}

static int may(const chat__room *room, const chat_frame *submit, const chat_frame *target)
{
    if (submit->kind == CHAT_FRAME_REACT || chat__view_equal(submit->from, target->from))
        return 1;
    return submit->kind == CHAT_FRAME_DELETE && !room->is_direct &&
           chat__room_role(room, submit->from) >= CHAT__ROLE_ADMIN;
}

/* Empty: none. */
static chat_view reaction_of(const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, REACTION) ? frame->reaction : chat__view(NULL, 0);
}

static void append(chat__node *node, const chat_frame *submit, chat__room *room, uint64_t re_seq)
{
    chat_frame note;
    /* It may have changed while storage was asked. */
    if (chat__block_refuses(node, submit, room))
        return;
    const char *what = submit->kind == CHAT_FRAME_EDIT     ? "edit"
                       : submit->kind == CHAT_FRAME_DELETE ? "delete"
                                                           : "react";
    chat_frame_init(&note, CHAT_FRAME_NOTE);
    CHAT_FRAME_SET(&note, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&note, RE, re, submit->re);
    CHAT_FRAME_SET(&note, RE_SEQ, re_seq, re_seq);
    if (CHAT_FRAME_HAS(submit, CID))
        CHAT_FRAME_SET(&note, CID, cid, submit->cid);
    if (submit->kind == CHAT_FRAME_EDIT)
        CHAT_FRAME_SET(&note, BODY, body, submit->body);
    if (submit->kind == CHAT_FRAME_REACT && reaction_of(submit).len > 0)
        CHAT_FRAME_SET(&note, REACTION, reaction, submit->reaction);
    chat__owner_append_record(node, submit, room, &note, NULL);
}

/* It is so already. That is remembered too: what changes it meanwhile is not undone by a resend. */
static void done_already(chat__node *node, const chat_frame *submit)
{
    if (CHAT_FRAME_HAS(submit, CID))
        (void)chat__cid_new(node, submit->from, submit->chat, submit->cid);
    chat__owner_done(node, submit);
}

static const char *why_forbidden(const chat_frame *submit)
{
    return submit->kind == CHAT_FRAME_EDIT
               ? "only its author may edit a message"
               : "only its author, owners and admins may delete a message";
}

static step decide(chat__node *node, const chat_frame *submit, chat__room *room,
                   const chat__rows *rows)
{
    chat_frame target;
    uint64_t seq = 0;
    chat_status status = rows->status < 0 ? rows->status : CHAT_OK;
    if (status == CHAT_OK)
        status = find(node, rows, submit->re, &target, &seq);
    int is_deleted = status == CHAT_OK && CHAT_FRAME_HAS(&target, DELETED);
    const char *why = NULL;
    if (status == CHAT_ERR_NOT_FOUND) {
        why = "there is no such message in this chat";
    } else if (status != CHAT_OK) {
        why = chat_status_text(status);
    } else if (!may(room, submit, &target)) {
        status = CHAT_ERR_FORBIDDEN;
        why = why_forbidden(submit);
    } else if (is_deleted && submit->kind != CHAT_FRAME_DELETE) {
        status = CHAT_ERR_NOT_FOUND;
        why = "the message was deleted";
    }
    if (status != CHAT_OK)
        chat__owner_refuse(node, submit, status, why);
    else if (is_deleted ||
             (submit->kind == CHAT_FRAME_EDIT && chat__view_equal(submit->body, target.body)))
        done_already(node, submit);
    else if (submit->kind == CHAT_FRAME_REACT)
        return ask_reactions(node, room, submit, seq);
    else
        append(node, submit, room, seq);
    return STEP_DONE;
}

/* A user has one reaction, so what is thought already is found by his name. */
static step decide_reaction(chat__node *node, const chat_frame *submit, chat__room *room,
                            const chat__rows *rows, uint64_t seq)
{
    chat_view present = {NULL, 0};
    if (rows->status < 0) {
        chat__owner_refuse(node, submit, rows->status, chat_status_text(rows->status));
        return STEP_DONE;
    }
    for (size_t i = 0; i < rows->n_rows; i++) {
        chat_frame row;
        if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, rows->rows[i].payload, &row) ==
                CHAT_OK &&
            row.type == CHAT_FRAME_NOTE && chat__view_equal(row.from, submit->from))
            present = reaction_of(&row);
    }
    if (chat__view_equal(present, reaction_of(submit)))
        done_already(node, submit);
    else
        append(node, submit, room, seq);
    return STEP_DONE;
}

void chat__note_found(chat__node *node, chat__op *op, const chat__rows *rows)
{
    chat_frame submit;
    chat__room *room = op->room;
    uint64_t seq = op->seq;
    int is_target = op->type == CHAT__OP_TARGET;
    step next = STEP_DONE;
    chat__op_free(node, op);
    room->is_busy = 0;
    if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, room->queue->bytes, &submit) ==
        CHAT_OK)
        next = is_target ? decide(node, &submit, room, rows)
                         : decide_reaction(node, &submit, room, rows, seq);
    if (next == STEP_ASKED)
        return;
    chat__owner_drop_head(node, room);
    if (!room->is_busy)
        chat__owner_run_queue(node, room);
}
