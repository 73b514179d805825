/* SPDX-License-Identifier: MIT */
/*
 * Who is typing, as the application was told: of each it is told once more when that is over, and
 * that is here, for the server says nothing then. A hint for which there is no room is not given,
 * so none is without its end.
 */
#include "base/alloc.h"
#include "base/view.h"
#include "client/internal.h"

static chat__client_item *find(const chat__client_list *list, chat_view chat, chat_view user)
{
    chat__client_item *item = list->first;
    while (item != NULL &&
           !(chat__view_equal(item->frame.chat, chat) && chat__view_equal(item->frame.user, user)))
        item = item->next;
    return item;
}

static void end(chat__client *client, chat__client_item *item)
{
    chat__client_list_remove(&client->typists, item);
    chat__client_list_append(&client->ended, item);
}

int chat__typists_heard(chat__client *client)
{
    chat_frame frame;
    chat_view chat = client->frame.chat;
    chat_view user = client->frame.user;
    chat__client_item *item = find(&client->typists, chat, user);
    chat__client_item *ended = find(&client->ended, chat, user);
    if (client->options.typing_ms == 0)
        return 1;
    if (ended != NULL) { /* it goes on before the application heard of its end */
        chat__client_list_remove(&client->ended, ended);
        chat__client_list_append(&client->typists, ended);
        item = ended;
    }
    chat_frame_init(&frame, CHAT_FRAME_TYPING);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat);
    CHAT_FRAME_SET(&frame, USER, user, user);
    if (item == NULL) {
        if (client->typists.n_items + client->ended.n_items >= CHAT__CLIENT_TYPISTS ||
            chat__client_item_new(&client->allocator, &frame, &item) != CHAT_OK)
            return 0;
        chat__client_list_append(&client->typists, item);
    }
    item->deadline_ms = client->now_ms + client->options.typing_ms;
    return 1;
}

void chat__typists_said(chat__client *client, const chat_frame *msg)
{
    chat__client_item *item = NULL;
    if (client->typists.first != NULL && CHAT_FRAME_HAS(msg, CHAT) && CHAT_FRAME_HAS(msg, FROM))
        item = find(&client->typists, msg->chat, msg->from);
    if (item != NULL)
        end(client, item);
}

void chat__typists_turn(chat__client *client, uint64_t now_ms)
{
    chat__client_item *item = client->typists.first;
    while (item != NULL) {
        chat__client_item *next = item->next;
        if (item->deadline_ms <= now_ms)
            end(client, item);
        item = next;
    }
}

uint64_t chat__typists_due_at(const chat__client *client)
{
    uint64_t at_ms = UINT64_MAX;
    for (const chat__client_item *item = client->typists.first; item != NULL; item = item->next)
        if (item->deadline_ms < at_ms)
            at_ms = item->deadline_ms;
    return at_ms;
}

int chat__typists_tell(chat__client *client)
{
    chat__client_item *item = client->ended.first;
    if (item == NULL)
        return 0;
    chat__client_list_remove(&client->ended, item);
    client->told = item;
    client->frame = item->frame;
    chat__client_give(client, CHAT_EVENT_TYPING_ENDED, CHAT_OK);
    return 1;
}
