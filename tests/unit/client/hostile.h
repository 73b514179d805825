/* SPDX-License-Identifier: MIT */
/*
 * A server that lies: it speaks HTTP, WebSocket and well-formed frames, and says in them whatever
 * comes, about what the client asked and sent.
 */
#ifndef CHAT_TESTS_CLIENT_HOSTILE_H
#define CHAT_TESTS_CLIENT_HOSTILE_H

#include "frames.h"
#include "net/http.h"
#include "net/ws.h"
#include "unit.h"

#include <stdio.h>

#define HOSTILE_N 64u /* of what the client said is remembered, and repeated */

struct hostile {
    uint64_t random;
    chat__ws_pool *pool;
    chat__ws ws;
    int is_up;
    chat__buf rx, tx;
    chat_decoder *decoder;
    uint64_t rs[HOSTILE_N];
    char cids[HOSTILE_N][CHAT_ID_MAX_BYTES + 1];
    unsigned n_rs, n_cids;
};

/* xorshift64: the same row for the same seed. */
static inline uint64_t hostile_random(struct hostile *h, uint64_t below)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % below;
}

static inline void hostile_init(struct hostile *h, uint64_t seed)
{
    chat__ws_limits limits = {1 << 20, 100, 512};
    memset(h, 0, sizeof *h);
    h->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    assert_int_equal(chat__ws_pool_new(NULL, &limits, &h->pool), CHAT_OK);
    assert_int_equal(chat_decoder_new(NULL, 1 << 20, &h->decoder), CHAT_OK);
    chat__buf_init(&h->rx, NULL, 1 << 20);
    chat__buf_init(&h->tx, NULL, 1 << 22);
}

static inline void hostile_hang_up(struct hostile *h)
{
    if (h->is_up)
        chat__ws_done(&h->ws);
    h->is_up = 0;
    h->rx.len = 0;
    h->tx.len = 0;
}

static inline void hostile_done(struct hostile *h)
{
    hostile_hang_up(h);
    chat_decoder_free(h->decoder);
    chat__buf_done(&h->rx);
    chat__buf_done(&h->tx);
    chat__ws_pool_free(h->pool);
}

/* --- what it says --- */

static inline uint64_t hostile_number(struct hostile *h)
{
    static const uint64_t edges[] = {
        0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX, UINT64_C(1) << 53};
    return hostile_random(h, 8) == 0 ? edges[hostile_random(h, 6)] : hostile_random(h, 40);
}

static inline chat_view hostile_text(struct hostile *h, const chat__wire_field *field)
{
    static const char *const ids[] = {"alice", "bob", "car\xc3\xb6l", "room", "d"};
    static const char *const chats[] = {"room", "dm:5:alice:bob", "me:alice", "other"};
    static const char *const texts[] = {"",     "edit",  "delete", "react", "remove",    "leave",
                                        "text", "title", "member", "reset", "recovered", "gap"};
    if (field->kind == CHAT__WIRE_CHAT)
        return chat__view_str(chats[hostile_random(h, 4)]);
    if (field->kind == CHAT__WIRE_ID)
        return chat__view_str(ids[hostile_random(h, 5)]);
    return chat__view_str(texts[hostile_random(h, 12)]);
}

/* One of what the client said: the newest HOSTILE_N of them. */
static inline unsigned hostile_pick(struct hostile *h, unsigned n)
{
    return (unsigned)hostile_random(h, n < HOSTILE_N ? n : HOSTILE_N);
}

static inline void hostile_put(struct hostile *h, chat_frame *frame, unsigned key)
{
    const chat__wire_field *field = &chat__wire_fields[key];
    const chat_view_list list = {FRAMES_IDS, (size_t)hostile_random(h, 3)};
    frame->has |= CHAT_FIELD_BIT(key);
    if (key == CHAT_FIELD_KEY_R && h->n_rs > 0) {
        frame->r = h->rs[hostile_pick(h, h->n_rs)];
        return;
    }
    if (key == CHAT_FIELD_KEY_CID && h->n_cids > 0) {
        frame->cid = chat__view_str(h->cids[hostile_pick(h, h->n_cids)]);
        return;
    }
    if (field->kind == CHAT__WIRE_IDS)
        *chat__wire_list_at(frame, field) = list;
    else if (field->kind <= CHAT__WIRE_TEXT)
        *chat__wire_text_at(frame, field) = hostile_text(h, field);
    else
        *chat__wire_number_at(frame, field) =
            field->kind == CHAT__WIRE_BOOL ? hostile_random(h, 2) : hostile_number(h);
}

