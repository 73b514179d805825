/* SPDX-License-Identifier: MIT */
/* See topology.h. */
#include "backends/cassandra/topology.h"

#include "base/alloc.h"
#include "base/view.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_TOKENS     (CHAT_CASSANDRA_MAX_NODES * 256u)
#define MAX_RACKS      32u /* that are told apart */
#define N_NODE_COLUMNS 5u

chat_status chat__cql_topology_init(chat__cql_topology *topology, const chat_allocator *allocator,
                                    const char *datacenter)
{
    memset(topology, 0, sizeof *topology);
    chat__cql_ring_init(&topology->ring, allocator, MAX_TOKENS);
    chat__cql_ring_init(&topology->next, allocator, MAX_TOKENS);
    strncpy(topology->datacenter, datacenter, sizeof topology->datacenter - 1);
    topology->nodes = chat__alloc_zero(&topology->ring.allocator,
                                       CHAT_CASSANDRA_MAX_NODES * sizeof *topology->nodes);
    return topology->nodes == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
}

void chat__cql_topology_done(chat__cql_topology *topology)
{
    if (topology->nodes != NULL)
        chat__alloc_free(&topology->ring.allocator, topology->nodes);
    topology->nodes = NULL;
    chat__cql_ring_done(&topology->ring);
    chat__cql_ring_done(&topology->next);
}

void chat__cql_topology_begin(chat__cql_topology *topology)
{
    topology->next.n_items = 0;
    topology->next_factor = 0;
    topology->next_is_simple = 0;
    for (uint32_t i = 0; i < topology->n_nodes; i++)
        topology->nodes[i].is_named = 0;
}

/* --- rows --- */

static int copy_name(char out[CHAT__CQL_NAME_BYTES], chat_view from)
{
    if (from.len == 0 || from.len >= CHAT__CQL_NAME_BYTES)
        return 0;
    memset(out, 0, CHAT__CQL_NAME_BYTES);
    memcpy(out, from.data, from.len);
    return 1;
}

/* An inet as text; 0: none, or that of no host in particular. */
static int copy_address(char out[CHAT__CQL_NAME_BYTES], chat_view from)
{
    static const uint8_t ANY[16];
    if ((from.len != 4 && from.len != 16) || memcmp(from.data, ANY, from.len) == 0)
        return 0;
    return inet_ntop(from.len == 4 ? AF_INET : AF_INET6, from.data, out, CHAT__CQL_NAME_BYTES) !=
           NULL;
}

/* By its id, or a number that nobody has; NULL: all are taken. */
static chat__cql_node *find_node(chat__cql_topology *topology, const uint8_t id[16])
{
    chat__cql_node *free_one = NULL;
    for (uint32_t i = 0; i < topology->n_nodes; i++) {
        chat__cql_node *node = &topology->nodes[i];
        if ((node->is_there || node->is_named) && memcmp(node->id, id, 16) == 0)
            return node;
        if (!node->is_there && !node->is_named && free_one == NULL)
            free_one = node;
    }
    if (free_one == NULL && topology->n_nodes < CHAT_CASSANDRA_MAX_NODES)
        free_one = &topology->nodes[topology->n_nodes++];
    if (free_one != NULL)
        memcpy(free_one->id, id, 16);
    return free_one;
}

/* A set of text. */
static chat_status add_tokens(chat__cql_topology *topology, chat_view tokens, uint32_t node)
{
    chat__cql_reader reader = chat__cql_read(tokens);
    for (int32_t n = chat__cql_get_i32(&reader); n > 0 && !reader.is_bad; n--) {
        chat_status status =
            chat__cql_ring_add(&topology->next, chat__cql_get_bytes(&reader), node);
        if (status != CHAT_OK)
            return status == CHAT_ERR_ARG ? CHAT_ERR_PROTOCOL : status;
    }
    return reader.is_bad ? CHAT_ERR_PROTOCOL : CHAT_OK;
}

