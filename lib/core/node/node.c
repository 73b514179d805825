/* SPDX-License-Identifier: MIT */
/* The turn: time in, effects out, and answers of storage on their way to who asked. See node.h. */
#include "node/devices.h"
#include "node/block.h"
#include "node/hide.h"
#include "node/hints.h"
#include "node/limits.h"
#include "node/note.h"
#include "node/lookup.h"
#include "node/notify.h"
#include "node/peer.h"
#include "node/self.h"
#include "node/trail.h"
#include "base/alloc.h"
#include "wire/wire.h"

#include <string.h>

#define NEVER           UINT64_MAX
#define EFFECTS_MIN     64u
#define EFFECTS_MAX     (1u << 20)
#define ARENA_MAX_BYTES (256u << 20)
/* A node frame carries a client's frame and a little more. */
#define NODE_FRAME_EXTRA 65536u
/* While connections wait for their last answers. */
#define DRAIN_POLL_MS 5u

void chat__node_options_init(chat__node_options *options)
{
    memset(options, 0, sizeof *options);
    options->n_nodes = 1;
    options->n_partitions = 64;
    options->lease_until_ms = NEVER;
    options->heartbeat_ms = 30000;
    options->hello_timeout_ms = 10000;
    options->ack_timeout_ms = 5000;
    options->max_connections = 100000;
    options->max_frame_bytes = 131072;
    options->max_body_bytes = CHAT_BODY_MAX_BYTES;
    options->max_group_members = CHAT_GROUP_MAX_MEMBERS;
    options->window_count = 256;
    options->window_bytes = 1u << 20;
    options->max_unsent_bytes = 1u << 20;
    options->slow_close_ms = 30000;
    options->batch_count = 100;
    options->dedupe_count = 65536;
    options->max_pending = 65536;
    options->chat_cache_count = 65536;
    options->presence_count = 65536;
    options->max_watched = 256;
    options->device_seen_ms = 86400000;
    options->max_blocked = 1000;
    options->trail_count = 4096;
    options->notify_interval_ms = 60000;
    options->fanout_sync_members = 50;
    options->fanout_turn_sockets = 64;
    options->fanout_chat_records = 128;
}

static int options_are_sane(const chat__node_options *options)
{
    return options->n_nodes > 0 && options->self < options->n_nodes && options->n_partitions > 0 &&
           options->max_frame_bytes >= 1024 && options->window_count > 0 &&
           options->batch_count > 0 && options->heartbeat_ms > 0 && options->device_seen_ms > 0 &&
           options->device_seen_ms <= INT32_MAX && options->fanout_turn_sockets > 0 &&
           options->max_group_members >= 2 &&
           options->max_group_members <= CHAT_GROUP_MAX_MEMBERS && options->max_pending > 0;
}

static void take_limits(chat__node *node, const chat__node_options *options)
{
    node->options = *options;
    node->limits.allocator = &node->allocator;
    node->limits.heartbeat_ms = options->heartbeat_ms;
    node->limits.hello_timeout_ms = options->hello_timeout_ms;
    node->limits.ack_timeout_ms = options->ack_timeout_ms;
    node->limits.slow_close_ms = options->slow_close_ms;
    node->limits.window_count = options->window_count;
    node->limits.window_bytes = options->window_bytes;
    node->limits.max_unsent_bytes = options->max_unsent_bytes;
}

