/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write what nodes share in memory: who is online and on which node, queues of who is
 * away, which id a message got, how much was used of a rate, the newest records of a chat. All of
 * it may be lost (a fail-over loses what was written in the last second): it is never the only
 * place of a message. libchat-redis has one (<chat/redis.h>), libchat-testing another in memory.
 *
 * Asks are answered by events. Nothing is called back and nothing blocks: put `fd` into a loop, and
 * when it is readable or the deadline is over call `process`, then `next_event` until CHAT_EMPTY.
 * Asks about the same owner that are under way at the same time are done in any order.
 */
#ifndef CHAT_BACKEND_SHARED_H
#define CHAT_BACKEND_SHARED_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most users that one CHAT_SHARED_WHO names. */
#define CHAT_SHARED_MAX_USERS 256u
/** Most entries that one READ gives. */
#define CHAT_SHARED_MAX_ENTRIES 1000u

/** What is asked, and the fields of chat_shared_ask and chat_shared_event that it uses. An owner is
    a user unless something else is said; it and `name` have 1 to 135 bytes,
    none of them 0. */
typedef enum chat_shared_op {
    /** Device `name` of `owner` is connected to node `value` (1 to 255 bytes, none 0), for the
       presence's time to live: say so again before it ends. */
    CHAT_SHARED_ONLINE = 1,
    /** It is not any more; nothing happens when it is connected to another node than `value` by
        now. `number` devices are left; with the last one the user is offline. */
    CHAT_SHARED_OFFLINE,
    /** Which of `users` are online: an item for each, in order; its `number` is 1 or 0. */
    CHAT_SHARED_WHO,
    /** The devices of `owner` that are connected: items, `name` and the node in `value`. */
    CHAT_SHARED_DEVICES,
    /** Put `value` at the end of the queue of `owner`; `number` is its position. Above the queue's
        limit the oldest go. It may be there twice when an ask ended with CHAT_ERR_TIMEOUT and is
        made again: who reads knows records by their ids. */
    CHAT_SHARED_QUEUE_PUT,
    /** At most `count` entries that device `name` has not acknowledged: items, position in `number`
        and `value`. A device that is not known is from now on, and begins with the oldest that is
        kept. `number` entries in front of the first were lost to the limit or to their age; it is
        told until the device acknowledges. */
    CHAT_SHARED_QUEUE_READ,
    /** Device `name` has all up to position `number`. What all known devices have goes. */
    CHAT_SHARED_QUEUE_ACK,
    /** Forget device `name`. */
    CHAT_SHARED_QUEUE_DROP,
    /** The id of the message that device or user `owner` calls `name`: `number` if it is the first,
        else that of the first. `number` of the answer is the one that counts. */
    CHAT_SHARED_RESERVE,
    /** Take `count` from the bucket of `owner` (any name), which gets `rate` a second and holds
        `burst`, a second's worth at least. `number` of the answer: 0 taken, else in how many ms to
        try again. More than a bucket holds passes when it is full. */
    CHAT_SHARED_TAKE,
    /** `value` is the record with seq `number` (not 0) of chat `owner`; in place of what was there
        for it. The newest are kept. */
    CHAT_SHARED_RECENT_PUT,
    /** At most `count` records of chat `owner`, newest first, with a seq below `number` (0: any):
        items, seq in `number` and `value`. There may be holes: whether one follows the other is
        for the reader to see. */
    CHAT_SHARED_RECENT_READ,
    /** Records of chat `owner` with a seq up to `number` (not 0) go, and PUT does nothing for such
        from then on: what they say is to be forgotten. */
    CHAT_SHARED_RECENT_CUT
} chat_shared_op;

/** An ask. Fields that its op does not name are ignored. Borrowed during the call. */
typedef struct chat_shared_ask {
    uint32_t struct_size;   /**< sizeof of this struct */
    chat_shared_op op;      /**< what is asked */
    uint64_t tag;           /**< comes back with the answer */
    chat_view owner;        /**< see the op */
    chat_view name;         /**< see the op */
    chat_view value;        /**< see the op */
    uint64_t number;        /**< see the op; below 2^63 */
    uint32_t count;         /**< see the op; not 0 */
    uint32_t rate;          /**< TAKE: a second, not 0 */
    uint32_t burst;         /**< TAKE: at once, not 0 */
    uint32_t reserved;      /**< 0 */
    const chat_view *users; /**< WHO */
    size_t n_users;         /**< WHO: 1 to CHAT_SHARED_MAX_USERS */
} chat_shared_ask;

/** What has happened. */
typedef enum chat_shared_event_type {
    /** An ask ended: `op`, `tag`, `status`, and with CHAT_OK what the op says. CHAT_ERR_TIMEOUT: it
        may have been done or not. Anything else: it was not done. */
    CHAT_SHARED_EVENT_ANSWER = 1,
    /** Something is wrong outside: `status` and `text`. It goes on by itself when that is over;
        asks wait meanwhile, and end at their deadline. */
    CHAT_SHARED_EVENT_PROBLEM,
    /** What was told as a problem is over. */
    CHAT_SHARED_EVENT_WELL
} chat_shared_event_type;

/** Part of an answer. */
typedef struct chat_shared_item {
    chat_view name;  /**< see the op */
    chat_view value; /**< see the op */
    uint64_t number; /**< see the op */
} chat_shared_item;

/** An event; fields that it does not use are 0. Borrowed until the next call of any function. */
typedef struct chat_shared_event {
    uint32_t struct_size;          /**< sizeof of this struct, set by the caller */
    chat_shared_event_type type;   /**< what happened */
    chat_status status;            /**< how it ended */
    chat_shared_op op;             /**< of the ask */
    uint64_t tag;                  /**< of the ask */
    uint64_t number;               /**< see the op */
    const chat_shared_item *items; /**< see the op */
    size_t n_items;                /**< how many */
    const char *text;              /**< a line for the operator, that names what to change */
} chat_shared_event;

/** What is shared: a table of functions that are called one at a time. */
typedef struct chat_shared {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of all functions */
    /** Readable when `process` has something to do; the same always, never to be read by the
        caller. -1: deadlines suffice. */
    int (*fd)(void *ctx);
    /** When `process` must be called at the latest; UINT64_MAX: no deadline. */
    uint64_t (*deadline)(void *ctx);
    /**
     * Ask. It is answered once, by an event, at the latest at its deadline. Asks of one turn go
     * together with the next `process`.
     * @return CHAT_OK; CHAT_ERR_ARG no such op, or a field is out of range; CHAT_ERR_BUSY as much
     * as is allowed is not answered yet: nothing was taken; CHAT_ERR_NOMEM
     */
    chat_status (*ask)(void *ctx, const chat_shared_ask *ask, uint64_t now_ms);
    /** Once in a turn. `now_ms` never runs back. */
    void (*process)(void *ctx, uint64_t now_ms);
    /** The next event, into `*out` as far as its struct_size goes. CHAT_OK; CHAT_EMPTY;
        CHAT_ERR_ARG. */
    chat_status (*next_event)(void *ctx, chat_shared_event *out);
} chat_shared;

#ifdef __cplusplus
}
#endif

#endif