/* Any frame of any type; what the codec refuses is not said. */
static inline void hostile_say_something(struct hostile *h)
{
    uint8_t bytes[4096];
    size_t len = 0;
    unsigned n_types = 0;
    chat_frame frame;
    while (chat__wire_types[n_types].number != 0)
        n_types++;
    const chat__wire_type *type = &chat__wire_types[hostile_random(h, n_types)];
    uint64_t has = type->required | (type->allowed & hostile_random(h, UINT64_MAX));
    chat_frame_init(&frame, (chat_frame_type)type->number);
    for (; has != 0; has &= has - 1)
        hostile_put(h, &frame, (unsigned)__builtin_ctzll(has));
    if (chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len) == CHAT_OK)
        (void)chat__ws_write(&h->ws, CHAT__WS_OP_BINARY, chat__view(bytes, len), &h->tx);
}

static inline void hostile_welcome(struct hostile *h)
{
    uint8_t bytes[256];
    size_t len = 0;
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_WELCOME);
    CHAT_FRAME_SET(&frame, USER, user, chat__view_str("alice"));
    CHAT_FRAME_SET(&frame, DEVICE, device, chat__view_str("d"));
    CHAT_FRAME_SET(&frame, HEARTBEAT, heartbeat_ms, 30000);
    CHAT_FRAME_SET(&frame, MAX_BODY, max_body_bytes, 65536);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    (void)chat__ws_write(&h->ws, CHAT__WS_OP_BINARY, chat__view(bytes, len), &h->tx);
}

/* --- what it hears --- */

static inline void hostile_hear(struct hostile *h, chat_view message)
{
    chat_frame frame;
    assert_int_equal(chat_frame_decode(h->decoder, CHAT_ENCODING_CBOR, message, &frame), CHAT_OK);
    assert_true(chat__frame_is_from_client(&frame));
    if (CHAT_FRAME_HAS(&frame, R))
        h->rs[h->n_rs++ % HOSTILE_N] = frame.r;
    if (CHAT_FRAME_HAS(&frame, CID))
        snprintf(h->cids[h->n_cids++ % HOSTILE_N], sizeof h->cids[0], "%.*s", (int)frame.cid.len,
                 (const char *)frame.cid.data);
    if (frame.type == CHAT_FRAME_HELLO && hostile_random(h, 20) != 0)
        hostile_welcome(h);
}

static inline void hostile_upgrade(struct hostile *h)
{
    chat__http_request request;
    size_t head_len = 0;
    memset(&request, 0, sizeof request);
    if (chat__http_parse_request(chat__buf_view(&h->rx), 0, &request, &head_len) != CHAT_OK)
        return;
    assert_int_equal(chat__http_write_switch(&request, 0, &h->tx), CHAT_OK);
    chat__ws_init(&h->ws, h->pool, 0, 0);
    h->is_up = 1;
    chat__buf_consume(&h->rx, head_len);
}

/* Bytes of the client. */
static inline void hostile_take(struct hostile *h, const uint8_t *bytes, size_t len)
{
    assert_int_equal(chat__buf_append(&h->rx, bytes, len), CHAT_OK);
    if (!h->is_up)
        hostile_upgrade(h);
    while (h->is_up && h->rx.len > 0) {
        chat__ws_event event;
        size_t used = 0;
        memset(&event, 0, sizeof event);
        chat_status status = chat__ws_read(&h->ws, h->rx.data, h->rx.len, &used, &event);
        assert_true(status == CHAT_OK || status == CHAT_MORE);
        assert_int_not_equal(event.type, CHAT__WS_FAIL);
        if (status == CHAT_OK && event.type == CHAT__WS_BINARY)
            hostile_hear(h, event.payload);
        chat__buf_consume(&h->rx, used);
        if (used == 0)
            break;
    }
}

#endif
