/* SPDX-License-Identifier: MIT */
/* See conn.h. What is written to the server is in request.c. */
#include "backends/cassandra/conn_internal.h"

#include "backends/cassandra/lz4.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

#define FEED_BYTES   (1024u * 1024u)                /* beside the largest frame */
#define OWN_SLOTS    (CHAT__CQL_MAX_STATEMENTS + 2) /* prepare each, register, ping */
#define MAX_PREPARES 2u /* again, of one request: then its error is the caller's */

void chat__cql_conn_options_init(chat__cql_conn_options *options)
{
    memset(options, 0, sizeof *options);
    options->max_in_flight = 1024;
    options->max_frame_bytes = 16u * 1024 * 1024;
    options->max_unsent_bytes = 4u * 1024 * 1024;
}

static chat_status make_slots(chat__cql_conn *conn, const chat__cql_conn_options *options)
{
    uint32_t n = options->max_in_flight + OWN_SLOTS;
    conn->slots = chat__alloc_zero(&conn->allocator, n * sizeof *conn->slots);
    if (conn->slots == NULL)
        return CHAT_ERR_NOMEM;
    conn->n_slots = n;
    conn->max_in_flight = options->max_in_flight;
    for (uint32_t i = conn->n_slots; i > 0; i--) {
        chat__buf_init(&conn->slots[i - 1].params, &conn->allocator, options->max_unsent_bytes);
        chat__cql_slot_free(conn, &conn->slots[i - 1]);
    }
    return CHAT_OK;
}

chat_status chat__cql_conn_new(const chat__cql_conn_options *options, chat__cql_conn **out)
{
    if (options->max_in_flight == 0 || options->max_in_flight > CHAT__CQL_MAX_STREAMS - OWN_SLOTS ||
        (options->user != NULL) != (options->password != NULL))
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat__cql_conn *conn = chat__alloc_zero(&allocator, sizeof *conn);
    if (conn == NULL)
        return CHAT_ERR_NOMEM;
    conn->allocator = allocator;
    conn->max_frame_bytes = options->max_frame_bytes;
    conn->has_events = options->has_events != 0;
    chat__buf_init(&conn->in, &allocator, (size_t)options->max_frame_bytes + FEED_BYTES);
    chat__buf_init(&conn->out, &allocator, options->max_unsent_bytes);
    chat__buf_init(&conn->secret, &allocator, UINT16_MAX);
    chat__buf_init(&conn->expanded, &allocator, options->max_frame_bytes);
    chat__buf_init(&conn->squeezed, &allocator, options->max_unsent_bytes);
    chat_status status = make_slots(conn, options);
    if (status == CHAT_OK && options->user != NULL)
        status = chat__cql_keep_secret(conn, options->user, options->password);
    conn->is_asking = options->wants_lz4 && chat__lz4_is_there();
    if (status == CHAT_OK)
        status = conn->is_asking ? chat__cql_say_options(conn) : chat__cql_say_startup(conn);
    if (status != CHAT_OK) {
        chat__cql_conn_free(conn);
        return status;
    }
    *out = conn;
    return CHAT_OK;
}

void chat__cql_conn_free(chat__cql_conn *conn)
{
    if (conn == NULL)
        return;
    for (uint32_t i = 0; i < conn->n_slots; i++)
        chat__buf_done(&conn->slots[i].params);
    if (conn->slots != NULL)
        chat__alloc_free(&conn->allocator, conn->slots);
    chat__buf_done(&conn->in);
    chat__buf_done(&conn->out);
    chat__buf_done(&conn->expanded);
    chat__buf_done(&conn->squeezed);
    if (conn->secret.len > 0)
        memset(conn->secret.data, 0, conn->secret.len);
    chat__buf_done(&conn->secret);
    chat__alloc_free(&conn->allocator, conn);
}

chat_status chat__cql_conn_feed(chat__cql_conn *conn, chat_view bytes)
{
    chat__cql_header header;
    chat__buf_consume(&conn->in, conn->in_at);
    conn->in_at = 0;
    conn->fail_error.message = chat__view(NULL, 0); /* was in that frame */
    chat_status status = chat__buf_append(&conn->in, bytes.data, bytes.len);
    if (status == CHAT_OK && chat__cql_read_header(chat__buf_view(&conn->in), &header) == CHAT_OK &&
        header.body_len > conn->max_frame_bytes)
        status = CHAT_ERR_LIMIT;
    return status;
}

chat_view chat__cql_conn_unsent(const chat__cql_conn *conn)
{
    return chat__buf_view(&conn->out);
}

void chat__cql_conn_sent(chat__cql_conn *conn, size_t n)
{
    chat__buf_consume(&conn->out, n);
}

