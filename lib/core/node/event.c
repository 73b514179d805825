/* SPDX-License-Identifier: MIT */
/* Classes of delivery times. See event.h. */
#include "node/event.h"

const uint32_t chat__event_latency_ms[CHAT__LATENCY_COUNT - 1] = {
#define LATENCY_ROW(ms) ms,
    CHAT__LATENCY_TABLE(LATENCY_ROW)
#undef LATENCY_ROW
};

void chat__event_latency(chat__node_counts *counts, uint64_t ms)
{
    unsigned i = 0;
    while (i < CHAT__LATENCY_COUNT - 1u && ms > chat__event_latency_ms[i])
        i++;
    counts->latency[i]++;
    counts->latency_ms += ms;
}
