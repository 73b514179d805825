/* SPDX-License-Identifier: MIT */
/*
 * "Is typing": from a connection to the others who are connected now, and nowhere else. Direct
 * chats need no owner, their id names both; of a group the owner knows the members. What is too
 * much or comes too early is dropped without a word: the next one comes soon.
 */
#include "node/hide.h"
#include "node/hints.h"

#define TYPING_EVERY_MS 3000u
#define N_CHATS         8u /* in which one connection types within that time */

struct chat__typing {
    struct {
        uint64_t chat; /* its hash */
        uint64_t until_ms;
    } chats[N_CHATS];
};

/* Whether it may pass; then it is noted. */
static int may_pass(chat__node *node, chat__node_conn *conn, chat_view chat)
{
    uint64_t hash = chat__siphash(node->options.seed, chat.data, chat.len);
    size_t oldest = 0;
    if (conn->typing == NULL)
        conn->typing = chat__node_alloc(node, sizeof *conn->typing);
    if (conn->typing == NULL)
        return 0;
    for (size_t i = 0; i < N_CHATS; i++) {
        if (conn->typing->chats[i].chat == hash && node->mono_ms < conn->typing->chats[i].until_ms)
            return 0;
        if (conn->typing->chats[i].until_ms < conn->typing->chats[oldest].until_ms)
            oldest = i;
    }
    if (node->mono_ms < conn->typing->chats[oldest].until_ms)
        return 0;
    conn->typing->chats[oldest].chat = hash;
    conn->typing->chats[oldest].until_ms = node->mono_ms + TYPING_EVERY_MS;
    return 1;
}

static void push(chat__node *node, chat_view chat, chat_view user, chat_view_list users)
{
    chat_frame out;
    uint32_t to_node = chat__node_of_user(users.items[0], node->options.n_nodes);
    chat_frame_init(&out, CHAT_FRAME_TYPING_PUSH);
    CHAT_FRAME_SET(&out, CHAT, chat, chat);
    CHAT_FRAME_SET(&out, USER, user, user);
    CHAT_FRAME_SET(&out, USERS, users, users);
    if (to_node == node->options.self)
        chat__typing_on_push(node, &out);
    else
        (void)chat__node_emit_link(node, to_node, &out);
}

void chat__typing_on_client(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_direct_name name;
    chat_view chat;
    chat_view members[2];
    const char *why = "";
    chat_view user = chat__conn_user(conn);
    chat_status status = chat__request_chat(conn, frame, &name, &chat, &why);
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, status, why);
        return;
    }
    if (chat_direct_members(chat, members) == CHAT_OK) {
        chat_view_list peer = {&members[chat__view_equal(members[0], user)], 1};
        if (!chat__hide_holds(node, conn, peer.items[0], chat, frame) && may_pass(node, conn, chat))
            push(node, chat, user, peer);
        return;
    }
    if (!may_pass(node, conn, chat))
        return;
    chat_frame out;
    uint32_t owner = chat__node_of_chat(chat, node->options.n_partitions, node->options.n_nodes);
    chat_frame_init(&out, CHAT_FRAME_TYPING_ASK);
    CHAT_FRAME_SET(&out, CHAT, chat, chat);
    CHAT_FRAME_SET(&out, FROM, from, user);
    if (owner == node->options.self)
        chat__typing_on_owner(node, &out);
    else
        (void)chat__node_emit_link(node, owner, &out);
}

/* The members are not known: ask for them, so that the next one finds them. */
static void load_room(chat__node *node, chat_view chat)
{
    chat_view none = {NULL, 0};
    chat__op *op = chat__op_new(node, CHAT__OP_ROOM, 0);
    chat__room *room = op != NULL ? chat__room_get(node, chat) : NULL;
    chat__effect *effect = NULL;
    if (room != NULL)
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_CHAT, chat, none, none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        if (room != NULL)
            chat__room_release(node, room);
        return;
    }
    op->room = room;
    room->is_busy = 1;
    room->state = CHAT__ROOM_LOADING;
    effect->tag = (uint64_t)(uintptr_t)op;
}

void chat__typing_on_owner(chat__node *node, const chat_frame *frame)
{
    chat__room *room = chat__room_find(node, frame->chat);
    if (room == NULL)
        load_room(node, frame->chat);
    if (room == NULL || room->state != CHAT__ROOM_READY ||
        chat__room_role(room, frame->from) == CHAT__ROLE_NONE)
        return;
    /* Members stand grouped by node. */
    chat_view_list names = chat__roster_names(node, room->roster);
    for (size_t i = 0, end; i < names.n_items; i = end) {
        uint32_t home = chat__node_of_user(names.items[i], node->options.n_nodes);
        end = i + 1;
        while (end < names.n_items &&
               chat__node_of_user(names.items[end], node->options.n_nodes) == home)
            end++;
        chat_view_list users = {names.items + i, end - i};
        push(node, frame->chat, frame->from, users);
    }
}

void chat__typing_on_push(chat__node *node, const chat_frame *frame)
{
    chat_frame out;
    chat_frame_init(&out, CHAT_FRAME_TYPING);
    CHAT_FRAME_SET(&out, CHAT, chat, frame->chat);
    CHAT_FRAME_SET(&out, USER, user, frame->user);
    for (size_t i = 0; i < frame->users.n_items; i++) {
        chat__node_conn *conn = NULL;
        if (!chat__view_equal(frame->users.items[i], frame->user))
            conn = chat__hide_conn(chat__map_get(&node->users, frame->users.items[i]));
        if (conn != NULL && chat__hide_holds(node, conn, frame->user, frame->chat, frame))
            continue;
        for (; conn != NULL; conn = conn->next)
            chat__conn_write_hint(node, conn, &out);
    }
}
