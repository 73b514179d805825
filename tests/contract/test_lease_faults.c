/* SPDX-License-Identifier: MIT */
/*
 * Several servers, one etcd in virtual time, and whatever can go wrong: calls that are lost or
 * arrive late, etcd that is away, servers that hang or are killed, clocks that are wrong and jump.
 * Whatever happens, no id is made twice, and no number is held by two.
 */
#include "lease.h"
#include "wired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_MS    UINT64_C(1800000000000)
#define N_SERVERS  4u
#define TTL_MS     3000u
#define STEP_MS    50u
#define N_STEPS    4000u
#define N_SEEDS    50u
#define MANY       70u /* numbers: etcd takes these in two transactions */
#define MANY_SEEDS 3u
#define MAX_IDS    (N_SERVERS * N_STEPS)

typedef struct server {
    wired w;
    chat_lease table;
    int is_held, is_hung, is_up;
    int64_t clock_ms; /* what its clock is ahead */
    uint32_t number;
    chat_idgen gen;
} server;

typedef struct world {
    wired_net net;
    server servers[N_SERVERS];
    uint64_t random, n_made;
    uint32_t n_numbers; /* that each wants; ids are made with the last */
    int is_away;
    uint64_t *ids;
    size_t n_ids, n_lost, n_moved;
} world;

static uint64_t next_random(world *w)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int happens(world *w, uint64_t one_in)
{
    return next_random(w) % one_in == 0;
}

static wired_fate fate_of(void *ctx, const chat__etcd_call *call)
{
    world *w = ctx;
    (void)call;
    if (w->is_away)
        return happens(w, 2) ? WIRED_REFUSED : WIRED_LOST;
    if (!happens(w, 5))
        return WIRED_ANSWERED;
    return (wired_fate)(1 + next_random(w) % WIRED_LATE);
}

static chat_lease_time now_of(const world *w, const server *s)
{
    chat_lease_time now = {w->net.now_ms, UNIX_MS + w->net.now_ms + (uint64_t)s->clock_ms};
    return now;
}

static void start(world *w, server *s)
{
    const chat_view name = {(const uint8_t *)"s", 1};
    chat_lease_wish wish = {sizeof wish, w->n_numbers, name, name, name};
    wired_done(&s->w);
    wired_init(&s->w, &w->net, ++w->n_made, TTL_MS);
    s->w.n_endpoints = 1 + (uint32_t)(next_random(w) % 3);
    wired_table(&s->w, &s->table);
    s->is_held = s->is_hung = 0;
    s->is_up = 1;
    memset(&s->gen, 0, sizeof s->gen);
    assert_int_equal(chat_idgen_init(&s->gen, 0, 0), CHAT_OK);
    chat_idgen_set_lease(&s->gen, 0);
    assert_int_equal(s->table.open(s->table.ctx, &wish, now_of(w, s)), CHAT_OK);
}

static void read_events(world *w, server *s)
{
    chat_lease_event event = {.struct_size = sizeof event};
    while (s->table.next_event(s->table.ctx, &event) == CHAT_OK) {
        if (event.type == CHAT_LEASE_HELD) {
            uint32_t number = event.numbers[event.n_numbers - 1];
            w->n_moved += s->number != number;
            s->is_held = 1;
            s->number = number;
            assert_int_equal(chat_idgen_set_node(&s->gen, s->number, event.from_unix_ms), CHAT_OK);
            chat_idgen_set_lease(&s->gen, event.until_unix_ms);
        } else if (event.type == CHAT_LEASE_LOST) {
            w->n_lost++;
            s->is_held = 0;
            chat_idgen_set_lease(&s->gen, 0);
        }
    }
}

static void disturb(world *w, server *s)
{
    if (happens(w, 400))
        start(w, s); /* killed, and started again */
    else if (happens(w, 200))
        s->is_hung = !s->is_hung;
    else if (s->is_hung && happens(w, 40))
        s->is_hung = 0;
    if (happens(w, 150)) /* on the grid of steps, so that times meet */
        s->clock_ms = ((int64_t)(next_random(w) % 401) - 200) * (int64_t)STEP_MS;
}

/* The sequence begins anew with each id, as it does when a server starts again. */
static void make_id(world *w, server *s)
{
    uint64_t id = 0;
    if (chat_idgen_next(&s->gen, now_of(w, s).unix_ms, &id) == CHAT_OK)
        w->ids[w->n_ids++] = id;
}

static void check_numbers(const world *w)
{
    for (unsigned i = 0; i < N_SERVERS; i++)
        for (unsigned k = 0; k < i; k++) {
            const server *a = &w->servers[i];
            const server *b = &w->servers[k];
            int are_held = a->is_held && b->is_held && !a->is_hung && !b->is_hung;
            assert_false(are_held && a->number == b->number);
        }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void step(world *w)
{
    if (happens(w, w->is_away ? 60 : 120))
        w->is_away = !w->is_away;
    for (unsigned i = 0; i < N_SERVERS; i++) {
        server *s = &w->servers[i];
        disturb(w, s);
        for (int turn = 0; turn < 4 && !s->is_hung; turn++)
            s->table.process(s->table.ctx, now_of(w, s));
        read_events(w, s);
        make_id(w, s); /* also when it hangs: the shards go on */
    }
    check_numbers(w);
}

static void run(world *w, uint64_t seed, uint32_t n_numbers)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->n_numbers = n_numbers;
    w->ids = calloc(MAX_IDS, sizeof *w->ids);
    wired_net_init(&w->net);
    w->net.fate = fate_of;
    w->net.ctx = w;
    for (unsigned i = 0; i < N_SERVERS; i++)
        start(w, &w->servers[i]);
    for (unsigned i = 0; i < N_STEPS; i++) {
        wired_net_at(&w->net, w->net.now_ms + STEP_MS);
        step(w);
    }
    qsort(w->ids, w->n_ids, sizeof *w->ids, by_value);
    size_t n_same = 0;
    for (size_t i = 1; i < w->n_ids; i++)
        n_same += w->ids[i] == w->ids[i - 1];
    if (n_same > 0)
        print_error("seed %llu: %zu ids were made twice\n", (unsigned long long)seed, n_same);
    assert_int_equal(n_same, 0);
    for (unsigned i = 0; i < N_SERVERS; i++)
        wired_done(&w->servers[i].w);
    wired_net_done(&w->net);
    free(w->ids);
}

static void expect_none_twice(uint32_t n_seeds, uint32_t n_numbers)
{
    world w;
    size_t n_ids = 0;
    size_t n_lost = 0;
    size_t n_moved = 0;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        run(&w, seed, n_numbers);
        n_ids += w.n_ids;
        n_lost += w.n_lost;
        n_moved += w.n_moved;
    }
    /* It was no idle run. */
    assert_true(n_ids > n_seeds * N_STEPS);
    assert_true(n_lost > n_seeds * 10);
    assert_true(n_moved > n_seeds * 5);
}

static void no_id_is_made_twice(void **state)
{
    (void)state;
    expect_none_twice(N_SEEDS, 1);
}

static void nor_when_numbers_are_taken_in_parts(void **state)
{
    (void)state;
    expect_none_twice(MANY_SEEDS, MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_id_is_made_twice),
                                       cmocka_unit_test(nor_when_numbers_are_taken_in_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
