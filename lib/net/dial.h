/* SPDX-License-Identifier: MIT */
/*
 * Connect to the first of a host's addresses that answers (RFC 8305): IPv6 and IPv4 in turn,
 * another one every 250 ms or when one fails. Never blocks; the sockets are in the caller's epoll
 * set.
 */
#ifndef CHAT_NET_DIAL_H
#define CHAT_NET_DIAL_H

#include <chat/status.h>

struct addrinfo;

#define CHAT__DIAL_MAX      16u  /* addresses that are tried */
#define CHAT__DIAL_DELAY_MS 250u /* RFC 8305 section 8, Connection Attempt Delay */

typedef struct chat__dial {
    int epoll_fd;
    const struct addrinfo *order[CHAT__DIAL_MAX]; /* borrowed */
    int fds[CHAT__DIAL_MAX];                      /* -1: not begun, or failed */
    size_t n, next;
    uint64_t next_at_ms;
    int error; /* errno of the last failure */
} chat__dial;

void chat__dial_begin(chat__dial *dial, int epoll_fd, const struct addrinfo *addresses);

/* CHAT_OK: `*out_fd` is connected, taken by the caller, and not in the epoll set; CHAT_MORE;
   CHAT_ERR_NETWORK: none answers, `error` says why. */
chat_status chat__dial_work(chat__dial *dial, uint64_t now_ms, int *out_fd);

/* When chat__dial_work() must be called; UINT64_MAX: when a socket is ready. */
uint64_t chat__dial_deadline(const chat__dial *dial);

/* Close what is open. On a zeroed one too. */
void chat__dial_drop(chat__dial *dial);

#endif
