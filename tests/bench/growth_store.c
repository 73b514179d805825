/* SPDX-License-Identifier: MIT */
/* The embedded store when there are many chats, and when there is much history: see growth.c. */
#include "growth.h"
#include "common.h"
#include "hist.h"

#include "base/view.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES    200u
#define FIRST_BYTES   16u /* of the record that makes a chat: it is not measured */
#define BATCH         1024u
#define HISTORY_CHATS 10000u
#define PAGE_ROWS     50u

typedef struct filling {
    chat__store *store;
    uint64_t n_chats;
    uint64_t id;
    uint8_t body[BODY_BYTES];
} filling;

static void open_store(filling *it, const growth_options *options, char *dir, size_t cap)
{
    chat__store_report report;
    chat__store_options store;
    memset(it->body, 'x', sizeof it->body);
    bench_make_dir(options->dir, dir, cap);
    chat__store_options_init(&store);
    store.dir = dir;
    store.is_volatile = 1;
    bench_check(chat__store_open(&store, &report, &it->store) == CHAT_OK, "opening a store");
}

static void flush(filling *it)
{
    bench_check(chat__store_commit(it->store) == CHAT_OK, "a commit");
    bench_check(chat__store_flush(it->store) == CHAT_OK, "a flush");
}

static void append(filling *it, uint64_t chat, size_t len)
{
    char name[32];
    snprintf(name, sizeof name, "chat-%08" PRIu64, chat);
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = ++it->id};
    record.partition = (uint32_t)(chat % 64);
    record.chat = chat__view_str(name);
    record.payload = chat__view(it->body, len);
    chat_status status = chat__store_append(it->store, &record);
    if (status == CHAT_ERR_BUSY) {
        flush(it);
        status = chat__store_append(it->store, &record);
    }
    bench_check(status == CHAT_OK, "an append");
    if (it->id % BATCH == 0) {
        bench_check(chat__store_commit(it->store) == CHAT_OK, "a commit");
        if (chat__store_wants_flush(it->store))
            flush(it);
    }
}

void growth_chats(const growth_options *options, uint64_t n_chats)
{
    filling it = {.n_chats = n_chats};
    char dir[256];
    uint64_t random = 1;
    open_store(&it, options, dir, sizeof dir);
    double start_s = bench_wall_s();
    for (uint64_t i = 0; i < n_chats; i++)
        append(&it, i, FIRST_BYTES);
    flush(&it);
    double made_s = bench_wall_s() - start_s;
    double cpu_s = bench_cpu_s();
    start_s = bench_wall_s();
    for (uint64_t i = 0; i < options->messages; i++)
        append(&it, bench_random(&random) % n_chats, BODY_BYTES);
    flush(&it);
    double n = (double)options->messages;
    printf("{\"what\":\"chats\",\"size\":%" PRIu64 ",\"cpu_us_per_message\":%.3f,"
           "\"wall_us_per_message\":%.3f,\"made_s\":%.1f,\"resident_mb\":%.0f}",
           n_chats, (bench_cpu_s() - cpu_s) * 1e6 / n, (bench_wall_s() - start_s) * 1e6 / n, made_s,
           (double)bench_resident_bytes() / 1e6);
    chat__store_close(it.store);
    bench_remove_tree(dir);
}

static void count_row(void *ctx, const chat__store_row *row)
{
    uint64_t *n = ctx;
    *n += row->payload.len > 0;
}

/* Pages of the newest, and of anywhere in a chat, by turns: how long, and how much CPU. */
static void read_pages(filling *it, uint64_t n_pages, bench_hist *wall, bench_hist *cpu)
{
    uint64_t random = 7;
    uint64_t n_rows = 0;
    char name[32];
    for (uint64_t i = 0; i < n_pages; i++) {
        snprintf(name, sizeof name, "chat-%08" PRIu64, bench_random(&random) % it->n_chats);
        chat__store_query query = {
            .chat = chat__view_str(name), .after = UINT64_MAX, .limit = PAGE_ROWS};
        query.before = i % 2 == 0 ? UINT64_MAX : 1 + bench_random(&random) % it->id;
        double cpu_s = bench_cpu_s();
        double start_s = bench_wall_s();
        bench_check(chat__store_read(it->store, &query, count_row, &n_rows) >= CHAT_OK, "a page");
        bench_hist_add(wall, (uint64_t)((bench_wall_s() - start_s) * 1e9));
        bench_hist_add(cpu, (uint64_t)((bench_cpu_s() - cpu_s) * 1e9));
    }
    bench_check(n_rows > 0, "finding a row");
}

void growth_history(const growth_options *options, uint64_t n_records)
{
    static bench_hist hist, cpu;
    filling it = {.n_chats = n_records < HISTORY_CHATS ? 1 : HISTORY_CHATS};
    char dir[256];
    uint64_t random = 3;
    memset(&hist, 0, sizeof hist);
    memset(&cpu, 0, sizeof cpu);
    open_store(&it, options, dir, sizeof dir);
    double start_s = bench_wall_s();
    for (uint64_t i = 0; i < n_records; i++)
        append(&it, bench_random(&random) % it.n_chats, BODY_BYTES);
    flush(&it);
    double made_s = bench_wall_s() - start_s;
    read_pages(&it, options->messages, &hist, &cpu);
    printf("{\"what\":\"history\",\"size\":%" PRIu64 ",\"pages\":%" PRIu64 ",\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"cpu_p99_us\":%.1f,"
           "\"made_s\":%.1f}",
           n_records, hist.n, (double)bench_hist_at(&hist, 0.5) / 1e3,
           (double)bench_hist_at(&hist, 0.99) / 1e3, (double)bench_hist_at(&hist, 0.999) / 1e3,
           (double)hist.max / 1e3, (double)bench_hist_at(&cpu, 0.99) / 1e3, made_s);
    chat__store_close(it.store);
    bench_remove_tree(dir);
}
