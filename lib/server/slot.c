/* SPDX-License-Identifier: MIT */
/* See slot.h. */
#include "slot.h"
#include "cluster.h"
#include "commons.h"
#include "lessee.h"
#include "tunnel.h"

#define MIN_NODE_CONNECTIONS 64u
#define SEEN_PER_TTL         4u /* so often at least is storage told of a connected device */
#define STOP_MS              3000u

/* --- making --- */

static chat_status make_node(chat__shard *shard)
{
    const chat_server *server = shard->server;
    const chat_server_options *from = &server->options;
    chat__node_options options;
    chat__node_options_init(&options);
    options.allocator = &server->allocator;
    options.self = shard->index;
    options.n_nodes = server->n_shards;
    options.n_partitions = (uint32_t)from->partitions;
    options.links_are_own = server->cluster == NULL;
    options.snowflake_node = shard->index;
    options.lease_until_ms = 0; /* see lessee.h */
    options.not_before_id = server->max_id;
    if (atomic_load(&shard->slot_max_id) > server->max_id)
        options.not_before_id = atomic_load(&shard->slot_max_id);
    options.seed[0] = server->seed[0];
    options.seed[1] = server->seed[1];
    options.heartbeat_ms = (uint32_t)from->heartbeat_ms;
    options.hello_timeout_ms = (uint32_t)(from->hello_timeout_ms > 0 ? from->hello_timeout_ms
                                                                     : from->handshake_timeout_ms);
    options.ack_timeout_ms = (uint32_t)from->ack_timeout_ms;
    options.slow_close_ms = (uint32_t)from->slow_close_ms;
    /* Users are spread by hash, so any shard may have to take all of them. */
    options.max_connections = (uint32_t)from->max_connections + MIN_NODE_CONNECTIONS;
    options.max_frame_bytes = (uint32_t)from->max_frame_bytes;
    options.max_body_bytes = (uint32_t)from->max_body_bytes;
    options.max_group_members = (uint32_t)from->group_max_members;
    options.window_count = (uint32_t)from->window_count;
    options.window_bytes = (uint32_t)from->window_bytes;
    options.max_unsent_bytes = (uint32_t)from->max_unsent_bytes;
    options.max_pending = (uint32_t)from->max_pending;
    options.notify_users = server->herald != NULL ? (uint32_t)from->notify_users : 0;
    options.notify_interval_ms = (uint32_t)from->notify_interval_ms;
    options.fanout_sync_members = (uint32_t)from->fanout_sync_members;
    options.shares_presence = server->commons != NULL;
    options.presence_count = (uint32_t)from->presence_count;
    options.max_blocked = (uint32_t)from->max_blocked;
    options.max_watched = (uint32_t)from->presence_max_watched;
    if (from->device_ttl_ms > 0 && from->device_ttl_ms / SEEN_PER_TTL < options.device_seen_ms)
        options.device_seen_ms = (uint32_t)(from->device_ttl_ms / SEEN_PER_TTL) + 1;
    options.rate_msgs = (uint32_t)from->rate_messages;
    options.burst_msgs = (uint32_t)from->burst_messages;
    options.rate_requests = (uint32_t)from->rate_requests;
    options.burst_requests = (uint32_t)from->burst_requests;
    options.rate_bytes = (uint32_t)from->rate_bytes;
    options.burst_bytes = (uint32_t)from->burst_bytes;
    return chat__node_new(&options, &shard->node);
}

static chat_status make(chat__shard *shard)
{
    chat_status status = make_node(shard);
    shard->life = 0;
    while (status == CHAT_OK && shard->life == 0 && shard->slots != NULL)
        chat__links_random(&shard->life, sizeof shard->life);
    return status;
}

/* Where the slot does not run there is only its thread, for sockets. */
chat_status chat__slot_init(chat__shard *shard)
{
    shard->is_placed = shard->server->placer != NULL;
    return chat__cluster_is_own(shard->server, shard->index) ? make(shard) : CHAT_OK;
}

void chat__slot_begin(chat__shard *shard)
{
    if (shard->slots == NULL || shard->node == NULL)
        return;
    chat__slots_begin(shard);
    chat__cluster_slot_started(shard, 0);
}

/* Storage has nothing on its way of the node that was here before, and all that is in the log. */
static int is_open(chat__shard *shard)
{
    chat_server *server = shard->server;
    if (server->open_slot == NULL)
        return 1;
    if (atomic_load(&shard->n_closed) != shard->n_closes)
        return 0;
    if (!shard->is_opening)
        server->open_slot(server, shard->index);
    shard->is_opening = 1;
    return atomic_load(&shard->is_slot_open);
}

static void close_storage(chat__shard *shard)
{
    if (!shard->is_opening)
        return;
    shard->is_opening = 0;
    shard->n_closes++;
    shard->server->close_slot(shard->server, shard->index);
}

