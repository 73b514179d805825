/* SPDX-License-Identifier: MIT */
/* The statistics of librdkafka, reduced to a handful of figures; its lines for the operator. */
#include "backends/kafka/internal.h"
#include "base/sized.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

static void add_brokers(chat_kafka_figures *figures, const cJSON *brokers)
{
    const cJSON *broker;
    cJSON_ArrayForEach(broker, brokers)
    {
        const cJSON *state = cJSON_GetObjectItemCaseSensitive(broker, "state");
        const cJSON *rtt = cJSON_GetObjectItemCaseSensitive(broker, "rtt");
        uint64_t p99 = number_of(rtt, "p99");
        const cJSON *source = cJSON_GetObjectItemCaseSensitive(broker, "source");
        /* Brokers that are only a name, and the coordinator, come a second time. */
        int is_real = number_of(broker, "nodeid") > 0 && cJSON_IsString(source) &&
                      strcmp(source->valuestring, "logical") != 0;
        figures->brokers_up +=
            is_real && cJSON_IsString(state) && strcmp(state->valuestring, "UP") == 0;
        figures->errors += number_of(broker, "txerrs") + number_of(broker, "rxerrs") +
                           number_of(broker, "req_timeouts");
        figures->retries += number_of(broker, "txretries");
        if (p99 > figures->rtt_p99_us)
            figures->rtt_p99_us = p99;
    }
}

static void add_partitions(chat_kafka_figures *figures, const cJSON *topics)
{
    const cJSON *topic, *partition;
    cJSON_ArrayForEach(topic, topics)
    {
        cJSON_ArrayForEach(partition, cJSON_GetObjectItemCaseSensitive(topic, "partitions"))
        {
            uint64_t lag = number_of(partition, "consumer_lag");
            figures->lag_records += lag;
            if (lag > figures->lag_max_records)
                figures->lag_max_records = lag;
        }
    }
}

/* The JSON is librdkafka's own, of this process. */
void chat__kafka_take_stats(chat_kafka *kafka, int is_reader, const char *json, size_t len)
{
    chat_kafka_figures *figures = is_reader ? &kafka->reader_figures : &kafka->figures;
    cJSON *root = cJSON_ParseWithLength(json, len);
    if (root == NULL)
        return;
    uint64_t dropped = figures->dropped_records, voids = figures->void_records;
    memset(figures, 0, sizeof *figures);
    figures->dropped_records = dropped;
    figures->void_records = voids;
    figures->written_records = number_of(root, "txmsgs");
    figures->written_bytes = number_of(root, "txmsg_bytes");
    figures->read_records = number_of(root, "rxmsgs");
    figures->read_bytes = number_of(root, "rxmsg_bytes");
    figures->rebalances =
        number_of(cJSON_GetObjectItemCaseSensitive(root, "cgrp"), "rebalance_cnt");
    add_brokers(figures, cJSON_GetObjectItemCaseSensitive(root, "brokers"));
    if (is_reader)
        add_partitions(figures, cJSON_GetObjectItemCaseSensitive(root, "topics"));
    cJSON_Delete(root);
}

int chat__kafka_on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    (void)rk;
    chat__kafka_take_stats(opaque, 1, json, len);
    return 0; /* the text stays librdkafka's */
}

chat_status chat_kafka_get_figures(const chat_kafka *kafka, chat_kafka_figures *out)
{
    if (kafka == NULL || out == NULL)
        return CHAT_ERR_ARG;
    const chat_kafka_figures *reader = &kafka->reader_figures;
    chat_kafka_figures sum = kafka->figures;
    if (reader->brokers_up > sum.brokers_up)
        sum.brokers_up = reader->brokers_up;
    sum.waiting_records = kafka->waiting_records;
    sum.waiting_bytes = kafka->waiting_bytes;
    sum.read_records = reader->read_records;
    sum.read_bytes = reader->read_bytes;
    sum.errors += reader->errors;
    sum.retries += reader->retries;
    if (reader->rtt_p99_us > sum.rtt_p99_us && kafka->producer == NULL)
        sum.rtt_p99_us = reader->rtt_p99_us; /* a reader's answers wait for records */
    sum.lag_records = reader->lag_records;
    sum.lag_max_records = reader->lag_max_records;
    sum.rebalances = reader->rebalances;
    return chat__sized_give(out, &sum, sizeof sum);
}

/* Levels are those of syslog. */
void chat__kafka_log(chat_kafka *kafka, int level, const char *facility, const char *text)
{
    char line[1024];
    /* The first come as events, too; the second are of settings that must be as they are. */
    if (kafka->sink.write == NULL || strcmp(facility, "FAIL") == 0 ||
        strcmp(facility, "CONFWARN") == 0)
        return;
    snprintf(line, sizeof line, "kafka: %s: %s", facility, text);
    kafka->sink.write(kafka->sink.ctx,
                      level <= 3   ? CHAT_LOG_ERROR
                      : level <= 4 ? CHAT_LOG_WARN
                      : level <= 6 ? CHAT_LOG_INFO
                                   : CHAT_LOG_DEBUG,
                      line);
}
