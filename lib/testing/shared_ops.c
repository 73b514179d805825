/* SPDX-License-Identifier: MIT */
/*
 * What nodes share, in memory: records in the order in which they came, looked through from the
 * first one on. It does the same as the scripts of libchat-redis, and the contract suite says so.
 */
#include "shared.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

/* --- records --- */

static chat_view owner_of(const chat__shared_record *r)
{
    return chat__view(r->bytes, r->owner_len);
}

chat_view chat__shared_name(const chat__shared_record *r)
{
    return chat__view(r->bytes + r->owner_len, r->name_len);
}

chat_view chat__shared_value(const chat__shared_record *r)
{
    return chat__view(r->bytes + r->owner_len + r->name_len, r->value_len);
}

static void drop(chat_test_shared *self, chat__shared_record **at)
{
    chat__shared_record *r = *at;
    *at = r->next;
    chat__alloc_free(&self->allocator, r);
}

void chat__shared_expire(chat_test_shared *self)
{
    for (chat__shared_record **at = &self->first; *at != NULL;) {
        if ((*at)->until_ms <= self->now_ms)
            drop(self, at);
        else
            at = &(*at)->next;
    }
}

/* The place of the first chat__shared_record of a kind and owner from `at` on, or of the end. */
static chat__shared_record **find(chat__shared_record **at, chat__shared_kind kind, chat_view owner)
{
    while (*at != NULL && !((*at)->kind == kind && chat__view_equal(owner_of(*at), owner)))
        at = &(*at)->next;
    return at;
}

static chat__shared_record **find_named(chat_test_shared *self, chat__shared_kind kind,
                                        chat_view owner, chat_view name)
{
    chat__shared_record **at = find(&self->first, kind, owner);
    while (*at != NULL && !chat__view_equal(chat__shared_name(*at), name))
        at = find(&(*at)->next, kind, owner);
    return at;
}

static uint32_t count(chat_test_shared *self, chat__shared_kind kind, chat_view owner)
{
    uint32_t n = 0;
    for (chat__shared_record **at = &self->first; *(at = find(at, kind, owner)) != NULL;
         at = &(*at)->next)
        n++;
    return n;
}

static void copy(uint8_t **at, chat_view view)
{
    if (view.len > 0)
        memcpy(*at, view.data, view.len);
    *at += view.len;
}

/* At the end. NULL: no memory. */
static chat__shared_record *add(chat_test_shared *self, chat__shared_kind kind,
                                const chat_shared_ask *ask, chat_view name, chat_view value)
{
    chat__shared_record **at = &self->first;
    chat__shared_record *r =
        chat__alloc_zero(&self->allocator, sizeof *r + ask->owner.len + name.len + value.len);
    if (r == NULL)
        return NULL;
    r->kind = kind;
    r->owner_len = ask->owner.len;
    r->name_len = name.len;
    r->value_len = value.len;
    r->until_ms = UINT64_MAX;
    uint8_t *bytes = r->bytes;
    copy(&bytes, ask->owner);
    copy(&bytes, name);
    copy(&bytes, value);
    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    return r;
}

static const chat_view NOTHING = {(const uint8_t *)"", 0};

/* --- ops: they fill the answer; what they find is copied into it --- */

static void show(chat__shared_result *out, chat__shared_record *r)
{
    if (out->n < CHAT_SHARED_MAX_ENTRIES)
        out->found[out->n++] = r;
}

static chat_status online(chat_test_shared *self, const chat_shared_ask *ask,
                          chat__shared_result *out)
{
    (void)out;
    chat__shared_record *r = add(self, CHAT__SHARED_DEVICE, ask, ask->name, ask->value);
    if (r == NULL)
        return CHAT_ERR_NOMEM;
    r->until_ms = self->now_ms + (uint64_t)self->options.presence_ttl_s * 1000;
    chat__shared_record **old = find_named(self, CHAT__SHARED_DEVICE, ask->owner, ask->name);
    if (*old != r)
        drop(self, old);
    return CHAT_OK;
}

static chat_status offline(chat_test_shared *self, const chat_shared_ask *ask,
                           chat__shared_result *out)
{
    chat__shared_record **at = find_named(self, CHAT__SHARED_DEVICE, ask->owner, ask->name);
    if (*at != NULL && chat__view_equal(chat__shared_value(*at), ask->value))
        drop(self, at);
    out->number = count(self, CHAT__SHARED_DEVICE, ask->owner);
    return CHAT_OK;
}

