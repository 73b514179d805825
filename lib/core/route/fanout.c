/* SPDX-License-Identifier: MIT */
/* See fanout.h. */
#include "route/fanout.h"

#include <chat/partition.h>

#include <assert.h>

uint32_t chat__route_user_node(chat_view user, uint32_t n_nodes)
{
    return chat_partition_of(user, n_nodes);
}

uint32_t chat__route_chat_node(chat_view chat, uint32_t n_partitions, uint32_t n_nodes)
{
    return n_nodes == 0 ? 0 : chat_partition_of(chat, n_partitions) % n_nodes;
}

static int is_behind(chat__route_stop a, chat__route_stop b)
{
    return a.node != b.node ? a.node > b.node : a.member > b.member;
}

/* Let `stop` sink from place `i` of a heap of `n` whose top is the last of the order. */
static void sift_down(chat__route_stop *stops, size_t i, size_t n, chat__route_stop stop)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && is_behind(stops[child + 1], stops[child]))
            child++;
        if (!is_behind(stops[child], stop))
            break;
        stops[i] = stops[child];
        i = child;
    }
    stops[i] = stop;
}

/* Heapsort: in place, and no list of members makes it slow. */
static void sort(chat__route_stop *stops, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(stops, i, n, stops[i]);
    while (n > 1) {
        chat__route_stop last = stops[--n];
        stops[n] = stops[0];
        sift_down(stops, 0, n, last);
    }
}

void chat__route_plan_init(chat__route_plan *plan, const chat_view *members, size_t n_members,
                           uint32_t n_nodes, chat__route_stop *scratch)
{
    assert(n_members <= UINT32_MAX);
    for (size_t i = 0; i < n_members; i++) {
        scratch[i].node = chat__route_user_node(members[i], n_nodes);
        scratch[i].member = (uint32_t)i;
    }
    if (n_nodes > 1)
        sort(scratch, n_members);
    plan->stops = scratch;
    plan->n_stops = n_members;
    plan->next = 0;
}

chat_status chat__route_plan_next(chat__route_plan *plan, size_t max_stops, chat__route_part *out)
{
    if (plan->next == plan->n_stops)
        return CHAT_EMPTY;
    const chat__route_stop *stops = plan->stops + plan->next;
    size_t left = plan->n_stops - plan->next;
    size_t n = 1;
    while (n < left && n < max_stops && stops[n].node == stops[0].node)
        n++;
    plan->next += n;
    out->node = stops[0].node;
    out->stops = stops;
    out->n_stops = n;
    return CHAT_OK;
}
