/* SPDX-License-Identifier: MIT */
/* Where requests go, and what becomes of those that fail. See driver.h. */
#include "backends/cassandra/driver_internal.h"

#include "base/view.h"

#include <string.h>

#define AGAIN_MS 50u /* when all nodes were tried; it doubles */

static int was_tried(const chat__cql_request *request, uint32_t node)
{
    return request->tried[node / 8] >> (node % 8) & 1;
}

static void set_timer(chat__cql_driver *driver, chat__cql_request *request)
{
    uint64_t at_ms = request->deadline_ms;
    if (request->state == CHAT__CQL_REQUEST_PAUSED && request->paused_until_ms < at_ms)
        at_ms = request->paused_until_ms;
    if (request->state == CHAT__CQL_REQUEST_FLYING && request->speculate_at_ms != 0 &&
        request->speculate_at_ms < at_ms)
        at_ms = request->speculate_at_ms;
    (void)chat__heap_set(&driver->timers, &request->timer, at_ms); /* it is in: cannot fail */
}

static void fail_later(chat__cql_driver *driver, chat__cql_request *request, chat_status status,
                       const char *why)
{
    request->state = CHAT__CQL_REQUEST_FAILED;
    request->status = status;
    request->why = why;
    chat__heap_remove(&driver->timers, &request->timer);
    chat__cql_queue_put(&driver->failed, request);
}

/* --- to a node --- */

/* CHAT_OK: it flies; CHAT_EMPTY: this node does not come into question; else as conn_ask. */
static chat_status try_node(chat__cql_driver *driver, chat__cql_request *request, uint32_t node)
{
    if (!chat__cql_is_open(driver, node + 1) || was_tried(request, node))
        return CHAT_EMPTY;
    chat__cql_ask ask = {.kind = request->kind,
                         .texts = driver->texts,
                         .n_items = request->n_items,
                         .body = chat__buf_view(&request->body)};
    ask.statement.number = request->statement;
    ask.statement.text = request->kind == CHAT__CQL_ASK_QUERY ? (const char *)request->text.data
                                                              : driver->texts[request->statement];
    chat__cql_flight *flight = &request->flights[request->n_flights];
    chat_status status =
        chat__cql_conn_ask(driver->wires[node + 1].conn, request->number, &ask, &flight->stream);
    if (status != CHAT_OK)
        return status;
    flight->wire = node + 1;
    request->n_flights++;
    request->tried[node / 8] |= (uint8_t)(1u << (node % 8));
    request->was_sent = 1;
    return CHAT_OK;
}

/* Replicas first, each in turn, then the others. CHAT_OK; CHAT_EMPTY: all that are open were tried;
   CHAT_ERR_BUSY: one is open and full; else it cannot be sent at all. */
static chat_status try_nodes(chat__cql_driver *driver, chat__cql_request *request)
{
    uint32_t nodes[CHAT__CQL_MAX_REPLICAS];
    chat_status worst = CHAT_EMPTY;
    uint32_t turn = driver->turn++;
    uint32_t n = request->has_token
                     ? chat__cql_topology_replicas(&driver->topology, request->token, nodes)
                     : 0;
    for (uint32_t i = 0; i < n + driver->topology.n_nodes; i++) {
        uint32_t node = i < n ? nodes[(turn + i) % n] : (turn + i - n) % driver->topology.n_nodes;
        chat_status status = try_node(driver, request, node);
        if (status == CHAT_OK)
            driver->figures.to_replica += i < n;
        if (status != CHAT_EMPTY && status != CHAT_ERR_BUSY && status != CHAT_ERR_STATE)
            return status;
        if (status == CHAT_ERR_BUSY)
            worst = status;
    }
    return worst;
}

static void flies(chat__cql_driver *driver, chat__cql_request *request)
{
    uint32_t after_ms = driver->options.speculative_ms;
    request->state = CHAT__CQL_REQUEST_FLYING;
    request->speculate_at_ms =
        request->is_idempotent && after_ms > 0 ? driver->now_ms + after_ms : 0;
    set_timer(driver, request);
}

static int has_open_node(const chat__cql_driver *driver)
{
    for (uint32_t i = 0; i < driver->topology.n_nodes; i++)
        if (chat__cql_is_open(driver, i + 1))
            return 1;
    return 0;
}

/* All were tried: from the start, after a pause. */
static void pause(chat__cql_driver *driver, chat__cql_request *request)
{
    uint32_t doublings = request->n_tries < 8 ? request->n_tries : 8;
    memset(request->tried, 0, sizeof request->tried);
    request->state = CHAT__CQL_REQUEST_PAUSED;
    request->paused_until_ms = driver->now_ms + ((uint64_t)AGAIN_MS << doublings);
    set_timer(driver, request);
}

void chat__cql_pump(chat__cql_driver *driver)
{
    while (driver->queued.first != NULL && has_open_node(driver)) {
        chat__cql_request *request = driver->queued.first;
        chat_status status = try_nodes(driver, request);
        if (status == CHAT_ERR_BUSY)
            return;
        (void)chat__cql_queue_take(&driver->queued);
        if (status == CHAT_OK)
            flies(driver, request);
        else if (status == CHAT_EMPTY)
            pause(driver, request);
        else
            fail_later(driver, request, status,
                       "the request cannot be sent: too large, or no memory");
    }
}

