/* SPDX-License-Identifier: MIT */
/*
 * The little of WebSocket framing (RFC 6455 section 5) that the load generator and the bare relay
 * share: whole frames only, no fragments; a compressed one is marked. Kept apart from the library's
 * own adapter so that a fault in that one does not hide in its measurement.
 */
#ifndef CHAT_TESTS_BENCH_WSFRAME_H
#define CHAT_TESTS_BENCH_WSFRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_OP_TEXT = 1,
    BENCH_OP_BINARY = 2,
    BENCH_OP_CLOSE = 8,
    BENCH_OP_PING = 9,
    BENCH_OP_PONG = 10,
    BENCH_WS_MAX_HEAD = 14
};

typedef struct bench_ws_frame {
    uint8_t opcode;
    uint8_t is_compressed; /* RFC 7692 section 6 */
    uint8_t *payload;      /* in the bytes that were read, unmasked in place */
    size_t len;
    size_t total; /* bytes of the whole frame */
} bench_ws_frame;

/* 1: a whole frame; 0: more bytes are needed; -1: a frame that is not understood here. */
int bench_ws_read(uint8_t *bytes, size_t len, bench_ws_frame *out);

/* Write a frame's head to `out`; `mask` NULL writes no mask. Returns its length. */
size_t bench_ws_head(uint8_t *out, uint8_t opcode, size_t len, const uint8_t mask[4]);

void bench_ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[4]);

#endif
