/* SPDX-License-Identifier: MIT */
/*
 * <chat/client_thread.h>. The thread holds the client's lock but for waiting and calling back, so
 * other threads' calls wait for a turn at most.
 */
#include <chat/client_thread.h>

#include "base/sized.h"
#include "handle.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One turn with all of its events; returns how long to wait. @thread client */
static int turn(chat_client *client)
{
    chat__client_thread *thread = &client->thread;
    const chat_event *event;
    (void)chat__client_process_turn(client, clock_ms());
    while (!thread->is_stopping && chat__client_read_event(client, &event) == CHAT_OK) {
        chat__client_exit(client);
        thread->on_event(thread->ctx, client, event);
        chat__client_enter(client);
    }
    return chat__client_wait_ms(client, clock_ms());
}

/* @thread client */
static void *run(void *arg)
{
    chat_client *client = arg;
    chat__client_thread *thread = &client->thread;
    struct pollfd wait = {client->epoll_fd, POLLIN, 0};
    chat__client_enter(client);
    while (!thread->is_stopping) {
        int wait_ms = turn(client);
        if (thread->is_stopping)
            break;
        chat__client_exit(client);
        (void)poll(&wait, 1, wait_ms);
        chat__client_enter(client);
    }
    int is_last = thread->is_freed_at_end;
    if (thread->is_detached) {
        thread->is_running = 0;
        pthread_cond_broadcast(&thread->ended);
    }
    chat__client_exit(client);
    if (is_last)
        chat__client_destroy(client);
    return NULL;
}

/* Signals are the application's: none is taken by this thread. */
static int create(chat_client *client)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&client->thread.id, NULL, run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

chat_status chat_client_start(chat_client *client, const chat_client_handlers *given)
{
    chat_client_handlers handlers = {0};
    chat_status status = CHAT_OK;
    if (client == NULL || given == NULL ||
        chat__sized_take(&handlers, sizeof handlers, given) != CHAT_OK || handlers.on_event == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat__client_thread *thread = &client->thread;
    if (thread->is_running || client->link.is_own) {
        status = CHAT_ERR_STATE;
    } else {
        thread->ctx = handlers.ctx;
        thread->on_event = handlers.on_event;
        thread->is_stopping = 0;
        thread->is_detached = 0;
        thread->is_running = create(client); /* it waits for the lock */
        status = thread->is_running ? CHAT_OK : CHAT_ERR_LIMIT;
    }
    chat__client_exit(client);
    return status;
}

int chat__client_thread_stop(chat_client *client, int and_free)
{
    chat__client_thread *thread = &client->thread;
    chat__client_enter(client);
    int is_running = thread->is_running;
    int is_self = is_running && pthread_equal(thread->id, pthread_self());
    pthread_t id = thread->id;
    if (is_running) {
        thread->is_stopping = 1;
        thread->is_freed_at_end = and_free && is_self;
    }
    if (is_self && !thread->is_detached) {
        thread->is_detached = 1;
        pthread_detach(id);
    }
    while (thread->is_running && thread->is_detached && !is_self)
        pthread_cond_wait(&thread->ended, &client->lock);
    is_running = thread->is_running;
    chat__client_exit(client);
    if (!is_running || is_self)
        return is_self;
    chat_client_wakeup(client);
    pthread_join(id, NULL);
    chat__client_enter(client);
    thread->is_running = 0;
    chat__client_exit(client);
    return 0;
}

void chat_client_stop(chat_client *client)
{
    if (client != NULL)
        (void)chat__client_thread_stop(client, 0);
}
