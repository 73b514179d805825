/* SPDX-License-Identifier: MIT */
/* See <chat/redis.h>: options, and the table of functions. */
#include "backends/redis/internal.h"
#include "backends/redis/scripts.h"

#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/random.h>

void chat_redis_options_init(chat_redis_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->mode = CHAT_REDIS_STANDALONE;
    options->timeout_ms = 2000;
    options->wait_ms = 5000;
    options->poll_ms = 1000;
    options->first_pause_ms = 100;
    options->max_pause_ms = 5000;
    options->max_asks = 4096;
    options->max_ask_bytes = UINT64_C(16) * 1024 * 1024;
    options->max_reply_bytes = 16u * 1024 * 1024;
    options->presence_ttl_s = 60;
    options->queue_ttl_s = 604800;
    options->queue_limit = 10000;
    options->cid_ttl_s = 86400;
    options->recent_count = 64;
    options->recent_ttl_s = 86400;
}

/* --- the table --- */

static int fd(void *ctx)
{
    const chat_redis *redis = ctx;
    return redis->epoll_fd;
}

static uint64_t deadline(void *ctx)
{
    const chat_redis *redis = ctx;
    uint64_t sockets = chat__redis_sockets_deadline(redis);
    uint64_t fleet = chat__redis_fleet_deadline(redis->fleet);
    return sockets < fleet ? sockets : fleet;
}

static void take_time(chat_redis *redis, uint64_t now_ms)
{
    redis->now_ms = now_ms > redis->now_ms ? now_ms : redis->now_ms;
}

static chat_status ask_it(void *ctx, const chat_shared_ask *ask, uint64_t now_ms)
{
    chat_redis *redis = ctx;
    chat_shared_ask taken;
    memset(&taken, 0, sizeof taken);
    if (ask == NULL || chat__sized_take(&taken, sizeof taken, ask) != CHAT_OK)
        return CHAT_ERR_ARG;
    take_time(redis, now_ms);
    return chat__redis_say(redis, &taken);
}

static void work(chat_redis *redis)
{
    chat__redis_fleet_process(redis->fleet, redis->now_ms);
    chat__redis_sockets_work(redis);
}

static void process(void *ctx, uint64_t now_ms)
{
    chat_redis *redis = ctx;
    take_time(redis, now_ms);
    chat__redis_sockets_read(redis);
    work(redis);
}

static chat_status next_event(void *ctx, chat_shared_event *out)
{
    chat_redis *redis = ctx;
    chat__redis_fleet_event event;
    chat_shared_event told;
    if (out == NULL)
        return CHAT_ERR_ARG;
    while (chat__redis_fleet_next_event(redis->fleet, redis->now_ms, &event) == CHAT_OK) {
        if (chat__redis_hear(redis, &event, &told) == CHAT_OK)
            return chat__sized_give(out, &told, sizeof told);
    }
    work(redis); /* what the events led to */
    return CHAT_EMPTY;
}

/* --- made and freed --- */

