/* SPDX-License-Identifier: MIT */
/* See slots.h. What is asked next follows from what there is to do, each time anew. */
#include "backends/etcd/advice.h"
#include "backends/etcd/slots_internal.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NEVER          UINT64_MAX
#define MS_IN_SECOND   1000u
#define LOOK_MS        500u
#define FIRST_PAUSE_MS 100u
#define MAX_PAUSE_MS   1000u
#define MIN_TIMEOUT_MS 200u
#define MAX_TIMEOUT_MS 5000u
#define MAX_RELEASE_MS 1500u
#define RENEW_PART     3u
#define LOOK_PART      4u /* of the ttl: when changes are heard of */
#define TIMEOUT_PART   5u
#define MAX_BODY_BYTES 8192u

/* --- life --- */

chat_status chat__etcd_slots_new(const chat__etcd_slots_options *options, chat__etcd_slots **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    const chat_places_wish *wish = options->wish;
    if (wish->n_slots == 0 || wish->n_slots > CHAT_PLACES_MAX_SLOTS ||
        wish->member > CHAT__SLOTS_MAX_MEMBER || options->endpoints.n_items == 0 ||
        strlen(options->prefix) > CHAT__ETCD_PREFIX_MAX || options->ttl_ms < MS_IN_SECOND ||
        (wish->address != NULL && strlen(wish->address) >= CHAT_PLACES_ADDRESS_BYTES))
        return CHAT_ERR_ARG;
    chat__etcd_slots *self = chat__alloc_zero(&allocator, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    self->allocator = allocator;
    self->endpoints = options->endpoints;
    self->ttl_ms = options->ttl_ms;
    self->member = wish->member;
    self->n_slots = wish->n_slots;
    self->runs_slots = wish->runs_slots;
    if (wish->address != NULL)
        memcpy(self->address, wish->address, strlen(wish->address));
    memcpy(self->prefix, options->prefix, strlen(options->prefix));
    chat__buf_init(&self->body, &allocator, MAX_BODY_BYTES);
    for (uint32_t i = 0; i < CHAT_PLACES_MAX_SLOTS; i++)
        self->slots[i].member = CHAT_PLACES_NOBODY;
    *out = self;
    return CHAT_OK;
}

void chat__etcd_slots_free(chat__etcd_slots *self)
{
    if (self == NULL)
        return;
    chat_allocator allocator = self->allocator;
    chat__buf_done(&self->body);
    chat__alloc_free(&allocator, self);
}

/* --- what is told --- */

static uint64_t held_until(const chat__etcd_slots *self)
{
    return self->lease != 0 ? self->alive_ms + self->ttl_ms : 0;
}

int chat__etcd_slots_is_known(const chat__etcd_slots *self)
{
    return self->looked_ms != 0 && self->lease != 0 && self->is_joined &&
           self->now_ms < self->looked_ms + self->ttl_ms;
}

chat_status chat__etcd_slots_look(const chat__etcd_slots *self, chat_places_picture *out)
{
    chat_places_picture picture = {.struct_size = sizeof picture,
                                   .is_known = (uint32_t)chat__etcd_slots_is_known(self),
                                   .slots = self->slots,
                                   .n_slots = self->n_slots,
                                   .n_members = self->n_members,
                                   .members = self->members,
                                   .until_mono_ms = held_until(self)};
    return chat__sized_give(out, &picture, sizeof picture);
}

chat_status chat__etcd_slots_next_event(chat__etcd_slots *self, chat_places_event *out)
{
    chat_places_event event = {.struct_size = sizeof event, .why = ""};
    if (self->is_lost) {
        self->is_lost = 0;
        event.type = CHAT_PLACES_LOST;
        event.why = self->lost_why;
    } else if (self->is_changed) {
        self->is_changed = 0;
        event.type = CHAT_PLACES_CHANGED;
    } else if (self->is_trouble_due) {
        self->is_trouble_due = 0;
        event.type = CHAT_PLACES_TROUBLE;
        event.why = self->why;
    } else if (self->is_released_due) {
        self->is_released_due = 0;
        event.type = CHAT_PLACES_RELEASED;
    } else {
        return CHAT_EMPTY;
    }
    *out = event;
    return CHAT_OK;
}

/* Nothing hangs on a lease of ours any more, or must be taken for that. */
static void lose(chat__etcd_slots *self, const char *why)
{
    int had_any = 0;
    for (uint32_t i = 0; i < self->n_slots; i++) {
        had_any = had_any || self->slots[i].is_ours;
        self->slots[i].is_ours = 0;
        self->wants[i] = 0;
    }
    self->lease = 0;
    self->is_joined = 0;
    self->looked_ms = 0;
    self->is_changed = 1;
    if (!had_any)
        return;
    self->is_lost = 1;
    (void)snprintf(self->lost_why, sizeof self->lost_why, "%s", why);
}

static void finish(chat__etcd_slots *self)
{
    self->is_calling = 0;
    self->lease = 0;
    self->is_done = self->is_released_due = 1;
}

/* --- wishes --- */

void chat__etcd_slots_claim(chat__etcd_slots *self, uint32_t slot)
{
    /* Not before it is given up for sure: a word of that may come late, and mean this claim. */
    if (slot < self->n_slots && !self->slots[slot].is_ours && self->lease != 0 &&
        self->wants[slot] == 0)
        self->wants[slot] = CHAT__SLOTS_CLAIM;
}

void chat__etcd_slots_give_up(chat__etcd_slots *self, uint32_t slot)
{
    if (slot >= self->n_slots || self->lease == 0)
        return;
    self->slots[slot].is_ours = 0;
    self->wants[slot] = CHAT__SLOTS_GIVE_UP;
}

void chat__etcd_slots_hear(chat__etcd_slots *self, int is_heard, int has_news)
{
    self->is_heard = is_heard;
    self->has_news = self->has_news || has_news;
}

void chat__etcd_slots_leave(chat__etcd_slots *self)
{
    self->runs_slots = 0;
    self->is_joined = 0;
}

void chat__etcd_slots_release(chat__etcd_slots *self, uint64_t mono_ms)
{
    self->now_ms = mono_ms;
    self->is_calling = 0;
    self->is_leaving = 1;
    self->n_failures = 0;
    self->pause_ms = 0;
    self->released_ms = mono_ms + MAX_RELEASE_MS;
    for (uint32_t i = 0; i < self->n_slots; i++)
        self->slots[i].is_ours = 0;
    if (self->lease == 0)
        self->lease = self->old_lease;
    if (self->lease == 0)
        finish(self);
}

/* --- time --- */

void chat__etcd_slots_begin(chat__etcd_slots *self, uint64_t mono_ms)
{
    self->now_ms = mono_ms;
    if (self->is_leaving) {
        if (!self->is_done && mono_ms >= self->released_ms)
            finish(self);
        return;
    }
    if (self->lease == 0 || mono_ms < held_until(self))
        return;
    self->is_calling = 0;
    self->old_lease = self->lease;
    lose(self, "etcd did not answer in time: the slots of this member are others' now. See --etcd "
               "and --etcd-ttl-ms");
}

static uint64_t beat_at(const chat__etcd_slots *self)
{
    return self->alive_ms + self->ttl_ms / RENEW_PART;
}

static uint64_t look_at(const chat__etcd_slots *self)
{
    uint64_t wait_ms = self->is_heard ? self->ttl_ms / LOOK_PART : LOOK_MS;
    return self->looked_ms == 0 || self->has_news ? 0 : self->looked_ms + wait_ms;
}

/* A slot of which something is wanted; n_slots: there is none. */
static uint32_t wanted(const chat__etcd_slots *self)
{
    uint32_t slot = 0;
    while (slot < self->n_slots && self->wants[slot] == 0)
        slot++;
    return slot;
}

/* What to do, and when. */
static chat__etcd_slots_step choose(const chat__etcd_slots *self, uint64_t *out_at_ms)
{
    uint32_t slot = wanted(self);
    uint64_t of_beat = beat_at(self), of_look = look_at(self);
    *out_at_ms = self->pause_ms;
    if (self->is_done) {
        *out_at_ms = NEVER;
        return CHAT__SLOTS_DONE;
    }
    if (self->is_leaving)
        return CHAT__SLOTS_REVOKE;
    /* What hangs on it is free at once then, and no call of ours that comes late adds to it. */
    if (self->lease == 0)
        return self->old_lease != 0 ? CHAT__SLOTS_REVOKE : CHAT__SLOTS_GRANT;
    if (self->now_ms >= of_beat)
        return CHAT__SLOTS_BEAT;
    if (!self->is_joined)
        return CHAT__SLOTS_JOIN;
    if (slot < self->n_slots)
        return (chat__etcd_slots_step)self->wants[slot];
    uint64_t at_ms = of_look < of_beat ? of_look : of_beat;
    *out_at_ms = at_ms > self->pause_ms ? at_ms : self->pause_ms;
    return of_look < of_beat ? CHAT__SLOTS_LOOK : CHAT__SLOTS_BEAT;
}

uint64_t chat__etcd_slots_deadline(const chat__etcd_slots *self)
{
    uint64_t at_ms = NEVER;
    if (!self->is_calling)
        (void)choose(self, &at_ms);
    if (self->lease != 0 && !self->is_leaving && held_until(self) < at_ms)
        at_ms = held_until(self);
    if (self->is_leaving && !self->is_done && self->released_ms < at_ms)
        at_ms = self->released_ms;
    return at_ms;
}

/* --- asking --- */

static uint32_t timeout_of(const chat__etcd_slots *self)
{
    uint64_t ms = self->ttl_ms / TIMEOUT_PART;
    ms = ms < MIN_TIMEOUT_MS ? MIN_TIMEOUT_MS : ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : ms;
    return self->step == CHAT__SLOTS_REVOKE && ms > MAX_RELEASE_MS / 2 ? MAX_RELEASE_MS / 2
                                                                       : (uint32_t)ms;
}

chat_status chat__etcd_slots_next_call(chat__etcd_slots *self, chat__etcd_call *out)
{
    static const char *const paths[] = {
        [CHAT__SLOTS_GRANT] = "/v3/lease/grant",    [CHAT__SLOTS_JOIN] = "/v3/kv/txn",
        [CHAT__SLOTS_BEAT] = "/v3/lease/keepalive", [CHAT__SLOTS_CLAIM] = "/v3/kv/txn",
        [CHAT__SLOTS_GIVE_UP] = "/v3/kv/txn",       [CHAT__SLOTS_LOOK] = "/v3/kv/txn",
        [CHAT__SLOTS_REVOKE] = "/v3/lease/revoke"};
    uint64_t at_ms;
    if (self->is_calling)
        return CHAT_EMPTY;
    self->step = choose(self, &at_ms);
    if (self->step == CHAT__SLOTS_DONE || self->now_ms < at_ms)
        return CHAT_EMPTY;
    self->slot = wanted(self);
    self->body.len = 0;
    if (chat__etcd_slots_write(self) != CHAT_OK) { /* no memory: later */
        self->pause_ms = self->now_ms + MAX_PAUSE_MS;
        return CHAT_EMPTY;
    }
    self->is_calling = 1;
    self->sent_ms = self->now_ms;
    if (self->step == CHAT__SLOTS_LOOK)
        self->has_news = 0;
    chat__etcd_call call = {self->endpoint, paths[self->step], chat__buf_view(&self->body),
                            timeout_of(self), 0};
    *out = call;
    return CHAT_OK;
}

/* --- answers --- */

/* Ask the next endpoint; when all were asked, wait a little, and tell it once, and again when more
   is known of it. */
static void fail(chat__etcd_slots *self, const char *why)
{
    const char *endpoint = self->endpoints.items[self->endpoint];
    uint32_t n = self->endpoints.n_items;
    self->endpoint = (self->endpoint + 1) % n;
    self->n_failures++;
    if (self->is_leaving && self->n_failures >= n) {
        finish(self);
        return;
    }
    if (self->n_failures % n != 0)
        return;
    uint32_t round = self->n_failures / n;
    uint64_t pause_ms = round > 4 ? MAX_PAUSE_MS : FIRST_PAUSE_MS << (round - 1);
    self->pause_ms = self->now_ms + (pause_ms > MAX_PAUSE_MS ? MAX_PAUSE_MS : pause_ms);
    const char *advice = chat__etcd_advice(why);
    if (self->is_troubled && (advice == NULL || advice == self->advice))
        return;
    self->is_troubled = self->is_trouble_due = 1;
    self->advice = advice;
    (void)snprintf(self->why, sizeof self->why,
                   "etcd %.100s: %.150s. No slot changes its member until it answers: %s", endpoint,
                   why, advice != NULL ? advice : "see --etcd");
}

static void on_revoked(chat__etcd_slots *self)
{
    self->old_lease = 0;
    if (self->is_leaving)
        finish(self);
}

static void on_answer(chat__etcd_slots *self, const chat__etcd_answer *answer)
{
    self->n_failures = 0;
    self->is_troubled = 0;
    switch (self->step) {
    case CHAT__SLOTS_GRANT:
        self->lease = answer->lease;
        self->alive_ms = self->sent_ms;
        break;
    case CHAT__SLOTS_BEAT:
        self->alive_ms = self->sent_ms;
        break;
    case CHAT__SLOTS_JOIN:
        self->is_joined = 1;
        break;
    case CHAT__SLOTS_CLAIM:
        chat__etcd_slots_on_claim(self, answer);
        break;
    case CHAT__SLOTS_GIVE_UP:
        chat__etcd_slots_on_give_up(self);
        break;
    case CHAT__SLOTS_LOOK:
        chat__etcd_slots_on_look(self, answer);
        break;
    default:
        on_revoked(self);
        break;
    }
}

/* Whether it is an answer to what was asked. */
static int is_answer(const chat__etcd_slots *self, const chat__etcd_answer *answer)
{
    if (self->step == CHAT__SLOTS_GRANT)
        return answer->lease != 0 && answer->ttl_s >= self->ttl_ms / MS_IN_SECOND;
    if (self->step == CHAT__SLOTS_BEAT)
        return answer->lease == self->lease;
    return answer->revision != 0;
}

static void take_answer(chat__etcd_slots *self, const chat__etcd_answer *answer)
{
    int is_gone = answer->code == CHAT__ETCD_CODE_NOT_FOUND && self->step != CHAT__SLOTS_GRANT;
    if (answer->code == 0 && self->step == CHAT__SLOTS_BEAT && answer->lease == self->lease)
        is_gone = answer->ttl_s == 0;
    if (is_gone && self->step == CHAT__SLOTS_REVOKE)
        on_revoked(self);
    else if (is_gone)
        lose(self, "etcd let the lease on the slots end: it was not renewed in time. See "
                   "--etcd-ttl-ms");
    else if (answer->code != 0)
        fail(self, answer->why);
    else if (!is_answer(self, answer))
        fail(self, "its answer is none to what was asked");
    else
        on_answer(self, answer);
}

void chat__etcd_slots_reply(chat__etcd_slots *self, const chat__etcd_reply *reply)
{
    chat__etcd_answer answer;
    if (!self->is_calling)
        return;
    self->is_calling = 0;
    if (reply->http_status == 0) {
        fail(self, reply->why);
        return;
    }
    chat_status status = chat__etcd_read(reply->body, &answer);
    if (status != CHAT_OK) {
        char why[CHAT__ETCD_ANSWER_BYTES];
        fail(self, chat__etcd_no_answer(reply, status, why));
        return;
    }
    take_answer(self, &answer);
    chat__etcd_answer_done(&answer);
}
