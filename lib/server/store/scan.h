/* SPDX-License-Identifier: MIT */
/*
 * Reads the log forward, record by record, over damage too: where no record is, it looks for the
 * next one at each aligned place. Used by recovery and to find a way round a damaged record.
 */
#ifndef CHAT_STORE_SCAN_H
#define CHAT_STORE_SCAN_H

#include "base/buf.h"
#include "store/record.h"
#include "store/segment.h"

typedef struct chat__scan {
    chat__segments *segments;
    chat__buf window;    /* bytes of the current segment */
    uint64_t window_at;  /* position of its first byte */
    uint64_t at;         /* where to look next */
    uint64_t stop;       /* nothing from here on is looked at */
    uint64_t damage_at;  /* first byte since the last record that should not be there, or MAX */
    uint64_t damage_end; /* behind the last such byte */
    uint64_t end;        /* behind the last record */
} chat__scan;

void chat__scan_init(chat__scan *scan, chat__segments *segments, const chat_allocator *allocator,
                     uint64_t at, uint64_t stop);
void chat__scan_done(chat__scan *scan);

/*
 * The next record whose head is good. `*out_payload` borrows until the next call and is NULL when
 * the payload is damaged. When damage_at is not UINT64_MAX, bytes before the record are damaged;
 * it starts anew with each record.
 * CHAT_OK; CHAT_EMPTY at the end, damage_at and _end then say what follows the last record;
 * CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__scan_next(chat__scan *scan, chat__record *out, const uint8_t **out_payload);

#endif
