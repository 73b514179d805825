/* SPDX-License-Identifier: MIT */
/*
 * Nanoseconds per call of what runs for every message. Each figure is the best of several rounds:
 * what else the machine does only ever adds.
 *
 *   bench_micro [--filter PART_OF_A_NAME] [--round-us N]
 *
 * The last line is a JSON object with all figures.
 */
#include "micro.h"
#include "common.h"

#include <chat/chat.h>

#include "base/crc32c.h"
#include "base/map.h"
#include "base/utf8.h"
#include "frames.h"
#include "route/fanout.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_ROUNDS  7
#define ROUND_US  5000
#define N_KEYS    10000
#define JSON_SIZE 65536u

volatile uint64_t micro_sink;

static const char *filter = "";
static double least_ns; /* of a round */
static char json[JSON_SIZE];
static size_t json_len;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double round_ns(micro_body body, void *ctx, size_t n)
{
    double start = now_ns();
    body(ctx, n);
    return now_ns() - start;
}

void micro_bench(const char *name, micro_body body, void *ctx)
{
    if (strstr(name, filter) == NULL)
        return;
    size_t n = 16;
    while (round_ns(body, ctx, n) < least_ns)
        n *= 2;
    double best = 1e18;
    for (int i = 0; i < N_ROUNDS; i++) {
        double each = round_ns(body, ctx, n) / (double)n;
        best = each < best ? each : best;
    }
    printf("%-44s %9.1f ns\n", name, best);
    int len = snprintf(json + json_len, sizeof json - json_len, "%s\"%s\":%.2f",
                       json_len > 0 ? "," : "", name, best);
    bench_check(len > 0 && (size_t)len < sizeof json - json_len, "a row");
    json_len += (size_t)len;
}

static void die(const char *what)
{
    fprintf(stderr, "micro: %s\n", what);
    exit(1);
}

/* Time moves on by a millisecond every 8192 ids, so that none is ever refused. */
static void next_id(void *ctx, size_t n)
{
    static uint64_t calls;
    chat_idgen *gen = ctx;
    uint64_t id = 0;
    for (size_t i = 0; i < n; i++, calls++) {
        if (chat_idgen_next(gen, CHAT_EPOCH_MS + 1 + (calls >> 13), &id) != CHAT_OK)
            die("an id was refused");
        micro_sink = id;
    }
}

static void next_shared_id(void *ctx, size_t n)
{
    static uint64_t calls;
    chat_idgen_shared *gen = ctx;
    uint64_t id = 0;
    for (size_t i = 0; i < n; i++, calls++) {
        if (chat_idgen_shared_next(gen, CHAT_EPOCH_MS + 1 + (calls >> 13), &id) != CHAT_OK)
            die("an id was refused");
        micro_sink = id;
    }
}

static void hash_20_bytes(void *ctx, size_t n)
{
    chat_view key = {ctx, 20};
    for (size_t i = 0; i < n; i++)
        micro_sink += chat_murmur2(key);
}

static void crc_200_bytes(void *ctx, size_t n)
{
    for (size_t i = 0; i < n; i++)
        micro_sink += chat__crc32c(0, ctx, 200);
}

static void utf8_200_bytes(void *ctx, size_t n)
{
    chat_view text = {ctx, 200};
    for (size_t i = 0; i < n; i++)
        micro_sink += (uint64_t)chat__utf8_is_valid(text);
}

static void name_direct_chat(void *ctx, size_t n)
{
    chat_view *users = ctx;
    chat_direct_name name;
    for (size_t i = 0; i < n; i++) {
        if (chat_direct_id(users[0], users[1], &name) != CHAT_OK)
            die("no direct chat");
        micro_sink += name.len;
    }
}

static void plan_49_members(void *ctx, size_t n)
{
    chat__route_stop scratch[49];
    for (size_t i = 0; i < n; i++) {
        chat__route_plan plan;
        chat__route_part part;
        chat__route_plan_init(&plan, ctx, 49, 8, scratch);
        while (chat__route_plan_next(&plan, 49, &part) == CHAT_OK)
            micro_sink += part.n_stops;
    }
}

typedef struct map_bench {
    chat__map map;
    chat_view keys[N_KEYS];
    char names[N_KEYS][16];
} map_bench;

static void map_get(void *ctx, size_t n)
{
    map_bench *it = ctx;
    for (size_t i = 0; i < n; i++) {
        if (chat__map_get(&it->map, it->keys[i % N_KEYS]) == NULL)
            die("a key is not there");
    }
}

