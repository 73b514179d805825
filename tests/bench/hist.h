/* SPDX-License-Identifier: MIT */
/*
 * A latency histogram of fixed size: buckets are log-linear, 128 for each power of two, so that a
 * percentile is off by less than one percent whatever its size.
 */
#ifndef CHAT_TESTS_BENCH_HIST_H
#define CHAT_TESTS_BENCH_HIST_H

#include <stdint.h>

#define BENCH_HIST_SUB_BITS 7u
#define BENCH_HIST_BUCKETS  ((64u - BENCH_HIST_SUB_BITS + 1u) << BENCH_HIST_SUB_BITS)

typedef struct bench_hist {
    uint64_t n;
    uint64_t max;
    uint64_t counts[BENCH_HIST_BUCKETS];
} bench_hist;

void bench_hist_add(bench_hist *hist, uint64_t value);

/* Upper edge of the bucket that holds the value at `quantile` (0 to 1); 0 when it is empty. */
uint64_t bench_hist_at(const bench_hist *hist, double quantile);

#endif