chat_status chat__node_new(const chat__node_options *options, chat__node **out)
{
    if (options == NULL || out == NULL || !options_are_sane(options))
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat__node *node = chat__alloc_zero(&allocator, sizeof *node);
    if (node == NULL)
        return CHAT_ERR_NOMEM;
    node->allocator = allocator;
    take_limits(node, options);
    chat__pool_init(&node->pool, &node->allocator);
    chat__arena_init(&node->arena, &node->allocator, ARENA_MAX_BYTES);
    chat__heap_init(&node->timers, &node->allocator, options->max_connections);
    chat__map_init(&node->users, &node->allocator, options->max_connections, options->seed);
    chat__map_init(&node->rooms, &node->allocator, SIZE_MAX, options->seed);
    chat__map_init(&node->cids, &node->allocator, SIZE_MAX, options->seed);
    chat__map_init(&node->fans, &node->allocator, SIZE_MAX, options->seed);
    size_t max_bytes = (size_t)options->max_frame_bytes + NODE_FRAME_EXTRA;
    chat_status status =
        chat_idgen_init(&node->idgen, options->snowflake_node, options->not_before_id);
    chat_idgen_set_lease(&node->idgen, options->lease_until_ms);
    if (status == CHAT_OK)
        status = chat_decoder_new(&node->allocator, max_bytes, &node->decoder);
    if (status == CHAT_OK)
        status = chat_decoder_new(&node->allocator, max_bytes, &node->row_decoder);
    if (status == CHAT_OK)
        status = chat__peer_init(node);
    if (status == CHAT_OK)
        status = chat__presence_init(node);
    if (status == CHAT_OK)
        status = chat__notify_init(node);
    if (status == CHAT_OK)
        status = chat__trail_init(node);
    if (status != CHAT_OK) {
        chat__node_free(node);
        return status;
    }
    *out = node;
    return CHAT_OK;
}

static void free_dead(chat__node *node)
{
    while (node->dead != NULL) {
        chat__msg *msg = node->dead;
        node->dead = msg->next_dead;
        chat__node_dealloc(node, (void *)(uintptr_t)msg->bytes[CHAT_ENCODING_JSON].data);
        chat__pool_put(&node->pool, msg);
    }
}

void chat__node_free(chat__node *node)
{
    if (node == NULL)
        return;
    chat_allocator allocator = node->allocator;
    chat__notify_done(node);
    chat__trail_done(node);
    chat__presence_done(node);
    chat__conn_free_all(node);
    chat__limits_done(node);
    while (node->ops != NULL)
        chat__op_free(node, node->ops);
    chat__owner_free_all(node);
    chat__fanout_done(node);
    free_dead(node);
    chat__map_done(&node->users);
    chat__map_done(&node->rooms);
    chat__map_done(&node->cids);
    chat__heap_done(&node->timers);
    chat__arena_done(&node->arena);
    chat__pool_done(&node->pool);
    chat_decoder_free(node->decoder);
    chat_decoder_free(node->row_decoder);
    chat__alloc_free(&allocator, node->is_lost);
    chat__alloc_free(&allocator, node->effects);
    chat__alloc_free(&allocator, node);
}

void *chat__node_alloc(chat__node *node, size_t bytes)
{
    return chat__alloc_zero(&node->allocator, bytes);
}

void chat__node_dealloc(chat__node *node, void *ptr)
{
    chat__alloc_free(&node->allocator, ptr);
}

/* --- effects --- */

chat__effect *chat__node_emit(chat__node *node, chat__effect_type type)
{
    if (node->n_effects == node->effects_cap) {
        size_t cap = node->effects_cap == 0 ? EFFECTS_MIN : node->effects_cap * 2;
        chat__effect *effects = NULL;
        if (cap <= EFFECTS_MAX)
            effects = chat__alloc_resize(&node->allocator, node->effects, cap * sizeof *effects);
        if (effects == NULL)
            return NULL;
        node->effects = effects;
        node->effects_cap = cap;
    }
    chat__effect *effect = &node->effects[node->n_effects++];
    memset(effect, 0, sizeof *effect);
    effect->type = type;
    return effect;
}

/* An empty view stays empty. */
static int copy_view(chat__node *node, chat_view from, chat_view *out)
{
    *out = chat__arena_copy(&node->arena, from);
    return out->len == from.len;
}

