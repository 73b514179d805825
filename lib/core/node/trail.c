/* SPDX-License-Identifier: MIT */
/* The ring of what happened. See trail.h. */
#include "node/trail.h"

#include <string.h>

struct chat__trail {
    uint32_t next; /* to be written */
    uint32_t n_rows;
    chat__trail_row rows[];
};

chat_status chat__trail_init(chat__node *node)
{
    size_t n = node->options.trail_count;
    if (n == 0)
        return CHAT_OK;
    node->trail = chat__node_alloc(node, sizeof *node->trail + n * sizeof(chat__trail_row));
    return node->trail != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

void chat__trail_done(chat__node *node)
{
    chat__node_dealloc(node, node->trail);
    node->trail = NULL;
}

uint64_t chat__trail_user(const chat__node *node, chat_view user)
{
    return chat__siphash(node->options.seed, user.data, user.len);
}

uint64_t chat__trail_key(const chat__node *node, chat_view chat, uint64_t seq)
{
    uint64_t key = chat__siphash(node->options.seed, chat.data, chat.len) ^ seq;
    return key != 0 ? key : 1;
}

void chat__trail_put(chat__node *node, chat__event event, uint64_t key, uint64_t user,
                     chat_view device)
{
    chat__trail *trail = node->trail;
    if (trail == NULL)
        return;
    chat__trail_row *row = &trail->rows[trail->next];
    row->key = key;
    row->user = user;
    row->at_ms = node->unix_ms;
    row->event = (uint8_t)event;
    row->device_len = (uint8_t)device.len;
    if (device.len > 0)
        memcpy(row->device, device.data, device.len);
    if (++trail->next == node->options.trail_count)
        trail->next = 0;
    if (trail->n_rows < node->options.trail_count)
        trail->n_rows++;
}

void chat__trail_count(chat__node *node, chat__event event, const chat__node_conn *conn,
                       const chat__msg *msg)
{
    chat__count(&node->counts, event);
    if (msg->trail_key != 0)
        chat__trail_put(node, event, msg->trail_key, conn->user->trail_user,
                        chat__conn_device(conn));
}

void chat__trail_away(chat__node *node, chat__event event, chat_view user, chat_view chat,
                      uint64_t seq)
{
    chat_view none = {NULL, 0};
    if (node->trail != NULL)
        chat__trail_put(node, event, chat__trail_key(node, chat, seq), chat__trail_user(node, user),
                        none);
}

const chat__trail_row *chat__trail_at(const chat__node *node, uint32_t i)
{
    const chat__trail *trail = node->trail;
    if (trail == NULL || i >= trail->n_rows)
        return NULL;
    uint32_t first = trail->n_rows < node->options.trail_count ? 0 : trail->next;
    uint32_t at = first + i;
    if (at >= node->options.trail_count)
        at -= node->options.trail_count;
    return &trail->rows[at];
}
