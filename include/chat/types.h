/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Values that every other header uses: byte views, the allocator, the log sink, limits.
 *
 * Conventions of the whole API: handles are opaque; structs that the application fills start with
 * `struct_size` (sizeof as the application knows it: fewer fields than the library knows leave the
 * rest at its default, more must be zero, else CHAT_ERR_ARG), those with defaults have an `_init`
 * function; results are `chat_status`; outputs come last and are written only on
 * success; times are milliseconds and say in their name whether they are instants (`_at_ms`,
 * `now_ms`) or durations (`_ms`); one caller at a time per object, objects are independent.
 */
#ifndef CHAT_TYPES_H
#define CHAT_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CHAT_API __attribute__((visibility("default")))
#else
#define CHAT_API
#endif

/** Longest user, group, device and client message id, in bytes of UTF-8. */
#define CHAT_ID_MAX_BYTES 64u
/** Longest chat id: a direct chat carries both of its members' ids (see chat_direct_id()). */
#define CHAT_CHAT_ID_MAX_BYTES 135u
/** Largest message body by default, in bytes of UTF-8. */
#define CHAT_BODY_MAX_BYTES 65536u
/** Most members of a group, the creator included. */
#define CHAT_GROUP_MAX_MEMBERS 256u
/** Longest title of a group, in bytes of UTF-8. */
#define CHAT_TITLE_MAX_BYTES 256u
/** A chat is muted for good: later than all times (unix ms). */
#define CHAT_MUTE_FOREVER (UINT64_C(1) << 53)
/** Longest reaction to a message: an emoji with all that may belong to it. */
#define CHAT_REACTION_MAX_BYTES 64u

/** Borrowed bytes. `data` may be NULL only when `len` is 0. Not zero-terminated. */
typedef struct chat_view {
    const uint8_t *data; /**< may be NULL when `len` is 0 */
    size_t len;          /**< bytes */
} chat_view;

/**
 * Memory of one object tree. A NULL `resize` means libc's realloc and free.
 *
 * `resize(ctx, NULL, n)` allocates, `resize(ctx, p, n)` resizes, `resize(ctx, p, 0)` frees and
 * returns NULL; otherwise NULL means out of memory and `p` stays valid. It is called by the
 * thread that calls the object.
 */
typedef struct chat_allocator {
    void *ctx;                                               /**< passed to each call, borrowed */
    void *(*resize)(void *ctx, void *ptr, size_t new_bytes); /**< see above */
} chat_allocator;

/** Severity of a line given to a log sink. */
typedef enum chat_log_level {
    CHAT_LOG_ERROR = 1, /**< something was lost or refused that should not have been */
    CHAT_LOG_WARN = 2,  /**< worth a look by the operator */
    CHAT_LOG_INFO = 3,  /**< start, stop, change of state */
    CHAT_LOG_DEBUG = 4  /**< for developers */
} chat_log_level;

/** Where an object writes its log lines; a NULL `write` discards them. `line` is borrowed. */
typedef struct chat_log_sink {
    void *ctx; /**< passed to each call, borrowed */
    void (*write)(void *ctx, chat_log_level level,
                  const char *line); /**< one line without an end; borrowed */
} chat_log_sink;

#ifdef __cplusplus
}
#endif

#endif
