/* SPDX-License-Identifier: MIT */
/* Frames of other nodes: refused unless they have what their kind must, then on to who is meant. */
#include "node/block.h"
#include "node/hints.h"
#include "node/note.h"
#include "node/trail.h"
#include "node/self.h"
#include "wire/wire.h"

static int has_all(const chat_frame *frame, uint64_t fields)
{
    return (frame->has & fields) == fields;
}

#define R_BIT CHAT_FIELD_BIT(CHAT_FIELD_KEY_R)

static int is_valid_submit(const chat__node *node, const chat_frame *frame, uint32_t from_node)
{
    const uint64_t message =
        CHAT_FIELD_BIT(CHAT_FIELD_KEY_CID) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
    const uint64_t own = CHAT_FIELD_BIT(CHAT_FIELD_KEY_R) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_OF);
    chat_view user;
    uint32_t owner =
        chat__node_of_chat(frame->chat, node->options.n_partitions, node->options.n_nodes);
    if (frame->node != from_node || owner != node->options.self)
        return 0;
    if (frame->kind == CHAT_FRAME_SEND)
        return has_all(frame, message);
    if (chat__block_is(frame->kind))
        return has_all(frame, own) && chat__block_is_valid(frame);
    if (chat__self_is(frame->kind))
        return has_all(frame, own) &&
               (frame->kind == CHAT_FRAME_READ ? CHAT_FRAME_HAS(frame, READ_SEQ)
                                               : CHAT_FRAME_HAS(frame, UNTIL)) &&
               chat_self_user(frame->chat, &user) == CHAT_OK && chat__view_equal(user, frame->from);
    /* What a request must carry beside its number, it must carry here. */
    uint64_t needed = chat__frame_required((uint32_t)frame->kind) & ~R_BIT;
    if (chat__note_is(frame->kind))
        return has_all(frame, needed);
    return (frame->kind == CHAT_FRAME_CHAT_CREATE || chat__group_is_change(frame->kind)) &&
           chat_group_id_is_valid(frame->chat) && has_all(frame, needed);
}

/* Whether the client's frame that this one becomes will have what it must. */
static int is_valid_push(const chat_frame *frame)
{
    uint64_t origin = 0;
    if (frame->kind != CHAT_FRAME_MSG && frame->kind != CHAT_FRAME_CHAT &&
        frame->kind != CHAT_FRAME_MARKER && frame->kind != CHAT_FRAME_CHANGE &&
        frame->kind != CHAT_FRAME_NOTE && frame->kind != CHAT_FRAME_SETTING &&
        frame->kind != CHAT_FRAME_BLOCKED)
        return 0;
    uint64_t to = frame->kind == CHAT_FRAME_CHANGE ? CHAT_FIELD_BIT(CHAT_FIELD_KEY_MEMBERS)
                                                   : CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
    if (CHAT_FRAME_HAS(frame, CONN))
        origin = frame->kind == CHAT_FRAME_MSG ? CHAT_FIELD_BIT(CHAT_FIELD_KEY_CID)
                                               : CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    return has_all(frame, chat__frame_required((uint32_t)frame->kind) | origin | to);
}

static int is_valid_answer(const chat_frame *frame)
{
    if (frame->kind == CHAT_FRAME_ACK)
        return 1;
    if (frame->kind != CHAT_FRAME_SENT && frame->kind != CHAT_FRAME_RESULT &&
        frame->kind != CHAT_FRAME_ERROR)
        return 0;
    return has_all(frame, chat__frame_required((uint32_t)frame->kind));
}

/* Whether only a newer version knows what is forwarded. */
static int is_of_newer_kind(const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, KIND) &&
           (frame->kind > UINT32_MAX || chat_frame_direction((uint32_t)frame->kind) == 0);
}

/* A request ends with an answer; a record cannot be given to the users of this node. */
static void pass_over(chat__node *node, uint32_t from_node, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_SUBMIT && frame->node == from_node)
        chat__owner_refuse(node, frame, CHAT_ERR_UNSUPPORTED,
                           "the node that owns this chat is of an older version");
}

/* What is told, asked and answered between nodes besides records. */
static chat_status take_other(chat__node *node, uint32_t from_node, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_WHY_ASK || frame->type == CHAT_FRAME_WHY_ROW)
        return chat__why_link(node, from_node, frame);
    if (frame->type == CHAT_FRAME_BLOCK_TELL || frame->type == CHAT_FRAME_BLOCK_DONE)
        return chat__block_link(node, from_node, frame);
    return chat__presence_link(node, from_node, frame);
}

/* CHAT_EMPTY: it was passed over. */
static chat_status take_in(chat__node *node, uint32_t from_node, chat_view bytes, chat_frame *out)
{
    chat_status status = node->options.links_are_own
                             ? chat__frame_decode_own(node->decoder, bytes, out)
                             : chat_frame_decode(node->decoder, CHAT_ENCODING_CBOR, bytes, out);
    if (status == CHAT_ERR_UNSUPPORTED)
        return CHAT_EMPTY; /* of a newer version, which does not count on it */
    if (status != CHAT_OK)
        return status;
    if (from_node >= node->options.n_nodes)
        return CHAT_ERR_ARG;
    if (!is_of_newer_kind(out))
        return CHAT_OK;
    pass_over(node, from_node, out);
    return CHAT_EMPTY;
}

chat_status chat__node_link(chat__node *node, uint32_t from_node, chat_view bytes)
{
    chat_frame frame;
    chat_status status = take_in(node, from_node, bytes, &frame);
    if (status != CHAT_OK)
        return status == CHAT_EMPTY ? CHAT_OK : status;
    switch (frame.type) {
    case CHAT_FRAME_SUBMIT:
        if (!is_valid_submit(node, &frame, from_node))
            return CHAT_ERR_ARG;
        chat__owner_submit(node, &frame);
        return CHAT_OK;
    case CHAT_FRAME_ANSWER:
        if (!is_valid_answer(&frame))
            return CHAT_ERR_ARG;
        chat__deliver_answer(node, &frame);
        return CHAT_OK;
    case CHAT_FRAME_PUSH:
        if (!is_valid_push(&frame))
            return CHAT_ERR_ARG;
        chat__deliver_push(node, &frame);
        return CHAT_OK;
    case CHAT_FRAME_DELIVERED:
        chat__deliver_receipt(node, &frame);
        return CHAT_OK;
    case CHAT_FRAME_TYPING_ASK:
        chat__typing_on_owner(node, &frame);
        return CHAT_OK;
    case CHAT_FRAME_TYPING_PUSH:
        chat__typing_on_push(node, &frame);
        return CHAT_OK;
    default:
        return take_other(node, from_node, &frame);
    }
}
