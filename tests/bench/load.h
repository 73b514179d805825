/* SPDX-License-Identifier: MIT */
/* What the files of the load generator share. */
#ifndef CHAT_TESTS_BENCH_LOAD_H
#define CHAT_TESTS_BENCH_LOAD_H

#include "client.h"

enum { MAX_SECRET_BYTES = 4096 };

#define NS_PER_SECOND UINT64_C(1000000000)

typedef struct options options;

struct options {
    int (*run)(const options *o);
    uint64_t connections, pairs, seconds, rate, body_bytes, pid, timeout_s;
    uint64_t window;                      /* of a sender; 0: open loop at `rate` */
    uint64_t groups, members, group_rate; /* beside the pairs */
    uint64_t group_window;                /* of all groups together, in place of group_rate */
    uint64_t is_json, has_deflate, has_tls;
    uint64_t connecting; /* at a time, 0: the usual */
    uint64_t millis;     /* in place of `seconds` */
    uint64_t messages;   /* in the offline queue */
    uint64_t first;      /* number of the first user; even, for pairs */
    char host[64];
    uint16_t ports[BENCH_MAX_PORTS]; /* of the members of a server */
    uint32_t n_ports;
    uint8_t secret[MAX_SECRET_BYTES];
    size_t secret_len;
};

typedef struct usage {
    uint64_t ticks;  /* CPU of the server, all threads */
    uint64_t own_us; /* CPU of this process */
    uint64_t at_ns;
} usage;

usage usage_now(uint64_t pid);
int usage_error(const char *what);
/* Connections for `o`. 0, or an exit code; what went wrong was said. */
int open_pool(bench_pool *pool, const options *o, uint64_t n_conns);

/* Microseconds of CPU of the server between the two. */
double server_us(const usage *first, const usage *last);

/* talk.c: pairs and groups of users. An exit code. */
int run_talk(const options *o);

/* storm.c: everybody comes back at once; a device comes back to a long queue. An exit code. */
int run_storm(const options *o);
int run_drain(const options *o);

#endif
