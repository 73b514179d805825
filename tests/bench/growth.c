/* SPDX-License-Identifier: MIT */
/*
 * What a message costs when there is more of everything, without sockets:
 *
 *   growth sessions   one node in memory with 1 thousand to 1 million sessions
 *   growth nodes      64,000 sessions over 1 to 64 nodes in memory, by LINK effects
 *   growth chats      the embedded store with 10 thousand to 10 million chats
 *   growth history    pages of 50 out of a store of 10 million messages
 *
 *   [--from N] [--to N] [--factor N] [--messages N] [--dir DIR]
 *
 * CPU is this process's. The last line is a JSON object with a row for each size.
 */
#include "growth.h"
#include "common.h"

#include "base/view.h"
#include "node/node.h"

#include <chat/id.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PARTITIONS   64u
#define NODES_SESSIONS 64000u
#define TURN_MESSAGES  64u
#define BODY_BYTES     200u
#define WARM_MESSAGES  70000u /* more than a node remembers the names of */
#define FRAME_BYTES    512u
#define LONG_MS        3600000u
#define START_MS       (CHAT_EPOCH_MS + UINT64_C(1000000))

typedef struct session {
    chat__conn conn;
    uint32_t node;
    uint32_t n_received;
} session;

typedef struct world {
    chat__node *nodes[64];
    uint32_t **by_slot; /* for each node: the session of a connection, by the low half of its id */
    session *sessions;
    uint32_t n_nodes, n_sessions;
    uint64_t now_ms, n_ids;
    uint64_t last_seq[N_PARTITIONS];
    uint64_t n_delivered;
} world;

/* --- what is around the nodes --- */

static void answer_append(world *w, uint32_t n, const chat__effect *effect)
{
    uint64_t *last = &w->last_seq[effect->partition];
    *last = effect->id > *last ? effect->id : *last + 1;
    chat__node_appended(w->nodes[n], effect->tag, CHAT_OK, *last, 0);
}

/* The type is the second item of the map, behind its key 0; no key but that is below 1. */
static uint32_t type_of(chat_view frame)
{
    return frame.len < 4 ? 0 : frame.data[2] == 0x18 ? frame.data[3] : frame.data[2];
}

static void on_write(world *w, uint32_t n, const chat__effect *effect)
{
    uint8_t bytes[32];
    size_t len = 0;
    chat_frame ack;
    if (type_of(effect->bytes) != CHAT_FRAME_MSG)
        return;
    session *to = &w->sessions[w->by_slot[n][(uint32_t)effect->conn]];
    w->n_delivered++;
    chat_frame_init(&ack, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&ack, N, n, ++to->n_received);
    bench_check(chat_frame_encode(CHAT_ENCODING_CBOR, &ack, bytes, sizeof bytes, &len) == CHAT_OK,
                "encoding an ack");
    chat__node_receive(w->nodes[n], effect->conn, chat__view(bytes, len));
}

