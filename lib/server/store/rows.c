/* SPDX-License-Identifier: MIT */
/* Rows of users (memberships, devices, cursors) that SQLite does not have yet. See state.h. */
#include "store/state.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

#define KEY_MAX (3u + 2u * CHAT_ID_MAX_BYTES + CHAT_CHAT_ID_MAX_BYTES)

static size_t make_key(uint8_t *key, chat__row_type type, chat_view user, chat_view device,
                       chat_view chat)
{
    size_t len = 0;
    key[len++] = (uint8_t)type;
    key[len++] = (uint8_t)user.len;
    memcpy(key + len, user.data, user.len);
    len += user.len;
    key[len++] = (uint8_t)device.len;
    if (device.len > 0)
        memcpy(key + len, device.data, device.len);
    len += device.len;
    if (chat.len > 0)
        memcpy(key + len, chat.data, chat.len);
    return len + chat.len;
}

chat_view chat__state_row_user(const chat__state_row *row)
{
    return chat__view(row->key + 2, row->user_len);
}

chat_view chat__state_row_device(const chat__state_row *row)
{
    return chat__view(row->key + 3 + row->user_len, row->device_len);
}

chat_view chat__state_row_chat(const chat__state_row *row)
{
    return chat__view(row->key + 3 + row->user_len + row->device_len, row->chat_len);
}

chat__state_user *chat__state_user_of(chat__state *state, chat_view user)
{
    return chat__map_get(&state->users, user);
}

chat__state_user *chat__state_group_of(chat__state *state, chat_view chat)
{
    return chat__map_get(&state->groups, chat);
}

static chat__state_user *make_user(chat__state *state, chat__map *map, chat_view name)
{
    chat__state_user *user = chat__map_get(map, name);
    if (user != NULL)
        return user;
    user = chat__alloc_zero(&state->allocator, sizeof *user + name.len);
    if (user == NULL)
        return NULL;
    user->len = (uint8_t)name.len;
    memcpy(user->name, name.data, name.len);
    if (chat__map_put(map, chat__view(user->name, user->len), user) != CHAT_OK) {
        chat__alloc_free(&state->allocator, user);
        return NULL;
    }
    return user;
}

static void drop_user_if_empty(chat__state *state, chat__map *map, chat__state_user *user)
{
    if (user == NULL || user->rows != NULL)
        return;
    (void)chat__map_remove(map, chat__view(user->name, user->len));
    chat__alloc_free(&state->allocator, user);
}

static void link_to_user(chat__state_row *row, chat__state_user *user)
{
    row->user = user;
    row->next_of_user = user->rows;
    if (user->rows != NULL)
        user->rows->prev_of_user = row;
    user->rows = row;
}

chat__state_row *chat__state_find_row(chat__state *state, chat__row_type type, chat_view user,
                                      chat_view device, chat_view chat)
{
    uint8_t key[KEY_MAX];
    size_t len = make_key(key, type, user, device, chat);
    return chat__map_get(&state->rows, chat__view(key, len));
}

static void link_to_group(chat__state_row *row, chat__state_user *group)
{
    row->group = group;
    row->next_of_group = group->rows;
    if (group->rows != NULL)
        group->rows->prev_of_group = row;
    group->rows = row;
}

static void unlink_from_group(chat__state *state, chat__state_row *row)
{
    chat__state_user *group = row->group;
    if (group == NULL)
        return;
    *(row->prev_of_group != NULL ? &row->prev_of_group->next_of_group : &group->rows) =
        row->next_of_group;
    if (row->next_of_group != NULL)
        row->next_of_group->prev_of_group = row->prev_of_group;
    drop_user_if_empty(state, &state->groups, group);
}

chat__state_row *chat__state_row_of(chat__state *state, chat__row_type type, chat_view user,
                                    chat_view device, chat_view chat)
{
    uint8_t key[KEY_MAX];
    size_t len = make_key(key, type, user, device, chat);
    chat__state_row *row = chat__map_get(&state->rows, chat__view(key, len));
    if (row != NULL)
        return row;
    chat__state_user *owner = make_user(state, &state->users, user);
    chat__state_user *group = NULL;
    int is_of_chat = type == CHAT__ROW_MEMBER || type == CHAT__ROW_NOTE || type == CHAT__ROW_BLOCK;
    if (owner != NULL && is_of_chat)
        group = make_user(state, &state->groups, chat);
    if (owner == NULL || (is_of_chat && group == NULL)) {
        drop_user_if_empty(state, &state->users, owner);
        return NULL;
    }
    row = chat__alloc_zero(&state->allocator, sizeof *row + len);
    if (row != NULL) {
        memcpy(row->key, key, len);
        if (chat__map_put(&state->rows, chat__view(row->key, len), row) != CHAT_OK) {
            chat__alloc_free(&state->allocator, row);
            row = NULL;
        }
    }
    if (row == NULL) {
        drop_user_if_empty(state, &state->users, owner);
        drop_user_if_empty(state, &state->groups, group);
        return NULL;
    }
    row->type = (uint8_t)type;
    row->user_len = (uint8_t)user.len;
    row->device_len = (uint8_t)device.len;
    row->chat_len = (uint8_t)chat.len;
    row->node.n_bytes = (uint32_t)(sizeof *row + len + sizeof(chat__map_slot) * 2);
    state->n_bytes += row->node.n_bytes;
    link_to_user(row, owner);
    if (group != NULL)
        link_to_group(row, group);
    return row;
}

chat__state_row *chat__state_member_of(chat__state *state, chat_view user, chat_view chat,
                                       uint64_t seq)
{
    uint8_t bytes[8];
    chat__store64le(bytes, seq);
    return chat__state_row_of(state, CHAT__ROW_MEMBER, user, chat__view(bytes, sizeof bytes), chat);
}

uint64_t chat__state_row_seq(const chat__state_row *row)
{
    return chat__load64le(chat__state_row_device(row).data);
}

void chat__state_drop_row_if_idle(chat__state *state, chat__state_row *row)
{
    chat__state_user *user = row->user;
    if (row->node.epoch != 0 || row->n_staged > 0)
        return;
    size_t len = 3u + row->user_len + row->device_len + row->chat_len;
    (void)chat__map_remove(&state->rows, chat__view(row->key, len));
    *(row->prev_of_user != NULL ? &row->prev_of_user->next_of_user : &user->rows) =
        row->next_of_user;
    if (row->next_of_user != NULL)
        row->next_of_user->prev_of_user = row->prev_of_user;
    unlink_from_group(state, row);
    state->n_bytes -= row->node.n_bytes;
    chat__alloc_free(&state->allocator, row);
    drop_user_if_empty(state, &state->users, user);
}
