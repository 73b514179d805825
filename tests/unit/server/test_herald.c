/* SPDX-License-Identifier: MIT */
/* Between the shards and a notifier that is slow, fails, or answers later. */
#include "unit.h"
#include "herald.h"
#include "small.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MORE_THAN_WAIT 5000u

/* A notifier that does what the test says, and a server for it that does not run. */
typedef struct script {
    small place;
    chat_notifier notifier;
    chat_notifier_sink sink;
    chat_server *server;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int is_held;         /* `notify` does not return */
    chat_status refuses; /* what `open` or `notify` says */
    uint64_t n_told, n_closed;
    chat_notification last;
    char text[256], user[CHAT_ID_MAX_BYTES + 1];
} script;

static chat_status on_open(void *ctx, const chat_notifier_sink *sink)
{
    script *self = ctx;
    self->sink = *sink;
    return self->refuses;
}

static chat_status on_notify(void *ctx, uint64_t number, const chat_notification *what)
{
    script *self = ctx;
    pthread_mutex_lock(&self->mutex);
    self->n_told++;
    assert_int_equal(self->n_told, number);
    self->last = *what;
    snprintf(self->text, sizeof self->text, "%.*s", (int)what->text.len, what->text.data);
    snprintf(self->user, sizeof self->user, "%.*s", (int)what->user.len, what->user.data);
    pthread_cond_broadcast(&self->changed);
    while (self->is_held)
        pthread_cond_wait(&self->changed, &self->mutex);
    chat_status status = self->refuses;
    pthread_mutex_unlock(&self->mutex);
    return status;
}

static void on_close(void *ctx)
{
    script *self = ctx;
    self->n_closed++;
}

static chat_status make(script *self)
{
    chat_server_options options;
    small_options(&self->place, &options);
    options.notifier = &self->notifier;
    return chat_server_new(&options, &self->server);
}

static int set_up(void **state)
{
    script *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -1;
    *state = self;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->notifier = (chat_notifier){sizeof self->notifier, 0, self, on_open, on_notify, on_close};
    return small_make(&self->place) == 0 && make(self) == CHAT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    script *self = *state;
    chat_server_free(self->server);
    small_remove(&self->place);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return 0;
}

