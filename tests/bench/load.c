/* SPDX-License-Identifier: MIT */
/*
 * Load generator: many clients in one process and one thread, against chatd or the bare relay.
 *
 *   load idle    opens connections and reads what the server's memory grew by
 *   load pairs   lets pairs of users talk at a fixed total rate (open loop: a message counts from
 *                the moment it was due, not from when it was written, so a stall is not left out)
 *
 * Every run is bounded in time and count. It says itself whether it was the limit, not the server.
 */
#include "client.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/view.h"
#include "hist.h"

enum { MAX_SECRET_BYTES = 4096, STAMP_DIGITS = 16, DRAIN_SECONDS = 5 };

#define NS_PER_SECOND UINT64_C(1000000000)

typedef struct options {
    const char *mode;
    uint64_t connections, pairs, seconds, rate, body_bytes, pid, timeout_s;
    char host[64];
    uint16_t port;
    uint8_t secret[MAX_SECRET_BYTES];
    size_t secret_len;
} options;

typedef struct usage {
    uint64_t ticks;  /* CPU of the server, all threads */
    uint64_t own_us; /* CPU of this process */
    uint64_t at_ns;
} usage;

typedef struct pairs_run {
    bench_pool pool;
    const options *options;
    uint8_t *body;
    uint64_t n_due, n_sent, n_answered, n_delivered;
    uint64_t measure_from_ns;
    bench_hist sent, delivered, lag;
} pairs_run;

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