static void map_remove_put(void *ctx, size_t n)
{
    map_bench *it = ctx;
    for (size_t i = 0; i < n; i++) {
        chat_view key = it->keys[i % N_KEYS];
        void *value = chat__map_remove(&it->map, key);
        if (value == NULL || chat__map_put(&it->map, key, value) != CHAT_OK)
            die("a key is not there");
    }
}

static void bench_map(void)
{
    static const uint64_t SEED[2] = {1, 2};
    static map_bench it;
    chat__map_init(&it.map, NULL, N_KEYS, SEED);
    for (int i = 0; i < N_KEYS; i++) {
        snprintf(it.names[i], sizeof it.names[i], "user-%d", i);
        it.keys[i] = chat__view_str(it.names[i]);
        if (chat__map_put(&it.map, it.keys[i], it.names[i]) != CHAT_OK)
            die("a key does not go in");
    }
    micro_bench("map: get, 10,000 keys", map_get, &it);
    micro_bench("map: remove + put, 10,000 keys", map_remove_put, &it);
    chat__map_done(&it.map);
}

typedef struct frame_bench {
    chat_decoder *decoder;
    chat_encoding encoding;
    chat_frame frame;
    uint8_t bytes[4096];
    size_t len;
} frame_bench;

static void encode(void *ctx, size_t n)
{
    frame_bench *it = ctx;
    for (size_t i = 0; i < n; i++) {
        if (chat_frame_encode(it->encoding, &it->frame, it->bytes, sizeof it->bytes, &it->len) !=
            CHAT_OK)
            die("a frame is not encoded");
    }
}

static void decode(void *ctx, size_t n)
{
    frame_bench *it = ctx;
    chat_view bytes = {it->bytes, it->len};
    chat_frame frame;
    for (size_t i = 0; i < n; i++) {
        if (chat_frame_decode(it->decoder, it->encoding, bytes, &frame) != CHAT_OK)
            die("a frame is not decoded");
        micro_sink += frame.has;
    }
}

static void bench_frame(frame_bench *it, const chat__wire_type *type, const char *encoding)
{
    char name[64];
    frames_make(&it->frame, type, type->allowed);
    encode(it, 1);
    snprintf(name, sizeof name, "%s: encode %s, %zu B", encoding, type->name, it->len);
    micro_bench(name, encode, it);
    snprintf(name, sizeof name, "%s: decode %s, %zu B", encoding, type->name, it->len);
    micro_bench(name, decode, it);
}

static void bench_frames(void)
{
    static frame_bench it;
    if (chat_decoder_new(NULL, sizeof it.bytes, &it.decoder) != CHAT_OK)
        die("no decoder");
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        it.encoding = CHAT_ENCODING_CBOR;
        bench_frame(&it, type, "cbor");
        it.encoding = CHAT_ENCODING_JSON;
        bench_frame(&it, type, "json");
    }
    chat_decoder_free(it.decoder);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[200];
    chat_view users[49];
    char names[49][16];
    chat_idgen gen;
    chat_idgen_shared shared;
    bench_take_only(argc, argv, "usage: bench_micro [--filter PART_OF_A_NAME] [--round-us N]");
    filter = bench_word(argc, argv, "--filter");
    filter = filter != NULL ? filter : "";
    least_ns = (double)bench_number(argc, argv, "--round-us", ROUND_US) * 1e3;
    memset(bytes, 'a', sizeof bytes);
    for (int i = 0; i < 49; i++) {
        snprintf(names[i], sizeof names[i], "user-%d", i);
        users[i] = chat__view_str(names[i]);
    }
    if (chat_idgen_init(&gen, 5, 0) != CHAT_OK || chat_idgen_shared_init(&shared, 5, 0) != CHAT_OK)
        die("no generator");
    micro_bench("id: next", next_id, &gen);
    micro_bench("id: next, shared", next_shared_id, &shared);
    micro_bench("id: name of a direct chat", name_direct_chat, users);
    micro_bench("route: murmur2, 20 B", hash_20_bytes, bytes);
    micro_bench("route: plan, 49 members, 8 nodes", plan_49_members, users);
    micro_bench("base: crc32c, 200 B", crc_200_bytes, bytes);
    micro_bench("base: utf8, 200 B of ASCII", utf8_200_bytes, bytes);
    bench_map();
    micro_tokens();
    micro_websocket();
    micro_queue();
    bench_frames();
    printf("{\"mode\":\"micro\",\"ns\":{%s}}\n", json);
    return 0;
}
