/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-cassandra: a driver for Apache Cassandra 2.2 to 5 (native protocol 4) without a thread.
 *
 *     chat_cassandra_options_init(&options);
 *     options.contact_points = "cassandra1,cassandra2:9042";
 *     chat_cassandra_new(&options, &cassandra);
 *     chat_cassandra_statement(cassandra, "INSERT INTO chat.x (k, v) VALUES (?, ?)", &insert);
 *     chat_cassandra_ask(cassandra, 1, &request, now_ms);    and a turn of the loop: when
 *     chat_cassandra_fd() is readable or chat_cassandra_timeout() is over
 *         chat_cassandra_process(cassandra, now_ms);
 *         while (chat_cassandra_next_event(cassandra, &event) == CHAT_OK) ...
 *
 * It finds all nodes by those that it is told of, keeps one connection to each of its datacenter
 * and one more for the news of the cluster, sends a request to a replica of its partition, prepares
 * statements on each node when they are needed, tries another node when one fails, and connects
 * again with growing pauses. Values travel as Cassandra serializes them: text and blob as they are,
 * numbers in big endian.
 *
 * What is not idempotent is sent once: when its answer gets lost, CHAT_ERR_TIMEOUT says that it may
 * have been done or not. A write with fixed values, a fixed key and a `timestamp_us` is idempotent.
 */
#ifndef CHAT_CASSANDRA_H
#define CHAT_CASSANDRA_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most statements of a driver. */
#define CHAT_CASSANDRA_MAX_STATEMENTS 64u
/** Most nodes of a cluster that are known here. */
#define CHAT_CASSANDRA_MAX_NODES 256u
/** In place of a statement: `text` is asked once. */
#define CHAT_CASSANDRA_TEXT UINT32_MAX

/** A driver; opaque. */
typedef struct chat_cassandra chat_cassandra;

/** How many replicas must answer; values of the protocol. */
typedef enum chat_cassandra_consistency {
    CHAT_CASSANDRA_ONE = 1,
    CHAT_CASSANDRA_QUORUM = 4,
    CHAT_CASSANDRA_ALL = 5,
    CHAT_CASSANDRA_LOCAL_QUORUM = 6,
    CHAT_CASSANDRA_SERIAL = 8,
    CHAT_CASSANDRA_LOCAL_SERIAL = 9,
    CHAT_CASSANDRA_LOCAL_ONE = 10
} chat_cassandra_consistency;

/** Settings. Set defaults with chat_cassandra_options_init() first. */
typedef struct chat_cassandra_options {
    uint32_t struct_size;        /**< sizeof of this struct */
    uint32_t use_tls;            /**< 1: TLS to all nodes; 0 */
    const char *contact_points;  /**< "host[:port],...": some of the nodes, 16 at most; port 9042.
                                      Nodes that they tell of have the first one's port */
    const char *keyspace;        /**< whose replication says where partitions are; "chat" */
    const char *datacenter;      /**< nodes of it are used; NULL: that of the first that answers */
    const char *user;            /**< NULL: the nodes ask for none */
    const char *password;        /**< with `user` */
    const char *ca_file;         /**< PEM, for TLS; NULL: what the system trusts */
    const char *tls_name;        /**< that all certificates are for; NULL: each node's address */
    uint32_t tls_insecure;       /**< 1: any certificate, for tests; 0 */
    uint32_t max_requests;       /**< without an answer, 1 to 1,000,000: 4,096 */
    uint32_t max_in_flight;      /**< of them on a connection, 1 to 32,000: 1,024 */
    uint32_t max_answer_bytes;   /**< a larger one ends its connection: 16 MiB */
    uint64_t max_request_bytes;  /**< of one request: 4 MiB */
    uint64_t max_waiting_bytes;  /**< of all without an answer: 64 MiB */
    uint32_t max_tries;          /**< of a request, 1 to 16: 4 */
    uint32_t connect_timeout_ms; /**< until a node takes requests: 5,000 */
    uint32_t request_timeout_ms; /**< of a request, all tries together: 10,000 */
    uint32_t speculative_ms;     /**< an idempotent request without an answer for so long is sent
                                      to another node too, one in 20 at most; 0: never */
    uint32_t heartbeat_ms;       /**< a node is asked for a sign of life when none came for so
                                      long, and left when none comes for as long again: 5,000 */
    uint32_t reconnect_min_ms;   /**< pause before a node is tried again: 500 */
    uint32_t reconnect_max_ms;   /**< it doubles up to this: 30,000 */
    uint32_t no_lz4;             /**< 1: nothing is compressed; 0: if the nodes offer LZ4, and it is
                                      built in (-Dlz4) */
    const chat_allocator *allocator; /**< NULL: libc's; TLS and name look-up have libc's anyway */
} chat_cassandra_options;

