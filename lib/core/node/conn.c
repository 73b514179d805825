/* SPDX-License-Identifier: MIT */
/* Connections of a node: opened, found by number, written to, timed, closed. */
#include "node/devices.h"
#include "node/hide.h"
#include "node/hints.h"
#include "node/limits.h"
#include "node/trail.h"
#include "node/internal.h"
#include "base/alloc.h"

#include <string.h>

#define SLOT_BITS 32u
#define SLOTS_MIN 64u
/* What a client may leave unread before nothing at all is written for it any more. */
#define UNSENT_FACTOR 4u

/* --- numbers --- */

static chat_status grow_slots(chat__node *node)
{
    uint32_t n = node->n_slots == 0 ? SLOTS_MIN : node->n_slots * 2;
    chat__node_conn **slots = chat__alloc_zero(&node->allocator, n * sizeof(chat__node_conn *));
    uint32_t *generations = chat__alloc_zero(&node->allocator, n * sizeof *generations);
    uint32_t *free_slots = chat__alloc_zero(&node->allocator, n * sizeof *free_slots);
    if (slots == NULL || generations == NULL || free_slots == NULL) {
        chat__alloc_free(&node->allocator, slots);
        chat__alloc_free(&node->allocator, generations);
        chat__alloc_free(&node->allocator, free_slots);
        return CHAT_ERR_NOMEM;
    }
    if (node->n_slots > 0) {
        memcpy(slots, node->slots, node->n_slots * sizeof(chat__node_conn *));
        memcpy(generations, node->generations, node->n_slots * sizeof *generations);
    }
    chat__alloc_free(&node->allocator, node->slots);
    chat__alloc_free(&node->allocator, node->generations);
    chat__alloc_free(&node->allocator, node->free_slots);
    for (uint32_t i = n; i > node->n_slots; i--) {
        free_slots[node->n_free++] = i - 1;
        generations[i - 1] = node->first_generation;
    }
    node->slots = slots;
    node->generations = generations;
    node->free_slots = free_slots;
    node->n_slots = n;
    return CHAT_OK;
}

static chat_status take_slot(chat__node *node, chat__node_conn *conn)
{
    if (node->n_free == 0) {
        chat_status status = grow_slots(node);
        if (status != CHAT_OK)
            return status;
    }
    uint32_t slot = node->free_slots[--node->n_free];
    node->slots[slot] = conn;
    conn->id = (uint64_t)++node->generations[slot] << SLOT_BITS | slot;
    return CHAT_OK;
}

static uint32_t slot_of(chat__conn id)
{
    return (uint32_t)id;
}

chat__node_conn *chat__conn_of(const chat__node *node, chat__conn id)
{
    uint32_t slot = slot_of(id);
    if (slot >= node->n_slots || node->slots[slot] == NULL || node->slots[slot]->id != id)
        return NULL;
    return node->slots[slot];
}

/* --- users --- */

chat_view chat__conn_user(const chat__node_conn *conn)
{
    return chat__view(conn->user->id, conn->user->id_len);
}

chat_view chat__conn_device(const chat__node_conn *conn)
{
    int is_near = conn->device_len <= sizeof conn->device.near;
    return chat__view(is_near ? conn->device.near : conn->device.far, conn->device_len);
}

chat_status chat__conn_set_device(chat__node *node, chat__node_conn *conn, chat_view device)
{
    uint8_t *at = conn->device.near;
    if (device.len > sizeof conn->device.near) {
        at = chat__node_alloc(node, device.len);
        if (at == NULL)
            return CHAT_ERR_NOMEM;
        conn->device.far = at;
    }
    memcpy(at, device.data, device.len);
    conn->device_len = (uint8_t)device.len;
    return CHAT_OK;
}

static chat__user *get_user(chat__node *node, chat_view id)
{
    chat__user *user = chat__map_get(&node->users, id);
    if (user != NULL)
        return user;
    user = chat__node_alloc(node, offsetof(chat__user, id) + id.len);
    if (user == NULL)
        return NULL;
    memcpy(user->id, id.data, id.len);
    user->id_len = (uint8_t)id.len;
    user->trail_user = chat__trail_user(node, id);
    if (chat__map_put(&node->users, chat__view(user->id, user->id_len), user) != CHAT_OK) {
        chat__node_dealloc(node, user);
        return NULL;
    }
    chat__limits_arrive(node, user);
    return user;
}

