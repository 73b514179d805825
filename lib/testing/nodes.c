/* SPDX-License-Identifier: MIT */
/*
 * The nodes of a simulation: started together, crashed together, and in some runs one by one. A
 * node that dies takes its connections, what it had not flushed and what its links carried with it;
 * the others hear of it a little later, or when it is back. A link may break between two that live.
 */
#include "testing/sim.h"

#include <string.h>

#define SLOW_CLOSE_MS 3000u
#define MAX_FRAME     4096u
#define LEASE_MS      2500u
/* In so many of a hundred runs nodes die by themselves; there in so many seconds of a hundred one
   does, and in so many a link breaks. */
#define MORTAL_PERCENT 40u
#define DEATH_PERCENT  25u
#define BREAK_PERCENT  25u
#define DOWN_MS        4000u /* at the most, both */
#define NOTICE_MS      2000u

void chat__sim_begin(sim *s, uint32_t node)
{
    if (s->nodes[node] != NULL)
        chat__node_begin(s->nodes[node], s->now_ms, chat__sim_unix_ms(s, node));
}

void chat__sim_renew_lease(sim *s, uint32_t node)
{
    s->lease_until_ms[node] = chat__sim_unix_ms(s, node) + LEASE_MS;
    chat__node_lease lease = {
        node, 0, s->plant == SIM_PLANT_NO_LEASE ? UINT64_MAX : s->lease_until_ms[node]};
    if (s->nodes[node] != NULL)
        chat__node_set_lease(s->nodes[node], &lease);
}

/* --- starting --- */

static void choose_options(sim *s, chat__node_options *options)
{
    chat__node_options_init(options);
    options->n_nodes = s->options.n_nodes;
    options->n_partitions = SIM_PARTITIONS;
    options->max_frame_bytes = MAX_FRAME;
    options->window_count = 4 + chat__sim_random(s, 12);
    options->max_unsent_bytes =
        chat__sim_chance(s, 30) ? 300 + chat__sim_random(s, 3000) : 1u << 20;
    options->slow_close_ms = SLOW_CLOSE_MS;
    options->batch_count = 1 + chat__sim_random(s, 6);
    options->dedupe_count = s->plant == SIM_PLANT_NO_DEDUPE ? 1 : 1 + chat__sim_random(s, 32);
    options->chat_cache_count = 1 + chat__sim_random(s, 3);
    options->fanout_sync_members = 2 + chat__sim_random(s, 4);
    options->fanout_turn_sockets = 1 + chat__sim_random(s, 3);
    options->fanout_chat_records = 1 + chat__sim_random(s, 3);
    options->notify_users = SIM_MAX_CLIENTS;
    options->notify_interval_ms = 1000;
    if (s->device_ttl_ms > 0)
        options->device_seen_ms = (uint32_t)s->device_ttl_ms / 4;
    options->seed[0] = s->rng;
}

static chat_status start(sim *s, uint32_t node, chat__node_options *options)
{
    options->not_before_id =
        s->plant == SIM_PLANT_CLOCK_FLOOR ? 0 : chat__sim_storage_max_id(s, node);
    options->self = node;
    options->snowflake_node = node;
    chat_status status = chat__node_new(options, &s->nodes[node]);
    if (status != CHAT_OK)
        return status;
    chat__sim_renew_lease(s, node);
    chat__sim_begin(s, node);
    return CHAT_OK;
}

