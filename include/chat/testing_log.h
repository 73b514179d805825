/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-testing: a record log (<chat/backend/log.h>) in memory, opened as often as a test likes.
 * For tests of a program that writes and reads one: no Kafka is needed to see what happens when
 * appends hang, fail, or are done without an answer, and when two writers do not know of each
 * other.
 *
 *     chat_test_log_options_init(&options);
 *     chat_test_log_new(&options, &log);
 *     chat_test_log_open(log, "delivery", CHAT_TEST_LOG_ASSIGNED, &handle);
 *     table = chat_test_log_table(handle);
 *     chat_test_log_lose(handle, 1);
 *
 * Records and the positions of groups stay with the log when a handle is closed. An append is
 * written in the call, as long as nothing else was set; a commit is done by `process`.
 *
 * One thread at a time for a handle and its switches; handles may be used by different threads.
 */
#ifndef CHAT_TESTING_LOG_H
#define CHAT_TESTING_LOG_H

#include <chat/backend/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is stored; opaque. */
typedef struct chat_test_log chat_test_log;

/** A log that is open; opaque. */
typedef struct chat_test_log_handle chat_test_log_handle;

/** How a handle reads. */
typedef enum chat_test_log_way {
    CHAT_TEST_LOG_GROUP = 0, /**< it shares the partitions with the others of its group */
    CHAT_TEST_LOG_ASSIGNED   /**< those of `assign` */
} chat_test_log_way;

/** Settings, as in chat_kafka_options. */
typedef struct chat_test_log_options {
    uint32_t struct_size;            /**< sizeof of this struct */
    uint32_t partitions;             /**< 4 */
    const chat_allocator *allocator; /**< NULL: libc's. It is called under a lock of the log */
    uint32_t window_records;         /**< before a record, in which its id is looked for: 1,024 */
    uint32_t max_waiting;            /**< appends of a handle that are not answered: 65,536 */
} chat_test_log_options;

/** Defaults as documented at the fields. Thread: any. Memory: writes `*options`. */
CHAT_API void chat_test_log_options_init(chat_test_log_options *options);

/**
 * Make a log without records.
 *
 * Thread: any. Memory: options are copied.
 * @return CHAT_OK; CHAT_ERR_ARG a number is 0; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_test_log_new(const chat_test_log_options *options, chat_test_log **out);

/** Free it, after its handles. NULL does nothing. Thread: the last call. */
CHAT_API void chat_test_log_free(chat_test_log *log);

/**
 * Open it once more. `group` may be NULL: nothing is read.
 *
 * Thread: any. Memory: `group` is copied.
 * @return CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_test_log_open(chat_test_log *log, const char *group,
                                        chat_test_log_way way, chat_test_log_handle **out);

/** Close it as a process that is killed: what was not processed is not committed, what is held is
    not written. NULL does nothing. Thread: the last call for the handle. */
CHAT_API void chat_test_log_close(chat_test_log_handle *handle);

/** The table. Thread: one at a time. Memory: lives as long as `handle`. */
CHAT_API const chat_log *chat_test_log_table(const chat_test_log_handle *handle);

/** While `is_held` is not 0 appends wait: none is written, none is answered. Then all are written
    at once, however late that is. Thread: one at a time. */
CHAT_API void chat_test_log_hold(chat_test_log_handle *handle, int is_held);

/** The next `n` appends are written, and answered CHAT_ERR_TIMEOUT. Thread: one at a time. */
CHAT_API void chat_test_log_lose(chat_test_log_handle *handle, uint32_t n);

/** How appends are answered from now on, without being written; CHAT_OK: as they should. Thread:
    one at a time. */
CHAT_API void chat_test_log_fail(chat_test_log_handle *handle, chat_status status);

/** Appends are written by the `turns`-th call of `process` that follows; 0: at once. Thread: one at
    a time. */
CHAT_API void chat_test_log_slow(chat_test_log_handle *handle, uint32_t turns);

/** Forget the records of `partition` before `offset`, as a log does with old ones. Thread: any. */
CHAT_API void chat_test_log_cut(chat_test_log *log, uint32_t partition, uint64_t offset);

#ifdef __cplusplus
}
#endif

#endif
