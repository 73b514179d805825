/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A client on a thread of the library, for applications without a loop. Events come to a callback
 * on that thread; every call of the client may be made from any thread, the callback included.
 */
#ifndef CHAT_CLIENT_THREAD_H
#define CHAT_CLIENT_THREAD_H

#include <chat/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Who is told. Zero it, set `struct_size` and what applies. */
typedef struct chat_client_handlers {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of the callback */
    /** One event, on the library's thread, one at a time and in order. `event` is borrowed until
        return; then it counts as safe with the application (see chat_client_next_event()). No lock
        is held: every call is legal, chat_client_stop() and chat_client_free() too. */
    void (*on_event)(void *ctx, chat_client *client, const chat_event *event);
} chat_client_handlers;

/**
 * Begin to drive the client on a thread of its own. From here to chat_client_stop() do not call
 * chat_client_process() and chat_client_next_event(): they answer CHAT_ERR_STATE. The clock is
 * CLOCK_BOOTTIME. The client's allocator and log sink are called from the thread too, and from
 * whichever thread makes a call. The thread takes no signals.
 *
 * Thread: any, one at a time with _stop and _free.
 * @return CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_STATE: it runs, or the client is on the application's own
 *         transport; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT: no
 *         thread; the client is as before
 */
CHAT_API chat_status chat_client_start(chat_client *client, const chat_client_handlers *handlers);

/**
 * End the thread. When this returns no callback runs any more, and the client may be driven by
 * hand, started again or freed; its connection stays. From the callback it returns at once, and the
 * callback that it is called from is the last one. Time: as long as a running callback, and some
 * milliseconds. What does not run is left as it is.
 */
CHAT_API void chat_client_stop(chat_client *client);

#ifdef __cplusplus
}
#endif

#endif
