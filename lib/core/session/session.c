/* SPDX-License-Identifier: MIT */
/* See session.h. */
#include "session/session.h"
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

#define NEVER       UINT64_MAX
#define RING_MIN    4u
#define RING_KEEP   16u /* a larger ring is given back when it is empty */
#define MAX_RETRIES 3u
/* Silent items take ring space but no window: bound them too. */
#define RING_WINDOWS 4u

typedef struct session_step {
    uint8_t from, event, to;
} session_step;

static const session_step STEPS[] = {
    {CHAT__SESSION_HELLO, CHAT__SESSION_EV_HELLO, CHAT__SESSION_LOADING},
    {CHAT__SESSION_LOADING, CHAT__SESSION_EV_LOADED, CHAT__SESSION_LIVE},
    {CHAT__SESSION_HELLO, CHAT__SESSION_EV_CLOSE, CHAT__SESSION_CLOSED},
    {CHAT__SESSION_LOADING, CHAT__SESSION_EV_CLOSE, CHAT__SESSION_CLOSED},
    {CHAT__SESSION_LIVE, CHAT__SESSION_EV_CLOSE, CHAT__SESSION_CLOSED},
};

/* HLD section 4: retry at once, after 1 s, after 2 s. */
static const uint32_t RETRY_AFTER_MS[MAX_RETRIES] = {1000, 2000, 0};

void chat__session_init(chat__session *session, const chat__session_limits *limits, uint64_t now_ms)
{
    memset(session, 0, sizeof *session);
    session->limits = limits;
    session->state = CHAT__SESSION_HELLO;
    session->seen_ms = now_ms;
    session->hello_due_ms = now_ms + limits->hello_timeout_ms;
    session->expires_ms = NEVER;
    session->ack_due_ms = NEVER;
    session->slow_due_ms = NEVER;
}

void chat__session_done(chat__session *session)
{
    assert(session->n_entries == 0);
    chat__alloc_free(session->limits->allocator, session->entries);
    session->entries = NULL;
    session->cap = 0;
}

chat_status chat__session_step(chat__session *session, chat__session_event event)
{
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        if (STEPS[i].from == session->state && STEPS[i].event == event) {
            session->state = STEPS[i].to;
            if (event == CHAT__SESSION_EV_HELLO)
                session->hello_due_ms = NEVER;
            return CHAT_OK;
        }
    }
    return CHAT_ERR_STATE;
}

static chat__window_entry *entry_at(const chat__session *session, uint32_t i)
{
    return &session->entries[(session->first + i) & (session->cap - 1)];
}

int chat__session_has_room(const chat__session *session, size_t bytes)
{
    const chat__session_limits *limits = session->limits;
    if (session->state != CHAT__SESSION_LIVE || session->unsent_bytes > limits->max_unsent_bytes)
        return 0;
    if (session->n_entries == 0)
        return 1;
    return session->n_entries < limits->window_count &&
           session->bytes + bytes <= limits->window_bytes;
}

static chat_status grow(chat__session *session)
{
    uint32_t cap = session->cap == 0 ? RING_MIN : session->cap * 2;
    if (session->n_entries >= session->limits->window_count * RING_WINDOWS)
        return CHAT_ERR_LIMIT;
    chat__window_entry *entries =
        chat__alloc_zero(session->limits->allocator, cap * sizeof *entries);
    if (entries == NULL)
        return CHAT_ERR_NOMEM;
    for (uint32_t i = 0; i < session->n_entries; i++)
        entries[i] = *entry_at(session, i);
    chat__alloc_free(session->limits->allocator, session->entries);
    session->entries = entries;
    session->cap = cap;
    session->first = 0;
    return CHAT_OK;
}

chat_status chat__session_push(chat__session *session, void *item, uint32_t bytes, int is_silent,
                               uint64_t now_ms)
{
    if (session->n_entries == session->cap) {
        chat_status status = grow(session);
        if (status != CHAT_OK)
            return status;
    }
    chat__window_entry *entry = entry_at(session, session->n_entries);
    if (!is_silent) {
        session->pushed++;
        session->bytes += bytes;
    }
    entry->item = item;
    entry->bytes = is_silent ? 0 : bytes;
    entry->is_silent = is_silent != 0;
    entry->number = session->pushed;
    session->n_entries++;
    if (session->ack_due_ms == NEVER && session->pushed > session->acked)
        session->ack_due_ms = now_ms + session->limits->ack_timeout_ms;
    return CHAT_OK;
}

