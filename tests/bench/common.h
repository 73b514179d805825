/* SPDX-License-Identifier: MIT */
/* What the benchmarks share that measure in their own process. */
#ifndef CHAT_TESTS_BENCH_COMMON_H
#define CHAT_TESTS_BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

/* Wall time, monotonic. */
double bench_wall_s(void);

/* CPU of this process, user and system: a slow disk does not show in it. */
double bench_cpu_s(void);

/* Resident bytes of this process, 0 when they cannot be read. */
uint64_t bench_resident_bytes(void);

/* End with exit code 1 and say what failed, unless it is good. */
void bench_check(int is_good, const char *what);

/* The next of a fixed row of numbers below 2^31. */
uint64_t bench_random(uint64_t *state);

/* A new directory for data below `parent` (NULL: TMPDIR or /tmp). */
void bench_make_dir(const char *parent, char *out, size_t cap);
void bench_remove_tree(const char *dir);

/* The number behind the last `name` among the arguments, `otherwise` without it. */
uint64_t bench_number(int argc, char **argv, const char *name, uint64_t otherwise);
/* The word behind it, NULL without it. */
const char *bench_word(int argc, char **argv, const char *name);

/* --help and options that `usage`, one line, does not name end the program: with 0 and with 2. */
void bench_take_only(int argc, char **argv, const char *usage);

#endif
