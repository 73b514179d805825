/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/topology.h"
#include "base/view.h"
#include "rows.h"
#include "unit.h"

#include <stdio.h>

static chat__cql_topology topology;

static int set_up(void **state)
{
    (void)state;
    return chat__cql_topology_init(&topology, NULL, "");
}

static int tear_down(void **state)
{
    (void)state;
    chat__cql_topology_done(&topology);
    return 0;
}

/* The first node is the one that is asked. */
static void read_nodes(const rows_node *nodes, uint32_t n)
{
    chat__cql_result local, peers;
    chat__buf local_buf, peers_buf;
    rows_of_nodes(&local_buf, &local, nodes, 1);
    rows_of_nodes(&peers_buf, &peers, nodes + 1, n - 1);
    chat__cql_topology_begin(&topology);
    assert_int_equal(chat__cql_topology_local(&topology, &local, "contact"), CHAT_OK);
    assert_int_equal(chat__cql_topology_peers(&topology, &peers), CHAT_OK);
    chat__buf_done(&local_buf);
    chat__buf_done(&peers_buf);
}

static void read_keyspace(const char *const *pairs, uint32_t n_pairs)
{
    chat__cql_result rows;
    chat__buf buf;
    rows_of_keyspace(&buf, &rows, pairs, n_pairs);
    assert_int_equal(chat__cql_topology_keyspace(&topology, &rows), CHAT_OK);
    chat__buf_done(&buf);
}

static void expect(int64_t token, const uint32_t *want, uint32_t n)
{
    uint32_t nodes[CHAT__CQL_MAX_REPLICAS];
    assert_int_equal(chat__cql_topology_replicas(&topology, token, nodes), n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(nodes[i], want[i]);
}

static const rows_node THREE[] = {
    {1, "dc1", "r1", {"0", "30"}, {127, 0, 0, 1}},
    {2, "dc1", "r1", {"10", "40"}, {127, 0, 0, 2}},
    {3, "dc1", "r2", {"20", "50"}, {127, 0, 0, 3}},
};

static void simple_strategy_takes_the_next_hosts(void **state)
{
    static const char *const PAIRS[] = {"class", "org.apache.cassandra.locator.SimpleStrategy",
                                        "replication_factor", "2"};
    (void)state;
    read_nodes(THREE, 3);
    read_keyspace(PAIRS, 2);
    chat__cql_topology_commit(&topology);
    expect(5, (const uint32_t[]){1, 2}, 2);
    expect(45, (const uint32_t[]){2, 0}, 2);
    expect(INT64_MAX, (const uint32_t[]){0, 1}, 2);
    assert_string_equal(topology.datacenter, "dc1");
    assert_string_equal(topology.nodes[2].address, "127.0.0.3");
}

static void racks_take_turns_in_the_own_datacenter(void **state)
{
    static const char *const PAIRS[] = {
        "class", "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1", "2", "dc2", "3"};
    static const rows_node NODES[] = {
        {1, "dc1", "r1", {"0"}, {10, 0, 0, 1}},  {2, "dc1", "r1", {"10"}, {10, 0, 0, 2}},
        {3, "dc2", "r1", {"20"}, {10, 0, 0, 3}}, {4, "dc1", "r2", {"30"}, {10, 0, 0, 4}},
        {5, "dc1", "r2", {"40"}, {10, 0, 0, 5}},
    };
    (void)state;
    read_nodes(NODES, 5);
    read_keyspace(PAIRS, 3);
    chat__cql_topology_commit(&topology);
    expect(0, (const uint32_t[]){0, 3}, 2);
    expect(25, (const uint32_t[]){3, 0}, 2);
    topology.factor = 3;
    expect(0, (const uint32_t[]){0, 3, 1}, 3); /* passed over, and nearer than node 4 */
    topology.factor = 9;
    expect(0, (const uint32_t[]){0, 3, 1, 4}, 4);
    assert_false(chat__cql_topology_is_local(&topology, 2));
}

static void a_node_keeps_its_number_and_goes_with_the_commit(void **state)
{
    static const rows_node AFTER[] = {
        {3, "dc1", "r2", {"20"}, {127, 0, 0, 9}},
        {4, "dc1", "r1", {"60"}, {127, 0, 0, 4}},
    };
    (void)state;
    read_nodes(THREE, 3);
    chat__cql_topology_commit(&topology);
    assert_int_equal(topology.n_there, 3);
    read_nodes(AFTER, 2);
    assert_int_equal(topology.nodes[0].is_there, 1);
    chat__cql_topology_commit(&topology);
    assert_int_equal(topology.nodes[0].is_there, 0);
    assert_int_equal(topology.nodes[2].is_there, 1);
    assert_int_equal(topology.nodes[2].has_moved, 1);
    assert_string_equal(topology.nodes[3].address, "127.0.0.4");
    read_nodes(AFTER + 1, 1);
    chat__cql_topology_commit(&topology);
    read_nodes(THREE, 2);
    assert_int_equal(topology.n_nodes, 4); /* numbers of those that went are given again */
}

static void a_node_that_says_too_little_is_left_out(void **state)
{
    static const rows_node NODES[] = {
        {1, "dc1", "r1", {"0"}, {0, 0, 0, 0}}, /* listens on all: its contact is its address */
        {2, "dc1", "r1", {"10"}, {0, 0, 0, 0}},
        {3, "dc1", "", {"20"}, {10, 0, 0, 3}},
        {4, "dc1", "r1", {NULL}, {10, 0, 0, 4}},
    };
    (void)state;
    read_nodes(NODES, 4);
    chat__cql_topology_commit(&topology);
    assert_int_equal(topology.n_there, 1);
    assert_string_equal(topology.nodes[0].address, "contact");
    expect(0, NULL, 0); /* the replication is not known: any node will do */
}

static void damaged_rows_are_refused(void **state)
{
    static const rows_node BAD_TOKEN = {1, "dc1", "r1", {"1x"}, {10, 0, 0, 1}};
    chat__cql_result rows;
    chat__buf buf;
    (void)state;
    rows_of_nodes(&buf, &rows, &BAD_TOKEN, 1);
    chat__cql_topology_begin(&topology);
    assert_int_equal(chat__cql_topology_local(&topology, &rows, "c"), CHAT_ERR_PROTOCOL);
    chat__buf_done(&buf);
    rows_of_nodes(&buf, &rows, THREE, 2);
    for (size_t len = (size_t)(rows.cells.end - rows.cells.at); len-- > 0;) {
        chat__cql_result cut = rows;
        cut.cells.end = rows.cells.at + len;
        chat__cql_topology_begin(&topology);
        assert_int_equal(chat__cql_topology_peers(&topology, &cut), CHAT_ERR_PROTOCOL);
    }
    chat__buf_done(&buf);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(simple_strategy_takes_the_next_hosts),
        ROW(racks_take_turns_in_the_own_datacenter),
        ROW(a_node_keeps_its_number_and_goes_with_the_commit),
        ROW(a_node_that_says_too_little_is_left_out),
        ROW(damaged_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
