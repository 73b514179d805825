/* SPDX-License-Identifier: MIT */
/* What conn.c and request.c share. Nobody else includes it. */
#ifndef CHAT_CASSANDRA_CONN_INTERNAL_H
#define CHAT_CASSANDRA_CONN_INTERNAL_H

#include "backends/cassandra/conn.h"

#define CHAT__CQL_ID_BYTES 64u /* of a prepared statement; servers give 16 */

typedef enum chat__cql_slot_state {
    CHAT__CQL_SLOT_FREE,
    CHAT__CQL_SLOT_WAITING, /* for its statement to be prepared */
    CHAT__CQL_SLOT_FLYING,
    CHAT__CQL_SLOT_ABANDONED
} chat__cql_slot_state;

/* A stream; its index is the number. */
typedef struct chat__cql_slot {
    chat__cql_slot_state state;
    uint32_t next_free; /* index + 1 */
    uint8_t is_prepare;
    uint8_t is_register;
    uint8_t is_ping;
    uint8_t is_doomed; /* its statement could not be prepared */
    uint8_t n_prepares;
    uint64_t tag;
    uint16_t n_items;              /* of a batch, 0: it is none */
    chat__cql_statement statement; /* text NULL: a query that is not prepared; of a batch that waits
                                      the one that it waits for */
    chat__buf params;              /* to say it again when the node has forgotten the statement */
} chat__cql_slot;

typedef enum chat__cql_prepared_state {
    CHAT__CQL_UNKNOWN,
    CHAT__CQL_ASKED,
    CHAT__CQL_KNOWN
} chat__cql_prepared_state;

typedef struct chat__cql_prepared {
    chat__cql_prepared_state state;
    const char *text;
    uint32_t n_key_parts;
    uint16_t key_parts[CHAT__CQL_MAX_KEY_PARTS];
    uint8_t id_len;
    uint8_t id[CHAT__CQL_ID_BYTES];
} chat__cql_prepared;

typedef enum chat__cql_conn_state {
    CHAT__CQL_CONN_STARTING,
    CHAT__CQL_CONN_OPEN,
    CHAT__CQL_CONN_ENDED
} chat__cql_conn_state;

struct chat__cql_conn {
    chat_allocator allocator;
    chat__cql_conn_state state;
    chat__buf in, out;
    chat__buf secret; /* SASL PLAIN (RFC 4616): zero, user, zero, password */
    size_t in_at;     /* of `in`: what is in front was used; the last event may point into it */
    size_t max_frame_bytes;
    chat__cql_slot *slots;
    uint32_t n_slots, n_used, n_abandoned;
    uint32_t max_in_flight;       /* the rest of the slots is for what the connection asks itself */
    uint32_t first_free;          /* index + 1, 0: none */
    chat__buf expanded, squeezed; /* LZ4: of the last frame, and while one is written */
    uint8_t has_events;
    uint8_t is_asking;    /* the start waits for what the server can do */
    uint8_t has_lz4;      /* both ends know it */
    uint8_t has_answered; /* the secret was sent */
    uint8_t is_failing;   /* requests are doomed, and not all were told */
    chat__cql_error fail_error;
    chat__cql_prepared prepared[CHAT__CQL_MAX_STATEMENTS];
};

/* --- request.c --- */
/* NULL: all are used. */
chat__cql_slot *chat__cql_slot_get(chat__cql_conn *conn);
void chat__cql_slot_free(chat__cql_conn *conn, chat__cql_slot *slot);
chat_status chat__cql_keep_secret(chat__cql_conn *conn, const char *user, const char *password);
/* What can the server do? */
chat_status chat__cql_say_options(chat__cql_conn *conn);
chat_status chat__cql_say_startup(chat__cql_conn *conn);
chat_status chat__cql_say_secret(chat__cql_conn *conn);
chat_status chat__cql_say_register(chat__cql_conn *conn);
/* What a waiting request needs is asked for, or, when all is known, it is said. On an error the
   slot is as it was. */
chat_status chat__cql_need(chat__cql_conn *conn, chat__cql_slot *slot);

#endif
