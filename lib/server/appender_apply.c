/* SPDX-License-Identifier: MIT */
/* The threads that bring what was read from the log into the store. See appender.h. */
#include "appender_internal.h"
#include "recent.h"

#define MIN_PAUSE_MS 50u
#define MAX_PAUSE_MS 1000u

/* Until it works: what is in the log is durable, and whoever sent it waits. 0: stopping. */
static int apply(chat__appender *appender, chat__harvest *harvest)
{
    chat_server *server = appender->server;
    chat_store_record *records = (chat_store_record *)(void *)harvest->records.data;
    uint32_t pause_ms = MIN_PAUSE_MS;
    for (uint32_t n_tries = 0;; n_tries++) {
        chat_status status = appender->store.apply(appender->store.ctx, records, harvest->n);
        if (status == CHAT_OK && n_tries > 0)
            chat__server_log(server, CHAT_LOG_INFO, "the store takes records again");
        if (status == CHAT_OK)
            return 1;
        if (atomic_load(&appender->is_stopping))
            return 0;
        if (n_tries == 0)
            chat__server_log(server, CHAT_LOG_WARN,
                             "the store does not take records (%s): senders wait until it does",
                             chat_status_text(status));
        atomic_fetch_add(&appender->n_retries, 1);
        uv_sleep(pause_ms);
        pause_ms = pause_ms * 2 < MAX_PAUSE_MS ? pause_ms * 2 : MAX_PAUSE_MS;
    }
}

static int wait_for_harvest(chat__lane *lane)
{
    chat__appender *appender = lane->appender;
    uv_mutex_lock(&appender->mutex);
    while (lane->place != CHAT__HARVEST_READY && !atomic_load(&appender->is_stopping))
        uv_cond_wait(&lane->wake, &appender->mutex);
    int has_one = lane->place == CHAT__HARVEST_READY;
    uv_mutex_unlock(&appender->mutex);
    return has_one;
}

void chat__appender_lane_main(void *arg)
{
    chat__lane *lane = arg;
    chat__appender *appender = lane->appender;
    while (wait_for_harvest(lane)) {
        if (!apply(appender, &lane->applying))
            return;
        atomic_fetch_add(&appender->n_applied, lane->applying.n);
        chat__recent_keep(appender->server,
                          (const chat_store_record *)(const void *)lane->applying.records.data,
                          lane->applying.n);
        uv_mutex_lock(&appender->mutex);
        lane->place = CHAT__HARVEST_DONE;
        uv_mutex_unlock(&appender->mutex);
        chat__appender_wake(appender);
    }
}
