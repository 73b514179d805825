/* SPDX-License-Identifier: MIT */
/* The lease contract: the lock of a data directory, a table in memory, and a model of etcd. */
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
    w->own[which].is_alone = 1;
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

/* --- a table in memory --- */

#define TABLE_ROWS 8u
#define TABLE_TTL  3000u

typedef struct table_row {
    const void *holder; /* NULL: nobody's */
    uint64_t until_ms;
} table_row;

typedef struct table_world table_world;

typedef struct table_holder {
    table_world *world;
    chat_lease_event events[4];
    size_t n_events;
    uint32_t numbers[LEASE_COUNT];
    uint64_t until_ms;
    int is_held;
} table_holder;

struct table_world {
    table_row rows[TABLE_ROWS];
    table_holder holders[LEASE_HOLDERS];
    uint64_t now_ms;
};

static void tell(table_holder *h, chat_lease_event_type type)
{
    chat_lease_event event = {.struct_size = sizeof event, .type = type, .why = "as it is"};
    if (type == CHAT_LEASE_HELD) {
        event.from_unix_ms = UNIX_MS + h->world->now_ms;
        event.until_unix_ms = UNIX_MS + h->until_ms;
        event.numbers = h->numbers;
        event.n_numbers = LEASE_COUNT;
    }
    assert_true(h->n_events < 4);
    h->events[h->n_events++] = event;
}

static void hold_rows(table_holder *h)
{
    uint32_t n = 0;
    uint64_t now_ms = h->world->now_ms;
    for (uint32_t i = 0; i < TABLE_ROWS && n < LEASE_COUNT; i++) {
        table_row *row = &h->world->rows[i];
        if (row->holder != h && row->until_ms > now_ms)
            continue;
        row->holder = h;
        row->until_ms = h->until_ms = now_ms + TABLE_TTL;
        h->numbers[n++] = i;
    }
    assert_int_equal(n, LEASE_COUNT);
    h->is_held = 1;
    tell(h, CHAT_LEASE_HELD);
}

static chat_status table_open(void *ctx, const chat_lease_wish *wish, chat_lease_time now)
{
    (void)now;
    assert_int_equal(wish->n_numbers, LEASE_COUNT);
    hold_rows(ctx);
    return CHAT_OK;
}

static int table_fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static uint64_t table_deadline(void *ctx)
{
    return ((table_holder *)ctx)->until_ms - TABLE_TTL / 2;
}

static void table_process(void *ctx, chat_lease_time now)
{
    table_holder *h = ctx;
    if (h->is_held && now.mono_ms >= h->until_ms) {
        h->is_held = 0;
        tell(h, CHAT_LEASE_LOST);
    }
    if (!h->is_held || now.mono_ms >= table_deadline(h))
        hold_rows(h);
}

static chat_status table_next_event(void *ctx, chat_lease_event *out)
{
    table_holder *h = ctx;
    if (h->n_events == 0)
        return CHAT_EMPTY;
    *out = h->events[0];
    memmove(h->events, h->events + 1, --h->n_events * sizeof *h->events);
    return CHAT_OK;
}

static void table_release(void *ctx, chat_lease_time now)
{
    table_holder *h = ctx;
    for (uint32_t i = 0; i < TABLE_ROWS; i++)
        if (h->world->rows[i].holder == h)
            h->world->rows[i].until_ms = now.mono_ms;
    h->n_events = 0;
    tell(h, CHAT_LEASE_RELEASED);
}

static chat_status make_table(void *ctx, unsigned which, chat_lease *out)
{
    table_holder *h = &((table_world *)ctx)->holders[which];
    const chat_lease table = {
        sizeof table, 0, h, table_open, table_fd, table_deadline, table_process, table_next_event,
        table_release};
    memset(h, 0, sizeof *h);
    h->world = ctx;
    *out = table;
    return CHAT_OK;
}

/* Nobody speaks for it any more; its rows stay until they are over. */
static void kill_table(void *ctx, unsigned which)
{
    table_world *w = ctx;
    for (uint32_t i = 0; i < TABLE_ROWS; i++)
        if (w->rows[i].holder == &w->holders[which])
            w->rows[i].holder = NULL;
}

static chat_lease_time table_now(void *ctx)
{
    const table_world *w = ctx;
    chat_lease_time now = {w->now_ms, UNIX_MS + w->now_ms};
    return now;
}

static void table_wait(void *ctx, const chat_lease *lease, uint64_t ms)
{
    table_world *w = ctx;
    uint64_t at_ms = lease != NULL ? lease->deadline(lease->ctx) : UINT64_MAX;
    uint64_t end_ms = w->now_ms + ms;
    at_ms = at_ms < w->now_ms ? w->now_ms : at_ms;
    w->now_ms = at_ms < end_ms ? at_ms : end_ms;
}

static void with_table(void **state, void (*rule)(const lease_world *world))
{
    table_world w;
    lease_world world = {&w, TABLE_TTL, make_table, kill_table, table_now, table_wait};
    (void)state;
    memset(&w, 0, sizeof w);
    rule(&world);
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
    static void table_##rule(void **state)                                                         \
    {                                                                                              \
        with_table(state, rule);                                                                   \
    }                                                                                              \
    static void etcd_##rule(void **state)                                                          \
    {                                                                                              \
        with_etcd(state, rule);                                                                    \
    }
LEASE_CONTRACT(OF_ALL)

#define ROWS(rule) TEST(own_##rule), cmocka_unit_test(table_##rule), cmocka_unit_test(etcd_##rule),

int main(void)
{
    const struct CMUnitTest tests[] = {LEASE_CONTRACT(ROWS)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