/* CHAT_EMPTY: a row that is not complete, as that of a node that is just coming. */
static chat_status take_node(chat__cql_topology *topology, chat__cql_reader *cells,
                             const char *contact)
{
    chat__cql_node read;
    memset(&read, 0, sizeof read);
    chat_view id = chat__cql_get_bytes(cells);
    int is_whole = copy_name(read.datacenter, chat__cql_get_bytes(cells));
    is_whole = copy_name(read.rack, chat__cql_get_bytes(cells)) && is_whole;
    chat_view tokens = chat__cql_get_bytes(cells);
    if (!copy_address(read.address, chat__cql_get_bytes(cells)))
        is_whole = contact != NULL && copy_name(read.address, chat__view_str(contact)) && is_whole;
    if (cells->is_bad)
        return CHAT_ERR_PROTOCOL;
    if (!is_whole || id.len != sizeof read.id || tokens.len == 0)
        return CHAT_EMPTY;
    chat__cql_node *node = find_node(topology, id.data);
    if (node == NULL)
        return CHAT_ERR_LIMIT;
    if (node->is_there && strcmp(node->address, read.address) != 0)
        node->has_moved = 1;
    memcpy(node->address, read.address, sizeof node->address);
    memcpy(node->datacenter, read.datacenter, sizeof node->datacenter);
    memcpy(node->rack, read.rack, sizeof node->rack);
    node->is_named = 1;
    if (topology->datacenter[0] == '\0')
        memcpy(topology->datacenter, read.datacenter, sizeof topology->datacenter);
    return add_tokens(topology, tokens, (uint32_t)(node - topology->nodes));
}

chat_status chat__cql_topology_local(chat__cql_topology *topology, const chat__cql_result *rows,
                                     const char *contact)
{
    chat__cql_reader cells = rows->cells;
    if (rows->n_columns != N_NODE_COLUMNS || rows->n_rows != 1)
        return CHAT_ERR_PROTOCOL;
    chat_status status = take_node(topology, &cells, contact);
    return status == CHAT_EMPTY ? CHAT_ERR_PROTOCOL : status;
}

chat_status chat__cql_topology_peers(chat__cql_topology *topology, const chat__cql_result *rows)
{
    chat__cql_reader cells = rows->cells;
    if (rows->n_columns != N_NODE_COLUMNS && rows->n_rows > 0)
        return CHAT_ERR_PROTOCOL;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        chat_status status = take_node(topology, &cells, NULL);
        if (status < 0)
            return status;
    }
    return CHAT_OK;
}

/* A replication factor; of a transient one ("3/1") all. */
static uint32_t read_factor(chat_view text)
{
    uint32_t factor = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        factor = factor < CHAT__CQL_MAX_REPLICAS ? factor * 10 + (uint32_t)(text.data[i] - '0')
                                                 : CHAT__CQL_MAX_REPLICAS;
    return factor < CHAT__CQL_MAX_REPLICAS ? factor : CHAT__CQL_MAX_REPLICAS;
}

static int ends_with(chat_view view, const char *end)
{
    size_t len = strlen(end);
    return view.len >= len && memcmp(view.data + view.len - len, end, len) == 0;
}

chat_status chat__cql_topology_keyspace(chat__cql_topology *topology, const chat__cql_result *rows)
{
    chat__cql_reader cells = rows->cells;
    if (rows->n_rows == 0)
        return CHAT_OK; /* it is not there yet: a schema event will tell */
    chat__cql_reader map = chat__cql_read(chat__cql_get_bytes(&cells));
    chat_view factor = chat__view(NULL, 0), of_datacenter = chat__view(NULL, 0);
    for (int32_t n = chat__cql_get_i32(&map); n > 0 && !map.is_bad; n--) {
        chat_view key = chat__cql_get_bytes(&map), value = chat__cql_get_bytes(&map);
        if (chat__view_equal(key, chat__view_str("class")))
            topology->next_is_simple = (uint8_t)ends_with(value, "SimpleStrategy");
        else if (chat__view_equal(key, chat__view_str("replication_factor")))
            factor = value;
        else if (chat__view_equal(key, chat__view_str(topology->datacenter)))
            of_datacenter = value;
    }
    if (rows->n_columns != 1 || cells.is_bad || map.is_bad)
        return CHAT_ERR_PROTOCOL;
    topology->next_factor = read_factor(topology->next_is_simple ? factor : of_datacenter);
    return CHAT_OK;
}

