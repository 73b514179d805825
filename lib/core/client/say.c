/* SPDX-License-Identifier: MIT */
/* What the application says: messages on their way into the outbox, and a look at it. */
#include "base/utf8.h"
#include "base/view.h"
#include "client/internal.h"

#include <string.h>

static chat_status check_target(const chat_target *target)
{
    chat_view members[2];
    if (target->chat.len == 0)
        return chat_id_is_valid(target->to) ? CHAT_OK : CHAT_ERR_ARG;
    if (target->to.len > 0 || !chat__utf8_is_valid(target->chat))
        return CHAT_ERR_ARG;
    if (chat_group_id_is_valid(target->chat))
        return CHAT_OK;
    return chat_direct_members(target->chat, members) == CHAT_OK ? CHAT_OK : CHAT_ERR_ARG;
}

chat_status chat__client_address(const chat_target *target, chat_frame_type type, chat_frame *out)
{
    chat_status status = check_target(target);
    if (status != CHAT_OK)
        return status;
    chat_frame_init(out, type);
    if (target->chat.len > 0)
        CHAT_FRAME_SET(out, CHAT, chat, target->chat);
    else
        CHAT_FRAME_SET(out, TO, to, target->to);
    return CHAT_OK;
}

chat_status chat__client_say(chat__client *client, const chat_target *target,
                             const chat__client_message *message, chat_client_cid *out_cid)
{
    chat_view body = message->body;
    chat_view cid = message->cid;
    chat_client_cid made = {{0}};
    chat_frame frame;
    int is_resend = cid.len > 0;
    chat_status status = chat__client_address(target, CHAT_FRAME_SEND, &frame);
    if (status != CHAT_OK || !chat__utf8_is_valid(body))
        return CHAT_ERR_ARG;
    if (is_resend && !chat_id_is_valid(cid))
        return CHAT_ERR_ARG;
    if (client->phase == CHAT__PHASE_CLOSED)
        return CHAT_ERR_STATE;
    if (body.len > client->max_body_bytes)
        return CHAT_ERR_LIMIT;
    if (is_resend)
        memcpy(made.text, cid.data, cid.len);
    else
        chat__client_make_cid(client, &made);
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str(made.text));
    CHAT_FRAME_SET(&frame, BODY, body, body);
    if (message->re != 0)
        CHAT_FRAME_SET(&frame, RE, re, message->re);
    status = chat__client_outbox_put(&client->outbox, &frame, is_resend);
    if (status != CHAT_OK)
        return status;
    client->next_cid += !is_resend;
    client->outbox.list.last->order = client->next_order++;
    if (out_cid != NULL)
        *out_cid = made;
    return CHAT_OK;
}

size_t chat__client_outbox_count(const chat__client *client)
{
    return client->outbox.list.n_items;
}

void chat__client_unsay(chat__client *client)
{
    chat__client_outbox_unput(&client->outbox);
}

static chat_status show(const chat__client_item *item, chat__client_waiting *out)
{
    if (item == NULL)
        return CHAT_EMPTY;
    out->frame = &item->frame;
    out->number = item->order;
    out->is_written = item->state == CHAT__ITEM_WRITTEN;
    return CHAT_OK;
}

chat_status chat__client_outbox_after(const chat__client *client, uint64_t number,
                                      chat__client_waiting *out)
{
    const chat__client_item *item = client->outbox.list.first;
    while (item != NULL && item->order <= number)
        item = item->next;
    return show(item, out);
}

chat_status chat__client_outbox_last(const chat__client *client, chat__client_waiting *out)
{
    return show(client->outbox.list.last, out);
}

chat_status chat__client_outbox_find(const chat__client *client, chat_view cid,
                                     chat__client_waiting *out)
{
    return show(chat__map_get(&client->outbox.by_cid, cid), out);
}
