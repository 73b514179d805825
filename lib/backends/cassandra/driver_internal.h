/* SPDX-License-Identifier: MIT */
/* What driver.c (life, events), ask.c (requests), flight.c (where they go), wires.c (connections)
   and control.c (the cluster) share. Nobody else includes it. */
#ifndef CHAT_CASSANDRA_DRIVER_INTERNAL_H
#define CHAT_CASSANDRA_DRIVER_INTERNAL_H

#include "backends/cassandra/conn.h"
#include "backends/cassandra/driver.h"
#include "backends/cassandra/topology.h"
#include "base/heap.h"

#define CHAT__CQL_MAX_CONTACTS 16u
#define CHAT__CQL_MAX_FLIGHTS  3u
#define CHAT__CQL_MAX_NOTES    32u
#define CHAT__CQL_TEXT_BYTES   400u
#define CHAT__CQL_KEEP_BYTES   4096u /* of a request that is over */
#define CHAT__CQL_CONTROL      0u

typedef enum chat__cql_wire_state {
    CHAT__CQL_WIRE_OFF,     /* not wanted */
    CHAT__CQL_WIRE_PAUSED,  /* wanted from at_ms on */
    CHAT__CQL_WIRE_DIALING, /* given up at at_ms */
    CHAT__CQL_WIRE_STARTING,
    CHAT__CQL_WIRE_OPEN /* looked at for signs of life at at_ms */
} chat__cql_wire_state;

typedef struct chat__cql_wire {
    chat__cql_wire_state state;
    uint8_t must_open, must_close; /* orders that were not given out; close comes first */
    uint8_t is_pinged;
    uint32_t n_failures;  /* since it was open last */
    uint32_t n_abandoned; /* answers that come too late */
    uint64_t at_ms, heard_at_ms;
    chat__cql_conn *conn;
    const char *host;
    uint16_t port;
} chat__cql_wire;

typedef enum chat__cql_request_state {
    CHAT__CQL_REQUEST_FREE,
    CHAT__CQL_REQUEST_QUEUED, /* for a node that takes it */
    CHAT__CQL_REQUEST_PAUSED, /* until its timer */
    CHAT__CQL_REQUEST_FLYING,
    CHAT__CQL_REQUEST_AGREEING, /* it changed the schema, and not all nodes know */
    CHAT__CQL_REQUEST_AGREED,   /* and not told yet */
    CHAT__CQL_REQUEST_FAILED    /* and not told yet */
} chat__cql_request_state;

typedef struct chat__cql_flight {
    uint32_t wire;
    uint16_t stream;
} chat__cql_flight;

typedef struct chat__cql_request {
    chat__heap_item timer; /* first: a request is found by it */
    struct chat__cql_request *next;
    chat__cql_request_state state;
    uint32_t number;
    uint64_t tag, deadline_ms, paused_until_ms, speculate_at_ms; /* 0: no such time */
    chat__cql_ask_kind kind;
    uint32_t statement;
    uint16_t n_items;
    uint8_t is_idempotent, was_sent, has_token;
    int64_t token;
    uint32_t n_tries, n_flights;
    uint32_t schema_wire; /* AGREEING: of the node that has changed the schema */
    uint8_t version[16];  /* and its version of it */
    chat__cql_flight flights[CHAT__CQL_MAX_FLIGHTS];
    uint8_t tried[CHAT_CASSANDRA_MAX_NODES / 8];
    chat_status status; /* FAILED, or how the last try ended */
    const char *why;    /* static */
    chat__buf body, text;
} chat__cql_request;

typedef struct chat__cql_queue {
    chat__cql_request *first, *last;
} chat__cql_queue;

typedef struct chat__cql_known_statement {
    char *text;
    uint32_t n_key_parts; /* 0: not known */
    uint16_t key_parts[CHAT__CQL_MAX_KEY_PARTS];
} chat__cql_known_statement;

typedef struct chat__cql_contact {
    char *host;
    uint16_t port;
} chat__cql_contact;

typedef struct chat__cql_note {
    chat_cassandra_event_type type;
    chat_status status;
    char text[CHAT__CQL_TEXT_BYTES];
} chat__cql_note;

struct chat__cql_driver {
    chat_allocator allocator;
    chat_cassandra_options options; /* strings are copies or NULL */
    chat__cql_contact contacts[CHAT__CQL_MAX_CONTACTS];
    uint32_t n_contacts;
    uint64_t now_ms, random;
    chat_cassandra_figures figures;

    chat__cql_wire *wires; /* CHAT__CQL_MAX_WIRES */
    uint32_t reading;      /* the wire whose events are read */
    uint32_t turn;         /* where the next request begins to look for a node */