chat_status chat__node_copy_list(chat__node *node, chat_view_list from, chat_view_list *out)
{
    chat_view *items = chat__arena_get(&node->arena, (from.n_items + 1) * sizeof *items);
    for (size_t i = 0; items != NULL && i < from.n_items; i++) {
        if (!copy_view(node, from.items[i], &items[i]))
            items = NULL;
    }
    out->items = items;
    out->n_items = from.n_items;
    return items != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
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

chat_status chat__node_next_effect(chat__node *node, chat__effect *out)
{
    while (node->next_effect == node->n_effects) {
        if (!chat__fanout_serve(node))
            return CHAT_EMPTY;
    }
    *out = node->effects[node->next_effect++];
    return CHAT_OK;
}

chat_view chat__node_encode(chat__node *node, chat_encoding encoding, const chat_frame *frame)
{
    chat_view none = {NULL, 0};
    size_t cap = chat_frame_size_bound(encoding, frame);
    uint8_t *bytes = chat__arena_get(&node->arena, cap);
    size_t len = 0;
    chat_status status = CHAT_ERR_NOMEM;
    if (bytes != NULL && encoding == CHAT_ENCODING_CBOR)
        status = chat__frame_encode_own(frame, bytes, cap, &len);
    else if (bytes != NULL)
        status = chat_frame_encode(encoding, frame, bytes, cap, &len);
    if (status != CHAT_OK)
        return none;
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

/* --- operations that wait for storage --- */

chat__op *chat__op_new(chat__node *node, chat__op_type type, size_t extra)
{
    if (node->n_ops >= node->options.max_pending)
        return NULL;
    chat__op *op = chat__pool_get(&node->pool, sizeof *op + extra, sizeof *op);
    if (op == NULL)
        return NULL;
    op->type = type;
    op->next_all = node->ops;
    if (node->ops != NULL)
        node->ops->prev_all = op;
    node->ops = op;
    node->n_ops++;
    return op;
}

void chat__op_free(chat__node *node, chat__op *op)
{
    if (op->prev_all != NULL)
        op->prev_all->next_all = op->next_all;
    else
        node->ops = op->next_all;
    if (op->next_all != NULL)
        op->next_all->prev_all = op->prev_all;
    node->n_ops--;
    chat__node_dealloc(node, op->roster);
    chat__pool_put(&node->pool, op);
}

void chat__op_keep(chat__op *op, chat_view bytes)
{
    if (bytes.len > 0)
        memcpy(op->storage, bytes.data, bytes.len);
    op->bytes = chat__view(op->storage, bytes.len);
}

static chat__op *op_of(uint64_t tag)
{
    return (chat__op *)(uintptr_t)tag;
}

/* --- time --- */

static void close_broken(chat__node *node)
{
    node->has_broken = 0;
    for (uint32_t i = 0; i < node->n_slots; i++) {
        chat__node_conn *conn = node->slots[i];
        if (conn != NULL && conn->broken != 0) {
            chat_status why = (chat_status)conn->broken;
            conn->broken = 0;
            chat__conn_close(node, conn, why, chat_status_text(why));
        }
    }
}

/* A drained connection goes when nothing that it asked for is outstanding. */
static void close_drained(chat__node *node)
{
    for (uint32_t i = 0; i < node->n_slots; i++) {
        chat__node_conn *conn = node->slots[i];
        if (conn != NULL && conn->n_submitted == 0)
            chat__conn_close(node, conn, CHAT_ERR_DRAIN, "the server is going away");
    }
}

void chat__node_begin(chat__node *node, uint64_t mono_ms, uint64_t unix_ms)
{
    /* Effects that nobody took stay; what they point at stays with them. */
    if (node->next_effect == node->n_effects) {
        node->n_effects = 0;
        node->next_effect = 0;
        chat__arena_reset(&node->arena);
        free_dead(node);
    }
    if (mono_ms > node->mono_ms)
        node->mono_ms = mono_ms;
    node->unix_ms = unix_ms;
    node->turn++;
    if (node->has_broken)
        close_broken(node);
    chat__owner_push_stalled(node);
    chat__presence_do_due(node);
    chat__notify_do_due(node);
    chat__block_do_due(node);
    chat__heap_item *item = chat__heap_first(&node->timers);
    while (item != NULL && item->at_ms <= node->mono_ms) {
        chat__conn_timer_due(node, (chat__node_conn *)(void *)item);
        item = chat__heap_first(&node->timers);
    }
    if (node->is_draining)
        close_drained(node);
}

uint64_t chat__node_deadline(const chat__node *node)
{
    const chat__heap_item *first = chat__heap_first(&node->timers);
    if (node->has_broken || node->stalled != NULL || node->first_fan != NULL)
        return node->mono_ms;
    if (node->is_draining && node->n_conns > 0)
        return node->mono_ms + DRAIN_POLL_MS;
    uint64_t at_ms = chat__notify_deadline(node);
    if (node->telling != NULL && node->telling->telling_due_ms < at_ms)
        at_ms = node->telling->telling_due_ms;
    if (node->lookup_first != NULL && node->lookup_first->due_ms < at_ms)
        at_ms = node->lookup_first->due_ms;
    return first != NULL && first->at_ms < at_ms ? first->at_ms : at_ms;
}

void chat__node_set_lease(chat__node *node, const chat__node_lease *lease)
{
    chat_status status = chat_idgen_set_node(&node->idgen, lease->number, lease->from_unix_ms);
    chat_idgen_set_lease(&node->idgen, status == CHAT_OK ? lease->until_unix_ms : 0);
}

void chat__node_drain(chat__node *node, uint32_t retry_after_ms)
{
    if (node->is_draining)
        return;
    node->is_draining = 1;
    node->retry_after_ms = retry_after_ms;
    for (uint32_t i = 0; i < node->n_slots; i++) {
        if (node->slots[i] != NULL)
            chat__conn_bye(node, node->slots[i]);
    }
}

int chat__node_is_idle(const chat__node *node)
{
    return node->n_ops == 0 && node->n_submitted == 0 && node->next_effect == node->n_effects &&
           node->first_fan == NULL && (!node->is_draining || node->n_conns == 0);
}

void chat__node_counts_get(const chat__node *node, chat__node_counts *out)
{
    *out = node->counts;
    out->connections = node->n_conns;
}

/* --- answers of storage --- */

void chat__node_appended(chat__node *node, uint64_t tag, chat_status status, uint64_t seq,
                         uint64_t prev)
{
    chat__owner_appended(node, op_of(tag), status, seq, prev);
}

void chat__node_chat_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_chat *chat)
{
    chat__op *op = op_of(tag);
    if (op->type == CHAT__OP_ROOM)
        chat__owner_room_loaded(node, op, status, chat);
    else
        chat__request_members_loaded(node, op, status, chat);
}

void chat__node_user_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_user_chat *chats, size_t n_chats)
{
    chat__op *op = op_of(tag);
    if (op->type == CHAT__OP_DEVICE)
        chat__deliver_device_loaded(node, op, status, chats, n_chats);
    else if (op->type == CHAT__OP_CHECK)
        chat__peer_checked(node, op, status, chats, n_chats);
    else
        chat__request_chats_loaded(node, op, status, chats, n_chats);
}

