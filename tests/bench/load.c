/* SPDX-License-Identifier: MIT */
/*
 * Load generator: many clients in one process and one thread, against chatd or the bare relay.
 *
 *   load idle    opens connections and reads what the server's memory grew by
 *   load storm   opens connections, cuts them all and opens them again, all at once
 *   load drain   sends to a device that is away, and measures how long it takes to get all of it
 *   load talk    lets pairs of users, and groups, talk at a fixed total rate (open loop: a message
 *                counts from the moment it was due, not from when it was written, so a stall is not
 *                left out), or as fast as the answers come (`--window`)
 *
 * Every run is bounded in time and count. It says itself whether it was the limit, not the server.
 */
#include "load.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/view.h"

/* --- the server, seen from outside --- */

/* Proportional set size in KiB, 0 when it cannot be read. */
static uint64_t server_pss_kib(uint64_t pid)
{
    char path[64], line[256];
    uint64_t kib = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/smaps_rollup", pid);
    file = pid == 0 ? NULL : fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
            break;
    fclose(file);
    return kib;
}

/* utime + stime of all threads, in clock ticks (proc(5), fields 14 and 15 of stat). */
static uint64_t server_ticks(uint64_t pid)
{
    char path[64], text[1024];
    uint64_t user = 0, system = 0;
    const char *at;
    size_t len;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    file = pid == 0 ? NULL : fopen(path, "re");
    if (file == NULL)
        return 0;
    len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &system) != 2)
        return 0;
    return user + system;
}

usage usage_now(uint64_t pid)
{
    struct rusage own;
    usage now = {.ticks = server_ticks(pid), .at_ns = bench_now_ns()};

    getrusage(RUSAGE_SELF, &own);
    now.own_us = (uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000u +
                 (uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec);
    return now;
}

/* --- options --- */

int usage_error(const char *what)
{
    fprintf(
        stderr,
        "load: %s\n"
        "usage: load idle  --server HOST:PORT [--secret-file F] [--connections N] [--pid P]\n"
        "       load talk  --server HOST:PORT [--secret-file F] [--pairs N] [--seconds S]\n"
        "                  [--rate MESSAGES_PER_SECOND | --window N] [--body BYTES] [--pid P]\n"
        "                  [--groups N --members N\n"
        "                   --group-rate MESSAGES_PER_SECOND | --group-window N]\n"
        "                  [--json 1] [--deflate 1] [--millis MS]\n"
        "                  [--first NUMBER_OF_THE_FIRST_USER: other users than another load has]\n"
        "       load storm --server HOST:PORT [--secret-file F] [--connections N] [--pid P]\n"
        "       load drain --server HOST:PORT --secret-file F [--messages N] [--pid P]\n"
        "With --tls 1 all of it by TLS, the certificate not checked; with --connecting N so many\n"
        "connect at a time.\n"
        "Without a secret no token is sent. HOST is an IPv4 address; with several ports,\n"
        "PORT,PORT, connections go to each in turn. One JSON object is the last line of the\n"
        "output.\n"
        "Exit code: 0 done, 1 failed, 2 usage.\n",
        what);
    return 2;
}

static int read_secret(options *o, const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return -1;
    o->secret_len = fread(o->secret, 1, sizeof o->secret, file);
    fclose(file);
    while (o->secret_len > 0 &&
           (o->secret[o->secret_len - 1] == '\n' || o->secret[o->secret_len - 1] == '\r'))
        o->secret_len--;
    return o->secret_len > 0 ? 0 : -1;
}

static int set_number(options *o, const char *name, const char *value)
{
    static const struct {
        const char *name;
        size_t at;
        uint64_t max;
    } NUMBERS[] = {
        {"--connections", offsetof(options, connections), 1000000},
        {"--pairs", offsetof(options, pairs), 500000},
        {"--seconds", offsetof(options, seconds), 3600},
        {"--rate", offsetof(options, rate), 10000000},
        {"--body", offsetof(options, body_bytes), CHAT_BODY_MAX_BYTES},
        {"--window", offsetof(options, window), 65536},
        {"--groups", offsetof(options, groups), 10000},
        {"--members", offsetof(options, members), 256},
        {"--group-rate", offsetof(options, group_rate), 10000000},
        {"--group-window", offsetof(options, group_window), 65536},
        {"--messages", offsetof(options, messages), 1000000},
        {"--first", offsetof(options, first), 1000000},
        {"--millis", offsetof(options, millis), 3600000},
        {"--tls", offsetof(options, has_tls), 1},
        {"--connecting", offsetof(options, connecting), 100000},
        {"--json", offsetof(options, is_json), 1},
        {"--deflate", offsetof(options, has_deflate), 1},
        {"--pid", offsetof(options, pid), UINT32_MAX},
        {"--timeout", offsetof(options, timeout_s), 3600},
    };
    char *end;

    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        uint64_t number = strtoull(value, &end, 10);
        if (strcmp(name, NUMBERS[i].name) != 0)
            continue;
        if (*value < '0' || *value > '9' || *end != 0 || number == 0 || number > NUMBERS[i].max)
            return -1;
        memcpy((uint8_t *)o + NUMBERS[i].at, &number, sizeof number);
        return 0;
    }
    return -1;
}

static int set_ports(options *o, const char *text)
{
    char *rest = NULL;

    for (o->n_ports = 0; o->n_ports < BENCH_MAX_PORTS; text = rest + 1) {
        o->ports[o->n_ports++] = (uint16_t)strtoul(text, &rest, 10);
        if (*rest != ',')
            return *rest == 0 && rest != text ? 0 : -1;
    }
    return -1;
}

