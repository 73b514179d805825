/* SPDX-License-Identifier: MIT */
/* chatd: the server of libchat-server as a program. Nothing but public headers. */
#ifdef CHATD_HAS_ETCD
#include <chat/etcd.h>
#endif
#include <chat/server.h>
#include <chat/server_config.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

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
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    (void)ctx;
    fprintf(stderr, "chatd: %s: %s\n", names[level], line);
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

/* Where node numbers come from: etcd, if the options say so. */
typedef struct numbers {
    chat_lease table;
    chat_places places;
    struct chat_etcd_lease *of_etcd;
    struct chat_etcd_places *places_of_etcd;
} numbers;

#ifdef CHATD_HAS_ETCD
static int take_from_etcd(chat_server_options *options, numbers *out)
{
    chat_etcd_options etcd;
    chat_etcd_options_init(&etcd);
    etcd.endpoints = options->etcd;
    etcd.prefix = options->etcd_prefix;
    etcd.ca_file = options->etcd_ca_file;
    etcd.ttl_ms = options->etcd_ttl_ms;
    if (options->etcd_ca_file != NULL && access(options->etcd_ca_file, R_OK) != 0) {
        write_line(NULL, CHAT_LOG_ERROR, "etcd-ca-file: the file cannot be read: name a PEM file");
        return EXIT_USAGE;
    }
    chat_status status = chat_etcd_lease_new(&etcd, &out->of_etcd);
    if (status == CHAT_OK)
        status = chat_etcd_places_new(&etcd, &out->places_of_etcd);
    if (status == CHAT_OK) {
        chat_etcd_lease_table(out->of_etcd, &out->table);
        chat_etcd_places_table(out->places_of_etcd, &out->places);
        options->lease = &out->table;
        options->places = &out->places;
        return EXIT_GOOD;
    }
    write_line(NULL, CHAT_LOG_ERROR,
               status == CHAT_ERR_ARG
                   ? "etcd: 1 to 16 URLs are needed with a comma between them, such as "
                     "http://127.0.0.1:2379, and etcd-prefix of at most 128 visible ASCII letters"
                   : "etcd: libcurl cannot be used: out of memory");
    return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
}
#endif

static int take_numbers(chat_server_options *options, numbers *out)
{
    memset(out, 0, sizeof *out);
#ifdef CHATD_HAS_ETCD
    if (options->etcd != NULL)
        return take_from_etcd(options, out);
#else
    (void)options;
#endif
    return EXIT_GOOD;
}

static void free_numbers(numbers *from)
{
#ifdef CHATD_HAS_ETCD
    chat_etcd_lease_free(from->of_etcd);
    chat_etcd_places_free(from->places_of_etcd);
#else
    (void)from;
#endif
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
    numbers from;
    options->log.write = write_line;
    if (action != CHAT_SERVER_ACTION_RUN && action != CHAT_SERVER_ACTION_CHECK)
        return print(config, action);
    int code = take_numbers(options, &from);
    if (code == EXIT_GOOD)
        code = action == CHAT_SERVER_ACTION_RUN ? serve(options) : check(options);
    free_numbers(&from);
    return code;
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