    chat__cql_topology topology;
    uint32_t control_turn; /* which candidate is next */
    uint32_t n_answers;    /* of the questions for the topology that are still to come */
    uint64_t refresh_at_ms, refresh_until_ms; /* UINT64_MAX: not */
    uint64_t agree_at_ms; /* when versions of the schema are asked for; UINT64_MAX: not */
    uint8_t is_known;     /* the topology was read once */
    uint8_t is_ready;     /* READY was told */

    chat__cql_known_statement statements[CHAT_CASSANDRA_MAX_STATEMENTS];
    const char *texts[CHAT_CASSANDRA_MAX_STATEMENTS];
    uint32_t n_statements;
    chat__cql_request **requests; /* options.max_requests; NULL from n_requests on */
    uint32_t n_requests;
    chat__cql_request *free_requests;
    uint64_t waiting_bytes;
    uint32_t n_waiting;
    chat__cql_queue queued, failed, agreeing, agreed;
    chat__heap timers;
    chat__buf key;

    chat__cql_note notes[CHAT__CQL_MAX_NOTES];
    uint32_t first_note, n_notes;
    char text[CHAT__CQL_TEXT_BYTES]; /* of the last event */
};

/* --- driver.c --- */
__attribute__((format(printf, 4, 5))) void chat__cql_say(chat__cql_driver *driver,
                                                         chat_cassandra_event_type type,
                                                         chat_status status, const char *format,
                                                         ...);
uint64_t chat__cql_random(chat__cql_driver *driver);

/* --- ask.c --- */
void chat__cql_request_free(chat__cql_driver *driver, chat__cql_request *request);
void chat__cql_queue_put(chat__cql_queue *queue, chat__cql_request *request);
chat__cql_request *chat__cql_queue_take(chat__cql_queue *queue);
void chat__cql_queue_remove(chat__cql_queue *queue, chat__cql_request *request);
/* Which of its statement's values are its partition, from a node that prepared it. */
void chat__cql_learn_key(chat__cql_driver *driver, const chat__cql_request *request,
                         const chat__cql_conn *conn);

/* --- flight.c --- */
/* What waits goes to nodes as far as they take it. */
void chat__cql_pump(chat__cql_driver *driver);
void chat__cql_on_timers(chat__cql_driver *driver);
/* An answer came on a wire: no other is wanted. */
void chat__cql_land(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire);
/* A try on a wire ended badly. 1: the request is lost with it, and is to be told and freed; 0: it
   goes on. */
int chat__cql_try_failed(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire,
                         const chat__cql_error *error);
/* The wire is gone, its connection not yet. */
void chat__cql_wire_lost(chat__cql_driver *driver, uint32_t wire);

/* --- wires.c --- */
int chat__cql_is_open(const chat__cql_driver *driver, uint32_t wire);
/* READY, REFUSED, BROKEN. */
void chat__cql_wire_event(chat__cql_driver *driver, uint32_t wire,
                          const chat__cql_conn_event *event);
void chat__cql_wire_dial(chat__cql_driver *driver, uint32_t wire, const char *host, uint16_t port);
/* End it for now; it is tried again when it is wanted. `why` for people. */
void chat__cql_wire_lose(chat__cql_driver *driver, uint32_t wire, chat_status status,
                         const char *why);
/* Not wanted any more. */
void chat__cql_wire_drop(chat__cql_driver *driver, uint32_t wire);
void chat__cql_wires_look(chat__cql_driver *driver);
uint64_t chat__cql_wires_deadline(const chat__cql_driver *driver);

/* --- control.c --- */
void chat__cql_control_dial(chat__cql_driver *driver);
/* Its wire is gone: the next candidate. */
void chat__cql_control_lost(chat__cql_driver *driver, int was_open);
void chat__cql_control_ready(chat__cql_driver *driver);
/* An answer to a question of ours; `result` NULL: an error. */
void chat__cql_control_answer(chat__cql_driver *driver, uint64_t tag,
                              const chat__cql_result *result);
void chat__cql_control_pushed(chat__cql_driver *driver, chat_view body);
void chat__cql_control_look(chat__cql_driver *driver);
/* A node takes requests: READY, if it is the first. */
void chat__cql_control_node_up(chat__cql_driver *driver);

/* --- agree.c: after a change of the schema, until all nodes that are there know it --- */
#define CHAT__CQL_TAG_AGREE (UINT64_C(1) << 40) /* questions of ours on the wires of nodes */
/* It has changed the schema by this wire: it is answered when all know. */
void chat__cql_agree(chat__cql_driver *driver, chat__cql_request *request, uint32_t wire);
void chat__cql_agree_look(chat__cql_driver *driver);
/* `result` NULL: an error. */
void chat__cql_agree_answer(chat__cql_driver *driver, uint64_t tag, const chat__cql_result *result);

#endif