/** What is asked. Zero it, set struct_size and what applies. */
typedef struct chat_cassandra_request {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t statement;   /**< as chat_cassandra_statement() numbered it, or CHAT_CASSANDRA_TEXT */
    const char *text;     /**< with CHAT_CASSANDRA_TEXT */
    const chat_view *values; /**< one for each `?`; `data` NULL: null */
    uint32_t n_values;       /**< 65,535 at most */
    chat_cassandra_consistency
        consistency;        /**< of a batch the first one's counts; 0: LOCAL_QUORUM */
    uint32_t page_size;     /**< rows; 0: as many as there are */
    uint32_t is_idempotent; /**< 1: may be done twice */
    chat_view paging_state; /**< of the page before */
    uint64_t timestamp_us;  /**< of a write: the newest one counts; 0: the server's clock */
} chat_cassandra_request;

/** What has happened. */
typedef enum chat_cassandra_event_type {
    /** `tag` was answered: `n_rows` and so on. A change of the schema is when all nodes know it. */
    CHAT_CASSANDRA_EVENT_ANSWER = 1,
    /** `tag` was not: `status`, `text`. CHAT_ERR_TIMEOUT: it may have been done or not;
        CHAT_ERR_NETWORK: no node could be asked; CHAT_ERR_BUSY: the cluster is overloaded or too
       few replicas are alive; CHAT_ERR_ARG: the statement is wrong; CHAT_ERR_FORBIDDEN: this user
       may not do it; CHAT_ERR_IO: the cluster failed; CHAT_ERR_EXISTS: the table is there;
        CHAT_ERR_LIMIT, CHAT_ERR_NOMEM. */
    CHAT_CASSANDRA_EVENT_FAILED,
    /** All nodes are known and one takes requests; once. */
    CHAT_CASSANDRA_EVENT_READY,
    /** The node `text` takes requests. */
    CHAT_CASSANDRA_EVENT_NODE_UP,
    /** A connection ended or could not be made: `text` says with whom and why, and which option to
        change when one is wrong (`status` CHAT_ERR_AUTH, _VERSION, _TLS). It is tried again. */
    CHAT_CASSANDRA_EVENT_NODE_DOWN,
    /** The datacenter has no node: `text`; or another thing that a person should look at. */
    CHAT_CASSANDRA_EVENT_PROBLEM
} chat_cassandra_event_type;

/** An event; what its type does not name is 0. Views and text are borrowed until the next call of
    chat_cassandra_next_event() or chat_cassandra_process(). */
typedef struct chat_cassandra_event {
    uint32_t struct_size;           /**< sizeof of this struct, set by the caller */
    chat_cassandra_event_type type; /**< what happened */
    chat_status status;             /**< see the type */
    uint32_t n_columns;             /**< of an answer with rows */
    uint32_t n_rows;                /**< of this page */
    uint32_t has_more;              /**< ask again with `paging_state`; a page may be empty */
    uint64_t tag;                   /**< of the request */
    chat_view cells;                /**< n_rows times n_columns: chat_cassandra_take_cell() */
    chat_view paging_state;         /**< opaque */
    const char *text;               /**< for people */
} chat_cassandra_event;

/** What goes on. Counts are since chat_cassandra_new(). */
typedef struct chat_cassandra_figures {
    uint32_t struct_size;    /**< sizeof of this struct, set by the caller */
    uint32_t nodes_up;       /**< that take requests */
    uint32_t nodes_known;    /**< in all datacenters */
    uint32_t waiting;        /**< requests without an answer */
    uint64_t asked;          /**< requests taken */
    uint64_t answered;       /**< ANSWER events */
    uint64_t failed;         /**< FAILED events */
    uint64_t retries;        /**< requests sent again */
    uint64_t speculations;   /**< sent to another node as well */
    uint64_t to_replica;     /**< sent to a replica of their partition */
    uint64_t connects;       /**< connections made */
    uint64_t topology_reads; /**< how often the nodes were read */
} chat_cassandra_figures;

