/* SPDX-License-Identifier: MIT */
/*
 * Partitions that come and go, and their positions. Those that come are asked for their position
 * first, seq in its metadata, and read from a window before it. Those that go are told to the
 * caller, who may commit, and go with the next call.
 */
#include "backends/kafka/internal.h"

#include <stdio.h>
#include <string.h>

#define ASK_TIMEOUT_MS 10000
#define MAX_TRIES      3u /* to commit, of a partition that is leaving */

void chat__kafka_note_add(chat_kafka *kafka, const chat__kafka_note *note)
{
    /* Problems repeat themselves; for what must arrive there is room, see chat__kafka_open(). */
    if (kafka->n_notes < kafka->max_notes)
        kafka->notes[kafka->n_notes++] = *note;
}

static chat__kafka_part *part_of(chat_kafka *kafka, const rd_kafka_topic_partition_t *at)
{
    if (at->partition < 0 || (uint32_t)at->partition >= kafka->table.n_partitions)
        return NULL;
    return &kafka->parts[at->partition];
}

static void log_error(chat_kafka *kafka, const char *what, const char *why)
{
    char line[512];
    snprintf(line, sizeof line, "group %s: %s: %s", kafka->options.group, what, why);
    chat__kafka_log(kafka, 4, "libchat", line);
}

/* Call one of rd_kafka_incremental_{assign,unassign}. */
static void tell_group(chat_kafka *kafka, const char *what, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    log_error(kafka, what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void assign(chat_kafka *kafka, const rd_kafka_topic_partition_list_t *list)
{
    tell_group(kafka, "partitions could not be taken",
               rd_kafka_incremental_assign(kafka->consumer, list));
}

static void unassign(chat_kafka *kafka, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        chat__kafka_part *part = part_of(kafka, &list->elems[i]);
        if (part != NULL)
            part->is_read = part->is_dirty = 0;
    }
    tell_group(kafka, "partitions could not be given up",
               rd_kafka_incremental_unassign(kafka->consumer, list));
}

/* --- arriving --- */

void chat__kafka_ask_positions(chat_kafka *kafka)
{
    rd_kafka_t *asker = kafka->asker != NULL ? kafka->asker : kafka->consumer;
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(asker, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    kafka->must_ask = 0;
    rd_kafka_ListConsumerGroupOffsets_t *question =
        rd_kafka_ListConsumerGroupOffsets_new(kafka->options.group, kafka->arriving);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, NULL, 0);
    rd_kafka_ListConsumerGroupOffsets(asker, &question, 1, options, kafka->results);
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    rd_kafka_AdminOptions_destroy(options);
}

/*
 * librdkafka keeps the coordinator that it has found for such questions as long as it asks them,
 * whatever that one answers: only a new client finds who it is now.
 */
static void ask_again(chat_kafka *kafka)
{
    if (kafka->is_misled) {
        if (kafka->asker != NULL)
            rd_kafka_destroy(kafka->asker);
        kafka->asker = chat__kafka_make_asker(kafka, NULL);
    }
    kafka->is_misled = 0;
    chat__kafka_ask_positions(kafka);
}

static int is_misled(rd_kafka_event_t *event, const rd_kafka_group_result_t *group)
{
    const rd_kafka_error_t *error = group != NULL ? rd_kafka_group_result_error(group) : NULL;
    return rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
           (error != NULL && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
}

/* What is known at a position; nothing and a line when somebody else has set it. */
static chat__follow_at read_position(chat_kafka *kafka, const rd_kafka_topic_partition_t *at)
{
    chat__follow_at found = {0};
    if (at->offset >= 0 &&
        chat__kafka_read_position(at->metadata, at->metadata_size, &found) != CHAT_OK)
        log_error(kafka, "a committed position has no seq (metadata \"seq=N\")",
                  "was it set by hand? Records are numbered by their ids alone");
    return found;
}

/* Make ready for a partition. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status begin(chat_kafka *kafka, rd_kafka_topic_partition_t *at)
{
    chat__kafka_part *part = part_of(kafka, at);
    chat__follow follow;
    chat__kafka_note note = {.type = CHAT_LOG_EVENT_ASSIGNED, .partition = (uint32_t)at->partition};
    if (part == NULL)
        return CHAT_OK;
    int has_position = at->offset >= 0;
    chat__follow_at found = read_position(kafka, at);
    note.seq = found.seq;
    note.term = found.now.term;
    note.offset = has_position ? (uint64_t)at->offset : 0;
    chat_status status =
        chat__follow_init(&follow, &kafka->allocator, kafka->options.window_records, &found);
    if (status != CHAT_OK)
        return status;
    chat__follow_done(&part->follow);
    *part = (chat__kafka_part){.follow = follow,
                               .next = note.offset,
                               .origin = note.offset,
                               .is_read = 1,
                               .is_wanted = part->is_wanted};
    part->start = note.offset > kafka->options.window_records
                      ? note.offset - kafka->options.window_records
                      : 0;
    part->has_position = (uint8_t)has_position;
    part->commit_offset = note.offset;
    at->offset = part->start > 0 ? (int64_t)part->start : RD_KAFKA_OFFSET_BEGINNING;
    chat__kafka_note_add(kafka, &note);
    return CHAT_OK;
}

/* Positions have come, for the partitions that are waited for. 0: ask again. */
static int arrive(chat_kafka *kafka, const rd_kafka_topic_partition_list_t *found)
{
    rd_kafka_topic_partition_list_t *list = kafka->arriving;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at =
            rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)found,
                                               list->elems[i].topic, list->elems[i].partition);
        if (at == NULL || at->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
    }
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t at =
            *rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)found,
                                                list->elems[i].topic, list->elems[i].partition);
        if (begin(kafka, &at) != CHAT_OK) {
            kafka->n_notes = kafka->next_note = 0;
            return 0;
        }
        list->elems[i].offset = at.offset;
    }
    kafka->arriving = NULL;
    assign(kafka, list);
    kafka->is_unsettled = kafka->options.is_assigned != 0;
    rd_kafka_topic_partition_list_destroy(list);
    return 1;
}