static usage usage_now(uint64_t pid)
{
    struct rusage own;
    usage now = {.ticks = server_ticks(pid), .at_ns = bench_now_ns()};

    getrusage(RUSAGE_SELF, &own);
    now.own_us = (uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000u +
                 (uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec);
    return now;
}

/* --- options --- */

static int usage_error(const char *what)
{
    fprintf(stderr,
            "load: %s\n"
            "usage: load idle  --server HOST:PORT [--secret-file F] [--connections N] [--pid P]\n"
            "       load pairs --server HOST:PORT [--secret-file F] [--pairs N] [--seconds S]\n"
            "                  [--rate MESSAGES_PER_SECOND] [--body BYTES] [--pid P]\n"
            "Without a secret no token is sent. HOST is an IPv4 address. One JSON object is the\n"
            "last line of the output. Exit code: 0 done, 1 failed, 2 usage.\n",
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
    o->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return 0;
}

static int parse(options *o, int argc, char **argv)
{
    if (argc < 2 || (strcmp(argv[1], "idle") != 0 && strcmp(argv[1], "pairs") != 0))
        return usage_error("say `idle` or `pairs`");
    o->mode = argv[1];
    for (int i = 2; i < argc; i += 2)
        if (i + 1 == argc || set_option(o, argv[i], argv[i + 1]) != 0)
            return usage_error(argv[i]);
    if (o->port == 0)
        return usage_error("--server is needed");
    if (o->body_bytes < STAMP_DIGITS)
        return usage_error("--body must be 16 at least");
    return 0;
}

static int open_pool(bench_pool *pool, const options *o, uint64_t n_conns)
{
    pool->server.sin_family = AF_INET;
    pool->server.sin_port = htons(o->port);
    pool->secret = chat__view(o->secret, o->secret_len);
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

static int run_idle(const options *o)
{
    bench_pool pool = {.epoll_fd = -1};
    uint64_t before = server_pss_kib(o->pid), started = bench_now_ns(), opened, until, after;
    int failed = open_pool(&pool, o, o->connections);

    if (failed == 0) {
        opened = bench_now_ns();
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
               "\"pss_before_kib\":%" PRIu64 ",\"pss_after_kib\":%" PRIu64
               ",\"bytes_per_connection\":%.0f,\"closed\":%u}\n",
               o->connections, (double)(opened - started) / 1e9, before, after,
               ((double)after - (double)before) * 1024 / (double)o->connections, pool.n_closed);
        failed = pool.n_closed > 0;
    }
    bench_pool_done(&pool);
    return failed;
}

/* --- pairs --- */

/* When the message was due, from its cid or the start of its body; 0 when it is not ours. */
static uint64_t stamp_of(chat_view text)
{
    uint64_t value = 0;

    if (text.len < STAMP_DIGITS)
        return 0;
    for (size_t i = 0; i < STAMP_DIGITS; i++) {
        uint8_t c = text.data[i];
        uint64_t digit = c >= 'a' ? (uint64_t)(c - 'a' + 10) : (uint64_t)(c - '0');
        value = value << 4 | (digit & 15);
    }
    return value;
}

static void on_frame(void *ctx, bench_conn *conn, const chat_frame *frame)
{
    pairs_run *run = ctx;
    uint64_t now = bench_now_ns(), due;

    (void)conn;
    if (frame->type == CHAT_FRAME_SENT) {
        due = stamp_of(frame->cid);
        run->n_answered++;
        if (due >= run->measure_from_ns && due <= now)
            bench_hist_add(&run->sent, now - due);
    } else if (frame->type == CHAT_FRAME_MSG || frame->type == CHAT_FRAME_SEND) {
        due = stamp_of(frame->body); /* the bare relay passes `send` on as it is */
        run->n_delivered++;
        if (due >= run->measure_from_ns && due <= now)
            bench_hist_add(&run->delivered, now - due);
    }
}

static void send_due(pairs_run *run, uint64_t due)
{
    static const char HEX[] = "0123456789abcdef";
    uint32_t index = (uint32_t)(run->n_due % run->pool.n_conns);
    char stamp[STAMP_DIGITS], to[16];
    chat_frame frame;

    for (int i = 0; i < STAMP_DIGITS; i++)
        stamp[i] = HEX[due >> (60 - 4 * i) & 15];
    memcpy(run->body, stamp, sizeof stamp);
    snprintf(to, sizeof to, "u%u", index ^ 1u);
    chat_frame_init(&frame, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(&frame, TO, to, chat__view_str(to));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view(stamp, sizeof stamp));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view(run->body, run->options->body_bytes));
    run->n_due++;
    if (bench_conn_send(&run->pool, &run->pool.conns[index], &frame) == 0)
        run->n_sent++;
    if (due >= run->measure_from_ns)
        bench_hist_add(&run->lag, bench_now_ns() - due);
}

static void talk(pairs_run *run, usage *before, usage *after)
{
    const options *o = run->options;
    uint64_t step = NS_PER_SECOND / o->rate, start = bench_now_ns() + NS_PER_SECOND / 100;
    uint64_t end, next = start;

    run->measure_from_ns = start + NS_PER_SECOND; /* the first second warms up */
    end = run->measure_from_ns + o->seconds * NS_PER_SECOND;
    before->at_ns = 0;
    while (next < end) {
        uint64_t now = bench_now_ns();
        if (before->at_ns == 0 && now >= run->measure_from_ns)
            *before = usage_now(o->pid);
        for (int i = 0; i < 256 && next <= now && next < end; i++, next += step)
            send_due(run, next);
        bench_pool_flush(&run->pool);
        bench_pool_turn(&run->pool, next);
    }
    *after = usage_now(o->pid);
    end = bench_now_ns() + DRAIN_SECONDS * NS_PER_SECOND;
    while (bench_now_ns() < end &&
           (run->n_answered < run->n_sent || run->n_delivered < run->n_sent))
        bench_pool_turn(&run->pool, end);
}

static void print_row(const char *name, const bench_hist *hist)
{
    printf("%-10s %9" PRIu64 "  p50 %8.3f  p99 %8.3f  p99.9 %8.3f  max %8.3f ms\n", name, hist->n,
           (double)bench_hist_at(hist, 0.5) / 1e6, (double)bench_hist_at(hist, 0.99) / 1e6,
           (double)bench_hist_at(hist, 0.999) / 1e6, (double)hist->max / 1e6);
}

static void print_json(const char *name, const bench_hist *hist)
{
    printf("\"%s\":{\"n\":%" PRIu64 ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
           "\"max_ms\":%.3f},",
           name, hist->n, (double)bench_hist_at(hist, 0.5) / 1e6,
           (double)bench_hist_at(hist, 0.99) / 1e6, (double)bench_hist_at(hist, 0.999) / 1e6,
           (double)hist->max / 1e6);
}

static int report_pairs(const pairs_run *run, const usage *before, const usage *after)
{
    double seconds = (double)(after->at_ns - before->at_ns) / 1e9;
    double own = (double)(after->own_us - before->own_us) / 1e6 / seconds;
    double server = (double)(after->ticks - before->ticks) / (double)sysconf(_SC_CLK_TCK);
    double per_message = run->delivered.n == 0 ? 0 : server * 1e6 / (double)run->delivered.n;
    uint64_t lag = bench_hist_at(&run->lag, 0.99);
    /* Its own time counts when it has no core to spare or wrote later than half of what it saw. */
    int was_limit = own > 0.85 || 2 * lag > bench_hist_at(&run->sent, 0.99);
    uint64_t n_lost = run->n_due - (run->n_delivered < run->n_due ? run->n_delivered : run->n_due);

    printf("%" PRIu64 " pairs, %" PRIu64 " messages/s of %" PRIu64 " bytes for %.1f s\n",
           run->options->pairs, run->options->rate, run->options->body_bytes, seconds);
    print_row("sent", &run->sent);
    print_row("delivered", &run->delivered);
    print_row("own lag", &run->lag);
    printf("server CPU %.1f us per delivered message; generator at %.0f %% of a core, %s\n",
           per_message, own * 100,
           was_limit ? "it WAS THE LIMIT: read the figures as an upper bound" : "not the limit");
    if (n_lost > 0 || run->pool.why[0] != 0)
        printf("not delivered in time: %" PRIu64 "; %s\n", n_lost, run->pool.why);
    printf("{\"mode\":\"pairs\",\"pairs\":%" PRIu64 ",\"rate\":%" PRIu64 ",\"body_bytes\":%" PRIu64
           ",\"seconds\":%.2f,",
           run->options->pairs, run->options->rate, run->options->body_bytes, seconds);
    print_json("sent", &run->sent);
    print_json("delivered", &run->delivered);
    print_json("lag", &run->lag);
    printf("\"server_cpu_us_per_message\":%.2f,\"generator_cpu\":%.3f,"
           "\"generator_was_limit\":%s,\"not_delivered\":%" PRIu64 ",\"closed\":%u}\n",
           per_message, own, was_limit ? "true" : "false", n_lost, run->pool.n_closed);
    return n_lost > 0 || run->pool.n_closed > 0;
}

static int run_pairs(const options *o)
{
    pairs_run *run = calloc(1, sizeof *run);
    usage before, after;
    int failed = 1;

    if (run == NULL)
        return 1;
    run->pool.epoll_fd = -1;
    run->pool.ctx = run;
    run->pool.on_frame = on_frame;
    run->options = o;
    run->body = malloc(o->body_bytes);
    if (run->body != NULL && open_pool(&run->pool, o, 2 * o->pairs) == 0) {
        memset(run->body, 'x', o->body_bytes);
        talk(run, &before, &after);
        failed = report_pairs(run, &before, &after);
    }
    bench_pool_done(&run->pool);
    free(run->body);
    free(run);
    return failed;
}

int main(int argc, char **argv)
{
    options o = {.connections = 10000,
                 .pairs = 1000,
                 .seconds = 10,
                 .rate = 10000,
                 .body_bytes = 200,
                 .timeout_s = 60};
    int failed = parse(&o, argc, argv);

    if (failed != 0)
        return failed;
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else each wait ends 50 us late */
    return strcmp(o.mode, "idle") == 0 ? run_idle(&o) : run_pairs(&o);
}
