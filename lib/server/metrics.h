/* SPDX-License-Identifier: MIT */
/*
 * GET /metrics: what the server did and what it holds, in the text format of Prometheus. Each shard
 * publishes its figures at the end of a turn; who is asked adds them up. docs/operations.md lists
 * them, and a test compares.
 */
#ifndef CHAT_SERVER_METRICS_H
#define CHAT_SERVER_METRICS_H

#include "internal.h"

/* @thread the shard's own */
void chat__metrics_publish(chat__shard *shard);

/* @thread any shard. Append the page. CHAT_OK; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT. */
chat_status chat__metrics_write(chat_server *server, chat__buf *out);

#endif
