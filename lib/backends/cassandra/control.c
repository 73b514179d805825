/* SPDX-License-Identifier: MIT */
/* What a driver knows of its cluster: by one wire of its own. See driver.h. */
#include "backends/cassandra/driver_internal.h"

#include "base/view.h"

#include <arpa/inet.h>
#include <string.h>

/* After an event: a node that is up may not listen yet, and changes come in numbers. */
#define SETTLE_MS  1000u
#define REFRESH_MS 300000u /* an event may have been missed */

/* Tags of our questions. */
#define TAG_LOCAL    1u
#define TAG_PEERS    2u
#define TAG_KEYSPACE 3u
#define N_QUESTIONS  3u

/* --- where to --- */

/* Nodes that answer come first, then those that were there, then where we began. `*out_n` is how
   many there are. */
static void candidate(const chat__cql_driver *driver, uint32_t number, const char **out_host,
                      uint16_t *out_port, uint32_t *out_n)
{
    const char *host = NULL;
    uint32_t n = 0;
    for (int is_open = 1; is_open >= 0; is_open--) {
        for (uint32_t i = 0; i < driver->topology.n_nodes; i++) {
            if (!chat__cql_topology_is_local(&driver->topology, i) ||
                chat__cql_is_open(driver, i + 1) != is_open)
                continue;
            if (n++ == number)
                host = driver->topology.nodes[i].address;
        }
    }
    *out_port = driver->contacts[0].port;
    if (host == NULL && number - n < driver->n_contacts) {
        host = driver->contacts[number - n].host;
        *out_port = driver->contacts[number - n].port;
    }
    *out_host = host;
    *out_n = n + driver->n_contacts;
}

void chat__cql_control_dial(chat__cql_driver *driver)
{
    const char *host = NULL;
    uint16_t port = 0;
    uint32_t n = 0;
    candidate(driver, driver->control_turn, &host, &port, &n);
    if (host == NULL) {
        driver->control_turn = 0;
        candidate(driver, 0, &host, &port, &n);
    }
    driver->control_turn++;
    chat__cql_wire_dial(driver, CHAT__CQL_CONTROL, host, port);
}

void chat__cql_control_lost(chat__cql_driver *driver, int was_open)
{
    const char *host = NULL;
    uint16_t port = 0;
    uint32_t n = 0;
    driver->refresh_at_ms = driver->refresh_until_ms = UINT64_MAX;
    driver->n_answers = 0;
    if (was_open)
        driver->control_turn = 0;
    candidate(driver, 0, &host, &port, &n);
    if (driver->control_turn < n) /* not all were tried: the next one now */
        driver->wires[CHAT__CQL_CONTROL].at_ms = driver->now_ms;
}

/* --- questions --- */

static chat_status ask(chat__cql_driver *driver, uint64_t tag, const char *text,
                       const chat_view *value)
{
    uint16_t stream;
    chat__cql_params params = {
        .consistency = CHAT__CQL_ONE, .n_values = value != NULL, .values = value};
    return chat__cql_conn_query(driver->wires[CHAT__CQL_CONTROL].conn, tag, text, &params, &stream);
}

static chat_status ask_keyspace(chat__cql_driver *driver)
{
    chat_view name = chat__view_str(driver->options.keyspace);
    return ask(driver, TAG_KEYSPACE, CHAT__CQL_KEYSPACE_TEXT, &name);
}

static void refresh(chat__cql_driver *driver)
{
    chat__cql_topology_begin(&driver->topology);
    chat_status status = ask(driver, TAG_LOCAL, CHAT__CQL_LOCAL_TEXT, NULL);
    driver->refresh_at_ms = UINT64_MAX;
    if (status != CHAT_OK) {
        chat__cql_wire_lose(driver, CHAT__CQL_CONTROL, status, "the nodes cannot be asked for");
        return;
    }
    driver->n_answers = N_QUESTIONS;
    driver->refresh_until_ms = driver->now_ms + driver->options.connect_timeout_ms;
}

void chat__cql_control_ready(chat__cql_driver *driver)
{
    refresh(driver);
}

/* Wires to all nodes of our datacenter, and to no other. */
static void set_wires(chat__cql_driver *driver)
{
    uint32_t n_local = 0;
    for (uint32_t i = 0; i < driver->topology.n_nodes; i++) {
        chat__cql_wire *wire = &driver->wires[i + 1];
        chat__cql_node *node = &driver->topology.nodes[i];
        int is_local = chat__cql_topology_is_local(&driver->topology, i);
        n_local += (uint32_t)is_local;
        if ((!is_local || node->has_moved) && wire->state != CHAT__CQL_WIRE_OFF)
            chat__cql_wire_drop(driver, i + 1);
        node->has_moved = 0;
        if (is_local && wire->state == CHAT__CQL_WIRE_OFF)
            chat__cql_wire_dial(driver, i + 1, node->address, driver->contacts[0].port);
    }
    if (n_local == 0)
        chat__cql_say(driver, CHAT_CASSANDRA_EVENT_PROBLEM, CHAT_ERR_NOT_FOUND,
                      "the datacenter %s has no node: set cassandra-datacenter to one that has",
                      driver->topology.datacenter);
}

