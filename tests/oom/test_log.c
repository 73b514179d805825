/* SPDX-License-Identifier: MIT */
/* A log in memory with memory that runs out: nothing is lost, the same call may be repeated. */
#include "oom.h"

#include <chat/testing_log.h>

#define N_RECORDS 3u

static chat_test_log *make(oom_memory *memory, const chat_allocator *allocator)
{
    chat_test_log_options options;
    chat_test_log *log = NULL;
    chat_test_log_options_init(&options);
    options.partitions = 1;
    options.window_records = 4;
    options.allocator = allocator;
    if (chat_test_log_new(&options, &log) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(chat_test_log_new(&options, &log), CHAT_OK);
    }
    return log;
}

static const chat_log *open_it(oom_memory *memory, chat_test_log *log)
{
    chat_test_log_handle *handle = NULL;
    if (chat_test_log_open(log, "g", CHAT_TEST_LOG_ASSIGNED, &handle) != CHAT_OK) {
        assert_null(handle);
        oom_recover(memory);
        assert_int_equal(chat_test_log_open(log, "g", CHAT_TEST_LOG_ASSIGNED, &handle), CHAT_OK);
    }
    return chat_test_log_table(handle);
}

static void write_all(oom_memory *memory, const chat_log *log)
{
    chat_log_record record = {.struct_size = sizeof record, .term = 1};
    record.chat = (chat_view){(const uint8_t *)"a", 1};
    if (log->fence(log->ctx, 0, 0, 1) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(log->fence(log->ctx, 0, 0, 1), CHAT_OK);
    }
    for (record.id = 1; record.id <= N_RECORDS; record.id++) {
        if (log->append(log->ctx, record.id, &record) == CHAT_OK)
            continue;
        oom_recover(memory);
        assert_int_equal(log->append(log->ctx, record.id, &record), CHAT_OK);
    }
}

/* All answers and all records, in order, whatever memory is missing. */
static void read_all(oom_memory *memory, const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    uint64_t n_answers = 0, n_records = 0;
    for (int i = 0; i < 100 && (n_answers <= N_RECORDS || n_records < N_RECORDS); i++) {
        chat_status status = log->next_event(log->ctx, &event);
        if (status == CHAT_ERR_NOMEM)
            oom_recover(memory);
        else if (status == CHAT_EMPTY && n_answers <= N_RECORDS)
            oom_recover(memory); /* they wait for it, and for the next turn */
        if (status == CHAT_EMPTY)
            log->process(log->ctx);
        if (status == CHAT_OK && event.type == CHAT_LOG_EVENT_APPENDED)
            assert_int_equal(event.tag, n_answers++);
        if (status == CHAT_OK && event.type == CHAT_LOG_EVENT_RECORD)
            assert_int_equal(event.record.id, ++n_records);
    }
    assert_int_equal(n_answers, N_RECORDS + 1);
    assert_int_equal(n_records, N_RECORDS);
    assert_int_equal(log->commit(log->ctx, 0, event.offset, event.seq), CHAT_OK);
}

static void write_and_read(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    const uint32_t all[] = {0};
    (void)ctx;
    chat_test_log *log = make(memory, &allocator);
    const chat_log *table = open_it(memory, log);
    assert_int_equal(table->assign(table->ctx, all, 1), CHAT_OK);
    write_all(memory, table);
    read_all(memory, table);
    chat_test_log_close(table->ctx);
    chat_test_log_free(log);
}

static void every_call(void **state)
{
    (void)state;
    assert_true(oom_loop(write_and_read, NULL) >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
