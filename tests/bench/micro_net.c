/* SPDX-License-Identifier: MIT */
/* Tokens, WebSocket frames and the offline queue: see micro.c. */
#include "micro.h"
#include "common.h"

#include "base/view.h"
#include "net/jwt.h"
#include "net/ws.h"

#include <chat/queue.h>

#include <string.h>

#define NOW_MS      UINT64_C(1700000000000)
#define BODY_BYTES  200u
#define QUEUE_DEPTH 100u

/* --- tokens --- */

typedef struct token_bench {
    chat__jwt_check check;
    char token[512];
} token_bench;

static void verify(void *ctx, size_t n)
{
    token_bench *it = ctx;
    chat__jwt_claims claims;
    const char *why;
    for (size_t i = 0; i < n; i++) {
        bench_check(chat__jwt_verify(&it->check, chat__view_str(it->token), &claims, &why) ==
                        CHAT_OK,
                    "verifying a token");
        micro_sink += claims.sub_len;
    }
}

void micro_tokens(void)
{
    static token_bench it;
    chat__jwt_key *key = NULL;
    chat_view secret = chat__view_str("0123456789abcdef0123456789abcdef");
    bench_check(chat__jwt_key_secret(NULL, secret, &key) == CHAT_OK, "a key");
    bench_check(chat__jwt_make(secret, chat__view_str("user-1"), NOW_MS + 3600000, it.token,
                               sizeof it.token) == CHAT_OK,
                "a token");
    it.check.key = key;
    it.check.now_unix_ms = NOW_MS;
    micro_bench("net: verify a token, HS256", verify, &it);
    chat__jwt_key_free(key);
}

/* --- WebSocket --- */

typedef struct ws_bench {
    chat__ws_pool *pool;
    chat__ws server, client;
    chat__buf frame, out;
    uint8_t *bytes; /* of `frame`: reading changes it */
    uint8_t body[BODY_BYTES];
} ws_bench;

static void unmask(void *ctx, size_t n)
{
    ws_bench *it = ctx;
    for (size_t i = 0; i < n; i++) {
        chat__ws_event event;
        size_t used = 0;
        memcpy(it->bytes, it->frame.data, it->frame.len);
        bench_check(chat__ws_read(&it->server, it->bytes, it->frame.len, &used, &event) ==
                            CHAT_OK &&
                        used == it->frame.len,
                    "reading a frame");
        micro_sink += event.payload.data[0];
    }
}

static void frame_up(void *ctx, size_t n)
{
    ws_bench *it = ctx;
    for (size_t i = 0; i < n; i++) {
        it->out.len = 0;
        bench_check(chat__ws_write(&it->server, CHAT__WS_OP_BINARY,
                                   chat__view(it->body, sizeof it->body), &it->out) == CHAT_OK,
                    "writing a frame");
        micro_sink += it->out.len;
    }
}

void micro_websocket(void)
{
    static ws_bench it;
    static uint8_t bytes[BODY_BYTES + 64];
    chat__ws_limits limits = {65536, 16, 512};
    bench_check(chat__ws_pool_new(NULL, &limits, &it.pool) == CHAT_OK, "a pool");
    chat__ws_init(&it.server, it.pool, 0, 0);
    chat__ws_init(&it.client, it.pool, 1, 0);
    chat__buf_init(&it.frame, NULL, sizeof bytes);
    chat__buf_init(&it.out, NULL, sizeof bytes);
    memset(it.body, 'x', sizeof it.body);
    it.bytes = bytes;
    bench_check(chat__ws_write(&it.client, CHAT__WS_OP_BINARY, chat__view(it.body, sizeof it.body),
                               &it.frame) == CHAT_OK,
                "a masked frame");
    micro_bench("net: read and unmask, 200 B", unmask, &it);
    micro_bench("net: write a frame, 200 B", frame_up, &it);
    chat__ws_done(&it.server);
    chat__ws_done(&it.client);
    chat__buf_done(&it.frame);
    chat__buf_done(&it.out);
    chat__ws_pool_free(it.pool);
}

/* --- the offline queue --- */

/* One message goes in, is given to a device and acknowledged, with 100 in front of it. */
static void through_queue(void *ctx, size_t n)
{
    static uint64_t seq = QUEUE_DEPTH;
    chat_queue *queue = ctx;
    chat_view device = chat__view_str("phone");
    for (size_t i = 0; i < n; i++) {
        chat_queue_entry entry = {.seq = ++seq, .chat = chat__view_str("group-1")};
        bench_check(chat_queue_push(queue, &entry, NOW_MS) == CHAT_OK, "a push");
        bench_check(chat_queue_next(queue, device, &entry) == CHAT_OK, "the next");
        bench_check(chat_queue_ack(queue, device, entry.position) == CHAT_OK, "an ack");
    }
}

void micro_queue(void)
{
    chat_queue_options options;
    chat_queue *queue = NULL;
    chat_view device = chat__view_str("phone");
    chat_queue_options_init(&options);
    bench_check(chat_queue_new(&options, &queue) == CHAT_OK &&
                    chat_queue_add_device(queue, device) == CHAT_OK,
                "a queue");
    for (uint64_t i = 1; i <= QUEUE_DEPTH; i++) {
        chat_queue_entry entry = {.seq = i, .chat = chat__view_str("group-1")};
        bench_check(chat_queue_push(queue, &entry, NOW_MS) == CHAT_OK, "a push");
    }
    bench_check(chat_queue_connect(queue, device) == CHAT_OK, "a device");
    micro_bench("queue: push, next, ack", through_queue, queue);
    chat_queue_free(queue);
}
