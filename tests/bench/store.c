/* SPDX-License-Identifier: MIT */
/*
 * The store beside a plain appended file: the same payloads in the same batches, in the same run.
 * CPU is the process's (user and system), so a slow disk does not show in it; wall time is given
 * beside.
 *
 *   bench_store [--dir DIR] [--records N]
 *
 * The last line is a JSON object with all figures.
 */
#include "common.h"

#include "base/view.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CHATS    10000u
#define BODY_BYTES 200u
#define N_ROUNDS   3 /* by turns; the least CPU counts: what disturbs only adds */

static uint64_t n_records; /* of each run that does not sync, and of the recovery */
static uint64_t n_durable;

/* Rows of the list in the last line. */
static char json[4096];
static size_t json_len;

__attribute__((format(printf, 1, 2))) static void add_json(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(json + json_len, sizeof json - json_len, format, args);
    va_end(args);
    bench_check(len > 0 && (size_t)len < sizeof json - json_len, "a row");
    json_len += (size_t)len;
}

static chat__store *open_store(const char *dir, int is_volatile, chat__store_report *report)
{
    chat__store *store = NULL;
    chat__store_options options;
    chat__store_options_init(&options);
    options.dir = dir;
    options.is_volatile = is_volatile;
    options.checkpoint_bytes = UINT64_MAX;
    chat_status status = chat__store_open(&options, report, &store);
    if (status != CHAT_OK)
        fprintf(stderr, "%s\n", report->problem);
    bench_check(status == CHAT_OK, "open");
    return store;
}

static char names[N_CHATS][16];

static void make_names(void)
{
    for (uint32_t i = 0; i < N_CHATS; i++)
        snprintf(names[i], sizeof names[i], "chat-%05u", i);
}

/* Who is written to, in this order. Made before the clock runs: in a server's batches the name
   stands with the message, and a plain file needs none. */
static char (*turns)[16];

static void make_turns(uint64_t n)
{
    uint64_t random = 1;
    turns = malloc(n * sizeof *turns);
    bench_check(turns != NULL, "memory");
    for (uint64_t i = 0; i < n; i++)
        memcpy(turns[i], names[bench_random(&random) % N_CHATS], sizeof *turns);
}

static chat_view name_of(uint64_t n)
{
    return chat__view_str(names[n % N_CHATS]);
}

static void append_one(chat__store *store, uint64_t id, uint64_t *random, const uint8_t *body)
{
    chat__store_record record = {
        .kind = CHAT_FRAME_MSG, .id = id, .partition = (uint32_t)(id % 64)};
    record.chat = name_of(bench_random(random));
    record.payload = chat__view(body, BODY_BYTES);
    bench_check(chat__store_append(store, &record) == CHAT_OK, "append");
}

/* As a server does it: who comes next is known. */
static void append_batch(chat__store *store, uint64_t first, uint64_t n, const uint8_t *body)
{
    uint32_t hashes[CHAT__STORE_AHEAD] = {0};
    for (uint64_t i = 0; i < n + CHAT__STORE_AHEAD; i++) {
        uint64_t id = first + i - CHAT__STORE_AHEAD;
        chat__store_record record = {
            .kind = CHAT_FRAME_MSG, .id = id + 1, .partition = (uint32_t)(id % 64)};
        record.hash = hashes[i % CHAT__STORE_AHEAD];
        if (i < n)
            hashes[i % CHAT__STORE_AHEAD] =
                chat__store_expect(store, chat__view_str(turns[first + i]));
        if (i < CHAT__STORE_AHEAD)
            continue;
        record.chat = chat__view_str(turns[id]);
        record.payload = chat__view(body, BODY_BYTES);
        bench_check(chat__store_append(store, &record) == CHAT_OK, "append");
    }
    bench_check(chat__store_commit(store) == CHAT_OK, "commit");
}

typedef struct figure {
    double cpu_us;
    double wall_us;
} figure;

