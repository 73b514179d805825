/* SPDX-License-Identifier: MIT */
/* What an error of librdkafka means, and which option to change. */
#include "backends/kafka/internal.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct row {
    rd_kafka_resp_err_t err;
    chat_status status;
    const char *advice;
} row;

#define ADVICE_SASL                                                                                \
    "check kafka.sasl.username, kafka.sasl.password and kafka.sasl.mechanism; does the listener "  \
    "want SASL at all (kafka.security.protocol)?"
#define ADVICE_BROKERS                                                                             \
    "check host and port in `brokers`, and whether the broker runs; a listener with TLS or SASL "  \
    "needs kafka.security.protocol=ssl, sasl_ssl or sasl_plaintext"
#define ADVICE_REPLICAS                                                                            \
    "start the brokers that are down, or lower `min_in_sync` and the topic's min.insync.replicas"

static const row ROWS[] = {
    {RD_KAFKA_RESP_ERR__RESOLVE, CHAT_ERR_NETWORK, "a host in `brokers` is not known: correct it"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, CHAT_ERR_NETWORK, ADVICE_BROKERS},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, CHAT_ERR_NETWORK, ADVICE_BROKERS},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, CHAT_ERR_NETWORK, ADVICE_BROKERS},
    {RD_KAFKA_RESP_ERR__BAD_MSG, CHAT_ERR_NETWORK, "this is no Kafka: " ADVICE_BROKERS},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, CHAT_ERR_TIMEOUT,
     "the brokers are overloaded or cut off"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, CHAT_ERR_TIMEOUT,
     "no broker answered within `delivery_timeout_ms`"},
    {RD_KAFKA_RESP_ERR__SSL, CHAT_ERR_TLS,
     "does the listener speak TLS at all (kafka.security.protocol)? Else check "
     "kafka.ssl.ca.location, kafka.ssl.certificate.location and kafka.ssl.key.location, and "
     "that the names in `brokers` are those of the certificates"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, CHAT_ERR_AUTH, ADVICE_SASL},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, CHAT_ERR_AUTH, ADVICE_SASL},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, CHAT_ERR_FORBIDDEN,
     "let the user of kafka.sasl.username read and write `topic`"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, CHAT_ERR_FORBIDDEN,
     "let the user of kafka.sasl.username read with `group`"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, CHAT_ERR_FORBIDDEN,
     "let the user of kafka.sasl.username write idempotently and create topics, or create the "
     "topic by hand and set `create_topic` to 0"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, CHAT_ERR_VERSION,
     "the servers in `brokers` are too old: Kafka 0.11 or newer is needed"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, CHAT_ERR_VERSION,
     "the servers in `brokers` are too old: Kafka 0.11 or newer is needed"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, CHAT_ERR_NOT_FOUND,
     "create `topic`, or set `create_topic`; right after its creation this passes by itself"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, CHAT_ERR_NOT_FOUND, "create `topic`, or set `create_topic`"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, CHAT_ERR_NOT_FOUND,
     "`topic` has lost partitions: was it made anew? Open the log again"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, CHAT_ERR_ARG, "`topic` is no name that Kafka takes"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, CHAT_ERR_ARG,
     "there are fewer brokers than `replication`: add brokers or lower it"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, CHAT_ERR_BUSY, ADVICE_REPLICAS},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, CHAT_ERR_BUSY, ADVICE_REPLICAS},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, CHAT_ERR_LIMIT,
     "raise the topic's max.message.bytes and kafka.message.max.bytes"},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, CHAT_ERR_BUSY, "raise kafka.queue.buffering.max.messages"},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, CHAT_ERR_SLOW,
     "the log was not asked for events for longer than kafka.max.poll.interval.ms; its partitions "
     "went to others"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, CHAT_ERR_CLOSED, "it was closed"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, CHAT_ERR_CLOSED, "it was closed"},
    {RD_KAFKA_RESP_ERR__FATAL, CHAT_ERR_IO, "open the log again"},
};

static const row *find(rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (ROWS[i].err == err)
            return &ROWS[i];
    return NULL;
}

chat_status chat__kafka_status(rd_kafka_resp_err_t err)
{
    const row *found = find(err);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return CHAT_OK;
    return found != NULL ? found->status : CHAT_ERR_NETWORK;
}

chat_status chat__kafka_say(chat_kafka *kafka, chat_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(kafka->problem, sizeof kafka->problem, format, args);
    va_end(args);
    return status;
}

chat_status chat__kafka_explain(chat_kafka *kafka, rd_kafka_resp_err_t err, const char *reason)
{
    const row *found = find(err);
    return chat__kafka_say(kafka, chat__kafka_status(err), "Kafka at %s, topic %s: %s%s%s",
                           kafka->options.brokers, kafka->options.topic,
                           reason != NULL ? reason : rd_kafka_err2str(err),
                           found != NULL ? ": " : "", found != NULL ? found->advice : "");
}
