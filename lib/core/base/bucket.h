/* SPDX-License-Identifier: MIT */
/*
 * A token bucket in whole numbers: so much each second, so much at once. It keeps thousandths of
 * what was taken, so that a refill at any pace is exact and nothing drifts. Zeroed, it is full.
 */
#ifndef CHAT_BASE_BUCKET_H
#define CHAT_BASE_BUCKET_H

#include <chat/status.h>

typedef struct chat__bucket_rule {
    uint32_t rate;  /* in a second; 0: no limit */
    uint32_t burst; /* at once; 0: ten seconds' worth; a second's worth at least */
} chat__bucket_rule;

typedef struct chat__bucket {
    uint64_t used;    /* thousandths that are missing */
    uint64_t seen_ms; /* when that was so */
} chat__bucket;

/* In how many ms `n` can be taken, 0: now. More than fits counts as a full bucket: it passes when
   nothing is missing. A clock that stands still refills nothing; one that jumps forward refills at
   most all, one that jumps back is followed. */
uint64_t chat__bucket_wait(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t n,
                           uint64_t now_ms);

/* CHAT_OK; CHAT_ERR_RATE: nothing was taken, `*out_wait_ms` is what chat__bucket_wait() says. */
chat_status chat__bucket_take(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t n,
                              uint64_t now_ms, uint64_t *out_wait_ms);

/* Whether nothing is missing. */
int chat__bucket_is_full(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t now_ms);

#endif
