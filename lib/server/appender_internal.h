/* SPDX-License-Identifier: MIT */
/* What the files of the appender share: appender.c has the threads' life and what shards put in,
   appender_log.c calls the log, appender_slots.c takes
   partitions over, appender_apply.c calls the store. */
#ifndef CHAT_SERVER_APPENDER_INTERNAL_H
#define CHAT_SERVER_APPENDER_INTERNAL_H

#include "appender.h"

typedef struct chat__flight chat__flight;

/* A record on its way: appended, not answered. */
typedef struct chat__sent {
    struct chat__sent *next; /* of its partition */
    chat__append_head *head;
    chat__flight *flight;
} chat__sent;

/* A batch of a shard on its way. */
struct chat__flight {
    chat__flight *next; /* of its shard; or not appended yet */
    chat__batch *batch;
    size_t at;        /* in the batch: what is to be appended next */
    uint32_t n_taken; /* records of it that were appended, or refused */
    uint32_t n_left;  /* records of it that are not answered */
    chat__sent items[];
};

typedef struct chat__flights {
    chat__flight *first, *last;
} chat__flights;

typedef enum chat__part_state {
    CHAT__PART_CLOSED = 0,
    CHAT__PART_OPENING, /* its position is asked for */
    CHAT__PART_WAITING, /* to be fenced */
    CHAT__PART_FENCING,
    CHAT__PART_OPEN
} chat__part_state;

/* A slot: the partitions p with p % slots = slot. */
typedef struct chat__appender_slot {
    uint32_t n_opening; /* partitions that are not open yet */
    uint8_t is_wanted;  /* under the mutex */
    uint32_t n_closes;  /* the same: times that it was to be left */
    uint32_t n_closed;  /* the log thread's: of them told */
    uint8_t is_here;    /* the log thread's, as all that follows: its partitions are read */
    uint8_t is_told;    /* that it is open */
    size_t n_found;     /* records of it that were read and are not applied */
} chat__appender_slot;

/* A partition of the log. */
typedef struct chat__part {
    chat__part_state state;
    uint32_t n_fences;
    uint64_t term; /* ours */
    uint64_t seq;  /* of the newest record that was read */
    chat__sent *first, *last;
} chat__part;

/* A record that was read, until the store has it. */
typedef struct chat__found {
    uint64_t offset;
    chat__sent *own; /* NULL: nobody waits for it */
    size_t chat_at;  /* in `bytes` */
    size_t payload_at;
} chat__found;

/* Records that were read and are applied together. */
typedef struct chat__harvest {
    chat__buf records; /* of chat_store_record */
    chat__buf founds;  /* of chat__found, as many */
    chat__buf bytes;
    size_t n;
} chat__harvest;

#define CHAT__APPENDER_FENCE_TAG UINT64_C(1) /* of other appends it is a chat__sent */

#define CHAT__APPENDER_LANES 4u /* calls of the store at a time */

typedef enum chat__harvest_place {
    CHAT__HARVEST_FREE = 0, /* the log thread's */
    CHAT__HARVEST_READY,    /* the lane's thread's */
    CHAT__HARVEST_DONE      /* applied, the log thread's again */
} chat__harvest_place;

/* The way of some partitions into the store, beside those of the others. */
typedef struct chat__lane {
    chat__appender *appender;
    uv_thread_t thread;
    uv_cond_t wake;
    int has_wake, is_running;
    chat__harvest_place place; /* under the mutex */
    chat__harvest applying;
    chat__harvest reading; /* the log thread's */
} chat__lane;

struct chat__appender {
    chat_server *server;
    chat_log log;
    chat_store store;
    chat__mailbox box;
    uv_mutex_t mutex;
    uv_cond_t open_wake;
    uv_thread_t log_thread;
    int has_box, has_sync;
    int is_log_running;
    chat__lane lanes[CHAT__APPENDER_LANES];
    int wake_fd; /* readable: look at the box */
    atomic_int is_stopping;
    chat__appender_hooks hooks;
    chat__appender_slot *slots;
    /* under the mutex */
    uint32_t n_wanted, n_open; /* slots */
    uint64_t max_seq;          /* of those that were opened */
    chat_status broken;        /* why it ended */
    /* the log thread's */
    chat__flights *of_shards; /* on their way, in order */
    chat__part *parts;
    int must_assign; /* what is read has changed, and the log was not told */
    int is_paused;
    _Atomic uint64_t n_appended, n_read, n_applied, n_retries, waiting_bytes;
};

static inline chat__lane *chat__appender_lane_of(chat__appender *appender, uint32_t partition)
{
    return &appender->lanes[partition % CHAT__APPENDER_LANES];
}

static inline uint32_t chat__appender_slot_of(const chat__appender *appender, uint32_t partition)
{
    return partition % appender->server->n_shards;
}

/* The server ends: `why` says what happened and what to do. @thread any */
void chat__appender_fail(chat__appender *appender, chat_status status, const char *why);

/* @thread any. The log thread looks at its box and at the store. */
void chat__appender_wake(chat__appender *appender);

/* appender_slots.c. @thread log */
/* Read what is wanted now. */
void chat__appender_assign(chat__appender *appender);
void chat__appender_fence_all(chat__appender *appender);
/* Tell of slots whose partitions are open, once the store has what was in them. */
void chat__appender_tell_open(chat__appender *appender);
void chat__appender_note_seq(chat__part *part, uint64_t seq);
void chat__appender_on_assigned(chat__appender *appender, const chat_log_event *event);
void chat__appender_on_fenced(chat__appender *appender, const chat_log_event *event);
/* A fence was not appended, as far as is known. */
void chat__appender_on_unfenced(chat__appender *appender, const chat_log_event *event);
void chat__appender_lose(chat__appender *appender, uint32_t partition);

/* @thread log */
void chat__appender_log_main(void *arg);
/* @thread the lane's; `arg` is the lane. */
void chat__appender_lane_main(void *arg);

#endif
