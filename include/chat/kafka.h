/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-kafka: a record log (<chat/backend/log.h>) that is a topic of Apache Kafka 0.11 or newer.
 *
 *     chat_kafka_options_init(&options);
 *     options.brokers = "kafka1:9092,kafka2:9092";
 *     options.topic = "messages";
 *     options.group = "delivery";
 *     if (chat_kafka_new(&options, &kafka) == CHAT_OK && chat_kafka_open(kafka, 10000) != CHAT_OK)
 *         puts(chat_kafka_problem(kafka));
 *     log = chat_kafka_table(kafka);
 *
 * Appends are idempotent and answered when all replicas in sync have them. A record is a message
 * with the chat as its key; its value is a head of 12 bytes (1, 0, kind in 2 and id in 8 bytes, big
 * endian) and the payload. With a term the head is 20 bytes (2, 0, kind, id, term in 8 bytes); a
 * fence is such a head alone (2, 1) without a key. A reader's position is a committed offset whose
 * metadata is "seq=N" and, where there are terms, " term=T past=P", P being the term at the record
 * `window_records` before; "?" behind a term says that fences may be missing before it.
 * See <chat/backend/log.h> for what terms are.
 *
 * librdkafka works on threads and in memory of its own; what is here is called by one thread at a
 * time and calls nobody back but the log sink, in that thread.
 */
#ifndef CHAT_KAFKA_H
#define CHAT_KAFKA_H

#include <chat/backend/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A log in Kafka; opaque. */
typedef struct chat_kafka chat_kafka;

/** A setting of librdkafka, passed on as it is. */
typedef struct chat_kafka_property {
    const char *name;  /**< as in librdkafka's CONFIGURATION.md, with or without "kafka." before */
    const char *value; /**< its value */
} chat_kafka_property;

/** Settings. Set defaults with chat_kafka_options_init() first. */
typedef struct chat_kafka_options {
    uint32_t struct_size;  /**< sizeof of this struct */
    uint32_t partitions;   /**< of a topic that is created: 1000; of one that is there: must agree
                                (see `grow_topic`); 0: as it is, and 1000 when it is created */
    const char *brokers;   /**< "host:port,...": some of the brokers */
    const char *topic;     /**< its name */
    const char *group;     /**< consumer group; NULL: nothing is read */
    uint32_t read_only;    /**< 1: nothing is appended */
    uint32_t create_topic; /**< 1: create the topic when it is missing; 0 */
    uint32_t replication;  /**< copies of each record, at least: 3 */
    uint32_t min_in_sync;  /**< copies that an append waits for, at least: 2 */
    uint32_t delivery_timeout_ms; /**< an append that is not answered by then failed: 30,000 */
    uint32_t linger_ms;           /**< how long records wait to go together, at most 1,000: 1 */
    uint32_t stats_interval_ms;   /**< of chat_kafka_figures(), 100 to 60,000: 5,000 */
    uint32_t window_records;      /**< before a record, in which its id is looked for: 1,024 */
    uint64_t
        max_waiting_bytes; /**< of appends that are not answered, 200 each in addition: 16 MiB */
    const chat_kafka_property *properties; /**< TLS, SASL and all else; may be NULL */
    size_t n_properties;                   /**< how many */
    const chat_allocator *allocator;       /**< NULL: libc's */
    const chat_log_sink *log;              /**< for lines; NULL: none */
    uint32_t is_assigned;                  /**< 1: read what `assign` of the log says, without the
                                                group's sharing; 0 */
    uint32_t grow_topic; /**< give a topic that has fewer than `partitions` more: chats move to
                              others of them. Only when this number divides both counts, so that a
                              chat's partition stays the same by it; 0: never */
} chat_kafka_options;

/** What goes on, from the newest statistics of librdkafka. Counts are since chat_kafka_open(). */
typedef struct chat_kafka_figures {
    uint32_t struct_size;     /**< sizeof of this struct, set by the caller */
    uint32_t brokers_up;      /**< brokers that are connected */
    uint64_t waiting_records; /**< appends that are not answered */
    uint64_t waiting_bytes;   /**< of them */
    uint64_t written_records; /**< sent to brokers and answered */
    uint64_t written_bytes;   /**< of them */
    uint64_t read_records;    /**< that brokers sent */
    uint64_t read_bytes;      /**< of them */
    uint64_t errors;          /**< of sending to and receiving from brokers, time-outs included */
    uint64_t retries;         /**< requests that were sent again */
    uint64_t rtt_p99_us;      /**< of the slowest broker: 99 % of its answers took no longer */
    uint64_t lag_records;     /**< behind the positions that were committed, over all partitions */
    uint64_t lag_max_records; /**< of the partition that is furthest behind */
    uint64_t rebalances;      /**< of the group */
    uint64_t dropped_records; /**< read, but with an id that was there just before */
    uint64_t void_records;    /**< read, but of a term that is over: of writers that do not know */
} chat_kafka_figures;

/** Defaults as documented at the fields. Thread: any. Memory: writes `*options`. */
CHAT_API void chat_kafka_options_init(chat_kafka_options *options);

/**
 * Make a log. Nothing is connected; whether the settings are right is seen by chat_kafka_open().
 *
 * Thread: any. Memory: all options are copied. Time: constant.
 * @return CHAT_OK; CHAT_ERR_ARG no brokers or topic, neither written nor read, a number that is
 *         out of its range; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_kafka_new(const chat_kafka_options *options, chat_kafka **out);

/**
 * Connect, check the topic or create it, and begin to read. After an error it may be called again;
 * chat_kafka_problem() says what is wrong and which option to change.
 *
 * Thread: one caller at a time. Time: waits for brokers, up to `timeout_ms`.
 * @return CHAT_OK; CHAT_ERR_ARG a setting is wrong; CHAT_ERR_NETWORK no broker answers;
 *         CHAT_ERR_TLS; CHAT_ERR_AUTH; CHAT_ERR_FORBIDDEN the user may not do this;
 *         CHAT_ERR_NOT_FOUND no such topic and `create_topic` is 0; CHAT_ERR_VERSION the broker is
 *         too old; CHAT_ERR_BUSY too few replicas are in sync; CHAT_ERR_TIMEOUT; CHAT_ERR_STATE it
 *         is open; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_kafka_open(chat_kafka *kafka, uint32_t timeout_ms);

/** What the last error was and what to do, "" when there was none. Thread: one caller at a time.
    Memory: borrowed until the next call. */
CHAT_API const char *chat_kafka_problem(const chat_kafka *kafka);

/** The log, for who works with it; NULL before chat_kafka_open(). Thread: one caller at a time.
    Memory: lives as long as `kafka`. */
CHAT_API const chat_log *chat_kafka_table(const chat_kafka *kafka);

/**
 * What goes on, as of the last `stats_interval_ms`.
 *
 * Thread: one caller at a time. Memory: writes `*out` as far as its struct_size goes.
 * @return CHAT_OK; CHAT_ERR_ARG
 */
CHAT_API chat_status chat_kafka_get_figures(const chat_kafka *kafka, chat_kafka_figures *out);

/**
 * Leave the group and free all. Appends that were not answered may be there or not. NULL does
 * nothing. Thread: one caller, the last. Time: waits for brokers, some seconds at worst.
 */
CHAT_API void chat_kafka_free(chat_kafka *kafka);

#ifdef __cplusplus
}
#endif

#endif
