/* SPDX-License-Identifier: MIT */
/* See log.h: terms and fences. */
#include "log_rig.h"

/* --- terms and fences --- */

void log_fence_ends_what_others_write(const log_world *world)
{
    const chat_log *old = rig_writer(world), *now = rig_writer(world),
                   *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put_fence(old, 0, 1);
    (void)rig_put(old, 0, 10, 1);
    uint64_t at = rig_put_fence(now, 0, 2);
    (void)rig_put(old, 0, 11, 1); /* does not know yet */
    (void)rig_put(now, 0, 12, 2);
    (void)rig_put(old, 0, 13, 1);
    (void)rig_put(old, 0, 14, 3); /* makes up a term */
    (void)rig_put(now, 0, 15, 2);
    rig_expect_fenced(reads, 1, 0);
    rig_expect_record(reads, 10, 10);
    chat_log_event event;
    log_expect(reads, CHAT_LOG_EVENT_FENCED, &event);
    assert_true(event.partition == 0 && event.term == 2 && event.offset == at && event.seq == 10);
    rig_expect_void(reads, 11, 1, 10);
    rig_expect_record(reads, 12, 12);
    rig_expect_void(reads, 13, 1, 12);
    rig_expect_void(reads, 14, 3, 12);
    rig_expect_record(reads, 15, 15);
    (void)rig_put(old, 1, 16, 0); /* other partitions are as they were */
    world->close(world->ctx, reads);
    reads = rig_reader(world, "g", 1, NULL);
    rig_expect_record(reads, 16, 16);
    world->close(world->ctx, reads);
    world->close(world->ctx, now);
    world->close(world->ctx, old);
}

void log_fence_that_is_not_higher_is_void(const log_world *world)
{
    const chat_log *a = rig_writer(world), *b = rig_writer(world),
                   *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put_fence(a, 0, 5);
    uint64_t late = rig_put_fence(b, 0, 4);
    (void)rig_put_fence(b, 0, 5);
    (void)rig_put(b, 0, 9, 4);
    (void)rig_put(a, 0, 8, 5);
    rig_expect_fenced(reads, 5, 0);
    chat_log_event event;
    log_expect(reads, CHAT_LOG_EVENT_VOID, &event);
    assert_true(event.id == 0 && event.term == 4 && event.offset == late);
    rig_expect_void(reads, 0, 5, 0);
    rig_expect_void(reads, 9, 4, 0);
    rig_expect_record(reads, 8, 8);
    world->close(world->ctx, reads);
    world->close(world->ctx, a);
    world->close(world->ctx, b);
}

void log_void_records_leave_no_trace(const log_world *world)
{
    const chat_log *a = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put_fence(a, 0, 7);
    (void)rig_put(a, 0, 20, 7);
    (void)rig_put(a, 0, 30, 6); /* void: neither its seq nor its id stay */
    (void)rig_put(a, 0, 21, 7);
    (void)rig_put(a, 0, 30, 7);
    (void)rig_put_fence(a, 0, 8);
    (void)rig_put(a, 0, 30, 8); /* sent again by who comes after: known */
    (void)rig_put(a, 0, 22, 8);
    rig_expect_fenced(reads, 7, 0);
    rig_expect_record(reads, 20, 20);
    rig_expect_void(reads, 30, 6, 20);
    rig_expect_record(reads, 21, 21);
    rig_expect_record(reads, 30, 30);
    rig_expect_fenced(reads, 8, 30);
    rig_expect_record(reads, 22, 31);
    world->close(world->ctx, reads);
    world->close(world->ctx, a);
}

