/* SPDX-License-Identifier: MIT */
/*
 * Embedded storage: the log (segment files) and its views in SQLite, in one directory. Knows
 * nothing of connections or loops. Used by the server runtime, tools and the simulator.
 *
 * Threads: "writer" calls come from one thread at a time; "any" calls from any thread at once.
 */
#ifndef CHAT_STORE_STORE_H
#define CHAT_STORE_STORE_H

#include <chat/frame.h>

#include "store/files.h"
#include "views/members.h"

typedef struct chat__store chat__store;

typedef struct chat__store_options {
    const chat_allocator *allocator;
    chat_log_sink log;
    const char *dir;            /* made if missing */
    const chat__files *files;   /* NULL: the operating system's */
    uint32_t n_partitions;      /* 64; fixed when the directory is made */
    uint64_t segment_bytes;     /* 64 MiB, preallocated */
    uint64_t checkpoint_bytes;  /* flush the state at least every so many bytes of log: 64 MiB */
    uint64_t state_cache_bytes; /* 64 MiB */
    uint64_t offline_ttl_ms;    /* see gap_seq; 0: no limit */
    uint64_t offline_limit;     /* records; 0: no limit */
    uint64_t device_ttl_ms;     /* a device that was not seen for so long is forgotten; 0: never */
    uint32_t max_devices;       /* of a user; 0: no limit */
    int is_volatile;            /* commit without fdatasync: for benchmarks and tests only */
} chat__store_options;

void chat__store_options_init(chat__store_options *options);

/* What opening found, for the log and for tests. */
typedef struct chat__store_report {
    uint64_t n_records;         /* scanned behind the last checkpoint */
    uint64_t n_torn_bytes;      /* cut from the end: never acknowledged */
    uint64_t n_damaged_records; /* bad checksum before the end: stepped over, reported */
    uint64_t max_id;            /* highest id known: pass to the id generators */
    char problem[256];          /* on failure: what is wrong and what to do, else "" */
} chat__store_report;

/*
 * Open or make a data directory and recover it. `report` is always written.
 * CHAT_OK; CHAT_ERR_IN_USE another process has it; CHAT_ERR_VERSION written by a newer version or
 * with another n_partitions; CHAT_ERR_IO not writable; CHAT_ERR_FULL; CHAT_ERR_CORRUPT;
 * CHAT_ERR_NOMEM
 */
chat_status chat__store_open(const chat__store_options *options, chat__store_report *report,
                             chat__store **out);

/* @writer Flush the state, write a clean-shutdown mark, close. NULL does nothing. */
void chat__store_close(chat__store *store);

typedef struct chat__store_record {
    /* in */
    uint32_t partition;
    uint32_t kind; /* CHAT_FRAME_MSG, _CHAT, _CHANGE, _MARKER or _NOTE */
    uint64_t id;
    chat_view chat;
    chat_view payload; /* CBOR frame of type `kind` */
    uint32_t hash;     /* of `chat`, as chat__store_expect() said, or 0 */
    /* out */
    uint64_t seq;  /* max(previous seq of the partition + 1, id) */
    uint64_t prev; /* seq of the record before it in its chat, 0: none */
} chat__store_record;

/* Records of a batch that are known so far ahead are expected: see chat__store_expect(). */
#define CHAT__STORE_AHEAD 8u

/* @writer A record of `chat` is to be appended behind CHAT__STORE_AHEAD others: what is in memory
   of the chat is had into the CPU's cache meanwhile. For its `hash`; nothing else depends on it. */
uint32_t chat__store_expect(chat__store *store, chat_view chat);

/*
 * @writer Stage a record for the next commit and give it its place. Copies. On an error nothing of
 * the record is staged, and what was staged before stays.
 * CHAT_OK; CHAT_ERR_FULL disk, found when a segment is preallocated: later calls may work;
 * CHAT_ERR_BUSY commit first (a commit writes 32 MiB or two segments at most), or flush first (what
 * is not in SQLite yet fills state_cache_bytes); CHAT_ERR_IO after a failed commit; CHAT_ERR_LIMIT
 * payload above 1 MiB or ids used up; CHAT_ERR_ARG; CHAT_ERR_NOMEM.
 */
chat_status chat__store_append(chat__store *store, chat__store_record *record);

/*
 * @writer The same for a record that got its `seq` elsewhere. What cannot be read, or is of a kind
 * that nobody knows, is kept and means nothing. CHAT_ERR_STATE: its chat has one that is as new.
 */
chat_status chat__store_append_given(chat__store *store, chat__store_record *record);

/*
 * @writer Write what is staged, fdatasync once, make it visible to readers. On CHAT_ERR_FULL
 * nothing of it exists and the store goes on. CHAT_ERR_IO is final: the log takes nothing more, and
 * whether the batch is found after a restart nobody knows.
 */
chat_status chat__store_commit(chat__store *store);

