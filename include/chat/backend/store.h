/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write a store: where the records of chats are kept to be read, and with them all
 * that follows from them (who is in which chat, who has read what, what was edited), and what is
 * known of users' devices. With a log (<chat/backend/log.h>) it is all that the servers of a
 * cluster share. libchat-cassandra has one (<chat/cassandra_store.h>); a server that stands alone
 * keeps its own in its data directory.
 *
 * All functions may block and are called from several threads at once. Views that a caller gives
 * are borrowed during the call; those that a callback is given, during the callback, which must not
 * call the store. A function that ends with an error may have called its callback, but for those
 * that say otherwise. Errors: CHAT_ERR_ARG, CHAT_ERR_NOMEM, CHAT_ERR_BUSY (later it may work),
 * CHAT_ERR_TIMEOUT and CHAT_ERR_NETWORK (not reached, or what it said got lost: it may have been
 * done), CHAT_ERR_IO, CHAT_ERR_LIMIT; others are named. Whatever a call that ended with CHAT_OK
 * wrote, every later call on any server finds.
 *
 * Reading and writing are *idempotent*: done twice, or again much later behind newer ones, nothing
 * changes, so who is not sure does it again.
 */
#ifndef CHAT_BACKEND_STORE_H
#define CHAT_BACKEND_STORE_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most records of one CHAT_OK of `apply`, and most rows of one page. */
#define CHAT_STORE_MAX_ROWS 1000u

/** What a member may do; see docs/protocol.md. */
typedef enum chat_store_role {
    CHAT_STORE_ROLE_NONE = 0, /**< no member */
    CHAT_STORE_ROLE_MEMBER,
    CHAT_STORE_ROLE_ADMIN,
    CHAT_STORE_ROLE_OWNER
} chat_store_role;

/** A record of the log, durable there. */
typedef struct chat_store_record {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t partition;   /**< of the log */
    uint64_t id;          /**< a snowflake */
    uint64_t seq;         /**< its place in the partition, and so in its chat */
    uint64_t prev;        /**< out: `seq` of the record before it in its chat, 0: none */
    uint32_t kind;        /**< a chat_frame_type: MSG, CHAT, CHANGE, MARKER, SETTING... */
    uint32_t reserved;    /**< 0 */
    chat_view chat;       /**< which chat it is of */
    chat_view payload;    /**< a CBOR frame of that type, without seq and prev */
} chat_store_record;

/** A member of a group. */
typedef struct chat_store_member {
    chat_view user;       /**< who */
    uint64_t since;       /**< seq of the record that made them a member */
    chat_store_role role; /**< what they may do */
} chat_store_member;

/** A group as it is. */
typedef struct chat_store_chat {
    chat_view title;                  /**< of the group */
    uint32_t is_open;                 /**< 1: anybody may join */
    const chat_store_member *members; /**< all of them */
    size_t n_members;                 /**< how many */
} chat_store_chat;

/** Who asks, and when. */
typedef struct chat_store_visit {
    chat_view user;             /**< who */
    chat_view device;           /**< may be empty */
    uint64_t now_unix_ms;       /**< the time of the question */
    const chat_view *connected; /**< devices of the user that must not be forgotten for this one */
    size_t n_connected;         /**< how many */
} chat_store_visit;

/** A chat of a user; see `load_user`. */
typedef struct chat_store_user_chat {
    chat_view chat;    /**< which chat */
    chat_view title;   /**< of the group */
    uint64_t cursor;   /**< the device has it up to here; not before the user's first membership,
                            but 0 when that is the chat's first record */
    uint64_t last_seq; /**< newest that the user may read */
    uint64_t read_seq; /**< without a device: the user has read so far */
    uint64_t muted_until_ms; /**< without a device: unix ms, 0: never muted */
    uint64_t gap_seq;    /**< with a device: above the cursor, up to here is too much or too old */
    uint32_t unread;     /**< without a device: messages of others behind `read_seq`, 999 at most */
    uint32_t has_unread; /**< 0: it was too much to count */
    uint32_t is_past;    /**< 1: no member any more */
} chat_store_user_chat;

/** A device has everything of a chat up to `seq`. */
typedef struct chat_store_cursor {
    chat_view user;      /**< who */
    chat_view device;    /**< which device */
    chat_view chat;      /**< which chat */
    uint64_t seq;        /**< up to where */
    uint64_t at_unix_ms; /**< since when; 0: nobody will ask */
} chat_store_cursor;

