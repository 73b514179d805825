/* SPDX-License-Identifier: MIT */
/* The lease contract with libchat-etcd against a real etcd: the URLs in CHAT_ETCD. */
#include "backends/etcd/http.h"
#include "backends/etcd/watch.h"
#include "base/view.h"
#include "contract/lease.h"

#include <chat/etcd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TTL_MS 2000u

typedef struct real_world {
    char endpoints[1024];
    char prefix[64];
    chat_etcd_lease *leases[LEASE_HOLDERS];
} real_world;

static uint64_t clock_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static chat_status make(void *ctx, unsigned which, chat_lease *out)
{
    real_world *w = ctx;
    chat_etcd_options options;
    chat_etcd_options_init(&options);
    options.endpoints = w->endpoints;
    options.prefix = w->prefix;
    options.ttl_ms = TTL_MS;
    chat_etcd_lease_free(w->leases[which]);
    w->leases[which] = NULL;
    chat_status status = chat_etcd_lease_new(&options, &w->leases[which]);
    if (status == CHAT_OK)
        chat_etcd_lease_table(w->leases[which], out);
    return status;
}

static void kill_it(void *ctx, unsigned which)
{
    real_world *w = ctx;
    chat_etcd_lease_free(w->leases[which]);
    w->leases[which] = NULL;
}

static chat_lease_time time_now(void *ctx)
{
    (void)ctx;
    chat_lease_time now = {clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_REALTIME)};
    return now;
}

static void wait_for(void *ctx, const chat_lease *lease, uint64_t ms)
{
    uint64_t now_ms = time_now(ctx).mono_ms;
    uint64_t at_ms = lease != NULL ? lease->deadline(lease->ctx) : UINT64_MAX;
    struct pollfd wait = {lease != NULL ? lease->fd(lease->ctx) : -1, POLLIN, 0};
    if (at_ms < now_ms + ms)
        ms = at_ms > now_ms ? at_ms - now_ms : 0;
    (void)poll(&wait, 1, (int)ms);
}

static void with_etcd(void (*rule)(const lease_world *world), const char *name, const char *before)
{
    real_world w;
    lease_world world = {&w, TTL_MS, make, kill_it, time_now, wait_for};
    const char *where = getenv("CHAT_ETCD");
    assert_non_null(where);
    memset(&w, 0, sizeof w);
    snprintf(w.endpoints, sizeof w.endpoints, "%s%s", before, where);
    /* Of this run alone. */
    snprintf(w.prefix, sizeof w.prefix, "%d/%.40s%zu/", (int)getpid(), name, strlen(before));
    rule(&world);
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        kill_it(&w, i);
}

#define OF_ALL(rule)                                                                               \
    static void etcd_##rule(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        with_etcd(rule, #rule, "");                                                                \
    }
LEASE_CONTRACT(OF_ALL)

static void the_next_endpoint_is_asked(void **state)
{
    (void)state;
    with_etcd(lease_never_gives_a_number_twice, "next", "http://127.0.0.1:1, http://[::1]:1/ ,");
}

static void options_are_checked(void **state)
{
    static const char *const wrong[] = {"",          "localhost:2379", "http://",     "ftp://a",
                                        "http://a,", "http://u:p@a",   "http://a/?b", "http://a b"};
    chat_etcd_options options;
    chat_etcd_lease *lease = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        chat_etcd_options_init(&options);
        options.endpoints = wrong[i];
        assert_int_equal(chat_etcd_lease_new(&options, &lease), CHAT_ERR_ARG);
    }
    chat_etcd_options_init(&options);
    options.ttl_ms = 1999;
    assert_int_equal(chat_etcd_lease_new(&options, &lease), CHAT_ERR_ARG);
    assert_int_equal(chat_etcd_lease_new(NULL, &lease), CHAT_ERR_ARG);
    assert_null(lease);
}

/* --- a watch --- */

typedef struct watcher {
    chat__etcd_watch watch;
    chat__etcd_http *http;
    const chat_lease *kept; /* alive, while it waits */
} watcher;

/* Until there is news. */
static void expect_news(watcher *v, const lease_world *world)
{
    uint64_t now_ms = time_now(NULL).mono_ms, end_ms = now_ms + 10 * TTL_MS;
    while (!chat__etcd_watch_take_news(&v->watch)) {
        chat__etcd_call call;
        chat__etcd_reply reply;
        now_ms = time_now(NULL).mono_ms;
        assert_true(now_ms < end_ms);
        chat__etcd_http_process(v->http, now_ms);
        size_t n = chat__etcd_watch_feed(&v->watch, chat__etcd_http_stream(v->http), now_ms);
        chat__etcd_http_used(v->http, n);
        if (chat__etcd_http_reply(v->http, &reply) == CHAT_OK)
            chat__etcd_watch_end(&v->watch, now_ms);
        if (chat__etcd_watch_next_call(&v->watch, now_ms, &call) == CHAT_OK)
            chat__etcd_http_start(v->http, &call, now_ms);
        if (v->kept != NULL)
            v->kept->process(v->kept->ctx, world->now(world->ctx));
        struct pollfd wait = {chat__etcd_http_fd(v->http), POLLIN, 0};
        (void)poll(&wait, 1, 10);
    }
}

static void open_lease(const lease_world *world, unsigned which, chat_lease *out)
{
    chat_view name = chat__view_str("n\"\\");
    chat_lease_wish wish = {sizeof wish, 1, name, name, name};
    assert_int_equal(world->make(world->ctx, which, out), CHAT_OK);
    assert_int_equal(out->open(out->ctx, &wish, world->now(world->ctx)), CHAT_OK);
}

static void watch_leases(const lease_world *world)
{
    real_world *w = world->ctx;
    const char *const items[] = {w->endpoints};
    const chat__etcd_endpoints endpoints = {items, 1};
    const char *restart = getenv("CHAT_ETCD_RESTART");
    const chat__etcd_access access = {0};
    chat__etcd_http_options of_http = {NULL, endpoints, &access, 1 << 18};
    char from[256], end[256];
    watcher v = {.kept = NULL};
    chat_lease one;
    (void)snprintf(from, sizeof from, "%smember/", w->prefix);
    (void)snprintf(end, sizeof end, "%smember0", w->prefix);
    assert_int_equal(chat__etcd_http_new(&of_http, &v.http), CHAT_OK);
    chat__etcd_watch_init(&v.watch, NULL, &endpoints, from, end, 2000);
    expect_news(&v, world); /* it begins */
    open_lease(world, 0, &one);
    v.kept = &one;
    expect_news(&v, world);
    assert_non_null(restart);
    assert_int_equal(system(restart), 0); /* killed, and back with what it had */
    expect_news(&v, world);               /* it begins again */
    v.kept = NULL;
    world->kill(world->ctx, 0);
    expect_news(&v, world); /* the lease is over */
    chat__etcd_watch_done(&v.watch);
    chat__etcd_http_free(v.http);
}

static void a_watch_tells_over_a_kill_of_etcd(void **state)
{
    (void)state;
    with_etcd(watch_leases, "members", "");
}

#define ROWS(rule) cmocka_unit_test(etcd_##rule),

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_CONTRACT(ROWS) cmocka_unit_test(the_next_endpoint_is_asked),
        cmocka_unit_test(a_watch_tells_over_a_kill_of_etcd), cmocka_unit_test(options_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
