/* SPDX-License-Identifier: MIT */
/* What the two echo programs share: the limits, and the answer to each event. */
#ifndef CHAT_TESTS_CONFORMANCE_ECHO_H
#define CHAT_TESTS_CONFORMANCE_ECHO_H

#include "base/buf.h"
#include "net/http.h"
#include "net/ws.h"

#define ECHO_MAX_TX_BYTES (64u << 20)

/* As large as conformance suites want: 16 MiB in one message, in fragments of 64 bytes. */
static const chat__ws_limits echo_limits = {
    .max_message_bytes = 16u << 20, .max_fragments = 300000, .deflate_min_bytes = 1};

/* Answer what arrived into `tx`. CHAT_OK; CHAT_ERR_CLOSED: the peer closed, the answer is written;
   CHAT_ERR_PROTOCOL: it broke the rules, a close is written; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT. */
chat_status echo_receive(chat__ws *ws, uint8_t *bytes, size_t len, chat__buf *tx);

#endif
