/* SPDX-License-Identifier: MIT */
/*
 * The views of the log that are in memory: heads of chains, and what SQLite does not have yet
 * (groups, memberships, devices, cursors). A view is changed in two steps: staged with a record by
 * the writer, then published when the record is durable. What is published and not yet in SQLite
 * is dirty and stays in memory; a flush takes all dirty ones at once and writes them outside the
 * lock. A reader looks here first and then in SQLite, and so always finds the newest.
 */
#ifndef CHAT_STORE_STATE_H
#define CHAT_STORE_STATE_H

#include "base/map.h"
#include "store/chain.h"
#include "store/store.h"

/* Part of each thing that can be dirty. */
typedef struct chat__state_node {
    struct chat__state_node *next;
    struct chat__state_node *prev;
    uint64_t epoch;   /* 0: clean; the state's: dirty; the one before: being written */
    uint32_t n_bytes; /* of memory */
    uint8_t is_chat;  /* else a row */
    uint8_t is_again; /* changed while it was being written */
} chat__state_node;

/* What is known of a group besides its members; one block of memory, never changed. */
typedef struct chat__state_meta {
    uint32_t n_refs;
    uint32_t n_bytes;
    uint64_t created_ms; /* 0: SQLite knows it */
    int is_open;         /* -1: SQLite knows it */
    chat_view title;     /* bytes behind */
} chat__state_meta;

typedef struct chat__state_head {
    uint64_t at;
    uint64_t ordinal;
    uint64_t seq;
    uint32_t n_roots;
    uint32_t joins; /* whether the next record does, see chain.h */
} chat__state_head;

typedef struct chat__state_chat {
    chat__state_node node;
    struct chat__state_chat *newer; /* in the order of coming, see evict(); the writer's */
    struct chat__state_chat *older;
    chat__state_head head;   /* durable; under the lock */
    chat__state_head staged; /* the writer's */
    chat__root *roots;       /* the durable ones, then cap_roots staged ones */
    uint32_t cap_roots;
    uint32_t n_staged;
    chat__state_meta *meta;        /* not in SQLite yet; under the lock */
    chat__state_meta *staged_meta; /* the writer's */
    uint8_t is_used;               /* since it came or was last looked at to be dropped */
    uint8_t len;
    uint8_t name[];
} chat__state_chat;

typedef enum chat__row_type {
    CHAT__ROW_MEMBER =
        'm', /* user, chat, seq in place of a device; value: see chat__member_event */
    CHAT__ROW_DEVICE = 'd', /* user, device; value: last seen, 0: forgotten */
    CHAT__ROW_CURSOR = 'c', /* user, device (or none, see devices.c), chat; value: seq */
    CHAT__ROW_GONE = 'g',   /* user, device: what SQLite has of it does not count */
    CHAT__ROW_READ = 'r',   /* user, chat; value: read up to this seq */
    CHAT__ROW_MUTE = 'q',   /* user, seq in place of a device, chat; value: until, unix ms */
    CHAT__ROW_BLOCK = 'b',  /* user, seq, and whom in place of a chat; value: 1: blocked, 2: not */
    CHAT__ROW_RUN = 't',    /* user, chat, what in place of a device, see runs.c; value: seq */
    CHAT__ROW_NOTE = 'n' /* user, message's seq and what in place of a device, chat; value: seq */
} chat__row_type;

struct chat__state_user;

/* Values only grow (a membership's never changes), so the order in which they are written does not
   matter: but for those of a device that is forgotten, see devices.c. */
typedef struct chat__state_row {
    chat__state_node node;
    struct chat__state_user *user;
    struct chat__state_row *next_of_user;
    struct chat__state_row *prev_of_user;
    struct chat__state_user *group; /* MEMBER, NOTE: the same by chat; BLOCK: by whom */
    struct chat__state_row *next_of_group;
    struct chat__state_row *prev_of_group;
    uint64_t value;
    uint64_t at_ms;    /* RUN: unix ms */
    uint32_t n_staged; /* while not published, readers do not see a row that is clean */
    uint8_t type;
    uint8_t is_told; /* RUN: somebody was told this time */
    uint8_t user_len;
    uint8_t device_len;
    uint8_t chat_len;
    uint8_t key[]; /* type, length of the user, user, length of the device, device, chat */
} chat__state_row;

/* Rows of one user, or memberships and notes of one chat, so that they can be loaded. Lives as long
   as it has rows. */
typedef struct chat__state_user {
    chat__state_row *rows;
    uint8_t len;
    uint8_t name[];
} chat__state_user;

typedef struct chat__state_list {
    chat__state_node *first;
    chat__state_node *last;
} chat__state_list;

typedef struct chat__state_partition {
    uint64_t seq;
    uint64_t next_offset;
} chat__state_partition;

