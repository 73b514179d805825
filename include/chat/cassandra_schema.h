/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The tables of a chat server in Cassandra, in libchat-cassandra: made, and brought from one
 * version to the next.
 *
 *     schema.replication = "{'class': 'NetworkTopologyStrategy', 'dc1': 3}";
 *     if (chat_cassandra_migrate(&options, &schema, 60000, &done) != CHAT_OK)
 *         puts(done.problem);
 *
 * | table | partition | clustering | what |
 * |---|---|---|---|
 * | messages | chat_id, bucket | seq, newest first | records; a bucket is a span of time |
 * | message_buckets | chat_id | bucket, newest first | which buckets a chat has |
 * | last_read | user_id | chat_id | up to which seq the user has read |
 * | read_by | chat_id | user_id | the same by chat |
 * | delivered | chat_id | user_id | up to which seq one of the user's devices has it |
 * | since | user_id, chat_id | type, seq | 1: delivered, 2: read; since when, from `low` on |
 * | chats | chat_id | | newest record, title, whether anybody may join |
 * | members | chat_id | user_id, seq | what the record seq made of the user |
 * | memberships | user_id | chat_id, seq | the same by user |
 * | devices | user_id | device_id | when it was seen; generation: each time it was new |
 * | cursors | user_id | device_id, generation, chat_id | up to which seq the device has it |
 * | kept | user_id | chat_id | the furthest that any device has, or had |
 * | mutes | user_id | chat_id | until when |
 * | blocks | user_id | whom | whether it is so now |
 * | blocked_by | whom | user_id | the same the other way |
 * | notes | chat_id | what, re_seq, user_id | newest edit, deletion, reaction of a message |
 * | edits | chat_id | re_seq, seq | all edits of a message |
 * | schema_version | name | | which version the tables have |
 */
#ifndef CHAT_CASSANDRA_SCHEMA_H
#define CHAT_CASSANDRA_SCHEMA_H

#include <chat/cassandra.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Newest version of the tables that this library knows. */
#define CHAT_CASSANDRA_SCHEMA_VERSION 2u
/** Longest text of a problem, its zero included. */
#define CHAT_CASSANDRA_PROBLEM_BYTES 512u

/** How the tables are made. Set defaults with chat_cassandra_schema_init() first. */
typedef struct chat_cassandra_schema {
    uint32_t struct_size;    /**< sizeof of this struct */
    uint32_t retention_s;    /**< a message goes after so long, 0: never; five years. 20 at most */
    const char *replication; /**< of a keyspace that is not there, as in CREATE KEYSPACE;
                                  NULL: it must be there */
} chat_cassandra_schema;

/** What was done. */
typedef struct chat_cassandra_migration {
    uint32_t struct_size;                       /**< sizeof of this struct, set by the caller */
    uint32_t from_version;                      /**< that the tables had, 0: there were none */
    uint32_t to_version;                        /**< that they have */
    uint32_t reserved;                          /**< 0 */
    char problem[CHAT_CASSANDRA_PROBLEM_BYTES]; /**< why not, and what to do; else "" */
} chat_cassandra_migration;

/** Defaults as documented at the fields. Thread: any. */
CHAT_API void chat_cassandra_schema_init(chat_cassandra_schema *schema);

/**
 * Bring the tables of `options->keyspace` to CHAT_CASSANDRA_SCHEMA_VERSION. Does nothing when they
 * are. After an error, or a kill, it may be called again and goes on where it stopped. Run one at a
 * time: Cassandra does not order two that make tables.
 *
 * Thread: any; with a driver of its own. Memory: writes `*out` as far as its struct_size goes, also
 * after an error. Time: waits for all nodes that are up to know the tables, up to `timeout_ms`; at
 *         most half a minute of it until a node answers.
 * @return CHAT_OK; CHAT_ERR_ARG an option, or the name of the keyspace; CHAT_ERR_NOT_FOUND there is
 *         no keyspace, and no replication for one; CHAT_ERR_VERSION the tables are of a newer
 *         version; CHAT_ERR_TIMEOUT, CHAT_ERR_NETWORK, CHAT_ERR_AUTH, CHAT_ERR_FORBIDDEN,
 *         CHAT_ERR_TLS, CHAT_ERR_BUSY, CHAT_ERR_IO, CHAT_ERR_LIMIT, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_cassandra_migrate(const chat_cassandra_options *options,
                                            const chat_cassandra_schema *schema,
                                            uint32_t timeout_ms, chat_cassandra_migration *out);

/**
 * See whether the tables of `options->keyspace` are there and of CHAT_CASSANDRA_SCHEMA_VERSION, and
 * whether enough nodes are to read them. Changes nothing.
 *
 * Thread: any; with a driver of its own. Memory: as chat_cassandra_migrate(). Time: up to
 * `timeout_ms`, at most half a minute of it until a node answers.
 * @return CHAT_OK; CHAT_ERR_NOT_FOUND there is no keyspace, or no tables in it; CHAT_ERR_VERSION
 *         they are of another version; else as chat_cassandra_migrate()
 */
CHAT_API chat_status chat_cassandra_check(const chat_cassandra_options *options,
                                          uint32_t timeout_ms, chat_cassandra_migration *out);

#ifdef __cplusplus
}
#endif

#endif