void chat__node_devices_loaded(chat__node *node, uint64_t tag, chat_status status,
                               const chat__node_device *rows, size_t n_rows)
{
    chat__devices_loaded(node, op_of(tag), status, rows, n_rows);
}

void chat__node_forgotten(chat__node *node, uint64_t tag, chat_status status)
{
    chat__devices_forgotten(node, op_of(tag), status);
}

void chat__node_rows_read(chat__node *node, uint64_t tag, chat_status status,
                          const chat__node_row *rows, size_t n_rows, int has_more)
{
    chat__op *op = op_of(tag);
    chat__rows all = {status, has_more, rows, n_rows};
    if (op->type == CHAT__OP_FIND)
        chat__self_found(node, op, &all);
    else if (op->type == CHAT__OP_BACKLOG)
        chat__deliver_backlog_read(node, op, &all);
    else if (op->type == CHAT__OP_TARGET || op->type == CHAT__OP_REACTIONS)
        chat__note_found(node, op, &all);
    else if (op->type == CHAT__OP_SEARCH)
        chat__owner_searched(node, op, &all);
    else
        chat__request_history_read(node, op, &all);
}

void chat__node_marks_loaded(chat__node *node, uint64_t tag, chat_status status,
                             const chat__node_marks *marks)
{
    chat__op *op = op_of(tag);
    if (op->type == CHAT__OP_MARKS)
        chat__self_marks_loaded(node, op, status, marks);
    else
        chat__self_receipts_loaded(node, op, status, marks);
}

void chat__node_blocks_loaded(chat__node *node, uint64_t tag, chat_status status,
                              const chat_view *users, size_t n_users)
{
    chat__op *op = op_of(tag);
    if (op->type == CHAT__OP_BLOCKERS)
        chat__hide_loaded(node, op, status, users, n_users);
    else if (op->type == CHAT__OP_BLOCK)
        chat__block_loaded(node, op, status, users, n_users);
    else
        chat__block_listed(node, op, status, users, n_users);
}
