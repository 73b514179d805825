/* SPDX-License-Identifier: MIT */
/*
 * chatd over what servers share, without other servers: the log and what they share in memory are
 * those of libchat-testing, the store an embedded one behind <chat/backend/store.h>. For
 * sanitizers and for end-to-end tests of what lies between (LIBCHAT_CHATD). Takes chatd's options.
 */
#include <chat/server_config.h>
#include <chat/testing_log.h>
#include <chat/testing_shared.h>

#include "store/store.h"
#include "store/table.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static chat_server *volatile running;

static void on_signal(int number)
{
    (void)number;
    chat_server_drain(running, 10000);
}

static void write_line(void *ctx, chat_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "chatd: %s\n", line);
}

typedef struct parts {
    chat__store *store;
    chat__store_table *table;
    chat_test_log *log;
    chat_test_log_handle *handle;
    chat_test_shared *shared;
} parts;

static chat_status open_parts(const chat_server_options *options, parts *out)
{
    chat_test_log_options log;
    chat__store_options store;
    chat__store_report report;
    chat_test_shared_options shared;
    chat_test_log_options_init(&log);
    chat_test_shared_options_init(&shared);
    shared.presence_ttl_s = (uint32_t)options->redis_presence_ttl_s;
    chat__store_options_init(&store);
    log.partitions = (uint32_t)options->partitions;
    store.dir = options->data;
    store.n_partitions = (uint32_t)options->partitions;
    store.offline_ttl_ms = options->offline_ttl_ms;
    store.offline_limit = options->offline_limit;
    store.device_ttl_ms = options->device_ttl_ms;
    store.max_devices = (uint32_t)options->max_devices;
    chat_status status = chat__store_open(&store, &report, &out->store);
    if (status == CHAT_OK)
        status = chat__store_table_new(out->store, 0, &out->table);
    if (status == CHAT_OK)
        status = chat_test_log_new(&log, &out->log);
    if (status == CHAT_OK)
        status = chat_test_log_open(out->log, "chat", CHAT_TEST_LOG_ASSIGNED, &out->handle);
    if (status == CHAT_OK)
        status = chat_test_shared_new(&shared, &out->shared);
    return status;
}

static void close_parts(parts *from)
{
    chat_test_shared_free(from->shared);
    chat_test_log_close(from->handle);
    chat_test_log_free(from->log);
    chat__store_table_free(from->table);
    chat__store_close(from->store);
}

static chat_status serve(chat_server_options *options)
{
    chat_server *server = NULL;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    chat_status status = chat_server_new(options, &server);
    if (status != CHAT_OK)
        return status;
    running = server;
    sigaction(SIGTERM, &action, NULL);
    status = chat_server_run(server);
    signal(SIGTERM, SIG_IGN);
    chat_server_free(server);
    return status;
}

int main(int argc, char **argv)
{
    chat_server_config *config = NULL;
    parts all = {NULL, NULL, NULL, NULL, NULL};
    if (chat_server_config_new(NULL, &config) != CHAT_OK ||
        chat_server_config_parse(config, argc, (const char *const *)argv) != CHAT_OK) {
        fprintf(stderr, "chatd: %s\n", chat_server_config_problem(config));
        return 2;
    }
    chat_server_options *options = chat_server_config_options(config);
    options->log.write = write_line;
    chat_status status = open_parts(options, &all);
    if (status == CHAT_OK) {
        options->record_log = chat_test_log_table(all.handle);
        options->store = chat__store_table_of(all.table);
        options->shared = chat_test_shared_table(all.shared);
        status = serve(options);
    }
    close_parts(&all);
    chat_server_config_free(config);
    return status == CHAT_OK ? 0 : 1;
}