static void leave_user(chat__node *node, chat__node_conn *conn)
{
    chat__user *user = conn->user;
    chat__node_conn **link = &user->conns;
    while (*link != NULL && *link != conn)
        link = &(*link)->next;
    if (*link == conn)
        *link = conn->next;
    if (user->conns == NULL) {
        chat__limits_leave(node, user);
        (void)chat__map_remove(&node->users, chat__view(user->id, user->id_len));
        chat__node_dealloc(node, user->blockers);
        chat__node_dealloc(node, user);
    }
}

/* --- life --- */

static uint64_t mono_of_unix(const chat__node *node, uint64_t at_unix_ms)
{
    if (at_unix_ms == UINT64_MAX)
        return UINT64_MAX;
    if (at_unix_ms <= node->unix_ms)
        return node->mono_ms;
    uint64_t left_ms = at_unix_ms - node->unix_ms;
    return left_ms > UINT64_MAX - node->mono_ms ? UINT64_MAX : node->mono_ms + left_ms;
}

chat_status chat__node_open(chat__node *node, chat_view user, chat_encoding encoding,
                            uint64_t expires_unix_ms, chat__conn *out)
{
    if (!chat_id_is_valid(user))
        return CHAT_ERR_ARG;
    if (node->is_draining)
        return CHAT_ERR_DRAIN;
    if (node->n_conns >= node->options.max_connections)
        return CHAT_ERR_LIMIT;
    chat__node_conn *conn = chat__node_alloc(node, sizeof *conn);
    if (conn == NULL)
        return CHAT_ERR_NOMEM;
    conn->user = get_user(node, user);
    if (conn->user == NULL) {
        chat__node_dealloc(node, conn);
        return CHAT_ERR_NOMEM;
    }
    conn->next = conn->user->conns;
    conn->user->conns = conn;
    conn->encoding = encoding & 15;
    chat__session_init(&conn->session, &node->limits, node->mono_ms);
    conn->session.expires_ms = mono_of_unix(node, expires_unix_ms);
    chat_status status = take_slot(node, conn);
    if (status == CHAT_OK)
        node->n_conns++;
    if (status == CHAT_OK)
        status =
            chat__heap_set(&node->timers, &conn->timer, chat__session_deadline(&conn->session));
    if (status != CHAT_OK) {
        chat__conn_destroy(node, conn);
        return status;
    }
    *out = conn->id;
    return CHAT_OK;
}

void chat__conn_destroy(chat__node *node, chat__node_conn *conn)
{
    chat__presence_leave(node, conn);
    chat__devices_seen(node, conn);
    chat__hide_leave(node, conn);
    chat__node_dealloc(node, conn->typing);
    chat__deliver_drop_all(node, conn);
    (void)chat__session_step(&conn->session, CHAT__SESSION_EV_CLOSE);
    chat__session_done(&conn->session);
    chat__heap_remove(&node->timers, &conn->timer);
    leave_user(node, conn);
    if (conn->id != 0) {
        uint32_t slot = slot_of(conn->id);
        node->slots[slot] = NULL;
        node->free_slots[node->n_free++] = slot;
        node->n_conns--;
    }
    if (conn->device_len > sizeof conn->device.near)
        chat__node_dealloc(node, conn->device.far);
    chat__node_dealloc(node, conn);
}

void chat__conn_free_all(chat__node *node)
{
    for (uint32_t i = 0; i < node->n_slots; i++) {
        if (node->slots[i] != NULL)
            chat__conn_destroy(node, node->slots[i]);
    }
    chat__alloc_free(&node->allocator, node->slots);
    chat__alloc_free(&node->allocator, node->generations);
    chat__alloc_free(&node->allocator, node->free_slots);
}

void chat__node_closed(chat__node *node, chat__conn id)
{
    chat__node_conn *conn = chat__conn_of(node, id);
    if (conn != NULL)
        chat__conn_destroy(node, conn);
}

static void write_bye(chat__node *node, chat__node_conn *conn, chat_status status, const char *text)
{
    chat_frame bye;
    if (conn->is_bye_said || conn->session.unsent_bytes > node->limits.max_unsent_bytes)
        return;
    conn->is_bye_said = 1;
    chat_frame_init(&bye, CHAT_FRAME_BYE);
    CHAT_FRAME_SET(&bye, CODE, code, chat__view_str(chat_status_wire(status)));
    CHAT_FRAME_SET(&bye, TEXT, text, chat__view_str(text));
    if (chat_status_kind_of(status) == CHAT_KIND_RETRY)
        CHAT_FRAME_SET(&bye, RETRY_AFTER, retry_after_ms, node->retry_after_ms);
    chat__conn_write_frame(node, conn, &bye);
}

