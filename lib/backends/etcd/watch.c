/* SPDX-License-Identifier: MIT */
/* See watch.h. */
#include "backends/etcd/watch.h"
#include "base/view.h"

#include <stdio.h>
#include <string.h>

#define NEVER          UINT64_MAX
#define PAUSE_MS       500u
#define MAX_BODY_BYTES 1024u

void chat__etcd_watch_init(chat__etcd_watch *watch, const chat_allocator *allocator,
                           const chat__etcd_endpoints *endpoints, const char *from, const char *end,
                           uint32_t timeout_ms)
{
    memset(watch, 0, sizeof *watch);
    watch->endpoints = *endpoints;
    watch->timeout_ms = timeout_ms;
    (void)snprintf(watch->from, sizeof watch->from, "%s", from);
    (void)snprintf(watch->end, sizeof watch->end, "%s", end);
    chat__buf_init(&watch->body, allocator, MAX_BODY_BYTES);
}

void chat__etcd_watch_done(chat__etcd_watch *watch)
{
    chat__buf_done(&watch->body);
}

uint64_t chat__etcd_watch_deadline(const chat__etcd_watch *watch)
{
    return watch->is_calling ? NEVER : watch->at_ms;
}

chat_status chat__etcd_watch_next_call(chat__etcd_watch *watch, uint64_t mono_ms,
                                       chat__etcd_call *out)
{
    if (watch->is_calling || mono_ms < watch->at_ms)
        return CHAT_EMPTY;
    watch->body.len = 0;
    chat__etcd_writer writer = chat__etcd_write(&watch->body);
    chat__etcd_put_watch(&writer, watch->from, watch->end);
    if (writer.status != CHAT_OK) { /* no memory: later */
        watch->at_ms = mono_ms + PAUSE_MS;
        return CHAT_EMPTY;
    }
    watch->is_calling = 1;
    *out = (chat__etcd_call){watch->endpoint, "/v3/watch", chat__buf_view(&watch->body),
                             watch->timeout_ms, 1};
    return CHAT_OK;
}

void chat__etcd_watch_end(chat__etcd_watch *watch, uint64_t mono_ms)
{
    watch->is_calling = watch->is_up = 0;
    watch->endpoint = (watch->endpoint + 1) % watch->endpoints.n_items;
    watch->at_ms = mono_ms + PAUSE_MS;
}

/* 0: the stream is of no more use. */
static int on_line(chat__etcd_watch *watch, chat_view line)
{
    chat__etcd_answer answer;
    if (chat__etcd_read(line, &answer) != CHAT_OK)
        return 0;
    int is_good = answer.code == 0 && !answer.is_canceled && answer.revision != 0;
    chat__etcd_answer_done(&answer);
    watch->is_up = watch->has_news = (uint8_t)is_good;
    return is_good;
}

size_t chat__etcd_watch_feed(chat__etcd_watch *watch, chat_view bytes, uint64_t mono_ms)
{
    size_t used = 0;
    while (watch->is_calling) {
        const uint8_t *start = bytes.data + used;
        const uint8_t *end = used < bytes.len ? memchr(start, '\n', bytes.len - used) : NULL;
        if (end == NULL)
            return used;
        size_t len = (size_t)(end - start);
        used += len + 1;
        if (len > 0 && !on_line(watch, chat__view(start, len)))
            chat__etcd_watch_end(watch, mono_ms);
    }
    return bytes.len;
}

int chat__etcd_watch_is_up(const chat__etcd_watch *watch)
{
    return watch->is_up;
}

int chat__etcd_watch_take_news(chat__etcd_watch *watch)
{
    int has_news = watch->has_news;
    watch->has_news = 0;
    return has_news;
}
