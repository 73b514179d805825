/* SPDX-License-Identifier: MIT */
/*
 * One connection as a state machine: hello, the delivery window with cumulative acks and retries,
 * heartbeat, slow reader, end of the token. It owns no bytes: the window holds the caller's items.
 * Time comes in, what is due comes out.
 */
#ifndef CHAT_SESSION_SESSION_H
#define CHAT_SESSION_SESSION_H

#include <chat/status.h>

typedef enum chat__session_state {
    CHAT__SESSION_HELLO = 1, /* waits for the first frame */
    CHAT__SESSION_LOADING,   /* welcome was said, what the device has is being looked up */
    CHAT__SESSION_LIVE,
    CHAT__SESSION_CLOSED
} chat__session_state;

typedef enum chat__session_event {
    CHAT__SESSION_EV_HELLO = 1,
    CHAT__SESSION_EV_LOADED,
    CHAT__SESSION_EV_CLOSE
} chat__session_event;

/* What all sessions of an owner share. */
typedef struct chat__session_limits {
    const chat_allocator *allocator;
    uint32_t heartbeat_ms;
    uint32_t hello_timeout_ms;
    uint32_t ack_timeout_ms;
    uint32_t slow_close_ms;
    uint32_t window_count;
    uint32_t window_bytes;
    uint32_t max_unsent_bytes;
} chat__session_limits;

typedef struct chat__window_entry {
    void *item;
    uint64_t number; /* acked by n >= number */
    uint32_t bytes;
    uint32_t is_silent; /* takes no number of its own: goes with the one before it */
} chat__window_entry;

typedef struct chat__session {
    const chat__session_limits *limits;
    chat__window_entry *entries; /* ring of `cap`, from `first` on */
    uint64_t seen_ms;            /* last sign of life */
    uint64_t hello_due_ms;
    uint64_t expires_ms;  /* of the token, on the monotonic clock; UINT64_MAX: never */
    uint64_t ack_due_ms;  /* UINT64_MAX: nothing to wait for */
    uint64_t slow_due_ms; /* UINT64_MAX: not slow */
    uint64_t pushed;      /* stream frames since welcome */
    uint64_t acked;
    uint32_t unsent_bytes;
    uint32_t bytes; /* in the window */
    uint32_t cap, first, n_entries;
    uint8_t state;
    uint8_t retries;
} chat__session;

/* `limits` are borrowed for the life of the session. */
void chat__session_init(chat__session *session, const chat__session_limits *limits,
                        uint64_t now_ms);

/* Release the ring; the items must have been taken out with chat__session_drop(). */
void chat__session_done(chat__session *session);

/* CHAT_OK, or CHAT_ERR_STATE when the table has no such step; then nothing changed. */
chat_status chat__session_step(chat__session *session, chat__session_event event);

/* Whether one more item of `bytes` may be pushed now: live, window and socket have room. */
int chat__session_has_room(const chat__session *session, size_t bytes);

/*
 * Put an item behind the others. Numbered: the peer counts it. Silent: the peer does not get it, it
 * is acked with what is before it. CHAT_OK, CHAT_ERR_LIMIT (4 windows full of silent ones),
 * CHAT_ERR_NOMEM.
 */
chat_status chat__session_push(chat__session *session, void *item, uint32_t bytes, int is_silent,
                               uint64_t now_ms);

/* The peer has the first `n` stream frames. CHAT_OK: take them with chat__session_pop();
   CHAT_ERR_PROTOCOL: more than was pushed. */
chat_status chat__session_ack(chat__session *session, uint64_t n, uint64_t now_ms);

/* Next acked item, in order. CHAT_OK, CHAT_EMPTY. */
chat_status chat__session_pop(chat__session *session, chat__window_entry *out);

/* Next item, acked or not. CHAT_OK, CHAT_EMPTY. */
chat_status chat__session_drop(chat__session *session, chat__window_entry *out);

/* For a retry: give the i-th entry the next number. NULL behind the last; silent ones follow. */
chat__window_entry *chat__session_renumber(chat__session *session, uint32_t i);

/* The socket holds `bytes` that the peer has not taken. */
void chat__session_unsent(chat__session *session, size_t bytes, uint64_t now_ms);

/* When chat__session_due() must be asked. */
uint64_t chat__session_deadline(const chat__session *session);

typedef enum chat__session_due_type {
    CHAT__SESSION_DUE_NOTHING,
    CHAT__SESSION_DUE_RETRY, /* write the window again */
    CHAT__SESSION_DUE_CLOSE
} chat__session_due_type;

/* What is due now; `*out_status` is why it is to be closed. */
chat__session_due_type chat__session_due(chat__session *session, uint64_t now_ms,
                                         chat_status *out_status);

/* Name of a state or event, for docs and logs; NULL behind the last. Static text. */
const char *chat__session_state_name(unsigned state);
const char *chat__session_event_name(unsigned event);

#endif