/** A member of a chat and how far he is. */
typedef struct chat_store_mark {
    chat_view user;             /**< who */
    uint64_t read_seq;          /**< he has read so far */
    uint64_t delivered_seq;     /**< of his furthest device */
    uint64_t delivered_unix_ms; /**< since when, of the `seq` that was asked for; 0: not known; */
    uint64_t read_unix_ms;      /**< not in chats of CHAT_STORE_RECEIPT_MEMBERS and more */
} chat_store_mark;

/** In chats of fewer members it is known since when a member has and has read a message. */
#define CHAT_STORE_RECEIPT_MEMBERS 10u

/** Marks of all members. */
typedef struct chat_store_marks {
    const chat_store_mark *items; /**< one for each member */
    size_t n_items;               /**< how many */
    uint64_t seq; /**< of the newest record up to the one that was asked for, 0: none */
} chat_store_marks;

/** A user to whom a message came. */
typedef struct chat_store_away {
    uint64_t muted_until_ms;  /**< the chat; unix ms, 0: never muted */
    uint64_t read_seq;        /**< he has read the chat so far */
    const chat_view *devices; /**< that have not acknowledged the message, in the order of names */
    size_t n_devices;         /**< how many */
    size_t n_known;           /**< of all his devices */
} chat_store_away;

/** A record as it is shown. */
typedef struct chat_store_row {
    uint64_t seq;      /**< its place */
    uint64_t prev;     /**< of the record before it in its chat, 0: none */
    uint64_t id;       /**< a snowflake */
    uint32_t kind;     /**< a chat_frame_type */
    uint32_t reserved; /**< 0 */
    chat_view payload; /**< a CBOR frame of that type */
} chat_store_row;

/** Which page of a chat. */
typedef struct chat_store_query {
    chat_view chat;     /**< which chat */
    uint64_t after;     /**< seq > after, oldest first; UINT64_MAX: use `before` */
    uint64_t before;    /**< seq < before, newest first */
    uint32_t limit;     /**< rows; CHAT_STORE_MAX_ROWS at most */
    uint32_t max_bytes; /**< of payload; the first row always comes; 0: no maximum */
    chat_view user;     /**< of a group only what this user may read; empty: all */
} chat_store_query;

/** The newest records of a chat that a caller has at hand, as they were applied. */
typedef struct chat_store_recent {
    const chat_store_row *rows; /**< the newest first; they may be behind, and have holes */
    size_t n_rows;              /**< how many */
    uint32_t is_used;           /**< out: 1: the page came from them */
    uint32_t reserved;          /**< 0 */
} chat_store_recent;

/** The rules that a store keeps; the same on all servers. A server sets them once. */
typedef struct chat_store_rules {
    uint32_t struct_size;    /**< sizeof of this struct */
    uint32_t max_devices;    /**< of a user; 0: no limit */
    uint64_t offline_ttl_ms; /**< older records are not sent to a device: see gap_seq; 0: all are */
    uint64_t offline_limit;  /**< nor more than so many, over all its chats; 0: all are */
    uint64_t device_ttl_ms;  /**< a device that was not seen for so long is forgotten; 0: never */
} chat_store_rules;

/** Callbacks; `ctx` is what the caller gave. */
typedef void (*chat_store_chat_fn)(void *ctx, const chat_store_chat *chat);
/** See chat_store_chat_fn. */
typedef void (*chat_store_user_chat_fn)(void *ctx, const chat_store_user_chat *row);
/** See chat_store_chat_fn. */
typedef void (*chat_store_device_fn)(void *ctx, chat_view device, uint64_t seen_unix_ms);
/** See chat_store_chat_fn. */
typedef void (*chat_store_away_fn)(void *ctx, const chat_store_away *away);
/** See chat_store_chat_fn. */
typedef void (*chat_store_name_fn)(void *ctx, chat_view name);
/** See chat_store_chat_fn. */
typedef void (*chat_store_marks_fn)(void *ctx, const chat_store_marks *marks);
/** See chat_store_chat_fn. */
typedef void (*chat_store_row_fn)(void *ctx, const chat_store_row *row);