uint32_t chat__cql_conn_abandon(chat__cql_conn *conn, uint16_t stream)
{
    chat__cql_slot *slot = stream < conn->n_slots ? &conn->slots[stream] : NULL;
    if (slot != NULL && slot->state == CHAT__CQL_SLOT_WAITING) {
        chat__cql_slot_free(conn, slot); /* nothing of it was sent */
    } else if (slot != NULL && slot->state == CHAT__CQL_SLOT_FLYING && !slot->is_prepare) {
        slot->state = CHAT__CQL_SLOT_ABANDONED;
        conn->n_abandoned++;
    }
    return conn->n_abandoned;
}

uint32_t chat__cql_conn_in_flight(const chat__cql_conn *conn)
{
    return conn->n_used - conn->n_abandoned;
}

int chat__cql_conn_is_sent(const chat__cql_conn *conn, uint16_t stream)
{
    return stream < conn->n_slots && conn->slots[stream].state == CHAT__CQL_SLOT_FLYING;
}

uint32_t chat__cql_conn_key_parts(const chat__cql_conn *conn, uint32_t number,
                                  uint16_t out[CHAT__CQL_MAX_KEY_PARTS])
{
    const chat__cql_prepared *prepared = &conn->prepared[number];
    memcpy(out, prepared->key_parts, sizeof prepared->key_parts);
    return prepared->n_key_parts;
}

/* --- answers --- */

static int broken(chat__cql_conn *conn, chat_status status, chat__cql_conn_event *out)
{
    conn->state = CHAT__CQL_CONN_ENDED;
    out->type = CHAT__CQL_CONN_BROKEN;
    out->status = status;
    return 1;
}

static int is_ready(chat__cql_conn *conn, chat__cql_conn_event *out)
{
    conn->state = CHAT__CQL_CONN_OPEN;
    if (conn->has_events && chat__cql_say_register(conn) != CHAT_OK)
        return broken(conn, CHAT_ERR_NOMEM, out);
    out->type = CHAT__CQL_CONN_READY;
    return 1;
}

/* [4.2.4] What the server can do: a list for each of its options. */
static int offers_lz4(chat_view body)
{
    chat__cql_reader reader = chat__cql_read(body);
    int does = 0;
    for (uint32_t n = chat__cql_get_u16(&reader); n > 0 && !reader.is_bad; n--) {
        int is_it = chat__view_equal(chat__cql_get_string(&reader), chat__view_str("COMPRESSION"));
        for (uint32_t k = chat__cql_get_u16(&reader); k > 0 && !reader.is_bad; k--)
            does |= chat__view_equal(chat__cql_get_string(&reader), chat__view_str("lz4")) && is_it;
    }
    return does && !reader.is_bad;
}

static int take_offer(chat__cql_conn *conn, chat_view body, chat__cql_conn_event *out)
{
    conn->is_asking = 0;
    conn->has_lz4 = (uint8_t)offers_lz4(body);
    chat_status status = chat__cql_say_startup(conn);
    return status == CHAT_OK ? 0 : broken(conn, status, out);
}

/* Before the connection is open. 1: `out` is an event. */
static int take_greeting(chat__cql_conn *conn, uint8_t opcode, chat_view body,
                         chat__cql_conn_event *out)
{
    if (opcode == CHAT__CQL_OP_SUPPORTED && conn->is_asking)
        return take_offer(conn, body, out);
    if (!conn->is_asking && (opcode == CHAT__CQL_OP_READY || opcode == CHAT__CQL_OP_AUTH_SUCCESS))
        return is_ready(conn, out);
    if (opcode == CHAT__CQL_OP_AUTHENTICATE && conn->secret.len > 0 && !conn->has_answered) {
        conn->has_answered = 1;
        return chat__cql_say_secret(conn) == CHAT_OK ? 0 : broken(conn, CHAT_ERR_NOMEM, out);
    }
    if (opcode == CHAT__CQL_OP_AUTHENTICATE && conn->secret.len == 0) {
        conn->state = CHAT__CQL_CONN_ENDED;
        out->type = CHAT__CQL_CONN_REFUSED;
        out->error.again = CHAT__CQL_AGAIN_NO;
        out->error.status = CHAT_ERR_AUTH;
        out->error.advice = "it asks for a user: set cassandra-user and cassandra-password-file";
        return 1;
    }
    if (opcode == CHAT__CQL_OP_ERROR && chat__cql_read_error(body, &out->error) == CHAT_OK) {
        conn->state = CHAT__CQL_CONN_ENDED;
        out->type = CHAT__CQL_CONN_REFUSED;
        return 1;
    }
    return broken(conn, CHAT_ERR_PROTOCOL, out);
}

