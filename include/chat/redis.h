/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-redis: what nodes share (<chat/backend/shared.h>) in Redis 6 or newer: one server, shards
 * that are chosen here, a primary under sentinels, or a Redis Cluster.
 *
 *     chat_redis_options_init(&options);
 *     options.servers = "redis1:6379";
 *     if (chat_redis_new(&options, why, sizeof why, &redis) != CHAT_OK)
 *         puts(why);
 *     shared = chat_redis_table(redis);
 *
 * Keys, with the braces (they are the hash tag of a cluster):
 * user:{ID}:presence ("online"), user:{ID}:devices, offline_messages:{ID} (a list),
 * offline_cursors:{ID}, cid:{ID}:CID, rate:{NAME}, recent:{CHAT}. An ID that begins with } or %
 * begins with %7D or %25 in them. Values are the bytes that were given; RESP2.
 */
#ifndef CHAT_REDIS_H
#define CHAT_REDIS_H

#include <chat/backend/shared.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What Redis is like. */
typedef enum chat_redis_mode {
    CHAT_REDIS_STANDALONE = 0, /**< one server */
    CHAT_REDIS_SHARDS,         /**< several that do not know each other: CRC-16 of the owner says
                                    which; all nodes name them in the same order */
    CHAT_REDIS_SENTINEL,       /**< sentinels say which is the primary */
    CHAT_REDIS_CLUSTER         /**< a Redis Cluster */
} chat_redis_mode;

/** Settings. Set defaults with chat_redis_options_init() first. */
typedef struct chat_redis_options {
    uint32_t struct_size;            /**< sizeof of this struct */
    chat_redis_mode mode;            /**< CHAT_REDIS_STANDALONE */
    const chat_allocator *allocator; /**< NULL: libc's. hiredis takes libc's memory */
    const char *servers;           /**< "host:port,...": the server; the shards; the sentinels; some
                                        of the cluster's. 32 at most */
    const char *master;            /**< the name by which sentinels know the primary */
    const char *user;              /**< of an ACL; NULL: the default user */
    const char *password;          /**< NULL: none */
    const char *sentinel_user;     /**< to log in to sentinels; NULL: the default user */
    const char *sentinel_password; /**< NULL: none */
    uint32_t database;             /**< 0 */
    uint32_t tls;                  /**< 1: with TLS, to sentinels too; certificates must be good for
                                        the names in `servers` and those that servers tell; 0 */
    const char *ca_file;           /**< PEM, for TLS; NULL: what the system trusts */
    uint32_t timeout_ms;           /**< of dialling with logging in, and of a reply, behind which a
                                        server hangs: 2,000 */
    uint32_t wait_ms;              /**< until an ask is answered at the latest: 5,000 */
    uint32_t poll_ms;              /**< how often a sentinel is asked for the primary: 1,000 */
    uint32_t first_pause_ms;       /**< before a lost server is dialled again; twice as long each
                                        time, with jitter: 100 */
    uint32_t max_pause_ms;         /**< at most: 5,000 */
    uint32_t max_asks;             /**< that are not answered: 4,096 */
    uint64_t max_ask_bytes;        /**< of them together: 16 MiB */
    uint32_t max_reply_bytes;      /**< a server that sends more is left: 16 MiB */
    uint32_t presence_ttl_s;       /**< 60 */
    uint32_t queue_ttl_s;          /**< since the last entry: 604,800 */
    uint32_t queue_limit;          /**< entries of a user: 10,000 */
    uint32_t cid_ttl_s;            /**< 86,400 */
    uint32_t recent_count;         /**< records of a chat: 64 */
    uint32_t recent_ttl_s;         /**< since the last record: 86,400 */
} chat_redis_options;

/** What nodes share, in Redis; opaque. */
typedef struct chat_redis chat_redis;

/** Defaults as documented at the fields. Thread: any. Memory: writes `*options`. */
CHAT_API void chat_redis_options_init(chat_redis_options *options);

/**
 * Make it. Nothing is connected before the first `process`; what is wrong outside is told by
 * CHAT_SHARED_EVENT_PROBLEM, with the option to change.
 *
 * Thread: any. Memory: all options are copied; `why` (may be NULL) gets a line that names the
 * option when one is wrong. Time: reads `ca_file`.
 * @return CHAT_OK; CHAT_ERR_ARG an option is wrong; CHAT_ERR_TLS `ca_file` cannot be used;
 *         CHAT_ERR_LIMIT no descriptor is left; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_redis_new(const chat_redis_options *options, char *why, size_t why_bytes,
                                    chat_redis **out);

/** The table. Thread: one caller at a time, for all its functions. Memory: lives as long as
    `redis`. Time: never blocks; names are looked up by short-lived threads. */
CHAT_API const chat_shared *chat_redis_table(const chat_redis *redis);

/** Close all and free it; asks that were not answered may be done or not. NULL does nothing.
    Thread: one caller, the last. Time: does not block. */
CHAT_API void chat_redis_free(chat_redis *redis);

#ifdef __cplusplus
}
#endif

#endif
