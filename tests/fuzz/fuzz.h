/* SPDX-License-Identifier: MIT */
/*
 * Every fuzzer is one file with LLVMFuzzerTestOneInput(). It is linked with libFuzzer when the
 * option `fuzzers` is on, and always with replay.c, which runs its corpus and mutations of that.
 */
#ifndef CHAT_TESTS_FUZZ_FUZZ_H
#define CHAT_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Run one input; 0. What must not happen aborts. `data` holds exactly `size` bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop as a found fault, whatever the build type. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
