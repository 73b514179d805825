/* SPDX-License-Identifier: MIT */
/* The topic is there, or is created, with the partitions and copies that are asked for. */
#include "backends/kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY_MS             500
#define BROKER_MS          2000 /* for one broker to say whether he knows the topic */
#define DEFAULT_PARTITIONS 1000u

typedef struct check {
    chat_kafka *kafka;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    uint64_t until_ms;
    int is_created, is_grown;
    uint32_t topic_min; /* its min.insync.replicas; UINT32_MAX: not known */
} check;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static int left_ms(const check *c)
{
    uint64_t now = now_ms();
    return now >= c->until_ms ? 0 : (int)(c->until_ms - now);
}

static int at_most(int ms, int limit)
{
    return ms < limit ? ms : limit;
}

/* What the clients say meanwhile. The last error stays in `problem`. */
static chat_status hear_errors(chat_kafka *kafka)
{
    chat_log_event event = {.struct_size = sizeof event};
    kafka->problem_status = CHAT_OK;
    while (chat__kafka_next_answer(kafka, &event) == CHAT_OK)
        kafka->problem_status = event.status;
    while (chat__kafka_take_result(kafka))
        continue;
    if (kafka->consumer != NULL) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka->consumer, 0);
        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    return kafka->problem_status;
}

/* Who tries again does not mend these. */
static int is_final(chat_status status)
{
    return status == CHAT_ERR_AUTH || status == CHAT_ERR_TLS || status == CHAT_ERR_VERSION ||
           status == CHAT_ERR_IO || status == CHAT_ERR_FORBIDDEN;
}

/* All topics: to ask for one would create it where brokers create topics by themselves. */
static chat_status read_metadata(check *c, const struct rd_kafka_metadata **out)
{
    chat_kafka *kafka = c->kafka;
    chat_status heard = CHAT_OK;
    for (;;) {
        rd_kafka_resp_err_t err =
            rd_kafka_metadata(c->rk, 1, NULL, out, at_most(left_ms(c), TRY_MS) + 1);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return CHAT_OK;
        chat_status status = hear_errors(kafka);
        if (status != CHAT_OK)
            heard = status;
        if (is_final(status))
            return status;
        if (left_ms(c) > 0)
            continue;
        return heard != CHAT_OK ? heard : chat__kafka_explain(kafka, err, NULL);
    }
}

static const rd_kafka_metadata_topic_t *find_topic(const check *c,
                                                   const struct rd_kafka_metadata *metadata)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, c->kafka->options.topic) == 0)
            return &metadata->topics[i];
    return NULL;
}

static rd_kafka_AdminOptions_t *admin_options(const check *c)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_ANY);
    int timeout_ms = left_ms(c) + 1;
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    return options;
}

/* Wait for the result of a question to the controller, and see what it says. */
static chat_status finish(check *c, rd_kafka_AdminOptions_t *admin,
                          chat_status (*see)(check *c, rd_kafka_event_t *event))
{
    chat_status status = CHAT_OK;
    rd_kafka_event_t *event = rd_kafka_queue_poll(c->queue, left_ms(c) + TRY_MS);
    if (event == NULL)
        status = chat__kafka_explain(c->kafka, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
    else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = chat__kafka_explain(c->kafka, rd_kafka_event_error(event),
                                     rd_kafka_event_error_string(event));
    else
        status = see(c, event);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(admin);
    return status;
}

/* What became of the topic, the only one that was asked for; `fine` is no error. */
static chat_status see_topic(check *c, const rd_kafka_topic_result_t **topics, size_t n,
                             rd_kafka_resp_err_t fine)
{
    if (n != 1)
        return chat__kafka_explain(c->kafka, RD_KAFKA_RESP_ERR__FAIL, NULL);
    rd_kafka_resp_err_t err = rd_kafka_topic_result_error(topics[0]);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == fine)
        return CHAT_OK;
    return chat__kafka_explain(c->kafka, err, rd_kafka_topic_result_error_string(topics[0]));
}

static chat_status created(check *c, rd_kafka_event_t *event)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **topics =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    c->is_created = n == 1;
    /* Another node may have been quicker. */
    return see_topic(c, topics, n, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
}

static chat_status create(check *c)
{
    char why[256], number[16];
    const chat_kafka_options *options = &c->kafka->options;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        options->topic, (int)(options->partitions > 0 ? options->partitions : DEFAULT_PARTITIONS),
        (int)options->replication, why, sizeof why);
    if (topic == NULL)
        return chat__kafka_say(c->kafka, CHAT_ERR_ARG,
                               "topic %s cannot be created: %s: correct `topic`, `partitions` or "
                               "`replication`",
                               options->topic, why);
    snprintf(number, sizeof number, "%u", options->min_in_sync);
    (void)rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", number);
    rd_kafka_AdminOptions_t *admin = admin_options(c);
    rd_kafka_CreateTopics(c->rk, &topic, 1, admin, c->queue);
    chat_status status = finish(c, admin, created);
    rd_kafka_NewTopic_destroy(topic);
    return status;
}

