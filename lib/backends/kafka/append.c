/* SPDX-License-Identifier: MIT */
/* The producer: records go out, reports come back. */
#include "backends/kafka/internal.h"
#include "base/bits.h"
#include "base/sized.h"

#include <chat/partition.h>

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a tag travels as the pointer of a message");

/* Records of programs that know no terms. */
#define OLD_RECORD_BYTES offsetof(chat_log_record, term)

static uint64_t cost_of(size_t chat_bytes, size_t value_bytes)
{
    return chat_bytes + value_bytes + CHAT__KAFKA_RECORD_BYTES;
}

static size_t head_bytes(const chat_log_record *record)
{
    return CHAT__KAFKA_HEAD_BYTES + (record->term == 0 ? 0 : CHAT__KAFKA_TERM_BYTES);
}

static chat_status encode(chat_kafka *kafka, const chat_log_record *record)
{
    uint8_t head[CHAT__KAFKA_HEAD_BYTES + CHAT__KAFKA_TERM_BYTES] = {record->term == 0 ? 1 : 2, 0};
    if (record->id == 0)
        head[1] = CHAT__KAFKA_IS_FENCE;
    chat__store16be(head + 2, (uint16_t)record->kind);
    chat__store64be(head + 4, record->id);
    chat__store64be(head + 12, record->term);
    kafka->value.len = 0;
    chat_status status = chat__buf_append(&kafka->value, head, head_bytes(record));
    if (status == CHAT_OK && record->payload.len > 0)
        status = chat__buf_append(&kafka->value, record->payload.data, record->payload.len);
    return status;
}

static chat_status produce(chat_kafka *kafka, uint64_t tag, uint32_t partition,
                           const chat_log_record *record)
{
    uint64_t cost = cost_of(record->chat.len, head_bytes(record) + record->payload.len);
    if (cost > kafka->options.max_waiting_bytes)
        return CHAT_ERR_LIMIT;
    if (cost > kafka->options.max_waiting_bytes - kafka->waiting_bytes)
        return CHAT_ERR_BUSY;
    chat_status status = encode(kafka, record);
    if (status != CHAT_OK)
        return status;
    if (rd_kafka_produce(kafka->topic, (int32_t)partition, RD_KAFKA_MSG_F_COPY, kafka->value.data,
                         kafka->value.len, record->chat.data, record->chat.len,
                         (void *)(uintptr_t)tag) != 0) {
        rd_kafka_resp_err_t err = rd_kafka_last_error();
        return chat__kafka_explain(kafka, err, NULL);
    }
    kafka->waiting_bytes += cost;
    kafka->waiting_records++;
    return CHAT_OK;
}

static int is_right(const chat_log_record *record)
{
    return record->id != 0 && record->id >> 63 == 0 && record->kind <= UINT16_MAX &&
           record->chat.len > 0;
}

chat_status chat__kafka_append(void *ctx, uint64_t tag, const chat_log_record *from)
{
    chat_kafka *kafka = ctx;
    chat_log_record record = {.struct_size = sizeof record};
    if (kafka->producer == NULL)
        return CHAT_ERR_STATE;
    if (from == NULL || from->struct_size < OLD_RECORD_BYTES ||
        chat__sized_take(&record, sizeof record, from) != CHAT_OK || !is_right(&record))
        return CHAT_ERR_ARG;
    return produce(kafka, tag, chat_partition_of(record.chat, kafka->table.n_partitions), &record);
}

chat_status chat__kafka_fence(void *ctx, uint64_t tag, uint32_t partition, uint64_t term)
{
    chat_kafka *kafka = ctx;
    chat_log_record record = {.struct_size = sizeof record, .term = term};
    if (kafka->producer == NULL)
        return CHAT_ERR_STATE;
    if (partition >= kafka->table.n_partitions || term == 0)
        return CHAT_ERR_ARG;
    return produce(kafka, tag, partition, &record);
}

static chat_status give_report(chat_kafka *kafka, chat_log_event *out)
{
    const rd_kafka_message_t *message = rd_kafka_event_message_next(kafka->delivered);
    if (message == NULL) {
        rd_kafka_event_destroy(kafka->delivered);
        kafka->delivered = NULL;
        return CHAT_EMPTY;
    }
    kafka->waiting_bytes -= cost_of(message->key_len, message->len);
    kafka->waiting_records--;
    out->type = CHAT_LOG_EVENT_APPENDED;
    out->tag = (uint64_t)(uintptr_t)message->_private;
    out->partition = (uint32_t)message->partition;
    out->status = chat__kafka_status(message->err);
    if (out->status == CHAT_OK) {
        out->offset = (uint64_t)message->offset;
    } else {
        (void)chat__kafka_explain(kafka, message->err, NULL);
        out->text = kafka->problem;
    }
    return CHAT_OK;
}

/* What an error of a broker is to the caller; a fatal one says which it was. */
static void give_error(chat_kafka *kafka, rd_kafka_event_t *event, chat_log_event *out)
{
    char why[512];
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *reason = rd_kafka_event_error_string(event);
    out->type = CHAT_LOG_EVENT_PROBLEM;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        err = rd_kafka_fatal_error(kafka->producer, why, sizeof why);
        (void)chat__kafka_explain(kafka, err, why);
        out->status = CHAT_ERR_IO;
    } else {
        out->status = chat__kafka_explain(kafka, err, reason);
    }
    out->text = kafka->problem;
}

/* 1: it is an event for the caller. */
static int take(chat_kafka *kafka, rd_kafka_event_t *event, chat_log_event *out)
{
    const char *facility, *text;
    int level;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR:
        give_error(kafka, event, out);
        return 1;
    case RD_KAFKA_EVENT_STATS:
        text = rd_kafka_event_stats(event);
        chat__kafka_take_stats(kafka, 0, text, strlen(text));
        return 0;
    case RD_KAFKA_EVENT_LOG:
        if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
            chat__kafka_log(kafka, level, facility, text);
        return 0;
    default:
        return 0;
    }
}

chat_status chat__kafka_next_answer(chat_kafka *kafka, chat_log_event *out)
{
    if (kafka->producer == NULL)
        return CHAT_EMPTY;
    for (;;) {
        if (kafka->delivered != NULL && give_report(kafka, out) == CHAT_OK)
            return CHAT_OK;
        rd_kafka_event_t *event = rd_kafka_queue_poll(kafka->answers, 0);
        if (event == NULL)
            return CHAT_EMPTY;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            kafka->delivered = event;
            continue;
        }
        int is_event = take(kafka, event, out);
        rd_kafka_event_destroy(event);
        if (is_event)
            return CHAT_OK;
    }
}
