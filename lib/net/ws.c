/* SPDX-License-Identifier: MIT */
/*
 * See ws.h. The frame layer of wslay takes frames apart and puts them together; what RFC 6455 asks
 * beyond that (masking by role, reserved bits, order of fragments, shortest lengths, text, close
 * codes, limits) is checked here, on the header before any of the payload is kept.
 */
#include "net/ws.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/utf8.h"
#include "base/view.h"
#include "net/ws_pool.h"

#include <string.h>

#define MAX_SPARE_COUNT 16u

/* RFC 6455 section 7.4.1. */
enum { CODE_PROTOCOL = 1002, CODE_BAD_DATA = 1007, CODE_POLICY = 1008, CODE_TOO_BIG = 1009 };

/* A frame or message that is being received. */
typedef struct ws_partial {
    struct ws_partial *next; /* spare ones */
    wslay_frame_context_ptr frame;
    const uint8_t *in; /* for wslay: what is left of the caller's bytes */
    size_t in_len;
    chat__buf message;     /* fragments so far */
    uint64_t frame_left;   /* of the frame, header included: not yet given to wslay */
    uint64_t payload_left; /* not yet back from wslay */
    chat_view whole;       /* a message of one frame that wslay's buffer holds */
    uint32_t n_fragments;
    uint8_t header[CHAT__WS_MAX_HEADER_BYTES];
    uint8_t header_len;
    uint8_t header_given; /* of it, to wslay */
    uint8_t is_started;   /* header and length were looked at */
    uint8_t is_in_frame;
    uint8_t is_final;
    uint8_t opcode;
    uint8_t message_opcode; /* 0: in no message */
    uint8_t is_compressed;
    uint8_t control_len;
    uint8_t control[CHAT__WS_MAX_CONTROL_BYTES];
} ws_partial;

/* --- wslay's callbacks --- */

static ssize_t give_frame(uint8_t *out, size_t cap, int flags, void *user)
{
    ws_partial *partial = user;
    size_t n = 0;
    (void)flags;
    while (n < cap && partial->header_given < partial->header_len)
        out[n++] = partial->header[partial->header_given++];
    size_t body = partial->in_len < cap - n ? partial->in_len : cap - n;
    if (body > partial->frame_left - n)
        body = (size_t)(partial->frame_left - n);
    if (body > 0)
        memcpy(out + n, partial->in, body);
    partial->in += body;
    partial->in_len -= body;
    partial->frame_left -= n + body;
    return n + body > 0 ? (ssize_t)(n + body) : -1;
}

/* --- pool --- */

static void partial_free(chat__ws_pool *pool, ws_partial *partial)
{
    if (partial->frame != NULL)
        wslay_frame_context_free(partial->frame);
    chat__buf_done(&partial->message);
    chat__alloc_free(&pool->allocator, partial);
}

static ws_partial *partial_new(chat__ws_pool *pool)
{
    ws_partial *partial = chat__alloc_zero(&pool->allocator, sizeof *partial);
    if (partial != NULL)
        chat__buf_init(&partial->message, &pool->allocator, SIZE_MAX);
    return partial;
}

static ws_partial *borrow(chat__ws_pool *pool)
{
    const struct wslay_frame_callbacks callbacks = {NULL, give_frame, NULL};
    ws_partial *partial = pool->spare;
    if (partial != NULL) {
        pool->spare = partial->next;
        pool->n_spare--;
    } else if ((partial = partial_new(pool)) == NULL) {
        return NULL;
    }
    if (partial->frame == NULL &&
        wslay_frame_context_init(&partial->frame, &callbacks, partial) != 0) {
        partial->frame = NULL;
        partial_free(pool, partial);
        return NULL;
    }
    if (partial->message.cap > CHAT__WS_KEEP_BYTES)
        chat__buf_done(&partial->message);
    partial->message.len = 0;
    return partial;
}

/* What an event points at stays in it until the next borrow(). */
static void give_back(chat__ws_pool *pool, ws_partial *partial)
{
    if (partial->is_in_frame) {
        wslay_frame_context_free(partial->frame);
        partial->frame = NULL;
    }
    partial->is_in_frame = 0;
    partial->is_started = 0;
    partial->message_opcode = 0;
    partial->header_len = 0;
    partial->n_fragments = 0;
    partial->next = pool->spare;
    pool->spare = partial;
    pool->n_spare++;
    if (pool->n_spare > MAX_SPARE_COUNT) {
        ws_partial *old = partial->next;
        partial->next = old->next;
        pool->n_spare--;
        partial_free(pool, old);
    }
}

