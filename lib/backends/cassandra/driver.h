/* SPDX-License-Identifier: MIT */
/*
 * The driver of <chat/cassandra.h> as a function of bytes and time: which wires are wanted comes
 * out as orders, what came from them goes in, requests go in and events come out. It opens no
 * socket, reads no clock. Wire 0 brings the news of the cluster, wire n + 1 is that of node n.
 *
 * A turn: chat__cql_driver_begin(now), opened/closed/feed of each wire that has something, then
 * next_event until CHAT_EMPTY, next_order until CHAT_EMPTY, and send what is unsent.
 */
#ifndef CHAT_CASSANDRA_DRIVER_H
#define CHAT_CASSANDRA_DRIVER_H

#include <chat/cassandra.h>

#define CHAT__CQL_MAX_WIRES (CHAT_CASSANDRA_MAX_NODES + 1u)

typedef struct chat__cql_driver chat__cql_driver;

typedef struct chat__cql_order {
    uint32_t wire;
    int is_open;      /* 0: close it, without an answer; 1: connect, then opened or closed */
    const char *host; /* name or address; as long as the wire is open */
    uint16_t port;
} chat__cql_order;

/* `options` have all fields. CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
chat_status chat__cql_driver_new(const chat_cassandra_options *options, uint64_t seed,
                                 chat__cql_driver **out);
void chat__cql_driver_free(chat__cql_driver *driver);

/* As the functions of <chat/cassandra.h>; `n` 0: one request that is no batch. */
chat_status chat__cql_driver_statement(chat__cql_driver *driver, const char *text,
                                       uint32_t *out_number);
chat_status chat__cql_driver_ask(chat__cql_driver *driver, uint64_t tag,
                                 const chat_cassandra_request *requests, uint32_t n,
                                 uint64_t now_ms);

/* Time has passed: `now_ms` of a monotonic clock. */
void chat__cql_driver_begin(chat__cql_driver *driver, uint64_t now_ms);
/* When it must be called again; UINT64_MAX: never. */
uint64_t chat__cql_driver_deadline(const chat__cql_driver *driver);

/* CHAT_OK, CHAT_EMPTY. */
chat_status chat__cql_driver_next_order(chat__cql_driver *driver, chat__cql_order *out);
void chat__cql_driver_opened(chat__cql_driver *driver, uint32_t wire);
/* It is closed; `why` for people. */
void chat__cql_driver_closed(chat__cql_driver *driver, uint32_t wire, chat_status status,
                             const char *why);
/* At most 1 MiB; of a wire that is not open it is dropped. */
void chat__cql_driver_feed(chat__cql_driver *driver, uint32_t wire, chat_view bytes);
/* Borrowed until the next call. */
chat_view chat__cql_driver_unsent(const chat__cql_driver *driver, uint32_t wire);
void chat__cql_driver_sent(chat__cql_driver *driver, uint32_t wire, size_t n);

/* As chat_cassandra_next_event(), into a whole struct. */
chat_status chat__cql_driver_next_event(chat__cql_driver *driver, chat_cassandra_event *out);
chat_cassandra_figures chat__cql_driver_figures(const chat__cql_driver *driver);

#endif
