/* SPDX-License-Identifier: MIT */
/*
 * Nodes that are not alike. In some runs their clocks are up to a day apart; in some, nodes of a
 * newer version are among them: what they send to others and what they write has fields that the
 * others do not know, and now and then they send frames of a type that nobody knows.
 */
#include "testing/sim.h"

#include <string.h>

#define DAY_MS          86400000u
#define SKEWED_PERCENT  20u
#define MIXED_PERCENT   30u
#define NEWER_PERCENT   50u /* of the nodes of such a run */
#define UNKNOWN_PERCENT 5u  /* of the frames have one of an unknown type behind them */
#define MAP_OF_24       0xb8u
#define MAP_OF_23       0xb7u
#define MAP_OF_NONE     0xa0u
#define MOST_FIELDS     0xfeu

void chat__sim_mixed_init(sim *s)
{
    int is_skewed = chat__sim_chance(s, SKEWED_PERCENT);
    int is_mixed = chat__sim_chance(s, MIXED_PERCENT);
    for (uint32_t i = 0; i < s->options.n_nodes; i++) {
        if (is_skewed)
            s->skew_ms[i] = (int64_t)chat__sim_random(s, 2 * DAY_MS) - (int64_t)DAY_MS;
        s->is_newer[i] = is_mixed && chat__sim_chance(s, NEWER_PERCENT);
        if (is_skewed || s->is_newer[i])
            chat__sim_trace(s, "node %u: its clock is %lld s off%s", i,
                            (long long)s->skew_ms[i] / 1000,
                            s->is_newer[i] ? ", and it is of a newer version" : "");
    }
}

uint64_t chat__sim_unix_ms(const sim *s, uint32_t node)
{
    return s->unix_base_ms + s->now_ms + (uint64_t)s->skew_ms[node];
}

chat_view chat__sim_newer_frame(const sim *s, uint32_t node, chat_view bytes,
                                uint8_t out[SIM_NEWER_BYTES])
{
    static const uint8_t MORE[] = {0x19, 0x01, 0x2c, 0x82, 0x01, 0x61, 'x'}; /* 300: [1, "x"] */
    size_t n_head = 1;
    if (!s->is_newer[node] || bytes.len == 0 || bytes.len + sizeof MORE + 1 > SIM_NEWER_BYTES)
        return bytes;
    uint8_t first = bytes.data[0];
    if (first >= MAP_OF_NONE && first < MAP_OF_23) {
        out[0] = (uint8_t)(first + 1);
    } else if (first == MAP_OF_23 || (first == MAP_OF_24 && bytes.data[1] < MOST_FIELDS)) {
        n_head = 2;
        out[0] = MAP_OF_24;
        out[1] = first == MAP_OF_23 ? 24 : (uint8_t)(bytes.data[1] + 1);
    } else {
        return bytes;
    }
    size_t skipped = first == MAP_OF_24 ? 2 : 1;
    memcpy(out + n_head, bytes.data + skipped, bytes.len - skipped);
    memcpy(out + n_head + bytes.len - skipped, MORE, sizeof MORE);
    chat_view newer = {out, n_head + bytes.len - skipped + sizeof MORE};
    return newer;
}

int chat__sim_newer_type(sim *s, uint32_t node, chat_view *out)
{
    static const uint8_t UNKNOWN[] = {0xa2, 0x00, 0x18, 0xfa, 0x19, 0x01, 0x2c, 0x60}; /* t 250 */
    out->data = UNKNOWN;
    out->len = sizeof UNKNOWN;
    return s->is_newer[node] && chat__sim_chance(s, UNKNOWN_PERCENT);
}