static void do_effect(world *w, uint32_t n, const chat__effect *effect)
{
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
        on_write(w, n, effect);
        break;
    case CHAT__EFFECT_APPEND:
        answer_append(w, n, effect);
        break;
    case CHAT__EFFECT_LINK:
        bench_check(chat__node_link(w->nodes[effect->to_node], n, effect->bytes) == CHAT_OK,
                    "a link");
        break;
    case CHAT__EFFECT_LOAD_USER:
        chat__node_user_loaded(w->nodes[n], effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_LOAD_BLOCKS:
        chat__node_blocks_loaded(w->nodes[n], effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_LOAD_CHAT: /* a direct chat: nobody has blocked the other one */
        chat__node_chat_loaded(w->nodes[n], effect->tag, CHAT_ERR_NOT_FOUND, NULL);
        break;
    default:
        bench_check(effect->type == CHAT__EFFECT_CURSOR || effect->type == CHAT__EFFECT_SEEN,
                    "an effect that nobody expected");
        break;
    }
}

static int do_effects(world *w, uint32_t n)
{
    chat__effect effect;
    int has_any = 0;
    for (; chat__node_next_effect(w->nodes[n], &effect) == CHAT_OK; has_any = 1)
        do_effect(w, n, &effect);
    return has_any;
}

static void begin_turn(world *w)
{
    w->now_ms++;
    for (uint32_t n = 0; n < w->n_nodes; n++)
        chat__node_begin(w->nodes[n], w->now_ms, START_MS + w->now_ms);
}

static void end_turn(world *w)
{
    int is_busy = 1;
    while (is_busy) {
        is_busy = 0;
        for (uint32_t n = 0; n < w->n_nodes; n++)
            is_busy |= do_effects(w, n);
    }
}

/* --- sessions --- */

static chat_view name_of(uint64_t i, char out[24])
{
    snprintf(out, 24, "u%" PRIu64, i);
    return chat__view_str(out);
}

static void open_session(world *w, uint32_t i, chat_view hello)
{
    char name[24];
    chat_view user = name_of(i, name);
    session *it = &w->sessions[i];
    it->node = chat__node_of_user(user, w->n_nodes);
    chat__node *node = w->nodes[it->node];
    bench_check(chat__node_open(node, user, CHAT_ENCODING_CBOR, UINT64_MAX, &it->conn) == CHAT_OK,
                "opening a session");
    w->by_slot[it->node][(uint32_t)it->conn] = i;
    chat__node_receive(node, it->conn, hello);
}

static void open_sessions(world *w)
{
    uint8_t bytes[64];
    size_t len = 0;
    chat_frame hello;
    chat_frame_init(&hello, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&hello, DEVICE, device, chat__view_str("phone"));
    bench_check(chat_frame_encode(CHAT_ENCODING_CBOR, &hello, bytes, sizeof bytes, &len) == CHAT_OK,
                "encoding hello");
    for (uint32_t i = 0; i < w->n_sessions; i++) {
        if (i % TURN_MESSAGES == 0)
            begin_turn(w);
        open_session(w, i, chat__view(bytes, len));
        if (i % TURN_MESSAGES == TURN_MESSAGES - 1 || i + 1 == w->n_sessions)
            end_turn(w);
    }
}

static void make_world(world *w, uint64_t n_sessions, uint64_t n_nodes)
{
    /* A table by slots grows by doubling. */
    size_t n_slots = 64;
    memset(w, 0, sizeof *w);
    while (n_slots < n_sessions)
        n_slots *= 2;
    w->n_sessions = (uint32_t)n_sessions;
    w->n_nodes = (uint32_t)n_nodes;
    w->sessions = calloc(n_sessions, sizeof *w->sessions);
    w->by_slot = calloc(n_nodes, sizeof *w->by_slot);
    bench_check(w->sessions != NULL && w->by_slot != NULL, "memory");
    for (uint32_t n = 0; n < n_nodes; n++) {
        chat__node_options options;
        chat__node_options_init(&options);
        options.self = options.snowflake_node = n;
        options.n_nodes = w->n_nodes;
        options.n_partitions = N_PARTITIONS;
        options.links_are_own = 1;
        options.max_connections = w->n_sessions;
        options.heartbeat_ms = options.hello_timeout_ms = options.ack_timeout_ms = LONG_MS;
        w->by_slot[n] = calloc(n_slots, sizeof *w->by_slot[n]);
        bench_check(w->by_slot[n] != NULL && chat__node_new(&options, &w->nodes[n]) == CHAT_OK,
                    "making a node");
    }
}

static void free_world(world *w)
{
    for (uint32_t n = 0; n < w->n_nodes; n++) {
        chat__node_free(w->nodes[n]);
        free(w->by_slot[n]);
    }
    free(w->by_slot);
    free(w->sessions);
}

/* --- messages --- */

typedef struct outgoing {
    uint32_t from;
    size_t len;
    uint8_t bytes[FRAME_BYTES];
} outgoing;

/* From anybody, to the other one of the pair. */
static void write_message(world *w, uint64_t *random, outgoing *out)
{
    static uint8_t body[BODY_BYTES];
    char to[24], cid[24];
    chat_frame frame;
    memset(body, 'x', sizeof body);
    out->from = (uint32_t)(bench_random(random) % w->n_sessions);
    snprintf(cid, sizeof cid, "c%" PRIu64, w->n_ids++);
    chat_frame_init(&frame, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(&frame, TO, to, name_of(out->from ^ 1u, to));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str(cid));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view(body, sizeof body));
    bench_check(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, out->bytes, sizeof out->bytes,
                                  &out->len) == CHAT_OK,
                "encoding a message");
}

