/* SPDX-License-Identifier: MIT */
/* Two ends of a link with a wire between them that tests cut, delay and forge. */
#ifndef CHAT_TESTS_TRUNK_RIG_H
#define CHAT_TESTS_TRUNK_RIG_H

#include "base/view.h"
#include "net/trunk.h"

#include <stdio.h>
#include <string.h>

#define RIG_ENOUGH SIZE_MAX

typedef struct rig_side {
    const chat_allocator *allocator;
    chat__ws_pool *hello_pool, *pool;
    chat__trunk_hello_options own;
    chat__trunk *trunk;
    chat__trunk_hello *hello;
    chat__trunk_peer peer;
    chat__buf out;      /* on its way to the other side */
    uint64_t n_records; /* that came */
    uint64_t n_bytes;   /* of them, not told as worked off */
    uint64_t next;      /* the number that the next record must have */
    int is_out_of_order;
} rig_side;

typedef struct rig {
    rig_side dialer, acceptor;
    uint64_t now_ms;
    uint64_t serial; /* of connections */
    size_t step;     /* bytes that are fed at once, 0: all */
} rig;

static inline chat_status rig_side_open(rig_side *side, const chat_allocator *allocator,
                                        int is_dialer)
{
    chat__trunk_options options = {allocator, NULL, 65536, 262144, 9000};
    memset(side, 0, sizeof *side);
    side->allocator = allocator;
    chat__buf_init(&side->out, allocator, SIZE_MAX);
    chat_status status = chat__ws_pool_new(allocator, &chat__trunk_hello_limits, &side->hello_pool);
    if (status == CHAT_OK)
        status = chat__ws_pool_new(allocator, &chat__trunk_limits, &side->pool);
    options.pool = side->pool;
    if (status == CHAT_OK)
        status = chat__trunk_new(&options, &side->trunk);
    side->own = (chat__trunk_hello_options){.allocator = allocator,
                                            .pool = side->hello_pool,
                                            .is_dialer = is_dialer,
                                            .host_header = is_dialer ? "other.test:7000" : NULL,
                                            .secret = chat__view_str("a secret of the cluster"),
                                            .cluster = chat__view_str("here"),
                                            .setup = chat__view_str("shards=2 partitions=64"),
                                            .self = is_dialer ? 0 : 1,
                                            .peer = is_dialer ? 1 : 0,
                                            .instance = is_dialer ? 100 : 200,
                                            .window_bytes = 65536,
                                            .timeout_ms = 9000};
    return status;
}

static inline void rig_side_close(rig_side *side)
{
    chat__trunk_hello_free(side->hello);
    chat__trunk_free(side->trunk);
    chat__ws_pool_free(side->hello_pool);
    chat__ws_pool_free(side->pool);
    chat__buf_done(&side->out);
}

static inline chat_status rig_open(rig *r, const chat_allocator *allocator)
{
    memset(r, 0, sizeof *r);
    r->now_ms = 1000;
    chat_status status = rig_side_open(&r->dialer, allocator, 1);
    chat_status other = rig_side_open(&r->acceptor, allocator, 0);
    return status != CHAT_OK ? status : other;
}

static inline void rig_close(rig *r)
{
    rig_side_close(&r->dialer);
    rig_side_close(&r->acceptor);
}

/* --- greeting --- */

static inline void rig_hang_up(rig *r)
{
    rig_side *sides[] = {&r->dialer, &r->acceptor};
    for (int i = 0; i < 2; i++) {
        chat__trunk_hello_free(sides[i]->hello);
        sides[i]->hello = NULL;
        chat__trunk_leave(sides[i]->trunk);
        sides[i]->out.len = 0;
    }
}

static inline chat_status rig_dial(rig *r)
{
    rig_side *dialer = &r->dialer, *acceptor = &r->acceptor;
    rig_hang_up(r);
    r->serial++;
    chat__trunk_state(dialer->trunk, &dialer->own.session, &dialer->own.received);
    memset(dialer->own.random, (int)(r->serial * 2), sizeof dialer->own.random);
    memset(acceptor->own.random, (int)(r->serial * 2 + 1), sizeof acceptor->own.random);
    memset(dialer->own.key, (int)r->serial, sizeof dialer->own.key);
    chat_status status = chat__trunk_hello_new(&dialer->own, &dialer->hello);
    return status == CHAT_OK ? chat__trunk_hello_new(&acceptor->own, &acceptor->hello) : status;
}

