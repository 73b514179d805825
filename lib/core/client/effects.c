/* SPDX-License-Identifier: MIT */
/* What goes out, made when there is room for it: nothing is encoded before it can be written. */
#include "base/alloc.h"
#include "base/view.h"
#include "client/internal.h"

#include <assert.h>

/* Encode into client->out. CHAT_ERR_LIMIT: larger than a frame may be. */
static chat_status encode(chat__client *client, const chat_frame *frame, chat__client_effect *out)
{
    chat_encoding encoding = client->options.encoding;
    size_t len = 0;
    client->out.len = 0;
    chat_status status = chat__buf_reserve(&client->out, chat_frame_size_bound(encoding, frame));
    if (status == CHAT_OK)
        status = chat_frame_encode(encoding, frame, client->out.data, client->out.cap, &len);
    if (status == CHAT_OK && len > client->options.max_frame_bytes)
        status = CHAT_ERR_LIMIT;
    if (status != CHAT_OK)
        return status;
    client->out.len = len;
    out->type = CHAT__CLIENT_WRITE;
    out->bytes = chat__buf_view(&client->out);
    return CHAT_OK;
}

static chat_status write_hello(chat__client *client, chat__client_effect *out)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&frame, DEVICE, device, client->options.device);
    if (client->options.agent.len > 0)
        CHAT_FRAME_SET(&frame, AGENT, agent, client->options.agent);
    chat_status status = encode(client, &frame, out);
    client->is_hello_written = status == CHAT_OK;
    return status;
}

static chat_status write_ack(chat__client *client, chat__client_effect *out)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&frame, N, n, client->n_taken);
    if (client->repair.confirm_seq > 0) {
        CHAT_FRAME_SET(&frame, CHAT, chat,
                       chat__view(client->repair.confirm_chat, client->repair.confirm_len));
        CHAT_FRAME_SET(&frame, SEQ, seq, client->repair.confirm_seq);
    }
    chat_status status = encode(client, &frame, out);
    if (status == CHAT_OK) {
        client->n_acked = client->n_taken;
        client->repair.confirm_seq = 0;
    }
    return status;
}

static chat_status write_repair(chat__client *client, const chat_frame *frame,
                                chat__client_effect *out)
{
    chat_status status = encode(client, frame, out);
    if (status == CHAT_OK)
        chat__repair_asked(client);
    return status;
}

static chat_status write_ping(chat__client *client, chat__client_effect *out)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_PING);
    chat_status status = encode(client, &frame, out);
    if (status == CHAT_OK)
        client->ping_at_ms = client->now_ms + client->heartbeat_ms;
    return status;
}

static chat__client_item *next_request(const chat__client *client)
{
    chat__client_item *item = client->requests.first;
    while (item != NULL && item->state != CHAT__ITEM_QUEUED)
        item = item->next;
    return item;
}

static void mark_resend(chat__client_item *item)
{
    if (item->was_written && item->frame.type != CHAT_FRAME_HISTORY &&
        item->frame.type != CHAT_FRAME_CHATS && item->frame.type != CHAT_FRAME_CHAT_MEMBERS &&
        item->frame.type != CHAT_FRAME_PING)
        CHAT_FRAME_SET(&item->frame, RESEND, resend, 1);
}

static chat_status write_request(chat__client *client, chat__client_item *item,
                                 chat__client_effect *out)
{
    mark_resend(item);
    chat_status status = encode(client, &item->frame, out);
    if (status == CHAT_OK) {
        item->state = CHAT__ITEM_WRITTEN;
        item->was_written = 1;
    } else if (status != CHAT_ERR_NOMEM) {
        item->status = status;
        chat__client_list_remove(&client->requests, item);
        chat__client_list_append(&client->dead, item);
    }
    return status;
}

static chat_status write_message(chat__client *client, chat__client_item *item,
                                 chat__client_effect *out)
{
    chat_status status = CHAT_ERR_LIMIT;
    mark_resend(item);
    if (item->frame.body.len <= client->max_body_bytes)
        status = encode(client, &item->frame, out);
    if (status == CHAT_OK)
        chat__client_outbox_written(&client->outbox,
                                    client->now_ms + client->options.answer_timeout_ms);
    else if (status != CHAT_ERR_NOMEM)
        chat__client_outbox_fail_next(&client->outbox, status);
    return status;
}

/* Requests and messages in the order of the calls, so that a question about a chat comes behind
   what was said in it; but what the outbox holds back holds no request back. What cannot be sent at
   all fails, and the next one has its turn. */
static chat_status write_waiting(chat__client *client, chat__client_effect *out)
{
    for (;;) {
        chat__client_item *request = next_request(client);
        chat__client_item *message = chat__client_outbox_next(&client->outbox);
        chat_status status;
        if (request == NULL && message == NULL)
            return CHAT_EMPTY;
        if (message == NULL || (request != NULL && request->order < message->order))
            status = write_request(client, request, out);
        else
            status = write_message(client, message, out);
        if (status == CHAT_OK || status == CHAT_ERR_NOMEM)
            return status;
    }
}

chat_status chat__client_typing(chat__client *client, const chat_target *target)
{
    chat_frame frame;
    chat__client_item *item;
    if (chat__client_address(target, CHAT_FRAME_TYPING, &frame) != CHAT_OK)
        return CHAT_ERR_ARG;
    if (client->phase == CHAT__PHASE_CLOSED)
        return CHAT_ERR_STATE;
    if (client->phase != CHAT__PHASE_LIVE || client->hints.n_items >= CHAT__CLIENT_HINTS)
        return CHAT_OK;
    chat_status status = chat__client_item_new(&client->allocator, &frame, &item);
    if (status == CHAT_OK)
        chat__client_list_append(&client->hints, item);
    return status;
}

static chat_status write_hint(chat__client *client, chat__client_effect *out)
{
    chat__client_item *item = client->hints.first;
    chat_status status = encode(client, &item->frame, out);
    chat__client_list_remove(&client->hints, item);
    chat__alloc_free(&client->allocator, item);
    return status == CHAT_OK ? CHAT_OK : CHAT_EMPTY;
}

chat_status chat__client_next_effect(chat__client *client, int may_write, chat__client_effect *out)
{
    chat_frame page;
    memset(out, 0, sizeof *out);
    if (!client->is_due_done)
        chat__client_do_due(client);
    if (client->is_close_wanted) {
        client->is_close_wanted = 0;
        out->type = CHAT__CLIENT_CLOSE;
        out->code = client->close_code;
        out->text = client->close_text;
        return CHAT_OK;
    }
    if (client->is_connect_wanted) {
        client->is_connect_wanted = 0;
        out->type = CHAT__CLIENT_CONNECT;
        return CHAT_OK;
    }
    if (client->phase == CHAT__PHASE_HELLO && !client->is_hello_written)
        return write_hello(client, out);
    if (client->phase != CHAT__PHASE_LIVE)
        return CHAT_EMPTY;
    if ((client->n_taken > client->n_acked || client->repair.confirm_seq > 0) &&
        !client->options.ignore_stream)
        return write_ack(client, out);
    if (client->now_ms >= client->ping_at_ms)
        return write_ping(client, out);
    if (!may_write || client->bye_ms != 0)
        return CHAT_EMPTY;
    if (chat__repair_request(client, &page))
        return write_repair(client, &page, out);
    if (client->hints.first != NULL)
        return write_hint(client, out);
    return write_waiting(client, out);
}