/* --- back from a node --- */

static void end_flight(chat__cql_request *request, uint32_t wire)
{
    for (uint32_t i = 0; i < request->n_flights; i++) {
        if (request->flights[i].wire == wire) {
            request->flights[i] = request->flights[--request->n_flights];
            return;
        }
    }
}

/* A node that lets too many answers wait is left by chat__cql_wires_look(). */
static void abandon_flights(chat__cql_driver *driver, chat__cql_request *request)
{
    while (request->n_flights > 0) {
        const chat__cql_flight *flight = &request->flights[--request->n_flights];
        if (driver->wires[flight->wire].conn != NULL)
            driver->wires[flight->wire].n_abandoned =
                chat__cql_conn_abandon(driver->wires[flight->wire].conn, flight->stream);
    }
}

void chat__cql_land(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire)
{
    end_flight(request, wire);
    abandon_flights(driver, request);
}

/* 1: it is queued again. */
static int queue_again(chat__cql_driver *driver, chat__cql_request *request)
{
    if (++request->n_tries >= driver->options.max_tries)
        return 0;
    driver->figures.retries++;
    request->state = CHAT__CQL_REQUEST_QUEUED;
    set_timer(driver, request);
    chat__cql_queue_put(&driver->queued, request);
    return 1;
}

int chat__cql_try_failed(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire,
                         const chat__cql_error *error)
{
    int may_again = error->again == CHAT__CQL_AGAIN_NEXT ||
                    (error->again != CHAT__CQL_AGAIN_NO && request->is_idempotent);
    end_flight(request, wire);
    if (!may_again) {
        abandon_flights(driver, request);
        return 1;
    }
    if (request->n_flights > 0)
        return 0; /* another one may bring it */
    return !queue_again(driver, request);
}

void chat__cql_wire_lost(chat__cql_driver *driver, uint32_t wire)
{
    const chat__cql_conn *conn = driver->wires[wire].conn;
    for (uint32_t i = 0; i < driver->n_requests; i++) {
        chat__cql_request *request = driver->requests[i];
        int is_sent = 0, was_there = 0;
        for (uint32_t k = 0; request->state == CHAT__CQL_REQUEST_FLYING && k < request->n_flights;
             k++) {
            was_there |= request->flights[k].wire == wire;
            is_sent |= request->flights[k].wire == wire &&
                       chat__cql_conn_is_sent(conn, request->flights[k].stream);
        }
        if (!was_there)
            continue;
        end_flight(request, wire);
        if (request->n_flights > 0)
            continue;
        if (is_sent && !request->is_idempotent)
            fail_later(driver, request, CHAT_ERR_TIMEOUT,
                       "the connection was lost before the answer: it may have been done or not");
        else if (!queue_again(driver, request))
            fail_later(driver, request, is_sent ? CHAT_ERR_TIMEOUT : CHAT_ERR_NETWORK,
                       "the connections of all tries were lost");
    }
}

/* --- time --- */

static void give_up(chat__cql_driver *driver, chat__cql_request *request)
{
    if (request->state == CHAT__CQL_REQUEST_QUEUED)
        chat__cql_queue_remove(&driver->queued, request);
    if (request->state == CHAT__CQL_REQUEST_AGREEING)
        chat__cql_queue_remove(&driver->agreeing, request);
    if (request->state == CHAT__CQL_REQUEST_AGREED)
        chat__cql_queue_remove(&driver->agreed, request);
    abandon_flights(driver, request);
    if (request->state >= CHAT__CQL_REQUEST_AGREEING)
        fail_later(driver, request, CHAT_ERR_TIMEOUT,
                   "the schema was changed, and not all nodes know it: look at the other nodes");
    else if (request->was_sent)
        fail_later(driver, request, CHAT_ERR_TIMEOUT,
                   "no answer in time: it may have been done or not");
    else
        fail_later(driver, request, CHAT_ERR_NETWORK,
                   "no node took requests: are cassandra and cassandra-datacenter right?");
}

/* Help for a request that has bad luck; a cluster that is slow as a whole is not asked twice. */
static int may_speculate(const chat__cql_driver *driver, const chat__cql_request *request)
{
    return request->n_flights < CHAT__CQL_MAX_FLIGHTS &&
           driver->figures.speculations < 10 + driver->figures.answered / 20;
}

void chat__cql_on_timers(chat__cql_driver *driver)
{
    for (;;) {
        chat__heap_item *item = chat__heap_first(&driver->timers);
        if (item == NULL || item->at_ms > driver->now_ms)
            return;
        chat__cql_request *request = (chat__cql_request *)item;
        if (request->deadline_ms <= driver->now_ms) {
            give_up(driver, request);
        } else if (request->state == CHAT__CQL_REQUEST_PAUSED) {
            request->state = CHAT__CQL_REQUEST_QUEUED;
            set_timer(driver, request);
            chat__cql_queue_put(&driver->queued, request);
        } else {
            if (may_speculate(driver, request) && try_nodes(driver, request) == CHAT_OK)
                driver->figures.speculations++;
            request->speculate_at_ms = 0;
            set_timer(driver, request);
        }
    }
}
