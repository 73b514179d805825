/* SPDX-License-Identifier: MIT */
/* A fleet and servers that are told what to say. */
#ifndef CHAT_TESTS_REDIS_RIG_H
#define CHAT_TESTS_REDIS_RIG_H

#include "backends/redis/fleet.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define PRIMARY     "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define SLOTS_ASKED "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"

static const char *const SCRIPTS[] = {"return 1"};

/* Servers that are told what to say. */
typedef struct world {
    chat__redis_fleet_options options;
    chat__redis_fleet *fleet;
    chat__redis_fleet_event event;
    uint64_t now_ms;
    uint32_t dialled; /* the last one */
    uint32_t n_dials, n_hang_ups;
    char dialled_host[32];
    char why[CHAT__REDIS_WHY_BYTES];
} world;

static inline void start(world *w, chat__redis_mode mode, const char *servers)
{
    memset(w, 0, sizeof *w);
    chat__redis_fleet_options_init(&w->options);
    w->options.mode = mode;
    w->options.servers = servers;
    w->options.master = "chat";
    w->options.scripts = SCRIPTS;
    w->options.n_scripts = 1;
    w->options.max_asks = 4;
    w->options.max_ask_bytes = 1000;
    w->now_ms = 1000;
    assert_int_equal(chat__redis_fleet_new(&w->options, w->why, &w->fleet), CHAT_OK);
}

/* Process and do what is to be done with sockets. */
static inline void turn(world *w)
{
    chat__redis_io io;
    chat__redis_fleet_process(w->fleet, w->now_ms);
    while (chat__redis_fleet_next_io(w->fleet, w->now_ms, &io) == CHAT_OK) {
        if (io.type == CHAT__REDIS_IO_HANG_UP) {
            w->n_hang_ups++;
            continue;
        }
        w->n_dials++;
        w->dialled = io.link;
        snprintf(w->dialled_host, sizeof w->dialled_host, "%.20s:%u", io.address.host,
                 (unsigned)io.address.port);
    }
}

static inline chat_status event(world *w)
{
    chat_status status = chat__redis_fleet_next_event(w->fleet, w->now_ms, &w->event);
    turn(w);
    return status;
}

static inline void says(world *w, uint32_t link, const char *text)
{
    chat__redis_fleet_feed(w->fleet, link, chat__view_str(text));
}

/* The link says so and nothing else, which was sent. */
static inline void sent(world *w, uint32_t link, const char *text)
{
    chat_view out = chat__redis_fleet_unsent(w->fleet, link);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    chat__redis_fleet_sent(w->fleet, link, out.len);
}

static inline void forget(world *w, uint32_t link)
{
    chat__redis_fleet_sent(w->fleet, link, chat__redis_fleet_unsent(w->fleet, link).len);
}

/* The server that was dialled last greets. */
static inline uint32_t greet(world *w, const char *mode, const char *more)
{
    char text[256], info[128];
    uint32_t link = w->dialled;
    snprintf(info, sizeof info, "redis_version:7.0.15\r\nredis_mode:%s\r\n", mode);
    snprintf(text, sizeof text, "$%d\r\n%s\r\n%s", (int)strlen(info), info, more);
    chat__redis_fleet_opened(w->fleet, link, w->now_ms);
    forget(w, link);
    says(w, link, text);
    assert_int_equal(event(w), CHAT_EMPTY);
    return link;
}

static inline chat_status ask_as(world *w, uint64_t tag, const char *key, int is_repeatable)
{
    const char *args[] = {"GET", key};
    const size_t lens[] = {3, strlen(key)};
    chat__redis_ask ask = {tag, 0, is_repeatable, chat__view_str(key), 2, args, lens};
    chat_status status = chat__redis_fleet_ask(w->fleet, &ask, w->now_ms);
    turn(w);
    return status;
}

static inline void ask(world *w, uint64_t tag, const char *key)
{
    assert_int_equal(ask_as(w, tag, key, 1), CHAT_OK);
}

static const char *get(const char *key)
{
    static char text[2][64];
    static int which;
    which = !which;
    snprintf(text[which], sizeof text[which], "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", (int)strlen(key),
             key);
    return text[which];
}

static inline void answered(world *w, uint64_t tag, chat_status status)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_ANSWER);
    assert_int_equal(w->event.tag, tag);
    assert_int_equal(w->event.status, status);
}

static inline void told(world *w, chat_status status, const char *words)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_PROBLEM);
    if (w->event.status != status || strstr(w->event.why, words) == NULL)
        fail_msg("%d %s", w->event.status, w->event.why);
}

static inline void well(world *w)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_WELL);
}

#endif
