/* SPDX-License-Identifier: MIT */
/* Connections of a driver: when they are made, given up and tried again. See driver.h. */
#include "backends/cassandra/driver_internal.h"

#include "base/view.h"

#include <stdio.h>
#include <string.h>

int chat__cql_is_open(const chat__cql_driver *driver, uint32_t wire)
{
    return driver->wires[wire].state == CHAT__CQL_WIRE_OPEN;
}

void chat__cql_wire_dial(chat__cql_driver *driver, uint32_t wire, const char *host, uint16_t port)
{
    chat__cql_wire *it = &driver->wires[wire];
    it->state = CHAT__CQL_WIRE_DIALING;
    it->at_ms = driver->now_ms + driver->options.connect_timeout_ms;
    it->host = host;
    it->port = port;
    it->must_open = 1;
}

/* Doubles up to the maximum, with a random quarter less: nodes that went together come back to
   clients that do not. */
static uint64_t pause_of(chat__cql_driver *driver, uint32_t n_failures)
{
    uint64_t pause = driver->options.reconnect_min_ms;
    for (uint32_t i = 1; i < n_failures && pause < driver->options.reconnect_max_ms; i++)
        pause *= 2;
    if (pause > driver->options.reconnect_max_ms)
        pause = driver->options.reconnect_max_ms;
    return pause - chat__cql_random(driver) % (pause / 4 + 1);
}

/* What to change when no node was ever up; static. */
static const char *advice_of(const chat__cql_driver *driver, chat_status status)
{
    if (driver->is_ready || status == CHAT_ERR_AUTH || status == CHAT_ERR_VERSION)
        return "";
    if (status == CHAT_ERR_TLS)
        return ": does it speak TLS at that port (cassandra-tls), with a certificate that "
               "cassandra-ca-file has signed?";
    return ": are host and port in `cassandra` right, does it run, and is cassandra-tls as it "
           "wants "
           "it there?";
}

/* Its requests go elsewhere, its connection is gone. */
static void cut(chat__cql_driver *driver, uint32_t wire)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (it->state >= CHAT__CQL_WIRE_DIALING && !it->must_open)
        it->must_close = 1;
    it->must_open = 0;
    it->state = CHAT__CQL_WIRE_OFF;
    if (it->conn != NULL && wire != CHAT__CQL_CONTROL)
        chat__cql_wire_lost(driver, wire);
    chat__cql_conn_free(it->conn);
    it->conn = NULL;
    it->is_pinged = 0;
    it->n_abandoned = 0;
}

void chat__cql_wire_lose(chat__cql_driver *driver, uint32_t wire, chat_status status,
                         const char *why)
{
    chat__cql_wire *it = &driver->wires[wire];
    int was_open = it->state == CHAT__CQL_WIRE_OPEN;
    if (it->state == CHAT__CQL_WIRE_OFF)
        return;
    /* The news come over a node that has its own wire, which tells: twice is once too often. */
    if (wire != CHAT__CQL_CONTROL || !driver->is_known)
        chat__cql_say(driver, CHAT_CASSANDRA_EVENT_NODE_DOWN, status, "%s:%u: %s%s", it->host,
                      (unsigned)it->port, why, advice_of(driver, status));
    cut(driver, wire);
    it->n_failures = was_open ? 1 : it->n_failures + 1;
    it->state = CHAT__CQL_WIRE_PAUSED;
    it->at_ms = driver->now_ms + pause_of(driver, it->n_failures);
    if (wire == CHAT__CQL_CONTROL)
        chat__cql_control_lost(driver, was_open);
}

void chat__cql_wire_drop(chat__cql_driver *driver, uint32_t wire)
{
    cut(driver, wire);
    driver->wires[wire].n_failures = 0;
}

/* --- what comes from outside --- */

chat_status chat__cql_driver_next_order(chat__cql_driver *driver, chat__cql_order *out)
{
    for (uint32_t i = 0; i <= driver->topology.n_nodes; i++) {
        chat__cql_wire *it = &driver->wires[i];
        if (!it->must_close && !it->must_open)
            continue;
        memset(out, 0, sizeof *out);
        out->wire = i;
        out->is_open = !it->must_close;
        if (out->is_open) {
            out->host = it->host;
            out->port = it->port;
            it->must_open = 0;
        }
        it->must_close = 0;
        return CHAT_OK;
    }
    return CHAT_EMPTY;
}

void chat__cql_driver_opened(chat__cql_driver *driver, uint32_t wire)
{
    chat__cql_wire *it = &driver->wires[wire];
    chat__cql_conn_options options;
    if (it->state != CHAT__CQL_WIRE_DIALING)
        return;
    chat__cql_conn_options_init(&options);
    options.allocator = &driver->allocator;
    options.user = driver->options.user;
    options.password = driver->options.password;
    options.max_in_flight = wire == CHAT__CQL_CONTROL ? 16 : driver->options.max_in_flight;
    options.max_frame_bytes = driver->options.max_answer_bytes;
    options.max_unsent_bytes = (uint32_t)driver->options.max_request_bytes * 2;
    options.wants_lz4 = !driver->options.no_lz4;
    options.has_events = wire == CHAT__CQL_CONTROL;
    if (chat__cql_conn_new(&options, &it->conn) != CHAT_OK) {
        chat__cql_wire_lose(driver, wire, CHAT_ERR_NOMEM, "no memory for the connection");
        return;
    }
    it->state = CHAT__CQL_WIRE_STARTING;
    it->heard_at_ms = driver->now_ms;
    driver->figures.connects++;
}

