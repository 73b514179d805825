/* SPDX-License-Identifier: MIT */
/* What the node of a shard asks of the store about who has blocked whom. */
#include "internal.h"
#include "base/buf.h"
#include "base/view.h"

#include <string.h>

typedef struct name {
    uint8_t len;
    uint8_t bytes[CHAT_ID_MAX_BYTES];
} name;

typedef struct names {
    chat__buf items;
    chat_status status;
} names;

static void on_name(void *ctx, chat_view view)
{
    names *all = ctx;
    name copy = {.len = (uint8_t)view.len};
    memcpy(copy.bytes, view.data, view.len);
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->items, &copy, sizeof copy);
}

/* The names lie still now: views of them, in `out`. */
static chat_status make_views(const names *all, chat__buf *out)
{
    const name *items = (const name *)(const void *)all->items.data;
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < all->items.len / sizeof *items && status == CHAT_OK; i++) {
        chat_view view = {items[i].bytes, items[i].len};
        status = chat__buf_append(out, &view, sizeof view);
    }
    return status;
}

void chat__shard_answer_blocks(chat__shard *shard, const chat__effect *effect)
{
    names all = {.status = CHAT_OK};
    chat__buf views;
    chat__buf_init(&all.items, chat__shard_allocator(shard), SIZE_MAX / 2);
    chat__buf_init(&views, chat__shard_allocator(shard), SIZE_MAX / 2);
    chat_status status =
        chat__store_blocks(shard->server->store, effect->user,
                           effect->kind == CHAT__BLOCKS_BY_OTHERS, effect->limit, on_name, &all);
    if (status >= 0 && all.status != CHAT_OK)
        status = all.status;
    if (status >= 0 && make_views(&all, &views) != CHAT_OK)
        status = CHAT_ERR_NOMEM;
    chat__node_blocks_loaded(shard->node, effect->tag, status,
                             (const chat_view *)(const void *)views.data,
                             status >= 0 ? views.len / sizeof(chat_view) : 0);
    chat__buf_done(&views);
    chat__buf_done(&all.items);
}

void chat__shard_answer_direct(chat__shard *shard, const chat__effect *effect,
                               const chat_view members[2])
{
    chat__store *store = shard->server->store;
    chat__node_chat chat = {.n_members = 0};
    int by_first = 0;
    int by_second = 0;
    chat_status status = chat__store_has_blocked(store, members[0], members[1], &by_first);
    if (status == CHAT_OK)
        status = chat__store_has_blocked(store, members[1], members[0], &by_second);
    chat.blocked =
        (by_first ? CHAT__BLOCKED_BY_FIRST : 0) | (by_second ? CHAT__BLOCKED_BY_SECOND : 0);
    chat__node_chat_loaded(shard->node, effect->tag, status, &chat);
}
