/* SPDX-License-Identifier: MIT */
/*
 * One connection to a Cassandra node as a function of its bytes: what came from the socket goes in,
 * what is to be sent and events come out. Requests fly in parallel, each on a stream of its own;
 * statements are prepared when they are first used and again when the node has forgotten them.
 * It opens no socket and knows no time: who calls it abandons what takes too long.
 * One caller at a time.
 */
#ifndef CHAT_CASSANDRA_CONN_H
#define CHAT_CASSANDRA_CONN_H

#include "backends/cassandra/result.h"

#define CHAT__CQL_MAX_STATEMENTS 64u

typedef struct chat__cql_conn chat__cql_conn;

typedef struct chat__cql_conn_options {
    const chat_allocator *allocator;
    const char *user;          /* NULL: the server asks for none */
    const char *password;      /* with a user */
    uint32_t max_in_flight;    /* 1,024 requests */
    uint32_t max_frame_bytes;  /* 16 MiB: a larger answer ends the connection */
    uint32_t max_unsent_bytes; /* 4 MiB: above it requests are refused as busy */
    int has_events;            /* ask for topology, status and schema events */
    int wants_lz4;             /* if the server offers it, and it is built in */
} chat__cql_conn_options;

/* A statement that is used often; `number` is below CHAT__CQL_MAX_STATEMENTS and says which. The
   text outlives the connection. */
typedef struct chat__cql_statement {
    uint32_t number;
    const char *text;
} chat__cql_statement;

/* What goes with a statement. Zero it and set what applies. */
typedef struct chat__cql_params {
    chat__cql_consistency consistency;
    uint32_t n_values;
    const chat_view *values; /* as serialized; data NULL: null */
    uint32_t page_size;      /* rows; 0: the server's default */
    chat_view paging_state;  /* of the page before */
    uint64_t timestamp_us;   /* of a write: what makes it idempotent; 0: the server's clock */
} chat__cql_params;

void chat__cql_conn_options_init(chat__cql_conn_options *options);

/* Begins with the start of the protocol in its unsent bytes. CHAT_OK, CHAT_ERR_ARG,
   CHAT_ERR_NOMEM. */
chat_status chat__cql_conn_new(const chat__cql_conn_options *options, chat__cql_conn **out);
/* NULL does nothing. Requests without an answer are the caller's to know. */
void chat__cql_conn_free(chat__cql_conn *conn);

/* At most 1 MiB came; then read all events. CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM: end the
 * connection. */
chat_status chat__cql_conn_feed(chat__cql_conn *conn, chat_view bytes);

/* What is to be sent, borrowed until the next call; then how much of it was. */
chat_view chat__cql_conn_unsent(const chat__cql_conn *conn);
void chat__cql_conn_sent(chat__cql_conn *conn, size_t n);

/*
 * Ask. `tag` comes back with the answer. `*out_stream` names the request to
 * chat__cql_conn_abandon().
 * CHAT_OK; CHAT_ERR_STATE: not ready yet, or ended; CHAT_ERR_BUSY: too much is under way;
 * CHAT_ERR_LIMIT, CHAT_ERR_NOMEM, CHAT_ERR_ARG.
 */
chat_status chat__cql_conn_execute(chat__cql_conn *conn, uint64_t tag,
                                   const chat__cql_statement *statement,
                                   const chat__cql_params *params, uint16_t *out_stream);
/* The same for a statement that is used once. */
chat_status chat__cql_conn_query(chat__cql_conn *conn, uint64_t tag, const char *text,
                                 const chat__cql_params *params, uint16_t *out_stream);

/* What is asked, with its parameters serialized: by chat__cql_put_params(), of a batch behind what
   chat__cql_put_batch_item() wrote of each of its statements. */
typedef enum chat__cql_ask_kind {
    CHAT__CQL_ASK_EXECUTE = 1,
    CHAT__CQL_ASK_QUERY,
    CHAT__CQL_ASK_BATCH /* unlogged */
} chat__cql_ask_kind;

typedef struct chat__cql_ask {
    chat__cql_ask_kind kind;
    chat__cql_statement statement; /* of a batch: unused; of a query: its text */
    const char *const *texts;      /* of a batch: its statements' by number */
    uint16_t n_items;              /* of a batch */
    chat_view body;
} chat__cql_ask;

/* As chat__cql_conn_execute(); `ask` is borrowed during the call. */
chat_status chat__cql_conn_ask(chat__cql_conn *conn, uint64_t tag, const chat__cql_ask *ask,
                               uint16_t *out_stream);
void chat__cql_put_params(chat__cql_writer *writer, const chat__cql_params *params,
                          chat__cql_ask_kind kind);
/* CHAT_ERR_LIMIT in the writer: too long. */
void chat__cql_put_batch_item(chat__cql_writer *writer, uint32_t number,
                              const chat__cql_params *params);

/* Ask for a sign of life: what comes is no event. As chat__cql_conn_execute(). */
chat_status chat__cql_conn_ping(chat__cql_conn *conn);

/* Whether the request may have reached the node. */
int chat__cql_conn_is_sent(const chat__cql_conn *conn, uint16_t stream);

/* Which of its values are the partition key, once it was prepared here; returns how many, 0: not
   known. */
uint32_t chat__cql_conn_key_parts(const chat__cql_conn *conn, uint32_t number,
                                  uint16_t out[CHAT__CQL_MAX_KEY_PARTS]);

/* Its answer is wanted no more. The stream is free again only when the answer came: returns how
   many wait for that. When there are too many, end the connection. */
uint32_t chat__cql_conn_abandon(chat__cql_conn *conn, uint16_t stream);

/* Requests without an answer, those that were abandoned not counted. */
uint32_t chat__cql_conn_in_flight(const chat__cql_conn *conn);

typedef enum chat__cql_conn_event_type {
    CHAT__CQL_CONN_READY = 1, /* requests may be made */
    CHAT__CQL_CONN_RESULT,    /* `tag`, `result` */
    CHAT__CQL_CONN_ERROR,     /* `tag`, `error` */
    CHAT__CQL_CONN_PUSHED,    /* `body` of an event [4.2.6] */
    CHAT__CQL_CONN_REFUSED,   /* `error`: the server does not let us in. End the connection */
    CHAT__CQL_CONN_BROKEN     /* `status`: the server broke the protocol. End the connection */
} chat__cql_conn_event_type;

typedef struct chat__cql_conn_event {
    chat__cql_conn_event_type type;
    chat_status status;
    uint64_t tag;
    chat__cql_result result;
    chat__cql_error error;
    chat_view body;
} chat__cql_conn_event;

/* Views in it are borrowed until the next call of this function or chat__cql_conn_feed().
   CHAT_OK, CHAT_EMPTY. */
chat_status chat__cql_conn_next_event(chat__cql_conn *conn, chat__cql_conn_event *out);

#endif
