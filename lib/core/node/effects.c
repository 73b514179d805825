/* SPDX-License-Identifier: MIT */
/*
 * The queue of effects: put in by the rest of the node, taken out in order by who drives it. A turn
 * makes thousands, most of them writes that need few of the fields: what waits has only the
 * fields that its type has, so that it stays in the cache.
 */
#include "node/internal.h"
#include "wire/wire.h"

#include <stddef.h>
#include <string.h>

/* Bytes of the struct that effects of a type have. */
#define WRITE_BYTES  offsetof(chat__effect, tag)
#define APPEND_BYTES offsetof(chat__effect, user)
#define CURSOR_BYTES offsetof(chat__effect, before)

static inline size_t bytes_of(chat__effect_type type)
{
    switch (type) {
    case CHAT__EFFECT_WRITE:
    case CHAT__EFFECT_LINK:
        return WRITE_BYTES;
    case CHAT__EFFECT_APPEND:
        return APPEND_BYTES;
    case CHAT__EFFECT_CURSOR:
        return CURSOR_BYTES;
    default:
        return sizeof(chat__effect);
    }
}

/* With a length that the compiler knows for what is frequent: no call. */
static inline void copy(chat__effect_type type, void *to, const void *from)
{
    if (type == CHAT__EFFECT_WRITE || type == CHAT__EFFECT_LINK)
        memcpy(to, from, WRITE_BYTES);
    else
        memcpy(to, from, bytes_of(type));
}

/* The last one that was put in is filled in by now: room for it was reserved. */
static inline void close_last(chat__node *node)
{
    chat__effect *last = &node->last_effect;
    if (last->type == 0)
        return;
    copy(last->type, node->effects.data + node->effects.len, last);
    node->effects.len += bytes_of(last->type);
    last->type = (chat__effect_type)0;
}

chat__effect *chat__node_emit(chat__node *node, chat__effect_type type)
{
    close_last(node);
    if (chat__buf_reserve(&node->effects, bytes_of(type)) != CHAT_OK)
        return NULL;
    memset(&node->last_effect, 0, bytes_of(type));
    node->last_effect.type = type;
    return &node->last_effect;
}

int chat__node_has_effects(const chat__node *node)
{
    return node->last_effect.type != 0 || node->effects_at < node->effects.len;
}

void chat__node_forget_effects(chat__node *node)
{
    node->effects.len = 0;
    node->effects_at = 0;
}

chat_status chat__node_next_effect(chat__node *node, chat__effect *out)
{
    while (!chat__node_has_effects(node)) {
        if (!chat__fanout_serve(node))
            return CHAT_EMPTY;
    }
    close_last(node);
    const uint8_t *at = node->effects.data + node->effects_at;
    chat__effect_type type;
    memcpy(&type, at, sizeof type);
    copy(type, out, at);
    node->effects_at += bytes_of(type);
    return CHAT_OK;
}

/* An empty view stays empty. */
static int copy_view(chat__node *node, chat_view from, chat_view *out)
{
    *out = chat__arena_copy(&node->arena, from);
    return out->len == from.len;
}

chat__effect *chat__node_emit_about(chat__node *node, chat__effect_type type, chat_view chat,
                                    chat_view user, chat_view device)
{
    if (!copy_view(node, chat, &chat) || !copy_view(node, user, &user) ||
        !copy_view(node, device, &device))
        return NULL;
    chat__effect *effect = chat__node_emit(node, type);
    if (effect == NULL)
        return NULL;
    effect->chat = chat;
    effect->user = user;
    effect->device = device;
    return effect;
}

static chat_status encode(chat_encoding encoding, const chat_frame *frame, uint8_t *out, size_t cap,
                          size_t *out_len)
{
    if (out == NULL)
        return CHAT_ERR_LIMIT;
    return encoding == CHAT_ENCODING_CBOR ? chat__frame_encode_own(frame, out, cap, out_len)
                                          : chat_frame_encode(encoding, frame, out, cap, out_len);
}

chat_view chat__node_encode(chat__node *node, chat_encoding encoding, const chat_frame *frame)
{
    size_t cap = 0, len = 0;
    uint8_t *bytes = chat__arena_peek(&node->arena, &cap);
    if (encode(encoding, frame, bytes, cap, &len) == CHAT_OK) {
        (void)chat__arena_get(&node->arena, len);
        return chat__view(bytes, len);
    }
    cap = chat_frame_size_bound(encoding, frame);
    bytes = chat__arena_get(&node->arena, cap);
    if (encode(encoding, frame, bytes, cap, &len) != CHAT_OK)
        return chat__view(NULL, 0);
    return chat__view(bytes, len);
}

chat_status chat__node_emit_link(chat__node *node, uint32_t to_node, const chat_frame *frame)
{
    if (node->is_lost[to_node])
        return CHAT_OK; /* it finds out when it is found */
    chat_view bytes = chat__node_encode(node, CHAT_ENCODING_CBOR, frame);
    chat__effect *effect = bytes.len > 0 ? chat__node_emit(node, CHAT__EFFECT_LINK) : NULL;
    if (effect == NULL)
        return CHAT_ERR_NOMEM;
    effect->to_node = to_node;
    effect->bytes = bytes;
    return CHAT_OK;
}

void chat__node_log(chat__node *node, const char *text)
{
    chat__effect *effect = chat__node_emit(node, CHAT__EFFECT_LOG);
    if (effect != NULL)
        effect->text = text;
}