static void take_positions(chat_kafka *kafka, rd_kafka_event_t *event)
{
    size_t n_groups = 0;
    const rd_kafka_group_result_t **groups = NULL;
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        rd_kafka_event_ListConsumerGroupOffsets_result(event);
    if (kafka->arriving == NULL || kafka->is_closing)
        return;
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR && result != NULL)
        groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &n_groups);
    if (n_groups == 1 && rd_kafka_group_result_partitions(groups[0]) != NULL &&
        arrive(kafka, rd_kafka_group_result_partitions(groups[0])))
        return;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_error(kafka, "positions could not be read, trying again",
                  rd_kafka_event_error_string(event));
    kafka->is_misled = is_misled(event, n_groups == 1 ? groups[0] : NULL);
    kafka->must_ask = 1; /* when this event has gone, with the client that it is of */
}

/* --- commits --- */

static void take_commit(chat_kafka *kafka, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t all = rd_kafka_event_error(event);
    kafka->is_committing = 0;
    kafka->is_unsettled |= kafka->n_leaving > 0; /* what waited for this one can be sent */
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        chat__kafka_part *part = part_of(kafka, at);
        rd_kafka_resp_err_t err = at->err != RD_KAFKA_RESP_ERR_NO_ERROR ? at->err : all;
        if (part == NULL)
            continue;
        chat__kafka_note note = {.type = CHAT_LOG_EVENT_COMMITTED,
                                 .partition = (uint32_t)at->partition,
                                 .offset = (uint64_t)at->offset - 1};
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            note.status = chat__kafka_explain(kafka, err, NULL);
            part->is_dirty |= part->is_read || (part->is_leaving && ++part->n_failed < MAX_TRIES);
        }
        part->is_sending = 0;
        chat__kafka_note_add(kafka, &note);
    }
}

int chat__kafka_take_result(chat_kafka *kafka)
{
    const char *facility, *text;
    int level;
    rd_kafka_event_t *event =
        kafka->results == NULL ? NULL : rd_kafka_queue_poll(kafka->results, 0);
    if (event == NULL)
        return 0;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        take_commit(kafka, event);
        break;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        take_positions(kafka, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
            chat__kafka_log(kafka, level, facility, text);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
    if (kafka->must_ask && kafka->arriving != NULL && !kafka->is_closing)
        ask_again(kafka);
    return 1;
}

/* CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status add_commit(chat_kafka *kafka, rd_kafka_topic_partition_list_t *list, uint32_t i)
{
    chat__kafka_part *part = &kafka->parts[i];
    size_t len = 0;
    char *text = chat__kafka_write_position(&part->commit_at, &len);
    if (text == NULL)
        return CHAT_ERR_NOMEM; /* later */
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_add(list, kafka->options.topic, (int32_t)i);
    at->offset = (int64_t)part->commit_offset;
    at->metadata = text; /* freed by librdkafka with the list */
    at->metadata_size = len;
    part->is_dirty = 0;
    part->is_sending = 1;
    return CHAT_OK;
}