/*
 * @any one at a time; never waits for the writer longer than a hash table takes to swap. Write the
 * views to SQLite in one transaction with the log position up to which they are true.
 */
chat_status chat__store_flush(chat__store *store);

/* Whether chat__store_flush() is due by checkpoint_bytes. @any */
int chat__store_wants_flush(chat__store *store);

/* Bytes of log behind the last flush: what recovery would read. @any */
uint64_t chat__store_lag(chat__store *store);

/* Borrowed during the call. */
typedef chat__member chat__store_member;

typedef struct chat__store_chat {
    chat_view title;
    int is_open; /* anybody may join */
    const chat__store_member *members;
    size_t n_members;
} chat__store_chat;
typedef void (*chat__store_chat_fn)(void *ctx, const chat__store_chat *chat);

/* @any A group as it is now. CHAT_OK after one call of `fn`; CHAT_ERR_NOT_FOUND; CHAT_ERR_IO. */
chat_status chat__store_load_chat(chat__store *store, chat_view chat, chat__store_chat_fn fn,
                                  void *ctx);

typedef struct chat__store_user_chat {
    chat_view chat;
    chat_view title;
    uint64_t cursor;   /* not before the user's first membership, but 0 in a chat's first record */
    uint64_t last_seq; /* that the user may read */
    uint64_t read_seq; /* with an empty `device`: the user has read so far */
    uint32_t unread;   /* messages of others behind it, 999 at most */
    uint32_t has_unread;     /* else it was too much to count */
    int is_past;             /* no member any more */
    uint64_t muted_until_ms; /* with an empty `device`: unix ms, 0: never muted */
    uint64_t gap_seq; /* with a device: above the cursor, up to here is too much or too old */
} chat__store_user_chat;
typedef void (*chat__store_user_chat_fn)(void *ctx, const chat__store_user_chat *row);

/* Who asks. */
typedef struct chat__store_visit {
    chat_view user;
    chat_view device; /* may be empty */
    uint64_t now_unix_ms;
    const chat_view *connected; /* devices of the user that must not be forgotten for this one */
    size_t n_connected;
} chat__store_visit;

/*
 * @any All chats of a user (direct ones too, from their first record on). With a device: makes it
 * known; a new device starts where the user's furthest device is or was, the first at 0. Above
 * max_devices the one that was not seen for longest is forgotten for it.
 * What is behind the cursors is cut to offline_limit records over all chats, none older than
 * offline_ttl_ms: the oldest are named by gap_seq. Self streams are left whole.
 * An empty `device`: cursors are 0, and it is looked up how far the user has read and counted how
 * much is unread: 20,000 records for all chats together.
 * CHAT_OK; CHAT_EMPTY: the same, and the device was not known before: flush before it gets
 * anything, so that a kill does not make it unknown again; CHAT_ERR_LIMIT: the user has
 * max_devices, and all of them are connected; CHAT_ERR_IO, CHAT_ERR_NOMEM, CHAT_ERR_BUSY,
 * CHAT_ERR_ARG
 */
chat_status chat__store_load_user(chat__store *store, const chat__store_visit *visit,
                                  chat__store_user_chat_fn fn, void *ctx);

/* @any Whether the device is known, and when it was seen last. CHAT_OK, CHAT_EMPTY; CHAT_ERR_ARG,
   CHAT_ERR_IO. */
chat_status chat__store_find_device(chat__store *store, const chat__store_visit *visit,
                                    uint64_t *out_seen_ms);

typedef void (*chat__store_device_fn)(void *ctx, chat_view device, uint64_t seen_ms);

/* @any The devices of a user that are known, in the order of their names. CHAT_OK; CHAT_ERR_ARG,
   CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__store_load_devices(chat__store *store, chat_view user, uint64_t now_unix_ms,
                                     chat__store_device_fn fn, void *ctx);

/*
 * @any The device was seen at `now_unix_ms`; nothing happens when it is not known.
 * CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_BUSY, CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__store_see_device(chat__store *store, const chat__store_visit *visit);

/*
 * @any Forget a device and its cursors; durable by a flush. What it had counts further as what its
 * user has. CHAT_OK; CHAT_ERR_NOT_FOUND; CHAT_ERR_BUSY flush first; CHAT_ERR_ARG, CHAT_ERR_IO,
 * CHAT_ERR_NOMEM: nothing changed.
 */
chat_status chat__store_forget_device(chat__store *store, const chat__store_visit *visit);

/*
 * @any Forget devices that were not seen for device_ttl_ms, `max` at most; no answer of the store
 * depends on when. CHAT_OK: that was all; CHAT_MORE; CHAT_ERR_BUSY, CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__store_forget_unseen(chat__store *store, uint64_t now_unix_ms, uint32_t max);

/*
 * @any The device has everything of the chat up to `seq`; never backwards; durable by a flush.
 * `at_ms` (unix ms): when, 0: nobody will ask.
 * CHAT_OK; CHAT_ERR_BUSY flush first; CHAT_ERR_ARG, CHAT_ERR_NOMEM. What is not taken is lost only
 * as far as the device gets those messages again.
 */