static inline chat_status rig_join(rig *r, rig_side *to)
{
    chat_status status =
        chat__trunk_join(to->trunk, to->own.is_dialer, &to->peer, 1000 + r->serial, r->now_ms);
    chat__trunk_hello_free(to->hello);
    to->hello = NULL;
    return status;
}

static inline void rig_take(rig_side *to, chat_view records)
{
    chat__trunk_record record;
    to->n_bytes += records.len;
    while (chat__trunk_next_record(&records, &record) == CHAT_OK) {
        uint64_t number = 0;
        memcpy(&number, record.frame.data, record.frame.len < 8 ? record.frame.len : 8);
        to->is_out_of_order = to->is_out_of_order || number != to->next;
        to->next++;
        to->n_records++;
    }
}

/* Feed bytes from memory of their own size. CHAT_OK, or why it ended. */
static inline chat_status rig_feed(rig *r, rig_side *to, uint8_t *bytes, size_t len)
{
    size_t at = 0;
    chat_status status = CHAT_MORE;
    chat__trunk_heard(to->trunk, r->now_ms);
    while (at < len) {
        size_t used = 0;
        chat_view records;
        if (to->hello != NULL) {
            status = chat__trunk_hello_feed(to->hello, bytes + at, len - at, &used, &to->peer);
            if (status == CHAT_OK)
                status = rig_join(r, to);
        } else {
            status = chat__trunk_feed(to->trunk, bytes + at, len - at, &used, &records);
            if (status == CHAT_OK)
                rig_take(to, records);
        }
        at += used;
        if (status != CHAT_OK && status != CHAT_MORE)
            return status;
    }
    return CHAT_OK;
}

static inline chat_status rig_pull(rig *r, rig_side *from)
{
    chat_status status = CHAT_OK;
    if (from->hello != NULL) {
        chat__buf *out = chat__trunk_hello_output(from->hello);
        status = chat__buf_append(&from->out, out->data, out->len);
        if (status == CHAT_OK)
            out->len = 0;
        return status;
    }
    return chat__trunk_pull(from->trunk, RIG_ENOUGH, r->now_ms, &from->out);
}

/* Carry what one side has to say to the other. CHAT_EMPTY: nothing. */
static inline chat_status rig_carry(rig *r, rig_side *from, rig_side *to)
{
    chat_status status = rig_pull(r, from);
    chat_status said = CHAT_OK;
    if (from->out.len == 0 || status != CHAT_OK)
        return status == CHAT_OK ? CHAT_EMPTY : status;
    for (size_t at = 0, n; at < from->out.len && said == CHAT_OK; at += n) {
        uint8_t piece[4096];
        size_t step = r->step == 0 || r->step > sizeof piece ? sizeof piece : r->step;
        n = from->out.len - at < step ? from->out.len - at : step;
        memcpy(piece, from->out.data + at, n);
        said = rig_feed(r, to, piece, n);
        if (said == CHAT_OK)
            status = rig_pull(r, to);
    }
    from->out.len = 0;
    return said != CHAT_OK ? said : status;
}

/* Until both are silent. CHAT_OK, or the first failure. */
static inline chat_status rig_run(rig *r)
{
    for (;;) {
        chat_status there = rig_carry(r, &r->dialer, &r->acceptor);
        if (there != CHAT_OK && there != CHAT_EMPTY)
            return there;
        chat_status back = rig_carry(r, &r->acceptor, &r->dialer);
        if (back != CHAT_OK && back != CHAT_EMPTY)
            return back;
        if (there == CHAT_EMPTY && back == CHAT_EMPTY)
            return CHAT_OK;
    }
}

static inline void rig_work_off(rig_side *side)
{
    uint64_t session, received;
    chat__trunk_state(side->trunk, &session, &received);
    chat__trunk_consumed(side->trunk, session, side->n_bytes);
    side->n_bytes = 0;
}

/* A frame of `len` bytes that starts with its number. */
static inline chat_status rig_send(rig_side *side, uint64_t number, size_t len)
{
    static uint8_t frame[262144];
    memcpy(frame, &number, sizeof number);
    chat__trunk_record record = {side->own.self, side->own.peer, chat__view(frame, len)};
    return chat__trunk_send(side->trunk, &record);
}

#endif