/* They were not sent. */
static void take_back(chat_kafka *kafka, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        chat__kafka_part *part = part_of(kafka, &list->elems[i]);
        part->is_dirty = 1;
        part->is_sending = 0;
    }
}

void chat__kafka_send_commits(chat_kafka *kafka, int is_last)
{
    if (kafka->consumer == NULL || (kafka->is_committing && !is_last))
        return;
    rd_kafka_topic_partition_list_t *list = NULL;
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++) {
        if (!kafka->parts[i].is_dirty)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(16);
        if (add_commit(kafka, list, i) != CHAT_OK)
            break;
    }
    if (list == NULL)
        return;
    if (list->cnt > 0 && rd_kafka_commit_queue(kafka->consumer, list, kafka->results, NULL, NULL) ==
                             RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka->is_committing = 1;
    else
        take_back(kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
}

chat_status chat__kafka_commit(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq)
{
    chat_kafka *kafka = ctx;
    if (kafka->consumer == NULL || partition >= kafka->table.n_partitions)
        return CHAT_ERR_STATE;
    chat__kafka_part *part = &kafka->parts[partition];
    if (!part->is_read || offset >= part->next || offset + 1 < part->commit_offset)
        return CHAT_ERR_STATE;
    if (offset + 1 == part->commit_offset)
        return CHAT_OK;
    part->commit_offset = offset + 1;
    chat__follow_at_offset(&part->follow, offset, &part->commit_at);
    chat__follow_forget(&part->follow, offset);
    part->commit_at.seq = seq;
    part->is_dirty = 1;
    return CHAT_OK;
}

/* --- leaving --- */

void chat__kafka_let_go(chat_kafka *kafka)
{
    rd_kafka_topic_partition_list_t *list = kafka->leaving;
    chat__kafka_send_commits(kafka, 1);
    kafka->leaving = NULL;
    unassign(kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void revoke(chat_kafka *kafka, const rd_kafka_topic_partition_list_t *list)
{
    int is_lost = rd_kafka_assignment_lost(kafka->consumer);
    for (int i = 0; i < list->cnt; i++) {
        const chat__kafka_part *part = part_of(kafka, &list->elems[i]);
        chat__kafka_note note = {.type = is_lost ? CHAT_LOG_EVENT_LOST : CHAT_LOG_EVENT_REVOKED,
                                 .partition = (uint32_t)list->elems[i].partition};
        if (part != NULL && part->is_read)
            chat__kafka_note_add(kafka, &note);
    }
    if (is_lost)
        unassign(kafka, list);
    else
        kafka->leaving = rd_kafka_topic_partition_list_copy(list);
}

void chat__kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque)
{
    chat_kafka *kafka = opaque;
    (void)rk;
    if (kafka->arriving != NULL) {
        /* Overtaken. The group knows only what was taken, so take it, unread. */
        assign(kafka, kafka->arriving);
        rd_kafka_topic_partition_list_destroy(kafka->arriving);
        kafka->arriving = NULL;
    }
    if (kafka->is_closing) {
        if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
            assign(kafka, list);
        else
            unassign(kafka, list);
        return;
    }
    if (err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        revoke(kafka, list);
    } else if (list->cnt == 0) {
        assign(kafka, list);
    } else {
        kafka->arriving = rd_kafka_topic_partition_list_copy(list);
        chat__kafka_ask_positions(kafka);
    }
}

/* --- pause --- */

chat_status chat__kafka_pause(void *ctx, uint32_t partition, int is_paused)
{
    chat_kafka *kafka = ctx;
    if (kafka->consumer == NULL)
        return CHAT_ERR_STATE;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (uint32_t i = 0; i < kafka->table.n_partitions; i++)
        if (kafka->parts[i].is_read && (partition == i || partition == CHAT_LOG_ALL_PARTITIONS))
            (void)rd_kafka_topic_partition_list_add(list, kafka->options.topic, (int32_t)i);
    int n = list->cnt;
    if (is_paused)
        (void)rd_kafka_pause_partitions(kafka->consumer, list);
    else
        (void)rd_kafka_resume_partitions(kafka->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return n > 0 ? CHAT_OK : CHAT_ERR_STATE;
}
