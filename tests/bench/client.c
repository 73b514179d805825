/* SPDX-License-Identifier: MIT */
/* The connections of the load generator: see client.h. */
#include "client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/view.h"
#include "net/jwt.h"
#include "wsframe.h"

enum { EVENTS = 512, N_SOURCES = 8, TOKEN_MS = 3600000 };

static const uint8_t MASK[4] = {0x5a, 0x13, 0xc7, 0x88};

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void say_why(bench_pool *pool, const char *format, ...)
{
    va_list args;

    if (pool->why[0] != 0)
        return;
    va_start(args, format);
    vsnprintf(pool->why, sizeof pool->why, format, args);
    va_end(args);
}

int bench_pool_init(bench_pool *pool, uint32_t n_conns)
{
    pool->n_conns = n_conns;
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pool->conns = calloc(n_conns, sizeof *pool->conns);
    pool->dirty = calloc(n_conns, sizeof *pool->dirty);
    pool->read = malloc(BENCH_READ_BYTES);
    if (pool->epoll_fd < 0 || pool->conns == NULL || pool->dirty == NULL || pool->read == NULL ||
        (pool->zip = chat__ws_zip_new(NULL)) == NULL ||
        chat_decoder_new(NULL, BENCH_READ_BYTES, &pool->decoder) != CHAT_OK) {
        say_why(pool, "no memory for %u connections", n_conns);
        return -1;
    }
    chat__buf_init(&pool->inflated, NULL, BENCH_READ_BYTES);
    for (uint32_t i = 0; i < n_conns; i++) {
        pool->conns[i].fd = -1;
        pool->conns[i].index = i;
    }
    return 0;
}

void bench_pool_done(bench_pool *pool)
{
    for (uint32_t i = 0; pool->conns != NULL && i < pool->n_conns; i++) {
        if (pool->conns[i].fd >= 0)
            close(pool->conns[i].fd);
        chat__tls_free(pool->conns[i].tls);
        free(pool->conns[i].in);
        free(pool->conns[i].out);
    }
    if (pool->epoll_fd >= 0)
        close(pool->epoll_fd);
    chat__tls_context_free(pool->tls);
    chat_decoder_free(pool->decoder);
    chat__ws_zip_free(pool->zip);
    chat__buf_done(&pool->inflated);
    free(pool->conns);
    free(pool->dirty);
    free(pool->read);
}

static void conn_close(bench_pool *pool, bench_conn *conn)
{
    if (conn->state == BENCH_CLOSED)
        return;
    if (conn->state == BENCH_LIVE)
        pool->n_live--;
    else
        pool->n_connecting--;
    close(conn->fd);
    conn->fd = -1;
    conn->state = BENCH_CLOSED;
    pool->n_closed++;
}

void bench_pool_cut(bench_pool *pool, uint32_t first)
{
    while (pool->n_started > first) {
        bench_conn *conn = &pool->conns[--pool->n_started];
        bench_conn fresh = {.fd = -1, .index = conn->index, .is_dirty = conn->is_dirty};
        conn_close(pool, conn);
        pool->n_closed--;
        chat__tls_free(conn->tls);
        free(conn->in);
        free(conn->out);
        *conn = fresh;
    }
}

static int conn_queue(bench_pool *pool, bench_conn *conn, const void *bytes, size_t len)
{
    if (conn->out_cap - conn->out_len < len) {
        size_t cap = 2 * conn->out_cap + len;
        uint8_t *grown = realloc(conn->out, cap);
        if (grown == NULL)
            return -1;
        conn->out = grown;
        conn->out_cap = cap;
    }
    memcpy(conn->out + conn->out_len, bytes, len);
    conn->out_len += len;
    if (!conn->is_dirty) {
        conn->is_dirty = 1;
        pool->dirty[pool->n_dirty++] = conn->index;
    }
    return 0;
}

