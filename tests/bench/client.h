/* SPDX-License-Identifier: MIT */
/*
 * Many client connections on one epoll descriptor, for the load generator: connect, upgrade, hello,
 * then frames in and out. Output is collected over a turn and written once per connection.
 */
#ifndef CHAT_TESTS_BENCH_CLIENT_H
#define CHAT_TESTS_BENCH_CLIENT_H

#include <netinet/in.h>

#include <chat/frame.h>

#include "base/buf.h"
#include "net/tls.h"
#include "net/ws_deflate.h"

enum { BENCH_READ_BYTES = 262144, BENCH_MAX_CONNECTING = 128, BENCH_MAX_PORTS = 16 };

typedef enum bench_state {
    BENCH_NEW,
    BENCH_CONNECTING,
    BENCH_UPGRADING,
    BENCH_GREETING,
    BENCH_LIVE,
    BENCH_CLOSED
} bench_state;

typedef struct bench_conn {
    int fd;
    bench_state state;
    uint32_t index;
    uint8_t is_dirty;
    uint8_t wants_write;
    uint8_t is_polled_for_write;
    chat__tls *tls;
    size_t retry_len;    /* TLS wants what it could not write again in this length */
    uint64_t n_received; /* stream frames */
    uint64_t n_acked;
    uint8_t *in; /* an incomplete head or frame */
    size_t in_len;
    uint8_t *out;
    size_t out_len, out_cap;
} bench_conn;

typedef struct bench_pool bench_pool;

struct bench_pool {
    struct sockaddr_in server;
    uint16_t ports[BENCH_MAX_PORTS]; /* of the members of a server, taken in turn */
    uint32_t n_ports;
    chat_view secret; /* empty: no token */
    chat_encoding encoding;
    int has_deflate;         /* offered to the server */
    chat__tls_context *tls;  /* NULL: plain */
    uint32_t max_connecting; /* at a time; 0: BENCH_MAX_CONNECTING */
    uint32_t first;          /* number of the first one's user */
    uint32_t n_conns;
    uint32_t n_started, n_connecting, n_live, n_closed;
    char why[256]; /* the first thing that went wrong */
    bench_conn *conns;
    uint32_t *dirty;
    size_t n_dirty;
    int epoll_fd;
    chat_decoder *decoder;
    chat__ws_zip *zip;
    chat__buf inflated;
    uint8_t *read;
    void *ctx;
    /* A frame for a live connection; what it borrows lives during the call. */
    void (*on_frame)(void *ctx, bench_conn *conn, const chat_frame *frame);
};

/* Memory for `n_conns` connections. 0, or -1 with `why`. */
int bench_pool_init(bench_pool *pool, uint32_t n_conns);
void bench_pool_done(bench_pool *pool);

/* Open all connections that are not, `max_connecting` at a time. 0, or -1 with `why`. */
int bench_pool_open_all(bench_pool *pool, uint64_t deadline_ns);

/* Cut the connections from `first` on, so that they can be opened again. */
void bench_pool_cut(bench_pool *pool, uint32_t first);

/* One turn: wait until `until_ns` (monotonic) at the latest, read, flush. */
void bench_pool_turn(bench_pool *pool, uint64_t until_ns);

/* Collect a frame for the end of the turn. 0, or -1 when it could not be encoded. */
int bench_conn_send(bench_pool *pool, bench_conn *conn, const chat_frame *frame);

/* Write what was collected. */
void bench_pool_flush(bench_pool *pool);

uint64_t bench_now_ns(void);

#endif
