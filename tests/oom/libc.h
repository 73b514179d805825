/* SPDX-License-Identifier: MIT */
/*
 * Failing memory for what knows no allocator: wslay, mbedTLS, the C library. The test program's own
 * malloc stands in front of that of glibc, for all libraries of the process, and counts while a
 * scenario runs on this thread. Not for sanitizers, which stand there themselves.
 */
#ifndef CHAT_TESTS_OOM_LIBC_H
#define CHAT_TESTS_OOM_LIBC_H

#include "unit.h"

#include <errno.h>

/* glibc's own, under the names that stay when malloc is replaced. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void __libc_free(void *ptr);

typedef struct oom_libc_state {
    int is_armed;
    int is_lasting;
    size_t fail_at;
    size_t n_calls;
    size_t n_failed;
    int64_t n_live; /* blocks made and not freed since it was armed */
} oom_libc_state;

static _Thread_local oom_libc_state oom_libc;

static inline int oom_libc_fails(void)
{
    if (!oom_libc.is_armed)
        return 0;
    size_t number = oom_libc.n_calls++;
    int fails = number == oom_libc.fail_at || (oom_libc.is_lasting && number > oom_libc.fail_at);
    if (fails) {
        oom_libc.n_failed++;
        errno = ENOMEM;
    }
    return fails;
}

static inline void *oom_libc_count(void *made)
{
    oom_libc.n_live += oom_libc.is_armed && made != NULL;
    return made;
}

void *malloc(size_t bytes)
{
    return oom_libc_fails() ? NULL : oom_libc_count(__libc_malloc(bytes));
}

void *calloc(size_t n, size_t bytes)
{
    return oom_libc_fails() ? NULL : oom_libc_count(__libc_calloc(n, bytes));
}

void free(void *ptr)
{
    oom_libc.n_live -= oom_libc.is_armed && ptr != NULL;
    __libc_free(ptr);
}

void *realloc(void *ptr, size_t bytes)
{
    if (bytes == 0 && ptr != NULL) {
        free(ptr);
        return NULL;
    }
    if (oom_libc_fails())
        return NULL;
    void *moved = __libc_realloc(ptr, bytes);
    return ptr == NULL ? oom_libc_count(moved) : moved;
}

static inline void oom_libc_recover(void)
{
    oom_libc.fail_at = SIZE_MAX;
}

/*
 * Run `scenario` as oom_loop() of oom.h does, by `stride` allocations at a time. It runs once
 * before, so that what libraries make once and keep is there.
 */
static inline size_t oom_libc_loop(void (*scenario)(void *ctx), void *ctx, size_t stride)
{
    size_t n_calls = 0;
    scenario(ctx);
    for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
        size_t n_failed = 1;
        for (size_t n = 0; n_failed > 0; n += stride) {
            oom_libc = (oom_libc_state){.is_armed = 1, .is_lasting = is_lasting, .fail_at = n};
            scenario(ctx);
            oom_libc.is_armed = 0;
            if (oom_libc.n_live != 0)
                fail_msg("%d blocks left when allocation %zu fails", (int)oom_libc.n_live, n);
            n_failed = oom_libc.n_failed;
            n_calls = oom_libc.n_calls;
        }
    }
    return n_calls;
}

#endif
