/* SPDX-License-Identifier: MIT */
/*
 * Failing memory. A scenario runs again and again; in run n the n-th allocation finds no memory,
 * once alone and once with all that follow, until a run needs fewer than n. After each run nothing
 * may be left. Blocks move with every resize and are overwritten when freed, so that a pointer
 * that was kept by mistake shows.
 *
 * oom_cjson() puts cJSON, which knows no allocator but the process's hooks, on the same memory.
 */
#ifndef CHAT_TESTS_OOM_H
#define CHAT_TESTS_OOM_H

#include <chat/status.h>

#include "unit.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define OOM_NEVER SIZE_MAX

typedef struct oom_memory {
    size_t n_run;    /* number of the allocation that fails, for messages */
    size_t fail_at;  /* the same; OOM_NEVER: none any more */
    int is_lasting;  /* all later ones fail too */
    size_t n_calls;  /* allocations that were asked for */
    size_t n_failed; /* allocations that failed */
    size_t n_live;   /* blocks that are not freed */
} oom_memory;

/* In front of each block; as large as the strictest alignment. */
typedef union oom_head {
    struct {
        oom_memory *owner;
        size_t bytes;
    } of;
    max_align_t align;
} oom_head;

static inline oom_head *oom_head_of(void *ptr)
{
    return (oom_head *)ptr - 1;
}

static inline void oom_free(oom_memory *memory, void *ptr)
{
    if (ptr == NULL)
        return;
    oom_head *head = oom_head_of(ptr);
    /* Given back to the memory that it is from. */
    assert_ptr_equal(head->of.owner, memory);
    memset(ptr, 0xdd, head->of.bytes);
    memory->n_live--;
    free(head);
}

static inline void *oom_new(oom_memory *memory, size_t bytes)
{
    size_t number = memory->n_calls++;
    if (number == memory->fail_at || (memory->is_lasting && number > memory->fail_at)) {
        memory->n_failed++;
        return NULL;
    }
    oom_head *head = malloc(sizeof *head + bytes);
    assert_non_null(head);
    head->of.owner = memory;
    head->of.bytes = bytes;
    memset(head + 1, 0xaa, bytes);
    memory->n_live++;
    return head + 1;
}

static inline void *oom_resize(void *ctx, void *ptr, size_t new_bytes)
{
    oom_memory *memory = ctx;
    if (new_bytes == 0) {
        oom_free(memory, ptr);
        return NULL;
    }
    void *moved = oom_new(memory, new_bytes);
    if (moved == NULL || ptr == NULL)
        return moved;
    size_t bytes = oom_head_of(ptr)->of.bytes;
    memcpy(moved, ptr, bytes < new_bytes ? bytes : new_bytes);
    oom_free(memory, ptr);
    return moved;
}

static inline chat_allocator oom_allocator(oom_memory *memory)
{
    chat_allocator allocator = {memory, oom_resize};
    return allocator;
}

/* No allocation fails any more: what was refused for want of memory must now succeed. */
static inline void oom_recover(oom_memory *memory)
{
    memory->fail_at = OOM_NEVER;
}

/* cJSON's hooks carry no context. */
static oom_memory *oom_cjson_memory;

static inline void *oom_cjson_new(size_t bytes)
{
    return oom_new(oom_cjson_memory, bytes);
}

static inline void oom_cjson_free(void *ptr)
{
    oom_free(oom_cjson_memory, ptr);
}

static inline void oom_cjson(oom_memory *memory)
{
    cJSON_Hooks hooks = {oom_cjson_new, oom_cjson_free};
    oom_cjson_memory = memory;
    cJSON_InitHooks(memory == NULL ? NULL : &hooks);
}

/*
 * What is run: it makes what it needs from `memory`, checks what it finds, calls oom_recover()
 * before it tries again what failed, and frees all.
 */
typedef void (*oom_scenario)(oom_memory *memory, void *ctx);

/* How many allocations a run without failures takes; the test says how many it expects at least. */
static inline size_t oom_loop(oom_scenario scenario, void *ctx)
{
    size_t n_calls = 0;
    for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
        size_t n_failed = 1;
        for (size_t n = 0; n_failed > 0; n++) {
            oom_memory memory = {.n_run = n, .fail_at = n, .is_lasting = is_lasting};
            oom_cjson(&memory);
            scenario(&memory, ctx);
            oom_cjson(NULL);
            if (memory.n_live != 0)
                fail_msg("%zu blocks left when allocation %zu fails", memory.n_live, n);
            n_failed = memory.n_failed;
            n_calls = memory.n_calls;
        }
    }
    return n_calls;
}

#endif
