/* SPDX-License-Identifier: MIT */
/* chatd: the server of libchat-server as a program. Nothing but public headers. */
#include "backends.h"

#include <chat/server_config.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_BESIDE_CONNECTIONS 64u

static struct {
    chat_server *volatile server;
    volatile sig_atomic_t n_signals;
    uint64_t drain_ms;
} running;

static void on_signal(int number)
{
    if (running.n_signals++ > 0)
        _exit(128 + number);
    if (running.server != NULL)
        chat_server_drain(running.server, running.drain_ms);
    else
        _exit(128 + number);
}

static void write_line(void *ctx, chat_log_level level, const char *line)
{
    (void)ctx;
    chatd_say(level, line);
}

/* As many open files as we are allowed to have; say how many connections fit. */
static void raise_file_limit(const chat_server_options *options)
{
    struct rlimit limit;
    char line[160];
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    uint64_t files = limit.rlim_cur;
    uint64_t fit = files > FILES_BESIDE_CONNECTIONS ? files - FILES_BESIDE_CONNECTIONS : 0;
    int is_short = fit < options->max_connections;
    snprintf(line, sizeof line, "%llu connections fit%s",
             (unsigned long long)(is_short ? fit : options->max_connections),
             is_short ? " into the limit of open files (ulimit -n), fewer than max-connections"
                      : " (max-connections)");
    chat_log_level level = is_short ? CHAT_LOG_WARN : CHAT_LOG_INFO;
    if ((uint64_t)level <= options->log_level)
        write_line(NULL, level, line);
}

static int serve(chat_server_options *options)
{
    chat_server *server = NULL;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    raise_file_limit(options);
    running.drain_ms = options->drain_timeout_ms;
    chat_status status = chat_server_new(options, &server);
    if (status != CHAT_OK)
        return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
    running.server = server;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    status = chat_server_run(server);
    running.server = NULL;
    chat_server_free(server);
    return status == CHAT_OK ? EXIT_GOOD : EXIT_FAILED;
}

static int check(const chat_server_options *options)
{
    if (chat_server_check(options) != CHAT_OK)
        return EXIT_USAGE;
    puts("chatd: the configuration is good");
    return EXIT_GOOD;
}

static int run(chat_server_options *options, int is_check)
{
    chatd_backends *backends = NULL;
    int code = chatd_backends_open(options, is_check, &backends);
    if (code == EXIT_GOOD)
        code = is_check ? check(options) : serve(options);
    chatd_backends_free(backends);
    return code;
}

static int print(chat_server_config *config, chat_server_action action)
{
    const char *text = NULL;
    if (chat_server_config_text(config, action, &text) != CHAT_OK)
        return EXIT_FAILED;
    fputs(text, stdout);
    return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_FAILED;
}

static int act(chat_server_config *config)
{
    chat_server_options *options = chat_server_config_options(config);
    chat_server_action action = chat_server_config_action(config);
    options->log.write = write_line;
    switch (action) {
    case CHAT_SERVER_ACTION_RUN:
    case CHAT_SERVER_ACTION_CHECK:
        return run(options, action == CHAT_SERVER_ACTION_CHECK);
    case CHAT_SERVER_ACTION_MIGRATE:
        return chatd_migrate(options);
    default:
        return print(config, action);
    }
}

int main(int argc, char **argv)
{
    chat_server_config *config = NULL;
    if (chat_server_config_new(NULL, &config) != CHAT_OK)
        return EXIT_FAILED;
    int code = EXIT_USAGE;
    if (chat_server_config_parse(config, argc, (const char *const *)argv) == CHAT_OK)
        code = act(config);
    else
        fprintf(stderr, "chatd: error: %s\n", chat_server_config_problem(config));
    chat_server_config_free(config);
    return code;
}
