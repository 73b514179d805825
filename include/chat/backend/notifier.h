/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write a notifier: what wakes people whose devices are not connected, by a push
 * service, by mail, by any way around this server. A program that embeds the server sets one in
 * chat_server_options.notifier; chatd has one that writes a file (notify-file).
 *
 * The server calls it from one thread of its own, never while messages wait for it. What is asked
 * for faster than it works waits in a bounded queue, and is dropped and counted above that.
 */
#ifndef CHAT_BACKEND_NOTIFIER_H
#define CHAT_BACKEND_NOTIFIER_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How far a notification is, for one device or for all that it names. */
typedef enum chat_notify_state {
    CHAT_NOTIFY_QUEUED = 1, /**< it waits, here or in the notifier */
    CHAT_NOTIFY_SENT,       /**< it is on its way to the provider */
    CHAT_NOTIFY_ACCEPTED,   /**< the provider has it: the end */
    CHAT_NOTIFY_FAILED,     /**< it will not arrive: the end */
    CHAT_NOTIFY_GONE        /**< nor will any other: the device's token is dead; the end. The device
                                 is named no more until it connects. */
} chat_notify_state;

/** That messages wait for a user who is away. All of it is borrowed during the call. */
typedef struct chat_notification {
    uint32_t struct_size;     /**< sizeof of this struct */
    uint32_t count;           /**< messages: 1, or more that are told together */
    chat_view user;           /**< who is to be told */
    chat_view chat;           /**< of the newest message */
    uint64_t id;              /**< of the newest message; 0: not known */
    uint64_t seq;             /**< where it is in its chat */
    const chat_view *from;    /**< authors, three at most */
    size_t n_from;            /**< may be 0 */
    uint32_t has_others;      /**< 1: there are more authors */
    uint32_t has_badge;       /**< 1: `badge` is known */
    uint32_t badge;           /**< unread messages of all chats, counted as `chats` counts them */
    uint32_t reserved;        /**< 0 */
    chat_view text;           /**< a line for people, in English */
    const chat_view *devices; /**< the user's devices that lack the newest message, each once */
    size_t n_devices;         /**< 0: no device of the user is known */
} chat_notification;

/** What became of a notification. All of it is borrowed during the call. */
typedef struct chat_notify_report {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t state;       /**< a chat_notify_state */
    uint64_t number;      /**< which notification */
    chat_view device;     /**< on this device; empty: on all whose end was not reported */
    const char *why;      /**< why it failed; may be NULL */
} chat_notify_report;

/** Where a notifier reports. Valid from `open` until `close` returns. */
typedef struct chat_notifier_sink {
    void *ctx; /**< first argument of `report` */
    /** A notification is in another state. Thread: any, also from inside of `notify`. */
    void (*report)(void *ctx, const chat_notify_report *report);
} chat_notifier_sink;

/** A notifier: a table of functions that the server calls, one at a time, from one thread. */
typedef struct chat_notifier {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of all functions; must outlive the server */
    /** Get ready; `sink` is to be copied. May be NULL. Other than CHAT_OK: the server does not
        start. Called once, by chat_server_run(), before any other. */
    chat_status (*open)(void *ctx, const chat_notifier_sink *sink);
    /**
     * Tell a user on these devices: none of them is connected, and none acknowledged the message.
     * `number` names this notification in reports; numbers are 1, 2, 3 ... Every notification ends
     * with ACCEPTED, FAILED or GONE, for each device or for all, reported now or later; nothing is
     * asked for twice. May block: others wait meanwhile, messages do not.
     *
     * @return CHAT_OK: taken, its end will be reported; an error: FAILED, nothing will be reported
     */
    chat_status (*notify)(void *ctx, uint64_t number, const chat_notification *notification);
    /** The last call: report nothing more once it has returned. May be NULL. Only after `open` gave
        CHAT_OK. */
    void (*close)(void *ctx);
} chat_notifier;

#ifdef __cplusplus
}
#endif

#endif
