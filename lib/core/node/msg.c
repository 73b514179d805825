/* SPDX-License-Identifier: MIT */
/* A record on its way to devices: encoded once for each encoding, counted by references. */
#include "node/trail.h"
#include "wire/wire.h"

#include <string.h>

static void append_view(uint8_t **at, chat_view from, chat_view *out)
{
    memcpy(*at, from.data, from.len);
    *out = chat__view(*at, from.len);
    *at += from.len;
}

chat__msg *chat__msg_new(chat__node *node, const chat_frame *frame)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, frame);
    size_t bytes = sizeof(chat__msg) + frame->chat.len + frame->from.len + cap;
    chat__msg *msg = chat__pool_get(&node->pool, bytes, sizeof *msg);
    size_t len = 0;
    if (msg == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(msg + 1);
    msg->n_refs = 1;
    msg->seq = frame->seq;
    msg->id = frame->id;
    if (node->trail != NULL && frame->type == CHAT_FRAME_MSG)
        msg->trail_key = chat__trail_key(node, frame->chat, frame->seq);
    msg->is_message = frame->type == CHAT_FRAME_MSG;
    append_view(&at, frame->chat, &msg->chat);
    append_view(&at, frame->from, &msg->from);
    msg->is_receipt_wanted = frame->type == CHAT_FRAME_MSG && CHAT_FRAME_HAS(frame, COUNT) &&
                             frame->count < CHAT__RECEIPT_MEMBERS;
    if (chat__frame_encode_own(frame, at, cap, &len) != CHAT_OK) {
        chat__pool_put(&node->pool, msg);
        return NULL;
    }
    msg->bytes[CHAT_ENCODING_CBOR] = chat__view(at, len);
    return msg;
}

void chat__msg_share(chat__node *node, chat__msg *msg)
{
    msg->share = ++node->n_shared;
}

uint64_t chat__msg_share_of(const chat__msg *msg, uint8_t encoding)
{
    return msg->share == 0 ? 0 : msg->share << 2 | encoding;
}

void chat__msg_release(chat__node *node, chat__msg *msg)
{
    if (--msg->n_refs > 0)
        return;
    msg->next_dead = node->dead;
    node->dead = msg;
}

chat_view chat__msg_bytes(chat__node *node, chat__msg *msg, uint8_t encoding)
{
    chat_frame frame;
    if (msg->bytes[encoding].len > 0)
        return msg->bytes[encoding];
    if (chat__frame_decode_own(node->row_decoder, msg->bytes[CHAT_ENCODING_CBOR], &frame) !=
        CHAT_OK)
        return chat__view(NULL, 0);
    size_t cap = chat_frame_size_bound((chat_encoding)encoding, &frame);
    size_t len = 0;
    uint8_t *bytes = chat__node_alloc(node, cap);
    if (bytes == NULL ||
        chat_frame_encode((chat_encoding)encoding, &frame, bytes, cap, &len) != CHAT_OK) {
        chat__node_dealloc(node, bytes);
        return chat__view(NULL, 0);
    }
    msg->bytes[encoding] = chat__view(bytes, len);
    return msg->bytes[encoding];
}
