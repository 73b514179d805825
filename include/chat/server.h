/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The server: listens, lets users in, stores what they say, delivers it. In libchat-server. Its
 * options can be set here or read from a command line and a file with <chat/server_config.h>.
 */
#ifndef CHAT_SERVER_H
#define CHAT_SERVER_H

#include <chat/backend/lease.h>
#include <chat/backend/log.h>
#include <chat/backend/notifier.h>
#include <chat/backend/places.h>
#include <chat/backend/shared.h>
#include <chat/backend/store.h>
#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * X(field, name, KIND, default, min, max, unit, text)
 *
 * KIND  PATH     file, directory, text; NULL: none  -> const char *
 *       ADDRESS  HOST:PORT, port 0: any free one    -> const char *
 *       NUMBER   `min` to `max`, in `unit`          -> uint64_t
 *       SWITCH   on or off                          -> uint64_t, 1 or 0
 *       LEVEL    error, warn, info or debug         -> uint64_t, a chat_log_level
 * New rows go to the end. docs/configuration.md is made from this table.
 */
#define CHAT_SERVER_OPTION_TABLE(X)                                                                \
    X(data, "data", PATH, "chatd-data", 0, 0, "DIR",                                               \
      "Directory of everything that is stored; made if missing.")                                  \
    X(listen, "listen", ADDRESS, "127.0.0.1:8080", 0, 0, "HOST:PORT",                              \
      "Where to listen; port 0 takes a free one, host * every address.")                           \
    X(jwt_secret_file, "jwt-secret-file", PATH, NULL, 0, 0, "FILE",                                \
      "Secret of at least 32 bytes: tokens are HS256. Line ends at its end do not count.")         \
    X(jwt_public_key_file, "jwt-public-key-file", PATH, NULL, 0, 0, "FILE",                        \
      "Public key (PEM or DER): tokens are RS256 or ES256.")                                       \
    X(dev, "dev", SWITCH, 0, 0, 1, "",                                                             \
      "Development mode: make a secret in the data directory and print tokens. Not for real use.") \
    X(tls_cert, "tls-cert", PATH, NULL, 0, 0, "FILE",                                              \
      "Certificate chain (PEM): speak TLS. Needs tls-key.")                                        \
    X(tls_key, "tls-key", PATH, NULL, 0, 0, "FILE", "Private key (PEM) of the certificate.")       \
    X(shards, "shards", NUMBER, 0, 0, 256, "threads", "Threads that serve; 0: one for each CPU.")  \
    X(partitions, "partitions", NUMBER, 64, 1, 65536, "partitions",                                \
      "Partitions of the log; of a data directory for good, a topic may get more.")                \
    X(segment_bytes, "segment-bytes", NUMBER, 67108864, 1048576, 4294967296, "bytes",              \
      "Size of a segment file of the log, taken from the disk at once.")                           \
    X(state_cache_bytes, "state-cache-bytes", NUMBER, 67108864, 1048576, 1099511627776, "bytes",   \
      "Memory for members, cursors and heads of chats that are not written back yet.")             \
    X(flush_interval_ms, "flush-interval-ms", NUMBER, 5000, 100, 3600000, "ms",                    \
      "How often this state is written back; a crash replays the log from there.")                 \
    X(is_volatile, "volatile", SWITCH, 0, 0, 1, "",                                                \
      "Acknowledge before the disk has it. A power cut loses acknowledged messages.")              \
    X(max_connections, "max-connections", NUMBER, 100000, 1, 10000000, "connections",              \
      "Above it new connections are answered with 503.")                                           \
    X(handshake_timeout_ms, "handshake-timeout-ms", NUMBER, 10000, 100, 600000, "ms",              \
      "From accepting a connection to the end of TLS and HTTP, all of it.")                        \
    X(hello_timeout_ms, "hello-timeout-ms", NUMBER, 0, 0, 600000, "ms",                            \
      "From accepting a connection to `hello`, all of it; 0: as handshake-timeout-ms.")            \
    X(heartbeat_ms, "heartbeat-ms", NUMBER, 30000, 100, 3600000, "ms",                             \
      "Clients send something this often; silence of twice this closes.")                          \
    X(ack_timeout_ms, "ack-timeout-ms", NUMBER, 5000, 100, 600000, "ms",                           \
      "Time for a client to acknowledge before delivery is tried again.")                          \
    X(slow_close_ms, "slow-close-ms", NUMBER, 30000, 100, 3600000, "ms",                           \
      "A client that reads too slowly for so long is closed.")                                     \
    X(drain_timeout_ms, "drain-timeout-ms", NUMBER, 10000, 0, 3600000, "ms",                       \
      "When stopping: time to finish what was accepted.")                                          \
    X(retry_after_ms, "retry-after-ms", NUMBER, 1000, 0, 3600000, "ms",                            \
      "When stopping: when clients are told to come back.")                                        \
    X(max_body_bytes, "max-body-bytes", NUMBER, 65536, 1, 1048576, "bytes",                        \
      "Largest content of a message.")                                                             \
    X(max_frame_bytes, "max-frame-bytes", NUMBER, 131072, 4096, 4194304, "bytes",                  \
      "Largest frame of a client.")                                                                \
    X(max_unsent_bytes, "max-unsent-bytes", NUMBER, 262144, 4096, 268435456, "bytes",              \
      "Above it, nothing more is pushed to a connection until it has read.")                       \
    X(window_count, "window-count", NUMBER, 256, 1, 65536, "frames",                               \
      "Frames on their way to a connection that it has not acknowledged.")                         \
    X(window_bytes, "window-bytes", NUMBER, 1048576, 4096, 268435456, "bytes",                     \
      "The same, in bytes.")                                                                       \
    X(group_max_members, "group-max-members", NUMBER, 256, 2, 256, "members",                      \
      "Most members of a group.")                                                                  \
    X(max_pending, "max-pending", NUMBER, 65536, 16, 16777216, "requests",                         \
      "Requests of a shard that wait for storage; above it clients get `busy`.")                   \
    X(allow_query_token, "allow-query-token", SWITCH, 0, 0, 1, "",                                 \
      "Take the token from ?token= too. Addresses end up in logs of proxies.")                     \
    X(deflate, "deflate", SWITCH, 1, 0, 1, "", "Compress long messages when the client can.")      \
    X(log_level, "log-level", LEVEL, 3, 1, 4, "", "Least severity of the lines that are written.") \
    X(presence_count, "presence-count", NUMBER, 65536, 1, 16777216, "users",                       \
      "Users of a shard who are watched, hide, or whose last sight is remembered while away.")     \
    X(presence_max_watched, "presence-max-watched", NUMBER, 256, 1, 256, "users",                  \
      "Users whose presence a connection may watch.")                                              \
    X(rate_messages, "rate-messages", NUMBER, 5000, 0, 1000000, "requests/s",                      \
      "What a user may send over all connections: messages, and what else is stored; 0: no "       \
      "limit.")                                                                                    \
    X(burst_messages, "burst-messages", NUMBER, 0, 0, 4000000000, "requests",                      \
      "So many at once, after a pause; 0: ten seconds' worth.")                                    \
    X(offline_ttl_ms, "offline-ttl", NUMBER, 604800000, 0, 315360000000, "ms",                     \
      "A device is sent what is no older when it comes back, and told of the rest; 0: all.")       \
    X(offline_limit, "offline-limit", NUMBER, 10000, 0, 4000000000, "messages",                    \
      "A device is sent so many of all chats when it comes back, and told of the rest; 0: all.")   \
    X(rate_bytes, "rate-bytes", NUMBER, 33554432, 0, 4000000000, "bytes/s",                        \
      "Content that a user may send over all connections; 0: no limit.")                           \
    X(burst_bytes, "burst-bytes", NUMBER, 0, 0, 4000000000, "bytes",                               \
      "So much at once, after a pause; 0: ten seconds' worth.")                                    \
    X(rate_handshakes, "rate-handshakes", NUMBER, 0, 0, 1000000, "handshakes/s",                   \
      "Upgrades from one address (IPv6: one /64), above it 429; 0: no limit, as behind a proxy.")  \
    X(burst_handshakes, "burst-handshakes", NUMBER, 0, 0, 4000000000, "handshakes",                \
      "So many at once, after a pause; 0: ten seconds' worth.")                                    \
    X(fanout_sync_members, "fanout-sync-members", NUMBER, 50, 2, 65536, "members",                 \
      "Messages of smaller groups go out in one turn; of others in parts, beside the small ones.") \
    X(metrics, "metrics", SWITCH, 1, 0, 1, "",                                                     \
      "Answer GET /metrics, without a token, with figures for Prometheus.")                        \
    X(rate_requests, "rate-requests", NUMBER, 1000, 0, 1000000, "requests/s",                      \
      "What a connection may ask that is not stored: history, lists, presence; 0: no limit.")      \
    X(burst_requests, "burst-requests", NUMBER, 0, 0, 4000000000, "requests",                      \
      "So many at once, after a pause; 0: ten seconds' worth.")                                    \
    X(notify_file, "notify-file", PATH, NULL, 0, 0, "FILE",                                        \
      "Append a JSON line for each notification of a user who is away.")                           \
    X(notify_interval_ms, "notify-interval-ms", NUMBER, 60000, 1, 86400000, "ms",                  \
      "Above 10 undelivered messages a user is notified once in so long, of all together.")        \
    X(notify_users, "notify-users", NUMBER, 65536, 16, 16777216, "users",                          \
      "Users of a shard who are away and of whom it is remembered what they were told.")           \
    X(max_devices, "max-devices", NUMBER, 32, 1, 10000, "devices",                                 \
      "Devices of a user; above it the one longest away is forgotten for a new one.")              \
    X(device_ttl_ms, "device-ttl", NUMBER, 2592000000, 0, 315360000000, "ms",                      \
      "A device that was away for so long is forgotten; 0: never.")                                \
    X(etcd, "etcd", PATH, NULL, 0, 0, "URL[,URL]",                                                 \
      "Take node numbers from etcd, so that ids of several servers differ.")                       \
    X(etcd_prefix, "etcd-prefix", PATH, "chat/", 0, 0, "TEXT",                                     \
      "Start of all keys in etcd; the same for servers that belong together.")                     \
    X(etcd_ca_file, "etcd-ca-file", PATH, NULL, 0, 0, "FILE",                                      \
      "Who signs etcd's certificates (PEM), for https; none: whom the system trusts.")             \
    X(etcd_ttl_ms, "etcd-ttl-ms", NUMBER, 10000, 2000, 600000, "ms",                               \
      "Node numbers stay ours for so long when etcd does not answer.")                             \
    X(max_blocked, "max-blocked", NUMBER, 1000, 1, 10000, "users", "Users that a user may block.") \
    X(link_listen, "link-listen", ADDRESS, NULL, 0, 0, "HOST:PORT",                                \
      "Where members of the cluster with lower numbers connect.")                                  \
    X(link_member, "link-member", NUMBER, 0, 0, 1023, "number",                                    \
      "Number of this server among the members of its cluster.")                                   \
    X(link_peers, "link-peers", PATH, NULL, 0, 0, "N@HOST:PORT[,N@HOST:PORT]",                     \
      "The members of the cluster; this server may be among them.")                                \
    X(link_cluster, "link-cluster", PATH, "chat", 0, 0, "TEXT",                                    \
      "Name of the cluster; members have the same.")                                               \
    X(link_secret_file, "link-secret-file", PATH, NULL, 0, 0, "FILE",                              \
      "Secret of the cluster, at least 32 bytes; members have the same and prove that they do.")   \
    X(link_tls_cert, "link-tls-cert", PATH, NULL, 0, 0, "FILE",                                    \
      "Certificate chain (PEM) that members are shown: links speak TLS.")                          \
    X(link_tls_key, "link-tls-key", PATH, NULL, 0, 0, "FILE",                                      \
      "Private key (PEM) of link-tls-cert.")                                                       \
    X(link_tls_ca, "link-tls-ca", PATH, NULL, 0, 0, "FILE",                                        \
      "Who signs the members' certificates (PEM); others are not let in.")                         \
    X(link_window_bytes, "link-window-bytes", NUMBER, 4194304, 65536, 1073741824, "bytes",         \
      "What a member may send that is not worked off.")                                            \
    X(link_queue_bytes, "link-queue-bytes", NUMBER, 33554432, 65536, 1073741824, "bytes",          \
      "What is kept for a member, sent or not, until it has worked it off.")                       \
    X(link_timeout_ms, "link-timeout-ms", NUMBER, 9000, 300, 600000, "ms",                         \
      "A member that is silent for so long is taken for dead.")                                    \
    X(link_retry_max_ms, "link-retry-max-ms", NUMBER, 2000, 50, 600000, "ms",                      \
      "Longest pause between two tries to connect to a member.")                                   \
    X(slots, "slots", NUMBER, 0, 0, 256, "slots",                                                  \
      "Parts of one server that members of a cluster share, for good; 0: links alone, no "         \
      "sharing.")                                                                                  \
    X(gateway, "gateway", SWITCH, 0, 0, 1, "",                                                     \
      "Take connections and run no slot; with slots and etcd.")                                    \
    X(store_threads, "store-threads", NUMBER, 16, 1, 256, "threads",                               \
      "Questions that a store which servers share is asked at the same time.")                     \
    X(kafka_brokers, "kafka-brokers", PATH, NULL, 0, 0, "HOST:PORT[,HOST:PORT]",                   \
      "Keep the log in Kafka, for several servers; cassandra has to be set too.")                  \
    X(kafka_topic, "kafka-topic", PATH, "messages", 0, 0, "TEXT",                                  \
      "Topic of the records; it has as many partitions as `partitions` says.")                     \
    X(kafka_replication, "kafka-replication", NUMBER, 3, 1, 16, "copies",                          \
      "Copies of each record in Kafka, at least.")                                                 \
    X(kafka_min_in_sync, "kafka-min-in-sync", NUMBER, 2, 1, 16, "copies",                          \
      "Copies that `sent` waits for, at least.")                                                   \
    X(kafka_create_topic, "kafka-create-topic", SWITCH, 0, 0, 1, "",                               \
      "Create the topic when it is missing.")                                                      \
    X(kafka_config, "kafka-config", PATH, NULL, 0, 0, "FILE",                                      \
      "Settings of librdkafka, TLS and SASL among them: lines NAME = VALUE.")                      \
    X(cassandra, "cassandra", PATH, NULL, 0, 0, "HOST[:PORT][,HOST[:PORT]]",                       \
      "Keep history, members and devices in Cassandra; kafka-brokers has to be set too.")          \
    X(cassandra_keyspace, "cassandra-keyspace", PATH, "chat", 0, 0, "TEXT",                        \
      "Keyspace of the tables; chatd --migrate makes them.")                                       \
    X(cassandra_datacenter, "cassandra-datacenter", PATH, NULL, 0, 0, "TEXT",                      \
      "Whose nodes are asked; none: that of the first node that answers.")                         \
    X(cassandra_user, "cassandra-user", PATH, NULL, 0, 0, "TEXT",                                  \
      "Who asks, when Cassandra wants to know.")                                                   \
    X(cassandra_password_file, "cassandra-password-file", PATH, NULL, 0, 0, "FILE",                \
      "The first line is the password of cassandra-user.")                                         \
    X(cassandra_tls, "cassandra-tls", SWITCH, 0, 0, 1, "", "Speak TLS to Cassandra.")              \
    X(cassandra_ca_file, "cassandra-ca-file", PATH, NULL, 0, 0, "FILE",                            \
      "Who signs the certificates of Cassandra's nodes (PEM); none: whom the system trusts.")      \
    X(cassandra_replication, "cassandra-replication", PATH, NULL, 0, 0, "TEXT",                    \
      "With --migrate: of a keyspace that is missing, as in CREATE KEYSPACE; none: it must be "    \
      "there.")                                                                                    \
    X(retention_s, "retention-s", NUMBER, 157680000, 0, 630720000, "s",                            \
      "With --migrate: how long Cassandra keeps messages; 0: for good.")                           \
    X(redis, "redis", PATH, NULL, 0, 0, "HOST:PORT[,HOST:PORT]",                                   \
      "Share who is online, and what an address may do, with others in Redis: the server, the "    \
      "shards, the sentinels or some of the cluster.")                                             \
    X(redis_mode, "redis-mode", PATH, "standalone", 0, 0, "TEXT",                                  \
      "What redis names: standalone, shards, sentinel or cluster.")                                \
    X(redis_master, "redis-master", PATH, NULL, 0, 0, "TEXT",                                      \
      "Name by which sentinels know the primary.")                                                 \
    X(redis_user, "redis-user", PATH, NULL, 0, 0, "TEXT",                                          \
      "Who asks, when Redis wants to know; none: the default user.")                               \
    X(redis_password_file, "redis-password-file", PATH, NULL, 0, 0, "FILE",                        \
      "The first line is the password of redis-user.")                                             \
    X(redis_database, "redis-database", NUMBER, 0, 0, 65535, "number",                             \
      "Database of Redis; a cluster has 0 alone.")                                                 \
    X(redis_tls, "redis-tls", SWITCH, 0, 0, 1, "", "Speak TLS to Redis.")                          \
    X(redis_ca_file, "redis-ca-file", PATH, NULL, 0, 0, "FILE",                                    \
      "Who signs the certificates of Redis (PEM); none: whom the system trusts.")                  \
    X(redis_presence_ttl_s, "redis-presence-ttl-s", NUMBER, 60, 3, 86400, "s",                     \
      "A device of which nothing was heard for so long is offline in Redis; told three times as "  \
      "often.")                                                                                    \
    X(etcd_cert_file, "etcd-cert-file", PATH, NULL, 0, 0, "FILE",                                  \
      "Certificate (PEM) that etcd is shown, with https. Needs etcd-key-file.")                    \
    X(etcd_key_file, "etcd-key-file", PATH, NULL, 0, 0, "FILE",                                    \
      "Private key (PEM) of etcd-cert-file.")                                                      \
    X(etcd_user, "etcd-user", PATH, NULL, 0, 0, "TEXT", "Who asks, when etcd wants to know.")      \
    X(etcd_password_file, "etcd-password-file", PATH, NULL, 0, 0, "FILE",                          \
      "The first line is the password of etcd-user.")                                              \
    X(link_address, "link-address", ADDRESS, NULL, 0, 0, "HOST:PORT",                              \
      "Where members connect to this one, told to them by etcd when link-peers is not set; port "  \
      "0: that of link-listen. None: as link-listen says.")

