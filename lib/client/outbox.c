/* SPDX-License-Identifier: MIT */
/* <chat/client_store.h>: the outbox, on disk or in memory, as the application sees it. */
#include <chat/client_store.h>

#include "base/alloc.h"
#include "base/sized.h"
#include "keep.h"

#include <string.h>

/* The views of an item live until the next one is shown. */
chat_status chat__client_show_frame(chat_client *client, const chat_frame *frame,
                                    chat_outbox_item *out)
{
    chat__client_item *shown;
    chat_status status = chat__client_item_new(&client->allocator, frame, &shown);
    if (status != CHAT_OK)
        return status;
    chat__alloc_free(&client->allocator, client->shown);
    client->shown = shown;
    out->cid = shown->frame.cid;
    out->body = shown->frame.body;
    if (CHAT_FRAME_HAS(frame, CHAT))
        out->chat = shown->frame.chat;
    if (CHAT_FRAME_HAS(frame, TO))
        out->to = shown->frame.to;
    if (CHAT_FRAME_HAS(frame, RE))
        out->re = frame->re;
    return CHAT_OK;
}

static chat_status show_waiting(chat_client *client, const chat__client_waiting *waiting,
                                chat_outbox_item *out)
{
    memset(out, 0, sizeof *out);
    out->number = waiting->number;
    out->state = waiting->is_written ? CHAT_OUTBOX_WRITTEN : CHAT_OUTBOX_WAITING;
    return chat__client_show_frame(client, waiting->frame, out);
}

static chat_status next(chat_client *client, uint64_t after, chat_outbox_item *out)
{
    chat__client_waiting waiting;
    if (client->cache != NULL)
        return chat__keep_next(client, after, out);
    chat_status status = chat__client_outbox_after(client->core, after, &waiting);
    return status == CHAT_OK ? show_waiting(client, &waiting, out) : status;
}

static chat_status find(chat_client *client, chat_view cid, chat_outbox_item *out)
{
    chat__client_waiting waiting;
    if (client->cache != NULL)
        return chat__keep_find(client, cid, out);
    chat_status status = chat__client_outbox_find(client->core, cid, &waiting);
    return status == CHAT_OK ? show_waiting(client, &waiting, out) : status;
}

chat_status chat_client_outbox_next(chat_client *client, uint64_t after, chat_outbox_item *out)
{
    chat_outbox_item item;
    if (client == NULL || out == NULL || after > INT64_MAX)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = next(client, after, &item);
    chat__client_exit(client);
    return status == CHAT_OK ? chat__sized_give(out, &item, sizeof item) : status;
}

chat_status chat_client_outbox_find(chat_client *client, chat_view cid, chat_outbox_item *out)
{
    chat_outbox_item item;
    if (client == NULL || out == NULL || !chat_id_is_valid(cid))
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = find(client, cid, &item);
    chat__client_exit(client);
    if (status == CHAT_EMPTY)
        return CHAT_ERR_NOT_FOUND;
    return status == CHAT_OK ? chat__sized_give(out, &item, sizeof item) : status;
}

/* What failed is kept in the file alone. */
static chat_status tend(chat_client *client, chat_view cid,
                        chat_status (*how)(chat_client *client, chat_view cid))
{
    chat_status status = CHAT_EMPTY;
    if (client == NULL || !chat_id_is_valid(cid))
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    if (client->is_leaving)
        status = CHAT_ERR_STATE;
    else if (client->cache != NULL)
        status = how(client, cid);
    if (status == CHAT_OK)
        chat__client_wake_self(client);
    chat__client_exit(client);
    return status == CHAT_EMPTY ? CHAT_ERR_NOT_FOUND : status;
}

chat_status chat_client_outbox_retry(chat_client *client, chat_view cid)
{
    return tend(client, cid, chat__keep_retry);
}

chat_status chat_client_outbox_drop(chat_client *client, chat_view cid)
{
    return tend(client, cid, chat__keep_drop);
}
