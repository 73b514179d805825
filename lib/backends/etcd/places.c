/* SPDX-License-Identifier: MIT */
/* <chat/etcd.h>: the machines of slots.h and watch.h, each on a wire of http.h. */
#include "backends/etcd/config.h"
#include "backends/etcd/http.h"
#include "backends/etcd/slots.h"
#include "backends/etcd/watch.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCH_TIMEOUT_MS 2000u

struct chat_etcd_places {
    chat__etcd_config config;
    chat__etcd_http *http, *watch_http;
    chat__etcd_slots *slots;
    chat__etcd_watch watch;
    int epoll_fd; /* readable when one of the wires is */
    int is_released;
};

chat_status chat_etcd_places_new(const chat_etcd_options *given, chat_etcd_places **out)
{
    chat_etcd_options options;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_status status = chat__etcd_config_check(given, &options);
    if (status != CHAT_OK)
        return status;
    chat_allocator allocator = chat__alloc_or_libc(options.allocator);
    chat_etcd_places *places = chat__alloc_zero(&allocator, sizeof *places);
    if (places == NULL)
        return CHAT_ERR_NOMEM;
    places->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    status =
        places->epoll_fd < 0 ? CHAT_ERR_NOMEM : chat__etcd_config_init(&places->config, &options);
    if (status != CHAT_OK) {
        chat_etcd_places_free(places);
        return status;
    }
    *out = places;
    return CHAT_OK;
}

void chat_etcd_places_free(chat_etcd_places *places)
{
    if (places == NULL)
        return;
    chat_allocator allocator = places->config.allocator;
    chat__etcd_http_free(places->http);
    chat__etcd_http_free(places->watch_http);
    chat__etcd_slots_free(places->slots);
    chat__etcd_watch_done(&places->watch);
    if (places->epoll_fd >= 0)
        close(places->epoll_fd);
    chat__etcd_config_done(&places->config);
    chat__alloc_free(&allocator, places);
}

/* --- the table --- */

/* Carry replies in and calls out until both wait. */
static void carry(chat_etcd_places *places, uint64_t mono_ms)
{
    chat__etcd_reply reply;
    chat__etcd_call call;
    for (int i = 0; i < CHAT__ETCD_MAX_CALLS; i++) {
        if (chat__etcd_http_reply(places->http, &reply) == CHAT_OK)
            chat__etcd_slots_reply(places->slots, &reply);
        if (chat__etcd_slots_next_call(places->slots, &call) != CHAT_OK)
            return;
        chat__etcd_http_start(places->http, &call, mono_ms);
        chat__etcd_http_process(places->http, mono_ms);
    }
}

/* Hear of changes. */
static void hear(chat_etcd_places *places, uint64_t mono_ms)
{
    chat__etcd_watch *watch = &places->watch;
    chat__etcd_http *http = places->watch_http;
    chat__etcd_reply reply;
    chat__etcd_call call;
    if (places->is_released)
        return;
    chat__etcd_http_process(http, mono_ms);
    size_t n = chat__etcd_watch_feed(watch, chat__etcd_http_stream(http), mono_ms);
    chat__etcd_http_used(http, n);
    if (chat__etcd_http_reply(http, &reply) == CHAT_OK)
        chat__etcd_watch_end(watch, mono_ms);
    if (chat__etcd_watch_next_call(watch, mono_ms, &call) == CHAT_OK) {
        chat__etcd_http_start(http, &call, mono_ms);
        chat__etcd_http_process(http, mono_ms);
    }
    int has_news = chat__etcd_watch_take_news(watch);
    chat__etcd_slots_hear(places->slots, chat__etcd_watch_is_up(watch), has_news);
}

/* Make a wire, and have its descriptor in ours. */
static chat_status make_wire(chat_etcd_places *places, chat__etcd_http **out)
{
    chat__etcd_http_options options = {.allocator = &places->config.allocator,
                                       .endpoints = places->config.endpoints,
                                       .access = &places->config.access,
                                       .max_reply_bytes = CHAT__ETCD_MAX_REPLY};
    struct epoll_event event = {.events = EPOLLIN};
    if (*out != NULL)
        return CHAT_OK;
    chat_status status = chat__etcd_http_new(&options, out);
    if (status == CHAT_OK &&
        epoll_ctl(places->epoll_fd, EPOLL_CTL_ADD, chat__etcd_http_fd(*out), &event) != 0)
        status = CHAT_ERR_NOMEM;
    return status;
}

