/* SPDX-License-Identifier: MIT */
/*
 * Which nodes there are and which of them have a partition, from what system.local, system.peers
 * and system_schema.keyspaces say. Read anew as a whole: begin, rows, commit. A node keeps its
 * number as long as it is there.
 */
#ifndef CHAT_CASSANDRA_TOPOLOGY_H
#define CHAT_CASSANDRA_TOPOLOGY_H

#include <chat/cassandra.h>

#include "backends/cassandra/result.h"
#include "backends/cassandra/token.h"

#define CHAT__CQL_MAX_REPLICAS 16u
#define CHAT__CQL_NAME_BYTES   64u

typedef struct chat__cql_node {
    uint8_t id[16]; /* host_id */
    char address[CHAT__CQL_NAME_BYTES];
    char datacenter[CHAT__CQL_NAME_BYTES];
    char rack[CHAT__CQL_NAME_BYTES];
    uint8_t is_there;
    uint8_t is_named;  /* by the rows that are being read */
    uint8_t has_moved; /* to another address, since the caller cleared it */
} chat__cql_node;

typedef struct chat__cql_topology {
    chat__cql_node *nodes; /* CHAT_CASSANDRA_MAX_NODES */
    uint32_t n_nodes;      /* numbers below may be there */
    uint32_t n_there;
    chat__cql_ring ring, next;
    char datacenter[CHAT__CQL_NAME_BYTES]; /* ours; "": not known yet */
    uint32_t factor, next_factor;          /* replicas, in our datacenter or in all; 0: not known */
    uint8_t is_simple, next_is_simple;     /* the ring is walked without regard to datacenters */
    uint32_t n_racks;                      /* of our datacenter */
} chat__cql_topology;

#define CHAT__CQL_LOCAL_TEXT                                                                       \
    "SELECT host_id, data_center, rack, tokens, rpc_address FROM system.local WHERE key = 'local'"
#define CHAT__CQL_PEERS_TEXT                                                                       \
    "SELECT host_id, data_center, rack, tokens, rpc_address FROM system.peers"
#define CHAT__CQL_KEYSPACE_TEXT                                                                    \
    "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?"

/* `datacenter` "": that of system.local, when it is read first. CHAT_OK; CHAT_ERR_NOMEM. */
chat_status chat__cql_topology_init(chat__cql_topology *topology, const chat_allocator *allocator,
                                    const char *datacenter);
void chat__cql_topology_done(chat__cql_topology *topology);

void chat__cql_topology_begin(chat__cql_topology *topology);
/* Rows of the texts above. `contact` is the address by which the node was reached: that of the row
   of system.local, when it names none. A row that says too little is left out.
   CHAT_OK; CHAT_ERR_PROTOCOL; CHAT_ERR_LIMIT; CHAT_ERR_NOMEM. */
chat_status chat__cql_topology_local(chat__cql_topology *topology, const chat__cql_result *rows,
                                     const char *contact);
chat_status chat__cql_topology_peers(chat__cql_topology *topology, const chat__cql_result *rows);
chat_status chat__cql_topology_keyspace(chat__cql_topology *topology, const chat__cql_result *rows);
/* What was read holds from now on. */
void chat__cql_topology_commit(chat__cql_topology *topology);

int chat__cql_topology_is_local(const chat__cql_topology *topology, uint32_t node);
/* Nodes of our datacenter that have the partition; returns how many. */
uint32_t chat__cql_topology_replicas(const chat__cql_topology *topology, int64_t token,
                                     uint32_t out[CHAT__CQL_MAX_REPLICAS]);

#endif
