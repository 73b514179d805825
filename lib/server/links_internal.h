/* SPDX-License-Identifier: MIT */
/* What links.c (life, threads), links_conn.c (a connection), links_dial.c (who is dialed),
   links_peer.c (who there is) and links_setup.c (options) share. Private to them. */
#ifndef CHAT_SERVER_LINKS_INTERNAL_H
#define CHAT_SERVER_LINKS_INTERNAL_H

#include "links.h"

#include <netdb.h>

#define CHAT__LINKS_MAX_PEERS    CHAT__LINKS_MAX_OTHERS
#define CHAT__LINKS_MAX_GREETING 64u /* connections that are not yet let in */
#define CHAT__LINKS_HOST_BYTES   256u
#define CHAT__LINKS_WHY_BYTES    512u
#define CHAT__LINKS_OUT_BYTES    262144u /* made ready for a socket at once */
#define CHAT__LINKS_READ_BYTES   262144u
#define CHAT__LINKS_MAX_SECRET   4096u

typedef struct chat__links_peer chat__links_peer;

typedef struct chat__links_conn {
    uv_poll_t poll;
    struct chat__links_conn *prev, *next;
    chat__links *links;
    chat__links_peer *peer;   /* an acceptor's: not before the greeting is over */
    chat__trunk_hello *hello; /* NULL: behind it */
    chat__tls *tls;
    chat__buf out;
    size_t sent;        /* of `out` */
    size_t retry_bytes; /* of TLS: what it was given when it could not send */
    uint64_t until_ms;  /* the greeting, or the end of a refusal */
    int fd;
    int events;
    uint8_t is_dialer, is_connecting, is_ending, is_closing;
} chat__links_conn;

struct chat__links_peer {
    uv_mutex_t mutex; /* of the trunk */
    chat__trunk *trunk;
    chat__links *links;
    chat__links_conn *conn; /* the one that is joined, or the one that is dialed */
    chat__tls_context *tls; /* of a dialer */
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses;
    const struct addrinfo *next_address;
    uint64_t dial_at_ms;
    uint64_t pause_ms;
    uint32_t member;
    uint16_t port;
    uint8_t is_resolving, has_mutex;
    atomic_int is_due;                  /* somebody else has sent, or worked off */
    char host[CHAT__LINKS_HOST_BYTES];  /* "": it is not dialed */
    char found[CHAT__LINKS_HOST_BYTES]; /* by `mutex`: where it is now, and not yet dialed there */
    uint16_t found_port;
    uint8_t is_found;
    char why[CHAT__LINKS_WHY_BYTES]; /* the last trouble that was told */
};

struct chat__links {
    chat_allocator allocator;
    const chat_server_options *options;
    chat__links_hooks hooks;
    char setup[CHAT__TRUNK_MAX_TEXT + 1];
    uint8_t secret[CHAT__LINKS_MAX_SECRET];
    size_t secret_len;
    uint64_t instance;
    chat__links_peer *peers; /* room for all; none goes before the end */
    _Atomic uint32_t n_peers;
    chat__ws_pool *hello_pool, *pool;
    chat__tls_context *tls; /* of the listener */
    uv_loop_t loop;
    uv_thread_t thread;
    uv_poll_t wake, listener;
    uv_timer_t timer;
    uv_check_t after_poll;
    int wake_fd, listen_fd;
    uint16_t port;
    uint8_t has_loop, has_handles, is_running;
    atomic_int is_woken, is_stopping;
    chat__links_conn *conns;
    uint32_t n_greeting;
    _Atomic uint64_t n_up, n_connects, n_lost, n_refused, received_bytes, sent_bytes;
    /* So large that few messages are cut by its end: whole ones are taken without a copy. */
    uint8_t read[CHAT__LINKS_READ_BYTES];
};

/* links_setup.c */
/* Read `link-peers` into `peers` (room for CHAT__LINKS_MAX_PEERS): how many; -1 with a line in the
   log. */
int chat__links_read_peers(const chat_server_options *options, chat__links_peer *peers);
/* CHAT_OK, CHAT_ERR_ARG with a line in the log. */
chat_status chat__links_read_secret(const chat_server_options *options, uint8_t *out,
                                    size_t *out_len);
/* NULL when links are plain. CHAT_OK, CHAT_ERR_ARG with a line in the log, CHAT_ERR_NOMEM. */
chat_status chat__links_tls(const chat_server_options *options, int is_client,
                            chat__tls_context **out);

/* links_peer.c */
/* Its `member` is set. CHAT_OK; CHAT_ERR_ARG with a line in the log; CHAT_ERR_NOMEM: free it. */
chat_status chat__links_peer_make(chat__links *links, chat__links_peer *peer);
void chat__links_peer_free(chat__links_peer *peer);
/* Go where it was found. */
void chat__links_follow(chat__links_peer *peer);

/* links.c */
/* @thread any. Have the thread look at everything. */
void chat__links_wake(chat__links *links);
uint64_t chat__links_now(const chat__links *links);
chat__links_peer *chat__links_find(chat__links *links, uint32_t member);
/* Said once, until something else is the trouble. */
void chat__links_trouble(chat__links_peer *peer, const char *why);
/* Tell what became of the session. */
void chat__links_tell(chat__links_peer *peer);

/* links_conn.c */
/* Takes `fd`. `peer` and its `host`: to dial; NULL: a caller. */
void chat__links_conn_new(chat__links *links, chat__links_peer *peer, int fd);
void chat__links_conn_close(chat__links_conn *conn);
/* Read what there is. */
void chat__links_conn_receive(chat__links_conn *conn);
/* Send what there is. */
void chat__links_conn_flush(chat__links_conn *conn);
void chat__links_conn_check(chat__links_conn *conn, uint64_t now_ms);

/* links_dial.c */
/* Whether this server dials that one. */
int chat__links_dials(const chat__links_peer *peer);
void chat__links_dial(chat__links_peer *peer, uint64_t now_ms);
/* A connection ended: when to try again. */
void chat__links_dial_later(chat__links_peer *peer, int is_good);
void chat__links_accept(uv_poll_t *poll, int status, int events);

#endif
