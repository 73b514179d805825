/* SPDX-License-Identifier: MIT */
/* The life of a log in Kafka, and its table of functions. See <chat/kafka.h>. */
#include "backends/kafka/internal.h"
#include "base/sized.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_VALUE_BYTES (64u << 20)

void chat_kafka_options_init(chat_kafka_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->replication = 3;
    options->min_in_sync = 2;
    options->delivery_timeout_ms = 30000;
    options->linger_ms = 1;
    options->stats_interval_ms = 5000;
    options->window_records = 1024;
    options->max_waiting_bytes = 16u << 20;
}

static int is_name(const char *text)
{
    return text != NULL && text[0] != 0;
}

static int are_numbers_right(const chat_kafka_options *o)
{
    const struct {
        uint64_t value, min, max;
    } rows[] = {
        {o->delivery_timeout_ms, (uint64_t)o->linger_ms + 1, 3600000},
        {o->linger_ms, 0, 1000},
        {o->stats_interval_ms, 100, 60000},
        {o->window_records, 1, 1u << 20},
        {o->max_waiting_bytes, 1, 1u << 30},
        {o->partitions, 0, 100000},
        {o->replication, 1, 1000},
        {o->min_in_sync, 1, o->replication},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value < rows[i].min || rows[i].value > rows[i].max)
            return 0;
    return 1;
}

static int is_right(const chat_kafka_options *o)
{
    if (!is_name(o->brokers) || !is_name(o->topic) || (o->group != NULL && !is_name(o->group)))
        return 0;
    if (o->is_assigned > 1 || (o->group == NULL && o->is_assigned))
        return 0;
    if ((o->group == NULL && o->read_only) || (o->properties == NULL && o->n_properties > 0))
        return 0;
    return are_numbers_right(o);
}

