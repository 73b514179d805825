/* SPDX-License-Identifier: MIT */
/* When numbers are asked for, renewed, lost and given back. See numbers.h. */
#include "backends/etcd/advice.h"
#include "backends/etcd/numbers_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define NEVER           UINT64_MAX
#define MIN_TIMEOUT_MS  200u
#define MAX_TIMEOUT_MS  5000u
#define FIRST_PAUSE_MS  100u
#define MAX_PAUSE_MS    1000u
#define RACE_PAUSE_MS   20u
#define MAX_RELEASE_MS  1500u
#define MAX_NAME_BYTES  255u
#define N_NUMBERS       (CHAT_SNOWFLAKE_MAX_NODE + 1u)
#define MS_IN_SECOND    1000u
#define MAX_BODY_BYTES  131072u
#define SHORT_HELD_PART 2u /* a lease that ends within half its time is renewed at once */
#define RENEW_PART      3u
#define TIMEOUT_PART    5u

/* --- events --- */

static void tell(chat__etcd_numbers *self, chat_lease_event_type type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(chat__etcd_numbers *self, chat_lease_event_type type, const char *format, ...)
{
    va_list args;
    uint32_t place = (self->first_event + self->n_events) % CHAT__ETCD_MAX_EVENTS;
    if (self->n_events == CHAT__ETCD_MAX_EVENTS) /* nobody reads: what is old is worth less */
        self->first_event = (self->first_event + 1) % CHAT__ETCD_MAX_EVENTS;
    else
        self->n_events++;
    chat__etcd_event *event = &self->events[place];
    event->type = type;
    event->from_ms = self->from_ms;
    event->until_ms = self->first_until_ms;
    va_start(args, format);
    (void)vsnprintf(event->why, sizeof event->why, format, args);
    va_end(args);
}

chat_status chat__etcd_numbers_next_event(chat__etcd_numbers *self, chat_lease_event *out)
{
    if (self->n_events == 0)
        return CHAT_EMPTY;
    const chat__etcd_event *event = &self->events[self->first_event];
    self->first_event = (self->first_event + 1) % CHAT__ETCD_MAX_EVENTS;
    self->n_events--;
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->type = event->type;
    out->why = event->why;
    if (event->type == CHAT_LEASE_HELD) {
        out->from_unix_ms = event->from_ms;
        out->until_unix_ms = event->until_ms;
        out->numbers = self->numbers;
        out->n_numbers = self->n_wanted;
    }
    return CHAT_OK;
}

/* --- life --- */

static int is_wish_good(const chat_lease_wish *wish)
{
    return wish != NULL && wish->n_numbers >= 1 && wish->n_numbers <= CHAT_LEASE_MAX_NUMBERS &&
           wish->name.len <= MAX_NAME_BYTES && wish->address.len <= MAX_NAME_BYTES &&
           wish->roles.len <= MAX_NAME_BYTES;
}

chat_status chat__etcd_numbers_new(const chat__etcd_numbers_options *options,
                                   chat__etcd_numbers **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    if (!is_wish_good(options->wish) || options->endpoints.n_items == 0 ||
        strlen(options->prefix) > CHAT__ETCD_PREFIX_MAX ||
        strlen(options->token) != CHAT__ETCD_TOKEN_LEN || options->ttl_ms < MS_IN_SECOND)
        return CHAT_ERR_ARG;
    chat__etcd_numbers *self = chat__alloc_zero(&allocator, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    self->allocator = allocator;
    self->endpoints = options->endpoints;
    self->ttl_ms = options->ttl_ms;
    self->step = CHAT__ETCD_GRANT;
    memcpy(self->prefix, options->prefix, strlen(options->prefix));
    memcpy(self->token, options->token, CHAT__ETCD_TOKEN_LEN);
    chat__buf_init(&self->member, &allocator, CHAT__ETCD_MEMBER_BYTES);
    chat__buf_init(&self->body, &allocator, MAX_BODY_BYTES);
    chat_status status = chat__etcd_copy_wish(self, options->wish);
    if (status != CHAT_OK) {
        chat__etcd_numbers_free(self);
        return status == CHAT_ERR_LIMIT ? CHAT_ERR_ARG : status;
    }
    *out = self;
    return CHAT_OK;
}

void chat__etcd_numbers_free(chat__etcd_numbers *self)
{
    if (self == NULL)
        return;
    chat_allocator allocator = self->allocator;
    chat__buf_done(&self->member);
    chat__buf_done(&self->body);
    chat__alloc_free(&allocator, self);
}

/* --- steps --- */

static void go(chat__etcd_numbers *self, chat__etcd_step step, uint64_t pause_ms)
{
    self->step = step;
    self->at_mono_ms = step == CHAT__ETCD_DONE ? NEVER : self->now.mono_ms + pause_ms;
}

static void look_from_the_start(chat__etcd_numbers *self, uint64_t pause_ms)
{
    self->window = 0;
    self->n_picks = 0;
    self->listed_ms = 0;
    go(self, CHAT__ETCD_LIST, pause_ms);
}

static void take_from_the_start(chat__etcd_numbers *self)
{
    self->part = 0;
    go(self, CHAT__ETCD_TAKE, 0);
}

static void renew_in_time(chat__etcd_numbers *self)
{
    uint64_t at_ms = self->alive_mono_ms + self->ttl_ms / RENEW_PART;
    go(self, CHAT__ETCD_BEAT, at_ms > self->now.mono_ms ? at_ms - self->now.mono_ms : 0);
}

static uint64_t held_until(const chat__etcd_numbers *self)
{
    return self->alive_mono_ms + self->ttl_ms;
}

static void lose(chat__etcd_numbers *self, const char *why)
{
    if (self->is_held)
        tell(self, CHAT_LEASE_LOST, "%s", why);
    self->is_held = 0;
}

static void finish(chat__etcd_numbers *self)
{
    self->is_calling = 0;
    self->lease = 0;
    go(self, CHAT__ETCD_DONE, 0);
    tell(self, CHAT_LEASE_RELEASED, "the node numbers were given back");
}

void chat__etcd_numbers_begin(chat__etcd_numbers *self, chat_lease_time now)
{
    self->now = now;
    if (self->is_held && now.mono_ms >= held_until(self)) {
        char line[CHAT__ETCD_LINE_BYTES];
        (void)snprintf(line, sizeof line,
                       "etcd did not answer for %" PRIu64 " ms: no ids are given until it does. "
                       "See --etcd and --etcd-ttl-ms",
                       self->ttl_ms);
        lose(self, line);
    }
    /* The clock jumped ahead. */
    if (self->is_held && self->step == CHAT__ETCD_BEAT && !self->is_calling &&
        self->first_until_ms < now.unix_ms + self->ttl_ms / SHORT_HELD_PART &&
        self->n_failures == 0)
        self->at_mono_ms = now.mono_ms;
    if (self->step == CHAT__ETCD_REVOKE && now.mono_ms >= self->released_mono_ms)
        finish(self);
}

uint64_t chat__etcd_numbers_deadline(const chat__etcd_numbers *self)
{
    uint64_t at_ms = self->is_calling ? NEVER : self->at_mono_ms;
    if (self->is_held && held_until(self) < at_ms)
        at_ms = held_until(self);
    if (self->step == CHAT__ETCD_REVOKE && self->released_mono_ms < at_ms)
        at_ms = self->released_mono_ms;
    return at_ms;
}

void chat__etcd_numbers_release(chat__etcd_numbers *self, chat_lease_time now)
{
    self->now = now;
    self->is_held = 0;
    self->is_calling = 0;
    self->n_failures = 0;
    self->released_mono_ms = now.mono_ms + MAX_RELEASE_MS;
    if (self->lease == 0)
        finish(self);
    else
        go(self, CHAT__ETCD_REVOKE, 0);
}

/* --- asking --- */

static chat_status write_body(chat__etcd_numbers *self)
{
    chat__etcd_writer writer = chat__etcd_write(&self->body);
    uint64_t until_ms = self->now.unix_ms + self->ttl_ms;
    switch (self->step) {
    case CHAT__ETCD_GRANT:
        chat__etcd_put_grant(&writer, (self->ttl_ms + MS_IN_SECOND - 1) / MS_IN_SECOND);
        return writer.status;
    case CHAT__ETCD_LIST:
        return chat__etcd_write_list(self);
    case CHAT__ETCD_TAKE:
        /* Neither becomes less: ids may have been made up to what was written before, and what
           others had written is gone with it, even when we never hear of it. */
        if (self->listed_ms > self->from_ms)
            self->from_ms = self->listed_ms;
        if (until_ms > self->asked_until_ms)
            self->asked_until_ms = until_ms;
        if (self->part == 0)
            self->first_until_ms = self->asked_until_ms;
        return chat__etcd_write_take(self);
    default:
        chat__etcd_put_lease(&writer, self->lease);
        return writer.status;
    }
}

static uint32_t timeout_of(const chat__etcd_numbers *self)
{
    uint64_t ms = self->ttl_ms / TIMEOUT_PART;
    ms = ms < MIN_TIMEOUT_MS ? MIN_TIMEOUT_MS : ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : ms;
    return self->step == CHAT__ETCD_REVOKE && ms > MAX_RELEASE_MS / 2 ? MAX_RELEASE_MS / 2
                                                                      : (uint32_t)ms;
}

chat_status chat__etcd_numbers_next_call(chat__etcd_numbers *self, chat__etcd_call *out)
{
    static const char *const paths[] = {
        [CHAT__ETCD_GRANT] = "/v3/lease/grant",   [CHAT__ETCD_LIST] = "/v3/kv/txn",
        [CHAT__ETCD_TAKE] = "/v3/kv/txn",         [CHAT__ETCD_BEAT] = "/v3/lease/keepalive",
        [CHAT__ETCD_REVOKE] = "/v3/lease/revoke",
    };
    if (self->is_calling || self->step == CHAT__ETCD_DONE || self->now.mono_ms < self->at_mono_ms)
        return CHAT_EMPTY;
    self->body.len = 0;
    if (write_body(self) != CHAT_OK) { /* no memory: later */
        self->at_mono_ms = self->now.mono_ms + MAX_PAUSE_MS;
        return CHAT_EMPTY;
    }
    self->is_calling = 1;
    self->sent_mono_ms = self->now.mono_ms;
    chat__etcd_call call = {self->endpoint, paths[self->step], chat__buf_view(&self->body),
                            timeout_of(self), 0};
    *out = call;
    return CHAT_OK;
}

/* --- answers --- */

/* Ask the next endpoint; when all were asked, wait a little, and tell it once, and again when more
   is known of it. */
static void fail(chat__etcd_numbers *self, const char *why)
{
    const char *endpoint = self->endpoints.items[self->endpoint];
    uint32_t n = self->endpoints.n_items;
    uint64_t pause_ms = 0;
    self->endpoint = (self->endpoint + 1) % n;
    self->n_failures++;
    if (self->step == CHAT__ETCD_REVOKE && self->n_failures >= n) {
        finish(self);
        return;
    }
    if (self->n_failures % n == 0) {
        uint32_t round = self->n_failures / n;
        pause_ms = round > 4 ? MAX_PAUSE_MS : FIRST_PAUSE_MS << (round - 1);
        pause_ms = pause_ms > MAX_PAUSE_MS ? MAX_PAUSE_MS : pause_ms;
    }
    go(self, self->step, pause_ms);
    const char *advice = chat__etcd_advice(why);
    if (pause_ms == 0 || (self->is_troubled && (advice == NULL || advice == self->advice)))
        return;
    self->is_troubled = 1;
    self->advice = advice;
    if (self->is_held)
        tell(self, CHAT_LEASE_TROUBLE,
             "etcd %.100s: %.150s. Ids can be given for %" PRIu64 " ms more: %s", endpoint, why,
             held_until(self) - self->now.mono_ms, advice != NULL ? advice : "see --etcd");
    else
        tell(self, CHAT_LEASE_TROUBLE, "etcd %.100s: %.150s. No ids are given until it answers: %s",
             endpoint, why, advice != NULL ? advice : "is --etcd right, and does it run?");
}

static void on_held(chat__etcd_numbers *self)
{
    renew_in_time(self);
    if (self->now.mono_ms >= held_until(self))
        return; /* too late: first the lease */
    self->is_held = 1;
    tell(self, CHAT_LEASE_HELD, "node numbers are held");
}

static void on_list(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    if (self->now.unix_ms > self->listed_ms)
        self->listed_ms = self->now.unix_ms;
    chat__etcd_pick_free(self, answer);
    if (self->n_picks == self->n_wanted) {
        take_from_the_start(self);
        return;
    }
    self->window += CHAT__ETCD_WINDOW;
    if (self->window < N_NUMBERS) {
        go(self, CHAT__ETCD_LIST, 0);
        return;
    }
    if (!self->is_troubled)
        tell(self, CHAT_LEASE_TROUBLE,
             "etcd: %" PRIu32 " node numbers are needed and %" PRIu32 " are free below the prefix "
             "\"%s\": stop servers, give another --etcd-prefix, or correct the clock if it is "
             "behind",
             self->n_wanted, self->n_picks, self->prefix);
    self->is_troubled = 1;
    self->n_picks = 0;
    self->window = 0;
    renew_in_time(self);
}

static void on_take(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    if (answer->has_succeeded) {
        self->is_troubled = 0;
        if (chat__etcd_taken(self, answer))
            on_held(self);
        else
            go(self, CHAT__ETCD_TAKE, 0);
        return;
    }
    if (chat__etcd_is_ours(self, answer)) {
        go(self, CHAT__ETCD_TAKE, 0);
        return;
    }
    lose(self, "the keys of the node numbers in etcd were removed by somebody else: is "
               "--etcd-prefix used by another program?");
    look_from_the_start(self, RACE_PAUSE_MS);
}

static void on_lease_gone(chat__etcd_numbers *self)
{
    lose(self, "etcd let the lease on the node numbers end: it was not renewed in time. See "
               "--etcd-ttl-ms");
    self->lease = 0;
    self->n_picks = 0;
    if (self->step == CHAT__ETCD_REVOKE)
        finish(self);
    else
        go(self, CHAT__ETCD_GRANT, 0);
}

static void on_answer(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    self->n_failures = 0;
    switch (self->step) {
    case CHAT__ETCD_GRANT:
        self->lease = answer->lease;
        self->alive_mono_ms = self->sent_mono_ms;
        look_from_the_start(self, 0);
        return;
    case CHAT__ETCD_BEAT:
        self->alive_mono_ms = self->sent_mono_ms;
        if (self->n_picks == self->n_wanted)
            take_from_the_start(self);
        else
            look_from_the_start(self, 0);
        return;
    case CHAT__ETCD_LIST:
        on_list(self, answer);
        return;
    case CHAT__ETCD_TAKE:
        on_take(self, answer);
        return;
    default:
        finish(self);
        return;
    }
}

/* Whether it is an answer to what was asked. */
static int is_answer(const chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    if (self->step == CHAT__ETCD_GRANT)
        return answer->lease != 0 && answer->ttl_s >= self->ttl_ms / MS_IN_SECOND;
    if (self->step == CHAT__ETCD_BEAT)
        return answer->lease == self->lease;
    return answer->revision != 0;
}

void chat__etcd_numbers_reply(chat__etcd_numbers *self, const chat__etcd_reply *reply)
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
    int is_gone = answer.code == CHAT__ETCD_CODE_NOT_FOUND && self->lease != 0;
    if (answer.code == 0 && self->step == CHAT__ETCD_BEAT && answer.lease == self->lease)
        is_gone = answer.ttl_s == 0;
    if (is_gone)
        on_lease_gone(self);
    else if (answer.code != 0)
        fail(self, answer.why);
    else if (!is_answer(self, &answer))
        fail(self, "its answer is none to what was asked");
    else
        on_answer(self, &answer);
    chat__etcd_answer_done(&answer);
}
