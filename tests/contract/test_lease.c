/* SPDX-License-Identifier: MIT */
/* The lease contract: the lock of a data directory, and etcd as a model of it. */
#include "lease.h"
#include "lessee.h"
#include "store/store_helper.h"
#include "wired.h"

#include <stdio.h>
#include <stdlib.h>

#define UNIX_MS UINT64_C(1800000000000)

/* --- a server that stands alone --- */

typedef struct own_world {
    fixture *files;
    chat__store *stores[LEASE_HOLDERS];
    chat__own_numbers own[LEASE_HOLDERS];
    uint64_t now_ms;
} own_world;

static chat_status make_own(void *ctx, unsigned which, chat_lease *out)
{
    own_world *w = ctx;
    chat__store_report report;
    chat_status status = chat__store_open(&w->files->options, &report, &w->stores[which]);
    if (status != CHAT_OK)
        return status;
    memset(&w->own[which], 0, sizeof w->own[which]);
    w->own[which].store = w->stores[which];
    chat__own_numbers_table(&w->own[which], out);
    return CHAT_OK;
}

static void kill_own(void *ctx, unsigned which)
{
    own_world *w = ctx;
    chat__store_close(w->stores[which]);
    w->stores[which] = NULL;
}

static chat_lease_time own_now(void *ctx)
{
    const own_world *w = ctx;
    chat_lease_time now = {w->now_ms, UNIX_MS + w->now_ms};
    return now;
}

static void own_wait(void *ctx, const chat_lease *lease, uint64_t ms)
{
    (void)lease;
    ((own_world *)ctx)->now_ms += ms;
}

static void with_own(void **state, void (*rule)(const lease_world *world))
{
    own_world w = {.files = *state};
    lease_world world = {&w, 3000, make_own, kill_own, own_now, own_wait};
    chat__store_close(w.files->store);
    w.files->store = NULL;
    rule(&world);
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        kill_own(&w, i);
}

/* --- the model of etcd --- */

typedef struct etcd_world {
    wired_net net;
    wired holders[LEASE_HOLDERS];
    uint64_t n_made;
} etcd_world;

static chat_status make_wired(void *ctx, unsigned which, chat_lease *out)
{
    etcd_world *w = ctx;
    wired_done(&w->holders[which]);
    wired_init(&w->holders[which], &w->net, ++w->n_made, 3000);
    wired_table(&w->holders[which], out);
    return CHAT_OK;
}

static void kill_wired(void *ctx, unsigned which)
{
    wired_done(&((etcd_world *)ctx)->holders[which]);
}

static chat_lease_time wired_now(void *ctx)
{
    const etcd_world *w = ctx;
    chat_lease_time now = {w->net.now_ms, UNIX_MS + w->net.now_ms};
    return now;
}

static void wired_wait(void *ctx, const chat_lease *lease, uint64_t ms)
{
    etcd_world *w = ctx;
    uint64_t at_ms = lease != NULL ? lease->deadline(lease->ctx) : UINT64_MAX;
    uint64_t end_ms = w->net.now_ms + ms;
    at_ms = at_ms < w->net.now_ms ? w->net.now_ms : at_ms;
    wired_net_at(&w->net, at_ms < end_ms ? at_ms : end_ms);
}

static void with_etcd(void **state, void (*rule)(const lease_world *world))
{
    etcd_world w;
    lease_world world = {&w, 3000, make_wired, kill_wired, wired_now, wired_wait};
    (void)state;
    memset(&w, 0, sizeof w);
    wired_net_init(&w.net);
    rule(&world);
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        kill_wired(&w, i);
    wired_net_done(&w.net);
}

/* --- all rules for all worlds --- */

#define OF_ALL(rule)                                                                               \
    static void own_##rule(void **state)                                                           \
    {                                                                                              \
        with_own(state, rule);                                                                     \
    }                                                                                              \
    static void etcd_##rule(void **state)                                                          \
    {                                                                                              \
        with_etcd(state, rule);                                                                    \
    }
LEASE_CONTRACT(OF_ALL)

#define ROWS(rule) TEST(own_##rule), cmocka_unit_test(etcd_##rule),

int main(void)
{
    const struct CMUnitTest tests[] = {LEASE_CONTRACT(ROWS)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
