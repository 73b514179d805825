/* SPDX-License-Identifier: MIT */
/* What nodes share, for tests: the table, and answers until they are read. */
#include "shared.h"

#include "base/alloc.h"
#include "base/shared_ask.h"
#include "base/sized.h"
#include "base/view.h"

#include <string.h>

static const chat_view NOTHING = {(const uint8_t *)"", 0};

static chat_view keep(uint8_t **at, chat_view view)
{
    chat_view kept = chat__view(*at, view.len);
    if (view.len > 0)
        memcpy(*at, view.data, view.len);
    *at += view.len;
    return kept;
}

/* NULL: no memory. */
static chat__shared_answer *make_answer(chat_test_shared *self, const chat__shared_result *found,
                                        int is_who)
{
    size_t size = sizeof(chat__shared_answer) + found->n * sizeof(chat_shared_item) + 1;
    for (uint32_t i = 0; i < found->n && !is_who; i++)
        size += found->found[i]->name_len + found->found[i]->value_len;
    chat__shared_answer *a = chat__alloc_zero(&self->allocator, size);
    if (a == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(a->items + found->n);
    for (uint32_t i = 0; i < found->n; i++) {
        a->items[i].name = is_who ? NOTHING : keep(&at, chat__shared_name(found->found[i]));
        a->items[i].value = is_who ? NOTHING : keep(&at, chat__shared_value(found->found[i]));
        a->items[i].number = is_who ? found->numbers[i]
                             : found->found[i]->kind == CHAT__SHARED_DEVICE
                                 ? 0
                                 : found->found[i]->number;
    }
    a->event.items = found->n > 0 ? a->items : NULL;
    a->event.n_items = found->n;
    a->event.number = found->number;
    return a;
}

static void take_time(chat_test_shared *self, uint64_t now_ms)
{
    self->now_ms = now_ms > self->now_ms ? now_ms : self->now_ms;
    chat__shared_expire(self);
}

static chat_status ask_it(void *ctx, const chat_shared_ask *from, uint64_t now_ms)
{
    chat_test_shared *self = ctx;
    chat_shared_ask ask = {.struct_size = sizeof ask};
    chat__shared_result *found;
    if (from == NULL || chat__sized_take(&ask, sizeof ask, from) != CHAT_OK ||
        !chat__shared_ask_is_right(&ask))
        return CHAT_ERR_ARG;
    if (self->n_answers == self->options.max_asks)
        return CHAT_ERR_BUSY;
    take_time(self, now_ms);
    found = chat__alloc_zero(&self->allocator, sizeof *found);
    if (found == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = self->fails;
    if (status == CHAT_OK || status == CHAT_ERR_TIMEOUT)
        status = chat__shared_run(self, &ask, found);
    if (self->fails != CHAT_OK)
        found->n = 0;
    chat__shared_answer *a = make_answer(self, found, ask.op == CHAT_SHARED_WHO);
    chat__alloc_free(&self->allocator, found);
    if (a == NULL)
        return CHAT_ERR_NOMEM;
    a->event.struct_size = sizeof a->event;
    a->event.type = CHAT_SHARED_EVENT_ANSWER;
    a->event.status = self->fails != CHAT_OK ? self->fails : status;
    a->event.op = ask.op;
    a->event.tag = ask.tag;
    if (a->event.status != CHAT_OK)
        a->event.number = 0;
    *self->last_answer = a;
    self->last_answer = &a->next;
    self->n_answers++;
    return CHAT_OK;
}

static int fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static uint64_t deadline(void *ctx)
{
    const chat_test_shared *self = ctx;
    return self->answers != NULL && !self->is_held ? 0 : UINT64_MAX;
}

static void process(void *ctx, uint64_t now_ms)
{
    take_time(ctx, now_ms);
}

static void free_lent(chat_test_shared *self)
{
    if (self->lent != NULL)
        chat__alloc_free(&self->allocator, self->lent);
    self->lent = NULL;
}

static void take_answer(chat_test_shared *self)
{
    free_lent(self);
    self->lent = self->answers;
    self->answers = self->lent->next;
    if (self->answers == NULL)
        self->last_answer = &self->answers;
    self->n_answers--;
}

static chat_status next_event(void *ctx, chat_shared_event *out)
{
    chat_test_shared *self = ctx;
    if (out == NULL)
        return CHAT_ERR_ARG;
    if (self->answers == NULL || self->is_held)
        return CHAT_EMPTY;
    take_answer(self);
    return chat__sized_give(out, &self->lent->event, sizeof self->lent->event);
}

/* --- made, scripted and freed --- */

void chat_test_shared_options_init(chat_test_shared_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->presence_ttl_s = 60;
    options->queue_ttl_s = 604800;
    options->queue_limit = 10000;
    options->cid_ttl_s = 86400;
    options->recent_count = 64;
    options->max_asks = 4096;
}

chat_status chat_test_shared_new(const chat_test_shared_options *options, chat_test_shared **out)
{
    chat_test_shared_options o;
    chat_test_shared_options_init(&o);
    if (out == NULL || options == NULL || chat__sized_take(&o, sizeof o, options) != CHAT_OK ||
        o.presence_ttl_s == 0 || o.queue_ttl_s == 0 || o.queue_limit == 0 || o.cid_ttl_s == 0 ||
        o.recent_count == 0 || o.max_asks == 0)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(o.allocator);
    chat_test_shared *self = chat__alloc_zero(&allocator, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    const chat_shared table = {sizeof table, 0, self, fd, deadline, ask_it, process, next_event};
    self->allocator = allocator;
    self->options = o;
    self->table = table;
    self->last_answer = &self->answers;
    *out = self;
    return CHAT_OK;
}

const chat_shared *chat_test_shared_table(const chat_test_shared *shared)
{
    return &shared->table;
}

void chat_test_shared_fail(chat_test_shared *shared, chat_status status)
{
    shared->fails = status;
}

void chat_test_shared_hold(chat_test_shared *shared, int is_held)
{
    shared->is_held = is_held;
}

void chat_test_shared_lose(chat_test_shared *shared)
{
    chat__shared_lose(shared);
}

void chat_test_shared_free(chat_test_shared *shared)
{
    if (shared == NULL)
        return;
    chat_test_shared_lose(shared);
    while (shared->answers != NULL)
        take_answer(shared);
    free_lent(shared);
    chat__alloc_free(&shared->allocator, shared);
}
