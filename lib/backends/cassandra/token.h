/* SPDX-License-Identifier: MIT */
/* Where a partition lives: Cassandra's Murmur3 token, and the ring of the nodes' tokens. */
#ifndef CHAT_CASSANDRA_TOKEN_H
#define CHAT_CASSANDRA_TOKEN_H

#include "base/buf.h"

/*
 * First half of MurmurHash3 x64 128 (A. Appleby) with seed 0 as Cassandra's Murmur3Partitioner has
 * it: the bytes of the tail are signed, and the smallest number becomes the largest.
 */
int64_t chat__cql_token(chat_view key);

/*
 * The routing key of several columns: each with its length and a zero behind; of one column the
 * bytes alone. Appends to `buf`. CHAT_OK, CHAT_ERR_LIMIT (a part above 64 KiB), CHAT_ERR_NOMEM.
 */
chat_status chat__cql_routing_key(const chat_view *parts, size_t n_parts, chat__buf *buf);

typedef struct chat__cql_ring_entry {
    int64_t token;
    uint32_t host;
} chat__cql_ring_entry;

typedef struct chat__cql_ring {
    chat_allocator allocator;
    chat__cql_ring_entry *items;
    size_t n_items, cap, max_items;
    int is_sorted;
} chat__cql_ring;

void chat__cql_ring_init(chat__cql_ring *ring, const chat_allocator *allocator, size_t max_items);
void chat__cql_ring_done(chat__cql_ring *ring);
/* A token as system.local writes it, in decimal. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_LIMIT,
   CHAT_ERR_NOMEM. */
chat_status chat__cql_ring_add(chat__cql_ring *ring, chat_view token, uint32_t host);
/* Call after the last chat__cql_ring_add(). */
void chat__cql_ring_sort(chat__cql_ring *ring);
/*
 * The first `max` different hosts clockwise from the token, as SimpleStrategy chooses replicas.
 * Returns how many.
 */
size_t chat__cql_ring_replicas(const chat__cql_ring *ring, int64_t token, uint32_t *out,
                               size_t max);

#endif