static void is_complete(chat__cql_driver *driver)
{
    chat__cql_topology_commit(&driver->topology);
    driver->refresh_until_ms = UINT64_MAX;
    driver->refresh_at_ms = driver->now_ms + REFRESH_MS;
    driver->is_known = 1;
    driver->figures.topology_reads++;
    set_wires(driver);
}

/* One question after the other: which datacenter is ours is known by the first. */
void chat__cql_control_answer(chat__cql_driver *driver, uint64_t tag,
                              const chat__cql_result *result)
{
    chat_status status = CHAT_ERR_PROTOCOL;
    if (driver->n_answers == 0)
        return;
    const char *contact = driver->wires[CHAT__CQL_CONTROL].host;
    if (result != NULL && tag == TAG_LOCAL)
        status = chat__cql_topology_local(&driver->topology, result, contact);
    else if (result != NULL && tag == TAG_PEERS)
        status = chat__cql_topology_peers(&driver->topology, result);
    else if (tag == TAG_KEYSPACE) /* 2.2 has no such table: then nothing is routed */
        status = result != NULL ? chat__cql_topology_keyspace(&driver->topology, result) : CHAT_OK;
    if (status == CHAT_OK && --driver->n_answers == 0) {
        is_complete(driver);
        return;
    }
    if (status == CHAT_OK)
        status = tag == TAG_LOCAL ? ask(driver, TAG_PEERS, CHAT__CQL_PEERS_TEXT, NULL)
                                  : ask_keyspace(driver);
    if (status != CHAT_OK)
        chat__cql_wire_lose(driver, CHAT__CQL_CONTROL, status,
                            "what it says of the cluster cannot be read");
}

/* --- news --- */

static void refresh_soon(chat__cql_driver *driver)
{
    if (driver->n_answers == 0 && driver->refresh_at_ms > driver->now_ms + SETTLE_MS)
        driver->refresh_at_ms = driver->now_ms + SETTLE_MS;
}

/* It is tried soon, however long it was away. */
static void is_up(chat__cql_driver *driver, chat_view inet)
{
    char address[CHAT__CQL_NAME_BYTES] = "";
    if (inet.len != 4 && inet.len != 16)
        return;
    (void)inet_ntop(inet.len == 4 ? AF_INET : AF_INET6, inet.data, address, sizeof address);
    for (uint32_t i = 0; i < driver->topology.n_nodes; i++) {
        chat__cql_wire *wire = &driver->wires[i + 1];
        if (strcmp(driver->topology.nodes[i].address, address) != 0 ||
            wire->state != CHAT__CQL_WIRE_PAUSED)
            continue;
        wire->n_failures = 0;
        if (wire->at_ms > driver->now_ms + SETTLE_MS)
            wire->at_ms = driver->now_ms + SETTLE_MS;
    }
}

void chat__cql_control_pushed(chat__cql_driver *driver, chat_view body)
{
    chat__cql_reader reader = chat__cql_read(body);
    chat_view type = chat__cql_get_string(&reader);
    chat_view change = chat__cql_get_string(&reader);
    if (chat__view_equal(type, chat__view_str("STATUS_CHANGE"))) {
        if (chat__view_equal(change, chat__view_str("UP")))
            is_up(driver, chat__cql_get_raw(&reader, chat__cql_get_u8(&reader)));
        refresh_soon(driver);
    } else if (chat__view_equal(type, chat__view_str("TOPOLOGY_CHANGE"))) {
        refresh_soon(driver);
    } else if (chat__view_equal(type, chat__view_str("SCHEMA_CHANGE"))) {
        /* Tables matter only to prepared statements, and nodes tell when they forgot one. */
        if (chat__view_equal(chat__cql_get_string(&reader), chat__view_str("KEYSPACE")))
            refresh_soon(driver);
    }
}

void chat__cql_control_look(chat__cql_driver *driver)
{
    if (driver->refresh_until_ms <= driver->now_ms)
        chat__cql_wire_lose(driver, CHAT__CQL_CONTROL, CHAT_ERR_TIMEOUT,
                            "it did not say in time which nodes there are");
    else if (driver->refresh_at_ms <= driver->now_ms)
        refresh(driver);
}

void chat__cql_control_node_up(chat__cql_driver *driver)
{
    if (!driver->is_ready)
        chat__cql_say(driver, CHAT_CASSANDRA_EVENT_READY, CHAT_OK, "%s",
                      driver->topology.datacenter);
    driver->is_ready = 1;
}
