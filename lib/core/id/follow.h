/* SPDX-License-Identifier: MIT */
/*
 * What a reader of a partition derives from it: which term is current, which records are void, the
 * seq of each that counts, and whether its id was among the `window` offsets before it. Only
 * offsets, terms and ids decide, so all readers agree. One that starts in the middle begins with
 * what a position says (chat__follow_at) and is shown the window before it by chat__follow_note().
 * See <chat/backend/log.h> for the rule.
 */
#ifndef CHAT_ID_FOLLOW_H
#define CHAT_ID_FOLLOW_H

#include <chat/status.h>

typedef struct chat__follow_item {
    uint64_t id; /* 0: none */
    uint64_t offset;
} chat__follow_item;

typedef struct chat__follow_term {
    uint64_t term;
    uint8_t is_open; /* fences may be missing: a record with a higher term is believed */
} chat__follow_term;

/* A position: what holds behind the last record before it. */
typedef struct chat__follow_at {
    uint64_t seq;
    chat__follow_term now;
    chat__follow_term past; /* in front of the record `window` before the position */
} chat__follow_at;

/* From the record at `offset` on. */
typedef struct chat__follow_mark {
    uint64_t offset;
    chat__follow_term state;
} chat__follow_mark;

typedef struct chat__follow_record {
    uint64_t offset; /* they rise */
    uint64_t id;     /* not 0, but of a fence */
    uint64_t term;
    int is_fence;
} chat__follow_record;

typedef enum chat__follow_what {
    CHAT__FOLLOW_NOMEM, /* nothing changed */
    CHAT__FOLLOW_COUNTS,
    CHAT__FOLLOW_KNOWN, /* its id was there */
    CHAT__FOLLOW_VOID,
    CHAT__FOLLOW_FENCED
} chat__follow_what;

typedef struct chat__follow {
    chat_allocator allocator;
    chat__follow_item *items; /* at offset % window */
    uint32_t *slots;          /* of a hash table: index in items + 1, 0: empty */
    uint32_t window;
    uint32_t mask;
    uint64_t seq; /* of the last record that counts */
    chat__follow_term state;
    chat__follow_term now;    /* of the position, while its window is shown */
    chat__follow_term base;   /* in front of all marks */
    chat__follow_mark *marks; /* by offset; positions are asked for later */
    size_t n_marks, max_marks;
    int is_noting;
} chat__follow;

/* CHAT_OK, CHAT_ERR_NOMEM. `window` is at least 1. */
chat_status chat__follow_init(chat__follow *follow, const chat_allocator *allocator,
                              uint32_t window, const chat__follow_at *at);
void chat__follow_done(chat__follow *follow);

/* The record was there before the position. CHAT_OK, CHAT_ERR_NOMEM: call again. */
chat_status chat__follow_note(chat__follow *follow, const chat__follow_record *record);

/* What the next record is. `*out_seq` is written when it counts. */
chat__follow_what chat__follow_next(chat__follow *follow, const chat__follow_record *record,
                                    uint64_t *out_seq);

/* Records in front of `offset` are missing, which is the next; or of the window that is shown, when
   `is_noting`. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__follow_lost(chat__follow *follow, uint64_t offset, int is_noting);

/* The position behind the record at `offset`, but for its seq. */
void chat__follow_at_offset(const chat__follow *follow, uint64_t offset, chat__follow_at *out);

/* No position before that behind `offset` will be asked for. */
void chat__follow_forget(chat__follow *follow, uint64_t offset);

#endif