static int queue_masked(bench_pool *pool, bench_conn *conn, uint8_t opcode, uint8_t *payload,
                        size_t len)
{
    uint8_t head[BENCH_WS_MAX_HEAD];

    bench_ws_mask(payload, len, MASK);
    if (conn_queue(pool, conn, head, bench_ws_head(head, opcode, len, MASK)) != 0)
        return -1;
    return conn_queue(pool, conn, payload, len);
}

int bench_conn_send(bench_pool *pool, bench_conn *conn, const chat_frame *frame)
{
    uint8_t bytes[CHAT_BODY_MAX_BYTES + 512];
    size_t len;

    if (conn->fd < 0 ||
        chat_frame_encode(pool->encoding, frame, bytes, sizeof bytes, &len) != CHAT_OK)
        return -1;
    return queue_masked(pool, conn,
                        pool->encoding == CHAT_ENCODING_JSON ? BENCH_OP_TEXT : BENCH_OP_BINARY,
                        bytes, len);
}

/* Bytes that went out; -1 with errno. */
static ssize_t tls_send(bench_conn *conn)
{
    size_t sent = 0;
    size_t len = conn->retry_len > 0 ? conn->retry_len : conn->out_len;
    chat_status status = len > 0 ? chat__tls_write(conn->tls, conn->out, len, &sent) : CHAT_OK;

    conn->retry_len = status == CHAT_MORE ? len : 0;
    errno = status == CHAT_MORE ? EAGAIN : EPROTO;
    return status == CHAT_OK ? (ssize_t)sent : -1;
}

static void conn_flush(bench_pool *pool, bench_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = conn->index};
    ssize_t n;

    if (conn->fd < 0)
        return;
    n = conn->tls != NULL ? tls_send(conn) : send(conn->fd, conn->out, conn->out_len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        say_why(pool, "connection %u: send: %s", conn->index, strerror(errno));
        conn_close(pool, conn);
        return;
    }
    if (n > 0) {
        memmove(conn->out, conn->out + n, conn->out_len - (size_t)n);
        conn->out_len -= (size_t)n;
    }
    conn->wants_write = conn->out_len > 0;
    /* In its handshake TLS waits for the other side, not for the socket. */
    uint8_t is_polled =
        conn->tls != NULL ? (uint8_t)(chat__tls_wants_write(conn->tls) != 0) : conn->wants_write;
    if (conn->is_polled_for_write != is_polled) {
        conn->is_polled_for_write = is_polled;
        event.events |= is_polled ? EPOLLOUT : 0u;
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
    }
}

void bench_pool_flush(bench_pool *pool)
{
    for (size_t i = 0; i < pool->n_dirty; i++) {
        bench_conn *conn = &pool->conns[pool->dirty[i]];
        conn->is_dirty = 0;
        conn_flush(pool, conn);
    }
    pool->n_dirty = 0;
}

/* Several source addresses, so that ports left in TIME_WAIT by an earlier run do not run out. */
static int conn_start(bench_pool *pool, bench_conn *conn)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = conn->index};
    struct sockaddr_in server = pool->server;
    int one = 1;

    server.sin_port = htons(pool->ports[conn->index % pool->n_ports]);
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + conn->index % N_SOURCES);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 ||
        setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(conn->fd, (struct sockaddr *)&source, sizeof source) != 0 ||
        (connect(conn->fd, (struct sockaddr *)&server, sizeof server) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        say_why(pool, "connection %u: connect: %s", conn->index, strerror(errno));
        return -1;
    }
    conn->state = BENCH_CONNECTING;
    pool->n_started++;
    pool->n_connecting++;
    return 0;
}

static uint64_t unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static int queue_upgrade(bench_pool *pool, bench_conn *conn)
{
    char user[16], token[512] = "", head[1024];
    int n;

    snprintf(user, sizeof user, "u%u", pool->first + conn->index);
    if (pool->secret.len > 0 &&
        chat__jwt_make(pool->secret, chat__view_str(user), unix_ms() + TOKEN_MS, token,
                       sizeof token) != CHAT_OK)
        return -1;
    n = snprintf(head, sizeof head,
                 "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
                 "Sec-WebSocket-Protocol: chat.v1.%s\r\n%s%s%s%s\r\n",
                 pool->encoding == CHAT_ENCODING_JSON ? "json" : "cbor",
                 pool->has_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                                     "client_no_context_takeover\r\n"
                                   : "",
                 token[0] ? "Authorization: Bearer " : "", token, token[0] ? "\r\n" : "");
    return conn_queue(pool, conn, head, (size_t)n);
}

