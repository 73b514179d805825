/* SPDX-License-Identifier: MIT */
/*
 * The floor of what a relay of WebSocket frames costs on this machine: epoll, one thread, no token,
 * no storage, no receipts. Every `send` is passed on unchanged to the partner and answered with
 * `sent`; one read and at most one write per connection per turn. Connection `dN` (by its device)
 * is the partner of `d(N xor 1)`; from 2 * PAIRS on, runs of MEMBERS connections are groups.
 *
 *   floor [--sync FILE] [--pairs PAIRS --members MEMBERS]
 *
 * With --sync a turn's messages are appended to FILE, which is synced once before anything is
 * written to a socket. It prints "listening on HOST:PORT" and runs until SIGTERM.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>

#include <chat/frame.h>

#include "base/view.h"
#include "wsframe.h"

enum { MAX_CONNS = 65536, READ_BYTES = 65536, MAX_HEAD_BYTES = 8192, EVENTS = 512 };

typedef struct conn {
    int fd;
    uint8_t is_open; /* the upgrade was answered */
    uint8_t is_dirty;
    uint8_t wants_write;
    uint32_t slot;
    uint8_t *in; /* an incomplete head or frame */
    size_t in_len;
    uint8_t *out;
    size_t out_len, out_cap;
} conn;

typedef struct floor_state {
    int epoll_fd, listen_fd;
    conn *by_slot[MAX_CONNS];
    conn *dirty[MAX_CONNS];
    size_t n_dirty;
    int sync_fd; /* -1: nothing is stored */
    uint32_t n_pairs, n_members;
    uint8_t *stored; /* of this turn */
    size_t stored_len, stored_cap;
    chat_decoder *decoder;
    uint8_t read[READ_BYTES];
} floor_state;

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
    (void)number;
    is_stopped = 1;
}

static void conn_close(floor_state *state, conn *c)
{
    if (c->fd < 0)
        return;
    if (c->slot < MAX_CONNS && state->by_slot[c->slot] == c)
        state->by_slot[c->slot] = NULL;
    close(c->fd);
    c->fd = -1;
    if (!c->is_dirty) /* else it is freed when the turn is flushed */
        state->dirty[state->n_dirty++] = c;
    c->is_dirty = 1;
}

