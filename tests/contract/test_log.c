/* SPDX-License-Identifier: MIT */
/* The contract of a record log, on the one in memory; and what tests can make it do. */
#include "log.h"

#include "base/view.h"

#include <chat/testing_log.h>

#include <string.h>

static chat_test_log *log_;

static const chat_log *open_it(void *ctx, const char *group, int is_assigned)
{
    chat_test_log_handle *handle = NULL;
    (void)ctx;
    assert_int_equal(CHAT_OK,
                     chat_test_log_open(log_, group,
                                        is_assigned ? CHAT_TEST_LOG_ASSIGNED : CHAT_TEST_LOG_GROUP,
                                        &handle));
    return chat_test_log_table(handle);
}

static chat_test_log_handle *handle_of(const chat_log *log)
{
    return log->ctx;
}

static void close_it(void *ctx, const chat_log *log)
{
    (void)ctx;
    chat_test_log_close(handle_of(log));
}

static log_world open_world(void)
{
    chat_test_log_options options;
    chat_test_log_options_init(&options);
    options.partitions = LOG_PARTITIONS;
    options.window_records = LOG_WINDOW;
    options.max_waiting = 128;
    assert_int_equal(CHAT_OK, chat_test_log_new(&options, &log_));
    return (log_world){NULL, open_it, close_it};
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_here(void **state)                                                          \
    {                                                                                              \
        log_world world = open_world();                                                            \
        (void)state;                                                                               \
        name(&world);                                                                              \
        chat_test_log_free(log_);                                                                  \
    }
LOG_CONTRACT(CONTRACT_TEST)

/* --- switches --- */

static chat_status append(const chat_log *log, uint64_t id)
{
    chat_log_record record = {.struct_size = sizeof record, .id = id};
    record.chat = chat__view_str("a");
    return log->append(log->ctx, id, &record);
}

static void answered(const chat_log *log, uint64_t tag, chat_status status)
{
    chat_log_event event = {.struct_size = sizeof event};
    assert_int_equal(CHAT_OK, log->next_event(log->ctx, &event));
    assert_int_equal(CHAT_LOG_EVENT_APPENDED, event.type);
    assert_int_equal(tag, event.tag);
    assert_int_equal(status, event.status);
    assert_true((event.text != NULL) == (status != CHAT_OK));
}

static void no_event(const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    assert_int_equal(CHAT_EMPTY, log->next_event(log->ctx, &event));
}

static void begin(const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    const uint32_t both[] = {0, 1};
    assert_int_equal(CHAT_OK, log->assign(log->ctx, both, 2));
    log_expect(log, CHAT_LOG_EVENT_ASSIGNED, &event);
    log_expect(log, CHAT_LOG_EVENT_ASSIGNED, &event);
}

static void is_read(const chat_log *log, uint64_t id)
{
    chat_log_event event = {.struct_size = sizeof event};
    log_expect(log, CHAT_LOG_EVENT_RECORD, &event);
    assert_int_equal(id, event.record.id);
}

static void appends_are_held_and_bounded(void **state)
{
    log_world world = open_world();
    const chat_log *log = world.open(NULL, NULL, 0), *other = world.open(NULL, NULL, 0);
    const chat_log *reads = world.open(NULL, "g", 1);
    (void)state;
    begin(reads);
    chat_test_log_hold(handle_of(log), 1);
    for (uint64_t id = 1; id <= 128; id++)
        assert_int_equal(CHAT_OK, append(log, id));
    assert_int_equal(CHAT_ERR_BUSY, append(log, 129));
    assert_int_equal(CHAT_OK, append(other, 500)); /* overtakes */
    log->process(log->ctx);
    no_event(log);
    is_read(reads, 500);
    no_event(reads);
    chat_test_log_hold(handle_of(log), 0);
    for (uint64_t id = 1; id <= 128; id++)
        answered(log, id, CHAT_OK);
    for (uint64_t id = 1; id <= 128; id++)
        is_read(reads, id);
    chat_test_log_hold(handle_of(log), 1);
    assert_int_equal(CHAT_OK, append(log, 129));
    chat_test_log_close(handle_of(log)); /* killed: is never written */
    no_event(reads);
    chat_test_log_close(handle_of(other));
    chat_test_log_close(handle_of(reads));
    chat_test_log_free(log_);
}

static void answers_are_lost_and_appends_fail(void **state)
{
    log_world world = open_world();
    const chat_log *log = world.open(NULL, NULL, 0), *reads = world.open(NULL, "g", 1);
    (void)state;
    begin(reads);
    chat_test_log_lose(handle_of(log), 1);
    assert_int_equal(CHAT_OK, append(log, 1));
    assert_int_equal(CHAT_OK, append(log, 2));
    chat_test_log_fail(handle_of(log), CHAT_ERR_NETWORK);
    assert_int_equal(CHAT_OK, append(log, 3));
    chat_test_log_fail(handle_of(log), CHAT_OK);
    assert_int_equal(CHAT_OK, append(log, 4));
    answered(log, 1, CHAT_ERR_TIMEOUT);
    answered(log, 2, CHAT_OK);
    answered(log, 3, CHAT_ERR_NETWORK);
    answered(log, 4, CHAT_OK);
    is_read(reads, 1);
    is_read(reads, 2);
    is_read(reads, 4);
    no_event(reads);
    chat_test_log_close(handle_of(log));
    chat_test_log_close(handle_of(reads));
    chat_test_log_free(log_);
}

static void a_slow_log_takes_turns(void **state)
{
    log_world world = open_world();
    const chat_log *log = world.open(NULL, NULL, 0);
    (void)state;
    chat_test_log_slow(handle_of(log), 3);
    assert_int_equal(CHAT_OK, append(log, 1));
    log->process(log->ctx);
    chat_test_log_slow(handle_of(log), 0);
    assert_int_equal(CHAT_OK, append(log, 2)); /* behind the first */
    log->process(log->ctx);
    no_event(log);
    log->process(log->ctx);
    answered(log, 1, CHAT_OK);
    answered(log, 2, CHAT_OK);
    chat_test_log_close(handle_of(log));
    chat_test_log_free(log_);
}

static void old_records_are_a_gap(void **state)
{
    log_world world = open_world();
    const chat_log *log = world.open(NULL, NULL, 0), *reads = world.open(NULL, "g", 1);
    chat_log_event event = {.struct_size = sizeof event};
    (void)state;
    begin(reads);
    for (uint64_t id = 1; id <= 9; id++)
        assert_int_equal(CHAT_OK, append(log, id));
    is_read(reads, 1);
    assert_int_equal(CHAT_OK, reads->pause(reads->ctx, CHAT_LOG_ALL_PARTITIONS, 1));
    for (uint32_t i = 0; i < LOG_PARTITIONS; i++)
        chat_test_log_cut(log_, i, 5);
    assert_int_equal(CHAT_OK, reads->pause(reads->ctx, CHAT_LOG_ALL_PARTITIONS, 0));
    do
        assert_int_equal(CHAT_OK, reads->next_event(reads->ctx, &event));
    while (event.type != CHAT_LOG_EVENT_GAP);
    assert_true(event.from_offset == 1 && event.offset == 5 && event.seq == 1);
    is_read(reads, 6);
    const chat_log *late = world.open(NULL, "late", 1); /* for whom nothing is missing */
    begin(late);
    is_read(late, 6);
    chat_test_log_close(handle_of(late));
    chat_test_log_close(handle_of(log));
    chat_test_log_close(handle_of(reads));
    chat_test_log_free(log_);
}

/* Until an event of this type comes to `log`; `other` is driven, too. */
static void until(const chat_log *log, const chat_log *other, chat_log_event_type type,
                  chat_log_event *out)
{
    chat_log_event ignored = {.struct_size = sizeof ignored};
    out->struct_size = sizeof *out;
    for (int i = 0; i < 1000; i++) {
        if (log->next_event(log->ctx, out) == CHAT_OK && out->type == type)
            return;
        (void)other->next_event(other->ctx, &ignored);
    }
    fail_msg("no event of type %d", (int)type);
}

static void a_group_hands_partitions_over(void **state)
{
    log_world world = open_world();
    const chat_log *writes = world.open(NULL, NULL, 0), *a = world.open(NULL, "g", 0);
    chat_log_event event = {.struct_size = sizeof event}, record;
    (void)state;
    assert_int_equal(CHAT_OK, append(writes, 1));
    until(a, writes, CHAT_LOG_EVENT_RECORD, &record);
    const chat_log *b = world.open(NULL, "g", 0);
    until(a, writes, CHAT_LOG_EVENT_REVOKED, &event);
    if (event.partition == record.partition)
        assert_int_equal(CHAT_OK, a->commit(a->ctx, record.partition, record.offset, record.seq));
    assert_int_equal(CHAT_EMPTY, b->next_event(b->ctx, &record)); /* `a` has it yet */
    uint32_t moved = event.partition;
    until(b, a, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(moved, event.partition);
    chat_test_log_close(handle_of(b));
    until(a, writes, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(moved, event.partition);
    chat_test_log_close(handle_of(a));
    chat_test_log_close(handle_of(writes));
    chat_test_log_free(log_);
}

static void wrong_options_are_refused(void **state)
{
    chat_test_log_options options;
    chat_test_log *log = NULL;
    (void)state;
    chat_test_log_options_init(&options);
    options.partitions = 0;
    assert_int_equal(CHAT_ERR_ARG, chat_test_log_new(&options, &log));
    assert_int_equal(CHAT_ERR_ARG, chat_test_log_new(NULL, &log));
    assert_int_equal(CHAT_ERR_ARG, chat_test_log_open(NULL, "g", CHAT_TEST_LOG_GROUP, NULL));
    chat_test_log_free(NULL);
    chat_test_log_close(NULL);
}

int main(void)
{
#define CONTRACT_ROW(name) cmocka_unit_test(name##_here),
    const struct CMUnitTest tests[] = {
        LOG_CONTRACT(CONTRACT_ROW) cmocka_unit_test(appends_are_held_and_bounded),
        cmocka_unit_test(answers_are_lost_and_appends_fail),
        cmocka_unit_test(a_slow_log_takes_turns),
        cmocka_unit_test(old_records_are_a_gap),
        cmocka_unit_test(a_group_hands_partitions_over),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
