/* SPDX-License-Identifier: MIT */
/* What librdkafka is told: our options, then the properties of the caller, then what must be. */
#include "backends/kafka/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct setting {
    const char *name;
    const char *value;
} setting;

/* Which a property may change. */
static const setting DEFAULTS[] = {
    {"log.configuration.warnings", "false"},
    {"client.id", "libchat"},
    {"queue.buffering.max.messages", "10000000"},
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
};
/* Which none may change: the guarantees hang on them. */
static const setting MUST[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"enable.partition.eof", "false"},
    {"allow.auto.create.topics", "false"},
    {"log.queue", "true"},
};

static void set_number(chat_kafka *kafka, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    (void)rd_kafka_conf_set(kafka->conf, name, text, NULL, 0);
}

/* A property that must be what it is; which wants the same is let through. */
static const setting *must_be(const char *name)
{
    for (size_t i = 0; i < sizeof MUST / sizeof *MUST; i++)
        if (strcmp(MUST[i].name, name) == 0)
            return &MUST[i];
    if (strcmp(name, "request.required.acks") == 0)
        return &MUST[1];
    return NULL;
}

static chat_status set_property(chat_kafka *kafka, const chat_kafka_property *property)
{
    char why[256];
    if (property->name == NULL || property->value == NULL)
        return chat__kafka_say(kafka, CHAT_ERR_ARG, "a property without a name or a value");
    const char *name = property->name;
    if (strncmp(name, "kafka.", 6) == 0)
        name += 6;
    const setting *must = must_be(name);
    if (must != NULL && strcmp(must->value, property->value) != 0)
        return chat__kafka_say(kafka, CHAT_ERR_ARG,
                               "kafka.%s cannot be %s, it must be %s here: take the option out",
                               name, property->value, must->value);
    if (strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0 ||
        strcmp(name, "group.id") == 0)
        return chat__kafka_say(kafka, CHAT_ERR_ARG,
                               "kafka.%s: set `brokers` or `group` instead, and take it out", name);
    rd_kafka_conf_res_t res =
        rd_kafka_conf_set(kafka->conf, name, property->value, why, sizeof why);
    if (res == RD_KAFKA_CONF_OK)
        return CHAT_OK;
    return chat__kafka_say(kafka, CHAT_ERR_ARG, "kafka.%s: %s: correct the option", name, why);
}

chat_status chat__kafka_settings(chat_kafka *kafka, const chat_kafka_options *options)
{
    kafka->conf = rd_kafka_conf_new();
    if (kafka->conf == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < sizeof DEFAULTS / sizeof *DEFAULTS; i++)
        (void)rd_kafka_conf_set(kafka->conf, DEFAULTS[i].name, DEFAULTS[i].value, NULL, 0);
    set_number(kafka, "message.timeout.ms", options->delivery_timeout_ms);
    set_number(kafka, "linger.ms", options->linger_ms);
    set_number(kafka, "queue.buffering.max.kbytes", options->max_waiting_bytes / 512 + 1024);
    for (size_t i = 0; i < options->n_properties; i++) {
        kafka->setting_status = set_property(kafka, &options->properties[i]);
        if (kafka->setting_status != CHAT_OK)
            return CHAT_OK;
    }
    for (size_t i = 0; i < sizeof MUST / sizeof *MUST; i++)
        (void)rd_kafka_conf_set(kafka->conf, MUST[i].name, MUST[i].value, NULL, 0);
    set_number(kafka, "statistics.interval.ms", options->stats_interval_ms);
    char why[256];
    if (rd_kafka_conf_set(kafka->conf, "bootstrap.servers", options->brokers, why, sizeof why) !=
        RD_KAFKA_CONF_OK)
        kafka->setting_status = chat__kafka_say(kafka, CHAT_ERR_ARG, "brokers=%s: %s: correct it",
                                                options->brokers, why);
    return CHAT_OK;
}

/* One of the two clients; NULL and a problem when librdkafka refuses. */
static rd_kafka_t *make(chat_kafka *kafka, rd_kafka_type_t type)
{
    char why[512] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->conf);
    if (conf == NULL)
        return NULL;
    rd_kafka_conf_set_opaque(conf, kafka);
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR |
                                           RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG);
    } else {
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_OFFSET_COMMIT);
        rd_kafka_conf_set_rebalance_cb(conf, chat__kafka_on_rebalance);
        rd_kafka_conf_set_error_cb(conf, chat__kafka_on_error);
        rd_kafka_conf_set_stats_cb(conf, chat__kafka_on_stats);
        (void)rd_kafka_conf_set(conf, "group.id", kafka->options.group, NULL, 0);
    }
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof why);
    if (made == NULL) {
        rd_kafka_conf_destroy(conf);
        (void)chat__kafka_say(kafka, CHAT_ERR_ARG,
                              "Kafka at %s: %s: correct the kafka. option that it names",
                              kafka->options.brokers, why);
    }
    return made;
}

/*
 * One of the consumer's group where there is one, though it joins none: librdkafka 2.0 looks for
 * its group when whoever is asked for positions is not the coordinator, whether the client has one
 * or not.
 */
rd_kafka_t *chat__kafka_make_asker(const chat_kafka *kafka, const char *brokers)
{
    char why[256];
    rd_kafka_t *made = NULL;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->conf);
    if (conf == NULL)
        return NULL;
    rd_kafka_conf_set_log_cb(conf, NULL);
    (void)rd_kafka_conf_set(conf, "log.queue", "false", NULL, 0);
    (void)rd_kafka_conf_set(conf, "statistics.interval.ms", "0", NULL, 0);
    if (kafka->options.group != NULL)
        (void)rd_kafka_conf_set(conf, "group.id", kafka->options.group, NULL, 0);
    if (brokers == NULL ||
        rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) == RD_KAFKA_CONF_OK)
        made = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (made == NULL)
        rd_kafka_conf_destroy(conf);
    return made;
}

static const uint64_t ONE = 1; /* what an eventfd takes */

static chat_status make_producer(chat_kafka *kafka)
{
    kafka->producer = make(kafka, RD_KAFKA_PRODUCER);
    if (kafka->producer == NULL)
        return CHAT_ERR_ARG;
    kafka->answers = rd_kafka_queue_get_main(kafka->producer);
    rd_kafka_queue_io_event_enable(kafka->answers, kafka->fd, &ONE, sizeof ONE);
    (void)rd_kafka_set_log_queue(kafka->producer, NULL);
    return CHAT_OK;
}

static chat_status make_consumer(chat_kafka *kafka)
{
    kafka->consumer = make(kafka, RD_KAFKA_CONSUMER);
    if (kafka->consumer == NULL)
        return CHAT_ERR_ARG;
    (void)rd_kafka_poll_set_consumer(kafka->consumer);
    kafka->records = rd_kafka_queue_get_consumer(kafka->consumer);
    kafka->results = rd_kafka_queue_new(kafka->consumer);
    if (kafka->results == NULL)
        return CHAT_ERR_NOMEM;
    rd_kafka_queue_io_event_enable(kafka->records, kafka->fd, &ONE, sizeof ONE);
    rd_kafka_queue_io_event_enable(kafka->results, kafka->fd, &ONE, sizeof ONE);
    (void)rd_kafka_set_log_queue(kafka->consumer, kafka->results);
    return CHAT_OK;
}

chat_status chat__kafka_make(chat_kafka *kafka)
{
    chat_status status = CHAT_OK;
    if (!kafka->options.read_only)
        status = make_producer(kafka);
    if (status == CHAT_OK && kafka->options.group != NULL)
        status = make_consumer(kafka);
    return status;
}