chat_status chat__store_put_cursor(chat__store *store, chat_view user, chat_view device,
                                   chat_view chat, uint64_t seq, uint64_t at_ms);

/*
 * @any Until when `user` has muted `chat` (unix ms); 0: never muted. It is muted at a time before.
 * CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_IO.
 */
chat_status chat__store_muted_until(chat__store *store, chat_view user, chat_view chat,
                                    uint64_t *out_unix_ms);

/* A user to whom a message came; borrowed during the call. */
typedef struct chat__store_away {
    uint64_t muted_until_ms;  /* the chat; unix ms, 0: never muted */
    uint64_t read_seq;        /* he has read the chat so far */
    const chat_view *devices; /* that have not acknowledged the message */
    size_t n_devices;
    size_t n_known; /* of all his devices */
} chat__store_away;
typedef void (*chat__store_away_fn)(void *ctx, const chat__store_away *away);

/* @any Which devices of the user lack the record `seq` of `chat`, in the order of their names.
   CHAT_OK after one call of `fn`; CHAT_ERR_ARG, CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__store_load_away(chat__store *store, const chat__store_visit *visit,
                                  chat_view chat, uint64_t seq, chat__store_away_fn fn, void *ctx);

/*
 * @any Whom `user` has blocked, or (with `is_reverse`) who has blocked him: fn() for each, in no
 * order. CHAT_OK; CHAT_MORE: some only, for more than `limit` (when not 0) are or were blocked;
 * CHAT_ERR_ARG; CHAT_ERR_IO; CHAT_ERR_NOMEM.
 */
typedef void (*chat__store_name_fn)(void *ctx, chat_view name);
chat_status chat__store_blocks(chat__store *store, chat_view user, int is_reverse, uint32_t limit,
                               chat__store_name_fn fn, void *ctx);
/* @any Whether `user` has blocked `whom`. CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_IO. */
chat_status chat__store_has_blocked(chat__store *store, chat_view user, chat_view whom, int *out);

/* A member of a chat and how far he is. */
typedef struct chat__store_mark {
    chat_view user;
    uint64_t read_seq;
    uint64_t delivered_seq;     /* of his furthest device */
    uint64_t delivered_unix_ms; /* since when, of the `seq` that was asked for, 0: not known; */
    uint64_t read_unix_ms;      /* not without a `seq`, nor with a `user`, nor in a large chat */
} chat__store_mark;

typedef struct chat__store_marks {
    const chat__store_mark *items; /* one for each member */
    size_t n_items;
    uint64_t seq; /* of the newest durable record up to the `seq` that was asked for, 0: none */
} chat__store_marks;
typedef void (*chat__store_marks_fn)(void *ctx, const chat__store_marks *marks);

/*
 * @any How far the members of a chat are; with a `user` only his own marks are looked up.
 * CHAT_OK after one call of `fn`; CHAT_ERR_NOT_FOUND no such group; CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__store_load_marks(chat__store *store, chat_view chat, chat_view user, uint64_t seq,
                                   chat__store_marks_fn fn, void *ctx);

typedef struct chat__store_row {
    uint64_t seq;
    uint64_t prev;
    uint64_t id;
    uint32_t kind;
    chat_view payload; /* borrowed during the call */
} chat__store_row;
typedef void (*chat__store_row_fn)(void *ctx, const chat__store_row *row);

typedef struct chat__store_query {
    chat_view chat;
    uint64_t after;  /* seq > after, oldest first; UINT64_MAX: use `before` */
    uint64_t before; /* seq < before, newest first */
    uint32_t limit;
    uint32_t max_bytes; /* of payload; the first row always comes; 0: no maximum */
    chat_view user;     /* of a group only what this user may read; empty: all */
} chat__store_query;

/*
 * @any The reactions to the message `id` that count now, one of a user at most, as `note` records.
 * CHAT_OK; CHAT_ERR_NOT_FOUND no such message that `user` may read; else as chat__store_read().
 */
chat_status chat__store_read_reactions(chat__store *store, chat_view chat, chat_view user,
                                       uint64_t id, chat__store_row_fn fn, void *ctx);

/*
 * @any Durable records of a chat, 1,000 at most, messages as they are now: edited ones with what
 * was written last, deleted ones and their edits without content. A damaged record is left out. An
 * unknown chat has none. `fn` may not call the store. A member reads a group from its beginning
 * until a record ends the membership (with that record), and again from the one that begins the
 * next. CHAT_OK: that was all in this direction; CHAT_MORE: there are more; CHAT_ERR_IO; with
 * `user` for a group CHAT_ERR_FORBIDDEN: never was a member, CHAT_ERR_NOT_FOUND: no such group.
 */
chat_status chat__store_read(chat__store *store, const chat__store_query *query,
                             chat__store_row_fn fn, void *ctx);

#endif
