/* SPDX-License-Identifier: MIT */
/* The allocator of an object tree, with libc behind a NULL. */
#ifndef CHAT_BASE_ALLOC_H
#define CHAT_BASE_ALLOC_H

#include <chat/types.h>

/* Copy `from` (may be NULL), putting libc's realloc where it has no function. */
chat_allocator chat__alloc_or_libc(const chat_allocator *from);

/* NULL when out of memory. The memory is zeroed. `bytes` must not be 0. */
void *chat__alloc_zero(const chat_allocator *allocator, size_t bytes);

/* As realloc(): NULL leaves `ptr` valid. `new_bytes` must not be 0. */
void *chat__alloc_resize(const chat_allocator *allocator, void *ptr, size_t new_bytes);

void chat__alloc_free(const chat_allocator *allocator, void *ptr);

#endif