static chat_status grown(check *c, rd_kafka_event_t *event)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **topics =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
    c->is_grown = 1;
    chat_status status = see_topic(c, topics, n, RD_KAFKA_RESP_ERR_NO_ERROR);
    return status == CHAT_OK ? CHAT_MORE : status; /* when all have heard of it */
}

/* CHAT_MORE: it will have as many as it should. */
static chat_status grow(check *c, uint32_t n)
{
    char why[256];
    const chat_kafka_options *options = &c->kafka->options;
    if (c->is_grown)
        return CHAT_MORE;
    if (n % options->grow_topic != 0 || options->partitions % options->grow_topic != 0)
        return chat__kafka_say(c->kafka, CHAT_ERR_ARG,
                               "topic %s has %u partitions and cannot get %u: `grow_topic` is %u "
                               "and must divide both numbers",
                               options->topic, n, options->partitions, options->grow_topic);
    rd_kafka_NewPartitions_t *more =
        rd_kafka_NewPartitions_new(options->topic, options->partitions, why, sizeof why);
    if (more == NULL)
        return chat__kafka_say(c->kafka, CHAT_ERR_ARG, "topic %s: %s: correct `partitions`",
                               options->topic, why);
    rd_kafka_AdminOptions_t *admin = admin_options(c);
    rd_kafka_CreatePartitions(c->rk, &more, 1, admin, c->queue);
    chat_status status = finish(c, admin, grown);
    rd_kafka_NewPartitions_destroy(more);
    return status;
}

static chat_status check_count(check *c, uint32_t n)
{
    const chat_kafka_options *options = &c->kafka->options;
    if (options->partitions == 0 || n == options->partitions)
        return CHAT_OK;
    if (n < options->partitions && options->grow_topic != 0)
        return grow(c, n);
    return chat__kafka_say(c->kafka, CHAT_ERR_ARG,
                           "topic %s has %u partitions, `partitions` is %u: set `partitions` to "
                           "%u. (A topic can get more, by `grow_topic`, and never fewer.)",
                           options->topic, n, options->partitions, n);
}

/* CHAT_OK; CHAT_MORE: it has just been created and is not ready. */
static chat_status check_partitions(check *c, const rd_kafka_metadata_topic_t *topic)
{
    chat_kafka *kafka = c->kafka;
    const chat_kafka_options *options = &kafka->options;
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR || topic->partition_cnt == 0)
        return CHAT_MORE;
    chat_status status = check_count(c, (uint32_t)topic->partition_cnt);
    if (status != CHAT_OK)
        return status;
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];
        if (partition->leader < 0)
            return CHAT_MORE;
        if ((uint32_t)partition->replica_cnt < options->replication)
            return chat__kafka_say(kafka, CHAT_ERR_ARG,
                                   "topic %s keeps %d copies of partition %d, `replication` is "
                                   "%u: give the topic more replicas, or lower `replication`",
                                   options->topic, partition->replica_cnt, partition->id,
                                   options->replication);
        if (!options->read_only && (uint32_t)partition->isr_cnt < options->min_in_sync)
            return CHAT_ERR_BUSY;
    }
    return CHAT_OK;
}

/* Who does not answer is no hindrance: nobody asks him either. */
static int knows_topic(const check *c, const rd_kafka_metadata_broker_t *broker)
{
    const struct rd_kafka_metadata *metadata = NULL;
    char address[320];
    int is_known = 1, is_ipv6 = strchr(broker->host, ':') != NULL;
    snprintf(address, sizeof address, is_ipv6 ? "[%.255s]:%d" : "%.255s:%d", broker->host,
             broker->port);
    rd_kafka_t *rk = chat__kafka_make_asker(c->kafka, address);
    if (rk == NULL)
        return 1;
    if (rd_kafka_metadata(rk, 1, NULL, &metadata, BROKER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_metadata_topic_t *topic = find_topic(c, metadata);
        is_known = topic != NULL && (uint32_t)topic->partition_cnt >= c->kafka->table.n_partitions;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(rk);
    return is_known;
}

/*
 * Brokers hear of a new topic one after another, and a client that asks one who has not takes the
 * topic for gone, with all that it was to write. CHAT_OK; CHAT_MORE: some do not know it yet.
 */
static chat_status check_brokers(const check *c, const struct rd_kafka_metadata *metadata)
{
    if (!c->kafka->options.create_topic || metadata->broker_cnt < 2)
        return CHAT_OK;
    for (int i = 0; i < metadata->broker_cnt; i++)
        if (!knows_topic(c, &metadata->brokers[i]))
            return CHAT_MORE;
    return CHAT_OK;
}

static chat_status described(check *c, rd_kafka_event_t *event)
{
    size_t n = 0, n_entries = 0;
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    const rd_kafka_ConfigEntry_t **entries =
        n == 1 ? rd_kafka_ConfigResource_configs(found[0], &n_entries) : NULL;
    for (size_t i = 0; i < n_entries; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "min.insync.replicas") == 0 &&
            rd_kafka_ConfigEntry_value(entries[i]) != NULL)
            c->topic_min = (uint32_t)strtoul(rd_kafka_ConfigEntry_value(entries[i]), NULL, 10);
    return CHAT_OK;
}

static chat_status describe_configs(check *c)
{
    rd_kafka_ConfigResource_t *about =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c->kafka->options.topic);
    rd_kafka_AdminOptions_t *admin = admin_options(c);
    rd_kafka_DescribeConfigs(c->rk, &about, 1, admin, c->queue);
    chat_status status = finish(c, admin, described);
    rd_kafka_ConfigResource_destroy(about);
    return status;
}

