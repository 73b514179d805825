/* SPDX-License-Identifier: MIT */
/*
 * Look a host name up without blocking: getaddrinfo() has no other form than a blocking one, so a
 * short-lived thread calls it. The caller may walk away at any time; the thread, which cannot be
 * stopped, then frees what is left. Uses libc's memory, for the thread outlives any allocator.
 */
#ifndef CHAT_NET_RESOLVE_H
#define CHAT_NET_RESOLVE_H

#include <chat/status.h>

struct addrinfo;
typedef struct chat__resolve chat__resolve;

/* Begin. CHAT_OK; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT (no thread or descriptor). */
chat_status chat__resolve_start(const char *host, const char *port, chat__resolve **out);

/* Becomes readable when there is a result. */
int chat__resolve_fd(const chat__resolve *resolve);

/* CHAT_OK: `*out` is owned by `resolve`; CHAT_MORE; CHAT_ERR_NETWORK: `*out_why` (static). */
chat_status chat__resolve_result(const chat__resolve *resolve, const struct addrinfo **out,
                                 const char **out_why);

/* At any time; returns at once. NULL does nothing. */
void chat__resolve_free(chat__resolve *resolve);

#endif