/** Who asks to be let in. Borrowed during the call. */
typedef struct chat_server_login {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    chat_view token;      /**< as it came, may be empty */
} chat_server_login;

/** Who it is. Zeroed by the caller of the hook, with `expires_unix_ms` at "never". */
typedef struct chat_server_identity {
    uint32_t struct_size;            /**< sizeof of this struct */
    uint32_t user_len;               /**< bytes of `user` */
    uint8_t user[CHAT_ID_MAX_BYTES]; /**< must be valid by chat_id_is_valid() */
    uint64_t expires_unix_ms;        /**< the connection is closed then; UINT64_MAX: never */
    const char *why;                 /**< when refused: one line for the client, static */
} chat_server_identity;

/** What the embedding program decides itself; NULL: the library does. */
typedef struct chat_server_hooks {
    void *ctx; /**< passed to each call, borrowed */
    /**
     * Replaces the check of JSON Web Tokens. CHAT_OK lets in; anything else is answered with 401.
     * Called by the server's threads, several at once; must not block for long.
     */
    chat_status (*authenticate)(void *ctx, const chat_server_login *login,
                                chat_server_identity *out);
} chat_server_hooks;

/** Everything that a server is made with. Prepare with chat_server_options_init(). */
typedef struct chat_server_options {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    /** Called by the server's threads, several at once: must be safe for that, as libc's is. */
    chat_allocator allocator;
    /** Called by the server's threads, several at once. Problems of chat_server_new() go here. */
    chat_log_sink log;
    chat_server_hooks hooks; /**< what the application decides */
    /** Tells users who are away that messages wait; NULL: see notify_file. The struct is copied by
        chat_server_new(). */
    const chat_notifier *notifier;
    /** Gives node numbers, one for each shard; NULL: the data directory does, for a server that
       makes ids alone. The table is copied by chat_server_new(). See etcd. */
    const chat_lease *lease;
    /** Says which slots run here, for members of a cluster with `slots`; NULL: each has its fixed
       part. The table is copied by chat_server_new(). See etcd. */
    const chat_places *places;
    /** Where records go, and where they are read; both or none. NULL: the data directory, for a
        server that stands alone. The log is read by partition (assign), the server fences its
        partitions and applies their records to the store. The tables are copied by
        chat_server_new(), which waits until both can be used, a minute at most. */
    const chat_log *record_log;
    const chat_store *store; /**< see `record_log` */
    /** What servers share in memory; NULL: nothing. It may be missing at any time: told to it is
        who is online and where, asked who of a member that is not reached is, and counted there
       what an address may do at all members. Called by a thread of the server; the table is copied
       by chat_server_new(). See redis. */
    const chat_shared *shared;
#define CHAT_SERVER_TYPE_PATH    const char *
#define CHAT_SERVER_TYPE_ADDRESS const char *
#define CHAT_SERVER_TYPE_NUMBER  uint64_t
#define CHAT_SERVER_TYPE_SWITCH  uint64_t
#define CHAT_SERVER_TYPE_LEVEL   uint64_t
#define CHAT_SERVER_MEMBER(field, name, kind, initial, min, max, unit, text)                       \
    CHAT_SERVER_TYPE_##kind field;
    CHAT_SERVER_OPTION_TABLE(CHAT_SERVER_MEMBER)
#undef CHAT_SERVER_MEMBER
} chat_server_options;