chat_status chat__ws_pool_new(const chat_allocator *allocator, const chat__ws_limits *limits,
                              chat__ws_pool **out)
{
    chat_allocator own = chat__alloc_or_libc(allocator);
    chat__ws_pool *pool = chat__alloc_zero(&own, sizeof *pool);
    if (pool == NULL)
        return CHAT_ERR_NOMEM;
    pool->allocator = own;
    pool->limits = *limits;
    chat__buf_init(&pool->inflated, &own, SIZE_MAX);
    chat__buf_init(&pool->deflated, &own, SIZE_MAX);
    pool->zip = chat__ws_zip_new(&own);
    if (pool->zip == NULL) {
        chat__ws_pool_free(pool);
        return CHAT_ERR_NOMEM;
    }
    *out = pool;
    return CHAT_OK;
}

void chat__ws_pool_free(chat__ws_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->spare != NULL) {
        ws_partial *partial = pool->spare;
        pool->spare = partial->next;
        partial_free(pool, partial);
    }
    chat__ws_zip_free(pool->zip);
    chat__buf_done(&pool->inflated);
    chat__buf_done(&pool->deflated);
    chat_allocator allocator = pool->allocator;
    chat__alloc_free(&allocator, pool);
}

void chat__ws_init(chat__ws *ws, chat__ws_pool *pool, int is_client, int has_deflate)
{
    memset(ws, 0, sizeof *ws);
    ws->pool = pool;
    ws->is_client = is_client != 0;
    ws->has_deflate = (uint8_t)has_deflate;
}

void chat__ws_done(chat__ws *ws)
{
    if (ws->partial != NULL)
        give_back(ws->pool, ws->partial);
    ws->partial = NULL;
}

/* --- reading --- */

static chat_status fail(chat__ws *ws, uint16_t code, const char *why, chat__ws_event *out)
{
    chat__ws_event event = {CHAT__WS_FAIL, code, {NULL, 0}, why};
    ws->is_closed = 1;
    *out = event;
    return CHAT_OK;
}

/* Take header bytes until there are `want`. */
static int gather_header(ws_partial *partial, size_t want)
{
    while (partial->header_len < want && partial->in_len > 0) {
        partial->header[partial->header_len++] = *partial->in++;
        partial->in_len--;
    }
    return partial->header_len >= want;
}

/* A control frame is whole and short, whatever is going on around it. */
static const char *check_control(uint8_t first, uint8_t second)
{
    if ((first & 0x80u) == 0)
        return "a control frame is fragmented";
    if ((second & 0x7fu) > CHAT__WS_MAX_CONTROL_BYTES)
        return "a control frame is longer than 125 bytes";
    return NULL;
}

/* What the first two bytes say, against RFC 6455 section 5.2; NULL: allowed here. */
static const char *check_start(const chat__ws *ws, const ws_partial *partial)
{
    uint8_t first = partial->header[0];
    uint8_t second = partial->header[1];
    unsigned opcode = first & 0x0fu;
    int is_start = opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME;
    unsigned allowed = is_start && ws->has_deflate ? 0x40u : 0;

    if ((first & 0x70u & ~allowed) != 0)
        return "reserved bits are set";
    if ((opcode > WSLAY_BINARY_FRAME && opcode < WSLAY_CONNECTION_CLOSE) || opcode > WSLAY_PONG)
        return "unknown opcode";
    if (((second & 0x80u) != 0) == (ws->is_client != 0))
        return ws->is_client ? "a server must not mask" : "a client must mask";
    if (opcode >= WSLAY_CONNECTION_CLOSE)
        return check_control(first, second);
    if (is_start && partial->message_opcode != 0)
        return "a new message starts inside a fragmented one";
    if (opcode == WSLAY_CONTINUATION_FRAME && partial->message_opcode == 0)
        return "a continuation without a start";
    return NULL;
}

/* Bytes that the message may have on the wire: deflate may add a little to what it cannot shrink.
 */
static uint64_t max_wire_bytes(const chat__ws *ws, int is_compressed)
{
    uint64_t max = ws->pool->limits.max_message_bytes;
    return is_compressed ? max + max / 1024 + 64 : max;
}

