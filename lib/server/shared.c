/* SPDX-License-Identifier: MIT */
/*
 * Messages that go to many connections: framed, and compressed, once for each way in which that can
 * be done, and counted by references. The shard remembers the last few; a connection whose socket
 * does not take all of one keeps it until it does.
 */
#include "internal.h"
#include "base/alloc.h"

static chat__shared **slot_of(chat__shard *shard, uint64_t share)
{
    /* The low bits tell the encoding only. */
    return &shard->shared[(share ^ share >> 2) % CHAT__SERVER_SHARED_COUNT];
}

void chat__shared_release(chat__shard *shard, chat__shared *shared)
{
    if (shared == NULL || --shared->n_refs > 0)
        return;
    chat__buf_done(&shared->bytes);
    chat__alloc_free(chat__shard_allocator(shard), shared);
}

/* An empty one in the slot: the old one if nobody else has it. NULL when out of memory. */
static chat__shared *renew(chat__shard *shard, chat__shared **slot)
{
    if (*slot != NULL && (*slot)->n_refs == 1 && (*slot)->bytes.cap <= CHAT__SERVER_SPARE_BYTES) {
        (*slot)->bytes.len = 0;
        return *slot;
    }
    chat__shared_release(shard, *slot);
    *slot = chat__alloc_zero(chat__shard_allocator(shard), sizeof **slot);
    if (*slot == NULL)
        return NULL;
    (*slot)->n_refs = 1;
    chat__buf_init(&(*slot)->bytes, chat__shard_allocator(shard), SIZE_MAX / 2);
    return *slot;
}

chat__shared *chat__shared_get(chat__shard *shard, chat__ws *ws, chat__ws_opcode opcode,
                               chat_view message, uint64_t share)
{
    uint32_t way = chat__ws_way(ws, opcode, message.len);
    chat__shared **slot = slot_of(shard, share);
    chat__shared *shared = *slot;
    if (shared == NULL || shared->share != share || shared->way != way) {
        shared = renew(shard, slot);
        if (shared == NULL)
            return NULL;
        shared->share = 0;
        if (chat__ws_write(ws, opcode, message, &shared->bytes) != CHAT_OK)
            return NULL;
        shared->share = share;
        shared->way = way;
    }
    shared->n_refs++;
    return shared;
}

void chat__shared_free(chat__shard *shard)
{
    for (size_t i = 0; i < CHAT__SERVER_SHARED_COUNT; i++) {
        chat__shared_release(shard, shard->shared[i]);
        shard->shared[i] = NULL;
    }
}
