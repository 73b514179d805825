/* SPDX-License-Identifier: MIT */
/* See appender.h: how it begins and ends, and what shards put in. */
#include "appender_internal.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SAY_EVERY_MS 5000u

void chat__appender_fail(chat__appender *appender, chat_status status, const char *why)
{
    chat_server *server = appender->server;
    uv_mutex_lock(&appender->mutex);
    int is_first = appender->broken == CHAT_OK;
    if (is_first)
        appender->broken = status;
    uv_cond_signal(&appender->open_wake);
    uv_mutex_unlock(&appender->mutex);
    if (!is_first)
        return;
    chat__server_log(server, CHAT_LOG_ERROR, "%s", why);
    atomic_store(&server->is_broken, 1);
    chat_server_stop(server);
}

static void init_harvest(chat__harvest *harvest, const chat_allocator *allocator)
{
    chat__buf_init(&harvest->records, allocator, SIZE_MAX / 2);
    chat__buf_init(&harvest->founds, allocator, SIZE_MAX / 2);
    chat__buf_init(&harvest->bytes, allocator, SIZE_MAX / 2);
}

static void done_harvest(chat__harvest *harvest)
{
    chat__buf_done(&harvest->records);
    chat__buf_done(&harvest->founds);
    chat__buf_done(&harvest->bytes);
}

static chat_status init_lanes(chat__appender *appender)
{
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++) {
        chat__lane *lane = &appender->lanes[i];
        lane->appender = appender;
        init_harvest(&lane->reading, &appender->server->allocator);
        init_harvest(&lane->applying, &appender->server->allocator);
        if (uv_cond_init(&lane->wake) != 0)
            return CHAT_ERR_NOMEM;
        lane->has_wake = 1;
    }
    return CHAT_OK;
}

static void done_lane(chat__lane *lane)
{
    if (lane->has_wake)
        uv_cond_destroy(&lane->wake);
    done_harvest(&lane->reading);
    done_harvest(&lane->applying);
}

static chat_status init_sync(chat__appender *appender)
{
    if (chat__mailbox_init(&appender->box) != 0)
        return CHAT_ERR_NOMEM;
    appender->has_box = 1;
    if (uv_mutex_init(&appender->mutex) != 0)
        return CHAT_ERR_NOMEM;
    if (uv_cond_init(&appender->open_wake) != 0) {
        uv_mutex_destroy(&appender->mutex);
        return CHAT_ERR_NOMEM;
    }
    appender->has_sync = 1;
    appender->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return appender->wake_fd >= 0 ? CHAT_OK : CHAT_ERR_LIMIT;
}

static chat_status fill(chat__appender *appender, const chat_log *log, const chat_store *store)
{
    chat_server *server = appender->server;
    const chat_allocator *allocator = &server->allocator;
    chat_status status = chat__sized_take(&appender->log, sizeof appender->log, log);
    if (status == CHAT_OK)
        status = chat__sized_take(&appender->store, sizeof appender->store, store);
    if (status != CHAT_OK || appender->log.append == NULL || appender->store.apply == NULL) {
        chat__server_log(server, CHAT_LOG_ERROR,
                         "record_log, store: struct_size or a function is not set");
        return CHAT_ERR_ARG;
    }
    if (appender->log.n_partitions != server->options.partitions) {
        chat__server_log(server, CHAT_LOG_ERROR,
                         "partitions: the log has %" PRIu32 ", and the option says %" PRIu64
                         ": set partitions to what the log has",
                         appender->log.n_partitions, server->options.partitions);
        return CHAT_ERR_ARG;
    }
    appender->parts =
        chat__alloc_zero(allocator, appender->log.n_partitions * sizeof *appender->parts);
    appender->of_shards =
        chat__alloc_zero(allocator, CHAT__SERVER_MAX_SHARDS * sizeof *appender->of_shards);
    appender->slots =
        chat__alloc_zero(allocator, CHAT__SERVER_MAX_SHARDS * sizeof *appender->slots);
    int is_made = appender->parts != NULL && appender->of_shards != NULL && appender->slots != NULL;
    status = is_made ? init_lanes(appender) : CHAT_ERR_NOMEM;
    return status == CHAT_OK ? init_sync(appender) : status;
}

chat_status chat__appender_new(chat_server *server, const chat_log *log, const chat_store *store,
                               const chat__appender_hooks *hooks, chat__appender **out)
{
    chat__appender *appender = chat__alloc_zero(&server->allocator, sizeof *appender);
    if (appender == NULL)
        return CHAT_ERR_NOMEM;
    appender->server = server;
    appender->hooks = *hooks;
    appender->wake_fd = -1;
    appender->log.struct_size = sizeof appender->log;
    appender->store.struct_size = sizeof appender->store;
    chat_status status = fill(appender, log, store);
    if (status == CHAT_OK)
        *out = appender;
    else
        chat__appender_free(appender);
    return status;
}

static void free_flights(chat__appender *appender, chat__flights *flights)
{
    const chat_allocator *allocator = &appender->server->allocator;
    while (flights->first != NULL) {
        chat__flight *next = flights->first->next;
        chat__batch_free(allocator, flights->first->batch);
        chat__alloc_free(allocator, flights->first);
        flights->first = next;
    }
}