static int set_option(options *o, const char *name, const char *value)
{
    const char *colon = strrchr(value, ':');

    if (strcmp(name, "--secret-file") == 0)
        return read_secret(o, value);
    if (strcmp(name, "--server") != 0)
        return set_number(o, name, value);
    if (colon == NULL || (size_t)(colon - value) >= sizeof o->host)
        return -1;
    memcpy(o->host, value, (size_t)(colon - value));
    return set_ports(o, colon + 1);
}

typedef struct mode {
    const char *name;
    int (*run)(const options *o);
} mode;

static int run_idle(const options *o);

static const mode MODES[] = {
    {"idle", run_idle}, {"talk", run_talk}, {"storm", run_storm}, {"drain", run_drain}};

static int parse(options *o, int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof MODES / sizeof MODES[0]; i++) {
        if (strcmp(argv[1], MODES[i].name) == 0)
            o->run = MODES[i].run;
    }
    if (o->run == NULL)
        return usage_error("say `idle`, `talk`, `storm` or `drain`");
    for (int i = 2; i < argc; i += 2)
        if (i + 1 == argc || set_option(o, argv[i], argv[i + 1]) != 0)
            return usage_error(argv[i]);
    if (o->groups > 0 && (o->members < 3 || (o->group_rate == 0) == (o->group_window == 0)))
        return usage_error("--groups needs --members (3 at least), and --group-rate or "
                           "--group-window");
    if (o->n_ports == 0)
        return usage_error("--server is needed");
    if (o->body_bytes < 16)
        return usage_error("--body must be 16 at least");
    return 0;
}

int open_pool(bench_pool *pool, const options *o, uint64_t n_conns)
{
    pool->encoding = o->is_json ? CHAT_ENCODING_JSON : CHAT_ENCODING_CBOR;
    pool->has_deflate = (int)o->has_deflate;
    pool->first = (uint32_t)o->first;
    if (o->connecting > 0)
        pool->max_connecting = (uint32_t)o->connecting;
    pool->server.sin_family = AF_INET;
    memcpy(pool->ports, o->ports, sizeof pool->ports);
    pool->n_ports = o->n_ports;
    pool->secret = chat__view(o->secret, o->secret_len);
    if (o->has_tls) {
        char why[256] = "";
        if (chat__tls_client_new(NULL, 0, why, sizeof why, &pool->tls) != CHAT_OK)
            return usage_error(why);
    }
    if (inet_pton(AF_INET, o->host, &pool->server.sin_addr) != 1)
        return usage_error("HOST is no IPv4 address");
    if (bench_pool_init(pool, (uint32_t)n_conns) != 0 ||
        bench_pool_open_all(pool, bench_now_ns() + o->timeout_s * NS_PER_SECOND) != 0) {
        fprintf(stderr, "load: %s\n", pool->why);
        return 1;
    }
    return 0;
}

/* --- idle --- */

double server_us(const usage *first, const usage *last)
{
    return (double)(last->ticks - first->ticks) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* CPU of the server for TCP, upgrade, token and hello. */
static double us_per_handshake(const options *o, const usage *first, const usage *last)
{
    return server_us(first, last) / (double)o->connections;
}

static void report_handshakes(const options *o, const usage *first, const usage *last)
{
    double seconds = (double)(last->at_ns - first->at_ns) / 1e9;
    double own = (double)(last->own_us - first->own_us) / 1e6 / seconds;

    printf("%.0f handshakes/s, server CPU %.1f us each; generator at %.0f %% of a core\n",
           (double)o->connections / seconds, us_per_handshake(o, first, last), own * 100);
}

static int run_idle(const options *o)
{
    bench_pool pool = {.epoll_fd = -1};
    uint64_t before = server_pss_kib(o->pid), started = bench_now_ns(), opened, until, after;
    usage first = usage_now(o->pid), last;
    int failed = open_pool(&pool, o, o->connections);

    if (failed == 0) {
        opened = bench_now_ns();
        last = usage_now(o->pid);
        report_handshakes(o, &first, &last);
        until = opened + NS_PER_SECOND; /* idle for a second: buffers of the handshake go back */
        while (bench_now_ns() < until)
            bench_pool_turn(&pool, until);
        after = server_pss_kib(o->pid);
        printf("%" PRIu64 " connections open in %.2f s\n", o->connections,
               (double)(opened - started) / 1e9);
        printf("server memory (PSS): %" PRIu64 " KiB before, %" PRIu64 " KiB after: "
               "%.0f bytes per idle connection\n",
               before, after, ((double)after - (double)before) * 1024 / (double)o->connections);
        printf("{\"mode\":\"idle\",\"connections\":%" PRIu64 ",\"open_s\":%.3f,"
               "\"cpu_us_per_handshake\":%.1f,"
               "\"pss_before_kib\":%" PRIu64 ",\"pss_after_kib\":%" PRIu64
               ",\"bytes_per_connection\":%.0f,\"closed\":%u}\n",
               o->connections, (double)(opened - started) / 1e9, us_per_handshake(o, &first, &last),
               before, after, ((double)after - (double)before) * 1024 / (double)o->connections,
               pool.n_closed);
        failed = pool.n_closed > 0;
    }
    bench_pool_done(&pool);
    return failed;
}

int main(int argc, char **argv)
{
    options o = {.connections = 10000,
                 .messages = 10000,
                 .seconds = 10,
                 .rate = 10000,
                 .body_bytes = 200,
                 .timeout_s = 60};
    int failed = parse(&o, argc, argv);

    if (failed != 0)
        return failed;
    if (o.pairs == 0 && o.groups == 0)
        o.pairs = 1000;
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else each wait ends 50 us late */
    return o.run(&o);
}
