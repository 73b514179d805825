/* SPDX-License-Identifier: MIT */
/*
 * The writing end of the log: records are staged in one buffer and written by one commit. Knows
 * nothing of chats. All calls from the writer.
 */
#ifndef CHAT_STORE_LOG_H
#define CHAT_STORE_LOG_H

#include "base/buf.h"
#include "store/record.h"
#include "store/segment.h"

/* Most that one commit writes. */
#define CHAT__LOG_BATCH_MAX (32u << 20)

/* A run of staged records in one segment. */
typedef struct chat__log_piece {
    size_t segment;
    uint64_t at;
    size_t from; /* in the buffer */
    size_t len;
} chat__log_piece;

typedef struct chat__log {
    chat__segments segments;
    chat__buf buf;
    chat__log_piece pieces[2];
    size_t n_pieces;
    size_t tail;  /* segment of `end` */
    uint64_t end; /* behind the last durable record; 0: no segment yet */
    uint64_t segment_bytes;
    uint32_t batch;
    int is_volatile;
    int is_dead; /* a write failed in a way that cannot be taken back */
} chat__log;

void chat__log_init(chat__log *log, const chat_allocator *allocator, const chat__files *files,
                    const char *dir, uint64_t segment_bytes, int is_volatile);
void chat__log_done(chat__log *log);

/*
 * Find room for a record of `size` bytes. Until the next call `*out` may be written with what
 * chat__record_encode() makes of `*out_at` and `*out_salt`.
 * CHAT_OK; CHAT_ERR_FULL no next segment, nothing staged; CHAT_ERR_BUSY commit first;
 * CHAT_ERR_LIMIT larger than a segment; CHAT_ERR_IO; CHAT_ERR_NOMEM.
 */
chat_status chat__log_stage(chat__log *log, uint64_t size, uint64_t *out_at, uint64_t *out_salt,
                            uint8_t **out);

/*
 * Write what is staged. CHAT_OK: it is durable. CHAT_ERR_FULL: nothing of it is in the log, which
 * goes on. CHAT_ERR_IO: the log takes nothing any more; what was staged may or may not be found
 * after a restart.
 */
chat_status chat__log_commit(chat__log *log);

/* Drop what is staged. */
void chat__log_discard(chat__log *log);

/* Where the next record goes at the earliest. */
uint64_t chat__log_staged_end(const chat__log *log);

#endif