static void conn_queue(floor_state *state, conn *c, const void *bytes, size_t len)
{
    if (c->fd < 0)
        return;
    if (c->out_cap - c->out_len < len) {
        size_t cap = c->out_cap * 2 > c->out_len + len ? c->out_cap * 2 : c->out_len + len;
        uint8_t *grown = realloc(c->out, cap);
        if (grown == NULL) {
            conn_close(state, c);
            return;
        }
        c->out = grown;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
    if (!c->is_dirty) {
        c->is_dirty = 1;
        state->dirty[state->n_dirty++] = c;
    }
}

static void conn_queue_frame(floor_state *state, conn *c, const uint8_t *payload, size_t len)
{
    uint8_t head[BENCH_WS_MAX_HEAD];

    conn_queue(state, c, head, bench_ws_head(head, BENCH_OP_BINARY, len, NULL));
    conn_queue(state, c, payload, len);
}

static void queue_answer(floor_state *state, conn *c, chat_frame *answer)
{
    uint8_t bytes[512];
    size_t len;

    if (chat_frame_encode(CHAT_ENCODING_CBOR, answer, bytes, sizeof bytes, &len) == CHAT_OK)
        conn_queue_frame(state, c, bytes, len);
}

static void on_hello(floor_state *state, conn *c, const chat_frame *hello)
{
    chat_frame welcome;
    char number[16] = {0};

    if (hello->device.len >= 2 && hello->device.len < sizeof number)
        memcpy(number, hello->device.data + 1, hello->device.len - 1);
    c->slot = (uint32_t)strtoul(number, NULL, 10);
    if (c->slot < MAX_CONNS)
        state->by_slot[c->slot] = c;
    chat_frame_init(&welcome, CHAT_FRAME_WELCOME);
    CHAT_FRAME_SET(&welcome, USER, user, hello->device);
    CHAT_FRAME_SET(&welcome, DEVICE, device, hello->device);
    CHAT_FRAME_SET(&welcome, HEARTBEAT, heartbeat_ms, 30000);
    CHAT_FRAME_SET(&welcome, MAX_BODY, max_body_bytes, CHAT_BODY_MAX_BYTES);
    queue_answer(state, c, &welcome);
}

static void relay(floor_state *state, uint32_t slot, chat_view payload)
{
    if (slot < MAX_CONNS && state->by_slot[slot] != NULL)
        conn_queue_frame(state, state->by_slot[slot], payload.data, payload.len);
}

static void store(floor_state *state, chat_view payload)
{
    if (state->sync_fd < 0)
        return;
    if (state->stored_cap - state->stored_len < payload.len) {
        size_t cap = 2 * state->stored_cap + payload.len;
        uint8_t *grown = realloc(state->stored, cap);
        if (grown == NULL)
            return;
        state->stored = grown;
        state->stored_cap = cap;
    }
    memcpy(state->stored + state->stored_len, payload.data, payload.len);
    state->stored_len += payload.len;
}

static void on_send(floor_state *state, conn *c, const chat_frame *send, chat_view payload)
{
    uint32_t first = 2 * state->n_pairs;
    chat_frame sent;

    store(state, payload);
    if (state->n_members == 0 || c->slot < first) {
        relay(state, c->slot ^ 1u, payload);
    } else {
        first += (c->slot - first) / state->n_members * state->n_members;
        for (uint32_t i = first; i < first + state->n_members; i++)
            if (i != c->slot)
                relay(state, i, payload);
    }
    chat_frame_init(&sent, CHAT_FRAME_SENT);
    CHAT_FRAME_SET(&sent, CID, cid, send->cid);
    CHAT_FRAME_SET(&sent, CHAT, chat, chat__view_str("floor"));
    CHAT_FRAME_SET(&sent, ID, id, 1);
    CHAT_FRAME_SET(&sent, SEQ, seq, 1);
    CHAT_FRAME_SET(&sent, TS, ts, 1);
    queue_answer(state, c, &sent);
}

static void on_payload(floor_state *state, conn *c, chat_view payload)
{
    chat_frame frame;

    if (chat_frame_decode(state->decoder, CHAT_ENCODING_CBOR, payload, &frame) != CHAT_OK) {
        conn_close(state, c);
        return;
    }
    if (frame.type == CHAT_FRAME_HELLO)
        on_hello(state, c, &frame);
    else if (frame.type == CHAT_FRAME_SEND)
        on_send(state, c, &frame, payload);
}

static size_t take_frames(floor_state *state, conn *c, uint8_t *bytes, size_t len)
{
    size_t used = 0;
    bench_ws_frame frame;

    while (c->fd >= 0) {
        int got = bench_ws_read(bytes + used, len - used, &frame);
        if (got == 0)
            break;
        if (got < 0 || frame.opcode == BENCH_OP_CLOSE) {
            conn_close(state, c);
            break;
        }
        used += frame.total;
        if (frame.opcode == BENCH_OP_BINARY)
            on_payload(state, c, chat__view(frame.payload, frame.len));
    }
    return used;
}

/* RFC 6455 section 4.2.2: SHA-1 of the key and a fixed text, in base64. */
static int accept_of(const char *key, size_t key_len, char out[32])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t joined[64 + sizeof GUID], digest[20];
    size_t len;

    if (key_len > 64)
        return -1;
    memcpy(joined, key, key_len);
    memcpy(joined + key_len, GUID, sizeof GUID - 1);
    if (mbedtls_sha1_ret(joined, key_len + sizeof GUID - 1, digest) != 0)
        return -1;
    return mbedtls_base64_encode((uint8_t *)out, 32, &len, digest, sizeof digest);
}

/* Answers the upgrade request when it is complete; returns its length, 0 when it is not. */
static size_t take_head(floor_state *state, conn *c, const uint8_t *bytes, size_t len)
{
    static const char KEY[] = "Sec-WebSocket-Key: ";
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);
    const uint8_t *key = memmem(bytes, len, KEY, sizeof KEY - 1);
    const uint8_t *key_end;
    char answer[256], accept[32];
    int n;

    if (end == NULL)
        return 0;
    if (key != NULL)
        key += sizeof KEY - 1;
    key_end = key == NULL ? NULL : memmem(key, len - (size_t)(key - bytes), "\r", 1);
    if (key_end == NULL || accept_of((const char *)key, (size_t)(key_end - key), accept) != 0) {
        conn_close(state, c);
        return len;
    }
    n = snprintf(answer, sizeof answer,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat.v1.cbor\r\n\r\n",
                 accept);
    conn_queue(state, c, answer, (size_t)n);
    c->is_open = 1;
    return (size_t)(end + 4 - bytes);
}

