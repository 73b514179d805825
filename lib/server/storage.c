/* SPDX-License-Identifier: MIT */
/* See storage.h. */
#include "storage.h"
#include "appender.h"
#include "askers.h"
#include "cluster.h"
#include "placer.h"
#include "slot.h"
#include "base/sized.h"
#include "store/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_MS 60000u /* until what servers share can be used */

static void log_for_store(void *ctx, chat_log_level level, const char *line)
{
    chat__server_log(ctx, level, "%s", line);
}

static void report_open(const chat_server *server, const chat__store_report *report)
{
    const char *dir = server->options.data;
    if (report->n_torn_bytes > 0)
        chat__server_log(server, CHAT_LOG_WARN,
                         "%s: %" PRIu64 " bytes of a torn write were cut from the end of the log; "
                         "nothing of them had been acknowledged",
                         dir, report->n_torn_bytes);
    if (report->n_damaged_records > 0)
        chat__server_log(server, CHAT_LOG_ERROR,
                         "%s: %" PRIu64 " damaged records (bad checksum) were stepped over: check "
                         "the disk",
                         dir, report->n_damaged_records);
    chat__server_log(server, CHAT_LOG_INFO, "data directory %s: %" PRIu64 " records replayed", dir,
                     report->n_records);
    if (server->options.is_volatile)
        chat__server_log(server, CHAT_LOG_WARN,
                         "volatile: messages are acknowledged before the disk has them; a power "
                         "cut loses them");
}

static chat_status open_store(chat_server *server)
{
    const chat_server_options *from = &server->options;
    chat__store_options options;
    chat__store_report report;
    chat__store_options_init(&options);
    options.allocator = &server->allocator;
    options.log = (chat_log_sink){server, log_for_store};
    options.dir = from->data;
    options.n_partitions = (uint32_t)from->partitions;
    options.segment_bytes = from->segment_bytes;
    options.state_cache_bytes = from->state_cache_bytes;
    options.is_volatile = from->is_volatile != 0;
    options.offline_ttl_ms = from->offline_ttl_ms;
    options.offline_limit = from->offline_limit;
    options.device_ttl_ms = from->device_ttl_ms;
    options.max_devices = (uint32_t)from->max_devices;
    chat_status status = chat__store_open(&options, &report, &server->store);
    if (status == CHAT_OK) {
        server->max_id = report.max_id;
        report_open(server, &report);
        status = chat__store_table_new(server->store, 1, &server->table);
        if (status == CHAT_OK)
            server->store_table = *chat__store_table_of(server->table);
        return status;
    }
    if (report.problem[0] != '\0')
        chat__server_log(server, CHAT_LOG_ERROR, "data directory %s: %s", from->data,
                         report.problem);
    else
        chat__server_log(server, CHAT_LOG_ERROR, "data directory %s: %s", from->data,
                         chat_status_text(status));
    return status;
}

static void on_opened(void *ctx, uint32_t slot, uint64_t max_seq)
{
    chat__server_log(ctx, CHAT_LOG_DEBUG, "slot %u: its partitions are taken over, up to %" PRIu64,
                     slot, max_seq);
}

static void on_closed(void *ctx, uint32_t slot)
{
    (void)ctx;
    (void)slot;
}

/* Places of slots are fixed: whoever took this one means to replace this server. */
static void on_lost(void *ctx, uint32_t slot)
{
    chat_server *server = ctx;
    chat__server_log(server, CHAT_LOG_ERROR,
                     "slot %u: this server ends, for another runs it now. Do two have the same "
                     "link-member, or the same topic?",
                     slot);
    atomic_store(&server->is_broken, 1);
    chat_server_stop(server);
}

/* --- slots that move --- */

static void on_slot_opened(void *ctx, uint32_t slot, uint64_t max_seq)
{
    chat_server *server = ctx;
    chat__slot_opened(&server->shards[slot], max_seq);
}

static void on_slot_closed(void *ctx, uint32_t slot)
{
    chat_server *server = ctx;
    chat__slot_closed(&server->shards[slot]);
}