/** A server. Several in one process work side by side, each with its own data directory. */
typedef struct chat_server chat_server;

/**
 * Set every option to the default of the table, the rest to zero.
 * Thread: any. Memory: the strings are static.
 */
CHAT_API void chat_server_options_init(chat_server_options *options);

/**
 * Check options and the files that they name, and change nothing. What is wrong, where, and what to
 * do goes to `options->log` as an error, what is doubtful as a warning.
 *
 * Thread: any. Time: reads the secret, key and certificate files.
 * @return CHAT_OK; CHAT_ERR_ARG: something is wrong; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_server_check(const chat_server_options *options);

/**
 * Make a server: check the options, open the data directory and recover it, listen. Connections are
 * accepted by the system from now on and served by chat_server_run().
 *
 * Thread: any. No thread is started.
 * Memory: `options` and its strings are copied; `ctx` pointers must outlive the server.
 * Time:   recovery reads the log behind the last checkpoint.
 *
 * On an error nothing is left behind but a data directory that was made, and `options->log` was
 * told what is wrong and what to do.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG      an option or a file that it names is not right
 * @return CHAT_ERR_IN_USE   another server has the data directory, or the port is taken
 * @return CHAT_ERR_VERSION  the data directory was written by a newer version, or with another
 *                           number of partitions
 * @return CHAT_ERR_CORRUPT, CHAT_ERR_FULL, CHAT_ERR_IO  the data directory cannot be used
 * @return CHAT_ERR_NETWORK  cannot listen
 * @return CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_server_new(const chat_server_options *options, chat_server **out);

/**
 * Free a server that does not run: close its sockets and data directory. NULL does nothing.
 * Thread: after chat_server_run() has returned. Time: writes the state back to disk.
 */