static void hold(script *self, int is_held)
{
    pthread_mutex_lock(&self->mutex);
    self->is_held = is_held;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void await_told(script *self, uint64_t n)
{
    pthread_mutex_lock(&self->mutex);
    while (self->n_told < n)
        pthread_cond_wait(&self->changed, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
}

static void put(script *self, uint32_t count, const char *const *names, size_t n_names)
{
    chat_view list[4];
    for (size_t i = 0; i < n_names; i++)
        list[i] = chat__view_str(names[i]);
    chat__effect effect = {.type = CHAT__EFFECT_NOTIFY,
                           .chat = chat__view_str("dm:5:alice:carol"),
                           .user = chat__view_str("carol"),
                           .id = 1,
                           .seq = 1,
                           .limit = count,
                           .kind = count > 10,
                           .names = {list, n_names}};
    chat__herald_put(self->server, &effect);
}

static void report(script *self, uint64_t number, chat_notify_state state, const char *device)
{
    chat_notify_report report = {.struct_size = sizeof report,
                                 .state = state,
                                 .number = number,
                                 .device = chat__view_str(device),
                                 .why = "the token is dead"};
    self->sink.report(self->sink.ctx, &report);
}

static const char *const NAMES[] = {"alice", "bob", "dave"};

static void a_notifier_that_hangs_holds_nobody_up(void **state)
{
    script *self = *state;
    self->is_held = 1;
    assert_int_equal(CHAT_OK, chat__herald_start(self->server));
    put(self, 1, NAMES, 1);
    await_told(self, 1);
    for (unsigned i = 0; i < MORE_THAN_WAIT; i++)
        put(self, 1, NAMES, 1);
    uint64_t queued = chat__herald_count(self->server, CHAT__FATE_QUEUED);
    uint64_t dropped = chat__herald_count(self->server, CHAT__FATE_DROPPED);
    assert_true(dropped > 0);
    assert_int_equal(MORE_THAN_WAIT + 1, queued + dropped);
    hold(self, 0);
    await_told(self, queued);
    chat__herald_stop(self->server);
    assert_int_equal(queued, self->n_told);
    assert_int_equal(1, self->n_closed);
}

static void what_fails_is_counted_and_not_asked_for_again(void **state)
{
    script *self = *state;
    assert_int_equal(CHAT_OK, chat__herald_start(self->server));
    self->refuses = CHAT_ERR_NETWORK;
    put(self, 1, NAMES, 1);
    chat__herald_stop(self->server);
    assert_int_equal(1, self->n_told);
    assert_int_equal(1, chat__herald_count(self->server, CHAT__FATE_FAILED));
    assert_int_equal(0, chat__herald_count(self->server, CHAT__FATE_ACCEPTED));
}

static void the_end_may_be_reported_later_by_another_thread(void **state)
{
    script *self = *state;
    assert_int_equal(CHAT_OK, chat__herald_start(self->server));
    put(self, 1, NAMES, 1);
    put(self, 1, NAMES, 1);
    await_told(self, 2);
    assert_int_equal(0, chat__herald_count(self->server, CHAT__FATE_ACCEPTED));
    report(self, 1, CHAT_NOTIFY_QUEUED, "");
    report(self, 1, CHAT_NOTIFY_SENT, "");
    report(self, 1, CHAT_NOTIFY_ACCEPTED, "");
    report(self, 2, CHAT_NOTIFY_FAILED, "phone");
    report(self, 2, CHAT_NOTIFY_GONE, "watch");
    assert_int_equal(1, chat__herald_count(self->server, CHAT__FATE_SENT));
    assert_int_equal(1, chat__herald_count(self->server, CHAT__FATE_ACCEPTED));
    assert_int_equal(1, chat__herald_count(self->server, CHAT__FATE_FAILED));
    assert_int_equal(1, chat__herald_count(self->server, CHAT__FATE_GONE));
    chat__herald_stop(self->server);
}

static void many_are_told_in_one_line(void **state)
{
    script *self = *state;
    assert_int_equal(CHAT_OK, chat__herald_start(self->server));
    put(self, 47, NAMES, 3);
    chat__herald_stop(self->server);
    assert_string_equal("carol", self->user);
    assert_int_equal(47, self->last.count);
    assert_int_equal(3, self->last.n_from);
    assert_int_equal(1, self->last.has_badge);
    assert_int_equal(0, self->last.badge);
    assert_string_equal("You have 47 new messages from alice, bob, dave and others", self->text);
}

static void a_notifier_that_does_not_open_stops_the_start(void **state)
{
    script *self = *state;
    self->refuses = CHAT_ERR_NETWORK;
    assert_int_equal(CHAT_ERR_NETWORK, chat_server_run(self->server));
    assert_int_equal(0, self->n_closed);
}

static void a_table_that_is_not_filled_in_is_refused(void **state)
{
    script *self = *state;
    chat_server_free(self->server);
    self->server = NULL;
    self->notifier.notify = NULL;
    assert_int_equal(CHAT_ERR_ARG, make(self));
    self->notifier.notify = on_notify;
    self->notifier.struct_size = 8;
    assert_int_equal(CHAT_ERR_ARG, make(self));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notifier_that_hangs_holds_nobody_up),
        TEST(what_fails_is_counted_and_not_asked_for_again),
        TEST(the_end_may_be_reported_later_by_another_thread),
        TEST(many_are_told_in_one_line),
        TEST(a_notifier_that_does_not_open_stops_the_start),
        TEST(a_table_that_is_not_filled_in_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