/* Of places and slots; nothing else of ours is between them. */
static void init_watch(chat_etcd_places *places)
{
    char from[CHAT__ETCD_KEY_MAX];
    char end[CHAT__ETCD_KEY_MAX];
    (void)snprintf(from, sizeof from, "%splace/", places->config.prefix);
    (void)snprintf(end, sizeof end, "%sslot0", places->config.prefix); /* '/' + 1 */
    chat__etcd_watch_init(&places->watch, &places->config.allocator, &places->config.endpoints,
                          from, end, WATCH_TIMEOUT_MS);
}

static chat_status open_places(void *ctx, const chat_places_wish *wish, uint64_t mono_ms)
{
    chat_etcd_places *places = ctx;
    chat_places_wish copy = {.struct_size = sizeof copy};
    if (places->slots != NULL)
        return CHAT_ERR_STATE;
    if (chat__sized_take(&copy, sizeof copy, wish) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat__etcd_slots_options options = {.allocator = &places->config.allocator,
                                        .prefix = places->config.prefix,
                                        .endpoints = places->config.endpoints,
                                        .ttl_ms = places->config.ttl_ms,
                                        .wish = &copy};
    chat_status status = make_wire(places, &places->http);
    if (status == CHAT_OK)
        status = make_wire(places, &places->watch_http);
    if (status == CHAT_OK)
        status = chat__etcd_slots_new(&options, &places->slots);
    if (status != CHAT_OK)
        return status;
    init_watch(places);
    hear(places, mono_ms);
    chat__etcd_slots_begin(places->slots, mono_ms);
    carry(places, mono_ms);
    return CHAT_OK;
}

static int get_fd(void *ctx)
{
    return ((const chat_etcd_places *)ctx)->epoll_fd;
}

static uint64_t get_deadline(void *ctx)
{
    const chat_etcd_places *places = ctx;
    if (places->slots == NULL)
        return UINT64_MAX;
    const uint64_t all[] = {
        chat__etcd_http_deadline(places->http), chat__etcd_slots_deadline(places->slots),
        chat__etcd_http_deadline(places->watch_http), chat__etcd_watch_deadline(&places->watch)};
    uint64_t at_ms = UINT64_MAX;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        at_ms = all[i] < at_ms && (i < 2 || !places->is_released) ? all[i] : at_ms;
    return at_ms;
}

static void process(void *ctx, uint64_t mono_ms)
{
    chat_etcd_places *places = ctx;
    if (places->slots == NULL)
        return;
    hear(places, mono_ms);
    chat__etcd_http_process(places->http, mono_ms);
    chat__etcd_slots_begin(places->slots, mono_ms);
    carry(places, mono_ms);
}

static chat_status next_event(void *ctx, chat_places_event *out)
{
    chat_etcd_places *places = ctx;
    chat_places_event event;
    if (places->slots == NULL || chat__etcd_slots_next_event(places->slots, &event) != CHAT_OK)
        return CHAT_EMPTY;
    return chat__sized_give(out, &event, sizeof event);
}

static chat_status look(void *ctx, chat_places_picture *out)
{
    const chat_etcd_places *places = ctx;
    return places->slots != NULL ? chat__etcd_slots_look(places->slots, out) : CHAT_ERR_ARG;
}

static void claim(void *ctx, uint32_t slot)
{
    chat_etcd_places *places = ctx;
    if (places->slots != NULL)
        chat__etcd_slots_claim(places->slots, slot);
}

static void give_up(void *ctx, uint32_t slot)
{
    chat_etcd_places *places = ctx;
    if (places->slots != NULL)
        chat__etcd_slots_give_up(places->slots, slot);
}

static void leave(void *ctx)
{
    chat_etcd_places *places = ctx;
    if (places->slots != NULL)
        chat__etcd_slots_leave(places->slots);
}

static void release(void *ctx, uint64_t mono_ms)
{
    chat_etcd_places *places = ctx;
    if (places->slots == NULL)
        return;
    places->is_released = 1;
    chat__etcd_slots_release(places->slots, mono_ms);
    carry(places, mono_ms);
}

void chat_etcd_places_table(chat_etcd_places *places, chat_places *out)
{
    const chat_places table = {.struct_size = sizeof table,
                               .ctx = places,
                               .open = open_places,
                               .fd = get_fd,
                               .deadline = get_deadline,
                               .process = process,
                               .next_event = next_event,
                               .look = look,
                               .claim = claim,
                               .give_up = give_up,
                               .leave = leave,
                               .release = release};
    *out = table;
}
