/* SPDX-License-Identifier: MIT */
/* What the files of the load generator share. */
#ifndef CHAT_TESTS_BENCH_LOAD_H
#define CHAT_TESTS_BENCH_LOAD_H

#include "client.h"

enum { MAX_SECRET_BYTES = 4096 };

#define NS_PER_SECOND UINT64_C(1000000000)

typedef struct options {
    const char *mode;
    uint64_t connections, pairs, seconds, rate, body_bytes, pid, timeout_s;
    uint64_t window;                      /* of a sender; 0: open loop at `rate` */
    uint64_t groups, members, group_rate; /* beside the pairs */
    uint64_t is_json, has_deflate;
    char host[64];
    uint16_t port;
    uint8_t secret[MAX_SECRET_BYTES];
    size_t secret_len;
} options;

typedef struct usage {
    uint64_t ticks;  /* CPU of the server, all threads */
    uint64_t own_us; /* CPU of this process */
    uint64_t at_ns;
} usage;

usage usage_now(uint64_t pid);
int usage_error(const char *what);
/* Connections for `o`. 0, or an exit code; what went wrong was said. */
int open_pool(bench_pool *pool, const options *o, uint64_t n_conns);

/* talk.c: pairs and groups of users. An exit code. */
int run_talk(const options *o);

#endif