void log_position_has_the_term(const log_world *world)
{
    chat_log_event event;
    const chat_log *a = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put_fence(a, 0, 3);
    (void)rig_put(a, 0, 10, 3);
    (void)rig_put_fence(a, 0, UINT64_MAX);
    (void)rig_put(a, 0, 11, 3);
    (void)rig_put(a, 0, 12, UINT64_MAX);
    log_expect(reads, CHAT_LOG_EVENT_FENCED, &event);
    chat_log_event first = event;
    rig_expect_record(reads, 10, 10);
    log_expect(reads, CHAT_LOG_EVENT_FENCED, &event);
    rig_commit(reads, &first); /* behind what was read: the term of then */
    world->close(world->ctx, reads);
    reads = rig_reader(world, "g", 0, &event);
    assert_true(event.offset == 1 && event.seq == 0 && event.term == 3);
    rig_expect_record(reads, 10, 10);
    log_expect(reads, CHAT_LOG_EVENT_FENCED, &event);
    log_expect(reads, CHAT_LOG_EVENT_VOID, &event);
    rig_commit(reads, &event);
    world->close(world->ctx, reads);
    reads = rig_reader(world, "g", 0, &event);
    assert_true(event.offset == 4 && event.seq == 10 && event.term == UINT64_MAX);
    rig_expect_record(reads, 12, 12);
    world->close(world->ctx, reads);
    world->close(world->ctx, a);
}

/* --- from any position --- */

enum { N_MIXED = 60 };

typedef struct seen {
    uint64_t type, offset, id, seq, term; /* no holes: they are compared as bytes */
} seen;

static uint32_t random_;

static uint32_t below(uint32_t n)
{
    random_ = random_ * 1664525u + 1013904223u;
    return (random_ >> 9) % n;
}

/* Two who write in any order and fence each other; the last record has term 99. */
static void write_mixed(const chat_log *log[2])
{
    uint64_t terms[2] = {0, 0}, highest = 0;
    for (uint64_t i = 0; i < N_MIXED; i++) {
        uint32_t who = below(2);
        uint32_t way = below(10);
        if (way == 0)
            terms[who] = ++highest;
        if (way < 2 && terms[who] > 0)
            (void)rig_put_fence(log[who], 0, terms[who]);
        else
            (void)rig_put(log[who], 0, 1 + i / 2 + below(6), terms[who]);
    }
    (void)rig_put_fence(log[0], 0, 99);
    (void)rig_put(log[0], 0, 500, 99);
}

static int see(const chat_log *log, seen *out)
{
    chat_log_event event;
    do
        assert_int_equal(log_next(log, &event, RIG_WAIT_MS), CHAT_OK);
    while (event.type != CHAT_LOG_EVENT_RECORD && event.type != CHAT_LOG_EVENT_FENCED &&
           event.type != CHAT_LOG_EVENT_VOID);
    *out = (seen){event.type, event.offset,
                  event.type == CHAT_LOG_EVENT_RECORD ? event.record.id : event.id, event.seq,
                  event.term};
    return out->id != 500;
}

void log_readers_agree_from_any_position(const log_world *world)
{
    static seen all[N_MIXED + 8];
    const chat_log *log[2] = {rig_writer(world), rig_writer(world)};
    uint32_t n = 0;
    random_ = 77;
    write_mixed(log);
    const chat_log *reads = rig_reader(world, "whole", 0, NULL);
    while (see(reads, &all[n++]))
        assert_true(n < N_MIXED + 4);
    world->close(world->ctx, reads);
    for (uint32_t i = 0; i + 1 < n; i += 1 + below(6)) {
        seen here;
        reads = rig_reader(world, "part", 0, NULL);
        do
            (void)see(reads, &here);
        while (here.offset < all[i].offset);
        chat_log_event at = {.offset = here.offset, .seq = here.seq};
        rig_commit(reads, &at);
        world->close(world->ctx, reads);
        reads = rig_reader(world, "part", 0, &at);
        assert_true(at.offset == all[i].offset + 1 && at.seq == all[i].seq);
        for (uint32_t k = i + 1; k < n; k++) {
            (void)see(reads, &here);
            assert_memory_equal(&here, &all[k], sizeof here);
        }
        world->close(world->ctx, reads);
    }
    world->close(world->ctx, log[0]);
    world->close(world->ctx, log[1]);
}