static chat_status who(chat_test_shared *self, const chat_shared_ask *ask, chat__shared_result *out)
{
    for (; out->n < ask->n_users; out->n++)
        out->numbers[out->n] = count(self, CHAT__SHARED_DEVICE, ask->users[out->n]) > 0;
    return CHAT_OK;
}

static chat_status devices(chat_test_shared *self, const chat_shared_ask *ask,
                           chat__shared_result *out)
{
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_DEVICE, ask->owner)) != NULL; at = &(*at)->next)
        show(out, *at);
    return CHAT_OK;
}

static chat__shared_record *number_of(chat_test_shared *self, chat__shared_kind kind,
                                      const chat_shared_ask *ask, chat_view name)
{
    chat__shared_record *r = *find_named(self, kind, ask->owner, name);
    return r != NULL ? r : add(self, kind, ask, name, NOTHING);
}

static chat_status queue_put(chat_test_shared *self, const chat_shared_ask *ask,
                             chat__shared_result *out)
{
    chat__shared_record *last = number_of(self, CHAT__SHARED_LAST, ask, NOTHING);
    chat__shared_record *r =
        last != NULL ? add(self, CHAT__SHARED_ENTRY, ask, NOTHING, ask->value) : NULL;
    if (r == NULL)
        return CHAT_ERR_NOMEM;
    r->number = out->number = ++last->number;
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_ENTRY, ask->owner)) != NULL; at = &(*at)->next)
        (*at)->until_ms = self->now_ms + (uint64_t)self->options.queue_ttl_s * 1000;
    while (count(self, CHAT__SHARED_ENTRY, ask->owner) > self->options.queue_limit)
        drop(self, find(&self->first, CHAT__SHARED_ENTRY, ask->owner));
    return CHAT_OK;
}

static chat_status queue_read(chat_test_shared *self, const chat_shared_ask *ask,
                              chat__shared_result *out)
{
    chat__shared_record *last = number_of(self, CHAT__SHARED_LAST, ask, NOTHING);
    chat__shared_record *cursor = *find_named(self, CHAT__SHARED_CURSOR, ask->owner, ask->name);
    if (last == NULL)
        return CHAT_ERR_NOMEM;
    uint64_t first = last->number - count(self, CHAT__SHARED_ENTRY, ask->owner);
    if (cursor == NULL) {
        cursor = add(self, CHAT__SHARED_CURSOR, ask, ask->name, NOTHING);
        if (cursor == NULL)
            return CHAT_ERR_NOMEM;
        cursor->number = first;
    }
    out->number = cursor->number < first ? first - cursor->number : 0;
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_ENTRY, ask->owner)) != NULL; at = &(*at)->next) {
        if ((*at)->number > cursor->number && out->n < ask->count)
            show(out, *at);
    }
    return CHAT_OK;
}

/* What all devices have goes. */
static void cut(chat_test_shared *self, const chat_shared_ask *ask)
{
    uint64_t least = UINT64_MAX;
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_CURSOR, ask->owner)) != NULL; at = &(*at)->next)
        least = (*at)->number < least ? (*at)->number : least;
    if (least == UINT64_MAX)
        return;
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_ENTRY, ask->owner)) != NULL;) {
        if ((*at)->number <= least)
            drop(self, at);
        else
            at = &(*at)->next;
    }
}

static chat_status queue_ack(chat_test_shared *self, const chat_shared_ask *ask,
                             chat__shared_result *out)
{
    (void)out;
    chat__shared_record *last = number_of(self, CHAT__SHARED_LAST, ask, NOTHING);
    chat__shared_record *cursor =
        last != NULL ? number_of(self, CHAT__SHARED_CURSOR, ask, ask->name) : NULL;
    if (cursor == NULL)
        return CHAT_ERR_NOMEM;
    uint64_t to = ask->number < last->number ? ask->number : last->number;
    cursor->number = to > cursor->number ? to : cursor->number;
    cut(self, ask);
    return CHAT_OK;
}

static chat_status queue_drop(chat_test_shared *self, const chat_shared_ask *ask,
                              chat__shared_result *out)
{
    (void)out;
    chat__shared_record **at = find_named(self, CHAT__SHARED_CURSOR, ask->owner, ask->name);
    if (*at != NULL)
        drop(self, at);
    cut(self, ask);
    return CHAT_OK;
}

static chat_status reserve(chat_test_shared *self, const chat_shared_ask *ask,
                           chat__shared_result *out)
{
    chat__shared_record *r = number_of(self, CHAT__SHARED_CID, ask, ask->name);
    if (r == NULL)
        return CHAT_ERR_NOMEM;
    if (r->number == 0) {
        r->number = ask->number;
        r->until_ms = self->now_ms + (uint64_t)self->options.cid_ttl_s * 1000;
    }
    out->number = r->number;
    return CHAT_OK;
}

