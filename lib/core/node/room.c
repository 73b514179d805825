/* SPDX-License-Identifier: MIT */
/*
 * Chats that this node owns: members (of a direct chat: who has blocked the other), and requests
 * that wait for them in order. Those with nothing waiting stay in a cache of bounded size.
 */
#include "node/internal.h"

#include "route/fanout.h"

#include <string.h>

chat__room *chat__room_find(chat__node *node, chat_view chat)
{
    return chat__map_get(&node->rooms, chat);
}

static void unlink_lru(chat__node *node, chat__room *room)
{
    if (room->prev_lru != NULL)
        room->prev_lru->next_lru = room->next_lru;
    else if (node->lru_first == room)
        node->lru_first = room->next_lru;
    if (room->next_lru != NULL)
        room->next_lru->prev_lru = room->prev_lru;
    else if (node->lru_last == room)
        node->lru_last = room->prev_lru;
    room->prev_lru = NULL;
    room->next_lru = NULL;
}

static void append_lru(chat__node *node, chat__room *room)
{
    room->prev_lru = node->lru_last;
    if (node->lru_last != NULL)
        node->lru_last->next_lru = room;
    else
        node->lru_first = room;
    node->lru_last = room;
}

static void evict(chat__node *node)
{
    while (node->rooms.n_items >= node->options.chat_cache_count && node->lru_first != NULL)
        chat__room_free(node, node->lru_first);
}

chat__room *chat__room_get(chat__node *node, chat_view chat)
{
    chat_view members[2];
    chat__room *room = chat__room_find(node, chat);
    if (room != NULL)
        return room;
    evict(node);
    room = chat__node_alloc(node, sizeof *room + chat.len);
    if (room == NULL)
        return NULL;
    memcpy(room->key, chat.data, chat.len);
    room->key_len = (uint8_t)chat.len;
    room->state = CHAT__ROOM_NEW;
    room->is_direct = chat_direct_members(chat, members) == CHAT_OK;
    if (chat__map_put(&node->rooms, chat__view(room->key, room->key_len), room) != CHAT_OK) {
        chat__node_dealloc(node, room);
        return NULL;
    }
    return room;
}

void chat__room_free(chat__node *node, chat__room *room)
{
    unlink_lru(node, room);
    (void)chat__map_remove(&node->rooms, chat__view(room->key, room->key_len));
    chat__node_dealloc(node, room->roster);
    chat__node_dealloc(node, room);
}

/* Copy the members behind each other, grouped by node; their names go to `text`. */
static void copy_members(const chat__node *node, const chat__node_member *members,
                         const chat_view_list *names, chat__roster *out, chat__route_stop *scratch)
{
    chat__route_plan plan;
    chat__route_part part;
    uint8_t *text = (uint8_t *)(out->members + names->n_items);
    chat__route_plan_init(&plan, names->items, names->n_items, node->options.n_nodes, scratch);
    while (chat__route_plan_next(&plan, names->n_items, &part) == CHAT_OK) {
        for (size_t i = 0; i < part.n_stops; i++) {
            chat__node_member *copy = &out->members[out->n_members++];
            *copy = members[part.stops[i].member];
            memcpy(text, copy->user.data, copy->user.len);
            copy->user.data = text;
            text += copy->user.len;
        }
    }
}

chat__roster *chat__roster_new(chat__node *node, const chat__node_member *members, size_t n)
{
    size_t bytes = sizeof(chat__roster) + n * sizeof *members;
    chat_view *names = chat__arena_get(&node->arena, (n + 1) * sizeof *names);
    chat__route_stop *scratch = chat__arena_get(&node->arena, (n + 1) * sizeof *scratch);
    if (names == NULL || scratch == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        names[i] = members[i].user;
        bytes += names[i].len;
    }
    chat_view_list list = {names, n};
    chat__roster *roster = chat__node_alloc(node, bytes);
    if (roster != NULL)
        copy_members(node, members, &list, roster, scratch);
    return roster;
}

chat_view_list chat__roster_names(chat__node *node, const chat__roster *roster)
{
    size_t bytes = ((size_t)roster->n_members + 1) * sizeof(chat_view);
    chat_view *names = chat__arena_get(&node->arena, bytes);
    chat_view_list list = {names, names != NULL ? roster->n_members : 0};
    for (size_t i = 0; i < list.n_items; i++)
        names[i] = roster->members[i].user;
    return list;
}

void chat__room_set_roster(chat__node *node, chat__room *room, chat__roster *roster)
{
    chat__node_dealloc(node, room->roster);
    room->roster = roster;
}

chat__role chat__room_role(const chat__room *room, chat_view user)
{
    for (uint32_t i = 0; room->roster != NULL && i < room->roster->n_members; i++) {
        if (chat__view_equal(room->roster->members[i].user, user))
            return room->roster->members[i].role;
    }
    return CHAT__ROLE_NONE;
}

void chat__room_enqueue(chat__node *node, chat__room *room, chat__op *op)
{
    unlink_lru(node, room);
    op->room = room;
    op->next = NULL;
    if (room->last != NULL)
        room->last->next = op;
    else
        room->queue = op;
    room->last = op;
}

void chat__room_pin(chat__node *node, chat__room *room)
{
    unlink_lru(node, room);
    room->n_pins++;
}

void chat__room_release(chat__node *node, chat__room *room)
{
    if (room->queue != NULL || room->is_busy || room->n_pins > 0)
        return;
    if (room->state != CHAT__ROOM_READY) {
        chat__room_free(node, room);
        return;
    }
    unlink_lru(node, room);
    append_lru(node, room);
}
