/* SPDX-License-Identifier: MIT */
/* See log_rig.h. */
#include "log_rig.h"

#include <chat/partition.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

chat_status log_next(const chat_log *log, chat_log_event *out, int wait_ms)
{
    uint64_t until_ms = now_ms() + (uint64_t)wait_ms;
    out->struct_size = sizeof *out;
    for (;;) {
        chat_status status = log->next_event(log->ctx, out);
        if (status != CHAT_EMPTY)
            return status;
        uint64_t at_ms = now_ms();
        struct pollfd readable = {.fd = log->fd(log->ctx), .events = POLLIN};
        if (at_ms >= until_ms || poll(&readable, 1, (int)(until_ms - at_ms)) == 0)
            return CHAT_EMPTY;
        log->process(log->ctx);
    }
}

void log_expect(const chat_log *log, chat_log_event_type type, chat_log_event *out)
{
    do {
        if (log_next(log, out, RIG_WAIT_MS) != CHAT_OK)
            fail_msg("no event of type %d in %d ms", (int)type, RIG_WAIT_MS);
        if (out->type == CHAT_LOG_EVENT_PROBLEM)
            print_message("%s\n", out->text);
    } while (out->type != type &&
             (out->type == CHAT_LOG_EVENT_COMMITTED || out->type == CHAT_LOG_EVENT_APPENDED ||
              out->type == CHAT_LOG_EVENT_PROBLEM));
    if (out->type != type)
        fail_msg("event %d of partition %u at %llu instead of %d", (int)out->type, out->partition,
                 (unsigned long long)out->offset, (int)type);
}

/* A chat of this partition. */
const char *rig_chat_in(uint32_t partition)
{
    static char names[LOG_PARTITIONS][8];
    for (unsigned i = 0; names[partition][0] == 0; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%u", i % 1000);
        if (chat_partition_of(chat__view_str(name), LOG_PARTITIONS) == partition)
            memcpy(names[partition], name, sizeof name);
    }
    return names[partition];
}

chat_status rig_append(const chat_log *log, uint32_t partition, uint64_t id, uint64_t term)
{
    char text[32];
    chat_log_record record = {.struct_size = sizeof record, .id = id, .kind = 3, .term = term};
    snprintf(text, sizeof text, "body %llu", (unsigned long long)id);
    record.chat = chat__view_str(rig_chat_in(partition));
    record.payload = chat__view_str(text);
    return log->append(log->ctx, id, &record);
}

uint64_t rig_answer(const chat_log *log, uint64_t tag)
{
    chat_log_event event;
    do {
        if (log_next(log, &event, RIG_WAIT_MS) != CHAT_OK)
            fail_msg("no answer to %llu", (unsigned long long)tag);
    } while (event.type != CHAT_LOG_EVENT_APPENDED);
    assert_true(event.tag == tag);
    assert_int_equal(event.status, CHAT_OK);
    return event.offset;
}

/* By a log that only writes: its offset. */
uint64_t rig_put(const chat_log *log, uint32_t partition, uint64_t id, uint64_t term)
{
    assert_int_equal(rig_append(log, partition, id, term), CHAT_OK);
    return rig_answer(log, id);
}

uint64_t rig_put_fence(const chat_log *log, uint32_t partition, uint64_t term)
{
    assert_int_equal(log->fence(log->ctx, 1000 + term, partition, term), CHAT_OK);
    return rig_answer(log, 1000 + term);
}

const chat_log *rig_writer(const log_world *world)
{
    return world->open(world->ctx, NULL, 0);
}

/* Reads one partition, from here on. */
const chat_log *rig_reader(const log_world *world, const char *group, uint32_t partition,
                           chat_log_event *assigned)
{
    chat_log_event event;
    const chat_log *log = world->open(world->ctx, group, 1);
    assert_int_equal(log->assign(log->ctx, &partition, 1), CHAT_OK);
    log_expect(log, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(event.partition, partition);
    if (assigned != NULL)
        *assigned = event;
    return log;
}

void rig_expect_record(const chat_log *log, uint64_t id, uint64_t seq)
{
    chat_log_event event;
    char text[32];
    log_expect(log, CHAT_LOG_EVENT_RECORD, &event);
    assert_true(event.record.id == id);
    assert_true(event.seq == seq && event.record.seq == seq);
    assert_true(event.offset == event.record.offset);
    assert_true(event.term == event.record.term);
    snprintf(text, sizeof text, "body %llu", (unsigned long long)id);
    assert_int_equal(event.record.kind, 3);
    assert_true(chat__view_equal(event.record.payload, chat__view_str(text)));
    assert_true(chat__view_equal(event.record.chat, chat__view_str(rig_chat_in(event.partition))));
}

void rig_expect_void(const chat_log *log, uint64_t id, uint64_t term, uint64_t seq)
{
    chat_log_event event;
    log_expect(log, CHAT_LOG_EVENT_VOID, &event);
    assert_true(event.id == id && event.term == term && event.seq == seq);
}

void rig_expect_fenced(const chat_log *log, uint64_t term, uint64_t seq)
{
    chat_log_event event;
    log_expect(log, CHAT_LOG_EVENT_FENCED, &event);
    assert_true(event.term == term && event.seq == seq);
}

/* All up to here is done with, and known to be. */
void rig_commit(const chat_log *log, const chat_log_event *at)
{
    chat_log_event event;
    assert_int_equal(log->commit(log->ctx, at->partition, at->offset, at->seq), CHAT_OK);
    log->process(log->ctx);
    do {
        assert_int_equal(log_next(log, &event, RIG_WAIT_MS), CHAT_OK);
    } while (event.type != CHAT_LOG_EVENT_COMMITTED || event.offset != at->offset);
    assert_int_equal(event.status, CHAT_OK);
    assert_int_equal(event.partition, at->partition);
}
