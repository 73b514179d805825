/* SPDX-License-Identifier: MIT */
/* What the files of this room share. */
#ifndef CHAT_CLIENT_INTERNAL_H
#define CHAT_CLIENT_INTERNAL_H

#include "base/buf.h"
#include "client/client.h"
#include "client/outbox.h"
#include "client/repair.h"
#include "client/seen.h"

#define CHAT__CLIENT_WHY_BYTES     200u
#define CHAT__CLIENT_STATES        8u
#define CHAT__CLIENT_HINTS         8u
#define CHAT__CLIENT_TYPISTS       64u
#define CHAT__CLIENT_BYE_GRACE_MS  5000u    /* from `bye` to the end of the connection */
#define CHAT__CLIENT_MAX_RETRY_MS  3600000u /* longest advice of a server that is followed */
#define CHAT__CLIENT_HOLD_MS       1000u    /* for a refusal without advice */
#define CHAT__CLIENT_HEARTBEAT_MS  30000u   /* until `welcome` says otherwise */
#define CHAT__CLIENT_HEARTBEAT_MAX 3600000u
#define CHAT__CLIENT_PREFIX_BYTES  17u /* "0123456789abcdef-" */

/* Where the machine stands; the application sees CONNECTING for the two in the middle. */
typedef enum chat__client_phase {
    CHAT__PHASE_WAITING,
    CHAT__PHASE_DIALING, /* the transport is being made */
    CHAT__PHASE_HELLO,   /* the transport is up, no `welcome` yet */
    CHAT__PHASE_LIVE,
    CHAT__PHASE_REFUSED,
    CHAT__PHASE_CLOSED,
    CHAT__PHASES
} chat__client_phase;

typedef enum chat__client_step {
    CHAT__STEP_DUE,       /* the wait is over */
    CHAT__STEP_OPENED,    /* the transport is up */
    CHAT__STEP_WELCOME,   /* the server took us */
    CHAT__STEP_LOST,      /* the connection failed; try again later */
    CHAT__STEP_REFUSED,   /* the server does not want us */
    CHAT__STEP_RECONNECT, /* the application wants a new connection now */
    CHAT__STEP_CLOSE      /* the application leaves */
} chat__client_step;

/* A change of state that was not told yet. */
typedef struct chat__client_change {
    chat_client_state state;
    chat_status status;
    uint64_t retry_ms;
    char why[CHAT__CLIENT_WHY_BYTES];
} chat__client_change;

struct chat__client {
    chat_allocator allocator;
    chat__client_options options; /* device and agent point behind this struct */
    chat_decoder *decoder;
    uint64_t now_ms;
    int is_due_done; /* in this turn */
    uint64_t random;
    char cid_prefix[2 * CHAT__CLIENT_PREFIX_BYTES + 1];
    uint32_t next_cid;

    chat__client_phase phase;
    uint64_t due_ms;  /* WAITING: connect; DIALING, HELLO: give up */
    uint32_t n_tries; /* since the last stable connection */
    int is_connect_wanted;
    int is_close_wanted;
    uint16_t close_code;
    const char *close_text;

    /* LIVE */
    uint64_t live_since_ms;
    uint64_t heard_ms;
    uint64_t ping_at_ms;
    uint64_t heartbeat_ms;
    uint64_t bye_ms; /* end of the grace after `bye`; 0: none came */
    chat_status bye_status;
    uint64_t bye_retry_ms;
    char bye_why[CHAT__CLIENT_WHY_BYTES];
    uint64_t max_body_bytes;
    char user[CHAT_ID_MAX_BYTES + 1]; /* whose connection it is */
    int is_hello_written;
    int is_resumed;    /* this connection said `resumed` */
    uint64_t n_stream; /* stream frames received, given to the application, acknowledged */
    uint64_t n_taken;
    uint64_t n_acked;

    chat__client_outbox outbox;
    chat__client_list requests;
    chat__client_list hints;   /* typing, to be written over this connection or never */
    chat__client_list typists; /* others who type, as the application was told */
    chat__client_list ended;   /* no longer, to be told */
    chat__client_list dead;    /* requests without an answer, to be told */
    uint64_t next_r;
    uint64_t next_order;
    chat__client_seen seen;
    chat__client_repair repair;

    chat_event event; /* what _next_event() gives out, and what it points at */
    chat_frame frame;
    int has_event;
    int is_heard; /* the frame in hand is to be kept, by who keeps frames */
    const chat_frame *asked;
    chat__client_item *told; /* freed with the next event */
    chat__client_change changes[CHAT__CLIENT_STATES];
    chat__client_change change; /* the one being told */
    size_t n_changes;
    int is_token_wanted;
    chat_status token_status;
    chat_status left_status; /* why the last connection ended */
    chat__buf out;           /* the frame of the last effect */
};

/* receive.c */
/* The event that tells of a record of a chat. */
chat_event_type chat__client_event_of(const chat_frame *record);
/* The frame in hand becomes the event that is read next. */
void chat__client_give(chat__client *client, chat_event_type type, chat_status status);

/* typists.c */
/* A hint came. 0: there is no room, it is not given. */
int chat__typists_heard(chat__client *client);
/* Whose message is given types no more. */
void chat__typists_said(chat__client *client, const chat_frame *msg);
/* What is over by then is to be told; UINT64_MAX: all of it. */
void chat__typists_turn(chat__client *client, uint64_t now_ms);
uint64_t chat__typists_due_at(const chat__client *client);
/* The first that ended becomes the event. 0: there is none. */
int chat__typists_tell(chat__client *client);

/* client.c */
void chat__client_leave(chat__client *client, chat__client_step step, chat_status status,
                        uint64_t retry_ms, const char *why);
/* 0: not possible in this phase. */
int chat__client_move(chat__client *client, chat__client_step step);
void chat__client_drop_connection(chat__client *client, uint16_t code, const char *text);
void chat__client_do_due(chat__client *client);
uint64_t chat__client_random(chat__client *client);
/* cid.c */
void chat__client_make_prefix(chat__client *client);
/* A message that this client sent. */
int chat__client_is_own(const chat__client *client, const chat_frame *frame);
/* The next `cid`, the same until next_cid is counted up. */
void chat__client_make_cid(const chat__client *client, chat_client_cid *out);
/* Whether a request of this type carries one: it is to be done once. */
int chat__client_is_named(uint32_t type);
int chat__client_is_final(chat_status status);
void chat__client_copy_text(char *out, size_t cap, chat_view text);

#endif
