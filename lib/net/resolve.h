/* SPDX-License-Identifier: MIT */
/*
 * Look a host name up without blocking: getaddrinfo() has no other form than a blocking one, so a
 * short-lived thread calls it. The caller may walk away at any time; the thread, which cannot be
 * stopped, then frees what is left. Uses libc's memory, for the thread outlives any allocator.
 *
 * A resolver that hangs must not get a thread for each attempt: chat__resolver remembers what it
 * left behind, and above CHAT__RESOLVE_LEFT takes the oldest up again instead of a new one.
 */
#ifndef CHAT_NET_RESOLVE_H
#define CHAT_NET_RESOLVE_H

#include <chat/status.h>

#define CHAT__RESOLVE_LEFT 3u

struct addrinfo;
typedef struct chat__resolve chat__resolve;

/* Begin. CHAT_OK; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT (no thread or descriptor). */
chat_status chat__resolve_start(const char *host, const char *port, chat__resolve **out);

/* Of one host and port. Zeroed at first. */
typedef struct chat__resolver {
    chat__resolve *now;                      /* NULL: none is asked for */
    chat__resolve *left[CHAT__RESOLVE_LEFT]; /* on their way, oldest first; then NULL */
} chat__resolver;

/* Begin `now`. As chat__resolve_start(). */
chat_status chat__resolver_start(chat__resolver *resolver, const char *host, const char *port);
/* `now` is not wanted any more. Returns at once. */
void chat__resolver_leave(chat__resolver *resolver);
/* Nothing is. Returns at once. */
void chat__resolver_done(chat__resolver *resolver);

/* Becomes readable when there is a result. */
int chat__resolve_fd(const chat__resolve *resolve);

/* CHAT_OK: `*out` is owned by `resolve`; CHAT_MORE; CHAT_ERR_NETWORK: `*out_why` (static). */
chat_status chat__resolve_result(const chat__resolve *resolve, const struct addrinfo **out,
                                 const char **out_why);

/* At any time; returns at once. NULL does nothing. */
void chat__resolve_free(chat__resolve *resolve);

#endif
