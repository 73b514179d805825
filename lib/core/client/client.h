/* SPDX-License-Identifier: MIT */
/*
 * A client as a function of its inputs: what the transport reports, received messages, the
 * application's calls and time go in; effects for the transport and events for the application come
 * out. No socket, clock or random source. lib/client drives it over a WebSocket; a test or an app
 * with sockets of its own can do the same. One caller at a time.
 *
 * A turn:  chat__client_turn(now)  ->  inputs  ->  chat__client_next_effect() until CHAT_EMPTY.
 * Give one received message, then read events until CHAT_EMPTY, then give the next: what is not
 * read is not taken from the transport, and nothing has to be queued here.
 */
#ifndef CHAT_CLIENT_CLIENT_H
#define CHAT_CLIENT_CLIENT_H

#include <chat/client.h>
#include <chat/id.h>

typedef struct chat__client chat__client;

typedef struct chat__client_options {
    const chat_allocator *allocator;
    chat_encoding encoding;
    chat_view device; /* copied, as `agent` */
    chat_view agent;
    uint64_t seed[2]; /* random, secret: makes cids unique and waits vary */
    uint64_t family;  /* begins the cids of all runs that share an outbox on disk; 0: of this one */
    int ignore_stream;
    uint32_t backoff_first_ms;
    uint32_t backoff_max_ms;
    uint32_t stable_ms;
    uint32_t connect_timeout_ms;
    uint32_t answer_timeout_ms;
    uint32_t max_outbox_count;
    uint32_t max_outbox_bytes;
    uint32_t max_requests;
    uint32_t max_frame_bytes;
    uint32_t max_chats;
    uint32_t typing_ms;
} chat__client_options;

/* Defaults as in <chat/client.h>; device "default". */
void chat__client_options_init(chat__client_options *options);

/* CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. The state is WAITING and due at once. */
chat_status chat__client_new(const chat__client_options *options, chat__client **out);
void chat__client_free(chat__client *client);

/* --- the transport --- */

typedef enum chat__client_effect_type {
    CHAT__CLIENT_CLOSE = 1, /* give up the connection, with `code`; do not report it as lost */
    CHAT__CLIENT_CONNECT,   /* answer: chat__client_opened() or chat__client_lost() */
    CHAT__CLIENT_WRITE      /* send `bytes` as one message */
} chat__client_effect_type;

typedef struct chat__client_effect {
    chat__client_effect_type type;
    uint16_t code;
    const char *text; /* CLOSE: the reason; static */
    chat_view bytes;  /* borrowed until the next call */
} chat__client_effect;

/* Take the time. What events showed before counts as taken by the application. */
void chat__client_turn(chat__client *client, uint64_t now_ms);

/* When chat__client_turn() must be called at the latest; UINT64_MAX: no deadline. */
uint64_t chat__client_deadline(const chat__client *client);

/* Do what is due, once a turn, then say what is to be done. CHAT_OK, CHAT_EMPTY; CHAT_ERR_NOMEM: as
   EMPTY, ask again later. While `may_write` is 0 messages
   of the application stay here, only CLOSE and CONNECT come. An acknowledgement of what was taken
   comes first. */
chat_status chat__client_next_effect(chat__client *client, int may_write, chat__client_effect *out);

/* The transport is up: messages can be exchanged. */
void chat__client_opened(chat__client *client);

/* The transport failed or ended. ERR_AUTH, ERR_EXPIRED, ERR_VERSION, ERR_REPLACED, ERR_REMOVED: for
   good, until chat__client_reconnect(). `retry_ms` 0: no advice. `why` is copied. */
void chat__client_lost(chat__client *client, chat_status status, uint64_t retry_ms,
                       const char *why);

/* Something arrived: the peer is alive. */
void chat__client_alive(chat__client *client);

/* One whole message; borrowed until the events that follow were read. */
void chat__client_receive(chat__client *client, chat_view message);

/* What the last message was, for who keeps it: before the events that follow are read. NULL:
   nothing that is to be kept here. Rows that fill a gap are as if they came in the stream. */
const chat_frame *chat__client_heard(const chat__client *client);
/* The request that it answers, NULL: none. */
const chat_frame *chat__client_asked(const chat__client *client);
/* A number for a request that is answered elsewhere. */
uint64_t chat__client_take_number(chat__client *client);

/* --- the application; see the functions of the same name in <chat/client.h> --- */

chat_status chat__client_next_event(chat__client *client, const chat_event **out);

/* Stream frames read since the last acknowledgement. */
uint64_t chat__client_unacked(const chat__client *client);

/* A frame to a valid chat, or to a valid user; it borrows the name. CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__client_address(const chat_target *target, chat_frame_type type, chat_frame *out);

typedef struct chat__client_message {
    chat_view body;
    chat_view cid; /* of an earlier run, empty: make one */
    uint64_t re;   /* id of the message that it is a reply to, 0: none */
} chat__client_message;
/* Without `cid` one is made. What is sent with a made one is never given back as a message of the
   stream: SENT tells of it. */
chat_status chat__client_say(chat__client *client, const chat_target *target,
                             const chat__client_message *message, chat_client_cid *out_cid);
size_t chat__client_outbox_count(const chat__client *client);

/* The message that was said last is in no outbox on disk: as if it had not been said. Only right
   behind chat__client_say(). */
void chat__client_unsay(chat__client *client);

typedef struct chat__client_waiting {
    const chat_frame *frame; /* `send`; borrowed until the next input */
    uint64_t number;         /* grows with each message */
    int is_written;          /* over this connection, and waits for its answer */
} chat__client_waiting;
/* The first message of the outbox with a larger number; the last; by its cid. CHAT_OK, CHAT_EMPTY.
 */
chat_status chat__client_outbox_after(const chat__client *client, uint64_t number,
                                      chat__client_waiting *out);
chat_status chat__client_outbox_last(const chat__client *client, chat__client_waiting *out);
chat_status chat__client_outbox_find(const chat__client *client, chat_view cid,
                                     chat__client_waiting *out);

/* `frame` is a request of the client without `r`; it is copied. */
chat_status chat__client_request(chat__client *client, const chat_frame *frame, uint64_t *out_r);

/* "I am typing": dropped when there is no connection, or much of it waits. CHAT_OK, CHAT_ERR_ARG,
   CHAT_ERR_STATE, CHAT_ERR_NOMEM. */
chat_status chat__client_typing(chat__client *client, const chat_target *target);

/* CHAT_OK, CHAT_ERR_STATE. */
chat_status chat__client_reconnect(chat__client *client);

/* No connection is wanted any more; the transport says goodbye by itself after the last effect. */
void chat__client_close(chat__client *client);

/* An event TOKEN_WANTED with `status`. */
void chat__client_want_token(chat__client *client, chat_status status);

/* Why the last connection ended. */
chat_status chat__client_left_status(const chat__client *client);

chat_client_state chat__client_state(const chat__client *client);

#endif
