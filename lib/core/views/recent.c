/* SPDX-License-Identifier: MIT */
/* See recent.h. */
#include "views/recent.h"

/* How many there are without a hole, from the head on. */
static size_t chain_of(const chat__recent *recent)
{
    uint64_t next = recent->head_seq;
    size_t n = 0;
    while (n < recent->n_places && n < CHAT__RECENT_MAX && recent->places[n].seq == next &&
           recent->places[n].prev < next)
        next = recent->places[n++].prev;
    return n;
}

/* The lowest `seq` that may be read for a page of any length; UINT64_MAX: there is none. */
static uint64_t lowest_of(const chat__recent *recent)
{
    uint64_t from = recent->after == UINT64_MAX ? 0 : recent->after + 1;
    for (size_t i = 0; i < recent->n_ranges; i++) {
        if (recent->ranges[i].last >= from)
            return recent->ranges[i].first > from ? recent->ranges[i].first : from;
    }
    return UINT64_MAX;
}

static int is_read(const chat__recent *recent, uint64_t seq)
{
    int is_inside = recent->after == UINT64_MAX ? seq < recent->before : seq > recent->after;
    return is_inside && chat__ranges_have(recent->ranges, recent->n_ranges, seq);
}

chat_status chat__recent_pick(const chat__recent *recent, uint32_t *out, size_t *out_n)
{
    size_t n = chain_of(recent);
    if (n == 0)
        return CHAT_EMPTY;
    uint64_t missing = recent->places[n - 1].prev; /* the newest that is not there, 0: none */
    int is_all = missing == 0 || lowest_of(recent) > missing;
    int is_back = recent->after == UINT64_MAX;
    size_t n_found = 0;
    if (!is_back && !is_all)
        return CHAT_EMPTY;
    for (size_t i = 0; i < n && n_found <= recent->limit; i++) {
        size_t at = is_back ? i : n - 1 - i;
        if (is_read(recent, recent->places[at].seq))
            out[n_found++] = (uint32_t)at;
    }
    *out_n = n_found;
    return is_all || n_found > recent->limit ? CHAT_OK : CHAT_EMPTY;
}