void chat__cql_driver_closed(chat__cql_driver *driver, uint32_t wire, chat_status status,
                             const char *why)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (it->state < CHAT__CQL_WIRE_DIALING || it->must_open)
        return; /* it was on its way to be closed */
    chat__cql_wire_lose(driver, wire, status, why);
    it->must_close = 0;
}

void chat__cql_driver_feed(chat__cql_driver *driver, uint32_t wire, chat_view bytes)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (it->conn == NULL)
        return;
    it->heard_at_ms = driver->now_ms;
    it->is_pinged = 0;
    if (it->state == CHAT__CQL_WIRE_OPEN)
        it->at_ms = driver->now_ms + driver->options.heartbeat_ms;
    chat_status status = chat__cql_conn_feed(it->conn, bytes);
    if (status != CHAT_OK)
        chat__cql_wire_lose(driver, wire, status,
                            status == CHAT_ERR_LIMIT
                                ? "an answer was above max_answer_bytes: read smaller pages"
                                : "no memory for an answer");
}

chat_view chat__cql_driver_unsent(const chat__cql_driver *driver, uint32_t wire)
{
    const chat__cql_conn *conn = driver->wires[wire].conn;
    return conn != NULL ? chat__cql_conn_unsent(conn) : chat__view(NULL, 0);
}

void chat__cql_driver_sent(chat__cql_driver *driver, uint32_t wire, size_t n)
{
    chat__cql_conn_sent(driver->wires[wire].conn, n);
}

static void is_refused(chat__cql_driver *driver, uint32_t wire, const chat__cql_error *error)
{
    char why[CHAT__CQL_TEXT_BYTES];
    size_t len = error->message.len < 200 ? error->message.len : 200;
    (void)snprintf(why, sizeof why, "%s%s%.*s%s", error->advice, len > 0 ? " (" : "", (int)len,
                   len > 0 ? (const char *)error->message.data : "", len > 0 ? ")" : "");
    chat__cql_wire_lose(driver, wire, error->status, why);
}

void chat__cql_wire_event(chat__cql_driver *driver, uint32_t wire,
                          const chat__cql_conn_event *event)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (event->type == CHAT__CQL_CONN_REFUSED) {
        is_refused(driver, wire, &event->error);
        return;
    }
    if (event->type != CHAT__CQL_CONN_READY) {
        chat__cql_wire_lose(driver, wire, event->status,
                            event->status == CHAT_ERR_VERSION ? CHAT__CQL_OTHER_VERSION
                                                              : "it broke the protocol");
        return;
    }
    it->state = CHAT__CQL_WIRE_OPEN;
    it->n_failures = 0;
    it->at_ms = driver->now_ms + driver->options.heartbeat_ms;
    if (wire == CHAT__CQL_CONTROL) {
        chat__cql_control_ready(driver);
        return;
    }
    chat__cql_say(driver, CHAT_CASSANDRA_EVENT_NODE_UP, CHAT_OK, "%s:%u", it->host,
                  (unsigned)it->port);
    chat__cql_control_node_up(driver);
}

/* --- time --- */

/* Nothing came for long. */
static void look_for_life(chat__cql_driver *driver, uint32_t wire)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (it->is_pinged) {
        chat__cql_wire_lose(driver, wire, CHAT_ERR_TIMEOUT, "it gives no sign of life");
        return;
    }
    (void)chat__cql_conn_ping(it->conn); /* BUSY: then answers are due anyway */
    it->is_pinged = 1;
    it->at_ms = driver->now_ms + driver->options.heartbeat_ms;
}

static void look(chat__cql_driver *driver, uint32_t wire)
{
    chat__cql_wire *it = &driver->wires[wire];
    if (it->state == CHAT__CQL_WIRE_OPEN && it->n_abandoned > driver->options.max_in_flight / 2) {
        chat__cql_wire_lose(driver, wire, CHAT_ERR_TIMEOUT, "too many answers are overdue");
        return;
    }
    if (it->state == CHAT__CQL_WIRE_OFF || it->at_ms > driver->now_ms)
        return;
    if (it->state == CHAT__CQL_WIRE_OPEN)
        look_for_life(driver, wire);
    else if (it->state != CHAT__CQL_WIRE_PAUSED)
        chat__cql_wire_lose(driver, wire, CHAT_ERR_TIMEOUT, "it did not answer in time");
    else if (wire == CHAT__CQL_CONTROL)
        chat__cql_control_dial(driver);
    else
        chat__cql_wire_dial(driver, wire, driver->topology.nodes[wire - 1].address,
                            driver->contacts[0].port);
}

void chat__cql_wires_look(chat__cql_driver *driver)
{
    for (uint32_t i = 0; i <= driver->topology.n_nodes; i++)
        look(driver, i);
}

uint64_t chat__cql_wires_deadline(const chat__cql_driver *driver)
{
    uint64_t at_ms = UINT64_MAX;
    for (uint32_t i = 0; i <= driver->topology.n_nodes; i++)
        if (driver->wires[i].state != CHAT__CQL_WIRE_OFF && driver->wires[i].at_ms < at_ms)
            at_ms = driver->wires[i].at_ms;
    return at_ms;
}