void chat__appender_free(chat__appender *appender)
{
    if (appender == NULL)
        return;
    const chat_allocator allocator = appender->server->allocator;
    /* What waits to be appended is on its way of its shard, too. */
    for (uint32_t i = 0; appender->of_shards != NULL && i < CHAT__SERVER_MAX_SHARDS; i++)
        free_flights(appender, &appender->of_shards[i]);
    if (appender->has_box)
        chat__mailbox_done(&appender->box, &allocator);
    if (appender->has_sync) {
        uv_cond_destroy(&appender->open_wake);
        uv_mutex_destroy(&appender->mutex);
    }
    if (appender->wake_fd >= 0)
        close(appender->wake_fd);
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++)
        done_lane(&appender->lanes[i]);
    chat__alloc_free(&allocator, appender->of_shards);
    chat__alloc_free(&allocator, appender->parts);
    chat__alloc_free(&allocator, appender->slots);
    chat__alloc_free(&allocator, appender);
}

void chat__appender_wake(chat__appender *appender)
{
    const uint64_t one = 1;
    ssize_t ignored = write(appender->wake_fd, &one, sizeof one);
    (void)ignored;
}

chat_status chat__appender_start(chat__appender *appender)
{
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++) {
        chat__lane *lane = &appender->lanes[i];
        if (uv_thread_create(&lane->thread, chat__appender_lane_main, lane) != 0)
            return CHAT_ERR_NOMEM;
        lane->is_running = 1;
    }
    if (uv_thread_create(&appender->log_thread, chat__appender_log_main, appender) != 0)
        return CHAT_ERR_NOMEM;
    appender->is_log_running = 1;
    return CHAT_OK;
}

static void want(chat__appender *appender, uint32_t slot, uint8_t is_wanted)
{
    chat__appender_slot *to = &appender->slots[slot];
    uv_mutex_lock(&appender->mutex);
    if (is_wanted && !to->is_wanted)
        appender->n_wanted++;
    else if (!is_wanted && to->is_wanted)
        appender->n_wanted--;
    to->is_wanted = is_wanted;
    to->n_closes += !is_wanted;
    uv_mutex_unlock(&appender->mutex);
    chat__appender_wake(appender);
}

void chat__appender_open(chat__appender *appender, uint32_t slot)
{
    want(appender, slot, 1);
}

void chat__appender_close(chat__appender *appender, uint32_t slot)
{
    want(appender, slot, 0);
}

chat_status chat__appender_wait(chat__appender *appender, uint32_t timeout_ms, uint64_t *out_max_id)
{
    const uint64_t ns_in_ms = 1000000;
    uint64_t start_ms = chat__server_mono_ms();
    uint64_t next_ms = start_ms + SAY_EVERY_MS;
    uv_mutex_lock(&appender->mutex);
    while (appender->n_open < appender->n_wanted && appender->broken == CHAT_OK) {
        uint64_t now_ms = chat__server_mono_ms();
        if (now_ms - start_ms >= timeout_ms)
            break;
        if (now_ms >= next_ms) {
            next_ms = now_ms + SAY_EVERY_MS;
            chat__server_log(appender->server, CHAT_LOG_INFO,
                             "taking over partitions of the log: %" PRIu64 " records read, %" PRIu64
                             " of them in the store",
                             atomic_load(&appender->n_read), atomic_load(&appender->n_applied));
        }
        (void)uv_cond_timedwait(&appender->open_wake, &appender->mutex,
                                (next_ms - now_ms) * ns_in_ms);
    }
    chat_status status = appender->broken != CHAT_OK             ? appender->broken
                         : appender->n_open < appender->n_wanted ? CHAT_ERR_TIMEOUT
                                                                 : CHAT_OK;
    *out_max_id = appender->max_seq;
    uv_mutex_unlock(&appender->mutex);
    if (status == CHAT_ERR_TIMEOUT)
        chat__server_log(appender->server, CHAT_LOG_ERROR,
                         "the log or the store could not be reached in %u s: are they up, and are "
                         "kafka and cassandra where the options say?",
                         timeout_ms / 1000);
    return status;
}

void chat__appender_stop(chat__appender *appender)
{
    atomic_store(&appender->is_stopping, 1);
    uv_mutex_lock(&appender->mutex);
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++)
        uv_cond_signal(&appender->lanes[i].wake);
    uv_mutex_unlock(&appender->mutex);
    chat__appender_wake(appender);
    if (appender->is_log_running)
        uv_thread_join(&appender->log_thread);
    appender->is_log_running = 0;
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++) {
        if (appender->lanes[i].is_running)
            uv_thread_join(&appender->lanes[i].thread);
        appender->lanes[i].is_running = 0;
    }
}

void chat__appender_put(chat__appender *appender, chat__batch *batch)
{
    if (chat__mailbox_put(&appender->box, batch))
        chat__appender_wake(appender);
}

void chat__appender_figures_get(chat__appender *appender, chat__appender_figures *out)
{
    out->n_appended = atomic_load(&appender->n_appended);
    out->n_read = atomic_load(&appender->n_read);
    out->n_applied = atomic_load(&appender->n_applied);
    out->n_retries = atomic_load(&appender->n_retries);
    out->waiting_bytes = atomic_load(&appender->waiting_bytes);
}
