/* SPDX-License-Identifier: MIT */
/* The threaded mode against a port where nobody listens: events of states are all that it needs. */
#include "unit.h"
#include "bound.h"
#include "every_call.h"
#include "folder.h"

#include <chat/client_thread.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct listener {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_events;
    int wanted; /* what the callback does with the client at event 3 */
    atomic_int is_inside;
    int fd; /* holds the port, does not listen */
    chat_client *client;
};

enum { NOTHING, EVERYTHING, STOP, FREE };

static void on_event(void *ctx, chat_client *client, const chat_event *event)
{
    struct listener *listener = ctx;
    atomic_store(&listener->is_inside, 1);
    assert_non_null(event);
    pthread_mutex_lock(&listener->lock);
    int n = ++listener->n_events;
    pthread_mutex_unlock(&listener->lock);
    if (listener->wanted == EVERYTHING) {
        call_everything(client, 1, 1);
        (void)chat_client_reconnect(client);
    }
    if (listener->wanted == STOP && n == 3)
        chat_client_stop(client);
    if (listener->wanted == FREE && n == 3)
        chat_client_free(client);
    atomic_store(&listener->is_inside, 0);
    pthread_mutex_lock(&listener->lock);
    pthread_cond_broadcast(&listener->changed);
    pthread_mutex_unlock(&listener->lock);
}

static chat_status start(struct listener *listener)
{
    chat_client_handlers handlers;
    memset(&handlers, 0, sizeof handlers);
    handlers.struct_size = sizeof handlers;
    handlers.ctx = listener;
    handlers.on_event = on_event;
    return chat_client_start(listener->client, &handlers);
}

static void begin_with(struct listener *listener, int wanted, const char *store_file)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    chat_client_options options;
    char url[64];
    memset(listener, 0, sizeof *listener);
    listener->wanted = wanted;
    pthread_mutex_init(&listener->lock, NULL);
    pthread_cond_init(&listener->changed, NULL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", ntohs(address.sin_port));
    chat_client_options_init(&options);
    options.store_file = store_file;
    options.url = url;
    options.token = "alice";
    options.device = "d";
    options.backoff_first_ms = 1;
    options.backoff_max_ms = 5;
    options.max_requests = 1000;
    assert_int_equal(chat_client_new(&options, &listener->client), CHAT_OK);
    assert_int_equal(start(listener), CHAT_OK);
}

static void begin(struct listener *listener, int wanted)
{
    begin_with(listener, wanted, NULL);
}

static void wait_for(struct listener *listener, int n_events)
{
    pthread_mutex_lock(&listener->lock);
    while (listener->n_events < n_events)
        pthread_cond_wait(&listener->changed, &listener->lock);
    pthread_mutex_unlock(&listener->lock);
}

static void end(struct listener *listener)
{
    close(listener->fd);
    pthread_mutex_destroy(&listener->lock);
    pthread_cond_destroy(&listener->changed);
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void nothing_calls_back_after_stop(void **state)
{
    struct listener listener;
    (void)state;
    begin(&listener, NOTHING);
    for (int round = 0; round < 3; round++) {
        wait_for(&listener, (round + 1) * 4);
        assert_int_equal(start(&listener), CHAT_ERR_STATE);
        chat_client_stop(listener.client);
        chat_client_stop(listener.client);
        assert_int_equal(atomic_load(&listener.is_inside), 0);
        listener.n_events = (round + 1) * 4;
        assert_int_equal(chat_client_process(listener.client, clock_ms()), CHAT_OK);
        assert_int_equal(start(&listener), CHAT_OK);
    }
    chat_client_free(listener.client);
    end(&listener);
}

/* After each number of events; a thread that is not given a CPU in time gets another chance. */
static int64_t free_after(int n_events)
{
    struct listener listener;
    begin(&listener, NOTHING);
    wait_for(&listener, n_events);
    int64_t before_ms = bound_clock_ms();
    chat_client_free(listener.client);
    int64_t ms = bound_clock_ms() - before_ms;
    end(&listener);
    return ms;
}

static void free_in_every_state_is_at_once(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++)
        assert_true(free_after(n) < BOUND_MS || free_after(n) < BOUND_MS);
}

static void every_call_from_the_callback(void **state)
{
    struct listener listener;
    (void)state;
    begin(&listener, EVERYTHING);
    wait_for(&listener, 60);
    chat_client_free(listener.client);
    end(&listener);
}

static void stop_from_the_callback_is_the_last_one(void **state)
{
    struct listener listener;
    (void)state;
    begin(&listener, STOP);
    wait_for(&listener, 3);
    chat_client_stop(listener.client);
    assert_int_equal(listener.n_events, 3);
    chat_client_free(listener.client);
    end(&listener);
}

static void free_from_the_callback(void **state)
{
    struct listener listener;
    (void)state;
    begin(&listener, FREE);
    wait_for(&listener, 3);
    /* Nothing tells when the thread ended: that it did is what sanitizers see. */
    end(&listener);
}

static void *bother(void *arg)
{
    for (int i = 0; i < 200; i++)
        call_everything(arg, 1, 1);
    return NULL;
}

static void call_from_many_threads(const char *store_file)
{
    struct listener listener;
    pthread_t threads[4];
    begin_with(&listener, NOTHING, store_file);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bother, listener.client), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    chat_client_free(listener.client);
    end(&listener);
}

static void calls_from_many_threads(void **state)
{
    (void)state;
    call_from_many_threads(NULL);
}

#ifdef HAS_CLIENT_STORE
static void calls_from_many_threads_with_a_file(void **state)
{
    char folder[128];
    char path[160];
    (void)state;
    folder_make(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/store", folder);
    call_from_many_threads(path);
    folder_remove(folder);
}
#endif

static void refuses_what_makes_no_sense(void **state)
{
    struct listener listener;
    chat_client_handlers handlers = {0};
    (void)state;
    begin(&listener, NOTHING);
    assert_int_equal(chat_client_start(NULL, &handlers), CHAT_ERR_ARG);
    assert_int_equal(chat_client_start(listener.client, &handlers), CHAT_ERR_ARG);
    handlers.on_event = on_event;
    assert_int_equal(chat_client_start(listener.client, &handlers), CHAT_ERR_ARG);
    chat_client_stop(NULL);
    chat_client_free(listener.client);
    end(&listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_calls_back_after_stop),
        cmocka_unit_test(free_in_every_state_is_at_once),
        cmocka_unit_test(every_call_from_the_callback),
        cmocka_unit_test(stop_from_the_callback_is_the_last_one),
        cmocka_unit_test(free_from_the_callback),
        cmocka_unit_test(calls_from_many_threads),
#ifdef HAS_CLIENT_STORE
        cmocka_unit_test(calls_from_many_threads_with_a_file),
#endif
        cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
