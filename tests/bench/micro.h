/* SPDX-License-Identifier: MIT */
/* What the files of bench_micro share. */
#ifndef CHAT_TESTS_BENCH_MICRO_H
#define CHAT_TESTS_BENCH_MICRO_H

#include <stddef.h>
#include <stdint.h>

/* Results go here, so that no call can be left out. */
extern volatile uint64_t micro_sink;

/* Does the thing `n` times. */
typedef void (*micro_body)(void *ctx, size_t n);

/* Measure it and print the row. */
void micro_bench(const char *name, micro_body body, void *ctx);

/* micro_net.c */
void micro_tokens(void);
void micro_websocket(void);
void micro_queue(void);

#endif