static void forget_prepared(chat__cql_prepared *prepared)
{
    prepared->state = CHAT__CQL_UNKNOWN;
    prepared->id_len = 0;
}

/* The node knows the statement: what waited for that goes out. */
static int take_prepared(chat__cql_conn *conn, chat__cql_slot *slot, chat_view body,
                         chat__cql_conn_event *out)
{
    chat__cql_prepared *prepared = &conn->prepared[slot->statement.number];
    chat__cql_statement statement = slot->statement;
    chat__cql_result result;
    chat_status status = chat__cql_read_result(body, &result);
    chat__cql_slot_free(conn, slot);
    if (status != CHAT_OK || result.kind != CHAT__CQL_PREPARED ||
        result.id.len > sizeof prepared->id)
        return broken(conn, CHAT_ERR_PROTOCOL, out);
    memcpy(prepared->id, result.id.data, result.id.len);
    prepared->id_len = (uint8_t)result.id.len;
    prepared->n_key_parts = result.n_key_parts;
    memcpy(prepared->key_parts, result.key_parts, sizeof prepared->key_parts);
    prepared->state = CHAT__CQL_KNOWN;
    for (uint32_t i = 0; i < conn->n_slots; i++) {
        chat__cql_slot *waiting = &conn->slots[i];
        if (waiting->state != CHAT__CQL_SLOT_WAITING ||
            waiting->statement.number != statement.number)
            continue;
        status = chat__cql_need(conn, waiting);
        if (status != CHAT_OK)
            return broken(conn, status, out);
    }
    return 0;
}

/* Which statement the node does not know; of a batch it says by its id. */
static chat__cql_prepared *unprepared(chat__cql_conn *conn, const chat__cql_slot *slot,
                                      chat_view id)
{
    for (uint32_t i = 0; slot->n_items > 0 && i < CHAT__CQL_MAX_STATEMENTS; i++) {
        chat__cql_prepared *prepared = &conn->prepared[i];
        if (prepared->id_len > 0 &&
            chat__view_equal(id, chat__view(prepared->id, prepared->id_len)))
            return prepared;
    }
    return &conn->prepared[slot->statement.number];
}

static int take_error(chat__cql_conn *conn, chat__cql_slot *slot, chat_view body,
                      chat__cql_conn_event *out)
{
    if (chat__cql_read_error(body, &out->error) != CHAT_OK)
        return broken(conn, CHAT_ERR_PROTOCOL, out);
    if (slot->is_ping || slot->is_register) { /* an answer all the same */
        chat__cql_slot_free(conn, slot);
        return 0;
    }
    if (slot->is_prepare) {
        /* Who waits for it is told, one for each call. */
        for (uint32_t i = 0; i < conn->n_slots; i++)
            conn->slots[i].is_doomed = conn->slots[i].state == CHAT__CQL_SLOT_WAITING &&
                                       conn->slots[i].statement.number == slot->statement.number;
        conn->is_failing = 1;
        conn->fail_error = out->error;
        forget_prepared(&conn->prepared[slot->statement.number]);
        chat__cql_slot_free(conn, slot);
        return 0;
    }
    if (out->error.again == CHAT__CQL_AGAIN_PREPARE && slot->statement.text != NULL &&
        slot->n_prepares < MAX_PREPARES) {
        /* Several fly at the same time and come back in the same way: the first one prepares. */
        chat__cql_prepared *prepared = unprepared(conn, slot, out->error.id);
        if (prepared->state == CHAT__CQL_KNOWN)
            forget_prepared(prepared);
        slot->n_prepares++;
        slot->state = CHAT__CQL_SLOT_WAITING;
        chat_status status = chat__cql_need(conn, slot);
        return status == CHAT_OK ? 0 : broken(conn, status, out);
    }
    out->type = CHAT__CQL_CONN_ERROR;
    out->tag = slot->tag;
    chat__cql_slot_free(conn, slot);
    return 1;
}

