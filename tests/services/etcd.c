/* SPDX-License-Identifier: MIT */
/* The lease contract with libchat-etcd against a real etcd: the URLs in CHAT_ETCD. */
#include "backends/etcd/http.h"
#include "backends/etcd/members.h"
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

/* --- members --- */

typedef struct watcher {
    chat__etcd_members *members;
    chat__etcd_http *http;
    chat__etcd_members_event event;
    char told[64];                         /* addresses of those who are there */
    const chat_lease *kept[LEASE_HOLDERS]; /* alive, while it waits */
} watcher;

static void watch_turn(watcher *v, uint64_t now_ms)
{
    chat__etcd_call call;
    chat__etcd_reply reply;
    chat__etcd_http_process(v->http, now_ms);
    chat__etcd_members_begin(v->members, now_ms);
    size_t n = chat__etcd_members_feed(v->members, chat__etcd_http_stream(v->http));
    chat__etcd_http_used(v->http, n);
    if (chat__etcd_http_reply(v->http, &reply) == CHAT_OK)
        chat__etcd_members_reply(v->members, &reply);
    if (chat__etcd_members_next_call(v->members, &call) == CHAT_OK)
        chat__etcd_http_start(v->http, &call, now_ms);
}

/* Trouble, and that somebody is there who was there already, may be told at any time. */
static int is_news(watcher *v)
{
    if (v->event.type == CHAT__ETCD_MEMBERS_TROUBLE)
        return 0;
    if (v->event.type != CHAT__ETCD_MEMBER_IS)
        return 1;
    if (strstr(v->told, v->event.member->address) != NULL)
        return 0;
    assert_true(strlen(v->told) + strlen(v->event.member->address) < sizeof v->told);
    strcat(v->told, v->event.member->address);
    return 1;
}

/* The next news; leases are kept alive meanwhile. */
static void next_of(watcher *v, const lease_world *world)
{
    uint64_t end_ms = time_now(NULL).mono_ms + 10 * TTL_MS;
    for (;;) {
        uint64_t now_ms = time_now(NULL).mono_ms;
        assert_true(now_ms < end_ms);
        watch_turn(v, now_ms);
        if (chat__etcd_members_next_event(v->members, &v->event) == CHAT_OK && is_news(v))
            return;
        for (size_t i = 0; i < LEASE_HOLDERS && v->kept[i] != NULL; i++)
            v->kept[i]->process(v->kept[i]->ctx, world->now(world->ctx));
        struct pollfd wait = {chat__etcd_http_fd(v->http), POLLIN, 0};
        (void)poll(&wait, 1, 10);
    }
}

static void expect(watcher *v, const lease_world *world, chat__etcd_members_event_type type,
                   const char *address)
{
    next_of(v, world);
    assert_int_equal(v->event.type, type);
    if (address != NULL)
        assert_string_equal(v->event.member->address, address);
}

static void open_lease(const lease_world *world, unsigned which, const char *address,
                       chat_lease *out)
{
    chat_view name = chat__view_str("n\"\\");
    chat_lease_wish wish = {sizeof wish, 1, name, chat__view_str(address), name};
    assert_int_equal(world->make(world->ctx, which, out), CHAT_OK);
    assert_int_equal(out->open(out->ctx, &wish, world->now(world->ctx)), CHAT_OK);
}

static void watch_members(const lease_world *world)
{
    real_world *w = world->ctx;
    const char *const endpoints[] = {w->endpoints};
    const char *restart = getenv("CHAT_ETCD_RESTART");
    chat__etcd_members_options options = {NULL, w->prefix, {endpoints, 1}, 0};
    const chat__etcd_access access = {0};
    chat__etcd_http_options of_http = {NULL, {endpoints, 1}, &access, 1 << 18};
    watcher v = {0};
    chat_lease one;
    chat_lease two;
    assert_int_equal(chat__etcd_http_new(&of_http, &v.http), CHAT_OK);
    assert_int_equal(chat__etcd_members_new(&options, &v.members), CHAT_OK);
    expect(&v, world, CHAT__ETCD_MEMBERS_KNOWN, NULL);
    open_lease(world, 0, "1.1.1.1:1", &one);
    v.kept[0] = &one;
    expect(&v, world, CHAT__ETCD_MEMBER_IS, "1.1.1.1:1");
    assert_string_equal(v.event.member->name, "n\"\\");
    assert_int_equal(v.event.member->n_numbers, 1);
    open_lease(world, 1, "2.2.2.2:2", &two);
    v.kept[1] = &two;
    expect(&v, world, CHAT__ETCD_MEMBER_IS, "2.2.2.2:2");
    assert_non_null(restart);
    assert_int_equal(system(restart), 0); /* killed, and back with what it had */
    two.release(two.ctx, world->now(world->ctx));
    expect(&v, world, CHAT__ETCD_MEMBER_LEFT, "2.2.2.2:2");
    v.kept[0] = NULL;
    world->kill(world->ctx, 0);
    expect(&v, world, CHAT__ETCD_MEMBER_LEFT, "1.1.1.1:1");
    chat__etcd_members_free(v.members);
    chat__etcd_http_free(v.http);
}

static void members_are_watched_over_a_kill_of_etcd(void **state)
{
    (void)state;
    with_etcd(watch_members, "members", "");
}

#define ROWS(rule) cmocka_unit_test(etcd_##rule),

int main(void)
{
    const struct CMUnitTest tests[] = {LEASE_CONTRACT(ROWS)
                                           cmocka_unit_test(the_next_endpoint_is_asked),
                                       cmocka_unit_test(members_are_watched_over_a_kill_of_etcd),
                                       cmocka_unit_test(options_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
