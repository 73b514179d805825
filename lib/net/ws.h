/* SPDX-License-Identifier: MIT */
/*
 * WebSocket framing (RFC 6455) with permessage-deflate (RFC 7692) on wslay and zlib, without I/O:
 * received bytes in, events out; messages in, bytes to send out. Client and server use it.
 *
 * A chat__ws is small and lives in the caller's connection; what a partial frame or message needs
 * (wslay's context, reassembly, inflate state) is borrowed from a chat__ws_pool, one per thread,
 * and given back when the message is complete: an idle connection holds no buffer. Deflate is
 * negotiated with no_context_takeover in both directions, so streams are shared too.
 */
#ifndef CHAT_NET_WS_H
#define CHAT_NET_WS_H

#include <chat/status.h>

#include "base/buf.h"

typedef struct chat__ws_pool chat__ws_pool;

typedef struct chat__ws_limits {
    size_t max_message_bytes; /* after inflating too; above: close 1009 */
    uint32_t max_fragments;   /* per message; above: close 1008 */
    size_t deflate_min_bytes; /* shorter messages are sent uncompressed: 512 */
} chat__ws_limits;

chat_status chat__ws_pool_new(const chat_allocator *allocator, const chat__ws_limits *limits,
                              chat__ws_pool **out);
void chat__ws_pool_free(chat__ws_pool *pool);

typedef struct chat__ws {
    chat__ws_pool *pool;
    void *partial;       /* borrowed while a frame or message is incomplete, else NULL */
    uint8_t is_client;   /* masks what it sends, refuses masked input; a server the reverse */
    uint8_t has_deflate; /* permessage-deflate was negotiated: 1, or the bits (9..15) of the largest
                            window that the peer lets us compress with */
    uint8_t is_close_sent;
    uint8_t is_closed; /* a close frame or error was seen: nothing more is read */
} chat__ws;

void chat__ws_init(chat__ws *ws, chat__ws_pool *pool, int is_client, int has_deflate);
void chat__ws_done(chat__ws *ws); /* gives back what is borrowed */

typedef enum chat__ws_event_type {
    CHAT__WS_TEXT = 1, /* a whole message, valid UTF-8 */
    CHAT__WS_BINARY,
    CHAT__WS_PING, /* answer with chat__ws_write(PONG, same payload) */
    CHAT__WS_PONG,
    CHAT__WS_CLOSE, /* the peer closes: `code` (1005: none), payload is the reason; answer with
                       chat__ws_write_close(the same code; 1000 for 1005), then close */
    CHAT__WS_FAIL   /* the peer broke the rules: send a close with `code`, then close */
} chat__ws_event_type;

typedef struct chat__ws_event {
    chat__ws_event_type type;
    uint16_t code;
    chat_view payload; /* borrowed until the next call on this ws or its pool */
    const char *why;   /* FAIL: one line for people */
} chat__ws_event;

/*
 * Take received bytes until one event is complete. `*used` bytes are consumed; they may be changed
 * (unmasked in place). CHAT_OK: `*out` written, call again with the rest; CHAT_MORE: all consumed,
 * no event yet; CHAT_ERR_NOMEM: close the connection.
 */
chat_status chat__ws_read(chat__ws *ws, uint8_t *bytes, size_t len, size_t *used,
                          chat__ws_event *out);

typedef enum chat__ws_opcode {
    CHAT__WS_OP_TEXT = 1,
    CHAT__WS_OP_BINARY = 2,
    CHAT__WS_OP_PING = 9,
    CHAT__WS_OP_PONG = 10
} chat__ws_opcode;

/* Append one message or control frame to `out`; compressed when negotiated, long enough and
   smaller. CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM (nothing appended). */
chat_status chat__ws_write(chat__ws *ws, chat__ws_opcode opcode, chat_view payload, chat__buf *out);

/* Equal for two connections of one side: the same message makes the same bytes for both. */
uint32_t chat__ws_way(const chat__ws *ws, chat__ws_opcode opcode, size_t payload_len);

/* Append a close frame; reason is cut at 123 bytes on a character's edge. Once: later calls do
   nothing. */
chat_status chat__ws_write_close(chat__ws *ws, uint16_t code, const char *reason, chat__buf *out);

#endif