static figure time_store(const char *dir, uint64_t n, uint64_t batch, int is_volatile)
{
    uint8_t body[BODY_BYTES];
    chat__store_report report;
    memset(body, 'x', sizeof body);
    chat__store *store = open_store(dir, is_volatile, &report);
    /* Chats known and in memory: what a server that runs for a while has. */
    for (uint64_t i = 0; i < N_CHATS; i++) {
        chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = 1};
        record.chat = name_of(i);
        bench_check(chat__store_append(store, &record) == CHAT_OK, "append");
    }
    bench_check(chat__store_commit(store) == CHAT_OK, "commit");
    double cpu = bench_cpu_s();
    double wall = bench_wall_s();
    for (uint64_t i = 0; i < n; i += batch)
        append_batch(store, i, batch, body);
    figure result = {(bench_cpu_s() - cpu) * 1e6 / (double)n,
                     (bench_wall_s() - wall) * 1e6 / (double)n};
    chat__store_close(store);
    bench_remove_tree(dir);
    return result;
}

/* What the log costs at least: a copy into a buffer, one write and one sync a batch. */
static figure time_file(const char *path, uint64_t n, uint64_t batch, int is_volatile)
{
    uint8_t *buffer = malloc(batch * BODY_BYTES);
    uint8_t body[BODY_BYTES];
    size_t used = 0;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    bench_check(buffer != NULL && file >= 0, "file");
    (void)posix_fallocate(file, 0, (off_t)(n * BODY_BYTES));
    memset(body, 'x', sizeof body);
    double cpu = bench_cpu_s();
    double wall = bench_wall_s();
    for (uint64_t i = 1; i <= n; i++) {
        memcpy(buffer + used, body, sizeof body);
        used += sizeof body;
        if (i % batch != 0)
            continue;
        bench_check(write(file, buffer, used) == (ssize_t)used, "write");
        used = 0;
        if (!is_volatile)
            bench_check(fdatasync(file) == 0, "fdatasync");
    }
    figure result = {(bench_cpu_s() - cpu) * 1e6 / (double)n,
                     (bench_wall_s() - wall) * 1e6 / (double)n};
    (void)close(file);
    (void)unlink(path);
    free(buffer);
    return result;
}

static void take_least(figure *least, figure found)
{
    if (least->cpu_us == 0 || found.cpu_us < least->cpu_us)
        *least = found;
}

static void bench_append(const char *dir)
{
    static const uint64_t batches[] = {1024, 64};
    char path[512];
    snprintf(path, sizeof path, "%s.file", dir);
    make_turns(n_records);
    printf("append and commit, %u-byte records over %u chats, us per record (CPU, wall):\n",
           BODY_BYTES, N_CHATS);
    for (int is_volatile = 1; is_volatile >= 0; is_volatile--) {
        for (size_t i = 0; i < 2; i++) {
            uint64_t n = (is_volatile ? n_records : n_durable) / 1024 * 1024;
            figure plain = {0, 0}, ours = {0, 0};
            for (int round = 0; round < N_ROUNDS; round++) {
                take_least(&plain, time_file(path, n, batches[i], is_volatile));
                take_least(&ours, time_store(dir, n, batches[i], is_volatile));
            }
            add_json("%s{\"what\":\"append\",\"is_volatile\":%d,\"batch\":%llu,"
                     "\"store_cpu_us\":%.3f,\"store_wall_us\":%.3f,\"file_cpu_us\":%.3f,"
                     "\"file_wall_us\":%.3f}",
                     json_len > 0 ? "," : "", is_volatile, (unsigned long long)batches[i],
                     ours.cpu_us, ours.wall_us, plain.cpu_us, plain.wall_us);
            printf("  %-8s batch %4llu: store %6.2f %7.2f   plain file %6.2f %7.2f\n",
                   is_volatile ? "volatile" : "durable", (unsigned long long)batches[i],
                   ours.cpu_us, ours.wall_us, plain.cpu_us, plain.wall_us);
        }
    }
    free(turns);
}

static void count_row(void *ctx, const chat__store_row *row)
{
    uint64_t *n = ctx;
    *n += row->payload.len > 0;
}

