/* SPDX-License-Identifier: MIT */
/* What a server answers: rows, prepared statements, errors, events. Views point into the body. */
#ifndef CHAT_CASSANDRA_RESULT_H
#define CHAT_CASSANDRA_RESULT_H

#include "backends/cassandra/wire.h"

#define CHAT__CQL_MAX_KEY_PARTS 8u

/* [4.2.5] */
typedef enum chat__cql_result_kind {
    CHAT__CQL_VOID = 1,
    CHAT__CQL_ROWS = 2,
    CHAT__CQL_SET_KEYSPACE = 3,
    CHAT__CQL_PREPARED = 4,
    CHAT__CQL_SCHEMA_CHANGE = 5
} chat__cql_result_kind;

typedef struct chat__cql_result {
    chat__cql_result_kind kind;
    /* ROWS: read n_rows times n_columns cells with chat__cql_get_bytes(&cells). */
    uint32_t n_columns, n_rows;
    int has_more;           /* of this query; go on with `paging_state` */
    chat_view paging_state; /* opaque */
    chat__cql_reader cells;
    /* PREPARED: which of the values make up the partition key, in its order. */
    chat_view id;
    uint32_t n_key_parts; /* 0: not known, cannot be routed */
    uint16_t key_parts[CHAT__CQL_MAX_KEY_PARTS];
} chat__cql_result;

/* The body of a RESULT. CHAT_OK, CHAT_ERR_PROTOCOL. */
chat_status chat__cql_read_result(chat_view body, chat__cql_result *out);

#define CHAT__CQL_OTHER_VERSION                                                                    \
    "it speaks another version of the protocol: `cassandra` must name Cassandra 2.2 to 5"

/* X(NAME, code of [9], who tries again, status, what to do)
   again: NO the statement is wrong; NEXT another node may do it, nothing was done here; UNKNOWN it
   may have been done: again only when idempotent; PREPARE prepare it, then the same again. */
#define CHAT__CQL_ERROR_TABLE(X)                                                                   \
    X(SERVER, 0x0000, UNKNOWN, IO, "an error inside the server: see its log")                      \
    X(PROTOCOL, 0x000A, NO, VERSION, CHAT__CQL_OTHER_VERSION)                                      \
    X(CREDENTIALS, 0x0100, NO, AUTH,                                                               \
      "user or password is wrong: correct cassandra-user and cassandra-password-file")             \
    X(UNAVAILABLE, 0x1000, NEXT, BUSY,                                                             \
      "too few replicas are alive: start nodes, or give the keyspace fewer replicas than there "   \
      "are nodes (cassandra-replication)")                                                         \
    X(OVERLOADED, 0x1001, NEXT, BUSY, "the node is overloaded")                                    \
    X(BOOTSTRAPPING, 0x1002, NEXT, BUSY, "the node is starting")                                   \
    X(TRUNCATE, 0x1003, UNKNOWN, IO, "truncation failed")                                          \
    X(WRITE_TIMEOUT, 0x1100, UNKNOWN, TIMEOUT, "replicas did not confirm the write in time")       \
    X(READ_TIMEOUT, 0x1200, UNKNOWN, TIMEOUT, "replicas did not answer in time")                   \
    X(READ_FAILURE, 0x1300, UNKNOWN, IO, "a replica failed to read")                               \
    X(FUNCTION_FAILURE, 0x1400, NO, ARG, "a function failed")                                      \
    X(WRITE_FAILURE, 0x1500, UNKNOWN, IO, "a replica failed to write")                             \
    X(SYNTAX, 0x2000, NO, ARG, "the statement is no CQL")                                          \
    X(UNAUTHORIZED, 0x2100, NO, FORBIDDEN,                                                         \
      "cassandra-user may not do that: grant it, or choose another")                               \
    X(INVALID, 0x2200, NO, ARG,                                                                    \
      "the tables are not as they should be: chatd --migrate makes them")                          \
    X(CONFIG, 0x2300, NO, ARG, "the server's configuration does not allow it")                     \
    X(ALREADY_EXISTS, 0x2400, NO, EXISTS, "the keyspace or table exists")                          \
    X(UNPREPARED, 0x2500, PREPARE, IO, "the node does not know the statement any more")

typedef enum chat__cql_again {
    CHAT__CQL_AGAIN_NO,
    CHAT__CQL_AGAIN_NEXT,
    CHAT__CQL_AGAIN_UNKNOWN,
    CHAT__CQL_AGAIN_PREPARE
} chat__cql_again;

typedef struct chat__cql_error {
    uint32_t code;
    chat__cql_again again;
    chat_status status;
    const char *advice; /* static */
    chat_view message;  /* the server's words */
    chat_view id;       /* UNPREPARED: of the statement */
} chat__cql_error;

/* The body of an ERROR; a code that is not in the table is one inside the server.
   CHAT_OK, CHAT_ERR_PROTOCOL. */
chat_status chat__cql_read_error(chat_view body, chat__cql_error *out);

#endif
