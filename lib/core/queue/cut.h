/* SPDX-License-Identifier: MIT */
/*
 * Where an offline queue is cut when it is too long or too old: the oldest go first. Knows no
 * records, only how many there are: whoever has them counts. Used by the store and by tests.
 */
#ifndef CHAT_QUEUE_CUT_H
#define CHAT_QUEUE_CUT_H

#include <stdint.h>

/* Whether what came at `at_ms` is too old to be kept; `ttl_ms` 0: never. */
int chat__queue_is_expired(uint64_t at_ms, uint64_t now_ms, uint64_t ttl_ms);

/* The first instant that is not too old. */
uint64_t chat__queue_expires_below(uint64_t now_ms, uint64_t ttl_ms);

/*
 * Find where to cut several ordered lists together, so that `limit` records are left: ask
 * chat__queue_cut_next() for a position, count the records behind it in all lists, give the count,
 * until it returns 0. At most 64 rounds.
 */
typedef struct chat__queue_cut {
    uint64_t low;  /* more than `limit` are behind it */
    uint64_t high; /* no more than `limit` are */
    uint64_t limit;
} chat__queue_cut;

/* Behind `low` there are more than `limit`, behind `high` none. */
void chat__queue_cut_init(chat__queue_cut *cut, uint64_t low, uint64_t high, uint64_t limit);

/* 1: count what is behind `*out_probe`; 0: the cut is at `cut->high`, what is behind it stays. */
int chat__queue_cut_next(const chat__queue_cut *cut, uint64_t *out_probe);
void chat__queue_cut_give(chat__queue_cut *cut, uint64_t probe, uint64_t count);

#endif
