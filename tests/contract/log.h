/* SPDX-License-Identifier: MIT */
/*
 * What <chat/backend/log.h> promises, as tests that every log passes: in memory, or on real
 * servers. Each test has a log of its own.
 */
#ifndef CHAT_TESTS_CONTRACT_LOG_H
#define CHAT_TESTS_CONTRACT_LOG_H

#include "unit.h"

#include <chat/backend/log.h>

/* How a world is set up. */
#define LOG_PARTITIONS 2u
#define LOG_WINDOW     8u

typedef struct log_world {
    void *ctx;
    /* Open the log once more; `group` may be NULL. */
    const chat_log *(*open)(void *ctx, const char *group, int is_assigned);
    /* Close it; what was committed and processed is. */
    void (*close)(void *ctx, const chat_log *log);
} log_world;

/* The next event; CHAT_EMPTY when none comes in `wait_ms`. */
chat_status log_next(const chat_log *log, chat_log_event *out, int wait_ms);
/* The next event, of this type; COMMITTED and APPENDED are passed over, unless it is one. */
void log_expect(const chat_log *log, chat_log_event_type type, chat_log_event *out);

void log_appends_are_answered_and_read_in_order(const log_world *world);
void log_known_ids_are_dropped(const log_world *world);
void log_position_is_gone_on_from(const log_world *world);
void log_assigned_partitions_are_read_and_no_others(const log_world *world);
void log_partition_that_is_taken_out_keeps_its_position(const log_world *world);
void log_wrong_assignments_are_refused(const log_world *world);
void log_group_reads_all_partitions(const log_world *world);
void log_who_pauses_gets_no_records(const log_world *world);
void log_fence_ends_what_others_write(const log_world *world);
void log_fence_that_is_not_higher_is_void(const log_world *world);
void log_void_records_leave_no_trace(const log_world *world);
void log_position_has_the_term(const log_world *world);
void log_readers_agree_from_any_position(const log_world *world);
void log_wrong_records_are_refused(const log_world *world);
void log_records_of_old_programs_have_no_term(const log_world *world);

#define LOG_CONTRACT(X)                                                                            \
    X(log_appends_are_answered_and_read_in_order)                                                  \
    X(log_known_ids_are_dropped)                                                                   \
    X(log_position_is_gone_on_from)                                                                \
    X(log_assigned_partitions_are_read_and_no_others)                                              \
    X(log_partition_that_is_taken_out_keeps_its_position)                                          \
    X(log_wrong_assignments_are_refused)                                                           \
    X(log_group_reads_all_partitions)                                                              \
    X(log_who_pauses_gets_no_records)                                                              \
    X(log_fence_ends_what_others_write)                                                            \
    X(log_fence_that_is_not_higher_is_void)                                                        \
    X(log_void_records_leave_no_trace)                                                             \
    X(log_position_has_the_term)                                                                   \
    X(log_readers_agree_from_any_position)                                                         \
    X(log_wrong_records_are_refused)                                                               \
    X(log_records_of_old_programs_have_no_term)

#endif
