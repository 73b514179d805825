/* SPDX-License-Identifier: MIT */
/* See trunk.h. */
#include "net/trunk.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"
#include "net/trunk_queue.h"

#include <assert.h>
#include <string.h>

#define BEATS_PER_TIMEOUT  3u /* so often is something said */
#define MAX_SPARE_CHUNKS   4u
#define CREDITS_PER_WINDOW 4u

const chat__ws_limits chat__trunk_limits = {.max_message_bytes = CHAT__TRUNK_MAX_MESSAGE,
                                            .max_fragments = 1,
                                            .deflate_min_bytes = SIZE_MAX};

struct chat__trunk {
    chat_allocator allocator;
    chat__trunk_options options;
    uint64_t session;        /* 0: none */
    uint64_t instance;       /* of the process that it is with */
    uint8_t is_lost, is_new; /* news */
    /* The connection, when there is one. */
    uint8_t is_joined, owes_resume, owes_credit, owes_pong;
    uint8_t is_peer_waiting; /* for credit */
    uint8_t has_said_so;     /* that we are */
    chat__ws ws;
    uint64_t heard_ms, said_ms;
    chat__buf scratch;
    uint32_t pong_len;
    uint8_t pong[125];
    const char *why;
    chat__trunk_queue queue; /* to the peer */
    uint32_t peer_window_bytes, peer_timeout_ms;
    /* From the peer. */
    uint64_t received, consumed, credited;
};

/* --- the session --- */

static void forget_stream(chat__trunk *trunk)
{
    chat__trunk_queue_reset(&trunk->queue);
    trunk->received = trunk->consumed = trunk->credited = 0;
    trunk->session = 0;
}

void chat__trunk_end(chat__trunk *trunk)
{
    if (trunk->session == 0)
        return;
    forget_stream(trunk);
    /* Who was not told that it is up need not know that it is lost. */
    trunk->is_lost = trunk->is_lost || !trunk->is_new;
    trunk->is_new = 0;
    chat__trunk_leave(trunk);
}

chat__trunk_news chat__trunk_next_news(chat__trunk *trunk)
{
    chat__trunk_news news = trunk->is_lost  ? CHAT__TRUNK_LOST
                            : trunk->is_new ? CHAT__TRUNK_UP
                                            : CHAT__TRUNK_NOTHING;
    if (trunk->is_lost)
        trunk->is_lost = 0;
    else
        trunk->is_new = 0;
    return news;
}

void chat__trunk_state(const chat__trunk *trunk, uint64_t *out_session, uint64_t *out_received)
{
    *out_session = trunk->session;
    *out_received = trunk->received;
}

int chat__trunk_is_up(const chat__trunk *trunk)
{
    return trunk->session != 0;
}

int chat__trunk_is_joined(const chat__trunk *trunk)
{
    return trunk->is_joined;
}

uint64_t chat__trunk_instance(const chat__trunk *trunk)
{
    return trunk->instance;
}

/* --- life --- */

chat_status chat__trunk_new(const chat__trunk_options *options, chat__trunk **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    if (options->window_bytes < CHAT__TRUNK_MIN_WINDOW ||
        options->window_bytes > CHAT__TRUNK_MAX_WINDOW ||
        options->timeout_ms < CHAT__TRUNK_MIN_TIMEOUT)
        return CHAT_ERR_ARG;
    chat__trunk *trunk = chat__alloc_zero(&allocator, sizeof *trunk);
    if (trunk == NULL)
        return CHAT_ERR_NOMEM;
    trunk->allocator = allocator;
    trunk->options = *options;
    trunk->why = "";
    chat__trunk_queue_init(&trunk->queue, &allocator);
    chat__buf_init(&trunk->scratch, &allocator, CHAT__TRUNK_MAX_GREETING);
    *out = trunk;
    return CHAT_OK;
}

void chat__trunk_free(chat__trunk *trunk)
{
    if (trunk == NULL)
        return;
    chat_allocator allocator = trunk->allocator;
    chat__trunk_leave(trunk);
    chat__trunk_queue_done(&trunk->queue);
    chat__buf_done(&trunk->scratch);
    chat__alloc_free(&allocator, trunk);
}

const char *chat__trunk_why(const chat__trunk *trunk)
{
    return trunk->why;
}

