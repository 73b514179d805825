/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Snowflake message ids (41 bits of milliseconds, 10 bits of node, 13 bits of sequence) and the
 * ids that people choose. Usable with nothing else of the library.
 */
#ifndef CHAT_ID_H
#define CHAT_ID_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds from 1970 to the project's epoch, 2024-01-01T00:00:00Z. */
#define CHAT_EPOCH_MS                1704067200000ull
#define CHAT_SNOWFLAKE_NODE_BITS     10u   /**< Bits of the node. */
#define CHAT_SNOWFLAKE_SEQUENCE_BITS 13u   /**< Bits of the sequence. */
#define CHAT_SNOWFLAKE_MAX_NODE      1023u /**< Highest node. */
#define CHAT_SNOWFLAKE_MAX_SEQUENCE  8191u /**< Highest sequence of a millisecond. */
/** `max_backward_ms` of a new generator: a leap second that the clock repeats is waited for. */
#define CHAT_SNOWFLAKE_MAX_BACKWARD_MS 1000u

/** The parts of an id. */
typedef struct chat_snowflake {
    uint64_t unix_ms;  /**< milliseconds since 1970 */
    uint32_t node;     /**< number of the node, 0 to CHAT_SNOWFLAKE_MAX_NODE */
    uint32_t sequence; /**< which one of its millisecond */
} chat_snowflake;

/** Take an id apart. Thread: any. Time: constant. */
CHAT_API chat_snowflake chat_snowflake_decode(uint64_t id);

/**
 * First id that a moment can have: `unix_ms` before the epoch counts as the epoch, and a moment
 * behind the 41 bits gives UINT64_MAX. Thread: any. Time: constant.
 */
CHAT_API uint64_t chat_snowflake_first_at(uint64_t unix_ms);

/**
 * State of one generator, in the caller's memory. Read the fields freely; only `max_backward_ms`
 * may be written, before the first id. A generator gives ids only while `now_ms < lease_until_ms`.
 */
typedef struct chat_idgen {
    uint64_t last_ms;         /**< since CHAT_EPOCH_MS, of the last id or of `not_before_id` */
    uint64_t lease_until_ms;  /**< unix milliseconds; UINT64_MAX: no lease needed */
    uint64_t max_backward_ms; /**< the clock may be this far behind for BUSY, above it is CLOCK */
    uint32_t node;            /**< number of the node, 0 to CHAT_SNOWFLAKE_MAX_NODE */
    uint32_t next_sequence;   /**< in `last_ms`; 8192 when nothing of it is left */
} chat_idgen;

/**
 * Prepare a generator without a lease end.
 *
 * Thread: one caller at a time per generator.
 * @param not_before_id  no id at or below this is given, whatever node it is from: the highest id
 *                       known from the last run, 0 when there is none. Id 0 is never given.
 * @return CHAT_OK; CHAT_ERR_ARG when node > CHAT_SNOWFLAKE_MAX_NODE, `gen` unchanged
 */
CHAT_API chat_status chat_idgen_init(chat_idgen *gen, uint32_t node, uint64_t not_before_id);

/**
 * Take another number for the node, for times from `from_ms` (unix milliseconds) on. Ids go on
 * growing; as long as the clock is before that, it counts as one that runs back.
 * Thread: one caller at a time per generator.
 * @return CHAT_OK; CHAT_ERR_ARG: `gen` is NULL, or `node` is too large
 */
CHAT_API chat_status chat_idgen_set_node(chat_idgen *gen, uint32_t node, uint64_t from_ms);

/** Set the lease: from `until_ms` (unix milliseconds) on, no id is given. */
CHAT_API void chat_idgen_set_lease(chat_idgen *gen, uint64_t until_ms);

/**
 * Give the next id: greater than all before from this generator. A clock that runs back is never
 * followed. After an error the generator is as it was before.
 *
 * Thread: one caller at a time per generator; see chat_idgen_next_shared().
 * Time:   constant, no clock is read; `now_ms` is unix time in milliseconds.
 *
 * @return CHAT_OK         `*out_id` is written
 * @return CHAT_ERR_BUSY   8192 ids were given in this millisecond, or the clock is behind the last
 *                         id by at most `max_backward_ms`: call again with a later time
 * @return CHAT_ERR_CLOCK  the clock is behind by more, before the epoch or out of the 41 bits
 * @return CHAT_ERR_LEASE  `now_ms` is at or after the end of the lease
 */
