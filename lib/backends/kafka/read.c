/* SPDX-License-Identifier: MIT */
/* The consumer: a record is decoded, placed behind those before it, and lent to the caller. */
#include "backends/kafka/internal.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

static int decode(const rd_kafka_message_t *message, chat_log_record *out)
{
    const uint8_t *head = message->payload;
    if (message->len < CHAT__KAFKA_HEAD_BYTES || head[0] != 1 || message->key_len == 0)
        return 0;
    out->struct_size = sizeof *out;
    out->partition = (uint32_t)message->partition;
    out->kind = chat__load16be(head + 2);
    out->id = chat__load64be(head + 4);
    out->offset = (uint64_t)message->offset;
    out->chat = chat__view(message->key, message->key_len);
    out->payload = chat__view(head + CHAT__KAFKA_HEAD_BYTES, message->len - CHAT__KAFKA_HEAD_BYTES);
    return out->id != 0 && out->id >> 63 == 0;
}

/*
 * Records are missing in front of this one, or it was there before: the log was cut, and begins
 * anew. Says so before the record is given out. 1: a note was made.
 */
static int check_gap(chat_kafka *kafka, chat__kafka_part *part, const rd_kafka_message_t *message)
{
    uint64_t offset = (uint64_t)message->offset;
    int is_known = part->has_position || part->is_begun;
    int is_behind = part->next > part->origin ? offset < part->next : offset < part->start;
    part->is_begun = 1;
    if (!is_behind && (offset <= part->next || !is_known)) {
        if (offset > part->next)
            part->next = part->origin = offset;
        return 0;
    }
    chat__kafka_note note = {.type = CHAT_LOG_EVENT_GAP,
                             .partition = (uint32_t)message->partition,
                             .from_offset = part->next,
                             .offset = offset,
                             .seq = part->follow.seq};
    chat__kafka_note_add(kafka, &note);
    part->next = part->origin = part->start = offset;
    part->commit_offset = offset;
    part->is_dirty = 0;
    return 1;
}

/* CHAT_OK: an event; CHAT_EMPTY: nothing for the caller. */
static chat_status place(chat_kafka *kafka, chat__kafka_part *part,
                         const rd_kafka_message_t *message, chat_log_event *out)
{
    uint64_t offset = (uint64_t)message->offset;
    int is_ours = decode(message, &out->record);
    if (offset < part->next) {
        if (is_ours)
            chat__follow_note(&part->follow, offset, out->record.id);
        return CHAT_EMPTY;
    }
    part->next = offset + 1;
    out->partition = (uint32_t)message->partition;
    out->offset = offset;
    if (!is_ours) {
        out->type = CHAT_LOG_EVENT_PROBLEM;
        out->status =
            chat__kafka_say(kafka, CHAT_ERR_CORRUPT,
                            "Kafka at %s, topic %s, partition %d, offset %lld: this is no "
                            "record of a chat, it is stepped over. Who else writes to "
                            "`topic`?",
                            kafka->options.brokers, kafka->options.topic, message->partition,
                            (long long)message->offset);
        out->text = kafka->problem;
        return CHAT_OK;
    }
    if (chat__follow_next(&part->follow, offset, out->record.id, &out->record.seq) != CHAT_OK) {
        kafka->figures.dropped_records++;
        return CHAT_EMPTY;
    }
    out->type = CHAT_LOG_EVENT_RECORD;
    out->seq = out->record.seq;
    return CHAT_OK;
}

static chat_status give_problem(chat_kafka *kafka, const rd_kafka_message_t *message,
                                chat_log_event *out)
{
    out->type = CHAT_LOG_EVENT_PROBLEM;
    out->status = chat__kafka_explain(kafka, message->err, rd_kafka_message_errstr(message));
    out->text = kafka->problem;
    return CHAT_OK;
}

static chat_status take(chat_kafka *kafka, rd_kafka_message_t *message, chat_log_event *out)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return give_problem(kafka, message, out);
    if ((uint32_t)message->partition >= kafka->table.n_partitions)
        return CHAT_EMPTY;
    chat__kafka_part *part = &kafka->parts[message->partition];
    if (!part->is_read)
        return CHAT_EMPTY;
    if (!kafka->is_gap_told && check_gap(kafka, part, message)) {
        kafka->held = message;
        kafka->is_gap_told = 1;
        return CHAT_MORE;
    }
    return place(kafka, part, message, out);
}

chat_status chat__kafka_next_record(chat_kafka *kafka, chat_log_event *out)
{
    if (kafka->consumer == NULL)
        return CHAT_EMPTY;
    for (;;) {
        rd_kafka_message_t *message = kafka->held;
        if (message == NULL)
            message = rd_kafka_consumer_poll(kafka->consumer, 0);
        if (kafka->n_notes > 0) { /* of a rebalance, made inside of the poll */
            kafka->held = message;
            return CHAT_MORE;
        }
        if (message == NULL)
            return CHAT_EMPTY;
        chat_status status = take(kafka, message, out);
        if (status == CHAT_MORE)
            return status;
        kafka->held = NULL;
        kafka->is_gap_told = 0;
        if (status == CHAT_OK) {
            kafka->lent = message;
            return status;
        }
        memset(&out->record, 0, sizeof out->record);
        rd_kafka_message_destroy(message);
    }
}

/* Errors of brokers, while nothing is wrong with a partition. */
void chat__kafka_on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    chat_kafka *kafka = opaque;
    char why[512];
    chat_status status;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        (void)chat__kafka_explain(kafka, rd_kafka_fatal_error(rk, why, sizeof why), why);
        status = CHAT_ERR_IO;
    } else {
        status = chat__kafka_explain(kafka, (rd_kafka_resp_err_t)err, reason);
    }
    kafka->problem_status = status;
    if (!kafka->is_open || kafka->is_closing || kafka->n_notes >= CHAT__KAFKA_MAX_PROBLEMS)
        return;
    chat__kafka_note note = {.type = CHAT_LOG_EVENT_PROBLEM, .status = status};
    chat__kafka_note_add(kafka, &note);
}
