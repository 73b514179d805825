/* SPDX-License-Identifier: MIT */
/* The connections of a shard: found by place and by number, and the buffers that they borrow. */
#include "internal.h"
#include "base/alloc.h"

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