static int is_right(const chat_redis_options *o, const char **out_why)
{
    const struct {
        int is_wrong;
        const char *why;
    } rows[] = {
        {(uint32_t)o->mode > CHAT_REDIS_CLUSTER, "`mode`: there is none of this number"},
        {o->tls > 1, "`tls`: 0 or 1"},
        {o->timeout_ms == 0 || o->timeout_ms > 600000, "`timeout_ms`: 1 to 600,000"},
        {o->wait_ms == 0 || o->wait_ms > 600000, "`wait_ms`: 1 to 600,000"},
        {o->poll_ms == 0 || o->poll_ms > 600000, "`poll_ms`: 1 to 600,000"},
        {o->first_pause_ms == 0 || o->first_pause_ms > o->max_pause_ms,
         "`first_pause_ms`: 1 to `max_pause_ms`"},
        {o->max_pause_ms > 600000, "`max_pause_ms`: at most 600,000"},
        {o->max_asks == 0 || o->max_asks > 65536, "`max_asks`: 1 to 65,536"},
        {o->max_ask_bytes < 4096, "`max_ask_bytes`: 4,096 at least"},
        {o->max_reply_bytes < 4096 || o->max_reply_bytes > INT32_MAX,
         "`max_reply_bytes`: 4,096 to 2,147,483,647"},
        {o->presence_ttl_s == 0 || o->queue_ttl_s == 0 || o->cid_ttl_s == 0 || o->recent_ttl_s == 0,
         "`presence_ttl_s`, `queue_ttl_s`, `cid_ttl_s`, `recent_ttl_s`: 1 at least"},
        {o->queue_limit == 0, "`queue_limit`: 1 at least"},
        {o->recent_count == 0, "`recent_count`: 1 at least"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        *out_why = rows[i].why;
        if (rows[i].is_wrong)
            return 0;
    }
    return 1;
}

static chat_status make_fleet(chat_redis *redis, char why[CHAT__REDIS_WHY_BYTES])
{
    static const chat__redis_mode modes[] = {
        [CHAT_REDIS_STANDALONE] = CHAT__REDIS_ONE,
        [CHAT_REDIS_SHARDS] = CHAT__REDIS_SHARDS,
        [CHAT_REDIS_SENTINEL] = CHAT__REDIS_WATCHED,
        [CHAT_REDIS_CLUSTER] = CHAT__REDIS_CLUSTERED,
    };
    const chat_redis_options *o = &redis->options;
    chat__redis_fleet_options options;
    chat__redis_fleet_options_init(&options);
    options.mode = modes[o->mode];
    options.servers = o->servers;
    options.master = o->master;
    options.sentinel_user = o->sentinel_user;
    options.sentinel_password = o->sentinel_password;
    options.conn.allocator = redis->allocator;
    options.conn.user = o->user;
    options.conn.password = o->password;
    options.conn.database = o->database;
    options.conn.timeout_ms = o->timeout_ms;
    options.conn.first_pause_ms = o->first_pause_ms;
    options.conn.max_pause_ms = o->max_pause_ms;
    options.conn.max_reply_bytes = o->max_reply_bytes;
    options.conn.max_unsent_bytes =
        (uint32_t)(o->max_ask_bytes < UINT32_MAX / 2 ? o->max_ask_bytes + 65536 : UINT32_MAX);
    (void)!getrandom(&options.conn.seed, sizeof options.conn.seed, GRND_NONBLOCK);
    options.wait_ms = o->wait_ms;
    options.poll_ms = o->poll_ms;
    options.max_asks = o->max_asks;
    options.max_ask_bytes = o->max_ask_bytes;
    options.scripts = chat__redis_scripts;
    options.n_scripts = CHAT__REDIS_N_SCRIPTS;
    return chat__redis_fleet_new(&options, why, &redis->fleet);
}

static chat_status make_ops(chat_redis *redis)
{
    redis->ops = chat__alloc_zero(&redis->allocator, redis->options.max_asks * sizeof *redis->ops);
    if (redis->ops == NULL)
        return CHAT_ERR_NOMEM;
    for (uint32_t i = redis->options.max_asks; i > 0; i--)
        chat__redis_op_free(redis, &redis->ops[i - 1]);
    return CHAT_OK;
}

/* Only the path of the certificates is needed for long, and has a copy. */
static chat_status keep_ca(chat_redis *redis, char why[CHAT__REDIS_WHY_BYTES])
{
    chat__tls_context *context = NULL;
    const char *path = redis->options.ca_file;
    if (!redis->options.tls)
        return CHAT_OK;
    if (path != NULL) {
        char *copy = chat__alloc_zero(&redis->allocator, strlen(path) + 1);
        if (copy == NULL)
            return CHAT_ERR_NOMEM;
        memcpy(copy, path, strlen(path));
        redis->ca_file = copy;
    }
    redis->options.ca_file = redis->ca_file;
    char line[CHAT__REDIS_WHY_BYTES] = "";
    chat_status status = chat__tls_client_new(redis->ca_file, 1, line, sizeof line, &context);
    chat__tls_context_free(context);
    if (status != CHAT_OK && status != CHAT_ERR_NOMEM) {
        snprintf(why, CHAT__REDIS_WHY_BYTES, "`ca_file`: %.200s", line);
        return CHAT_ERR_TLS;
    }
    return status;
}

static chat_status fill(chat_redis *redis, char why[CHAT__REDIS_WHY_BYTES])
{
    const char *wrong = NULL;
    if (!is_right(&redis->options, &wrong)) {
        snprintf(why, CHAT__REDIS_WHY_BYTES, "%s", wrong);
        return CHAT_ERR_ARG;
    }
    chat__buf_init(&redis->items, &redis->allocator,
                   (size_t)redis->options.max_reply_bytes * sizeof(chat_shared_item));
    chat_status status = make_ops(redis);
    if (status == CHAT_OK)
        status = make_fleet(redis, why);
    if (status == CHAT_OK)
        status = keep_ca(redis, why);
    if (status != CHAT_OK)
        return status;
    redis->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (redis->epoll_fd < 0) {
        snprintf(why, CHAT__REDIS_WHY_BYTES, "no descriptor is left");
        return CHAT_ERR_LIMIT;
    }
    const chat_shared table = {sizeof table, 0, redis, fd, deadline, ask_it, process, next_event};
    redis->table = table;
    return CHAT_OK;
}

chat_status chat_redis_new(const chat_redis_options *options, char *why, size_t why_bytes,
                           chat_redis **out)
{
    char line[CHAT__REDIS_WHY_BYTES] = "";
    chat_redis_options taken;
    chat_redis_options_init(&taken);
    if (why != NULL && why_bytes > 0)
        why[0] = '\0';
    if (options == NULL || out == NULL ||
        chat__sized_take(&taken, sizeof taken, options) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(taken.allocator);
    chat_redis *redis = chat__alloc_zero(&allocator, sizeof *redis);
    if (redis == NULL)
        return CHAT_ERR_NOMEM;
    redis->allocator = allocator;
    redis->options = taken;
    redis->epoll_fd = -1;
    chat_status status = fill(redis, line);
    if (status == CHAT_OK) {
        *out = redis;
        return CHAT_OK;
    }
    chat_redis_free(redis);
    if (why != NULL && why_bytes > 0)
        snprintf(why, why_bytes, "%s", line);
    return status;
}

const chat_shared *chat_redis_table(const chat_redis *redis)
{
    return &redis->table;
}

void chat_redis_free(chat_redis *redis)
{
    if (redis == NULL)
        return;
    chat__redis_sockets_done(redis);
    chat__redis_fleet_free(redis->fleet);
    for (uint32_t i = 0; redis->ops != NULL && i < redis->options.max_asks; i++) {
        if (redis->ops[i].next_user != NULL)
            chat__alloc_free(&redis->allocator, redis->ops[i].next_user);
    }
    if (redis->ops != NULL)
        chat__alloc_free(&redis->allocator, redis->ops);
    if (redis->ca_file != NULL)
        chat__alloc_free(&redis->allocator, redis->ca_file);
    chat__buf_done(&redis->items);
    chat__alloc_free(&redis->allocator, redis);
}