CHAT_API chat_status chat_idgen_next(chat_idgen *gen, uint64_t now_ms, uint64_t *out_id);

/** A generator for many threads at once, lock-free. Create with _init, use with _next only. */
typedef struct chat_idgen_shared {
    uint64_t state; /**< next free (ms since CHAT_EPOCH_MS) * 8192 + sequence; touched atomically */
    uint64_t lease_until_ms;  /**< no id is given from then on */
    uint64_t max_backward_ms; /**< a clock that runs back further is an error */
    uint32_t node;            /**< number of the node, 0 to CHAT_SNOWFLAKE_MAX_NODE */
    uint32_t reserved;        /**< 0 */
} chat_idgen_shared;

/** As chat_idgen_init(). Thread: before any other use. */
CHAT_API chat_status chat_idgen_shared_init(chat_idgen_shared *gen, uint32_t node,
                                            uint64_t not_before_id);

/** As chat_idgen_set_lease(). Thread: any. */
CHAT_API void chat_idgen_shared_set_lease(chat_idgen_shared *gen, uint64_t until_ms);

/**
 * As chat_idgen_next(). Ids that two threads get at the same time differ; an id that one thread got
 * before another thread asked is the smaller one. A caller whose `now_ms` was overtaken by that of
 * another thread gets CHAT_ERR_BUSY and reads the clock again. Thread: any number at once.
 */
CHAT_API chat_status chat_idgen_shared_next(chat_idgen_shared *gen, uint64_t now_ms,
                                            uint64_t *out_id);

/**
 * Whether `id` may name a user, device or message of a client: 1 to CHAT_ID_MAX_BYTES bytes of
 * valid UTF-8 without control characters (U+0000..U+001F, U+007F..U+009F). Thread: any.
 */
CHAT_API int chat_id_is_valid(chat_view id);

/** Whether `id` may name a group: as chat_id_is_valid(), starting with neither "dm:" nor "me:". */
CHAT_API int chat_group_id_is_valid(chat_view id);

/** The id of a direct chat or a self stream, in the caller's memory. */
typedef struct chat_direct_name {
    uint8_t bytes[CHAT_CHAT_ID_MAX_BYTES]; /**< not zero-terminated */
    uint8_t len;                           /**< bytes */
} chat_direct_name;

/**
 * Name the direct chat of two users: "dm:" + length of the smaller id in decimal + ":" + smaller id
 * + ":" + larger id, by byte order; the same for (a, b) and (b, a). The chat exists by this name.
 *
 * @return CHAT_OK; CHAT_ERR_ARG when an id is not valid or both are equal
 */
CHAT_API chat_status chat_direct_id(chat_view a, chat_view b, chat_direct_name *out);

/**
 * The two members in a direct chat's id, smaller first; borrowed from `chat`.
 * @return CHAT_OK; CHAT_EMPTY when `chat` is no direct chat; CHAT_ERR_ARG when it starts with "dm:"
 *         but is not exactly what chat_direct_id() gives
 */
CHAT_API chat_status chat_direct_members(chat_view chat, chat_view out_members[2]);

/**
 * Name the self stream of a user: "me:" + user id. What a user does for himself (how far he has
 * read, say) is a record in it; nobody else gets it.
 * @return CHAT_OK; CHAT_ERR_ARG when the id is not valid
 */
CHAT_API chat_status chat_self_id(chat_view user, chat_direct_name *out);

/**
 * Whose self stream `chat` is; borrowed from `chat`.
 * @return CHAT_OK; CHAT_EMPTY when it does not start with "me:"; CHAT_ERR_ARG when no id follows
 */
CHAT_API chat_status chat_self_user(chat_view chat, chat_view *out_user);

#ifdef __cplusplus
}
#endif

#endif