/* Start the frame whose header and length are known. 0, or the close code and `*why`. */
static uint16_t start_frame(const chat__ws *ws, ws_partial *partial, const char **why)
{
    uint64_t length = chat__ws_payload_length(partial->header);
    unsigned opcode = partial->header[0] & 0x0fu;

    *why = "the length is not in its shortest form, or out of range";
    if (!chat__ws_is_shortest(partial->header, length) || length > INT64_MAX)
        return CODE_PROTOCOL;
    partial->is_final = partial->header[0] >> 7;
    partial->opcode = (uint8_t)opcode;
    partial->payload_left = length;
    partial->control_len = 0;
    partial->whole = chat__view(NULL, 0);
    if (opcode >= WSLAY_CONNECTION_CLOSE)
        return 0;
    if (opcode != WSLAY_CONTINUATION_FRAME) {
        partial->message_opcode = (uint8_t)opcode;
        partial->is_compressed = (partial->header[0] & 0x40u) != 0;
        partial->n_fragments = 0;
        partial->message.len = 0;
    }
    *why = "the message is too large";
    if (length > max_wire_bytes(ws, partial->is_compressed) - partial->message.len)
        return CODE_TOO_BIG;
    *why = "the message has too many fragments";
    return ++partial->n_fragments > ws->pool->limits.max_fragments ? CODE_POLICY : 0;
}

/* CHAT_OK: the header is there and good, or `out` is written and the connection has failed. */
static chat_status read_header(chat__ws *ws, ws_partial *partial, chat__ws_event *out)
{
    const char *why;
    if (!gather_header(partial, 2))
        return CHAT_MORE;
    if (!partial->is_started && (why = check_start(ws, partial)) != NULL)
        return fail(ws, CODE_PROTOCOL, why, out);
    size_t mask_at = 2 + chat__ws_length_bytes(partial->header[1]);
    if (!gather_header(partial, mask_at))
        return CHAT_MORE;
    if (!partial->is_started) {
        uint16_t code = start_frame(ws, partial, &why);
        if (code != 0)
            return fail(ws, code, why, out);
        partial->is_started = 1;
    }
    if (!ws->is_client && !gather_header(partial, mask_at + 4))
        return CHAT_MORE;
    partial->frame_left = partial->header_len + partial->payload_left;
    partial->header_given = 0;
    partial->is_in_frame = 1;
    return CHAT_OK;
}

/* Keep a piece of payload; a whole message that wslay's buffer holds stays there. */
static chat_status keep_payload(ws_partial *partial, const uint8_t *bytes, size_t len)
{
    if (partial->opcode >= WSLAY_CONNECTION_CLOSE) {
        memcpy(partial->control + partial->control_len, bytes, len);
        partial->control_len = (uint8_t)(partial->control_len + len);
        return CHAT_OK;
    }
    if (partial->payload_left == len && partial->is_final && partial->message.len == 0) {
        partial->whole = chat__view(bytes, len);
        return CHAT_OK;
    }
    return chat__buf_append(&partial->message, bytes, len);
}

/* CHAT_OK: the frame is complete; CHAT_MORE; CHAT_ERR_NOMEM. */
static chat_status read_payload(ws_partial *partial)
{
    struct wslay_frame_iocb iocb;
    do {
        ssize_t n = wslay_frame_recv(partial->frame, &iocb);
        if (n == WSLAY_ERR_WANT_READ)
            return CHAT_MORE;
        if (n < 0 || (uint64_t)n > partial->payload_left)
            return CHAT_ERR_PROTOCOL; /* nothing that passed read_header() comes here */
        chat_status status = keep_payload(partial, iocb.data, iocb.data_length);
        if (status != CHAT_OK)
            return status;
        partial->payload_left -= (uint64_t)n;
    } while (partial->payload_left > 0);
    partial->is_in_frame = 0;
    partial->is_started = 0;
    partial->header_len = 0;
    return CHAT_OK;
}

/* RFC 6455 section 7.4; 1012 to 1014 were registered with IANA later. */
static int is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static chat_status finish_close(chat__ws *ws, const ws_partial *partial, chat__ws_event *out)
{
    chat__ws_event event = {CHAT__WS_CLOSE, CHAT__WS_CODE_NONE, {NULL, 0}, NULL};
    if (partial->control_len == 1)
        return fail(ws, CODE_PROTOCOL, "a close frame with half a code", out);
    if (partial->control_len >= 2) {
        event.code = chat__load16be(partial->control);
        event.payload = chat__view(partial->control + 2, partial->control_len - 2u);
    }
    if (partial->control_len >= 2 && !is_close_code(event.code))
        return fail(ws, CODE_PROTOCOL, "a close code that must not be sent", out);
    if (!chat__utf8_is_valid(event.payload))
        return fail(ws, CODE_BAD_DATA, "a close reason that is not UTF-8", out);
    ws->is_closed = 1;
    *out = event;
    return CHAT_OK;
}

