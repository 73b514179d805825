/* SPDX-License-Identifier: MIT */
/* A notifier for tests: keeps what it is asked for, answers as it was told. */
#include <chat/testing_notifier.h>

#include "base/alloc.h"
#include "base/view.h"

#include <chat/id.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#define MAX_ITEMS  1024u
#define MAX_SCRIPT 64u

typedef struct item {
    struct item *next;
    uint64_t number;
    chat_notification what; /* its views point behind */
    chat_view views[];
} item;

typedef struct rule {
    chat_notify_state state;
    size_t len;
    uint8_t device[CHAT_ID_MAX_BYTES];
} rule;

struct chat_test_notifier {
    chat_allocator allocator;
    chat_notifier table;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    chat_notifier_sink sink;
    int is_open, is_held;
    item *first, *last, *lent;
    size_t n_items;
    rule script[MAX_SCRIPT];
    size_t n_script;
    chat_notify_state otherwise;
};

/* --- what is kept --- */

static chat_view keep(uint8_t **at, chat_view view)
{
    chat_view copy = chat__view(*at, view.len);
    if (view.len > 0)
        memcpy(*at, view.data, view.len);
    *at += view.len;
    return copy;
}

static size_t size_of(const chat_view *views, size_t n)
{
    size_t size = n * sizeof *views;
    for (size_t i = 0; i < n; i++)
        size += views[i].len;
    return size;
}