static void start(chat__shard *shard, uint64_t term)
{
    if (shard->is_draining || !is_open(shard))
        return;
    chat__shard_end(shard);
    if (make(shard) != CHAT_OK) {
        chat__server_log(shard->server, CHAT_LOG_ERROR, "slot %u cannot start: out of memory",
                         shard->index);
        return;
    }
    shard->term = term;
    shard->lease_seen = atomic_load(&shard->lease_serial) - 1;
    chat__lessee_follow(shard);
    chat__slots_begin(shard);
    chat__cluster_slot_started(shard, term);
    atomic_store(&shard->slot_term, term);
    chat__server_log(shard->server, CHAT_LOG_INFO, "slot %u runs here", shard->index);
    chat__server_wake_control(shard->server);
}

/* --- taking down --- */

/* Its connections come again, and find the slot elsewhere. */
static void close_peers(chat__shard *shard)
{
    uint16_t code = chat_status_close_code(CHAT_ERR_BUSY);
    for (uint32_t i = shard->n_peers; i > 0; i--) {
        chat__peer *peer = shard->peers[i - 1];
        if (peer->kind != CHAT__PEER_SOCKET && peer->id != 0)
            chat__peer_end(shard, peer, code, "the user moves to another server, come back");
    }
}

static void drop_batches(chat__shard *shard)
{
    const chat_allocator *allocator = chat__shard_allocator(shard);
    chat__batch_free(allocator, shard->appends);
    chat__batch_free(allocator, shard->newcomers);
    shard->appends = shard->newcomers = NULL;
    for (uint32_t i = 0; i < shard->server->n_shards; i++) {
        chat__batch_free(allocator, shard->links[i]);
        shard->links[i] = NULL;
    }
}

static void take_down(chat__shard *shard)
{
    close_peers(shard);
    drop_batches(shard);
    chat__commons_drop(shard);
    chat__shared_free(shard);
    chat__node_free(shard->node);
    shard->node = NULL;
    shard->life = shard->term = 0;
    shard->slot_until_ms = UINT64_MAX;
    shard->n_appending_bytes = 0;
    close_storage(shard);
    chat__cluster_slot_stopped(shard);
    atomic_store(&shard->slot_term, 0);
    chat__server_log(shard->server, CHAT_LOG_INFO, "slot %u runs here no more", shard->index);
    chat__server_wake_control(shard->server);
}

static int has_users(const chat__shard *shard)
{
    for (uint32_t i = 0; i < shard->n_peers; i++)
        if (shard->peers[i]->kind != CHAT__PEER_SOCKET && shard->peers[i]->id != 0)
            return 1;
    return 0;
}

static void stop(chat__shard *shard)
{
    if (shard->slot_until_ms != UINT64_MAX)
        return;
    shard->slot_until_ms = chat__shard_now(shard) + STOP_MS;
    chat__node_drain(shard->node, (uint32_t)shard->server->options.retry_after_ms);
}

void chat__slot_follow(chat__shard *shard)
{
    if (shard->slots == NULL || !shard->is_placed)
        return;
    /* Before what is wanted: it may be lost and wanted again since we looked. */
    int is_lost = atomic_exchange(&shard->is_slot_lost, 0);
    uint64_t wanted = atomic_load(&shard->wanted_term);
    if (shard->node != NULL && is_lost)
        take_down(shard);
    if (shard->node == NULL && (wanted == 0 || is_lost))
        close_storage(shard); /* it was wanted for a moment, or is to be opened anew */
    if (wanted == shard->term)
        return;
    if (shard->node == NULL)
        start(shard, wanted);
    else
        stop(shard);
}

void chat__slot_check(chat__shard *shard)
{
    if (shard->slot_until_ms == UINT64_MAX || shard->node == NULL)
        return;
    int is_over = chat__shard_now(shard) >= shard->slot_until_ms;
    if (!is_over && (has_users(shard) || shard->n_handed > 0 || shard->appends != NULL ||
                     !chat__node_is_idle(shard->node)))
        return;
    take_down(shard);
    chat__shard_wake(shard); /* it may be wanted again */
}

/* --- the control thread --- */

void chat__slot_want(chat__shard *shard, uint64_t term, int is_lost)
{
    int is_new = atomic_exchange(&shard->wanted_term, term) != term;
    if (is_lost)
        atomic_store(&shard->is_slot_lost, 1);
    if (is_new || is_lost)
        chat__shard_wake(shard);
}

void chat__slot_opened(chat__shard *shard, uint64_t max_id)
{
    atomic_store(&shard->slot_max_id, max_id);
    atomic_store(&shard->is_slot_open, 1);
    chat__shard_wake(shard);
}

void chat__slot_closed(chat__shard *shard)
{
    atomic_store(&shard->is_slot_open, 0);
    atomic_fetch_add(&shard->n_closed, 1);
    chat__shard_wake(shard);
}

void chat__slot_taken(chat__shard *shard)
{
    atomic_store(&shard->is_slot_open, 0);
    chat__slot_want(shard, 0, 1);
    chat__server_wake_control(shard->server);
}

void chat__slot_refused(chat__shard *shard)
{
    atomic_store(&shard->is_slot_refused, 1);
    chat__slot_taken(shard);
}

uint64_t chat__slot_term(const chat__shard *shard)
{
    return atomic_load(&shard->slot_term);
}