CHAT_API void chat_server_free(chat_server *server);

/**
 * Serve until chat_server_stop() or chat_server_drain(). Blocks the calling thread; the shards,
 * the log and the state have threads of their own, which are gone when it returns.
 *
 * Thread: one call in the life of a server.
 * @return CHAT_OK           stopped, or drained with everything finished
 * @return CHAT_ERR_TIMEOUT  drained, but the deadline came first: clients will send again
 * @return CHAT_ERR_IO       storage failed while it ran: acknowledged messages are safe
 * @return CHAT_ERR_STATE    it ran before
 * @return CHAT_ERR_ARG, CHAT_ERR_NOMEM  (no thread could be started)
 */
CHAT_API chat_status chat_server_run(chat_server *server);

/**
 * Make chat_server_run() return soon, or at once if it is called later. Connections are cut.
 * Thread: any, and from signal handlers. Time: does not block.
 */
CHAT_API void chat_server_stop(chat_server *server);

/**
 * As chat_server_stop(), but orderly: refuse what is new, say `bye` to clients, finish what was
 * accepted, for at most `deadline_ms` milliseconds. The first call counts.
 * Thread: any, and from signal handlers. Time: does not block.
 */
CHAT_API void chat_server_drain(chat_server *server, uint64_t deadline_ms);

/** The port that it listens on, the real one when port 0 was asked for. Thread: any. */
CHAT_API uint16_t chat_server_port(const chat_server *server);

#ifdef __cplusplus
}
#endif

#endif
