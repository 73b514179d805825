/* SPDX-License-Identifier: MIT */
/*
 * The store beside a plain appended file: the same payloads in the same batches, in the same run.
 * CPU is the process's (user and system), so a slow disk does not show in it; wall time is given
 * beside. Directory: the first argument, or the system's directory for temporary files.
 */
#include "base/view.h"
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_CHATS    10000u
#define N_RECORDS  400000u
#define N_DURABLE  (64u * 1024u)
#define BODY_BYTES 200u

static double now_s(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void check(int is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "bench store: %s failed\n", what);
    exit(1);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
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
    check(status == CHAT_OK, "open");
    return store;
}

static void name_of(uint64_t n, char name[16])
{
    snprintf(name, 16, "chat-%05llu", (unsigned long long)(n % N_CHATS));
}

static void append_one(chat__store *store, uint64_t id, uint64_t *random, const uint8_t *body)
{
    char name[16];
    name_of(next_random(random), name);
    chat__store_record record = {
        .kind = CHAT_FRAME_MSG, .id = id, .partition = (uint32_t)(id % 64)};
    record.chat = chat__view_str(name);
    record.payload = chat__view(body, BODY_BYTES);
    check(chat__store_append(store, &record) == CHAT_OK, "append");
}

typedef struct figure {
    double cpu_us;
    double wall_us;
} figure;

static figure time_store(const char *dir, uint64_t n, uint64_t batch, int is_volatile)
{
    uint8_t body[BODY_BYTES];
    chat__store_report report;
    uint64_t random = 1;
    char name[16];
    memset(body, 'x', sizeof body);
    chat__store *store = open_store(dir, is_volatile, &report);
    /* Chats known and in memory: what a server that runs for a while has. */
    for (uint64_t i = 0; i < N_CHATS; i++) {
        name_of(i, name);
        chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = 1};
        record.chat = chat__view_str(name);
        check(chat__store_append(store, &record) == CHAT_OK, "append");
    }
    check(chat__store_commit(store) == CHAT_OK, "commit");
    double cpu = cpu_s();
    double wall = now_s();
    for (uint64_t i = 1; i <= n; i++) {
        append_one(store, i, &random, body);
        if (i % batch == 0)
            check(chat__store_commit(store) == CHAT_OK, "commit");
    }
    figure result = {(cpu_s() - cpu) * 1e6 / (double)n, (now_s() - wall) * 1e6 / (double)n};
    chat__store_close(store);
    remove_tree(dir);
    return result;
}

/* What the log costs at least: a copy into a buffer, one write and one sync a batch. */
static figure time_file(const char *path, uint64_t n, uint64_t batch, int is_volatile)
{
    uint8_t *buffer = malloc(batch * BODY_BYTES);
    uint8_t body[BODY_BYTES];
    size_t used = 0;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(buffer != NULL && file >= 0, "file");
    (void)posix_fallocate(file, 0, (off_t)(n * BODY_BYTES));
    memset(body, 'x', sizeof body);
    double cpu = cpu_s();
    double wall = now_s();
    for (uint64_t i = 1; i <= n; i++) {
        memcpy(buffer + used, body, sizeof body);
        used += sizeof body;
        if (i % batch != 0)
            continue;
        check(write(file, buffer, used) == (ssize_t)used, "write");
        used = 0;
        if (!is_volatile)
            check(fdatasync(file) == 0, "fdatasync");
    }
    figure result = {(cpu_s() - cpu) * 1e6 / (double)n, (now_s() - wall) * 1e6 / (double)n};
    (void)close(file);
    (void)unlink(path);
    free(buffer);
    return result;
}

static void bench_append(const char *dir)
{
    static const uint64_t batches[] = {1024, 64};
    char path[256];
    snprintf(path, sizeof path, "%s.file", dir);
    printf("append and commit, %u-byte records over %u chats, us per record (CPU, wall):\n",
           BODY_BYTES, N_CHATS);
    for (int is_volatile = 1; is_volatile >= 0; is_volatile--) {
        for (size_t i = 0; i < 2; i++) {
            uint64_t n = is_volatile ? N_RECORDS / 1024 * 1024 : N_DURABLE;
            figure plain = time_file(path, n, batches[i], is_volatile);
            figure ours = time_store(dir, n, batches[i], is_volatile);
            printf("  %-8s batch %4llu: store %6.2f %7.2f   plain file %6.2f %7.2f\n",
                   is_volatile ? "volatile" : "durable", (unsigned long long)batches[i],
                   ours.cpu_us, ours.wall_us, plain.cpu_us, plain.wall_us);
        }
    }
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
    char name[16];
    double wall = now_s();
    for (int i = 0; i < N_PAGES; i++) {
        name_of(next_random(&random), name);
        chat__store_query query = {.chat = chat__view_str(name), .after = UINT64_MAX, .limit = 50};
        query.before = i % 2 == 0 ? UINT64_MAX : N_RECORDS / 2 + next_random(&random) % 50000;
        check(chat__store_read(store, &query, count_row, &n_rows) >= CHAT_OK, "read");
    }
    double us = (now_s() - wall) * 1e6;
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
        for (uint64_t i = 1; i <= N_RECORDS; i++) {
            append_one(store, i, &random, body);
            if (i % 1000 == 0)
                check(chat__store_commit(store) == CHAT_OK, "commit");
        }
        _exit(0);
    }
    int state = 0;
    check(child > 0 && waitpid(child, &state, 0) == child && state == 0, "child");
}

static void bench_checkpoint(chat__store *store, const uint8_t *body)
{
    uint64_t random = 5;
    for (uint64_t i = 0; i < N_CHATS; i++)
        append_one(store, N_RECORDS + i + 1, &random, body);
    check(chat__store_commit(store) == CHAT_OK, "commit");
    double cpu = cpu_s();
    double wall = now_s();
    check(chat__store_flush(store) == CHAT_OK, "flush");
    printf("checkpoint of about 6,300 heads: %.1f ms wall, %.1f ms CPU\n", (now_s() - wall) * 1e3,
           (cpu_s() - cpu) * 1e3);
}

static void bench_recovery(const char *dir)
{
    enum { BYTES_EACH = 304 }; /* 88 + 10 + 200, padded */
    uint8_t body[BODY_BYTES];
    chat__store_report report;
    memset(body, 'x', sizeof body);
    fill_and_die(dir, body);
    double wall = now_s();
    chat__store *store = open_store(dir, 1, &report);
    double s = now_s() - wall;
    double mb = (double)N_RECORDS * BYTES_EACH / 1e6;
    printf("recovery: %llu records, %.0f MB of log in %.2f s: %.1f s per GB\n",
           (unsigned long long)report.n_records, mb, s, s * 1000 / mb);
    bench_pages(store);
    chat__store_close(store);
    wall = now_s();
    store = open_store(dir, 1, &report);
    printf("open after a clean close: %.1f ms\n", (now_s() - wall) * 1e3);
    bench_checkpoint(store, body);
    chat__store_close(store);
    remove_tree(dir);
}

int main(int argc, char **argv)
{
    char dir[200];
    const char *tmp = argc > 1 ? argv[1] : getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.150s/chat-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    check(mkdtemp(dir) != NULL, "mkdtemp");
    bench_append(dir);
    bench_recovery(dir);
    remove_tree(dir);
    return 0;
}