void chat__trunk_kept(const chat__trunk *trunk, uint64_t *out_kept, uint64_t *out_unsent)
{
    *out_kept = trunk->queue.cost_bytes;
    *out_unsent = trunk->queue.end - trunk->queue.sent;
}

/* --- connections --- */

/* Whether both mean the same session and can go on with it. */
static int goes_on(chat__trunk *trunk, const chat__trunk_peer *peer)
{
    return trunk->session != 0 && peer->session == trunk->session &&
           peer->instance == trunk->instance &&
           chat__trunk_queue_rewind(&trunk->queue, peer->received);
}

chat_status chat__trunk_join(chat__trunk *trunk, int is_dialer, const chat__trunk_peer *peer,
                             uint64_t fresh_session, uint64_t now_ms)
{
    chat__trunk_leave(trunk);
    if (!goes_on(trunk, peer)) {
        uint64_t session = is_dialer ? peer->session : fresh_session;
        int is_same = session == trunk->session;
        chat__trunk_end(trunk);
        if (session == 0 || is_same || (is_dialer && peer->received != 0))
            return CHAT_ERR_PROTOCOL;
        trunk->session = session;
        trunk->instance = peer->instance;
        trunk->is_new = 1;
    }
    chat__ws_init(&trunk->ws, trunk->options.pool, is_dialer, 0);
    trunk->is_joined = 1;
    trunk->owes_resume = !is_dialer;
    trunk->owes_credit = 1;
    trunk->owes_pong = trunk->is_peer_waiting = trunk->has_said_so = 0;
    trunk->peer_window_bytes = peer->window_bytes;
    trunk->peer_timeout_ms = peer->timeout_ms;
    trunk->heard_ms = trunk->said_ms = now_ms;
    trunk->why = "";
    return CHAT_OK;
}

void chat__trunk_leave(chat__trunk *trunk)
{
    if (!trunk->is_joined)
        return;
    chat__ws_done(&trunk->ws);
    trunk->is_joined = 0;
}

/* --- sending --- */

chat_status chat__trunk_send(chat__trunk *trunk, const chat__trunk_record *record)
{
    size_t chunk_bytes = trunk->peer_window_bytes / CREDITS_PER_WINDOW;
    if (chunk_bytes > CHAT__TRUNK_CHUNK_BYTES)
        chunk_bytes = CHAT__TRUNK_CHUNK_BYTES;
    if (trunk->session == 0)
        return CHAT_ERR_CLOSED;
    if (record->frame.len == 0 ||
        record->frame.len > CHAT__TRUNK_MAX_RECORD - CHAT__TRUNK_RECORD_HEAD)
        return CHAT_ERR_LIMIT;
    return chat__trunk_queue_add(&trunk->queue, record, chunk_bytes, trunk->options.queue_bytes);
}

static chat_status say(chat__trunk *trunk, const chat__trunk_message *message, chat__buf *out)
{
    trunk->scratch.len = 0;
    chat_status status = chat__trunk_write(message, &trunk->scratch);
    return status == CHAT_OK ? chat__ws_write(&trunk->ws, CHAT__WS_OP_BINARY,
                                              chat__buf_view(&trunk->scratch), out)
                             : status;
}

static chat_status say_resume(chat__trunk *trunk, chat__buf *out)
{
    chat__trunk_message message = {.type = CHAT__TRUNK_RESUME,
                                   .session = trunk->session,
                                   .received = trunk->received,
                                   .window_bytes = trunk->options.window_bytes,
                                   .timeout_ms = trunk->options.timeout_ms};
    chat_status status = trunk->owes_resume ? say(trunk, &message, out) : CHAT_OK;
    trunk->owes_resume = trunk->owes_resume && status != CHAT_OK;
    return status;
}

static uint64_t beat_ms(const chat__trunk *trunk)
{
    uint32_t own_ms = trunk->options.timeout_ms;
    return (own_ms < trunk->peer_timeout_ms ? own_ms : trunk->peer_timeout_ms) / BEATS_PER_TIMEOUT;
}