void chat__conn_bye(chat__node *node, chat__node_conn *conn)
{
    write_bye(node, conn, CHAT_ERR_DRAIN, "the server is going away");
}

void chat__conn_close(chat__node *node, chat__node_conn *conn, chat_status status, const char *text)
{
    write_bye(node, conn, status, text);
    chat__effect *effect = chat__node_emit(node, CHAT__EFFECT_CLOSE);
    if (effect == NULL) {
        /* Try again in the next turn. */
        chat__conn_break(node, conn, status);
        return;
    }
    effect->conn = conn->id;
    effect->status = status;
    effect->text = text;
    chat__conn_destroy(node, conn);
}

/* --- writing --- */

void chat__conn_break(chat__node *node, chat__node_conn *conn, chat_status status)
{
    conn->broken = (int8_t)status;
    node->has_broken = 1;
}

/* A whole window may be waiting, however little `max_unsent_bytes` allows on top of it. */
static size_t unsent_limit(const chat__node *node)
{
    return ((size_t)node->limits.max_unsent_bytes + node->limits.window_bytes) * UNSENT_FACTOR;
}

/* How much may be written to a connection before its socket says how much it took. */
static int is_over_turn_limit(chat__node *node, chat__node_conn *conn, size_t len)
{
    if (conn->turn != node->turn) {
        conn->turn = node->turn;
        conn->turn_bytes = 0;
    }
    if (len > UINT32_MAX - conn->turn_bytes)
        return 1;
    conn->turn_bytes += (uint32_t)len;
    return (size_t)conn->turn_bytes + conn->session.unsent_bytes > unsent_limit(node);
}

/* NULL: the connection is broken. */
static chat__effect *emit_write(chat__node *node, chat__node_conn *conn, chat_view bytes)
{
    if (conn->broken != 0)
        return NULL;
    if (is_over_turn_limit(node, conn, bytes.len)) {
        chat__conn_break(node, conn, CHAT_ERR_SLOW);
        return NULL;
    }
    chat__effect *effect = bytes.len > 0 ? chat__node_emit(node, CHAT__EFFECT_WRITE) : NULL;
    if (effect == NULL) {
        chat__conn_break(node, conn, CHAT_ERR_NOMEM);
        return NULL;
    }
    effect->conn = conn->id;
    effect->bytes = bytes;
    return effect;
}

void chat__conn_write(chat__node *node, chat__node_conn *conn, chat_view bytes)
{
    (void)emit_write(node, conn, bytes);
}

void chat__conn_write_shared(chat__node *node, chat__node_conn *conn, chat_view bytes,
                             uint64_t share)
{
    chat__effect *effect = emit_write(node, conn, bytes);
    if (effect != NULL)
        effect->share = share;
}

static chat_view encode(chat__node *node, const chat__node_conn *conn, const chat_frame *frame)
{
    return chat__node_encode(node, (chat_encoding)conn->encoding, frame);
}

void chat__conn_write_frame(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__conn_write(node, conn, encode(node, conn, frame));
}

void chat__conn_write_late(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__effect *effect = emit_write(node, conn, encode(node, conn, frame));
    if (effect != NULL)
        effect->kind = CHAT__WRITE_LATE;
}

void chat__conn_write_hint(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    size_t waiting = conn->session.unsent_bytes;
    if (conn->turn == node->turn)
        waiting += conn->turn_bytes;
    if (conn->session.state != CHAT__SESSION_HELLO && waiting <= node->limits.max_unsent_bytes / 2)
        chat__conn_write_frame(node, conn, frame);
}

/* --- time --- */

static uint64_t deadline_of(const chat__node *node, const chat__node_conn *conn)
{
    uint64_t at_ms = chat__session_deadline(&conn->session);
    uint64_t seen_ms = chat__devices_due(node, conn);
    return seen_ms < at_ms ? seen_ms : at_ms;
}

void chat__conn_reschedule(chat__node *node, chat__node_conn *conn)
{
    /* Later deadlines are found when the earlier one fires: no heap work for each frame. */
    uint64_t at_ms = deadline_of(node, conn);
    if (conn->timer.place == 0 || at_ms < conn->timer.at_ms)
        (void)chat__heap_set(&node->timers, &conn->timer, at_ms);
}

