/* SPDX-License-Identifier: MIT */
/* The figures of all shards as a page of text. See metrics.h. */
#include "metrics.h"
#include "commons.h"
#include "herald.h"
#include "links.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES   256u
#define NS_IN_SECOND 1e9
#define MS_IN_SECOND 1e3

static const struct {
    const char *name;
    const char *text;
} EVENTS[CHAT__EVENT_COUNT] = {
#define EVENT_ROW(NAME, name, text) {name, text},
    CHAT__EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
};

static void set(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

void chat__metrics_publish(chat__shard *shard)
{
    chat__figures *to = &shard->figures;
    chat__node_counts counts;
    memset(&counts, 0, sizeof counts);
    if (shard->node != NULL)
        chat__node_counts_get(shard->node, &counts);
    for (size_t i = 0; i < CHAT__EVENT_COUNT; i++)
        set(&to->events[i], counts.events[i]);
    for (size_t i = 0; i < CHAT__LATENCY_COUNT; i++)
        set(&to->latency[i], counts.latency[i]);
    set(&to->latency_ms, counts.latency_ms);
    set(&to->connections, counts.connections);
    set(&to->appending_bytes, shard->n_appending_bytes);
    set(&to->log_batches, shard->n_handed);
    set(&to->received_bytes, shard->n_received_bytes);
    set(&to->sent_bytes, shard->n_sent_bytes);
}

/* --- the page --- */

typedef struct page {
    chat__buf *out;
    chat_status status;
} page;

static void put(page *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(page *to, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (to->status == CHAT_OK && (len < 0 || (size_t)len >= sizeof line))
        to->status = CHAT_ERR_LIMIT;
    if (to->status == CHAT_OK)
        to->status = chat__buf_append(to->out, line, (size_t)len);
}

static void put_head(page *to, const char *name, const char *type, const char *text)
{
    put(to, "# HELP %s %s\n# TYPE %s %s\n", name, text, name, type);
}

static void put_one(page *to, const char *name, const char *type, const char *text, double value)
{
    put_head(to, name, type, text);
    put(to, "%s %.17g\n", name, value);
}

static void put_events(page *to, const chat_server *server)
{
    put_head(to, "chat_events_total", "counter", "What happened to records, by event.");
    for (size_t k = 0; k < CHAT__EVENT_COUNT; k++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < server->n_shards; i++)
            sum += get(&server->shards[i].figures.events[k]);
        put(to, "chat_events_total{event=\"%s\"} %" PRIu64 "\n", EVENTS[k].name, sum);
    }
}

static void put_latency(page *to, const chat_server *server)
{
    uint64_t sum = 0;
    uint64_t ms = 0;
    put_head(to, "chat_delivery_seconds", "histogram",
             "From accepting a record to the acknowledgement of a device that was connected.");
    for (size_t k = 0; k < CHAT__LATENCY_COUNT; k++) {
        for (uint32_t i = 0; i < server->n_shards; i++)
            sum += get(&server->shards[i].figures.latency[k]);
        if (k < CHAT__LATENCY_COUNT - 1)
            put(to, "chat_delivery_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                chat__event_latency_ms[k] / MS_IN_SECOND, sum);
    }
    for (uint32_t i = 0; i < server->n_shards; i++)
        ms += get(&server->shards[i].figures.latency_ms);
    put(to, "chat_delivery_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", sum);
    put(to, "chat_delivery_seconds_sum %.17g\n", (double)ms / MS_IN_SECOND);
    put(to, "chat_delivery_seconds_count %" PRIu64 "\n", sum);
}

/* What each shard says of itself. */
static const struct {
    const char *name;
    const char *type;
    const char *text;
    size_t offset;
} PER_SHARD[] = {
    {"chat_connections", "gauge", "Connections of users.", offsetof(chat__figures, connections)},
    {"chat_log_queue_bytes", "gauge", "Content on its way to the disk.",
     offsetof(chat__figures, appending_bytes)},
    {"chat_log_queue_batches", "gauge", "Batches that are with the log thread.",
     offsetof(chat__figures, log_batches)},
    {"chat_received_bytes_total", "counter", "Bytes from connections, without TLS.",
     offsetof(chat__figures, received_bytes)},
    {"chat_sent_bytes_total", "counter", "Bytes to connections, without TLS.",
     offsetof(chat__figures, sent_bytes)},
    {"chat_node_number", "gauge", "Snowflake node number that ids are made with.",
     offsetof(chat__figures, node_number)},
};

static void put_shards(page *to, const chat_server *server)
{
    for (size_t k = 0; k < sizeof PER_SHARD / sizeof *PER_SHARD; k++) {
        put_head(to, PER_SHARD[k].name, PER_SHARD[k].type, PER_SHARD[k].text);
        for (uint32_t i = 0; i < server->n_shards; i++) {
            const char *base = (const char *)&server->shards[i].figures;
            const void *figure = base + PER_SHARD[k].offset;
            put(to, "%s{shard=\"%" PRIu32 "\"} %" PRIu64 "\n", PER_SHARD[k].name, i,
                get((const _Atomic uint64_t *)figure));
        }
    }
}

static void put_notifications(page *to, const chat_server *server)
{
    static const char *const STATES[CHAT__FATE_COUNT] = {
#define FATE_NAME(NAME, name, text) name,
        CHAT__FATE_TABLE(FATE_NAME)
#undef FATE_NAME
    };
    put_head(to, "chat_notifications_total", "counter", "What became of notifications, by state.");
    for (size_t i = 0; i < CHAT__FATE_COUNT; i++)
        put(to, "chat_notifications_total{state=\"%s\"} %" PRIu64 "\n", STATES[i],
            chat__herald_count(server, (chat__fate)i));
}

static void put_links(page *to, const chat_server *server)
{
    chat__links_figures now;
    uint32_t member;
    if (server->links == NULL)
        return;
    chat__links_figures_get(server->links, &now);
    put_head(to, "chat_link_up", "gauge", "1: this member of the cluster is there.");
    for (uint32_t i = 0; chat__links_member(server->links, i, &member); i++)
        put(to, "chat_link_up{member=\"%" PRIu32 "\"} %d\n", member,
            chat__links_is_up(server->links, member));
    put_one(to, "chat_link_connects_total", "counter", "Connections of links that were let in.",
            (double)now.n_connects);
    put_one(to, "chat_link_refused_total", "counter", "Connections of links that were refused.",
            (double)now.n_refused);
    put_one(to, "chat_link_lost_total", "counter", "Times that a member was taken for dead.",
            (double)now.n_lost);
    put_one(to, "chat_link_received_bytes_total", "counter", "Bytes from members, without TLS.",
            (double)now.received_bytes);
    put_one(to, "chat_link_sent_bytes_total", "counter", "Bytes to members, without TLS.",
            (double)now.sent_bytes);
    put_one(to, "chat_link_kept_bytes", "gauge", "What members have not worked off yet.",
            (double)now.kept_bytes);
}

static void put_commons(page *to, const chat_server *server)
{
    chat__commons_figures now;
    if (!chat__commons_figures_get(server, &now))
        return;
    put_one(to, "chat_shared_up", "gauge", "1: what servers share in memory can be used.",
            (double)now.is_up);
    put_one(to, "chat_shared_devices", "gauge", "Devices that are told there to be here.",
            (double)now.n_devices);
    put_one(to, "chat_shared_asks_total", "counter", "Asks to it that ended.", (double)now.n_asks);
    put_one(to, "chat_shared_failed_total", "counter", "Those of them that failed.",
            (double)now.n_failed);
    if (server->store_table.read_recent == NULL)
        return;
    put_one(to, "chat_recent_kept_total", "counter", "Newest records of chats that were put there.",
            (double)now.n_kept);
    put_one(to, "chat_recent_shed_total", "counter", "Those for which there was no room.",
            (double)now.n_shed);
    put_one(to, "chat_recent_hits_total", "counter", "Pages that were found there.",
            (double)now.n_hits);
    put_one(to, "chat_recent_misses_total", "counter", "Pages that were looked for in vain.",
            (double)now.n_misses);
}

/* Not of one that servers share: its own figures are elsewhere. */
static void put_log(page *to, chat_server *server)
{
    chat__committer *committer = &server->committer;
    if (server->store == NULL)
        return;
    put_one(to, "chat_log_commits_total", "counter", "Group commits of the log, an fdatasync each.",
            (double)get(&committer->n_commits));
    put_one(to, "chat_log_commit_seconds_total", "counter", "Time that these took.",
            (double)get(&committer->commit_ns) / NS_IN_SECOND);
    put_one(to, "chat_checkpoint_lag_bytes", "gauge",
            "Log behind the last checkpoint: what a crash replays.",
            (double)chat__store_lag(server->store));
}

chat_status chat__metrics_write(chat_server *server, chat__buf *out)
{
    page to = {out, CHAT_OK};
    put_events(&to, server);
    put_latency(&to, server);
    put_shards(&to, server);
    put_notifications(&to, server);
    put_links(&to, server);
    put_commons(&to, server);
    put_one(&to, "chat_sockets", "gauge", "Connections, those included that are not let in yet.",
            atomic_load(&server->n_connections));
    put_log(&to, server);
    put_one(&to, "chat_lease_held", "gauge", "1: there are node numbers, so that ids can be given.",
            atomic_load(&server->lessee.is_held));
    put_one(&to, "chat_lease_renewals_total", "counter", "Times that node numbers were given.",
            (double)get(&server->lessee.n_renewals));
    put_one(&to, "chat_lease_lost_total", "counter", "Times that node numbers were lost.",
            (double)get(&server->lessee.n_lost));
    put_one(&to, "chat_storage_failed", "gauge", "1: the disk refused a write, see the log.",
            atomic_load(&server->is_broken));
    return to.status;
}
