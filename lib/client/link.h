/* SPDX-License-Identifier: MIT */
/*
 * One connection after the other to one server: look-up, TCP with each address in turn, TLS, the
 * upgrade, then WebSocket messages. Never blocks. Registers with the client's epoll descriptor. It
 * knows nothing of frames; when to connect and when to give up is decided above.
 */
#ifndef CHAT_CLIENT_LINK_H
#define CHAT_CLIENT_LINK_H

#include <chat/frame.h>

#include "base/buf.h"
#include "net/dial.h"
#include "net/http.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "net/ws.h"
#include "url.h"

#define CHAT__LINK_READ_BYTES  32768u
#define CHAT__LINK_WRITE_BYTES 65536u /* above it no more is taken from the outbox */
#define CHAT__LINK_WHY_BYTES   256u

typedef enum chat__link_state {
    CHAT__LINK_DOWN,
    CHAT__LINK_RESOLVING,
    CHAT__LINK_CONNECTING,
    CHAT__LINK_PROXYING,  /* the proxy was asked for a tunnel */
    CHAT__LINK_UPGRADING, /* TLS too */
    CHAT__LINK_UP,
    CHAT__LINK_LEAVING /* our close frame is on its way */
} chat__link_state;

typedef struct chat__link {
    /* Set by the owner before chat__link_init(). */
    const chat_allocator *allocator;
    int epoll_fd;
    chat__url url;
    chat__proxy proxy; /* no host: none */
    chat_encoding encoding;
    chat__tls_context *tls_context; /* NULL: ws:// */
    uint32_t max_frame_bytes;
    int no_deflate;
    int is_own; /* <chat/client_transport.h>: the application carries the bytes */

    chat__link_state state;
    int fd;
    uint32_t interest; /* epoll events that are asked for */
    chat__resolver resolver;
    chat__dial dial;
    chat__tls *tls;
    size_t tls_repeat_bytes; /* length of the write that TLS wants to see again */
    chat__http_upgrade upgrade;
    chat__ws_pool *pool;
    chat__ws ws;
    chat__buf rx;
    size_t rx_at;      /* consumed */
    int may_read_more; /* the last read may have left something */
    chat__buf tx;

    /* Own transport. */
    uint64_t n_opened; /* connections that were wanted so far */
    int is_own_open, is_own_over;
    chat__buf own_in; /* fed, not read */

    /* Why it ended. */
    uint64_t retry_ms;
    char why[CHAT__LINK_WHY_BYTES];
} chat__link;

/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__link_init(chat__link *link);
void chat__link_done(chat__link *link);

/* Begin to connect. CHAT_OK; else as chat__link_work(). `key` is random. */
chat_status chat__link_open(chat__link *link, const uint8_t key[16]);

/* Go on as far as possible without waiting. CHAT_MORE: on the way; CHAT_OK: up, `token` was used;
   else the connection is down and `why` and `retry_ms` say more. */
chat_status chat__link_work(chat__link *link, uint64_t now_ms, chat_view token);

/* Read what is there, at most CHAT__LINK_READ_BYTES, once all before was consumed. CHAT_OK:
   something came; CHAT_EMPTY; else down. */
chat_status chat__link_read(chat__link *link);

/* The next message of what was read, borrowed until the next call. CHAT_OK, CHAT_EMPTY; else down.
 */
chat_status chat__link_next_message(chat__link *link, chat_view *out);

/* Put a message behind what waits to be written. CHAT_OK; else down. */
chat_status chat__link_write(chat__link *link, chat_view message);
int chat__link_has_room(const chat__link *link);

/* Write what the socket takes. CHAT_OK; else down. */
chat_status chat__link_flush(chat__link *link);

/* Say goodbye; go on reading until it is down. */
void chat__link_leave(chat__link *link, uint16_t code, const char *text);

/* Down, now. */
void chat__link_drop(chat__link *link);

/* Own transport: number of the connection that is wanted or there, 0: none. */
uint64_t chat__link_number(const chat__link *link);

/* When chat__link_work() must be called; UINT64_MAX: no deadline. */
uint64_t chat__link_deadline(const chat__link *link);

#endif