/* --- what holds --- */

int chat__cql_topology_is_local(const chat__cql_topology *topology, uint32_t node)
{
    return node < topology->n_nodes && topology->nodes[node].is_there &&
           strcmp(topology->nodes[node].datacenter, topology->datacenter) == 0;
}

/* Number of a name in a list that it joins; MAX_RACKS: the list is full. */
static uint32_t number_of(const char **names, uint32_t *n_names, const char *name)
{
    uint32_t i = 0;
    while (i < *n_names && strcmp(names[i], name) != 0)
        i++;
    if (i == *n_names && i < MAX_RACKS)
        names[(*n_names)++] = name;
    return i;
}

static void count_racks(chat__cql_topology *topology)
{
    const char *racks[MAX_RACKS];
    topology->n_racks = 0;
    for (uint32_t i = 0; i < topology->n_nodes; i++)
        if (chat__cql_topology_is_local(topology, i))
            (void)number_of(racks, &topology->n_racks, topology->nodes[i].rack);
}

void chat__cql_topology_commit(chat__cql_topology *topology)
{
    chat__cql_ring ring = topology->ring;
    topology->ring = topology->next;
    topology->next = ring;
    chat__cql_ring_sort(&topology->ring);
    topology->factor = topology->next_factor;
    topology->is_simple = topology->next_is_simple;
    topology->n_there = 0;
    for (uint32_t i = 0; i < topology->n_nodes; i++) {
        topology->nodes[i].is_there = topology->nodes[i].is_named;
        topology->n_there += topology->nodes[i].is_there;
    }
    count_racks(topology);
}

/* NetworkTopologyStrategy: clockwise, a rack twice only when each rack of the datacenter has one,
   and those that were passed over come first then. */
static uint32_t walk_racks(const chat__cql_topology *topology, const uint32_t *hosts, size_t n,
                           uint32_t out[CHAT__CQL_MAX_REPLICAS])
{
    const char *racks[MAX_RACKS];
    uint32_t passed[CHAT__CQL_MAX_REPLICAS];
    uint32_t n_out = 0, n_racks = 0, n_passed = 0;
    for (size_t i = 0; i < n && n_out < topology->factor; i++) {
        uint32_t before = n_racks;
        if (!chat__cql_topology_is_local(topology, hosts[i]))
            continue;
        (void)number_of(racks, &n_racks, topology->nodes[hosts[i]].rack);
        if (n_racks > before || n_racks == topology->n_racks) {
            /* The last rack was seen: what was passed over is nearer than what comes. */
            out[n_out++] = hosts[i];
            for (uint32_t k = 0; n_racks == topology->n_racks && k < n_passed; k++)
                if (n_out < topology->factor)
                    out[n_out++] = passed[k];
            n_passed = n_racks == topology->n_racks ? 0 : n_passed;
        } else if (n_passed < CHAT__CQL_MAX_REPLICAS) {
            passed[n_passed++] = hosts[i];
        }
    }
    return n_out;
}

uint32_t chat__cql_topology_replicas(const chat__cql_topology *topology, int64_t token,
                                     uint32_t out[CHAT__CQL_MAX_REPLICAS])
{
    uint32_t hosts[CHAT_CASSANDRA_MAX_NODES];
    uint32_t n_out = 0;
    if (topology->factor == 0 || topology->ring.n_items == 0)
        return 0;
    size_t max = topology->is_simple ? topology->factor : topology->n_there;
    size_t n = chat__cql_ring_replicas(&topology->ring, token, hosts, max);
    if (!topology->is_simple)
        return walk_racks(topology, hosts, n, out);
    for (size_t i = 0; i < n; i++)
        if (chat__cql_topology_is_local(topology, hosts[i]))
            out[n_out++] = hosts[i];
    return n_out;
}
