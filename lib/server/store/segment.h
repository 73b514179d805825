/* SPDX-License-Identifier: MIT */
/*
 * The log's files. Each has a fixed size, preallocated, and holds the positions [base, base + size)
 * of the log. Readers of any thread look one up and pread from it while the writer adds more.
 */
#ifndef CHAT_STORE_SEGMENT_H
#define CHAT_STORE_SEGMENT_H

#include <chat/status.h>

#include "store/files.h"

#include <pthread.h>

/* Two copies of the head, in different sectors; records start behind. */
#define CHAT__SEGMENT_DATA_AT   4096u
#define CHAT__SEGMENT_MIN_BYTES (64u * 1024u)
#define CHAT__SEGMENT_MAX_BYTES (UINT64_C(1) << 40)

typedef struct chat__segment {
    uint64_t base;
    uint64_t size;
    uint64_t salt;
    int file;
    int is_short; /* the space behind what is written could not be reserved again */
} chat__segment;

typedef struct chat__segments {
    chat_allocator allocator;
    const chat__files *files;
    const char *dir;      /* borrowed */
    pthread_mutex_t lock; /* of items and n_items; only the writer changes them */
    chat__segment *items;
    size_t n_items;
    size_t cap;
    uint64_t min_next_base; /* behind damaged files */
    size_t n_damaged;       /* files without a readable head: left alone */
} chat__segments;

void chat__segments_init(chat__segments *set, const chat_allocator *allocator,
                         const chat__files *files, const char *dir);

/* Close all files. */
void chat__segments_done(chat__segments *set);

/*
 * Open what the directory has, in order. A last file whose making was cut short is removed.
 * CHAT_OK, CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__segments_open(chat__segments *set);

/*
 * Make the next file behind the last: reserved, its head durable. CHAT_OK; CHAT_ERR_FULL,
 * CHAT_ERR_IO, CHAT_ERR_NOMEM: there is no new file.
 */
chat_status chat__segments_add(chat__segments *set, uint64_t size);

/* Remove the last file. CHAT_OK, CHAT_ERR_IO. */
chat_status chat__segments_remove_last(chat__segments *set);

/*
 * Make everything from `at` on in a file unreadable, durably, and reserve it again.
 * CHAT_OK, also when it could only not be reserved (is_short is set); CHAT_ERR_IO.
 */
chat_status chat__segments_cut(chat__segments *set, size_t index, uint64_t at);

/* Reserve what is_short lacks. CHAT_OK, CHAT_ERR_FULL, CHAT_ERR_IO. */
chat_status chat__segments_reserve(chat__segments *set, size_t index);

/* @any The segment that holds a position. CHAT_OK, CHAT_ERR_NOT_FOUND. */
chat_status chat__segments_find(chat__segments *set, uint64_t at, chat__segment *out);

/*
 * @any Another handle of a segment's file, to be closed by the caller: an fdatasync of it takes no
 * error away from those of the log. >= 0 or -errno.
 */
int chat__segments_reopen(const chat__segments *set, const chat__segment *segment);

/* Write all of it, in as many calls as it takes. 0 or -errno. */
int chat__files_write(const chat__files *files, int file, const void *bytes, size_t len,
                      uint64_t at);

/* Status for a -errno of the table. */
chat_status chat__files_status(int64_t result);

#endif
