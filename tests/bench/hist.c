/* SPDX-License-Identifier: MIT */
/* The histogram of the benchmarks: see hist.h. */
#include "hist.h"

#define SUB_COUNT (UINT64_C(1) << BENCH_HIST_SUB_BITS)

static uint32_t bucket_of(uint64_t value)
{
    uint32_t shift;

    if (value < SUB_COUNT)
        return (uint32_t)value;
    shift = 63u - (uint32_t)__builtin_clzll(value) - BENCH_HIST_SUB_BITS;
    return (uint32_t)(((uint64_t)(shift + 1) << BENCH_HIST_SUB_BITS) +
                      ((value >> shift) & (SUB_COUNT - 1)));
}

static uint64_t upper_edge(uint32_t bucket)
{
    uint32_t shift;

    if (bucket < SUB_COUNT)
        return bucket;
    shift = (bucket >> BENCH_HIST_SUB_BITS) - 1;
    return ((SUB_COUNT + (bucket & (SUB_COUNT - 1)) + 1) << shift) - 1;
}

void bench_hist_add(bench_hist *hist, uint64_t value)
{
    hist->counts[bucket_of(value)]++;
    hist->n++;
    if (value > hist->max)
        hist->max = value;
}

uint64_t bench_hist_at(const bench_hist *hist, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)hist->n + 0.5);
    uint64_t seen = 0;

    if (hist->n == 0)
        return 0;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < BENCH_HIST_BUCKETS; i++) {
        seen += hist->counts[i];
        if (seen >= rank)
            return upper_edge(i) < hist->max ? upper_edge(i) : hist->max;
    }
    return hist->max;
}