static void on_connected(bench_pool *pool, bench_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = conn->index};
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
    conn->state = BENCH_UPGRADING;
    if (error == 0 && pool->tls != NULL &&
        chat__tls_new(pool->tls, conn->fd, "localhost", &conn->tls) != CHAT_OK)
        error = ENOMEM;
    if (error != 0 || queue_upgrade(pool, conn) != 0) {
        say_why(pool, "connection %u: connect: %s", conn->index, strerror(error));
        conn_close(pool, conn);
    }
}

/* Returns the length of the answer's head, 0 when it is not complete. */
static size_t on_answer(bench_pool *pool, bench_conn *conn, const uint8_t *bytes, size_t len)
{
    static const char OK[] = "HTTP/1.1 101 ";
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);
    chat_frame hello;
    char device[16];

    if (end == NULL)
        return 0;
    if (memcmp(bytes, OK, sizeof OK - 1) != 0) {
        say_why(pool, "connection %u: refused: %.*s", conn->index, len < 200 ? (int)len : 200,
                (const char *)bytes);
        conn_close(pool, conn);
        return len;
    }
    conn->state = BENCH_GREETING;
    snprintf(device, sizeof device, "d%u", pool->first + conn->index);
    chat_frame_init(&hello, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&hello, DEVICE, device, chat__view_str(device));
    bench_conn_send(pool, conn, &hello);
    return (size_t)(end + 4 - bytes);
}

static void on_payload(bench_pool *pool, bench_conn *conn, chat_view payload)
{
    chat_frame frame;

    if (chat_frame_decode(pool->decoder, pool->encoding, payload, &frame) != CHAT_OK) {
        say_why(pool, "connection %u: a frame that cannot be decoded", conn->index);
        conn_close(pool, conn);
    } else if (frame.type == CHAT_FRAME_WELCOME && conn->state == BENCH_GREETING) {
        conn->state = BENCH_LIVE;
        pool->n_live++;
        pool->n_connecting--;
    } else if (frame.type == CHAT_FRAME_ERROR || frame.type == CHAT_FRAME_BYE) {
        say_why(pool, "connection %u: the server says %.*s", conn->index, (int)frame.code.len,
                (const char *)frame.code.data);
    } else {
        /* The bare relay passes `send` on as it is: it counts like the `msg` of a server. */
        if ((frame.type == CHAT_FRAME_MSG || frame.type == CHAT_FRAME_CHAT ||
             frame.type == CHAT_FRAME_CHANGE || frame.type == CHAT_FRAME_SEND) &&
            !CHAT_FRAME_HAS(&frame, R))
            conn->n_received++;
        if (pool->on_frame != NULL)
            pool->on_frame(pool->ctx, conn, &frame);
    }
}

static chat_view inflated(bench_pool *pool, const bench_ws_frame *frame)
{
    chat_view payload = chat__view(frame->payload, frame->len);

    if (!frame->is_compressed)
        return payload;
    if (chat__ws_zip_inflate(pool->zip, payload, BENCH_READ_BYTES, &pool->inflated) != CHAT_OK)
        return chat__view(NULL, 0);
    return chat__buf_view(&pool->inflated);
}

static size_t take_frames(bench_pool *pool, bench_conn *conn, uint8_t *bytes, size_t len)
{
    size_t used = 0;
    bench_ws_frame frame;

    while (conn->fd >= 0) {
        int got = bench_ws_read(bytes + used, len - used, &frame);
        if (got == 0)
            break;
        if (got < 0 || frame.opcode == BENCH_OP_CLOSE) {
            say_why(pool, "connection %u: closed by the server", conn->index);
            conn_close(pool, conn);
            break;
        }
        used += frame.total;
        if (frame.opcode == BENCH_OP_PING)
            queue_masked(pool, conn, BENCH_OP_PONG, frame.payload, frame.len);
        else
            on_payload(pool, conn, inflated(pool, &frame));
    }
    return used;
}

