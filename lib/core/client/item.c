/* SPDX-License-Identifier: MIT */
/* See item.h. */
#include "client/item.h"
#include "base/alloc.h"

#include <string.h>

/* The texts of a frame that are there; what they point at moves behind the item. */
#define N_TEXTS 64u

static size_t texts_of(chat_frame *frame, chat_view **out)
{
    size_t n = 0;
#define ADD_ID(name, member)                                                                       \
    if (CHAT_FRAME_HAS(frame, name))                                                               \
        out[n++] = &frame->member;
#define ADD_CHAT ADD_ID
#define ADD_TEXT ADD_ID
#define ADD_U64(name, member)
#define ADD_UINT(name, member)
#define ADD_BOOL(name, member)
#define ADD_IDS(name, member)
#define ADD(name, key, member, kind, max, text) ADD_##kind(name, member)
    CHAT_FIELD_TABLE(ADD)
    return n;
}

static size_t tail_bytes(chat_view_list users, chat_view *const *texts, size_t n_texts)
{
    size_t bytes = users.n_items * sizeof(chat_view);
    for (size_t i = 0; i < n_texts; i++)
        bytes += texts[i]->len;
    for (size_t i = 0; i < users.n_items; i++)
        bytes += users.items[i].len;
    return bytes;
}

static chat_view move(chat_view view, uint8_t **at)
{
    chat_view copy = {*at, view.len};
    if (view.len > 0)
        memcpy(*at, view.data, view.len);
    *at += view.len;
    return copy;
}

chat_status chat__client_item_new(const chat_allocator *allocator, const chat_frame *frame,
                                  chat__client_item **out)
{
    chat_frame copy = *frame;
    chat_view *texts[N_TEXTS];
    size_t n_texts = texts_of(&copy, texts);
    const chat_view_list none = {NULL, 0};
    chat_view_list from = CHAT_FRAME_HAS(frame, USERS) ? frame->users : none;
    size_t bytes = sizeof(chat__client_item) + tail_bytes(from, texts, n_texts);
    chat__client_item *item = chat__alloc_zero(allocator, bytes);
    if (item == NULL)
        return CHAT_ERR_NOMEM;
    chat_view *users = (chat_view *)(item + 1);
    uint8_t *at = (uint8_t *)(users + from.n_items);
    for (size_t i = 0; i < n_texts; i++)
        *texts[i] = move(*texts[i], &at);
    item->frame = copy;
    for (size_t i = 0; i < from.n_items; i++)
        users[i] = move(from.items[i], &at);
    item->frame.users.items = users;
    item->frame.users.n_items = from.n_items;
    item->state = CHAT__ITEM_QUEUED;
    item->bytes = bytes;
    *out = item;
    return CHAT_OK;
}

void chat__client_list_append(chat__client_list *list, chat__client_item *item)
{
    item->prev = list->last;
    item->next = NULL;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
    list->n_items++;
}

void chat__client_list_remove(chat__client_list *list, chat__client_item *item)
{
    if (item->prev != NULL)
        item->prev->next = item->next;
    else
        list->first = item->next;
    if (item->next != NULL)
        item->next->prev = item->prev;
    else
        list->last = item->prev;
    item->prev = NULL;
    item->next = NULL;
    list->n_items--;
}

void chat__client_list_free(chat__client_list *list, const chat_allocator *allocator)
{
    while (list->first != NULL) {
        chat__client_item *item = list->first;
        chat__client_list_remove(list, item);
        chat__alloc_free(allocator, item);
    }
}