static item *copy_of(const chat_allocator *allocator, const chat_notification *what)
{
    size_t n_views = what->n_from + what->n_devices;
    item *copy = chat__alloc_zero(allocator, sizeof *copy + size_of(what->from, what->n_from) +
                                                 size_of(what->devices, what->n_devices) +
                                                 what->user.len + what->chat.len + what->text.len);
    if (copy == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(copy->views + n_views);
    copy->what = *what;
    copy->what.struct_size = sizeof copy->what;
    copy->what.user = keep(&at, what->user);
    copy->what.chat = keep(&at, what->chat);
    copy->what.text = keep(&at, what->text);
    copy->what.from = copy->views;
    copy->what.devices = copy->views + what->n_from;
    for (size_t i = 0; i < what->n_from; i++)
        copy->views[i] = keep(&at, what->from[i]);
    for (size_t i = 0; i < what->n_devices; i++)
        copy->views[what->n_from + i] = keep(&at, what->devices[i]);
    return copy;
}

static item *take_first(chat_test_notifier *self)
{
    item *first = self->first;
    if (first == NULL)
        return NULL;
    self->first = first->next;
    if (self->first == NULL)
        self->last = NULL;
    self->n_items--;
    return first;
}

/* --- as the server sees it --- */

static chat_status open_it(void *ctx, const chat_notifier_sink *sink)
{
    chat_test_notifier *self = ctx;
    pthread_mutex_lock(&self->mutex);
    self->sink = *sink;
    self->is_open = 1;
    pthread_mutex_unlock(&self->mutex);
    return CHAT_OK;
}

static void close_it(void *ctx)
{
    chat_test_notifier *self = ctx;
    pthread_mutex_lock(&self->mutex);
    self->is_open = 0;
    pthread_mutex_unlock(&self->mutex);
}

/* Under the mutex, so that nothing is reported once `close` has returned. */
static void report(chat_test_notifier *self, uint64_t number, chat_view device,
                   chat_notify_state state)
{
    chat_notify_report report = {.struct_size = sizeof report,
                                 .state = state,
                                 .number = number,
                                 .device = device,
                                 .why = state == CHAT_NOTIFY_FAILED ? "the test says so" : NULL};
    if (self->is_open && state != CHAT_NOTIFY_QUEUED)
        self->sink.report(self->sink.ctx, &report);
}

static rule *rule_of(chat_test_notifier *self, chat_view device)
{
    for (size_t i = 0; i < self->n_script; i++) {
        if (chat__view_equal(chat__view(self->script[i].device, self->script[i].len), device))
            return &self->script[i];
    }
    return NULL;
}

static chat_status notify(void *ctx, uint64_t number, const chat_notification *what)
{
    chat_test_notifier *self = ctx;
    chat_view all = {NULL, 0};
    chat_status status = CHAT_ERR_BUSY;
    item *copy = NULL;
    pthread_mutex_lock(&self->mutex);
    if (self->n_items < MAX_ITEMS) {
        copy = copy_of(&self->allocator, what);
        status = copy != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    }
    if (copy != NULL) {
        copy->number = number;
        *(self->last != NULL ? &self->last->next : &self->first) = copy;
        self->last = copy;
        self->n_items++;
        pthread_cond_broadcast(&self->changed);
    }
    while (self->is_held)
        pthread_cond_wait(&self->changed, &self->mutex);
    for (size_t i = 0; status == CHAT_OK && i < what->n_devices; i++) {
        const rule *found = rule_of(self, what->devices[i]);
        report(self, number, what->devices[i], found != NULL ? found->state : self->otherwise);
    }
    if (status == CHAT_OK && what->n_devices == 0)
        report(self, number, all, self->otherwise);
    pthread_mutex_unlock(&self->mutex);
    return status;
}

/* --- as the test sees it --- */

static int init_locks(chat_test_notifier *self)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return 0;
    int is_made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                  pthread_cond_init(&self->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (is_made && pthread_mutex_init(&self->mutex, NULL) != 0) {
        pthread_cond_destroy(&self->changed);
        return 0;
    }
    return is_made;
}

chat_status chat_test_notifier_new(const chat_allocator *allocator, chat_test_notifier **out)
{
    if (out == NULL)
        return CHAT_ERR_ARG;
    chat_allocator own = chat__alloc_or_libc(allocator);
    chat_test_notifier *self = chat__alloc_zero(&own, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    self->allocator = own;
    self->otherwise = CHAT_NOTIFY_ACCEPTED;
    self->table = (chat_notifier){sizeof self->table, 0, self, open_it, notify, close_it};
    if (!init_locks(self)) {
        chat__alloc_free(&own, self);
        return CHAT_ERR_NOMEM;
    }
    *out = self;
    return CHAT_OK;
}

void chat_test_notifier_free(chat_test_notifier *notifier)
{
    item *each;
    if (notifier == NULL)
        return;
    chat_allocator allocator = notifier->allocator;
    while ((each = take_first(notifier)) != NULL)
        chat__alloc_free(&allocator, each);
    chat__alloc_free(&allocator, notifier->lent);
    pthread_cond_destroy(&notifier->changed);
    pthread_mutex_destroy(&notifier->mutex);
    chat__alloc_free(&allocator, notifier);
}

const chat_notifier *chat_test_notifier_table(chat_test_notifier *notifier)
{
    return &notifier->table;
}

chat_status chat_test_notifier_script(chat_test_notifier *notifier, chat_view device,
                                      chat_notify_state state)
{
    chat_status status = CHAT_OK;
    if (notifier == NULL || state < CHAT_NOTIFY_QUEUED || state > CHAT_NOTIFY_GONE ||
        device.len > CHAT_ID_MAX_BYTES)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&notifier->mutex);
    rule *found = rule_of(notifier, device);
    if (device.len == 0) {
        notifier->otherwise = state;
    } else if (found == NULL && notifier->n_script == MAX_SCRIPT) {
        status = CHAT_ERR_LIMIT;
    } else {
        if (found == NULL)
            found = &notifier->script[notifier->n_script++];
        found->len = device.len;
        found->state = state;
        memcpy(found->device, device.data, device.len);
    }
    pthread_mutex_unlock(&notifier->mutex);
    return status;
}

void chat_test_notifier_hold(chat_test_notifier *notifier, int is_held)
{
    pthread_mutex_lock(&notifier->mutex);
    notifier->is_held = is_held;
    pthread_cond_broadcast(&notifier->changed);
    pthread_mutex_unlock(&notifier->mutex);
}

chat_status chat_test_notifier_report(chat_test_notifier *notifier, uint64_t number,
                                      chat_view device, chat_notify_state state)
{
    if (notifier == NULL || state < CHAT_NOTIFY_QUEUED || state > CHAT_NOTIFY_GONE)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&notifier->mutex);
    chat_status status = notifier->is_open ? CHAT_OK : CHAT_ERR_STATE;
    report(notifier, number, device, state);
    pthread_mutex_unlock(&notifier->mutex);
    return status;
}

static struct timespec after(uint32_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (int32_t)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

chat_status chat_test_notifier_take(chat_test_notifier *notifier, uint32_t timeout_ms,
                                    uint64_t *out_number, const chat_notification **out_what)
{
    if (notifier == NULL || out_number == NULL || out_what == NULL)
        return CHAT_ERR_ARG;
    struct timespec until = after(timeout_ms);
    pthread_mutex_lock(&notifier->mutex);
    int is_late = timeout_ms == 0;
    while (notifier->first == NULL && !is_late)
        is_late = pthread_cond_timedwait(&notifier->changed, &notifier->mutex, &until) != 0;
    item *taken = take_first(notifier);
    if (taken != NULL) {
        chat__alloc_free(&notifier->allocator, notifier->lent);
        notifier->lent = taken;
        *out_number = taken->number;
        *out_what = &taken->what;
    }
    pthread_mutex_unlock(&notifier->mutex);
    return taken != NULL ? CHAT_OK : CHAT_EMPTY;
}
