/* SPDX-License-Identifier: MIT */
/*
 * Partitions that the caller names. What is wanted is written down at once, what is read follows:
 * one that goes waits for the answer to its last commit, one that comes for its position, which is
 * asked for as in a group.
 */
#include "backends/kafka/internal.h"

#include <string.h>
#include <unistd.h>

static void wake(const chat_kafka *kafka)
{
    uint64_t one = 1;
    ssize_t put = write(kafka->fd, &one, sizeof one);
    (void)put; /* full: it is readable */
}

/* Name them in `is_wanted`, bit 1; what was wanted is bit 0. CHAT_OK, CHAT_ERR_ARG. */
static chat_status name_all(chat_kafka *kafka, const uint32_t *partitions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (partitions[i] >= kafka->table.n_partitions || kafka->parts[partitions[i]].is_wanted > 1)
            return CHAT_ERR_ARG;
        kafka->parts[partitions[i]].is_wanted |= 2;
    }
    return CHAT_OK;
}

chat_status chat__kafka_assign(void *ctx, const uint32_t *partitions, size_t n)
{
    chat_kafka *kafka = ctx;
    if (kafka->consumer == NULL || !kafka->options.is_assigned)
        return CHAT_ERR_STATE;
    if (partitions == NULL && n > 0)
        return CHAT_ERR_ARG;
    chat_status status = name_all(kafka, partitions, n);
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++) {
        uint8_t *is_wanted = &kafka->parts[i].is_wanted;
        *is_wanted = status == CHAT_OK ? *is_wanted >> 1 : *is_wanted & 1;
    }
    if (status != CHAT_OK)
        return status;
    kafka->is_unsettled = 1;
    chat__kafka_settle(kafka);
    wake(kafka);
    return CHAT_OK;
}

/* Those that are not wanted any more are not read from now on. */
static void stop_reading(chat_kafka *kafka)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++) {
        chat__kafka_part *part = &kafka->parts[i];
        if (part->is_wanted || !part->is_read)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(16);
        (void)rd_kafka_topic_partition_list_add(list, kafka->options.topic, (int32_t)i);
        part->is_read = 0;
        part->is_leaving = 1;
        kafka->n_leaving++;
        part->n_failed = 0;
    }
    if (list == NULL)
        return;
    if (kafka->held != NULL && kafka->held->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
        rd_kafka_topic_partition_list_find(list, kafka->options.topic, kafka->held->partition)) {
        rd_kafka_message_destroy(kafka->held);
        kafka->held = NULL;
        kafka->is_gap_told = 0;
    }
    rd_kafka_error_destroy(rd_kafka_incremental_unassign(kafka->consumer, list));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Those whose commits are answered have gone. */
static void end_leaving(chat_kafka *kafka)
{
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++) {
        chat__kafka_part *part = &kafka->parts[i];
        if (!part->is_leaving || part->is_dirty || part->is_sending)
            continue;
        part->is_leaving = 0;
        kafka->n_leaving--;
        chat__kafka_note note = {.type = CHAT_LOG_EVENT_REVOKED, .partition = i};
        chat__kafka_note_add(kafka, &note);
    }
}

static void start_reading(chat_kafka *kafka)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++) {
        const chat__kafka_part *part = &kafka->parts[i];
        if (!part->is_wanted || part->is_read || part->is_leaving)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(16);
        (void)rd_kafka_topic_partition_list_add(list, kafka->options.topic, (int32_t)i);
    }
    if (list == NULL)
        return;
    kafka->arriving = list;
    chat__kafka_ask_positions(kafka);
}

void chat__kafka_settle(chat_kafka *kafka)
{
    if (!kafka->is_unsettled || kafka->is_closing)
        return;
    kafka->is_unsettled = 0;
    stop_reading(kafka);
    chat__kafka_send_commits(kafka, 0);
    end_leaving(kafka);
    if (kafka->arriving == NULL)
        start_reading(kafka);
}
