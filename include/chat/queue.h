/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The offline queue of one user: references to messages, and how far each of the user's devices has
 * come. Removes what every device has acknowledged; drops the oldest when it is too long or too
 * old, and says so. A function of its inputs, without clock, thread or socket, for servers and
 * storage of your own. Usable with nothing else of the library.
 *
 * Entries have positions 1, 2, 3 ... in the order of pushing. What is live is pushed too: while a
 * device is being drained it comes behind the rest, so nothing overtakes.
 *
 *     chat_queue_push(queue, &entry, now);            for each message of the user
 *     chat_queue_connect(queue, device);              the device says hello
 *     while (chat_queue_next_gap(queue, device, &gap) == CHAT_OK)  tell it: history has that
 *     while (chat_queue_next(queue, device, &entry) == CHAT_OK)    send it
 *     chat_queue_ack(queue, device, position);        it has all up to there; next again
 *
 * All times are milliseconds of one clock of the caller's choice. One caller at a time per object.
 */
#ifndef CHAT_QUEUE_H
#define CHAT_QUEUE_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A user's queue; opaque. */
typedef struct chat_queue chat_queue;

/** Call chat_queue_options_init() first, then set fields. */
typedef struct chat_queue_options {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t max_entries; /**< 10,000; above it the oldest goes */
    uint32_t batch_count; /**< 100: given to a device and not acknowledged, at most */
    uint32_t max_devices; /**< 16 */
    uint32_t max_gaps;    /**< 256 chats in which something was dropped and not everybody knows */
    uint32_t reserved;    /**< 0 */
    uint64_t ttl_ms;      /**< 604,800,000 (7 days); 0: never too old */
    const chat_allocator *allocator; /**< NULL: libc */
} chat_queue_options;

/** Zero, `struct_size`, and the defaults named above. */
CHAT_API void chat_queue_options_init(chat_queue_options *options);

/** A message, by its place in its chat. */
typedef struct chat_queue_entry {
    uint64_t position; /**< in the queue; given by it */
    uint64_t seq;      /**< its place in the chat */
    uint64_t at_ms;    /**< when it was pushed */
    chat_view chat;    /**< borrowed until the next call that is no _next */
} chat_queue_entry;

/** What was dropped in a chat; the device may have some of it. */
typedef struct chat_queue_gap {
    uint64_t position; /**< acknowledging this, or more, says that the device knows */
    uint64_t after;    /**< history has what is between the two, as `gap` of the protocol */
    uint64_t before;   /**< the first that is there again */
    chat_view chat;    /**< empty: in too many chats to name, look into all; borrowed as above */
} chat_queue_gap;

/**
 * Make an empty queue. Options are copied.
 * @return CHAT_OK; CHAT_ERR_ARG (`struct_size`, or a maximum is 0);
 *         CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_queue_new(const chat_queue_options *options, chat_queue **out);

/** Free it and all it holds. NULL does nothing. */
CHAT_API void chat_queue_free(chat_queue *queue);

/**
 * From now on keep messages for `device` too. It starts where the furthest device is.
 * @return CHAT_OK; CHAT_ERR_EXISTS: it is known, nothing changed; CHAT_ERR_ARG: no valid id;
 *         CHAT_ERR_LIMIT: max_devices
 */
CHAT_API chat_status chat_queue_add_device(chat_queue *queue, chat_view device);

/** Forget a device; what only it lacked is removed. Unknown ones are ignored. */
CHAT_API void chat_queue_remove_device(chat_queue *queue, chat_view device);

/**
 * Put a message at the end; `entry->position` and `at_ms` are not read. Without devices nothing is
 * kept. Drops what is too old or too much.
 * Memory: `chat` is copied.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG    no valid length of a chat id
 * @return CHAT_ERR_NOMEM  nothing changed
 */
CHAT_API chat_status chat_queue_push(chat_queue *queue, const chat_queue_entry *entry,
                                     uint64_t now_ms);

/**
 * Begin to drain for a device, from what it has not acknowledged: also what was given to it over an
 * earlier connection comes again, in order. Time: linear in the queue.
 * @return CHAT_OK; CHAT_ERR_NOT_FOUND: add it first
 */
CHAT_API chat_status chat_queue_connect(chat_queue *queue, chat_view device);

/** The device is away. Unknown ones are ignored. */
CHAT_API void chat_queue_disconnect(chat_queue *queue, chat_view device);

/**
 * Next gap that the device was not told of over this connection. One that grew is told again.
 * @return CHAT_OK, CHAT_EMPTY; CHAT_ERR_STATE: not connected
 */
CHAT_API chat_status chat_queue_next_gap(chat_queue *queue, chat_view device, chat_queue_gap *out);

/**
 * Next message for the device.
 * @return CHAT_OK
 * @return CHAT_EMPTY      it was given everything
 * @return CHAT_MORE       there is more once it acknowledges some of batch_count
 * @return CHAT_ERR_STATE  not connected
 */
CHAT_API chat_status chat_queue_next(chat_queue *queue, chat_view device, chat_queue_entry *out);

/** Whether something is in front of what would be pushed now for a connected device. */
CHAT_API int chat_queue_is_draining(const chat_queue *queue, chat_view device);

/**
 * The device has everything up to `position`, and knows of the gaps up to there: fill them or note
 * them first. Never backwards.
 * @return CHAT_OK; CHAT_ERR_ARG: it was not given that yet; CHAT_ERR_NOT_FOUND
 */
CHAT_API chat_status chat_queue_ack(chat_queue *queue, chat_view device, uint64_t position);

/** Messages that some device lacks. */
CHAT_API size_t chat_queue_count(const chat_queue *queue);

/** When chat_queue_expire() has something to do; UINT64_MAX: never. */
CHAT_API uint64_t chat_queue_deadline(const chat_queue *queue);

/** Drop what is too old. */
CHAT_API void chat_queue_expire(chat_queue *queue, uint64_t now_ms);

/** Bytes that chat_queue_encode() writes. */
CHAT_API size_t chat_queue_encoded_size(const chat_queue *queue);

/**
 * Write the queue as bytes, to be stored: entries, gaps and what each device has. Who is connected
 * is not in it.
 * @return CHAT_OK; CHAT_ERR_LIMIT: `cap` is less than chat_queue_encoded_size()
 */
CHAT_API chat_status chat_queue_encode(const chat_queue *queue, uint8_t *bytes, size_t cap);

/**
 * Make a queue of bytes that chat_queue_encode() wrote, perhaps with other options.
 * @return CHAT_OK; CHAT_ERR_SYNTAX: they are no such bytes; and as chat_queue_new()
 */
CHAT_API chat_status chat_queue_decode(const chat_queue_options *options, chat_view bytes,
                                       chat_queue **out);

#ifdef __cplusplus
}
#endif

#endif