/** Defaults as documented at the fields. Thread: any. Memory: the strings are static. */
CHAT_API void chat_cassandra_options_init(chat_cassandra_options *options);

/**
 * Make a driver. Nothing is connected before chat_cassandra_process().
 *
 * Thread: any. Memory: options and strings are copied. Time: reads `ca_file`.
 * @return CHAT_OK; CHAT_ERR_ARG an option is out of range or no contact point can be read;
 *         CHAT_ERR_TLS `ca_file` cannot be used; CHAT_ERR_LIMIT no descriptor; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_cassandra_new(const chat_cassandra_options *options,
                                        chat_cassandra **out);

/** End all connections. Requests without an answer are forgotten. NULL does nothing. Thread: one
    caller, the last. Time: does not block. */
CHAT_API void chat_cassandra_free(chat_cassandra *cassandra);

/**
 * Number a statement that is used often; nodes prepare it when they are first asked for it.
 *
 * Thread: one caller at a time. Memory: `text` is copied.
 * @return CHAT_OK; CHAT_ERR_ARG no text; CHAT_ERR_LIMIT there are CHAT_CASSANDRA_MAX_STATEMENTS;
 *         CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_cassandra_statement(chat_cassandra *cassandra, const char *text,
                                              uint32_t *out_number);

/**
 * Ask. The answer comes as an event with `tag`. It is sent when the events of this turn were read,
 * or by the next chat_cassandra_process(), and waits while no node is connected. `now_ms` as there.
 *
 * Thread: one caller at a time. Memory: the request is copied.
 * @return CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_BUSY as much as is allowed waits for its answer: nothing
 *         was taken, go on after the next event; CHAT_ERR_LIMIT larger than a request may be;
 *         CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_cassandra_ask(chat_cassandra *cassandra, uint64_t tag,
                                        const chat_cassandra_request *request, uint64_t now_ms);

/**
 * Several writes of one partition in one unlogged batch: one answer. The first one's consistency
 * and timestamp count for all; it is idempotent when all are. All say the struct_size of this
 * header.
 *
 * Thread: one caller at a time. Memory: the requests are copied.
 * @return as chat_cassandra_ask(); CHAT_ERR_ARG also: `n` is 0 or above 65,535, or one has no
 *         statement
 */
CHAT_API chat_status chat_cassandra_batch(chat_cassandra *cassandra, uint64_t tag,
                                          const chat_cassandra_request *requests, uint32_t n,
                                          uint64_t now_ms);

/** A descriptor that is readable when there is something to do. It never changes and is never to be
    read by the caller. Thread: one caller at a time. */
CHAT_API int chat_cassandra_fd(const chat_cassandra *cassandra);

/** In how many milliseconds chat_cassandra_process() is due, whatever the descriptor says; 0 after
    chat_cassandra_ask(); -1: never. Thread: one caller at a time. */
CHAT_API int chat_cassandra_timeout(const chat_cassandra *cassandra, uint64_t now_ms);

/** Do what there is to do: send, receive, connect, give up. Then read all events. `now_ms`: any
    monotonic clock. Thread: one caller at a time. Time: does not block. */
CHAT_API void chat_cassandra_process(chat_cassandra *cassandra, uint64_t now_ms);

/**
 * The next event, into `*out` as far as its struct_size goes.
 *
 * Thread: one caller at a time. Memory: see chat_cassandra_event.
 * @return CHAT_OK; CHAT_EMPTY; CHAT_ERR_ARG
 */
CHAT_API chat_status chat_cassandra_next_event(chat_cassandra *cassandra,
                                               chat_cassandra_event *out);

/**
 * Take a cell from the front of `*cells`; `data` of `*out` is NULL for null.
 *
 * Thread: any. Memory: `*out` is borrowed from `*cells`.
 * @return CHAT_OK; CHAT_EMPTY: that were all; CHAT_ERR_PROTOCOL: the answer is damaged;
 *         CHAT_ERR_ARG
 */
CHAT_API chat_status chat_cassandra_take_cell(chat_view *cells, chat_view *out);

/** What goes on, into `*out` as far as its struct_size goes. Thread: one caller at a time.
    @return CHAT_OK; CHAT_ERR_ARG */
CHAT_API chat_status chat_cassandra_get_figures(const chat_cassandra *cassandra,
                                                chat_cassandra_figures *out);

#ifdef __cplusplus
}
#endif

#endif