/* Keep what is left of an incomplete frame. */
static void keep_rest(floor_state *state, conn *c, const uint8_t *bytes, size_t len)
{
    uint8_t *rest = NULL;

    if (len > 0) {
        rest = malloc(len);
        if (rest == NULL) {
            conn_close(state, c);
            return;
        }
        memcpy(rest, bytes, len);
    }
    free(c->in);
    c->in = rest;
    c->in_len = len;
}

static void conn_read(floor_state *state, conn *c)
{
    size_t len = c->in_len, used = 0;
    ssize_t got;

    if (len > READ_BYTES - 1024) {
        conn_close(state, c);
        return;
    }
    if (len > 0)
        memcpy(state->read, c->in, len);
    got = read(c->fd, state->read + len, READ_BYTES - len);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            conn_close(state, c);
        return;
    }
    len += (size_t)got;
    if (!c->is_open)
        used = take_head(state, c, state->read, len);
    if (c->is_open)
        used += take_frames(state, c, state->read + used, len - used);
    if (c->fd >= 0 && (c->in_len > 0 || used < len))
        keep_rest(state, c, state->read + used, len - used);
}

static void conn_flush(floor_state *state, conn *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        c->out_len = 0; /* the read side sees the end */
        return;
    }
    if (n > 0) {
        memmove(c->out, c->out + n, c->out_len - (size_t)n);
        c->out_len -= (size_t)n;
    }
    if (c->wants_write != (c->out_len > 0)) {
        c->wants_write = c->out_len > 0;
        event.events |= c->wants_write ? EPOLLOUT : 0u;
        epoll_ctl(state->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    }
    if (c->out_len == 0) { /* an idle connection holds no buffer */
        free(c->out);
        c->out = NULL;
        c->out_cap = 0;
    }
}

static void sync_turn(floor_state *state)
{
    if (state->stored_len == 0)
        return;
    if (write(state->sync_fd, state->stored, state->stored_len) < 0 ||
        fdatasync(state->sync_fd) != 0)
        perror("floor");
    state->stored_len = 0;
}

static void flush_turn(floor_state *state)
{
    sync_turn(state);
    for (size_t i = 0; i < state->n_dirty; i++) {
        conn *c = state->dirty[i];
        c->is_dirty = 0;
        if (c->fd >= 0) {
            conn_flush(state, c);
            continue;
        }
        free(c->in);
        free(c->out);
        free(c);
    }
    state->n_dirty = 0;
}

static void accept_all(floor_state *state)
{
    for (;;) {
        struct epoll_event event = {.events = EPOLLIN};
        int one = 1, fd = accept4(state->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        conn *c;
        if (fd < 0)
            return;
        c = calloc(1, sizeof *c);
        if (c == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
            free(c);
            close(fd);
            continue;
        }
        c->fd = fd;
        c->slot = MAX_CONNS;
        event.data.ptr = c;
        epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(floor_state *state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    state->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->listen_fd < 0 || state->epoll_fd < 0 ||
        bind(state->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(state->listen_fd, 4096) != 0 ||
        getsockname(state->listen_fd, (struct sockaddr *)&address, &len) != 0 ||
        epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, state->listen_fd, &event) != 0)
        return -1;
    printf("listening on 127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    return fflush(stdout);
}

static void run(floor_state *state)
{
    struct epoll_event events[EVENTS];

    while (!is_stopped) {
        int n = epoll_wait(state->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (c == NULL)
                accept_all(state);
            else if (c->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT) != 0)
                conn_read(state, c);
            if (c != NULL && c->fd >= 0 && c->wants_write && !c->is_dirty) {
                c->is_dirty = 1;
                state->dirty[state->n_dirty++] = c;
            }
        }
        flush_turn(state);
    }
}

static int parse(floor_state *state, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--sync") == 0)
            state->sync_fd = open(argv[i + 1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        else if (strcmp(argv[i], "--pairs") == 0)
            state->n_pairs = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--members") == 0)
            state->n_members = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            return -1;
        if (strcmp(argv[i], "--sync") == 0 && state->sync_fd < 0)
            return -1;
    }
    return argc % 2 == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct sigaction stop = {.sa_handler = on_signal};
    floor_state *state = calloc(1, sizeof *state);

    if (state == NULL || chat_decoder_new(NULL, READ_BYTES, &state->decoder) != CHAT_OK)
        return 1;
    state->sync_fd = -1;
    if (parse(state, argc, argv) != 0) {
        fprintf(stderr, "usage: floor [--sync FILE] [--pairs N --members N]\n");
        return 2;
    }
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    if (listen_on(state) != 0) {
        perror("floor");
        return 1;
    }
    run(state);
    chat_decoder_free(state->decoder);
    free(state->stored);
    free(state);
    return 0;
}
