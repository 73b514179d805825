/* SPDX-License-Identifier: MIT */
/* See cut.h. */
#include "queue/cut.h"

uint64_t chat__queue_expires_below(uint64_t now_ms, uint64_t ttl_ms)
{
    return ttl_ms == 0 || now_ms < ttl_ms ? 0 : now_ms - ttl_ms;
}

int chat__queue_is_expired(uint64_t at_ms, uint64_t now_ms, uint64_t ttl_ms)
{
    return at_ms < chat__queue_expires_below(now_ms, ttl_ms);
}

void chat__queue_cut_init(chat__queue_cut *cut, uint64_t low, uint64_t high, uint64_t limit)
{
    cut->low = low;
    cut->high = high;
    cut->limit = limit;
}

int chat__queue_cut_next(const chat__queue_cut *cut, uint64_t *out_probe)
{
    if (cut->high <= cut->low || cut->high - cut->low <= 1)
        return 0;
    *out_probe = cut->low + (cut->high - cut->low) / 2;
    return 1;
}

void chat__queue_cut_give(chat__queue_cut *cut, uint64_t probe, uint64_t count)
{
    if (count > cut->limit)
        cut->low = probe;
    else
        cut->high = probe;
    if (count == cut->limit)
        cut->low = cut->high;
}
