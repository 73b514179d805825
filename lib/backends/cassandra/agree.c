/* SPDX-License-Identifier: MIT */
/* Schema agreement of a driver. See driver.h. A table that was just made is not there yet on a node
   that has not heard of it. So who makes one is answered when all nodes have the version of the
   schema that the node has by which it was made: that one is asked, for the others may agree on the
   old one. */
#include "backends/cassandra/driver_internal.h"

#include "base/view.h"

#include <arpa/inet.h>
#include <string.h>

#define AGAIN_MS      100u
#define OF_PEERS      (UINT64_C(1) << 41) /* with CHAT__CQL_TAG_AGREE */
#define VERSION_TEXT  "SELECT schema_version FROM system.local WHERE key = 'local'"
#define VERSIONS_TEXT "SELECT rpc_address, schema_version FROM system.peers"

static void ask(chat__cql_driver *driver, const chat__cql_request *request, uint64_t tag,
                const char *text)
{
    uint16_t stream;
    chat__cql_params params = {.consistency = CHAT__CQL_ONE};
    chat__cql_conn *conn = driver->wires[request->schema_wire].conn;
    if (chat__cql_is_open(driver, request->schema_wire)) /* BUSY: later */
        (void)chat__cql_conn_query(conn, tag | request->number, text, &params, &stream);
}

void chat__cql_agree(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire)
{
    request->state = CHAT__CQL_REQUEST_AGREEING;
    request->schema_wire = wire;
    chat__cql_queue_put(&driver->agreeing, request);
    driver->agree_at_ms = driver->now_ms;
    chat__cql_agree_look(driver);
}

void chat__cql_agree_look(chat__cql_driver *driver)
{
    if (driver->agreeing.first == NULL)
        driver->agree_at_ms = UINT64_MAX;
    if (driver->agree_at_ms > driver->now_ms)
        return;
    driver->agree_at_ms = driver->now_ms + AGAIN_MS;
    for (chat__cql_request *it = driver->agreeing.first; it != NULL; it = it->next)
        ask(driver, it, CHAT__CQL_TAG_AGREE, VERSION_TEXT);
}

/* Whether a node takes requests; what is said of others is old. */
static int is_open_address(const chat__cql_driver *driver, chat_view inet)
{
    char address[CHAT__CQL_NAME_BYTES] = "";
    if (inet.len != 4 && inet.len != 16)
        return 0;
    (void)inet_ntop(inet.len == 4 ? AF_INET : AF_INET6, inet.data, address, sizeof address);
    for (uint32_t i = 0; i < driver->topology.n_nodes; i++)
        if (chat__cql_is_open(driver, i + 1) &&
            strcmp(driver->topology.nodes[i].address, address) == 0)
            return 1;
    return 0;
}

static int do_agree(const chat__cql_driver *driver, const chat__cql_request *request,
                    const chat__cql_result *result)
{
    chat__cql_reader cells = result->cells;
    if (result->n_columns != 2 && result->n_rows > 0)
        return 0;
    for (uint32_t i = 0; i < result->n_rows; i++) {
        chat_view address = chat__cql_get_bytes(&cells), version = chat__cql_get_bytes(&cells);
        if (is_open_address(driver, address) &&
            !chat__view_equal(version, chat__view(request->version, sizeof request->version)))
            return 0;
    }
    return !cells.is_bad;
}

void chat__cql_agree_answer(chat__cql_driver *driver, uint64_t tag, const chat__cql_result *result)
{
    uint64_t number = tag & ~(CHAT__CQL_TAG_AGREE | OF_PEERS);
    if (result == NULL || number >= driver->n_requests)
        return; /* asked again soon */
    chat__cql_request *request = driver->requests[number];
    if (request->state != CHAT__CQL_REQUEST_AGREEING)
        return; /* it was given up */
    if ((tag & OF_PEERS) == 0) {
        chat__cql_reader cells = result->cells;
        chat_view version = chat__cql_get_bytes(&cells);
        if (version.len != sizeof request->version)
            return;
        memcpy(request->version, version.data, sizeof request->version);
        ask(driver, request, CHAT__CQL_TAG_AGREE | OF_PEERS, VERSIONS_TEXT);
    } else if (do_agree(driver, request, result)) {
        chat__cql_queue_remove(&driver->agreeing, request);
        request->state = CHAT__CQL_REQUEST_AGREED;
        chat__cql_queue_put(&driver->agreed, request);
    }
}