static void on_slot_lost(void *ctx, uint32_t slot)
{
    chat_server *server = ctx;
    chat__slot_taken(&server->shards[slot]);
}

static void on_slot_refused(void *ctx, uint32_t slot)
{
    chat_server *server = ctx;
    chat__slot_refused(&server->shards[slot]);
}

static void open_slot(chat_server *server, uint32_t slot)
{
    chat__appender_open(server->appender, slot);
}

static void close_slot(chat_server *server, uint32_t slot)
{
    chat__appender_close(server->appender, slot);
}

static const chat__appender_hooks *choose_hooks(chat_server *server, int is_placed)
{
    static const chat__appender_hooks FIXED = {NULL, on_opened, on_closed, on_lost, NULL};
    static const chat__appender_hooks PLACED = {NULL, on_slot_opened, on_slot_closed, on_slot_lost,
                                                on_slot_refused};
    if (is_placed) {
        server->open_slot = open_slot;
        server->close_slot = close_slot;
    }
    return is_placed ? &PLACED : &FIXED;
}

/* What servers share: nothing is on disk here, but what --dev makes. */
static chat_status open_shared(chat_server *server)
{
    const chat_server_options *from = &server->options;
    chat__appender_hooks hooks = *choose_hooks(server, chat__placer_is_wanted(server));
    hooks.ctx = server;
    server->store_table.struct_size = sizeof server->store_table;
    chat_status status =
        chat__appender_new(server, from->record_log, from->store, &hooks, &server->appender);
    if (status == CHAT_OK)
        status = chat__sized_take(&server->store_table, sizeof server->store_table, from->store);
    if (status == CHAT_OK)
        status = chat__askers_new(server, &server->store_table, (uint32_t)from->store_threads,
                                  &server->askers);
    chat_store_rules rules = {.struct_size = sizeof rules,
                              .max_devices = (uint32_t)from->max_devices,
                              .offline_ttl_ms = from->offline_ttl_ms,
                              .offline_limit = from->offline_limit,
                              .device_ttl_ms = from->device_ttl_ms};
    if (status == CHAT_OK)
        status = server->store_table.set_rules(server->store_table.ctx, &rules);
    if (status == CHAT_OK && from->dev && mkdir(from->data, 0700) != 0 && errno != EEXIST)
        chat__server_log(server, CHAT_LOG_ERROR, "data directory %s: %s", from->data,
                         strerror(errno));
    return status;
}

/* Takes the partitions over, when it is known which are own. */
chat_status chat__storage_start(chat_server *server)
{
    if (server->appender == NULL)
        return CHAT_OK;
    for (uint32_t i = 0; i < server->n_shards && server->open_slot == NULL; i++)
        if (chat__cluster_is_own(server, i))
            chat__appender_open(server->appender, i);
    chat_status status = chat__appender_start(server->appender);
    if (status == CHAT_OK)
        status = chat__appender_wait(server->appender, OPEN_MS, &server->max_id);
    if (status == CHAT_OK)
        status = chat__askers_start(server->askers);
    return status;
}

void chat__storage_stop(chat_server *server)
{
    if (server->askers != NULL)
        chat__askers_stop(server->askers);
    if (server->appender != NULL)
        chat__appender_stop(server->appender);
}

chat_status chat__storage_open(chat_server *server)
{
    if (server->options.record_log != NULL)
        return open_shared(server);
    if (server->options.kafka_brokers == NULL)
        return open_store(server);
    chat__server_log(
        server, CHAT_LOG_ERROR,
        "kafka-brokers: this program has no libchat-kafka and libchat-cassandra: build "
        "it with -Dkafka=enabled -Dcassandra=enabled, or leave --kafka-brokers and "
        "--cassandra away (a program of your own sets chat_server_options.record_log "
        "and .store)");
    return CHAT_ERR_ARG;
}

void chat__storage_close(chat_server *server)
{
    chat__askers_free(server->askers);
    chat__appender_free(server->appender);
    chat__store_table_free(server->table);
    chat__store_close(server->store);
}