/* Does an append wait for enough copies? Who may not ask is believed. */
static chat_status check_in_sync(check *c)
{
    chat_kafka *kafka = c->kafka;
    c->topic_min = UINT32_MAX;
    if (kafka->options.read_only || kafka->options.min_in_sync <= 1)
        return CHAT_OK;
    if (describe_configs(c) != CHAT_OK || c->topic_min >= kafka->options.min_in_sync)
        return CHAT_OK;
    return chat__kafka_say(kafka, CHAT_ERR_ARG,
                           "topic %s has min.insync.replicas=%u, `min_in_sync` is %u: an "
                           "acknowledged record could be lost with one broker. Raise the topic's "
                           "min.insync.replicas, or lower `min_in_sync`",
                           kafka->options.topic, c->topic_min, kafka->options.min_in_sync);
}

static chat_status missing(check *c)
{
    chat_kafka *kafka = c->kafka;
    if (c->is_created)
        return CHAT_MORE;
    if (!kafka->options.create_topic)
        return chat__kafka_say(kafka, CHAT_ERR_NOT_FOUND,
                               "there is no topic %s at %s: create it, correct `topic`, or set "
                               "`create_topic` to 1",
                               kafka->options.topic, kafka->options.brokers);
    chat_status status = create(c);
    return status == CHAT_OK ? CHAT_MORE : status;
}

/* CHAT_OK; CHAT_MORE: it may be so in a moment. */
static chat_status look(check *c)
{
    const struct rd_kafka_metadata *metadata = NULL;
    chat_status status = read_metadata(c, &metadata);
    if (status != CHAT_OK)
        return status;
    const rd_kafka_metadata_topic_t *topic = find_topic(c, metadata);
    status = topic == NULL ? missing(c) : check_partitions(c, topic);
    if (status == CHAT_OK)
        c->kafka->table.n_partitions = (uint32_t)topic->partition_cnt;
    if (status == CHAT_OK)
        status = check_brokers(c, metadata);
    rd_kafka_metadata_destroy(metadata);
    return status;
}

static chat_status too_late(check *c, chat_status last)
{
    const chat_kafka_options *options = &c->kafka->options;
    if (last == CHAT_ERR_BUSY)
        return chat__kafka_say(c->kafka, CHAT_ERR_BUSY,
                               "topic %s has partitions with fewer than %u replicas in sync: start "
                               "the brokers that are down, or lower `min_in_sync`",
                               options->topic, options->min_in_sync);
    return chat__kafka_say(c->kafka, CHAT_ERR_TIMEOUT,
                           "topic %s at %s has partitions without a leader, or brokers that do not "
                           "know it: start the brokers that are down, and see their logs",
                           options->topic, options->brokers);
}

chat_status chat__kafka_check_topic(chat_kafka *kafka, uint32_t timeout_ms)
{
    check c = {.kafka = kafka, .until_ms = now_ms() + timeout_ms};
    c.rk = kafka->producer != NULL ? kafka->producer : kafka->consumer;
    c.queue = rd_kafka_queue_new(c.rk);
    if (c.queue == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = look(&c);
    while (status == CHAT_MORE || status == CHAT_ERR_BUSY) {
        struct timespec pause = {.tv_nsec = 20000000};
        if (left_ms(&c) == 0) {
            status = too_late(&c, status);
            break;
        }
        nanosleep(&pause, NULL);
        status = look(&c);
    }
    if (status == CHAT_OK)
        status = check_in_sync(&c);
    rd_kafka_queue_destroy(c.queue);
    return status;
}