/* What lets the peer go on, and tells it that we are here. */
static chat_status say_credit(chat__trunk *trunk, uint64_t now_ms, chat__buf *out)
{
    uint64_t news = trunk->consumed - trunk->credited;
    int is_wanted = trunk->owes_credit || (trunk->is_peer_waiting && news > 0);
    if (!is_wanted && news < trunk->options.window_bytes / CREDITS_PER_WINDOW &&
        now_ms - trunk->said_ms < beat_ms(trunk))
        return CHAT_OK;
    chat__trunk_message message = {.type = CHAT__TRUNK_CREDIT, .offset = trunk->consumed};
    chat_status status = say(trunk, &message, out);
    if (status != CHAT_OK)
        return status;
    trunk->owes_credit = 0;
    trunk->credited = trunk->consumed;
    return CHAT_OK;
}

static chat_status say_pong(chat__trunk *trunk, chat__buf *out)
{
    if (!trunk->owes_pong)
        return CHAT_OK;
    trunk->owes_pong = 0;
    return chat__ws_write(&trunk->ws, CHAT__WS_OP_PONG, chat__view(trunk->pong, trunk->pong_len),
                          out);
}

static int may_send(const chat__trunk *trunk)
{
    return chat__trunk_queue_may_send(&trunk->queue, trunk->peer_window_bytes);
}

static chat_status say_waiting(chat__trunk *trunk, chat__buf *out)
{
    chat__trunk_message message = {.type = CHAT__TRUNK_WAITING};
    if (trunk->queue.unsent == NULL || trunk->has_said_so || may_send(trunk))
        return CHAT_OK;
    trunk->has_said_so = 1;
    return say(trunk, &message, out);
}

chat_status chat__trunk_pull(chat__trunk *trunk, size_t enough_bytes, uint64_t now_ms,
                             chat__buf *out)
{
    size_t before = out->len;
    if (!trunk->is_joined)
        return CHAT_OK;
    chat_status status = say_resume(trunk, out);
    if (status == CHAT_OK)
        status = say_credit(trunk, now_ms, out);
    if (status == CHAT_OK)
        status = say_pong(trunk, out);
    while (status == CHAT_OK && out->len < enough_bytes && may_send(trunk)) {
        status = chat__ws_write(&trunk->ws, CHAT__WS_OP_BINARY,
                                chat__trunk_queue_peek(&trunk->queue), out);
        if (status != CHAT_OK)
            break;
        chat__trunk_queue_next(&trunk->queue);
        trunk->has_said_so = 0;
    }
    if (status == CHAT_OK)
        status = say_waiting(trunk, out);
    if (out->len > before)
        trunk->said_ms = now_ms;
    return status == CHAT_OK ? CHAT_OK : CHAT_ERR_NOMEM;
}

chat_status chat__trunk_goodbye(chat__trunk *trunk, chat__buf *out)
{
    chat__trunk_message message = {.type = CHAT__TRUNK_REFUSE, .refusal = CHAT__TRUNK_NO_GOING};
    if (!trunk->is_joined)
        return CHAT_OK;
    return say(trunk, &message, out);
}

/* --- receiving --- */

static chat_status broken(chat__trunk *trunk, chat_status status, const char *why)
{
    trunk->why = why;
    return status;
}

static chat_status on_credit(chat__trunk *trunk, uint64_t offset)
{
    return chat__trunk_queue_work_off(&trunk->queue, offset)
               ? CHAT_MORE
               : broken(trunk, CHAT_ERR_PROTOCOL, "the peer works off what it was not sent");
}

static int are_records(chat_view records)
{
    chat__trunk_record record;
    chat_status status = CHAT_OK;
    while (status == CHAT_OK)
        status = chat__trunk_next_record(&records, &record);
    return status == CHAT_EMPTY;
}

static chat_status on_data(chat__trunk *trunk, const chat__trunk_message *got, chat_view *out)
{
    uint64_t ahead = trunk->received - trunk->consumed;
    if (got->offset != trunk->received)
        return broken(trunk, CHAT_ERR_PROTOCOL, "the peer's stream has a hole");
    if (got->records.len == 0 || !are_records(got->records))
        return broken(trunk, CHAT_ERR_PROTOCOL, "the peer's records cannot be read");
    if (ahead > 0 && ahead + got->records.len > trunk->options.window_bytes)
        return broken(trunk, CHAT_ERR_PROTOCOL, "the peer sends more than it may");
    trunk->received += got->records.len;
    trunk->is_peer_waiting = 0;
    *out = got->records;
    return CHAT_OK;
}

