/* SPDX-License-Identifier: MIT */
/*
 * Public structs that say their size first: programs built against an older or a newer header than
 * this library's. An older one has fewer fields, the rest keeps its default. A newer one has more;
 * as long as they are zero they ask for nothing that is not known here.
 */
#ifndef CHAT_BASE_SIZED_H
#define CHAT_BASE_SIZED_H

#include <chat/status.h>

/* Larger is no struct of ours but an uninitialized size. */
#define CHAT__SIZED_MAX_BYTES 4096u

/* Copy the caller's struct over `out`, which has the defaults in `known_bytes` bytes, its size
   first. CHAT_OK, `out` says its own size; CHAT_ERR_ARG: no size, or fields that are not known here
   are set; `out` is as it was. */
chat_status chat__sized_take(void *out, uint32_t known_bytes, const void *from);

/* The other way: fill the caller's struct, which says its size, as far as it goes. CHAT_OK;
   CHAT_ERR_ARG: no size. What is not known here becomes zero. */
chat_status chat__sized_give(void *out, const void *from, uint32_t known_bytes);

#endif