/** A store: a table of functions. */
typedef struct chat_store {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of all functions; must outlive the server */
    /** The first call, once. CHAT_OK; CHAT_ERR_ARG. */
    chat_status (*set_rules)(void *ctx, const chat_store_rules *rules);
    /**
     * Take records, in the order of the log within each chat, and write their `prev`. Only one
     * thread of all servers does this for a partition at a time, several may for different ones;
     * who was the last to do it may be another, see `forget`. A record that can't be read, or of a
     * newer version, is kept and means nothing. After an error any of them may be there: call again
     * with the same.
     */
    chat_status (*apply)(void *ctx, chat_store_record *records, size_t n);
    /** Another server may have applied records of the partition: believe nothing that is
        remembered of it. */
    void (*forget)(void *ctx, uint32_t partition);
    /** A group as it is. CHAT_OK after one call of `fn`; CHAT_ERR_NOT_FOUND. */
    chat_status (*load_chat)(void *ctx, chat_view chat, chat_store_chat_fn fn, void *fn_ctx);
    /**
     * All chats of a user (direct ones too, from their first record on). With a device: makes it
     * known and durable; a new device starts where the user's furthest device is or was, the first
     * at 0. Above max_devices the one that was not seen for longest is forgotten for it. What is
     * behind the cursors is cut to offline_limit records over all chats, none older than
     * offline_ttl_ms: the oldest are named by gap_seq. Self streams (`me:USER`) are left whole.
     * Without one: cursors are 0, and what is unread is counted, over 20,000 records at most.
     * CHAT_OK; CHAT_EMPTY: the same, and the device was not known before; CHAT_ERR_LIMIT: the user
     * has max_devices, and all of them are connected.
     */
    chat_status (*load_user)(void *ctx, const chat_store_visit *visit, chat_store_user_chat_fn fn,
                             void *fn_ctx);
    /** The devices of a user that are known at `now_unix_ms`, in the order of their names. */
    chat_status (*load_devices)(void *ctx, chat_view user, uint64_t now_unix_ms,
                                chat_store_device_fn fn, void *fn_ctx);
    /** The device was seen; nothing happens when it is not known. */
    chat_status (*see_device)(void *ctx, const chat_store_visit *visit);
    /** Forget a device and its cursors, for good. What it had counts further as what its user has.
        CHAT_OK: durable; CHAT_ERR_NOT_FOUND. */
    chat_status (*forget_device)(void *ctx, const chat_store_visit *visit);
    /** Never backwards. That of a device that is not known, or was forgotten, is nothing. */
    chat_status (*put_cursors)(void *ctx, const chat_store_cursor *cursors, size_t n);
    /** Which devices of the user lack the record `seq` of `chat`. CHAT_OK after one call. */
    chat_status (*load_away)(void *ctx, const chat_store_visit *visit, chat_view chat, uint64_t seq,
                             chat_store_away_fn fn, void *fn_ctx);
    /** Whom `user` has blocked, or (`is_reverse`) who has blocked him, in no order. CHAT_OK;
        CHAT_MORE: some only, for more than `limit` (if not 0) are or were. */
    chat_status (*load_blocks)(void *ctx, chat_view user, int is_reverse, uint32_t limit,
                               chat_store_name_fn fn, void *fn_ctx);
    /** Whether `user` has blocked `whom`. */
    chat_status (*has_blocked)(void *ctx, chat_view user, chat_view whom, int *out);
    /** How far the members of a chat are; with a `user` only his own marks are looked up, of the
        others 0 is said. CHAT_OK after one call of `fn`; CHAT_ERR_NOT_FOUND: no such group. */
    chat_status (*load_marks)(void *ctx, chat_view chat, chat_view user, uint64_t seq,
                              chat_store_marks_fn fn, void *fn_ctx);
    /**
     * A page. Messages are as they are now: edited ones with what was written last, deleted ones
     * and their edits without content. A member reads a group from its beginning until a record
     * ends the membership (with that record), and again from the one that begins the next.
     * CHAT_OK: that was all in this direction; CHAT_MORE; with `user` for a group
     * CHAT_ERR_FORBIDDEN: never was a member, CHAT_ERR_NOT_FOUND: no such group.
     */
    chat_status (*read)(void *ctx, const chat_store_query *query, chat_store_row_fn fn,
                        void *fn_ctx);
    /** The reactions to the message `id` that count now, one of a user at most, as `note` records.
        CHAT_OK; CHAT_ERR_NOT_FOUND: no such message that `user` may read. */
    chat_status (*read_reactions)(void *ctx, chat_view chat, chat_view user, uint64_t id,
                                  chat_store_row_fn fn, void *fn_ctx);
    /** As `read`, with the same answer; records that are at hand need not be read when the newest
        of them is the newest of the chat, each says in `prev` that the next one follows, and they
        have the page. NULL: this store has no use for them. */
    chat_status (*read_recent)(void *ctx, const chat_store_query *query, chat_store_recent *recent,
                               chat_store_row_fn fn, void *fn_ctx);
} chat_store;

#ifdef __cplusplus
}
#endif

#endif
