/* SPDX-License-Identifier: MIT */
/* See bucket.h. */
#include "base/bucket.h"

/* A rate in a second is this rate in thousandths in a millisecond. */
#define PARTS 1000u
/* The bucket that fits the rate when none is given holds so many seconds. */
#define FULL_S 10u

static uint64_t size_of(const chat__bucket_rule *rule)
{
    if (rule->burst == 0)
        return (uint64_t)rule->rate * FULL_S;
    return rule->burst > rule->rate ? rule->burst : rule->rate;
}

static uint64_t parts_of(const chat__bucket_rule *rule, uint64_t n)
{
    uint64_t size = size_of(rule);
    return (n < size ? n : size) * PARTS;
}

static void refill(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > bucket->seen_ms ? now_ms - bucket->seen_ms : 0;
    bucket->seen_ms = now_ms;
    if (rule->rate == 0 || passed_ms > bucket->used / rule->rate)
        bucket->used = 0;
    else
        bucket->used -= passed_ms * rule->rate;
}

uint64_t chat__bucket_wait(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t n,
                           uint64_t now_ms)
{
    refill(bucket, rule, now_ms);
    uint64_t size = size_of(rule) * PARTS;
    uint64_t wanted = bucket->used + parts_of(rule, n);
    if (rule->rate == 0 || wanted <= size)
        return 0;
    return (wanted - size + rule->rate - 1) / rule->rate;
}

chat_status chat__bucket_take(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t n,
                              uint64_t now_ms, uint64_t *out_wait_ms)
{
    *out_wait_ms = chat__bucket_wait(bucket, rule, n, now_ms);
    if (*out_wait_ms > 0)
        return CHAT_ERR_RATE;
    if (rule->rate > 0)
        bucket->used += parts_of(rule, n);
    return CHAT_OK;
}

int chat__bucket_is_full(chat__bucket *bucket, const chat__bucket_rule *rule, uint64_t now_ms)
{
    refill(bucket, rule, now_ms);
    return bucket->used == 0;
}
