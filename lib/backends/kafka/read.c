/* SPDX-License-Identifier: MIT */
/* The consumer: a record is decoded, placed behind those before it, and lent to the caller. */
#include "backends/kafka/internal.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

/* A fence has no id. */
static int is_fence(const chat_log_record *record)
{
    return record->id == 0;
}

static int decode(const rd_kafka_message_t *message, chat_log_record *out)
{
    const uint8_t *head = message->payload;
    size_t bytes = CHAT__KAFKA_HEAD_BYTES;
    if (message->len < bytes || head[0] < 1 || head[0] > 2)
        return 0;
    if (head[0] == 2) {
        bytes += CHAT__KAFKA_TERM_BYTES;
        if (message->len < bytes)
            return 0;
        out->term = chat__load64be(head + CHAT__KAFKA_HEAD_BYTES);
    }
    out->struct_size = sizeof *out;
    out->partition = (uint32_t)message->partition;
    out->kind = chat__load16be(head + 2);
    out->id = chat__load64be(head + 4);
    out->offset = (uint64_t)message->offset;
    out->chat = chat__view(message->key, message->key_len);
    out->payload = chat__view(head + bytes, message->len - bytes);
    if (head[0] == 2 && head[1] == CHAT__KAFKA_IS_FENCE)
        return out->id == 0 && out->chat.len == 0 && out->term != 0;
    return out->id != 0 && out->id >> 63 == 0 && out->chat.len > 0;
}

/*
 * Records are missing in front of this one, or it was there before: the log was cut, and begins
 * anew. Says so before the record is given out. CHAT_OK: nothing to tell; CHAT_MORE: a note was
 * made; CHAT_ERR_NOMEM.
 */
static chat_status check_gap(chat_kafka *kafka, chat__kafka_part *part,
                             const rd_kafka_message_t *message)
{
    uint64_t offset = (uint64_t)message->offset;
    int is_known = part->has_position || part->is_begun;
    int is_behind = part->next > part->origin ? offset < part->next : offset < part->start;
    if (!is_behind && !part->is_begun && offset > part->start &&
        chat__follow_lost(&part->follow, offset, offset < part->next) != CHAT_OK)
        return CHAT_ERR_NOMEM; /* the log begins here */
    if (!is_behind && (offset <= part->next || !is_known)) {
        part->is_begun = 1;
        if (offset > part->next)
            part->next = part->origin = offset;
        return CHAT_OK;
    }
    if (chat__follow_lost(&part->follow, offset, 0) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    part->is_begun = 1;
    chat__kafka_note note = {.type = CHAT_LOG_EVENT_GAP,
                             .partition = (uint32_t)message->partition,
                             .from_offset = part->next,
                             .offset = offset,
                             .seq = part->follow.seq};
    chat__kafka_note_add(kafka, &note);
    part->next = part->origin = part->start = offset;
    part->commit_offset = offset;
    part->is_dirty = 0;
    return CHAT_MORE;
}

static chat_status give_foreign(chat_kafka *kafka, const rd_kafka_message_t *message,
                                chat_log_event *out)
{
    out->type = CHAT_LOG_EVENT_PROBLEM;
    out->status = chat__kafka_say(kafka, CHAT_ERR_CORRUPT,
                                  "Kafka at %s, topic %s, partition %d, offset %lld: this is no "
                                  "record of a chat, it is stepped over. Who else writes to "
                                  "`topic`?",
                                  kafka->options.brokers, kafka->options.topic, message->partition,
                                  (long long)message->offset);
    out->text = kafka->problem;
    return CHAT_OK;
}

/* What has become of a record, which is at its place. */
static chat_status tell(chat_kafka *kafka, const chat__kafka_part *part, chat__follow_what what,
                        chat_log_event *out)
{
    if (what == CHAT__FOLLOW_KNOWN) {
        kafka->figures.dropped_records++;
        return CHAT_EMPTY;
    }
    out->seq = part->follow.seq;
    out->term = out->record.term;
    if (what == CHAT__FOLLOW_COUNTS) {
        out->type = CHAT_LOG_EVENT_RECORD;
        return CHAT_OK;
    }
    out->type = what == CHAT__FOLLOW_FENCED ? CHAT_LOG_EVENT_FENCED : CHAT_LOG_EVENT_VOID;
    out->id = out->record.id;
    kafka->figures.void_records += what == CHAT__FOLLOW_VOID;
    memset(&out->record, 0, sizeof out->record);
    return CHAT_OK;
}

/* CHAT_OK: an event; CHAT_EMPTY: nothing for the caller; CHAT_ERR_NOMEM: nothing changed. */
static chat_status place(chat_kafka *kafka, chat__kafka_part *part,
                         const rd_kafka_message_t *message, chat_log_event *out)
{
    uint64_t offset = (uint64_t)message->offset;
    int is_ours = decode(message, &out->record);
    chat__follow_record record = {offset, out->record.id, out->record.term, is_fence(&out->record)};
    if (offset < part->next) {
        if (is_ours && chat__follow_note(&part->follow, &record) != CHAT_OK)
            return CHAT_ERR_NOMEM;
        return CHAT_EMPTY;
    }
    chat__follow_what what = CHAT__FOLLOW_VOID;
    if (is_ours)
        what = chat__follow_next(&part->follow, &record, &out->record.seq);
    if (what == CHAT__FOLLOW_NOMEM)
        return CHAT_ERR_NOMEM;
    part->next = offset + 1;
    out->partition = (uint32_t)message->partition;
    out->offset = offset;
    return is_ours ? tell(kafka, part, what, out) : give_foreign(kafka, message, out);
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
    chat_status status = kafka->is_gap_told ? CHAT_OK : check_gap(kafka, part, message);
    kafka->is_gap_told |= status == CHAT_MORE;
    if (status != CHAT_OK)
        return status;
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
        if (status == CHAT_MORE || status == CHAT_ERR_NOMEM) {
            kafka->held = message;
            return status;
        }
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