/* CPU microseconds for each of `n` messages, 64 in a turn; making them is not in it. */
static double talk(world *w, uint64_t n, uint64_t *random)
{
    static outgoing out[TURN_MESSAGES];
    double spent_s = 0;
    uint64_t before = w->n_delivered, n_turns = (n + TURN_MESSAGES - 1) / TURN_MESSAGES;
    for (uint64_t turn = 0; turn < n_turns; turn++) {
        for (uint32_t i = 0; i < TURN_MESSAGES; i++)
            write_message(w, random, &out[i]);
        double start_s = bench_cpu_s();
        begin_turn(w);
        for (uint32_t i = 0; i < TURN_MESSAGES; i++) {
            const session *from = &w->sessions[out[i].from];
            chat__node_receive(w->nodes[from->node], from->conn,
                               chat__view(out[i].bytes, out[i].len));
        }
        end_turn(w);
        spent_s += bench_cpu_s() - start_s;
    }
    bench_check(w->n_delivered - before == n_turns * TURN_MESSAGES, "a delivery");
    return spent_s * 1e6 / (double)(n_turns * TURN_MESSAGES);
}

static void measure(const growth_options *options, const char *what, uint64_t n_sessions,
                    uint64_t n_nodes)
{
    world w;
    uint64_t random = 1;
    uint64_t resident = bench_resident_bytes();
    make_world(&w, n_sessions, n_nodes);
    uint64_t own = (uint64_t)n_sessions * sizeof *w.sessions;
    double start_s = bench_wall_s();
    open_sessions(&w);
    double open_s = bench_wall_s() - start_s;
    double bytes = (double)bench_resident_bytes() - (double)resident - (double)own;
    (void)talk(&w, WARM_MESSAGES * (n_nodes < 8 ? n_nodes : 8), &random);
    double us = talk(&w, options->messages, &random);
    printf("{\"what\":\"%s\",\"size\":%" PRIu64 ",\"cpu_us_per_message\":%.3f,\"open_s\":%.3f,"
           "\"bytes_per_session\":%.0f}",
           what, n_nodes > 1 || strcmp(what, "nodes") == 0 ? n_nodes : n_sessions, us, open_s,
           bytes / (double)n_sessions);
    free_world(&w);
}

void growth_sessions(const growth_options *options, uint64_t n_sessions)
{
    measure(options, "sessions", n_sessions & ~UINT64_C(1), 1);
}

void growth_nodes(const growth_options *options, uint64_t n_nodes)
{
    measure(options, "nodes", NODES_SESSIONS, n_nodes);
}

/* --- main --- */

typedef struct mode {
    const char *name;
    void (*run)(const growth_options *options, uint64_t size);
    uint64_t max;
    growth_options defaults;
} mode;

static const mode MODES[] = {
    {"sessions", growth_sessions, 4000000, {1000, 1000000, 10, 400000, NULL}},
    {"nodes", growth_nodes, 64, {1, 64, 2, 200000, NULL}},
    {"chats", growth_chats, 100000000, {10000, 1000000, 10, 200000, NULL}},
    {"history", growth_history, 100000000, {10000000, 10000000, 10, 20000, NULL}},
};

static const mode *find_mode(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof MODES / sizeof MODES[0]; i++) {
        if (strcmp(argv[1], MODES[i].name) == 0)
            return &MODES[i];
    }
    fprintf(stderr, "growth: say `sessions`, `nodes`, `chats` or `history`, then [--from N] "
                    "[--to N] [--factor N] [--messages N] [--dir DIR]\n");
    exit(2);
}

/* In a process of its own, so that none finds the memory of another. */
static void run_alone(const mode *which, const growth_options *options, uint64_t size)
{
    int state = 0;
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        which->run(options, size);
        (void)fflush(stdout);
        _exit(0);
    }
    bench_check(child > 0 && waitpid(child, &state, 0) == child && state == 0, "a run");
}

int main(int argc, char **argv)
{
    bench_take_only(argc, argv,
                    "usage: growth sessions|nodes|chats|history [--from N] [--to N]"
                    " [--factor N] [--messages N] [--dir DIR]");
    const mode *which = find_mode(argc, argv);
    growth_options options = which->defaults;
    options.from = bench_number(argc, argv, "--from", options.from);
    options.to = bench_number(argc, argv, "--to", options.to);
    options.factor = bench_number(argc, argv, "--factor", options.factor);
    options.messages = bench_number(argc, argv, "--messages", options.messages);
    options.dir = bench_word(argc, argv, "--dir");
    bench_check(options.from >= 1 && options.to <= which->max && options.factor >= 2,
                "a size that is possible");
    printf("{\"mode\":\"%s\",\"rows\":[", which->name);
    for (uint64_t size = options.from; size <= options.to; size *= options.factor) {
        printf("%s", size == options.from ? "" : ",");
        run_alone(which, &options, size);
    }
    printf("]}\n");
    return 0;
}