static void bench_pages(chat__store *store)
{
    enum { N_PAGES = 20000 };
    uint64_t random = 7;
    uint64_t n_rows = 0;
    double wall = bench_wall_s();
    for (int i = 0; i < N_PAGES; i++) {
        chat__store_query query = {
            .chat = name_of(bench_random(&random)), .after = UINT64_MAX, .limit = 50};
        query.before = i % 2 == 0 ? UINT64_MAX : n_records / 2 + bench_random(&random) % 50000;
        bench_check(chat__store_read(store, &query, count_row, &n_rows) >= CHAT_OK, "read");
    }
    double us = (bench_wall_s() - wall) * 1e6;
    printf("history page of 50 (warm cache): %.1f us a page, %.2f us a row, %.1f rows a page\n",
           us / N_PAGES, us / (double)n_rows, (double)n_rows / N_PAGES);
}

/* A store that was killed: the process that filled it never closed it. */
static void fill_and_die(const char *dir, const uint8_t *body)
{
    chat__store_report report;
    uint64_t random = 3;
    pid_t child = fork();
    if (child == 0) {
        chat__store *store = open_store(dir, 1, &report);
        for (uint64_t i = 1; i <= n_records; i++) {
            append_one(store, i, &random, body);
            if (i % 1000 == 0)
                bench_check(chat__store_commit(store) == CHAT_OK, "commit");
        }
        _exit(0);
    }
    int state = 0;
    bench_check(child > 0 && waitpid(child, &state, 0) == child && state == 0, "child");
}

static void bench_checkpoint(chat__store *store, const uint8_t *body)
{
    uint64_t random = 5;
    for (uint64_t i = 0; i < N_CHATS; i++)
        append_one(store, n_records + i + 1, &random, body);
    bench_check(chat__store_commit(store) == CHAT_OK, "commit");
    double cpu = bench_cpu_s();
    double wall = bench_wall_s();
    bench_check(chat__store_flush(store) == CHAT_OK, "flush");
    printf("checkpoint of about 6,300 heads: %.1f ms wall, %.1f ms CPU\n",
           (bench_wall_s() - wall) * 1e3, (bench_cpu_s() - cpu) * 1e3);
}

static void bench_recovery(const char *dir)
{
    enum { BYTES_EACH = 304 }; /* 88 + 10 + 200, padded */
    uint8_t body[BODY_BYTES];
    chat__store_report report;
    memset(body, 'x', sizeof body);
    fill_and_die(dir, body);
    double wall = bench_wall_s();
    chat__store *store = open_store(dir, 1, &report);
    double s = bench_wall_s() - wall;
    double mb = (double)n_records * BYTES_EACH / 1e6;
    printf("recovery: %llu records, %.0f MB of log in %.2f s: %.1f s per GB\n",
           (unsigned long long)report.n_records, mb, s, s * 1000 / mb);
    add_json(",{\"what\":\"recovery\",\"records\":%llu,\"log_mb\":%.1f,\"s\":%.3f,"
             "\"s_per_gb\":%.2f}",
             (unsigned long long)report.n_records, mb, s, s * 1000 / mb);
    bench_pages(store);
    chat__store_close(store);
    wall = bench_wall_s();
    store = open_store(dir, 1, &report);
    printf("open after a clean close: %.1f ms\n", (bench_wall_s() - wall) * 1e3);
    bench_checkpoint(store, body);
    chat__store_close(store);
    bench_remove_tree(dir);
}

int main(int argc, char **argv)
{
    char dir[256];
    bench_take_only(argc, argv, "usage: bench_store [--dir DIR] [--records N]");
    n_records = bench_number(argc, argv, "--records", 400 * 1024);
    n_durable = n_records < 64 * 1024 ? n_records : 64 * 1024;
    bench_check(n_records >= 2048, "--records of 2,048 at least");
    make_names();
    bench_make_dir(bench_word(argc, argv, "--dir"), dir, sizeof dir);
    bench_append(dir);
    bench_recovery(dir);
    bench_remove_tree(dir);
    printf("{\"mode\":\"store\",\"rows\":[%s]}\n", json);
    return 0;
}