chat_status chat__session_ack(chat__session *session, uint64_t n, uint64_t now_ms)
{
    if (n > session->pushed)
        return CHAT_ERR_PROTOCOL;
    if (n <= session->acked)
        return CHAT_OK;
    session->acked = n;
    session->retries = 0;
    session->ack_due_ms = n == session->pushed ? NEVER : now_ms + session->limits->ack_timeout_ms;
    return CHAT_OK;
}

chat_status chat__session_drop(chat__session *session, chat__window_entry *out)
{
    if (session->n_entries == 0)
        return CHAT_EMPTY;
    *out = *entry_at(session, 0);
    session->first = (session->first + 1) & (session->cap - 1);
    session->n_entries--;
    session->bytes -= out->bytes;
    if (session->n_entries == 0 && session->cap > RING_KEEP) {
        chat__alloc_free(session->limits->allocator, session->entries);
        session->entries = NULL;
        session->cap = 0;
        session->first = 0;
    }
    return CHAT_OK;
}

chat_status chat__session_pop(chat__session *session, chat__window_entry *out)
{
    if (session->n_entries == 0 || entry_at(session, 0)->number > session->acked)
        return CHAT_EMPTY;
    return chat__session_drop(session, out);
}

chat__window_entry *chat__session_renumber(chat__session *session, uint32_t i)
{
    if (i >= session->n_entries)
        return NULL;
    chat__window_entry *entry = entry_at(session, i);
    if (!entry->is_silent)
        session->pushed++;
    entry->number = session->pushed;
    return entry;
}

void chat__session_unsent(chat__session *session, size_t bytes, uint64_t now_ms)
{
    session->unsent_bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    if (bytes <= session->limits->max_unsent_bytes)
        session->slow_due_ms = NEVER;
    else if (session->slow_due_ms == NEVER)
        session->slow_due_ms = now_ms + session->limits->slow_close_ms;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Two heartbeats of silence end a connection: design section 7. */
static uint64_t silence_due_ms(const chat__session *session)
{
    return session->seen_ms + 2 * (uint64_t)session->limits->heartbeat_ms;
}

uint64_t chat__session_deadline(const chat__session *session)
{
    if (session->state == CHAT__SESSION_CLOSED)
        return NEVER;
    uint64_t at = min_u64(session->hello_due_ms, silence_due_ms(session));
    at = min_u64(at, min_u64(session->expires_ms, session->slow_due_ms));
    return min_u64(at, session->ack_due_ms);
}

/* The peer leaves stream frames unacked: write them again three times, then give up. */
static chat__session_due_type ack_due(chat__session *session, uint64_t now_ms, chat_status *status)
{
    /* What still waits in front of the socket was not even sent: the slow-reader rule has it. */
    if (session->unsent_bytes > 0) {
        session->ack_due_ms = now_ms + session->limits->ack_timeout_ms;
        return CHAT__SESSION_DUE_NOTHING;
    }
    if (session->retries == MAX_RETRIES) {
        *status = CHAT_ERR_UNACKED;
        return CHAT__SESSION_DUE_CLOSE;
    }
    uint32_t wait_ms = RETRY_AFTER_MS[session->retries++];
    session->ack_due_ms = now_ms + (wait_ms > 0 ? wait_ms : session->limits->ack_timeout_ms);
    return CHAT__SESSION_DUE_RETRY;
}

chat__session_due_type chat__session_due(chat__session *session, uint64_t now_ms,
                                         chat_status *out_status)
{
    const struct {
        uint64_t at_ms;
        chat_status why;
    } ends[] = {
        {session->hello_due_ms, CHAT_ERR_TIMEOUT},
        {silence_due_ms(session), CHAT_ERR_TIMEOUT},
        {session->expires_ms, CHAT_ERR_EXPIRED},
        {session->slow_due_ms, CHAT_ERR_SLOW},
    };
    if (session->state == CHAT__SESSION_CLOSED)
        return CHAT__SESSION_DUE_NOTHING;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (now_ms >= ends[i].at_ms) {
            *out_status = ends[i].why;
            return CHAT__SESSION_DUE_CLOSE;
        }
    }
    if (now_ms >= session->ack_due_ms)
        return ack_due(session, now_ms, out_status);
    return CHAT__SESSION_DUE_NOTHING;
}

const char *chat__session_state_name(unsigned state)
{
    static const char *const NAMES[] = {"", "hello", "loading", "live", "closed"};
    return state >= 1 && state < sizeof NAMES / sizeof NAMES[0] ? NAMES[state] : NULL;
}

const char *chat__session_event_name(unsigned event)
{
    static const char *const NAMES[] = {"", "hello", "loaded", "close"};
    return event >= 1 && event < sizeof NAMES / sizeof NAMES[0] ? NAMES[event] : NULL;
}