static void keep_rest(bench_conn *conn, const uint8_t *bytes, size_t len)
{
    uint8_t *rest = len > 0 ? malloc(len) : NULL;

    if (rest != NULL)
        memcpy(rest, bytes, len);
    free(conn->in);
    conn->in = rest;
    conn->in_len = rest != NULL ? len : 0;
}

static void ack_received(bench_pool *pool, bench_conn *conn)
{
    chat_frame ack;

    if (conn->n_acked == conn->n_received)
        return;
    chat_frame_init(&ack, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&ack, N, n, conn->n_received);
    if (bench_conn_send(pool, conn, &ack) == 0)
        conn->n_acked = conn->n_received;
}

static ssize_t tls_receive(bench_conn *conn, uint8_t *out, size_t cap)
{
    size_t got = 0, all = 0;
    chat_status status = CHAT_OK;

    /* What TLS holds already, no event tells of. */
    while (all < cap && (status = chat__tls_read(conn->tls, out + all, cap - all, &got)) == CHAT_OK)
        all += got;
    errno = status == CHAT_MORE ? EAGAIN : EPROTO;
    return all > 0 ? (ssize_t)all : status == CHAT_ERR_CLOSED ? 0 : -1;
}

static void conn_read(bench_pool *pool, bench_conn *conn)
{
    size_t len = conn->in_len, used = 0;
    ssize_t got;

    if (len > 0)
        memcpy(pool->read, conn->in, len);
    got = conn->tls != NULL ? tls_receive(conn, pool->read + len, BENCH_READ_BYTES - len)
                            : read(conn->fd, pool->read + len, BENCH_READ_BYTES - len);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            say_why(pool, "connection %u: %s", conn->index, got == 0 ? "end" : strerror(errno));
            conn_close(pool, conn);
        }
        return;
    }
    len += (size_t)got;
    if (conn->state == BENCH_UPGRADING)
        used = on_answer(pool, conn, pool->read, len);
    if (conn->state == BENCH_GREETING || conn->state == BENCH_LIVE)
        used += take_frames(pool, conn, pool->read + used, len - used);
    if (conn->fd >= 0)
        ack_received(pool, conn);
    if (conn->in_len > 0 || used < len)
        keep_rest(conn, pool->read + used, len - used);
}

void bench_pool_turn(bench_pool *pool, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = bench_now_ns();
    uint64_t wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u),
                               .tv_nsec = (int64_t)(wait % 1000000000u)};
    int n = epoll_pwait2(pool->epoll_fd, events, EVENTS, &timeout, NULL);

    for (int i = 0; i < n; i++) {
        bench_conn *conn = &pool->conns[events[i].data.u32];
        if (conn->fd < 0)
            continue;
        if (conn->state == BENCH_CONNECTING)
            on_connected(pool, conn);
        else if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            conn_read(pool, conn);
        if (conn->wants_write && !conn->is_dirty) {
            conn->is_dirty = 1;
            pool->dirty[pool->n_dirty++] = conn->index;
        }
    }
    bench_pool_flush(pool);
}

int bench_pool_open_all(bench_pool *pool, uint64_t deadline_ns)
{
    uint32_t max = pool->max_connecting > 0 ? pool->max_connecting : BENCH_MAX_CONNECTING;

    while (pool->n_live < pool->n_conns) {
        while (pool->n_started < pool->n_conns && pool->n_connecting < max)
            if (conn_start(pool, &pool->conns[pool->n_started]) != 0)
                return -1;
        bench_pool_turn(pool, deadline_ns);
        if (pool->n_closed > 0)
            return -1;
        if (bench_now_ns() >= deadline_ns) {
            say_why(pool, "%u of %u connections are open in time", pool->n_live, pool->n_conns);
            return -1;
        }
    }
    return 0;
}
