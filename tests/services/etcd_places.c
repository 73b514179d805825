/* SPDX-License-Identifier: MIT */
/* The contract of places with libchat-etcd against a real etcd: the URLs in CHAT_ETCD. */
#include "contract/places.h"

#include <chat/etcd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TTL_MS 2000u

typedef struct real_world {
    char prefix[96];
    chat_etcd_places *places[PLACES_MEMBERS];
} real_world;

static void kill_it(void *ctx, unsigned which)
{
    real_world *w = ctx;
    chat_etcd_places_free(w->places[which]);
    w->places[which] = NULL;
}

static chat_status make(void *ctx, unsigned which, chat_places *out)
{
    real_world *w = ctx;
    chat_etcd_options options;
    chat_etcd_options_init(&options);
    options.endpoints = getenv("CHAT_ETCD");
    options.prefix = w->prefix;
    options.ttl_ms = TTL_MS;
    kill_it(w, which);
    chat_status status = chat_etcd_places_new(&options, &w->places[which]);
    if (status == CHAT_OK)
        chat_etcd_places_table(w->places[which], out);
    return status;
}

static uint64_t time_now(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_for(void *ctx, const chat_places *places, unsigned n, uint64_t ms)
{
    struct pollfd fds[PLACES_MEMBERS];
    uint64_t now_ms = time_now(ctx);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at_ms = places[i].deadline(places[i].ctx);
        if (at_ms < now_ms + ms)
            ms = at_ms > now_ms ? at_ms - now_ms : 0;
        fds[i] = (struct pollfd){places[i].fd(places[i].ctx), POLLIN, 0};
    }
    (void)poll(fds, n, (int)ms);
}

static void with_etcd(void (*rule)(const places_world *world), const char *name)
{
    real_world w;
    places_world world = {&w, TTL_MS, make, kill_it, time_now, wait_for, NULL, NULL};
    assert_non_null(getenv("CHAT_ETCD"));
    memset(&w, 0, sizeof w);
    snprintf(w.prefix, sizeof w.prefix, "%d/%.60s/", (int)getpid(), name);
    rule(&world);
}

#define ROW(rule)                                                                                  \
    static void etcd_##rule(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        with_etcd(rule, #rule);                                                                    \
    }
PLACES_CONTRACT(ROW)
#undef ROW

static void options_are_checked(void **state)
{
    chat_etcd_options options;
    chat_etcd_places *places = NULL;
    (void)state;
    chat_etcd_options_init(&options);
    options.endpoints = "localhost:2379";
    assert_int_equal(chat_etcd_places_new(&options, &places), CHAT_ERR_ARG);
    chat_etcd_options_init(&options);
    options.ttl_ms = 1999;
    assert_int_equal(chat_etcd_places_new(&options, &places), CHAT_ERR_ARG);
    assert_int_equal(chat_etcd_places_new(NULL, &places), CHAT_ERR_ARG);
    assert_null(places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(rule) cmocka_unit_test(etcd_##rule),
        PLACES_CONTRACT(ROW)
#undef ROW
            cmocka_unit_test(options_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
