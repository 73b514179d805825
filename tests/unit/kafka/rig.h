/* SPDX-License-Identifier: MIT */
/* A log in Kafka under test: opened on some brokers, driven by its descriptor. */
#ifndef CHAT_TESTS_KAFKA_RIG_H
#define CHAT_TESTS_KAFKA_RIG_H

#include "base/view.h"
#include "unit.h"

#include <chat/kafka.h>

#include <poll.h>
#include <stdio.h>
#include <time.h>

#define RIG_WAIT_MS 30000

static inline chat_kafka_options rig_options(const char *brokers, const char *topic,
                                             const char *group)
{
    chat_kafka_options options;
    chat_kafka_options_init(&options);
    options.brokers = brokers;
    options.topic = topic;
    options.group = group;
    options.replication = options.min_in_sync = 1;
    return options;
}

static inline chat_kafka *rig_open(const chat_kafka_options *options)
{
    chat_kafka *kafka = NULL;
    assert_int_equal(CHAT_OK, chat_kafka_new(options, &kafka));
    if (chat_kafka_open(kafka, RIG_WAIT_MS) != CHAT_OK)
        fail_msg("%s", chat_kafka_problem(kafka));
    return kafka;
}

static inline uint64_t rig_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* The next event; CHAT_EMPTY when none comes in `wait_ms`. */
static inline chat_status rig_next(const chat_log *log, chat_log_event *out, int wait_ms)
{
    uint64_t until_ms = rig_now_ms() + (uint64_t)wait_ms;
    out->struct_size = sizeof *out;
    for (;;) {
        chat_status status = log->next_event(log->ctx, out);
        if (status != CHAT_EMPTY)
            return status;
        uint64_t now_ms = rig_now_ms();
        struct pollfd readable = {.fd = log->fd(log->ctx), .events = POLLIN};
        if (now_ms >= until_ms || poll(&readable, 1, (int)(until_ms - now_ms)) == 0)
            return CHAT_EMPTY;
        log->process(log->ctx);
    }
}

/* The next event of a type; others are passed over. */
static inline void rig_until(const chat_log *log, chat_log_event_type type, chat_log_event *out)
{
    do {
        if (rig_next(log, out, RIG_WAIT_MS) != CHAT_OK)
            fail_msg("no event of type %d in %d ms", (int)type, RIG_WAIT_MS);
    } while (out->type != type);
}

static inline chat_status rig_append(const chat_log *log, const char *chat, uint64_t id)
{
    char text[32];
    chat_log_record record = {.struct_size = sizeof record, .id = id, .kind = 3};
    record.chat = chat__view_str(chat);
    snprintf(text, sizeof text, "body %llu", (unsigned long long)id);
    record.payload = chat__view_str(text);
    return log->append(log->ctx, id, &record);
}

/* Append and wait for the answer. */
static inline void rig_put(const chat_log *log, const char *chat, uint64_t id)
{
    chat_log_event event;
    assert_int_equal(CHAT_OK, rig_append(log, chat, id));
    rig_until(log, CHAT_LOG_EVENT_APPENDED, &event);
    assert_int_equal(id, event.tag);
    assert_int_equal(CHAT_OK, event.status);
}

#endif
