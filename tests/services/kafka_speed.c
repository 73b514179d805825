/* SPDX-License-Identifier: MIT */
/* What an append to a real Kafka costs, CHAT_KAFKA=host:port,..., beside librdkafka alone. */
#include "unit/kafka/rig.h"

#include <chat/partition.h>

#include <librdkafka/rdkafka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_RECORDS    100000u
#define N_CHATS      1000u
#define N_PARTITIONS 64u

static uint32_t n_acked_;

static const char *brokers(void)
{
    const char *where = getenv("CHAT_KAFKA");
    assert_non_null(where);
    return where;
}

/* On one broker there is one copy, on three as a real topic has it. */
static chat_kafka_options options_here(void)
{
    static char topic[64];
    snprintf(topic, sizeof topic, "speed-%d", (int)getpid());
    chat_kafka_options options = rig_options(brokers(), topic, NULL);
    options.replication = strchr(brokers(), ',') != NULL ? 3 : 1;
    options.min_in_sync = strchr(brokers(), ',') != NULL ? 2 : 1;
    options.create_topic = 1;
    options.partitions = N_PARTITIONS;
    return options;
}

static void answers(const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    log->process(log->ctx);
    while (log->next_event(log->ctx, &event) == CHAT_OK)
        n_acked_ += event.type == CHAT_LOG_EVENT_APPENDED && event.status == CHAT_OK;
}

static void wait_for(const chat_log *log)
{
    struct pollfd readable = {.fd = log->fd(log->ctx), .events = POLLIN};
    (void)poll(&readable, 1, 1000);
}

/* Of all records, once. */
typedef struct cost {
    double wall_us, cpu_us;
} cost;

static double clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static cost now_cost(void)
{
    return (cost){clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_PROCESS_CPUTIME_ID)};
}

static cost since(cost began)
{
    cost now = now_cost();
    return (cost){now.wall_us - began.wall_us, now.cpu_us - began.cpu_us};
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail_msg("%s", why);
}

/* As libchat-kafka sets it. */
static rd_kafka_t *raw_producer(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers());
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    set(conf, "linger.ms", "1");
    set(conf, "socket.nagle.disable", "true");
    set(conf, "socket.keepalive.enable", "true");
    set(conf, "queue.buffering.max.messages", "10000000");
    set(conf, "queue.buffering.max.kbytes", "132096");
    set(conf, "statistics.interval.ms", "5000");
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
}

static uint32_t raw_answers(rd_kafka_queue_t *queue, int wait_ms)
{
    uint32_t n = 0;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, wait_ms)) != NULL) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            n += message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_event_destroy(event);
        wait_ms = 0;
    }
    return n;
}

/* Keys, partitions, sizes and turns are those of our_cost(). */
static cost raw_cost(const char *topic)
{
    static char body[200];
    char chat[16];
    uint32_t n_done = 0;
    rd_kafka_t *rk = raw_producer();
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
    cost began = now_cost();
    for (uint32_t i = 1; i <= N_RECORDS; i++) {
        int len = snprintf(chat, sizeof chat, "chat%u", i % N_CHATS);
        int32_t partition = (int32_t)chat_partition_of(chat__view(chat, (size_t)len), N_PARTITIONS);
        while (rd_kafka_produce(rkt, partition, RD_KAFKA_MSG_F_COPY, body, sizeof body, chat,
                                (size_t)len, (void *)(uintptr_t)i) != 0)
            n_done += raw_answers(queue, 10);
        if (i % 256 == 0)
            n_done += raw_answers(queue, 0);
    }
    while (n_done < N_RECORDS)
        n_done += raw_answers(queue, 1000);
    cost took = since(began);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    return took;
}

/* With a term of 0 the head has 12 bytes, else 20. */
static cost our_cost(chat_kafka_options options, uint64_t term)
{
    chat_log_record record = {.struct_size = sizeof record, .kind = 3, .term = term};
    static uint8_t body[188];
    char chat[16];
    options.group = NULL;
    options.max_waiting_bytes = 64u << 20;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    n_acked_ = 0;
    record.payload = chat__view(body, sizeof body - (term == 0 ? 0 : 8));
    cost began = now_cost();
    for (uint32_t i = 1; i <= N_RECORDS; i++) {
        record.id = i;
        record.chat = chat__view(chat, (size_t)snprintf(chat, sizeof chat, "chat%u", i % N_CHATS));
        while (log->append(log->ctx, i, &record) != CHAT_OK) {
            wait_for(log);
            answers(log);
        }
        if (i % 256 == 0) /* a turn */
            answers(log);
    }
    while (n_acked_ < N_RECORDS) {
        wait_for(log);
        answers(log);
    }
    cost took = since(began);
    chat_kafka_free(kafka);
    return took;
}

static void keep_best(cost *best, cost took)
{
    best->wall_us = took.wall_us < best->wall_us ? took.wall_us : best->wall_us;
    best->cpu_us = took.cpu_us < best->cpu_us ? took.cpu_us : best->cpu_us;
}

static void print_cost(const char *who, cost took)
{
    printf("%s: %.0f records/s, %.2f us CPU each\n", who, N_RECORDS / took.wall_us * 1e6,
           took.cpu_us / N_RECORDS);
}

static void it_is_as_fast_as_librdkafka(void **state)
{
    chat_kafka_options options = options_here();
    cost ours = {1e12, 1e12}, raw = ours, terms = ours;
    (void)state;
    (void)our_cost(options, 0); /* the topic and the broker are warm */
    for (int i = 0; i < 5; i++) {
        keep_best(&ours, our_cost(options, 0));
        keep_best(&raw, raw_cost(options.topic));
        keep_best(&terms, our_cost(options, 7));
    }
    print_cost("libchat-kafka", ours);
    print_cost("with terms", terms);
    print_cost("librdkafka alone", raw);
    assert_true(ours.wall_us < 4 * raw.wall_us + 5e5); /* an idle machine or not */
    assert_true(ours.cpu_us < 2 * raw.cpu_us && terms.cpu_us < 2 * raw.cpu_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_as_fast_as_librdkafka)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
