/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write a record log: where everything that happens in a chat is appended, and read
 * from by who stores or delivers it. (The lines of text for an operator are chat_log_sink.)
 *
 * A log has partitions. A chat is in partition chat_partition_of(chat, n_partitions), so its
 * records are in one order. What is appended is answered by an event; what is read comes as events.
 * Nothing is called back: put `fd` into a loop, and whenever it is readable call `process`, then
 * `next_event` until CHAT_EMPTY.
 *
 * A reader is of a group. Where a group is in a partition is its *position*: the offset of the next
 * record, the `seq` of the last one, and the term. Which partitions are read is up to the log's
 * options: either the readers of the group share them, or each says with `assign` which it reads.
 * Every reader derives the same `seq = max(seq before + 1, id)` from the log alone, and drops a
 * record whose id is among the records just before it (how many is an option of the log), so all
 * groups see the same records.
 *
 * *Terms and fences* are for partitions that one writer has at a time. A record carries the term of
 * its writer; a partition begins with term 0. A *fence* with a higher term than the partition's
 * makes its term the current one. A record with another term than the current one is *void*, as is
 * a fence whose term is not higher: it counts for no reader, moves no `seq`, and its id is not
 * remembered. So who has appended a fence and read up to it knows all that will ever count under
 * lower terms, and a writer that goes on without knowing reads its own records back as void. Two
 * writers never use the same term. Where nobody fences, all records have term 0 and count.
 *
 * Where the log lost its fences (it begins behind them, or there is a gap), a record with a higher
 * term is believed to stand behind its own, until the next fence.
 */
#ifndef CHAT_BACKEND_LOG_H
#define CHAT_BACKEND_LOG_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** In place of a partition: all of them. */
#define CHAT_LOG_ALL_PARTITIONS UINT32_MAX

/** A record. Its views are borrowed: during the call that is given it, or until the next call of
    `next_event`. */
typedef struct chat_log_record {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t partition;   /**< set by the reader; an append ignores it, the chat decides */
    uint64_t id;          /**< which record: a snowflake, not 0, below 2^63 */
    uint64_t seq;         /**< where in its chat; set by the reader */
    uint64_t offset;      /**< where in its partition; set by the reader */
    uint32_t kind;        /**< chat_frame_type of the payload, at most 65,535 */
    uint32_t reserved;    /**< 0 */
    chat_view chat;       /**< the key, not empty */
    chat_view payload;    /**< may be empty */
    uint64_t term;        /**< of who appends it; 0 when nobody fences */
} chat_log_record;

/** What has happened. */
typedef enum chat_log_event_type {
    /** An append or a fence ended: `tag`, `status`, `partition`, and when CHAT_OK its `offset`: it
        is durable. Whether it counts is known when it is read: as RECORD or FENCED, or VOID. In the
        order of the appends for each partition. CHAT_ERR_TIMEOUT: it may be there or not. */
    CHAT_LOG_EVENT_APPENDED = 1,
    /** A record was read: `record`, and `partition`, `offset`, `seq` and `term` as in it. */
    CHAT_LOG_EVENT_RECORD,
    /** `partition` is read here from now on, at `offset`, behind a record with `seq` (0: none), in
        `term`. */
    CHAT_LOG_EVENT_ASSIGNED,
    /** `partition` is not read here any more: no more of its records come. In a group it goes to
        another reader, and what is committed before the next call of `next_event` is what that one
        goes on from. After `assign` what was committed has been sent and answered. */
    CHAT_LOG_EVENT_REVOKED,
    /** `partition` has another reader already, who may have read the same records. Nothing can be
        committed. */
    CHAT_LOG_EVENT_LOST,
    /** A commit ended: `partition`, `offset`, `status`. After an error it is tried again with the
        next, as long as the partition is read here. */
    CHAT_LOG_EVENT_COMMITTED,
    /** The records of `partition` at `from_offset` and up to `offset`, which was read next, are not
        there any more. `seq` is that of the position. */
    CHAT_LOG_EVENT_GAP,
    /** Something is wrong: `status` and `text`. CHAT_ERR_CORRUPT: the record at `offset` of
        `partition` is none of ours and was stepped over. CHAT_ERR_IO: this log is dead; open
        another. Otherwise it goes on by itself. */
    CHAT_LOG_EVENT_PROBLEM,
    /** The fence at `offset` of `partition` made `term` the current one; `seq` is that of the last
        record before it. */
    CHAT_LOG_EVENT_FENCED,
    /** The record at `offset` of `partition`, with `id` (0: a fence) and `term`, is void. `seq` is
        that of the last record that counts. */
    CHAT_LOG_EVENT_VOID
} chat_log_event_type;