static const char *why_closed(chat_status status)
{
    switch (status) {
    case CHAT_ERR_TIMEOUT:
        return "nothing was heard in time: say hello, then something every heartbeat";
    case CHAT_ERR_EXPIRED:
        return "the token has expired: connect with a new one";
    case CHAT_ERR_SLOW:
        return "what was sent was not read in time";
    default:
        return "stream frames were not acknowledged: send ack{n}";
    }
}

void chat__conn_timer_due(chat__node *node, chat__node_conn *conn)
{
    chat_status status = CHAT_OK;
    switch (chat__session_due(&conn->session, node->mono_ms, &status)) {
    case CHAT__SESSION_DUE_CLOSE:
        chat__heap_remove(&node->timers, &conn->timer);
        chat__conn_close(node, conn, status, why_closed(status));
        return;
    case CHAT__SESSION_DUE_RETRY:
        chat__deliver_retry(node, conn);
        break;
    default:
        break;
    }
    if (chat__devices_due(node, conn) <= node->mono_ms)
        chat__devices_seen(node, conn);
    (void)chat__heap_set(&node->timers, &conn->timer, deadline_of(node, conn));
}

void chat__node_since(chat__node *node, chat__conn id, uint64_t mono_ms)
{
    chat__node_conn *conn = chat__conn_of(node, id);
    if (conn == NULL || conn->session.state != CHAT__SESSION_HELLO)
        return;
    conn->session.hello_due_ms = mono_ms + node->limits.hello_timeout_ms;
    chat__conn_reschedule(node, conn);
}

void chat__node_alive(chat__node *node, chat__conn id)
{
    chat__node_conn *conn = chat__conn_of(node, id);
    if (conn != NULL)
        conn->session.seen_ms = node->mono_ms;
}

void chat__node_unsent(chat__node *node, chat__conn id, size_t bytes)
{
    chat__node_conn *conn = chat__conn_of(node, id);
    if (conn == NULL)
        return;
    chat__session_unsent(&conn->session, bytes, node->mono_ms);
    if (bytes > unsent_limit(node)) {
        chat__conn_close(node, conn, CHAT_ERR_SLOW, why_closed(CHAT_ERR_SLOW));
        return;
    }
    chat__conn_reschedule(node, conn);
    chat__deliver_pump(node, conn);
}

/* --- input --- */

/* Bytes that are no frame end the connection; a frame that is wrong costs an answer only. */
static void refuse_bytes(chat__node *node, chat__node_conn *conn, chat_status status,
                         const chat_frame *frame)
{
    chat__count(&node->counts, CHAT__EVENT_REFUSED);
    switch (status) {
    case CHAT_ERR_ARG:
        chat__request_refuse(node, conn, frame, status,
                             "a field is missing, of the wrong kind or out of range");
        return;
    case CHAT_ERR_UNSUPPORTED:
        chat__request_refuse(node, conn, frame, status, "this server knows no such frame");
        return;
    case CHAT_ERR_LIMIT:
        chat__conn_close(node, conn, status, "the frame is too large or nested too deep");
        return;
    case CHAT_ERR_NOMEM:
        chat__conn_close(node, conn, status, "out of memory");
        return;
    default:
        chat__conn_close(node, conn, status, "the message is no well-formed frame");
        return;
    }
}

void chat__node_receive(chat__node *node, chat__conn id, chat_view message)
{
    chat_frame frame;
    chat__node_conn *conn = chat__conn_of(node, id);
    if (conn == NULL)
        return;
    conn->session.seen_ms = node->mono_ms;
    if (message.len > node->options.max_frame_bytes) {
        refuse_bytes(node, conn, CHAT_ERR_LIMIT, NULL);
        return;
    }
    chat_frame_init(&frame, (chat_frame_type)0);
    chat_status status =
        chat_frame_decode(node->decoder, (chat_encoding)conn->encoding, message, &frame);
    if (status == CHAT_OK && chat_frame_direction(frame.type) != 'c' &&
        chat_frame_direction(frame.type) != 'b')
        status = CHAT_ERR_UNSUPPORTED;
    int is_hello = frame.type == CHAT_FRAME_HELLO;
    if (conn->session.state == CHAT__SESSION_HELLO && (status != CHAT_OK || !is_hello)) {
        chat__count(&node->counts, CHAT__EVENT_REFUSED);
        chat__conn_close(node, conn, status < 0 ? status : CHAT_ERR_STATE,
                         "the first frame must be a valid hello");
        return;
    }
    if (status != CHAT_OK)
        refuse_bytes(node, conn, status, &frame);
    else
        chat__request(node, conn, &frame);
}
