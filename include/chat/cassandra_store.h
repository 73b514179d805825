/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What the servers of a cluster share of chats (<chat/backend/store.h>) in Cassandra, in
 * libchat-cassandra. The tables are those of <chat/cassandra_schema.h>, which must have been made.
 *
 *     chat_cassandra_store_options_init(&options);
 *     cassandra.contact_points = "cassandra1,cassandra2:9042";
 *     options.cassandra = &cassandra;
 *     options.n_partitions = 64;
 *     chat_cassandra_store_new(&options, &store);
 *     table = chat_cassandra_store_table(store);
 *
 * A thread of its own talks to Cassandra; the functions of the table wait for it and are called
 * from as many threads as are to wait at once. Requests of all calls fly together, each to a
 * replica of its partition, with LOCAL_QUORUM. A call that fails is not repeated here: that is for
 * the caller, with pauses.
 */
#ifndef CHAT_CASSANDRA_STORE_H
#define CHAT_CASSANDRA_STORE_H

#include <chat/backend/store.h>
#include <chat/cassandra.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A store; opaque. */
typedef struct chat_cassandra_store chat_cassandra_store;

/** Settings. Set defaults with chat_cassandra_store_options_init() first. */
typedef struct chat_cassandra_store_options {
    uint32_t struct_size;                    /**< sizeof of this struct */
    uint32_t n_partitions;                   /**< of the log, 1 to 65,536: 64 */
    const chat_cassandra_options *cassandra; /**< NULL: their defaults */
    uint32_t max_in_flight;   /**< requests without an answer, 1 to 32,000: 1,024. No more than
                                   `max_requests` of `cassandra` */
    uint32_t max_chats;       /**< of which the newest record is remembered for the next one that
                                   is applied, some 200 bytes each: 100,000 */
    uint32_t max_devices;     /**< that are remembered, and as many chats of users, for cursors:
                                   100,000 */
    uint32_t device_trust_ms; /**< so long a device is believed to be known that another server
                                   may have forgotten meanwhile: 5,000. What comes for it then is
                                   lost as far as the device gets those messages again */
    chat_log_sink log;        /**< what happens to connections, and what the cluster refuses; its
                                   thread calls it */
} chat_cassandra_store_options;

/** Defaults as documented at the fields. Thread: any. */
CHAT_API void chat_cassandra_store_options_init(chat_cassandra_store_options *options);

/**
 * Make a store and start its thread. It connects by and by: until then calls wait, up to
 * `request_timeout_ms` of `cassandra`.
 *
 * Thread: any. Memory: options and strings are copied. Time: reads `ca_file`.
 * @return CHAT_OK; CHAT_ERR_ARG an option is out of range or no contact point can be read;
 *         CHAT_ERR_TLS `ca_file` cannot be used; CHAT_ERR_LIMIT no descriptor or no thread;
 *         CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_cassandra_store_new(const chat_cassandra_store_options *options,
                                              chat_cassandra_store **out);

/** The table. Thread: any. Memory: lives as long as `store`. */
CHAT_API const chat_store *chat_cassandra_store_table(const chat_cassandra_store *store);

/** From now on calls that wait, and all later ones, end with CHAT_ERR_CLOSED; what they were to
    write may be there or not. Thread: any. Time: does not block. */
CHAT_API void chat_cassandra_store_stop(chat_cassandra_store *store);

/** What goes on in the driver, into `*out` as far as its struct_size goes. Thread: any.
    @return CHAT_OK; CHAT_ERR_ARG */
CHAT_API chat_status chat_cassandra_store_get_figures(chat_cassandra_store *store,
                                                      chat_cassandra_figures *out);

/** Stop, and free all. NULL does nothing. Thread: one caller, the last: no call is left. Time: does
    not wait for Cassandra. */
CHAT_API void chat_cassandra_store_free(chat_cassandra_store *store);

#ifdef __cplusplus
}
#endif

#endif