/** An event; fields that its type does not name are 0. */
typedef struct chat_log_event {
    uint32_t struct_size;     /**< sizeof of this struct, set by the caller */
    chat_log_event_type type; /**< what happened */
    chat_status status;       /**< how it ended */
    uint32_t partition;       /**< of what it tells */
    uint64_t tag;             /**< of the append */
    uint64_t offset;          /**< see the type */
    uint64_t seq;             /**< see the type */
    uint64_t from_offset;     /**< see the type */
    const char *text;         /**< for people, or NULL; borrowed as the record */
    chat_log_record record;   /**< of a RECORD */
    uint64_t term;            /**< see the type */
    uint64_t id;              /**< of a VOID */
} chat_log_event;

/** A log: a table of functions, called one at a time. None blocks. */
typedef struct chat_log {
    uint32_t struct_size;  /**< sizeof of this struct */
    uint32_t n_partitions; /**< of the log; does not change while it is open */
    void *ctx;             /**< first argument of all functions */
    /** A descriptor that is readable when there is something to do. Never changes, is never to be
        read by the caller. */
    int (*fd)(void *ctx);
    /**
     * Append. The answer comes as an event with `tag`. Records of one turn go together.
     *
     * Memory: the record is copied. @return CHAT_OK; CHAT_ERR_ARG no id, no chat; CHAT_ERR_BUSY as
     * much as is allowed waits for its answer: nothing was taken, go on after the next APPENDED;
     * CHAT_ERR_LIMIT larger than a record may be; CHAT_ERR_STATE opened to read only; CHAT_ERR_IO
     * the log is dead; CHAT_ERR_NOMEM
     */
    chat_status (*append)(void *ctx, uint64_t tag, const chat_log_record *record);
    /** Once in a turn, when `fd` is readable or something was committed: commits are sent. */
    void (*process)(void *ctx);
    /**
     * The next event, into `*out` as far as its struct_size goes. Who stops before CHAT_EMPTY calls
     * again without waiting for `fd`. Who calls too seldom (minutes) loses its partitions: to take
     * no records for a while, use `pause`.
     * @return CHAT_OK; CHAT_EMPTY; CHAT_ERR_ARG; CHAT_ERR_NOMEM nothing is lost, call again
     */
    chat_status (*next_event)(void *ctx, chat_log_event *out);
    /**
     * All records of `partition` up to `offset`, that of an event (RECORD, FENCED, VOID) with
     * `seq`, are done with. Only the newest position counts; it is sent by `process`.
     * @return CHAT_OK; CHAT_ERR_STATE the partition is not read here, or it goes backwards
     */
    chat_status (*commit)(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq);
    /**
     * No records of `partition` (or of CHAT_LOG_ALL_PARTITIONS) from now on, or again. Other events
     * come meanwhile. Ends when the partition is revoked.
     * @return CHAT_OK; CHAT_ERR_STATE the partition is not read here
     */
    chat_status (*pause)(void *ctx, uint32_t partition, int is_paused);
    /**
     * Read exactly these `n` partitions, each from the position of the group. One that is new here
     * begins with ASSIGNED. From one that is not among them no more records come and nothing can be
     * committed; what was committed is sent, and when that was answered (or failed for good) it
     * ends with REVOKED. Nobody else is asked: others may read the same partitions and commit the
     * same positions, and it is up to the caller that they do not.
     *
     * Memory: `partitions` is borrowed. @return CHAT_OK; CHAT_ERR_ARG there is no such partition,
     * or it is named twice: nothing changes; CHAT_ERR_STATE the log is not read this way;
     * CHAT_ERR_NOMEM
     */
    chat_status (*assign)(void *ctx, const uint32_t *partitions, size_t n);
    /**
     * Append a fence to `partition`: from there on only records with `term` count. Answered by
     * APPENDED with `tag`; whether it was in time is known when it is read: as FENCED or VOID.
     * @return as `append`; CHAT_ERR_ARG no such partition, or `term` is 0
     */
    chat_status (*fence)(void *ctx, uint64_t tag, uint32_t partition, uint64_t term);
} chat_log;

#ifdef __cplusplus
}
#endif

#endif
