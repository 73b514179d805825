/* SPDX-License-Identifier: MIT */
/* The store's parts put together: shared by the files that make up store.h's calls. */
#ifndef CHAT_STORE_INTERNAL_H
#define CHAT_STORE_INTERNAL_H

#include "base/role.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/log.h"
#include "store/scan.h"
#include "store/state.h"
#include "store/store.h"
#include "views/facts.h"
#include "views/members.h"

#define CHAT__STORE_PATH_MAX 4096u

struct chat__store {
    chat_allocator allocator;
    chat_log_sink sink;
    const chat__files *files;
    chat__store_options options;
    char dir[CHAT__STORE_PATH_MAX - 64];
    char log_dir[CHAT__STORE_PATH_MAX - 32];
    char db_path[CHAT__STORE_PATH_MAX];
    int lock_file; /* -1: none */
    chat__log log;
    chat__state state;
    chat__chain_shared chains;
    chat_decoder *decoder; /* the writer's */
    chat__db writer_db;    /* the writer's: heads that are not in memory */
    int is_reading;        /* writer_db is in a transaction, since so many flushes: */
    uint64_t read_flushes;
    chat__db flush_db; /* under flush_lock */
    chat__db read_db;  /* under read_lock */
    pthread_mutex_t flush_lock;
    pthread_mutex_t read_lock;
    chat__state_partition *flush_partitions; /* under flush_lock */
    uint64_t flushed_end;                    /* under the state's lock */
    uint64_t heads_end;                      /* at open: state.db knows of records up to here */
    int is_damaged;                          /* state.db; under the state's lock */
    int has_state;                           /* `state` and the locks are initialised */
};

/*
 * members.c: what a user may read of a group, oldest first; free `*out` with the allocator.
 * CHAT_OK, CHAT_ERR_FORBIDDEN: never was a member, CHAT_ERR_NOT_FOUND, CHAT_ERR_NOMEM, CHAT_ERR_IO.
 */
chat_status chat__store_ranges(chat__store *store, chat_view chat, chat_view user,
                               chat__range **out, size_t *out_n);

