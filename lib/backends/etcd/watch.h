/* SPDX-License-Identifier: MIT */
/*
 * Whether something may have changed between two keys, as a function of etcd's answers and of time:
 * a watch, begun again at the next endpoint when it ends. What it tells is not kept: whoever hears
 * that there is news looks. A stream can be dead without a sign of it, so look now and then anyway.
 */
#ifndef CHAT_ETCD_WATCH_H
#define CHAT_ETCD_WATCH_H

#include "backends/etcd/call.h"
#include "backends/etcd/wire.h"

typedef struct chat__etcd_watch {
    chat__etcd_endpoints endpoints;
    chat__buf body;
    char from[CHAT__ETCD_KEY_MAX], end[CHAT__ETCD_KEY_MAX];
    uint64_t at_ms; /* nothing is asked before */
    uint32_t timeout_ms;
    uint32_t endpoint;
    uint8_t is_calling, is_up, has_news;
} chat__etcd_watch;

/* Of the keys from `from` on and before `end`; both are copied. `endpoints` are borrowed. */
void chat__etcd_watch_init(chat__etcd_watch *watch, const chat_allocator *allocator,
                           const chat__etcd_endpoints *endpoints, const char *from, const char *end,
                           uint32_t timeout_ms);
void chat__etcd_watch_done(chat__etcd_watch *watch);

/* When the next call is to be asked for; UINT64_MAX: one is under way. */
uint64_t chat__etcd_watch_deadline(const chat__etcd_watch *watch);
/* CHAT_OK: ask this, a stream; CHAT_EMPTY. */
chat_status chat__etcd_watch_next_call(chat__etcd_watch *watch, uint64_t mono_ms,
                                       chat__etcd_call *out);
/* Bytes of the stream: how many of them were used. What is left comes again, with more behind it.
 */
size_t chat__etcd_watch_feed(chat__etcd_watch *watch, chat_view bytes, uint64_t mono_ms);
/* The stream has ended, or could not begin. */
void chat__etcd_watch_end(chat__etcd_watch *watch, uint64_t mono_ms);

/* Whether changes are told. */
int chat__etcd_watch_is_up(const chat__etcd_watch *watch);
/* Whether there may have been one since this was asked last; so it is when a stream begins. */
int chat__etcd_watch_take_news(chat__etcd_watch *watch);

#endif
