/* SPDX-License-Identifier: MIT */
/* The notifier for tests does what it is told. What every notifier does: tests/contract. */
#include "base/view.h"
#include "unit.h"

#include <chat/testing_notifier.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct world {
    chat_test_notifier *notifier;
    const chat_notifier *table;
    char said[512]; /* "number device state;" */
} world;

static void on_report(void *ctx, const chat_notify_report *report)
{
    world *w = ctx;
    size_t used = strlen(w->said);
    snprintf(w->said + used, sizeof w->said - used, "%llu %.*s %u;",
             (unsigned long long)report->number, (int)report->device.len,
             (const char *)report->device.data, report->state);
}

static const chat_view DEVICES[] = {{(const uint8_t *)"phone", 5}, {(const uint8_t *)"watch", 5}};

static chat_status notify(world *w, uint64_t number)
{
    chat_notification what = {.struct_size = sizeof what,
                              .count = 1,
                              .user = chat__view_str("carol"),
                              .chat = chat__view_str("team"),
                              .devices = DEVICES,
                              .n_devices = 2};
    return w->table->notify(w->table->ctx, number, &what);
}

static void start(world *w)
{
    chat_notifier_sink sink = {w, on_report};
    memset(w, 0, sizeof *w);
    assert_int_equal(CHAT_OK, chat_test_notifier_new(NULL, &w->notifier));
    w->table = chat_test_notifier_table(w->notifier);
    assert_int_equal(CHAT_ERR_STATE,
                     chat_test_notifier_report(w->notifier, 1, DEVICES[0], CHAT_NOTIFY_ACCEPTED));
    assert_int_equal(CHAT_OK, w->table->open(w->table->ctx, &sink));
}

static void stop(world *w)
{
    w->table->close(w->table->ctx);
    assert_int_equal(CHAT_ERR_STATE,
                     chat_test_notifier_report(w->notifier, 1, DEVICES[0], CHAT_NOTIFY_ACCEPTED));
    chat_test_notifier_free(w->notifier);
}

static void assert_said(world *w, const char *expected)
{
    assert_string_equal(expected, w->said);
    w->said[0] = 0;
}

static void each_device_ends_as_the_script_says(void **state)
{
    world w;
    chat_view all = {NULL, 0};
    (void)state;
    start(&w);
    assert_int_equal(CHAT_OK, chat_test_notifier_script(w.notifier, DEVICES[1], CHAT_NOTIFY_GONE));
    assert_int_equal(CHAT_OK, notify(&w, 1));
    assert_said(&w, "1 phone 3;1 watch 5;");
    assert_int_equal(CHAT_OK, chat_test_notifier_script(w.notifier, all, CHAT_NOTIFY_QUEUED));
    assert_int_equal(CHAT_OK,
                     chat_test_notifier_script(w.notifier, DEVICES[1], CHAT_NOTIFY_FAILED));
    assert_int_equal(CHAT_OK, notify(&w, 2));
    assert_said(&w, "2 watch 4;");
    assert_int_equal(CHAT_OK,
                     chat_test_notifier_report(w.notifier, 2, DEVICES[0], CHAT_NOTIFY_SENT));
    assert_said(&w, "2 phone 2;");
    stop(&w);
}

static void what_came_is_taken_once_and_in_order(void **state)
{
    world w;
    const chat_notification *what = NULL;
    uint64_t number = 7;
    (void)state;
    start(&w);
    assert_int_equal(CHAT_EMPTY, chat_test_notifier_take(w.notifier, 1, &number, &what));
    assert_int_equal(7, number);
    assert_int_equal(CHAT_OK, notify(&w, 1));
    assert_int_equal(CHAT_OK, notify(&w, 2));
    assert_int_equal(CHAT_OK, chat_test_notifier_take(w.notifier, 0, &number, &what));
    assert_int_equal(1, number);
    assert_true(chat__view_equal(what->devices[1], DEVICES[1]));
    assert_int_equal(CHAT_OK, chat_test_notifier_take(w.notifier, 0, &number, &what));
    assert_int_equal(2, number);
    assert_int_equal(CHAT_EMPTY, chat_test_notifier_take(w.notifier, 0, &number, &what));
    stop(&w);
}

static void what_is_not_taken_is_bounded(void **state)
{
    world w;
    (void)state;
    start(&w);
    for (uint64_t i = 1; i <= 1024; i++) {
        w.said[0] = 0;
        assert_int_equal(CHAT_OK, notify(&w, i));
    }
    w.said[0] = 0;
    assert_int_equal(CHAT_ERR_BUSY, notify(&w, 1025));
    assert_said(&w, "");
    stop(&w);
}

static void *notify_from_a_thread(void *arg)
{
    world *w = arg;
    assert_int_equal(CHAT_OK, notify(w, 1));
    return NULL;
}

static void while_it_is_held_the_call_does_not_return(void **state)
{
    world w;
    pthread_t thread;
    const chat_notification *what = NULL;
    uint64_t number = 0;
    (void)state;
    start(&w);
    chat_test_notifier_hold(w.notifier, 1);
    assert_int_equal(0, pthread_create(&thread, NULL, notify_from_a_thread, &w));
    assert_int_equal(CHAT_OK, chat_test_notifier_take(w.notifier, 60000, &number, &what));
    assert_said(&w, "");
    chat_test_notifier_hold(w.notifier, 0);
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_said(&w, "1 phone 3;1 watch 3;");
    stop(&w);
}

static void wrong_arguments_are_refused(void **state)
{
    world w;
    char name[66] = {0};
    (void)state;
    start(&w);
    chat_view too_long = {(const uint8_t *)name, 65};
    assert_int_equal(CHAT_ERR_ARG, chat_test_notifier_new(NULL, NULL));
    assert_int_equal(CHAT_ERR_ARG,
                     chat_test_notifier_script(w.notifier, too_long, CHAT_NOTIFY_SENT));
    assert_int_equal(CHAT_ERR_ARG,
                     chat_test_notifier_script(w.notifier, DEVICES[0], (chat_notify_state)9));
    assert_int_equal(CHAT_ERR_ARG,
                     chat_test_notifier_report(w.notifier, 1, DEVICES[0], (chat_notify_state)0));
    assert_int_equal(CHAT_ERR_ARG, chat_test_notifier_take(w.notifier, 0, NULL, NULL));
    for (int i = 0; i < 64; i++) {
        chat_view device = {(const uint8_t *)name, (size_t)snprintf(name, sizeof name, "d%d", i)};
        assert_int_equal(CHAT_OK, chat_test_notifier_script(w.notifier, device, CHAT_NOTIFY_GONE));
    }
    assert_int_equal(CHAT_ERR_LIMIT,
                     chat_test_notifier_script(w.notifier, DEVICES[0], CHAT_NOTIFY_GONE));
    chat_test_notifier_free(NULL);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_ends_as_the_script_says),
        cmocka_unit_test(what_came_is_taken_once_and_in_order),
        cmocka_unit_test(what_is_not_taken_is_bounded),
        cmocka_unit_test(while_it_is_held_the_call_does_not_return),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