/* One line to the log sink. */
void chat__store_say(chat__store *store, chat_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* dir.c: lock and check the directory. `report->problem` is set on failure. */
chat_status chat__store_open_dir(chat__store *store, chat__store_report *report);
void chat__store_close_dir(chat__store *store);

/*
 * apply.c: the views' side of a record, the same for a new one and for one that is replayed.
 * prepare: everything that may fail, by kind, chat, id, seq and (0: the next) ordinal of `record`;
 * `hash`: see chat__state_find(); the chat as it is staged in *out. Then either unprepare, or
 * accept, which cannot fail. discard: undo all that was accepted since the last publish.
 */
chat_status chat__store_prepare(chat__store *store, const chat__record *record, uint32_t hash,
                                chat_view payload, chat__state_chat **out);
void chat__store_unprepare(chat__store *store);
void chat__store_accept(chat__store *store, const chat__record *record);
void chat__store_publish(chat__store *store, uint64_t end);
void chat__store_discard(chat__store *store);

/* marks.c, mutes.c, blocks.c, notes.c: what a fact of the record does. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__store_stage_marker(chat__store *store, chat__state_change *change,
                                     const chat__facts *facts);
chat_status chat__store_stage_mute(chat__store *store, chat__state_change *change, uint64_t seq,
                                   const chat__facts *facts);
chat_status chat__store_stage_block(chat__store *store, chat__state_change *change, uint64_t seq,
                                    const chat__facts *facts);
chat_status chat__store_stage_note(chat__store *store, chat__state_change *change, uint64_t seq,
                                   const chat__facts *facts);
/* runs.c: since when. The numbers are on disk. */
typedef enum chat__run_type { CHAT__RUN_DELIVERED = 1, CHAT__RUN_READ = 2 } chat__run_type;
/* Kept of a user, chat and type; of older messages no time is known. */
#define CHAT__RUNS_MAX 64u
/* A device of the user has it up to `seq`. What is not taken is a time that is not known. */
void chat__store_put_delivered(chat__store *store, chat_view user, chat_view chat, uint64_t seq,
                               uint64_t at_ms);
/* Under the lock: a run that is staged, NULL: no memory; then it is published, which cannot fail.
 */
chat__state_row *chat__store_stage_read(chat__state *state, chat_view user, chat_view chat,
                                        uint64_t seq);
void chat__store_publish_read(chat__state *state, chat__state_row *row, uint64_t seq,
                              uint64_t at_ms);
/* Before cursors and markers of the same flush: it asks how far the user was. */
chat_status chat__store_write_run(chat__store *store, const chat__state_row *row);
typedef struct chat__since {
    chat_view user, chat;
    chat__run_type type;
    uint64_t seq;
} chat__since;
/* Since when the user has, or has read, `seq`; 0: not known. CHAT_OK, CHAT_ERR_IO. */
chat_status chat__store_since(chat__store *store, const chat__since *of, uint64_t *out_ms);
/* marks.c */
/* How far the user has read the chat, 0: not at all. */
chat_status chat__store_read_seq(chat__store *store, chat_view user, chat_view chat,
                                 uint64_t *out_seq);
/* Messages of others behind `after`. Looks at `*budget` records at most and takes them from it.
   CHAT_OK; CHAT_ERR_LIMIT: too much to count; CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__store_count_unread(chat__store *store, chat_view user, chat_view chat,
                                     uint64_t after, uint32_t *budget, uint32_t *out_count);

/* devices.c: what is not in SQLite yet of a device. Under the lock. */
typedef struct chat__device_rows {
    uint64_t seen_ms; /* 0: nothing */
    int is_gone;      /* what SQLite has of it does not count */
} chat__device_rows;
chat__device_rows chat__store_device_rows(chat__store *store, chat_view user, chat_view device);
/* Whether a device that was seen then is forgotten now. */
int chat__store_is_unseen(const chat__store *store, uint64_t seen_ms, uint64_t now_unix_ms);
/* Forget it, known or not. CHAT_OK, CHAT_ERR_BUSY, CHAT_ERR_NOMEM. */
chat_status chat__store_drop_device(chat__store *store, chat_view user, chat_view device);
/* Have room for one more. CHAT_OK; CHAT_ERR_LIMIT: all are connected; else as load_devices. */
chat_status chat__store_make_room(chat__store *store, const chat__store_visit *visit);
/* Under the read lock: when SQLite has it that the device was seen; untouched if it has nothing. */
chat_status chat__store_stored_seen(chat__store *store, chat_view user, chat_view device,
                                    uint64_t *out_seen_ms);
/* load.c: raise a row's value. CHAT_OK, CHAT_ERR_BUSY, CHAT_ERR_NOMEM. */
chat_status chat__store_put_row(chat__store *store, chat__row_type type, chat_view user,
                                chat_view device, chat_view chat, uint64_t value);
uint64_t chat__store_count_flushes(chat__store *store);

/* backlog.c: a chat of a device, to be cut to what it is still sent. */
typedef struct chat__backlog {
    struct chat__backlog *next;
    chat_view chat;
    uint64_t cursor;
    uint64_t last_seq;
    uint64_t gap_seq; /* out: see chat__store_user_chat */
    chat__record newest;
} chat__backlog;
/* CHAT_OK, CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__store_cut_backlog(chat__store *store, chat__backlog *first, uint64_t now_unix_ms);

/* What the record will skip to, once it is the newest of its chat. */
chat__root chat__store_next_skip(const chat__state_chat *chat);

/* recover.c: scan from `from` to the end, apply, cut what was never acknowledged. */
/* Whether anything was written at a record's place; it may be damaged. */
int chat__store_log_has(chat__store *store, uint64_t at);
chat_status chat__store_recover(chat__store *store, uint64_t from, chat__store_report *report);

/*
 * views.c: open state.db and what it says of the log. `*out_from`: replay from there.
 * CHAT_ERR_CORRUPT: close it and move it aside, then the same call begins an empty one.
 */
chat_status chat__store_open_views(chat__store *store, uint64_t *out_from);
void chat__store_close_views(chat__store *store);
chat_status chat__store_move_views_aside(chat__store *store);
/* Say whether the next open may trust state.db without reading all of it. */
chat_status chat__store_mark_clean(chat__store *store, int is_clean);

/* Whether SQLite said that state.db is damaged; passes `status` on. @any */
chat_status chat__store_note(chat__store *store, chat_status status);

/* The durable head of a chat: memory first, then SQLite. CHAT_OK; ordinal 0: no records. */
chat_status chat__store_head(chat__store *store, chat_view chat, chat__state_head *out);

#endif