static int take_answer(chat__cql_conn *conn, const chat__cql_header *header, chat_view body,
                       chat__cql_conn_event *out)
{
    chat__cql_slot *slot = &conn->slots[header->stream];
    if (slot->state == CHAT__CQL_SLOT_ABANDONED) {
        conn->n_abandoned--;
        chat__cql_slot_free(conn, slot);
        return 0;
    }
    if (slot->state != CHAT__CQL_SLOT_FLYING)
        return broken(conn, CHAT_ERR_PROTOCOL, out);
    if (header->opcode == CHAT__CQL_OP_ERROR)
        return take_error(conn, slot, body, out);
    if ((header->opcode == CHAT__CQL_OP_READY && slot->is_register) ||
        (header->opcode == CHAT__CQL_OP_SUPPORTED && slot->is_ping)) {
        chat__cql_slot_free(conn, slot);
        return 0;
    }
    if (header->opcode != CHAT__CQL_OP_RESULT || slot->is_register || slot->is_ping)
        return broken(conn, CHAT_ERR_PROTOCOL, out);
    if (slot->is_prepare)
        return take_prepared(conn, slot, body, out);
    out->type = CHAT__CQL_CONN_RESULT;
    out->tag = slot->tag;
    chat__cql_slot_free(conn, slot);
    chat_status status = chat__cql_read_result(body, &out->result);
    return status == CHAT_OK ? 1 : broken(conn, status, out);
}

/* What stands in front of the body by the flags [2.2] is left out. */
static chat_view body_of(const chat__cql_header *header, chat_view body)
{
    chat__cql_reader reader = chat__cql_read(body);
    if (header->flags & CHAT__CQL_TRACED)
        (void)chat__cql_get_raw(&reader, 16);
    if (header->flags & CHAT__CQL_WARNINGS) {
        for (uint32_t n = chat__cql_get_u16(&reader); n > 0 && !reader.is_bad; n--)
            (void)chat__cql_get_string(&reader);
    }
    if (header->flags & CHAT__CQL_PAYLOAD) {
        for (uint32_t n = chat__cql_get_u16(&reader); n > 0 && !reader.is_bad; n--) {
            (void)chat__cql_get_string(&reader);
            (void)chat__cql_get_bytes(&reader);
        }
    }
    return chat__view(reader.at, reader.is_bad ? 0 : (size_t)(reader.end - reader.at));
}

static int take_frame(chat__cql_conn *conn, const chat__cql_header *header, chat_view frame,
                      chat__cql_conn_event *out)
{
    chat_view body = chat__view(frame.data + CHAT__CQL_HEADER_BYTES, header->body_len);
    if (header->flags & CHAT__CQL_COMPRESSED) {
        conn->expanded.len = 0;
        chat_status status =
            conn->has_lz4 ? chat__lz4_expand(body, &conn->expanded) : CHAT_ERR_PROTOCOL;
        if (status != CHAT_OK)
            return broken(conn, status, out);
        body = chat__buf_view(&conn->expanded);
    }
    body = body_of(header, body);
    if (conn->state == CHAT__CQL_CONN_STARTING)
        return take_greeting(conn, header->opcode, body, out);
    if (header->stream < 0 && header->opcode == CHAT__CQL_OP_EVENT) {
        out->type = CHAT__CQL_CONN_PUSHED;
        out->body = body;
        return 1;
    }
    if (header->stream < 0 || (uint32_t)header->stream >= conn->n_slots)
        return broken(conn, CHAT_ERR_PROTOCOL, out);
    return take_answer(conn, header, body, out);
}

/* One request that waits for a statement that could not be prepared. */
static int fail_waiting(chat__cql_conn *conn, chat__cql_conn_event *out)
{
    for (uint32_t i = 0; conn->is_failing && i < conn->n_slots; i++) {
        chat__cql_slot *slot = &conn->slots[i];
        if (slot->state != CHAT__CQL_SLOT_WAITING || !slot->is_doomed)
            continue;
        out->type = CHAT__CQL_CONN_ERROR;
        out->tag = slot->tag;
        out->error = conn->fail_error;
        chat__cql_slot_free(conn, slot);
        return 1;
    }
    conn->is_failing = 0;
    return 0;
}

chat_status chat__cql_conn_next_event(chat__cql_conn *conn, chat__cql_conn_event *out)
{
    chat__cql_header header;
    memset(out, 0, sizeof *out);
    while (conn->state != CHAT__CQL_CONN_ENDED) {
        if (fail_waiting(conn, out))
            return CHAT_OK;
        chat_view bytes = chat__view(conn->in.data + conn->in_at, conn->in.len - conn->in_at);
        chat_status status = chat__cql_read_header(bytes, &header);
        if (status == CHAT_OK && header.body_len > conn->max_frame_bytes)
            status = CHAT_ERR_LIMIT;
        if (status < 0) {
            (void)broken(conn, status, out);
            return CHAT_OK;
        }
        if (status == CHAT_MORE || bytes.len - CHAT__CQL_HEADER_BYTES < header.body_len)
            return CHAT_EMPTY;
        conn->in_at += CHAT__CQL_HEADER_BYTES + header.body_len;
        if (take_frame(conn, &header, bytes, out))
            return CHAT_OK;
    }
    return CHAT_EMPTY;
}
