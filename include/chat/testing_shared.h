/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-testing: what nodes share (<chat/backend/shared.h>), in memory and in the caller's time.
 * For tests of a program that uses it: no Redis is needed to see what is asked of it, or what
 * happens when it hangs, is full, or has lost everything.
 *
 *     chat_test_shared_options_init(&options);
 *     chat_test_shared_new(&options, &shared);
 *     table = chat_test_shared_table(shared);
 *     chat_test_shared_fail(shared, CHAT_ERR_TIMEOUT);
 *
 * One thread at a time.
 */
#ifndef CHAT_TESTING_SHARED_H
#define CHAT_TESTING_SHARED_H

#include <chat/backend/shared.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is shared by tests; opaque. */
typedef struct chat_test_shared chat_test_shared;

/** Settings, as in chat_redis_options. */
typedef struct chat_test_shared_options {
    uint32_t struct_size;            /**< sizeof of this struct */
    uint32_t presence_ttl_s;         /**< 60 */
    const chat_allocator *allocator; /**< NULL: libc's */
    uint32_t queue_ttl_s;            /**< since the last entry: 604,800 */
    uint32_t queue_limit;            /**< entries of a user: 10,000 */
    uint32_t cid_ttl_s;              /**< 86,400 */
    uint32_t recent_count;           /**< records of a chat: 64 */
    uint32_t max_asks;               /**< whose answers were not read: 4,096 */
    uint32_t reserved;               /**< 0 */
} chat_test_shared_options;

/** Defaults as documented at the fields. Thread: any. Memory: writes `*options`. */
CHAT_API void chat_test_shared_options_init(chat_test_shared_options *options);

/**
 * Make one that is empty.
 *
 * Thread: any. Memory: options are copied.
 * @return CHAT_OK; CHAT_ERR_ARG a number is 0; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_test_shared_new(const chat_test_shared_options *options,
                                          chat_test_shared **out);

/** Free it, after who uses it. NULL does nothing. Thread: the last call. */
CHAT_API void chat_test_shared_free(chat_test_shared *shared);

/** The table; its `fd` is -1. Thread: one at a time. Memory: lives as long as `shared`. */
CHAT_API const chat_shared *chat_test_shared_table(const chat_test_shared *shared);

/** How asks end from now on, without being carried out; CHAT_OK: as they should. With
    CHAT_ERR_TIMEOUT they are carried out, and nobody is told. Thread: one at a time. */
CHAT_API void chat_test_shared_fail(chat_test_shared *shared, chat_status status);

/** While `is_held` is not 0 no answer is given. Thread: one at a time. */
CHAT_API void chat_test_shared_hold(chat_test_shared *shared, int is_held);

/** Lose all that is stored, as a Redis without a disk does. Thread: one at a time. */
CHAT_API void chat_test_shared_lose(chat_test_shared *shared);

#ifdef __cplusplus
}
#endif

#endif
