/* SPDX-License-Identifier: MIT */
/* Devices that come back: all at once, or one to a long queue. See load.c. */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/view.h"

enum { STORM_CONNECTING = 1000, DRAIN_WINDOW = 256 };

/* --- storm --- */

static void report_storm(const options *o, const usage *first, const usage *last)
{
    double seconds = (double)(last->at_ns - first->at_ns) / 1e9;
    double us = server_us(first, last) / (double)o->connections;
    double own = (double)(last->own_us - first->own_us) / 1e6 / seconds;

    printf("%" PRIu64 " came back in %.2f s; server CPU %.1f us each; generator at %.0f %% of a "
           "core\n",
           o->connections, seconds, us, own * 100);
    printf("{\"mode\":\"storm\",\"connections\":%" PRIu64 ",\"back_s\":%.3f,"
           "\"cpu_us_per_handshake\":%.1f,\"generator_cpu\":%.3f}\n",
           o->connections, seconds, us, own);
}

int run_storm(const options *o)
{
    bench_pool pool = {.epoll_fd = -1, .max_connecting = STORM_CONNECTING};
    int failed = open_pool(&pool, o, o->connections);

    if (failed == 0) {
        bench_pool_cut(&pool, 0);
        usage first = usage_now(o->pid), last;
        if (bench_pool_open_all(&pool, bench_now_ns() + o->timeout_s * NS_PER_SECOND) != 0) {
            fprintf(stderr, "load: %s\n", pool.why);
            failed = 1;
        } else {
            last = usage_now(o->pid);
            report_storm(o, &first, &last);
        }
    }
    bench_pool_done(&pool);
    return failed;
}

/* --- drain: u0 writes to u1, who is away --- */

typedef struct drain_run {
    bench_pool pool;
    const options *options;
    uint64_t n_sent, n_answered, n_got;
    uint8_t is_resumed;
    uint8_t body[CHAT_BODY_MAX_BYTES];
} drain_run;

static void on_frame(void *ctx, bench_conn *conn, const chat_frame *frame)
{
    drain_run *run = ctx;

    if (frame->type == CHAT_FRAME_SENT)
        run->n_answered++;
    else if (frame->type == CHAT_FRAME_MSG && conn->index == 1)
        run->n_got++;
    else if (frame->type == CHAT_FRAME_RESUMED && conn->index == 1)
        run->is_resumed = 1;
}

static void send_one(drain_run *run)
{
    char cid[24];
    chat_frame frame;

    snprintf(cid, sizeof cid, "c%" PRIu64, run->n_sent++);
    chat_frame_init(&frame, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(&frame, TO, to, chat__view_str("u1"));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str(cid));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view(run->body, run->options->body_bytes));
    (void)bench_conn_send(&run->pool, &run->pool.conns[0], &frame);
}

/* 0 or -1. */
static int fill_queue(drain_run *run, uint64_t deadline)
{
    uint64_t n = run->options->messages;

    while (run->n_answered < n && run->pool.n_closed == 0 && bench_now_ns() < deadline) {
        while (run->n_sent < n && run->n_sent - run->n_answered < DRAIN_WINDOW)
            send_one(run);
        bench_pool_flush(&run->pool);
        bench_pool_turn(&run->pool, deadline);
    }
    return run->n_answered == n ? 0 : -1;
}

/* 0 or -1. */
static int come_back(drain_run *run, uint64_t deadline)
{
    if (bench_pool_open_all(&run->pool, deadline) != 0)
        return -1;
    while ((run->n_got < run->options->messages || !run->is_resumed) && run->pool.n_closed == 0 &&
           bench_now_ns() < deadline)
        bench_pool_turn(&run->pool, deadline);
    return run->n_got >= run->options->messages && run->is_resumed ? 0 : -1;
}

static void report_drain(const drain_run *run, const usage *first, const usage *last)
{
    double seconds = (double)(last->at_ns - first->at_ns) / 1e9;
    double n = (double)run->options->messages;
    double us = server_us(first, last) / n;

    printf("%" PRIu64 " messages of the offline queue in %.3f s: %.0f/s, server CPU %.1f us each\n",
           run->options->messages, seconds, n / seconds, us);
    printf("{\"mode\":\"drain\",\"messages\":%" PRIu64 ",\"drain_s\":%.4f,"
           "\"messages_per_s\":%.0f,\"server_cpu_us_per_message\":%.2f}\n",
           run->options->messages, seconds, n / seconds, us);
}

int run_drain(const options *o)
{
    drain_run *run = calloc(1, sizeof *run);
    uint64_t deadline = bench_now_ns() + o->timeout_s * NS_PER_SECOND;
    int failed = 1;

    if (run == NULL)
        return 1;
    run->pool.epoll_fd = -1;
    run->pool.ctx = run;
    run->pool.on_frame = on_frame;
    run->options = o;
    memset(run->body, 'x', sizeof run->body);
    if (open_pool(&run->pool, o, 2) == 0) {
        bench_pool_cut(&run->pool, 1);
        failed = fill_queue(run, deadline) != 0;
        usage first = usage_now(o->pid), last;
        run->is_resumed = 0;
        failed = failed || come_back(run, deadline) != 0;
        last = usage_now(o->pid);
        if (failed)
            fprintf(stderr, "load: %" PRIu64 " of %" PRIu64 " came: %s\n", run->n_got, o->messages,
                    run->pool.why);
        else
            report_drain(run, &first, &last);
    }
    bench_pool_done(&run->pool);
    free(run);
    return failed;
}
