/* SPDX-License-Identifier: MIT */
/* Between the files of a log in memory: log.c has what is stored and appends, log_read.c readers.
 */
#ifndef CHAT_TESTING_LOG_INTERNAL_H
#define CHAT_TESTING_LOG_INTERNAL_H

#include <chat/testing_log.h>

#include "id/follow.h"

#include <pthread.h>

typedef struct chat__log_entry {
    struct chat__log_entry *next; /* of its partition, or of those that wait */
    uint64_t offset, id, term, tag;
    uint32_t partition, kind, turns;
    chat_status status;
    uint8_t is_lost, is_fence;
    size_t chat_len, payload_len;
    uint8_t bytes[]; /* chat, payload */
} chat__log_entry;

/* An answer that waits to be read. */
typedef struct chat__log_answer {
    struct chat__log_answer *next;
    uint64_t tag, offset;
    uint32_t partition;
    chat_status status;
} chat__log_answer;

typedef struct chat__log_partition {
    chat__log_entry *first, *last;
    uint64_t begin, end; /* offsets: of the first that is kept, of the next */
} chat__log_partition;

typedef struct chat__log_position {
    uint64_t offset;
    chat__follow_at at;
    uint8_t is_there;
} chat__log_position;

typedef struct chat__log_group {
    struct chat__log_group *next;
    chat__log_position *positions; /* one for each partition, in the same block */
    char name[];
} chat__log_group;

/* What a handle knows of a partition that it reads. */
typedef struct chat__log_reader {
    chat__follow follow;
    const chat__log_entry *at; /* the one that was read last; NULL: begin at `next` */
    uint64_t next, position;
    uint64_t commit_offset;
    chat__follow_at commit_at;
    uint64_t told_offset; /* of COMMITTED */
    uint8_t is_wanted, is_read, is_leaving, is_paused, is_dirty;
    uint8_t tells_committed, tells_assigned, tells_revoked;
} chat__log_reader;

struct chat_test_log_handle {
    struct chat_test_log_handle *next;
    chat_test_log *log;
    chat_log table;
    int fd;
    chat_test_log_way way;
    chat__log_group *group; /* NULL: reads nothing */
    chat__log_reader *readers;
    uint32_t turn; /* the partition that is looked at next */
    uint32_t n_told;
    int is_unsettled;
    chat__log_entry *waiting, **last_waiting;
    chat__log_answer *answers, **last_answer;
    uint32_t n_waiting;
    int is_held;
    uint32_t n_lose, slow_turns;
    chat_status fails;
};

struct chat_test_log {
    chat_allocator allocator;
    chat_test_log_options options;
    pthread_mutex_t mutex; /* over all that follows, and all handles */
    chat__log_partition *partitions;
    chat__log_group *groups;
    chat_test_log_handle *handles;
};

/* All under the lock. */
void chat__log_wake(const chat_test_log_handle *handle);
void chat__log_wake_all(const chat_test_log *log);
/* Who of a group reads what; when a handle came or went. */
void chat__log_share(chat_test_log *log, const chat__log_group *group);
void chat__log_commit_all(chat_test_log_handle *handle);
void chat__log_close_readers(chat_test_log_handle *handle);
/* CHAT_OK: an event; CHAT_EMPTY; CHAT_ERR_NOMEM. */
chat_status chat__log_next(chat_test_log_handle *handle, chat_log_event *out);

/* Of the table; they take the lock. */
chat_status chat__log_commit(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq);
chat_status chat__log_pause(void *ctx, uint32_t partition, int is_paused);
chat_status chat__log_assign(void *ctx, const uint32_t *partitions, size_t n);

#endif
