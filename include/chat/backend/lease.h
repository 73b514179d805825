/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write a lease: what gives a server its snowflake node numbers, each to one server
 * at a time, whatever dies. A program that embeds the server sets one in
 * chat_server_options.lease; chatd has the one of libchat-etcd (<chat/etcd.h>). Without one the
 * lock of the data directory does, for a server that stands alone.
 *
 * A lease has no thread. The server's thread waits for its descriptor and its deadline, calls
 * `process`, and reads events until CHAT_EMPTY. No function may block.
 */
#ifndef CHAT_BACKEND_LEASE_H
#define CHAT_BACKEND_LEASE_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most numbers that one server asks for: one for each of its shards. */
#define CHAT_LEASE_MAX_NUMBERS 256u

/** What the clocks say. */
typedef struct chat_lease_time {
    uint64_t mono_ms; /**< never runs back */
    uint64_t unix_ms; /**< the clock that ids are made with; may jump */
} chat_lease_time;

/** What a server asks for, and what others may know of it. Borrowed during the call. */
typedef struct chat_lease_wish {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t n_numbers;   /**< 1 to CHAT_LEASE_MAX_NUMBERS */
    chat_view name;       /**< of the server, for people; 255 bytes at most */
    chat_view address;    /**< where it listens; 255 bytes at most */
    chat_view roles;      /**< words with a comma between them; 255 bytes at most */
} chat_lease_wish;

/** What happened to the numbers. */
typedef enum chat_lease_event_type {
    CHAT_LEASE_HELD = 1, /**< `numbers` are ours for a span of time; again with each renewal */
    CHAT_LEASE_LOST,     /**< they are ours no more; `why`. HELD comes when there are some again */
    CHAT_LEASE_TROUBLE,  /**< `why` something is not as it should be; what is held stays held */
    CHAT_LEASE_RELEASED  /**< given back, or it was tried long enough: the last event */
} chat_lease_event_type;

/** An event. Borrowed until the next call of any function of the lease. */
typedef struct chat_lease_event {
    uint32_t struct_size;    /**< sizeof of this struct, set by the caller */
    uint32_t type;           /**< a chat_lease_event_type */
    uint64_t from_unix_ms;   /**< HELD: no id may be made with a time before this */
    uint64_t until_unix_ms;  /**< HELD: nor with this or a later one; UINT64_MAX: no end */
    const uint32_t *numbers; /**< HELD: different ones, 0 to CHAT_SNOWFLAKE_MAX_NODE */
    size_t n_numbers;        /**< HELD: as many as were asked for */
    const char *why;         /**< a line for the operator, that names what to change */
} chat_lease_event;

/**
 * A lease: a table of functions that are called one at a time, all from one thread.
 *
 * The promise: an id that is made with a number and a time that HELD said are ours, by a generator
 * whose times never run back, is made by nobody else, now or later, whatever clocks do.
 */
typedef struct chat_lease {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of all functions; must outlive the server */
    /** Begin to ask; the first call, and once. CHAT_OK; CHAT_ERR_ARG: a wish that cannot be;
        CHAT_ERR_LIMIT: it never gives so many numbers; CHAT_ERR_NOMEM; anything else: it cannot
        begin. What is wrong outside of this process is told by events, not here. */
    chat_status (*open)(void *ctx, const chat_lease_wish *wish, chat_lease_time now);
    /** Readable when `process` has something to do; the same always. -1: deadlines suffice. */
    int (*fd)(void *ctx);
    /** When `process` must be called at the latest (mono_ms); UINT64_MAX: no deadline. */
    uint64_t (*deadline)(void *ctx);
    /** Do what is due. Early calls do no harm. */
    void (*process)(void *ctx, chat_lease_time now);
    /** CHAT_OK: `*out` is written; CHAT_EMPTY. */
    chat_status (*next_event)(void *ctx, chat_lease_event *out);
    /** No id is made any more: give the numbers back. RELEASED tells the end, within 2 s. */
    void (*release)(void *ctx, chat_lease_time now);
} chat_lease;

#ifdef __cplusplus
}
#endif

#endif
