/* SPDX-License-Identifier: MIT */
/*
 * Memory of clients, by what they ask of their allocator: one that sends 10,000 messages, then
 * 10,000 of one process and one thread that are online and idle. Their server is in memory. With
 * --store each has a file in DIR, and SQLite's memory is given beside.
 *
 *   clients [--clients N] [--store DIR]
 */
#include "common.h"

#include <chat/client_transport.h>
#include <chat/testing_server.h>

#include <malloc.h>
#ifdef HAS_CLIENT_STORE
#include <sqlite3.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define N_MESSAGES 10000

static uint64_t n_clients;
static char store_dir[256]; /* empty: none */

struct heap {
    size_t now, peak;
};

struct end {
    chat_client *client;
    uint64_t number;
    chat_test_conn conn;
    int is_online;
    unsigned n_sent;
};

static void *resize(void *ctx, void *ptr, size_t bytes)
{
    struct heap *heap = ctx;
    size_t before = ptr != NULL ? malloc_usable_size(ptr) : 0;
    void *grown = NULL;
    if (bytes == 0) {
        free(ptr);
    } else if ((grown = realloc(ptr, bytes)) == NULL) {
        return NULL;
    }
    heap->now = heap->now - before + (grown != NULL ? malloc_usable_size(grown) : 0);
    if (heap->now > heap->peak)
        heap->peak = heap->now;
    return grown;
}

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void carry(struct end *end, chat_test_server *server)
{
    static uint8_t bytes[32768];
    size_t n = 0, used = 0;
    uint64_t wanted = chat_client_transport_wanted(end->client);
    if (wanted != end->number && chat_test_server_accept(server, &end->conn) == CHAT_OK)
        (void)chat_client_transport_opened(end->client, wanted);
    end->number = wanted;
    while (chat_client_transport_take(end->client, wanted, bytes, sizeof bytes, &n) == CHAT_OK)
        (void)chat_test_server_feed(server, end->conn, bytes, n);
    if (chat_test_server_take(server, end->conn, bytes, sizeof bytes, &n) == CHAT_OK)
        (void)chat_client_transport_feed(end->client, wanted, bytes, n, &used);
}

static void turn(struct end *end, chat_test_server *server)
{
    const chat_event *event;
    (void)chat_client_process(end->client, chat_test_server_now(server));
    while (chat_client_next_event(end->client, &event) == CHAT_OK) {
        end->is_online |= event->type == CHAT_EVENT_RESUMED;
        end->n_sent += event->type == CHAT_EVENT_SENT;
    }
    carry(end, server);
}

/* SQLite takes its memory from libc. */
static size_t sqlite_bytes(void)
{
#ifdef HAS_CLIENT_STORE
    return (size_t)sqlite3_memory_used();
#else
    return 0;
#endif
}

static int open_end(struct end *end, uint64_t i, const chat_allocator *allocator)
{
    char user[24];
    char store_file[300];
    chat_client_options options;
    memset(end, 0, sizeof *end);
    snprintf(user, sizeof user, "u%llu", (unsigned long long)i);
    snprintf(store_file, sizeof store_file, "%s/%s", store_dir, user);
    chat_client_options_init(&options);
    options.url = "ws://memory";
    options.token = user;
    options.device = "d";
    options.own_transport = 1;
    options.allocator = allocator;
    options.store_file = store_dir[0] != '\0' ? store_file : NULL;
    return chat_client_new(&options, &end->client) == CHAT_OK;
}

static int go_online(struct end *end, chat_test_server *server)
{
    for (int i = 0; i < 20 && !end->is_online; i++)
        turn(end, server);
    return end->is_online;
}

static int idle(chat_test_server *server, const chat_allocator *allocator, struct heap *heap)
{
    struct end *ends = calloc(n_clients, sizeof *ends);
    for (uint64_t i = 0; i < n_clients; i++) {
        if (ends == NULL || !open_end(&ends[i], i, allocator) || !go_online(&ends[i], server)) {
            fprintf(stderr, "client %llu does not come online (descriptors? ulimit -n)\n",
                    (unsigned long long)i);
            return 0;
        }
    }
    uint64_t before_us = clock_us();
    for (uint64_t i = 0; i < n_clients; i++)
        (void)chat_client_process(ends[i].client, chat_test_server_now(server));
    printf(
        "%llu clients online and idle%s: %zu bytes each (allocator), %zu by SQLite, a turn of all"
        " %llu us\n",
        (unsigned long long)n_clients, store_dir[0] != '\0' ? ", each with a file" : "",
        heap->now / n_clients, sqlite_bytes() / n_clients,
        (unsigned long long)(clock_us() - before_us));
    for (uint64_t i = 0; i < n_clients; i++)
        chat_client_free(ends[i].client);
    free(ends);
    return heap->now == 0;
}

static int busy(chat_test_server *server, const chat_allocator *allocator, struct heap *heap)
{
    struct end end;
    unsigned n_put = 0;
    char text[200];
    chat_target target = {{NULL, 0}, {(const uint8_t *)"nobody", 6}};
    chat_view body = {(const uint8_t *)text, sizeof text};
    memset(text, 'x', sizeof text);
    if (!open_end(&end, n_clients, allocator) || !go_online(&end, server))
        return 0;
    printf("peak heap of a client until it is idle: %zu bytes\n", heap->peak);
    for (int i = 0; i < 1000000 && end.n_sent < N_MESSAGES; i++) {
        while (n_put < N_MESSAGES && n_put - end.n_sent < 64)
            n_put += chat_client_send(end.client, &target, body, NULL) == CHAT_OK;
        chat_test_server_advance(server, 1); /* a millisecond has 8192 ids */
        turn(&end, server);
    }
    printf("peak heap of one that sends %u messages of 200 bytes, 64 at once: %zu bytes\n",
           end.n_sent, heap->peak);
    chat_client_free(end.client);
    return end.n_sent == N_MESSAGES && heap->now == 0;
}

static void raise_limit(void)
{
    struct rlimit files = {1 << 17, 1 << 17}; /* if the system lets us */
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct heap heap = {0, 0}, one = {0, 0};
    chat_allocator allocator = {&heap, resize}, of_one = {&one, resize};
    chat_test_server_options options;
    chat_test_server *server = NULL;
    bench_take_only(argc, argv, "usage: clients [--clients N] [--store DIR]");
    n_clients = bench_number(argc, argv, "--clients", 10000);
    if (bench_word(argc, argv, "--store") != NULL)
        bench_make_dir(bench_word(argc, argv, "--store"), store_dir, sizeof store_dir);
    raise_limit();
    chat_test_server_options_init(&options);
    if (chat_test_server_new(&options, &server) != CHAT_OK)
        return 1;
    int is_good = busy(server, &of_one, &one) && idle(server, &allocator, &heap);
    chat_test_server_free(server);
    if (store_dir[0] != '\0')
        bench_remove_tree(store_dir);
    return is_good ? 0 : 1;
}