static chat_status on_message(chat__trunk *trunk, chat_view bytes, chat_view *out)
{
    chat__trunk_message got;
    chat_status status = chat__trunk_read(bytes, &got);
    if (status == CHAT_ERR_UNSUPPORTED)
        return CHAT_MORE; /* a newer version's, that does not count on it */
    if (status != CHAT_OK)
        return broken(trunk, CHAT_ERR_PROTOCOL, "the peer's message cannot be read");
    switch (got.type) {
    case CHAT__TRUNK_DATA:
        return on_data(trunk, &got, out);
    case CHAT__TRUNK_CREDIT:
        return on_credit(trunk, got.offset);
    case CHAT__TRUNK_WAITING:
        trunk->is_peer_waiting = 1;
        return CHAT_MORE;
    case CHAT__TRUNK_REFUSE:
        chat__trunk_end(trunk);
        return broken(trunk, CHAT_ERR_DRAIN, chat__trunk_refusal_text(got.refusal));
    default:
        return broken(trunk, CHAT_ERR_PROTOCOL, "the peer greets twice");
    }
}

/* CHAT_MORE: nothing for the caller. */
static chat_status on_event(chat__trunk *trunk, const chat__ws_event *event, chat_view *out)
{
    switch (event->type) {
    case CHAT__WS_BINARY:
        return on_message(trunk, event->payload, out);
    case CHAT__WS_PING:
        trunk->owes_pong = 1;
        trunk->pong_len = (uint32_t)event->payload.len;
        memcpy(trunk->pong, event->payload.data, event->payload.len);
        return CHAT_MORE;
    case CHAT__WS_PONG:
        return CHAT_MORE;
    case CHAT__WS_CLOSE:
        return broken(trunk, CHAT_ERR_CLOSED, "the peer closed the connection");
    case CHAT__WS_FAIL:
        return broken(trunk, CHAT_ERR_PROTOCOL, event->why);
    default:
        return broken(trunk, CHAT_ERR_PROTOCOL, "links speak in binary messages");
    }
}

chat_status chat__trunk_feed(chat__trunk *trunk, uint8_t *bytes, size_t len, size_t *used,
                             chat_view *out)
{
    *used = 0;
    if (!trunk->is_joined)
        return CHAT_ERR_STATE;
    while (*used < len) {
        chat__ws_event event;
        size_t n = 0;
        chat_status status = chat__ws_read(&trunk->ws, bytes + *used, len - *used, &n, &event);
        *used += n;
        if (status == CHAT_OK)
            status = on_event(trunk, &event, out);
        if (status == CHAT_ERR_NOMEM)
            trunk->why = "out of memory";
        if (status != CHAT_MORE)
            return status;
    }
    return CHAT_MORE;
}

void chat__trunk_heard(chat__trunk *trunk, uint64_t now_ms)
{
    trunk->heard_ms = now_ms;
}

void chat__trunk_consumed(chat__trunk *trunk, uint64_t session, uint64_t bytes)
{
    if (session != trunk->session)
        return; /* of one that is over */
    assert(bytes <= trunk->received - trunk->consumed);
    trunk->consumed += bytes;
}

/* --- time --- */

uint64_t chat__trunk_deadline(const chat__trunk *trunk)
{
    uint64_t silence_ms = trunk->heard_ms + trunk->options.timeout_ms;
    uint64_t beat_at_ms = trunk->said_ms + beat_ms(trunk);
    if (trunk->session == 0)
        return UINT64_MAX;
    return trunk->is_joined && beat_at_ms < silence_ms ? beat_at_ms : silence_ms;
}

int chat__trunk_is_silent(const chat__trunk *trunk, uint64_t now_ms)
{
    return trunk->session != 0 && now_ms >= trunk->heard_ms + trunk->options.timeout_ms;
}

chat_status chat__trunk_check(chat__trunk *trunk, uint64_t now_ms)
{
    int was_joined = trunk->is_joined;
    if (!chat__trunk_is_silent(trunk, now_ms))
        return CHAT_OK;
    chat__trunk_end(trunk);
    return was_joined ? CHAT_ERR_TIMEOUT : CHAT_OK;
}