static chat_status take(chat_test_shared *self, const chat_shared_ask *ask,
                        chat__shared_result *out)
{
    const chat__bucket_rule rule = {ask->rate, ask->burst};
    chat__shared_record *r = number_of(self, CHAT__SHARED_BUCKET, ask, NOTHING);
    if (r == NULL)
        return CHAT_ERR_NOMEM;
    (void)chat__bucket_take(&r->bucket, &rule, ask->count, self->now_ms, &out->number);
    return CHAT_OK;
}

static chat_status recent_put(chat_test_shared *self, const chat_shared_ask *ask,
                              chat__shared_result *out)
{
    (void)out;
    const chat__shared_record *end = *find(&self->first, CHAT__SHARED_RECENT_END, ask->owner);
    if (end != NULL && ask->number <= end->number)
        return CHAT_OK;
    chat__shared_record **at = find(&self->first, CHAT__SHARED_RECENT, ask->owner);
    while (*at != NULL && (*at)->number != ask->number)
        at = find(&(*at)->next, CHAT__SHARED_RECENT, ask->owner);
    chat__shared_record *r = add(self, CHAT__SHARED_RECENT, ask, NOTHING, ask->value);
    if (r == NULL)
        return CHAT_ERR_NOMEM;
    if (*at != r && *at != NULL)
        drop(self, at);
    r->number = ask->number;
    while (count(self, CHAT__SHARED_RECENT, ask->owner) > self->options.recent_count) {
        chat__shared_record **oldest = find(&self->first, CHAT__SHARED_RECENT, ask->owner);
        for (at = oldest; *(at = find(at, CHAT__SHARED_RECENT, ask->owner)) != NULL;
             at = &(*at)->next)
            oldest = (*at)->number < (*oldest)->number ? at : oldest;
        drop(self, oldest);
    }
    return CHAT_OK;
}

static chat_status recent_read(chat_test_shared *self, const chat_shared_ask *ask,
                               chat__shared_result *out)
{
    uint64_t below = ask->number != 0 ? ask->number : UINT64_MAX;
    while (out->n < ask->count) {
        chat__shared_record *next = NULL;
        for (chat__shared_record **at = &self->first;
             *(at = find(at, CHAT__SHARED_RECENT, ask->owner)) != NULL; at = &(*at)->next) {
            if ((*at)->number < below && (next == NULL || (*at)->number > next->number))
                next = *at;
        }
        if (next == NULL)
            break;
        below = next->number;
        show(out, next);
    }
    return CHAT_OK;
}

static chat_status recent_cut(chat_test_shared *self, const chat_shared_ask *ask,
                              chat__shared_result *out)
{
    (void)out;
    chat__shared_record *end = number_of(self, CHAT__SHARED_RECENT_END, ask, NOTHING);
    if (end == NULL)
        return CHAT_ERR_NOMEM;
    end->number = ask->number > end->number ? ask->number : end->number;
    for (chat__shared_record **at = &self->first;
         *(at = find(at, CHAT__SHARED_RECENT, ask->owner)) != NULL;) {
        if ((*at)->number <= ask->number)
            drop(self, at);
        else
            at = &(*at)->next;
    }
    return CHAT_OK;
}

static const struct {
    chat_status (*run)(chat_test_shared *self, const chat_shared_ask *ask,
                       chat__shared_result *out);
} OPS[] = {
    [CHAT_SHARED_ONLINE] = {online},
    [CHAT_SHARED_OFFLINE] = {offline},
    [CHAT_SHARED_WHO] = {who},
    [CHAT_SHARED_DEVICES] = {devices},
    [CHAT_SHARED_QUEUE_PUT] = {queue_put},
    [CHAT_SHARED_QUEUE_READ] = {queue_read},
    [CHAT_SHARED_QUEUE_ACK] = {queue_ack},
    [CHAT_SHARED_QUEUE_DROP] = {queue_drop},
    [CHAT_SHARED_RESERVE] = {reserve},
    [CHAT_SHARED_TAKE] = {take},
    [CHAT_SHARED_RECENT_PUT] = {recent_put},
    [CHAT_SHARED_RECENT_READ] = {recent_read},
    [CHAT_SHARED_RECENT_CUT] = {recent_cut},
};

chat_status chat__shared_run(chat_test_shared *self, const chat_shared_ask *ask,
                             chat__shared_result *out)
{
    return OPS[ask->op].run(self, ask, out);
}

void chat__shared_lose(chat_test_shared *self)
{
    while (self->first != NULL)
        drop(self, &self->first);
}
