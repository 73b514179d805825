/* SPDX-License-Identifier: MIT */
/*
 * A link to another host, without I/O: frames in, bytes to send out; bytes received in, records
 * (frames with the nodes that they are from and to) out. It is a stream of bytes that outlives
 * connections: what was sent is kept until the other side has worked it off, and after a reconnect
 * each says what it has and the rest is sent again. So between two processes that live frames come
 * once and in order, whatever happens to the network, as node.h asks of links. When the other side
 * is silent for timeout_ms, or is another process than before, the session is over:
 * CHAT__TRUNK_LOST, frames that were on their way are lost with it, and whoever sent them has to
 * take the other side for dead. The next connection begins a new session, CHAT__TRUNK_UP.
 *
 * Both directions are bounded: by window_bytes what may be under way to a peer that has not worked
 * it off, by queue_bytes that and what waits behind it.
 */
#ifndef CHAT_NET_TRUNK_H
#define CHAT_NET_TRUNK_H

#include "net/trunk_hello.h"

typedef struct chat__trunk chat__trunk;

typedef struct chat__trunk_options {
    const chat_allocator *allocator;
    chat__ws_pool *pool;   /* of chat__trunk_limits */
    uint32_t window_bytes; /* what the peer may send that is not worked off */
    uint32_t queue_bytes;  /* what is kept of our own */
    uint32_t timeout_ms;   /* of silence; something is said in a third of it, or of the peer's */
} chat__trunk_options;

extern const chat__ws_limits chat__trunk_limits;

typedef enum chat__trunk_news {
    CHAT__TRUNK_NOTHING = 0,
    CHAT__TRUNK_LOST, /* the session that was UP is over */
    CHAT__TRUNK_UP    /* a new one: what is sent from now on comes there */
} chat__trunk_news;

/* CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__trunk_new(const chat__trunk_options *options, chat__trunk **out);
void chat__trunk_free(chat__trunk *trunk);

/* What was not told yet, LOST before UP. */
chat__trunk_news chat__trunk_next_news(chat__trunk *trunk);

/* What a dialer's greeting says: of the session that there is; 0 and 0. */
void chat__trunk_state(const chat__trunk *trunk, uint64_t *out_session, uint64_t *out_received);

/* Whether frames are taken. */
int chat__trunk_is_up(const chat__trunk *trunk);
/* Whether there is a connection, and who is at its other end (see chat__trunk_peer). */
int chat__trunk_is_joined(const chat__trunk *trunk);
uint64_t chat__trunk_instance(const chat__trunk *trunk);

/*
 * A connection whose greeting is over; one that there was is left. `fresh_session` (acceptor):
 * random, not 0, in case the session there is does not go on. CHAT_OK; CHAT_ERR_PROTOCOL: the peer
 * says what cannot be: close it; CHAT_ERR_NOMEM.
 */
chat_status chat__trunk_join(chat__trunk *trunk, int is_dialer, const chat__trunk_peer *peer,
                             uint64_t fresh_session, uint64_t now_ms);

/* The connection is gone. The session waits for another. */
void chat__trunk_leave(chat__trunk *trunk);

/* The session is over now. */
void chat__trunk_end(chat__trunk *trunk);

/* Send a frame; it is copied. CHAT_OK; CHAT_ERR_BUSY: queue_bytes are kept already;
   CHAT_ERR_CLOSED: not up; CHAT_ERR_LIMIT: too large, or empty; CHAT_ERR_NOMEM. Nothing changed
   then. */
chat_status chat__trunk_send(chat__trunk *trunk, const chat__trunk_record *record);

/* Append what may go out now, as long as `out` has less than `enough_bytes`. CHAT_OK;
   CHAT_ERR_NOMEM: close the connection. */
chat_status chat__trunk_pull(chat__trunk *trunk, size_t enough_bytes, uint64_t now_ms,
                             chat__buf *out);

/* Append that this process ends, so that the peer need not wait for its silence. CHAT_OK;
   CHAT_ERR_NOMEM. */
chat_status chat__trunk_goodbye(chat__trunk *trunk, chat__buf *out);

/*
 * Take received bytes (they may be changed) until there are records. CHAT_OK: `*out` holds whole
 * ones for chat__trunk_next_record(), borrowed until the next call; CHAT_MORE: all is consumed;
 * CHAT_ERR_CLOSED, CHAT_ERR_PROTOCOL, CHAT_ERR_NOMEM, CHAT_ERR_DRAIN (it has said goodbye, and the
 * session is over): close the connection, see chat__trunk_why().
 */
chat_status chat__trunk_feed(chat__trunk *trunk, uint8_t *bytes, size_t len, size_t *used,
                             chat_view *out);

/* Something came at `now_ms`, whatever it was. */
void chat__trunk_heard(chat__trunk *trunk, uint64_t now_ms);

/* So many bytes of records (with their heads) of `session` (see chat__trunk_state()) are worked
   off: the peer may send as many more. Nothing if that session is over. */
void chat__trunk_consumed(chat__trunk *trunk, uint64_t session, uint64_t bytes);

/* When to come back at the latest (to pull and to check); UINT64_MAX: no deadline. */
uint64_t chat__trunk_deadline(const chat__trunk *trunk);
/* Whether chat__trunk_check() would end the session: time to read what came unseen. */
int chat__trunk_is_silent(const chat__trunk *trunk, uint64_t now_ms);
/* CHAT_OK; CHAT_ERR_TIMEOUT: the peer is silent: close the connection. The session may be over. */
chat_status chat__trunk_check(chat__trunk *trunk, uint64_t now_ms);

/* One line for people, when feed() failed. */
const char *chat__trunk_why(const chat__trunk *trunk);

/* Bytes kept of our own, and how many of them were never sent. */
void chat__trunk_kept(const chat__trunk *trunk, uint64_t *out_kept, uint64_t *out_unsent);

#endif
