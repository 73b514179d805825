/* SPDX-License-Identifier: MIT */
/*
 * One call to etcd at a time by libcurl, on the caller's loop: a descriptor that never changes and
 * a deadline. Only https? is spoken, redirects are not followed, no proxy of the environment is
 * used. With a user a token is asked for in front of the first call, and again when etcd does not
 * take it any more.
 */
#ifndef CHAT_ETCD_HTTP_H
#define CHAT_ETCD_HTTP_H

#include <chat/status.h>

#include "backends/etcd/call.h"

typedef struct chat__etcd_http chat__etcd_http;

typedef struct chat__etcd_http_options {
    const chat_allocator *allocator;
    chat__etcd_endpoints endpoints;  /* borrowed */
    const chat__etcd_access *access; /* borrowed */
    uint32_t max_reply_bytes;        /* of a stream: of what is not taken yet */
} chat__etcd_http_options;

/* CHAT_OK; CHAT_ERR_NOMEM: no memory, or no descriptor. */
chat_status chat__etcd_http_new(const chat__etcd_http_options *options, chat__etcd_http **out);
/* NULL does nothing. */
void chat__etcd_http_free(chat__etcd_http *http);

/* Ask; what was asked before is dropped. The body is borrowed until the reply. */
void chat__etcd_http_start(chat__etcd_http *http, const chat__etcd_call *call, uint64_t mono_ms);

int chat__etcd_http_fd(const chat__etcd_http *http);
uint64_t chat__etcd_http_deadline(const chat__etcd_http *http);
void chat__etcd_http_process(chat__etcd_http *http, uint64_t mono_ms);

/* CHAT_OK: the call is over, borrowed until the next start; once. CHAT_EMPTY. */
chat_status chat__etcd_http_reply(chat__etcd_http *http, chat__etcd_reply *out);

/* Of a stream: what has come, borrowed until the next call; then how much of it was used. */
chat_view chat__etcd_http_stream(const chat__etcd_http *http);
void chat__etcd_http_used(chat__etcd_http *http, size_t n);

#endif
