/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-testing: a notifier that does what a test says, and keeps what it was asked for. For
 * tests of a program that embeds the server: no push service is needed to see who is notified of
 * what, or what happens when the service is slow, refuses, or says that a device is gone.
 *
 *     chat_test_notifier_new(NULL, &notifier);
 *     server_options.notifier = chat_test_notifier_table(notifier);
 *     chat_test_notifier_script(notifier, watch, CHAT_NOTIFY_GONE);
 *     ...
 *     chat_test_notifier_take(notifier, 5000, &number, &what);
 *
 * All calls but _new and _free may come from any thread.
 */
#ifndef CHAT_TESTING_NOTIFIER_H
#define CHAT_TESTING_NOTIFIER_H

#include <chat/backend/notifier.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A notifier of a test; opaque. */
typedef struct chat_test_notifier chat_test_notifier;

/**
 * Make one that accepts everything. It keeps 1,024 notifications that were not taken; above that
 * it refuses with CHAT_ERR_BUSY.
 *
 * Thread: any. Memory: `allocator` is copied, NULL is libc's; it is used by one thread at a time.
 * @return CHAT_OK; CHAT_ERR_ARG no `out`; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_test_notifier_new(const chat_allocator *allocator,
                                            chat_test_notifier **out);

/** Free it, after the server that uses it. NULL does nothing. Thread: no other call is under way.
 */
CHAT_API void chat_test_notifier_free(chat_test_notifier *notifier);

/** What a server is given, see chat_server_options. Memory: lives as long as `notifier`. */
CHAT_API const chat_notifier *chat_test_notifier_table(chat_test_notifier *notifier);

/**
 * How notifications end on a device from now on. CHAT_NOTIFY_QUEUED: nothing is reported before
 * chat_test_notifier_report(). An empty `device`: on all that are not named by another call, and
 * for notifications that name none.
 *
 * Memory: `device` is copied. Time: at once.
 * @return CHAT_OK; CHAT_ERR_ARG no such state, or a name of more than 64 bytes; CHAT_ERR_LIMIT more
 *         than 64 devices
 */
CHAT_API chat_status chat_test_notifier_script(chat_test_notifier *notifier, chat_view device,
                                               chat_notify_state state);

/** While `is_held` is not 0, a notification is kept and the server's call does not return: a push
    service that hangs. Let go before the server is to stop. */
CHAT_API void chat_test_notifier_hold(chat_test_notifier *notifier, int is_held);

/**
 * Report now, from this thread. An empty `device`: on all.
 * @return CHAT_OK; CHAT_ERR_ARG no such state; CHAT_ERR_STATE the server has not opened it, or has
 * closed it
 */
CHAT_API chat_status chat_test_notifier_report(chat_test_notifier *notifier, uint64_t number,
                                               chat_view device, chat_notify_state state);

/**
 * The oldest notification that was not taken.
 *
 * Memory: `*out_what` is lent until the next _take or _free. Time: waits up to `timeout_ms`; 0:
 * not.
 * @return CHAT_OK; CHAT_ERR_ARG a NULL; CHAT_EMPTY none came in that time, nothing is written
 */
CHAT_API chat_status chat_test_notifier_take(chat_test_notifier *notifier, uint32_t timeout_ms,
                                             uint64_t *out_number,
                                             const chat_notification **out_what);

#ifdef __cplusplus
}
#endif

#endif
