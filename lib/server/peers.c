/* SPDX-License-Identifier: MIT */
/* The connections of a shard: found by place and by number, and the buffers that they borrow. */
#include "tunnel.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

#define MAX_OUT_BYTES ((size_t)16 << 20) /* above max-unsent-bytes: what one turn may add */
#define PEERS_MIN     64u

/* --- tables --- */

chat__peer *chat__peers_find(chat__shard *shard, chat__conn id)
{
    uint32_t at = (uint32_t)id;
    chat__peer *peer = at < shard->by_conn_cap ? shard->by_conn[at] : NULL;
    return peer != NULL && peer->id == id ? peer : NULL;
}

/* Make room for index `at` in a table of `*cap` peers. */
static chat_status grow(chat__shard *shard, chat__peer ***table, uint32_t *cap, uint32_t at)
{
    uint32_t n = *cap < PEERS_MIN ? PEERS_MIN : *cap;
    if (at < *cap)
        return CHAT_OK;
    while (n <= at)
        n *= 2;
    chat__peer **grown =
        chat__alloc_resize(chat__shard_allocator(shard), *table, n * sizeof(chat__peer *));
    if (grown == NULL)
        return CHAT_ERR_NOMEM;
    memset(grown + *cap, 0, (n - *cap) * sizeof(chat__peer *));
    *table = grown;
    *cap = n;
    return CHAT_OK;
}

chat_status chat__peers_add(chat__shard *shard, chat__peer *peer)
{
    chat_status status = grow(shard, &shard->peers, &shard->peers_cap, shard->n_peers);
    if (status != CHAT_OK)
        return status;
    peer->place = shard->n_peers;
    shard->peers[shard->n_peers++] = peer;
    return CHAT_OK;
}

void chat__peers_remove(chat__shard *shard, chat__peer *peer)
{
    chat__peer *last = shard->peers[--shard->n_peers];
    shard->peers[peer->place] = last;
    last->place = peer->place;
}

chat_status chat__peers_number(chat__shard *shard, chat__peer *peer, chat__conn id)
{
    chat_status status = grow(shard, &shard->by_conn, &shard->by_conn_cap, (uint32_t)id);
    if (status != CHAT_OK)
        return status;
    peer->id = id;
    shard->by_conn[(uint32_t)id] = peer;
    return CHAT_OK;
}

void chat__peers_forget(chat__shard *shard, chat__peer *peer)
{
    if (peer->id != 0)
        shard->by_conn[(uint32_t)peer->id] = NULL;
    peer->id = 0;
}

/* --- buffers for what waits to be sent --- */

chat__out *chat__peers_borrow_out(chat__shard *shard)
{
    chat__out *out = shard->spare_outs;
    if (out != NULL) {
        shard->spare_outs = out->next;
        shard->n_spare_outs--;
        out->next = NULL;
        return out;
    }
    out = chat__alloc_zero(chat__shard_allocator(shard), sizeof *out);
    if (out != NULL)
        chat__buf_init(&out->bytes, chat__shard_allocator(shard),
                       MAX_OUT_BYTES + (size_t)shard->server->options.max_unsent_bytes);
    return out;
}

void chat__peers_return_out(chat__shard *shard, chat__peer *peer)
{
    chat__out *out = peer->out;
    if (out == NULL)
        return;
    peer->out = NULL;
    chat__shared_release(shard, out->shared);
    out->shared = NULL;
    out->sent = out->retry_bytes = 0;
    out->bytes.len = 0;
    if (out->bytes.cap > CHAT__SERVER_SPARE_BYTES)
        chat__buf_done(&out->bytes);
    if (shard->n_spare_outs >= CHAT__SERVER_SPARE_COUNT) {
        chat__buf_done(&out->bytes);
        chat__alloc_free(chat__shard_allocator(shard), out);
        return;
    }
    out->next = shard->spare_outs;
    shard->spare_outs = out;
    shard->n_spare_outs++;
}

void chat__peers_free(chat__shard *shard)
{
    while (shard->spare_outs != NULL) {
        chat__out *next = shard->spare_outs->next;
        chat__buf_done(&shard->spare_outs->bytes);
        chat__alloc_free(chat__shard_allocator(shard), shard->spare_outs);
        shard->spare_outs = next;
    }
    chat__shared_free(shard);
    chat__alloc_free(chat__shard_allocator(shard), shard->peers);
    chat__alloc_free(chat__shard_allocator(shard), shard->by_conn);
}

/* --- what its user's node hears of a connection --- */

chat_status chat__peers_open(chat__shard *shard, chat__peer *peer, const chat__guest *guest)
{
    chat__conn id = 0;
    if (shard->node == NULL)
        return CHAT_ERR_BUSY; /* it has stopped since */
    chat_status status =
        chat__node_open(shard->node, chat__view(guest->user, guest->user_len),
                        (chat_encoding)guest->encoding, guest->expires_unix_ms, &id);
    if (status == CHAT_OK)
        status = chat__peers_number(shard, peer, id);
    if (status == CHAT_OK)
        chat__node_since(shard->node, id, guest->since_ms);
    else if (id != 0)
        chat__node_closed(shard->node, id);
    return status;
}

uint16_t chat__peers_refusal(chat_status status)
{
    uint16_t code = chat_status_close_code(status == CHAT_ERR_LIMIT ? CHAT_ERR_BUSY : status);
    return code != 0 ? code : CHAT__CLOSE_INTERNAL;
}

int chat__peers_is_open(const chat__peer *peer)
{
    return peer->kind == CHAT__PEER_SOCKET ? chat__tunnel_is_open(peer) : peer->id != 0;
}

void chat__peers_receive(chat__shard *shard, chat__peer *peer, chat_view message)
{
    if (peer->kind == CHAT__PEER_SOCKET)
        chat__tunnel_receive(shard, peer, message);
    else
        chat__node_receive(shard->node, peer->id, message);
}

void chat__peers_alive(chat__shard *shard, chat__peer *peer)
{
    if (peer->kind == CHAT__PEER_SOCKET)
        chat__tunnel_alive(shard, peer);
    else if (peer->id != 0)
        chat__node_alive(shard->node, peer->id);
}

void chat__peers_unsent(chat__shard *shard, chat__peer *peer, size_t bytes)
{
    if (peer->kind == CHAT__PEER_SOCKET)
        chat__tunnel_unsent(shard, peer, bytes);
    else
        chat__node_unsent(shard->node, peer->id, bytes);
}

void chat__peers_closed(chat__shard *shard, chat__peer *peer)
{
    chat__conn id = peer->id;
    if (peer->kind == CHAT__PEER_SOCKET)
        chat__tunnel_closed(shard, peer);
    chat__peers_forget(shard, peer);
    if (id != 0)
        chat__node_closed(shard->node, id);
}
