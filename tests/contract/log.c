/* SPDX-License-Identifier: MIT */
/* See log.h: records, positions and who reads what. */
#include "log_rig.h"

#include <stddef.h>

/* --- appending and reading --- */

void log_appends_are_answered_and_read_in_order(const log_world *world)
{
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    chat_log_event event;
    assert_int_equal(writes->n_partitions, LOG_PARTITIONS);
    for (uint64_t id = 1; id <= 100; id++)
        assert_int_equal(rig_append(writes, 0, id, 0), CHAT_OK);
    for (uint64_t id = 1; id <= 100; id++)
        assert_true(rig_answer(writes, id) == id - 1);
    for (uint64_t id = 1; id <= 100; id++)
        rig_expect_record(reads, id, id);
    (void)rig_put(writes, 0, 50, 0);
    rig_expect_record(reads, 50, 101);
    assert_int_equal(writes->assign(writes->ctx, NULL, 0), CHAT_ERR_STATE);
    assert_int_equal(writes->commit(writes->ctx, 0, 0, 1), CHAT_ERR_STATE);
    assert_int_equal(writes->pause(writes->ctx, 0, 1), CHAT_ERR_STATE);
    event.struct_size = 0;
    assert_int_equal(writes->next_event(writes->ctx, &event), CHAT_ERR_ARG);
    assert_int_equal(writes->next_event(writes->ctx, NULL), CHAT_ERR_ARG);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_known_ids_are_dropped(const log_world *world)
{
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put(writes, 0, 10, 0);
    (void)rig_put(writes, 0, 10, 0);
    for (uint64_t id = 11; id <= 10 + LOG_WINDOW; id++)
        (void)rig_put(writes, 0, id, 0);
    (void)rig_put(writes, 0, 10, 0); /* a window and one behind */
    for (uint64_t id = 10; id <= 10 + LOG_WINDOW; id++)
        rig_expect_record(reads, id, id);
    rig_expect_record(reads, 10, 11 + LOG_WINDOW);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_position_is_gone_on_from(const log_world *world)
{
    chat_log_event event;
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, &event);
    assert_true(event.offset == 0 && event.seq == 0 && event.term == 0);
    (void)rig_put(writes, 0, 100, 0);
    (void)rig_put(writes, 0, 50, 0);
    (void)rig_put(writes, 0, 70, 0);
    rig_expect_record(reads, 100, 100);
    assert_int_equal(reads->commit(reads->ctx, 0, 1, 101), CHAT_ERR_STATE); /* not read yet */
    log_expect(reads, CHAT_LOG_EVENT_RECORD, &event);
    rig_commit(reads, &event);
    assert_int_equal(reads->commit(reads->ctx, 0, 0, 100), CHAT_ERR_STATE); /* backwards */
    assert_int_equal(reads->commit(reads->ctx, 1, 0, 100), CHAT_ERR_STATE);
    world->close(world->ctx, reads);
    (void)rig_put(writes, 0, 50, 0); /* again */
    reads = rig_reader(world, "g", 0, &event);
    assert_true(event.offset == 2 && event.seq == 101 && event.term == 0);
    rig_expect_record(reads, 70, 102);
    (void)rig_put(writes, 0, 80, 0);
    rig_expect_record(reads, 80, 103);
    world->close(world->ctx, reads);
    reads = rig_reader(world, "other", 0, &event);
    assert_true(event.offset == 0 && event.seq == 0);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_wrong_records_are_refused(const log_world *world)
{
    const chat_log *log = rig_writer(world);
    chat_log_record good = {.struct_size = sizeof good, .id = 1, .chat = chat__view_str("a")};
    chat_log_record bad[5] = {good, good, good, good, good};
    bad[0].id = 0;
    bad[1].id = UINT64_C(1) << 63;
    bad[2].chat.len = 0;
    bad[3].kind = 65536;
    bad[4].struct_size = 4;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(log->append(log->ctx, 1, &bad[i]), CHAT_ERR_ARG);
    assert_int_equal(log->append(log->ctx, 1, NULL), CHAT_ERR_ARG);
    assert_int_equal(log->fence(log->ctx, 1, LOG_PARTITIONS, 1), CHAT_ERR_ARG);
    assert_int_equal(log->fence(log->ctx, 1, 0, 0), CHAT_ERR_ARG);
    world->close(world->ctx, log);
}

void log_records_of_old_programs_have_no_term(const log_world *world)
{
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    chat_log_record old = {.struct_size = offsetof(chat_log_record, term), .id = 7, .kind = 3};
    chat_log_event event = {.struct_size = offsetof(chat_log_event, record), .term = 5};
    old.term = 99; /* is not there */
    old.chat = chat__view_str(rig_chat_in(0));
    assert_int_equal(writes->append(writes->ctx, 7, &old), CHAT_OK);
    (void)rig_answer(writes, 7);
    log_expect(reads, CHAT_LOG_EVENT_RECORD, &event);
    assert_true(event.record.id == 7 && event.record.term == 0);
    event.struct_size = offsetof(chat_log_event, record);
    event.term = 5;
    assert_int_equal(reads->next_event(reads->ctx, &event), CHAT_EMPTY);
    assert_true(event.term == 5);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_who_pauses_gets_no_records(const log_world *world)
{
    chat_log_event event;
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    assert_int_equal(reads->pause(reads->ctx, CHAT_LOG_ALL_PARTITIONS, 1), CHAT_OK);
    assert_int_equal(reads->pause(reads->ctx, 1, 1), CHAT_ERR_STATE);
    for (uint64_t id = 1; id <= 20; id++)
        (void)rig_put(writes, 0, id, 0);
    assert_int_equal(log_next(reads, &event, 300), CHAT_EMPTY);
    assert_int_equal(reads->pause(reads->ctx, 0, 0), CHAT_OK);
    for (uint64_t id = 1; id <= 20; id++)
        rig_expect_record(reads, id, id);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

/* --- who reads what --- */

void log_assigned_partitions_are_read_and_no_others(const log_world *world)
{
    const uint32_t both[] = {0, 1};
    chat_log_event event;
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 1, NULL);
    for (uint64_t id = 1; id <= 5; id++) {
        (void)rig_put(writes, 0, id, 0);
        (void)rig_put(writes, 1, 100 + id, 0);
    }
    for (uint64_t id = 1; id <= 5; id++)
        rig_expect_record(reads, 100 + id, 100 + id);
    assert_int_equal(reads->assign(reads->ctx, both, 2), CHAT_OK);
    log_expect(reads, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(event.partition, 0);
    for (uint64_t id = 1; id <= 5; id++)
        rig_expect_record(reads, id, id);
    assert_int_equal(reads->assign(reads->ctx, both, 2), CHAT_OK); /* as it is */
    (void)rig_put(writes, 1, 106, 0);
    rig_expect_record(reads, 106, 106);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_partition_that_is_taken_out_keeps_its_position(const log_world *world)
{
    const uint32_t both[] = {0, 1};
    chat_log_event event;
    const chat_log *writes = rig_writer(world), *reads = rig_reader(world, "g", 0, NULL);
    (void)rig_put(writes, 0, 1, 0);
    (void)rig_put(writes, 0, 2, 0);
    rig_expect_record(reads, 1, 1);
    assert_int_equal(reads->commit(reads->ctx, 0, 0, 1), CHAT_OK);
    assert_int_equal(reads->assign(reads->ctx, NULL, 0), CHAT_OK); /* it was not sent yet */
    assert_int_equal(reads->commit(reads->ctx, 0, 1, 2), CHAT_ERR_STATE);
    assert_int_equal(reads->pause(reads->ctx, 0, 1), CHAT_ERR_STATE);
    log_expect(reads, CHAT_LOG_EVENT_REVOKED, &event);
    assert_int_equal(event.partition, 0);
    const chat_log *other = rig_reader(world, "g", 0, &event); /* it is known to others now */
    assert_true(event.offset == 1 && event.seq == 1);
    rig_expect_record(other, 2, 2);
    world->close(world->ctx, other);
    assert_int_equal(reads->assign(reads->ctx, both, 1), CHAT_OK);
    assert_int_equal(reads->assign(reads->ctx, both + 1, 1), CHAT_OK);
    assert_int_equal(reads->assign(reads->ctx, both, 2), CHAT_OK);
    for (int is_there[2] = {0, 0}; !is_there[0] || !is_there[1];) {
        assert_int_equal(log_next(reads, &event, RIG_WAIT_MS), CHAT_OK);
        if (event.type == CHAT_LOG_EVENT_ASSIGNED || event.type == CHAT_LOG_EVENT_REVOKED)
            is_there[event.partition] = event.type == CHAT_LOG_EVENT_ASSIGNED;
    }
    (void)rig_put(writes, 0, 3, 0);
    do
        log_expect(reads, CHAT_LOG_EVENT_RECORD, &event);
    while (event.record.id == 2);
    assert_true(event.record.id == 3 && event.seq == 3);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_wrong_assignments_are_refused(const log_world *world)
{
    const uint32_t none[] = {0, LOG_PARTITIONS}, twice[] = {1, 1}, one[] = {1};
    const chat_log *shares = world->open(world->ctx, "shares", 0),
                   *reads = rig_reader(world, "g", 0, NULL);
    const chat_log *writes = rig_writer(world);
    assert_int_equal(shares->assign(shares->ctx, one, 1), CHAT_ERR_STATE);
    assert_int_equal(reads->assign(reads->ctx, none, 2), CHAT_ERR_ARG);
    assert_int_equal(reads->assign(reads->ctx, twice, 2), CHAT_ERR_ARG);
    assert_int_equal(reads->assign(reads->ctx, NULL, 1), CHAT_ERR_ARG);
    (void)rig_put(writes, 1, 1, 0);
    (void)rig_put(writes, 0, 2, 0);
    rig_expect_record(reads, 2, 2); /* as it was */
    world->close(world->ctx, shares);
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}

void log_group_reads_all_partitions(const log_world *world)
{
    const chat_log *writes = rig_writer(world), *reads = world->open(world->ctx, "g", 0);
    chat_log_event event;
    uint32_t n_assigned = 0, n_records = 0;
    (void)rig_put_fence(writes, 1, 4);
    for (uint64_t id = 1; id <= 10; id++) {
        (void)rig_put(writes, 0, id, 0);
        (void)rig_put(writes, 1, 100 + id, 4);
    }
    while (n_assigned < 2 || n_records < 20) {
        assert_int_equal(log_next(reads, &event, RIG_WAIT_MS), CHAT_OK);
        n_assigned += event.type == CHAT_LOG_EVENT_ASSIGNED;
        n_records += event.type == CHAT_LOG_EVENT_RECORD;
        if (event.type == CHAT_LOG_EVENT_RECORD)
            assert_int_equal(event.term, event.partition == 1 ? 4 : 0);
    }
    world->close(world->ctx, reads);
    world->close(world->ctx, writes);
}
