/* SPDX-License-Identifier: MIT */
/* See alloc.h. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *ctx, void *ptr, size_t new_bytes)
{
    (void)ctx;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_bytes);
}

chat_allocator chat__alloc_or_libc(const chat_allocator *from)
{
    chat_allocator allocator = {NULL, libc_resize};
    return from != NULL && from->resize != NULL ? *from : allocator;
}

void *chat__alloc_resize(const chat_allocator *allocator, void *ptr, size_t new_bytes)
{
    return allocator->resize(allocator->ctx, ptr, new_bytes);
}

void *chat__alloc_zero(const chat_allocator *allocator, size_t bytes)
{
    void *ptr = chat__alloc_resize(allocator, NULL, bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

void chat__alloc_free(const chat_allocator *allocator, void *ptr)
{
    if (ptr != NULL)
        (void)allocator->resize(allocator->ctx, ptr, 0);
}
