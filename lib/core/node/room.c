/* SPDX-License-Identifier: MIT */
/*
 * Chats that this node owns: members, and the requests that wait for them in order. Groups with
 * nothing waiting stay in a cache of bounded size; a direct chat needs no cache, its id names both.
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
    chat__node_dealloc(node, room->members);
    chat__node_dealloc(node, room);
}

/* Copy the members behind each other, grouped by node; their bytes go to `text`. */
static uint32_t copy_members(const chat__node *node, chat_view_list members, chat_view *out,
                             uint8_t *text, chat__route_stop *scratch)
{
    chat__route_plan plan;
    chat__route_part part;
    uint32_t n = 0;
    chat__route_plan_init(&plan, members.items, members.n_items, node->options.n_nodes, scratch);
    while (chat__route_plan_next(&plan, members.n_items, &part) == CHAT_OK) {
        for (size_t i = 0; i < part.n_stops; i++) {
            chat_view member = members.items[part.stops[i].member];
            memcpy(text, member.data, member.len);
            out[n++] = chat__view(text, member.len);
            text += member.len;
        }
    }
    return n;
}

chat_status chat__room_set_members(chat__node *node, chat__room *room, chat_view_list members)
{
    size_t bytes = members.n_items * sizeof(chat_view);
    for (size_t i = 0; i < members.n_items; i++)
        bytes += members.items[i].len;
    chat__route_stop *scratch =
        chat__arena_get(&node->arena, (members.n_items + 1) * sizeof *scratch);
    chat_view *copy = scratch != NULL ? chat__node_alloc(node, bytes + 1) : NULL;
    if (copy == NULL)
        return CHAT_ERR_NOMEM;
    uint32_t n = copy_members(node, members, copy, (uint8_t *)(copy + members.n_items), scratch);
    chat__node_dealloc(node, room->members);
    room->members = copy;
    room->n_members = n;
    return CHAT_OK;
}

int chat__room_has_member(const chat__room *room, chat_view user)
{
    for (uint32_t i = 0; i < room->n_members; i++) {
        if (chat__view_equal(room->members[i], user))
            return 1;
    }
    return 0;
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
    if (room->is_direct || room->state != CHAT__ROOM_READY) {
        chat__room_free(node, room);
        return;
    }
    unlink_lru(node, room);
    append_lru(node, room);
}
