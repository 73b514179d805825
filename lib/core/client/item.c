/* SPDX-License-Identifier: MIT */
/* See item.h. */
#include "client/item.h"
#include "base/alloc.h"

#include <string.h>

/* The fields that frames of a client have; what they point at moves behind the item. */
static size_t tail_bytes(const chat_frame *frame)
{
    const chat_view views[] = {frame->chat, frame->to, frame->cid, frame->body, frame->title};
    size_t bytes = frame->users.n_items * sizeof(chat_view);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        bytes += views[i].len;
    for (size_t i = 0; i < frame->users.n_items; i++)
        bytes += frame->users.items[i].len;
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
    size_t bytes = sizeof(chat__client_item) + tail_bytes(frame);
    chat__client_item *item = chat__alloc_zero(allocator, bytes);
    if (item == NULL)
        return CHAT_ERR_NOMEM;
    chat_view *users = (chat_view *)(item + 1);
    uint8_t *at = (uint8_t *)(users + frame->users.n_items);
    item->frame = *frame;
    item->frame.chat = move(frame->chat, &at);
    item->frame.to = move(frame->to, &at);
    item->frame.cid = move(frame->cid, &at);
    item->frame.body = move(frame->body, &at);
    item->frame.title = move(frame->title, &at);
    for (size_t i = 0; i < frame->users.n_items; i++)
        users[i] = move(frame->users.items[i], &at);
    item->frame.users.items = users;
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
