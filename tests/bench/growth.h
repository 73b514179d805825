/* SPDX-License-Identifier: MIT */
/* What growth.c and growth_store.c share: each row of theirs is an object of a JSON list. */
#ifndef CHAT_TESTS_BENCH_GROWTH_H
#define CHAT_TESTS_BENCH_GROWTH_H

#include <stdint.h>

/* Sizes from..to, each `factor` times the one before. */
typedef struct growth_options {
    uint64_t from, to, factor;
    uint64_t messages; /* measured at each size */
    const char *dir;   /* for data, NULL: the system's */
} growth_options;

/* One size each; they print a row. */
void growth_sessions(const growth_options *options, uint64_t n_sessions);
void growth_nodes(const growth_options *options, uint64_t n_nodes);
void growth_chats(const growth_options *options, uint64_t n_chats);
void growth_history(const growth_options *options, uint64_t n_records);

#endif