static const char *keep(const chat_allocator *allocator, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = chat__alloc_zero(allocator, bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

static chat_status keep_options(chat_kafka *kafka, const chat_kafka_options *options)
{
    kafka->options = *options;
    kafka->options.properties = NULL;
    kafka->options.allocator = NULL;
    kafka->options.log = NULL;
    if (options->log != NULL)
        kafka->sink = *options->log;
    kafka->options.brokers = keep(&kafka->allocator, options->brokers);
    kafka->options.topic = keep(&kafka->allocator, options->topic);
    if (options->group != NULL)
        kafka->options.group = keep(&kafka->allocator, options->group);
    if (kafka->options.brokers == NULL || kafka->options.topic == NULL ||
        (options->group != NULL && kafka->options.group == NULL))
        return CHAT_ERR_NOMEM;
    return chat__kafka_settings(kafka, options);
}

/* --- events --- */

static int get_fd(void *ctx)
{
    return ((const chat_kafka *)ctx)->fd;
}

static void process(void *ctx)
{
    chat_kafka *kafka = ctx;
    uint64_t count;
    ssize_t got = read(kafka->fd, &count, sizeof count);
    (void)got; /* nothing in it: as good */
    chat__kafka_send_commits(kafka, 0);
}

static int give_note(chat_kafka *kafka, chat_log_event *out)
{
    if (kafka->next_note == kafka->n_notes) {
        kafka->n_notes = kafka->next_note = 0;
        return 0;
    }
    const chat__kafka_note *note = &kafka->notes[kafka->next_note++];
    out->type = note->type;
    out->status = note->status;
    out->partition = note->partition;
    out->offset = note->offset;
    out->seq = note->seq;
    out->from_offset = note->from_offset;
    out->term = note->term;
    out->text = note->status == CHAT_OK ? NULL : kafka->problem;
    return 1;
}

static void give_back(chat_kafka *kafka)
{
    if (kafka->lent != NULL)
        rd_kafka_message_destroy(kafka->lent);
    kafka->lent = NULL;
}

static chat_status find_event(chat_kafka *kafka, chat_log_event *out)
{
    for (;;) {
        if (give_note(kafka, out))
            return CHAT_OK;
        if (kafka->leaving != NULL)
            chat__kafka_let_go(kafka);
        chat__kafka_settle(kafka);
        if (kafka->n_notes > 0)
            continue;
        if (chat__kafka_next_answer(kafka, out) == CHAT_OK)
            return CHAT_OK;
        if (chat__kafka_take_result(kafka))
            continue;
        chat_status status = chat__kafka_next_record(kafka, out);
        if (status != CHAT_MORE)
            return status;
    }
}

static chat_status next_event(void *ctx, chat_log_event *out)
{
    chat_kafka *kafka = ctx;
    chat_log_event event = {.struct_size = sizeof event};
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return CHAT_ERR_ARG;
    give_back(kafka);
    chat_status status = find_event(kafka, &event);
    if (status == CHAT_OK)
        status = chat__sized_give(out, &event, sizeof event);
    return status;
}

/* --- life --- */

chat_status chat_kafka_new(const chat_kafka_options *given, chat_kafka **out)
{
    chat_kafka_options options;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_kafka_options_init(&options);
    if (chat__sized_take(&options, sizeof options, given) != CHAT_OK || !is_right(&options))
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options.allocator);
    chat_kafka *kafka = chat__alloc_zero(&allocator, sizeof *kafka);
    if (kafka == NULL)
        return CHAT_ERR_NOMEM;
    kafka->allocator = allocator;
    chat__buf_init(&kafka->value, &kafka->allocator, MAX_VALUE_BYTES);
    kafka->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (kafka->fd < 0 || keep_options(kafka, &options) != CHAT_OK) {
        chat_kafka_free(kafka);
        return CHAT_ERR_NOMEM;
    }
    kafka->table = (chat_log){.struct_size = sizeof kafka->table,
                              .ctx = kafka,
                              .fd = get_fd,
                              .append = chat__kafka_append,
                              .process = process,
                              .next_event = next_event,
                              .commit = chat__kafka_commit,
                              .pause = chat__kafka_pause,
                              .assign = chat__kafka_assign,
                              .fence = chat__kafka_fence};
    *out = kafka;
    return CHAT_OK;
}

/* Only once the topic is there: brokers that create topics would create it, as they like it. */
static chat_status publish(chat_kafka *kafka)
{
    if (kafka->producer == NULL)
        return CHAT_OK;
    kafka->topic = rd_kafka_topic_new(kafka->producer, kafka->options.topic, NULL);
    return kafka->topic != NULL ? CHAT_OK : chat__kafka_explain(kafka, rd_kafka_last_error(), NULL);
}

static chat_status subscribe(chat_kafka *kafka)
{
    uint32_t n = kafka->table.n_partitions;
    if (kafka->consumer == NULL)
        return CHAT_OK;
    kafka->parts = chat__alloc_zero(&kafka->allocator, n * sizeof *kafka->parts);
    /* At most three of an assignment or a commit for each partition, and problems. */
    kafka->max_notes = 3 * n + 2 * CHAT__KAFKA_MAX_PROBLEMS;
    kafka->notes = chat__alloc_zero(&kafka->allocator, kafka->max_notes * sizeof *kafka->notes);
    if (kafka->parts == NULL || kafka->notes == NULL)
        return CHAT_ERR_NOMEM;
    if (kafka->options.is_assigned)
        return CHAT_OK;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, kafka->options.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(kafka->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ? CHAT_OK : chat__kafka_explain(kafka, err, NULL);
}

static void destroy_consumer(chat_kafka *kafka)
{
    kafka->is_closing = 1;
    give_back(kafka);
    if (kafka->held != NULL)
        rd_kafka_message_destroy(kafka->held);
    if (kafka->leaving != NULL)
        chat__kafka_let_go(kafka);
    if (kafka->arriving != NULL) {
        rd_kafka_topic_partition_list_t *list = kafka->arriving;
        kafka->arriving = NULL;
        rd_kafka_error_destroy(rd_kafka_incremental_assign(kafka->consumer, list));
        rd_kafka_topic_partition_list_destroy(list);
    }
    if (kafka->is_open)
        chat__kafka_send_commits(kafka, 1);
    (void)rd_kafka_consumer_close(kafka->consumer);
    if (kafka->asker != NULL)
        rd_kafka_destroy(kafka->asker);
    kafka->asker = NULL;
    if (kafka->results != NULL)
        rd_kafka_queue_destroy(kafka->results);
    if (kafka->records != NULL)
        rd_kafka_queue_destroy(kafka->records);
    rd_kafka_destroy(kafka->consumer);
    kafka->held = NULL;
    kafka->results = kafka->records = NULL;
    kafka->consumer = NULL;
    kafka->is_closing = kafka->is_committing = 0;
}

static void destroy_producer(chat_kafka *kafka)
{
    if (kafka->delivered != NULL)
        rd_kafka_event_destroy(kafka->delivered);
    kafka->delivered = NULL;
    if (kafka->topic != NULL)
        rd_kafka_topic_destroy(kafka->topic);
    kafka->topic = NULL;
    if (kafka->answers != NULL)
        rd_kafka_queue_destroy(kafka->answers);
    kafka->answers = NULL;
    (void)rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(kafka->producer);
    kafka->producer = NULL;
}

static void disconnect(chat_kafka *kafka)
{
    if (kafka->consumer != NULL)
        destroy_consumer(kafka);
    if (kafka->producer != NULL)
        destroy_producer(kafka);
    for (uint32_t i = 0; kafka->parts != NULL && i < kafka->table.n_partitions; i++)
        chat__follow_done(&kafka->parts[i].follow);
    chat__alloc_free(&kafka->allocator, kafka->parts);
    chat__alloc_free(&kafka->allocator, kafka->notes);
    kafka->parts = NULL;
    kafka->notes = NULL;
    kafka->n_notes = kafka->next_note = kafka->max_notes = 0;
}

chat_status chat_kafka_open(chat_kafka *kafka, uint32_t timeout_ms)
{
    if (kafka == NULL || timeout_ms > INT32_MAX)
        return CHAT_ERR_ARG;
    if (kafka->is_open)
        return CHAT_ERR_STATE;
    if (kafka->setting_status != CHAT_OK)
        return kafka->setting_status;
    kafka->problem[0] = 0;
    chat_status status = chat__kafka_make(kafka);
    if (status == CHAT_OK)
        status = chat__kafka_check_topic(kafka, timeout_ms);
    if (status == CHAT_OK)
        status = publish(kafka);
    if (status == CHAT_OK)
        status = subscribe(kafka);
    if (status != CHAT_OK) {
        disconnect(kafka);
        return status;
    }
    kafka->problem[0] = 0;
    kafka->is_open = 1;
    return CHAT_OK;
}

const char *chat_kafka_problem(const chat_kafka *kafka)
{
    return kafka == NULL ? "" : kafka->problem;
}

const chat_log *chat_kafka_table(const chat_kafka *kafka)
{
    return kafka == NULL || !kafka->is_open ? NULL : &kafka->table;
}

void chat_kafka_free(chat_kafka *kafka)
{
    if (kafka == NULL)
        return;
    chat_allocator allocator = kafka->allocator;
    disconnect(kafka);
    if (kafka->conf != NULL)
        rd_kafka_conf_destroy(kafka->conf);
    chat__buf_done(&kafka->value);
    chat__alloc_free(&allocator, (void *)(uintptr_t)kafka->options.brokers);
    chat__alloc_free(&allocator, (void *)(uintptr_t)kafka->options.topic);
    chat__alloc_free(&allocator, (void *)(uintptr_t)kafka->options.group);
    if (kafka->fd >= 0)
        close(kafka->fd);
    chat__alloc_free(&allocator, kafka);
}
