/* SPDX-License-Identifier: MIT */
/* Classes of delivery times. See event.h. */
#include "node/event.h"

static const uint16_t LATENCY_MS[] = {
#define LATENCY_ROW(ms) ms,
    CHAT__LATENCY_TABLE(LATENCY_ROW)
#undef LATENCY_ROW
};

void chat__event_latency(chat__node_counts *counts, uint64_t ms)
{
    unsigned i = 0;
    while (i < CHAT__LATENCY_COUNT - 1u && ms > LATENCY_MS[i])
        i++;
    counts->latency[i]++;
    counts->latency_ms += ms;
}