/* How to undo one staged record. */
typedef struct chat__state_change {
    chat__state_chat *chat;
    chat__state_head before;
    chat__root popped[2]; /* the last two roots before */
    uint32_t partition;
    chat__state_partition partition_before;
    uint64_t id;
    uint64_t at;
    chat__state_meta *meta; /* staged with it */
    chat__state_row **rows; /* staged with it */
    uint8_t *values;        /* of the rows, once it is published; behind them */
    size_t n_rows;
    chat__state_row *mark; /* staged with it, to have at least this value */
    uint64_t mark_value;
    chat__state_row *run; /* staged with it: when that was read */
    uint64_t run_ms;
} chat__state_change;

typedef struct chat__state {
    chat_allocator allocator;
    pthread_mutex_t lock; /* short: held for table look-ups and publishing only */
    chat__map chats;
    chat__map rows;
    chat__map users;
    chat__map groups; /* by chat: those with members or notes in `rows`; by who is blocked */
    chat__state_list dirty;
    chat__state_list writing;
    uint64_t epoch;
    uint64_t n_flushes;
    uint64_t n_bytes; /* of all nodes */
    uint64_t n_dirty_bytes;
    uint64_t max_bytes;
    uint64_t end;     /* of the log, up to which all is published */
    uint64_t last_at; /* the newest record that is published */
    uint64_t max_id;
    uint32_t n_partitions;
    chat__state_partition *partitions; /* published, under the lock */
    /* the writer's */
    chat__state_partition *staged_partitions;
    chat__state_chat *newest;
    chat__state_chat *oldest;
    chat__state_change *changes;
    size_t n_changes;
    size_t cap_changes;
    uint64_t staged_max_id;
    uint32_t expected[CHAT__STORE_AHEAD]; /* hashes of names; a ring */
    uint32_t n_expected;
} chat__state;

chat_status chat__state_init(chat__state *state, const chat_allocator *allocator,
                             uint32_t n_partitions, uint64_t max_bytes);
void chat__state_done(chat__state *state);

/* @writer A chat in memory, or NULL. `hash` of its name, 0: not known. */
chat__state_chat *chat__state_find(chat__state *state, chat_view name, uint32_t hash);

/* @writer A record of this chat comes in CHAT__STORE_AHEAD records, most likely: have what is in
   memory of it come into the CPU's cache meanwhile. The hash of the name. */
uint32_t chat__state_expect(chat__state *state, chat_view name);

/* @writer Put a clean chat in, with room for `head.n_roots` roots; makes room by dropping clean
   ones. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__state_put_chat(chat__state *state, chat_view name, const chat__state_head *head,
                                 const chat__root *roots, chat__state_chat **out);

/* @writer Have room for one more root and for those of `ordinal`. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__state_grow_roots(chat__state *state, chat__state_chat *chat, uint64_t ordinal);

/* Whether dirty views fill the memory: flush before more is taken. @any */
int chat__state_is_full(chat__state *state);

/* Under the lock, from here on. */

/* A row, made if missing; not dirty yet. NULL: out of memory. */
chat__state_row *chat__state_row_of(chat__state *state, chat__row_type type, chat_view user,
                                    chat_view device, chat_view chat);
/* A row that is in memory, or NULL. */
chat__state_row *chat__state_find_row(chat__state *state, chat__row_type type, chat_view user,
                                      chat_view device, chat_view chat);
/* That `user` became or ceased to be something in `chat` by the record `seq`. */
chat__state_row *chat__state_member_of(chat__state *state, chat_view user, chat_view chat,
                                       uint64_t seq);
uint64_t chat__state_row_seq(const chat__state_row *row);
chat__state_user *chat__state_user_of(chat__state *state, chat_view user);
chat__state_user *chat__state_group_of(chat__state *state, chat_view chat);
void chat__state_mark_dirty(chat__state *state, chat__state_node *node);
/* Whether it is a row CHAT__ROW_GONE: written first and given back first, so that as long as such a
   row is in memory, so is all that is newer. */
int chat__state_is_gone(const chat__state_node *node);
/* Free a row that is neither dirty nor staged. */
void chat__state_drop_row_if_idle(chat__state *state, chat__state_row *row);

chat_view chat__state_row_user(const chat__state_row *row);
chat_view chat__state_row_device(const chat__state_row *row);
chat_view chat__state_row_chat(const chat__state_row *row);

/* Replace what a chat holds of its group; takes `meta`, which may be NULL. */
void chat__state_set_meta(chat__state *state, chat__state_chat *chat, chat__state_meta *meta);
void chat__state_meta_free(chat__state *state, chat__state_meta *meta); /* drops one reference */

/* A flush: take all dirty ones into `writing` (under the lock); then, written or not, give them
   back (not under the lock). */
void chat__state_flush_begin(chat__state *state);
void chat__state_flush_end(chat__state *state, int is_written);

#endif