chat_status chat__sim_nodes_start(sim *s)
{
    chat__node_options options;
    choose_options(s, &options);
    for (uint32_t i = 0; i < s->options.n_nodes; i++) {
        chat_status status = start(s, i, &options);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

void chat__sim_nodes_stop(sim *s)
{
    for (uint32_t i = 0; i < s->options.n_nodes; i++) {
        chat__node_free(s->nodes[i]);
        s->nodes[i] = NULL;
    }
}

void chat__sim_nodes_crash(sim *s)
{
    s->report->n_crashes++;
    chat__sim_nodes_stop(s);
    s->epoch++;
    chat__sim_storage_crash(s);
    memset(s->link_ms, 0, sizeof s->link_ms);
    memset(s->is_link_cut, 0, sizeof s->is_link_cut);
    s->n_cut = 0;
    /* The clock of the new process may be behind the old one's. */
    if (chat__sim_chance(s, 30))
        s->unix_base_ms -= chat__sim_random(s, 3000);
    for (uint32_t i = 0; i < s->n_clients; i++) {
        s->clients[i].is_gone = 0;
        chat__sim_client_lost(s, &s->clients[i]);
    }
    if (chat__sim_nodes_start(s) != CHAT_OK)
        s->is_out_of_memory = 1;
}

/* --- what happens to one of them --- */

/* Chance of its own: a run without these faults is as it would be without this file. */
static uint32_t random_of(sim *s, uint32_t below)
{
    uint64_t rng = s->rng;
    s->rng = s->mortal_rng;
    uint32_t number = chat__sim_random(s, below);
    s->mortal_rng = s->rng;
    s->rng = rng;
    return number;
}

void chat__sim_nodes_init(sim *s)
{
    s->mortal_rng = s->options.seed ^ UINT64_C(0x6d6f7274616c);
    s->is_mortal = s->options.n_nodes > 1 && random_of(s, 100) < MORTAL_PERCENT;
}

void chat__sim_to_node(const sim *s, sim_event *event, uint32_t from_node, uint32_t node)
{
    event->from_node = from_node;
    event->node = node;
    event->life = s->lives[node];
    event->link = s->links[from_node][node];
}

int chat__sim_is_void(const sim *s, const sim_event *event)
{
    return s->nodes[event->node] == NULL || event->life != s->lives[event->node] ||
           event->link != s->links[event->from_node][event->node];
}

static void schedule(sim *s, sim_event_type type, uint32_t from_node, uint32_t node, uint64_t ms)
{
    chat_view none = {NULL, 0};
    sim_event *event = chat__sim_schedule(s, type, s->now_ms + ms, none);
    if (event != NULL)
        chat__sim_to_node(s, event, from_node, node);
}

/* What it carries is lost. Both ends hear of it in time, or when it is there again. */
static void cut(sim *s, uint32_t a, uint32_t b)
{
    s->is_link_cut[a][b] = s->is_link_cut[b][a] = 1;
    s->links[a][b]++;
    s->links[b][a]++;
    s->link_ms[a][b] = s->link_ms[b][a] = 0;
    schedule(s, SIM_EV_PEER_LOST, a, b, random_of(s, NOTICE_MS));
    schedule(s, SIM_EV_PEER_LOST, b, a, random_of(s, NOTICE_MS));
}

static void find_each_other(sim *s, uint32_t a, uint32_t b)
{
    s->is_link_cut[a][b] = 0;
    s->links[a][b]++; /* the break need not be told any more */
    if (s->plant == SIM_PLANT_LOST_LINK_UNTOLD || s->nodes[b] == NULL)
        return;
    chat__sim_begin(s, b);
    (void)chat__node_peer_found(s->nodes[b], a);
}

static void heal(sim *s, uint32_t a, uint32_t b)
{
    if (!s->is_link_cut[a][b] || s->nodes[a] == NULL || s->nodes[b] == NULL)
        return;
    find_each_other(s, a, b);
    find_each_other(s, b, a);
    chat__sim_run_effects(s, a);
    chat__sim_run_effects(s, b);
}

static void kill(sim *s, uint32_t node)
{
    uint64_t ms = random_of(s, DOWN_MS);
    s->report->n_crashes++;
    chat__sim_trace(s, "node %u dies, for %llu ms", node, (unsigned long long)ms);
    chat__node_free(s->nodes[node]);
    s->nodes[node] = NULL;
    s->lives[node]++;
    s->n_cut++;
    chat__sim_storage_died(s, node);
    for (uint32_t i = 0; i < s->options.n_nodes; i++) {
        if (i != node)
            cut(s, node, i);
    }
    for (uint32_t i = 0; i < s->n_clients; i++) {
        if (s->clients[i].node != node)
            continue;
        s->clients[i].is_gone = 0;
        chat__sim_client_lost(s, &s->clients[i]);
    }
    schedule(s, SIM_EV_NODE_START, node, node, ms);
}

static void start_again(sim *s, uint32_t node)
{
    chat__node_options options;
    choose_options(s, &options);
    s->n_cut--;
    s->lives[node]++;
    if (start(s, node, &options) != CHAT_OK) {
        s->is_out_of_memory = 1;
        return;
    }
    chat__sim_trace(s, "node %u is there again", node);
    for (uint32_t i = 0; i < s->options.n_nodes; i++)
        heal(s, node, i);
}

void chat__sim_nodes_second(sim *s)
{
    if (!s->is_mortal || s->is_settling || s->storage.is_dead)
        return;
    uint32_t node = random_of(s, s->options.n_nodes);
    uint32_t other = random_of(s, s->options.n_nodes);
    if (random_of(s, 100) < DEATH_PERCENT && s->nodes[node] != NULL) {
        kill(s, node);
    } else if (random_of(s, 100) < BREAK_PERCENT && node != other && !s->is_link_cut[node][other]) {
        chat__sim_trace(s, "the link of nodes %u and %u breaks", node, other);
        s->n_cut++;
        cut(s, node, other);
        schedule(s, SIM_EV_LINK_UP, node, other, random_of(s, DOWN_MS));
    }
}

void chat__sim_nodes_event(sim *s, const sim_event *event)
{
    if (event->type == SIM_EV_NODE_START) {
        start_again(s, event->node);
    } else if (event->type == SIM_EV_LINK_UP) {
        s->n_cut--;
        heal(s, event->from_node, event->node);
    } else if (!chat__sim_is_void(s, event) && s->plant != SIM_PLANT_LOST_LINK_UNTOLD) {
        chat__sim_begin(s, event->node);
        (void)chat__node_peer_lost(s->nodes[event->node], event->from_node);
        chat__sim_run_effects(s, event->node);
    }
}
