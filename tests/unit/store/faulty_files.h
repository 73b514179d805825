/* SPDX-License-Identifier: MIT */
/*
 * A file table in memory that fails on demand and forgets at a crash what was not synced: every
 * 512-byte sector that was written since the last datasync is kept or lost at random, sizes and
 * names likewise. One thread at a time, but for preads beside one writer (it has a lock).
 */
#ifndef CHAT_TESTS_FAULTY_FILES_H
#define CHAT_TESTS_FAULTY_FILES_H

#include "store/files.h"

#include <pthread.h>

#define FAULTY_FILES_MAX 256

typedef struct faulty_bytes {
    uint8_t *data;
    uint64_t size;
} faulty_bytes;

typedef struct faulty_file {
    char path[256];
    faulty_bytes now;     /* what the process sees */
    faulty_bytes durable; /* what is on the disk for certain */
    int is_there;         /* has a name now */
    int was_there;        /* had one at the last sync_dir */
    int is_locked;
} faulty_file;

typedef struct faulty {
    chat__files table;
    pthread_mutex_t lock;
    faulty_file files[FAULTY_FILES_MAX];
    size_t n_files;
    uint64_t n_preads;
    uint64_t n_datasyncs;
    uint64_t n_pwrites;
    /* knobs; UINT64_MAX: off */
    uint64_t capacity;       /* of all files: preallocating above it gives ENOSPC */
    uint64_t writable_bytes; /* then short, then ENOSPC */
    uint64_t max_write;      /* one pwrite takes so many bytes at most */
    uint64_t writes_to_fail; /* this many succeed, then EIO */
    uint64_t syncs_to_fail;  /* this many succeed, then EIO */
} faulty;

faulty *faulty_new(void);
void faulty_free(faulty *disk);

/* All knobs off. */
void faulty_heal(faulty *disk);

/* The power goes; `*random` is the state of chat's generator in the tests. */
void faulty_crash(faulty *disk, uint64_t *random);

/* Everything as it is now counts as durable: to prepare an image by hand. */
void faulty_settle(faulty *disk);

/* A copy of all files, to start from again. */
faulty *faulty_copy(const faulty *disk);
void faulty_restore(faulty *disk, const faulty *from);

/* The n-th file whose path ends so, by path; NULL. */
faulty_file *faulty_find(faulty *disk, const char *end, size_t n);

/* xorshift64* (Vigna, 2016). */
uint64_t faulty_random(uint64_t *random);

#endif