static chat_status finish_message(chat__ws *ws, ws_partial *partial, chat__ws_event *out)
{
    chat__ws_pool *pool = ws->pool;
    int is_text = partial->message_opcode == WSLAY_TEXT_FRAME;
    chat__ws_event event = {is_text ? CHAT__WS_TEXT : CHAT__WS_BINARY, 0, {NULL, 0}, NULL};

    partial->message_opcode = 0;
    event.payload = partial->whole.len > 0 ? partial->whole : chat__buf_view(&partial->message);
    if (partial->is_compressed) {
        chat_status status = chat__ws_zip_inflate(pool->zip, event.payload,
                                                  pool->limits.max_message_bytes, &pool->inflated);
        if (status == CHAT_ERR_LIMIT)
            return fail(ws, CODE_TOO_BIG, "the message is too large when expanded", out);
        if (status == CHAT_ERR_SYNTAX)
            return fail(ws, CODE_BAD_DATA, "the message is not deflate data", out);
        if (status != CHAT_OK)
            return status;
        event.payload = chat__buf_view(&pool->inflated);
    }
    if (is_text && !chat__utf8_is_valid(event.payload))
        return fail(ws, CODE_BAD_DATA, "a text message that is not UTF-8", out);
    *out = event;
    return CHAT_OK;
}

/* A frame is complete: CHAT_MORE when it makes no event. */
static chat_status finish_frame(chat__ws *ws, ws_partial *partial, chat__ws_event *out)
{
    chat__ws_event event = {CHAT__WS_PING, 0, {NULL, 0}, NULL};
    if (partial->opcode == WSLAY_CONNECTION_CLOSE)
        return finish_close(ws, partial, out);
    if (partial->opcode < WSLAY_CONNECTION_CLOSE)
        return partial->is_final ? finish_message(ws, partial, out) : CHAT_MORE;
    event.type = partial->opcode == WSLAY_PING ? CHAT__WS_PING : CHAT__WS_PONG;
    event.payload = chat__view(partial->control, partial->control_len);
    *out = event;
    return CHAT_OK;
}

static chat_status read_event(chat__ws *ws, ws_partial *partial, chat__ws_event *out)
{
    chat_status status;
    do {
        if (!partial->is_in_frame) {
            status = read_header(ws, partial, out);
            if (status != CHAT_OK || ws->is_closed)
                return status;
        }
        status = read_payload(partial);
        if (status == CHAT_ERR_PROTOCOL)
            return fail(ws, CODE_PROTOCOL, "a frame that cannot be read", out);
        if (status != CHAT_OK)
            return status;
        status = finish_frame(ws, partial, out);
    } while (status == CHAT_MORE);
    return status;
}

chat_status chat__ws_read(chat__ws *ws, uint8_t *bytes, size_t len, size_t *used,
                          chat__ws_event *out)
{
    *used = len;
    if (ws->is_closed || len == 0)
        return CHAT_MORE;
    if (ws->pool->inflated.cap > CHAT__WS_KEEP_BYTES)
        chat__buf_done(&ws->pool->inflated);
    size_t plain_len = chat__ws_take_plain(ws, bytes, len, out);
    if (plain_len > 0) {
        *used = plain_len;
        return CHAT_OK;
    }
    ws_partial *partial = ws->partial;
    if (partial == NULL && (partial = borrow(ws->pool)) == NULL)
        return CHAT_ERR_NOMEM;
    partial->in = bytes;
    partial->in_len = len;
    chat_status status = read_event(ws, partial, out);
    *used = len - partial->in_len;
    if (status != CHAT_OK && status != CHAT_MORE)
        ws->is_closed = 1;
    int is_idle = !partial->is_in_frame && partial->header_len == 0 && partial->message_opcode == 0;
    ws->partial = is_idle || ws->is_closed ? NULL : partial;
    if (ws->partial == NULL)
        give_back(ws->pool, partial);
    return status;
}
