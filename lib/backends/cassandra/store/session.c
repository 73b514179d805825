/* SPDX-License-Identifier: MIT */
/*
 * The thread of session.h and who waits for it. A call is in the line until the thread gives it a
 * slot; nobody but the thread touches the driver.
 */
#include "backends/cassandra/link.h"
#include "backends/cassandra/store/session_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* As many rows as a reader of messages asks for at a time, with the longest payloads. */
#define LEAST_ANSWER_BYTES (CHAT__CSTORE_PAGE_ROWS * (1024u + 64u) * 1024u)
#define TEXT_BYTES         512u

static const char *const TEXTS[] = {
#define TEXT_ROW(name, text) text,
    CHAT__CSTORE_STATEMENTS(TEXT_ROW)
#undef TEXT_ROW
};

static void wake(const chat__cstore_session *session)
{
    uint64_t one = 1;
    while (write(session->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* --- the thread --- */

static chat__cstore_call *take_from_line(chat__cstore_session *session)
{
    chat__cstore_call *call = session->first;
    session->first = call->next;
    if (session->first == NULL)
        session->last = &session->first;
    return call;
}

/* Under the lock. */
static void seat(chat__cstore_session *session)
{
    for (uint32_t i = 0; i < CHAT__CSTORE_MAX_SLOTS && session->first != NULL; i++) {
        if (session->slots[i] != NULL)
            continue;
        session->slots[i] = take_from_line(session);
        session->slots[i]->slot = i;
        if (i >= session->n_slots)
            session->n_slots = i + 1;
    }
}

/* Under the lock. */
static void close_all(chat__cstore_session *session)
{
    for (uint32_t i = 0; i < session->n_slots; i++) {
        chat__cstore_call *call = session->slots[i];
        session->slots[i] = NULL;
        if (call == NULL)
            continue;
        call->status = CHAT_ERR_CLOSED;
        call->is_done = 1;
        (void)pthread_cond_signal(&call->is_over);
    }
    while (session->first != NULL) {
        chat__cstore_call *call = take_from_line(session);
        call->status = CHAT_ERR_CLOSED;
        call->is_done = 1;
        (void)pthread_cond_signal(&call->is_over);
    }
}

/* 0: it is over. */
static int begin_turn(chat__cstore_session *session)
{
    pthread_mutex_lock(&session->lock);
    int goes_on = !session->is_stopping;
    if (goes_on)
        seat(session);
    else
        close_all(session);
    session->figures.struct_size = sizeof session->figures;
    (void)chat_cassandra_get_figures(session->cassandra, &session->figures);
    pthread_mutex_unlock(&session->lock);
    return goes_on;
}

static void wait_for_work(chat__cstore_session *session)
{
    uint64_t n;
    struct pollfd fds[2] = {{chat_cassandra_fd(session->cassandra), POLLIN, 0},
                            {session->wake_fd, POLLIN, 0}};
    (void)poll(fds, 2, chat_cassandra_timeout(session->cassandra, chat__cql_now_ms()));
    if (fds[1].revents & POLLIN)
        (void)!read(session->wake_fd, &n, sizeof n);
}

static void *work(void *ctx)
{
    chat__cstore_session *session = ctx;
    chat_cassandra_event event = {.struct_size = sizeof event};
    while (begin_turn(session)) {
        chat__cstore_give(session);
        chat_cassandra_process(session->cassandra, chat__cql_now_ms());
        while (chat_cassandra_next_event(session->cassandra, &event) == CHAT_OK)
            chat__cstore_take(session, &event);
        chat__cstore_give(session);
        wait_for_work(session);
    }
    return NULL;
}

/* --- life --- */

static chat_status number_statements(chat__cstore_session *session, const char *keyspace)
{
    char text[TEXT_BYTES];
    for (size_t i = 0; i < CHAT__CSTORE_N_STATEMENTS; i++) {
        const char *place = strstr(TEXTS[i], "$K");
        int len = snprintf(text, sizeof text, "%.*s%s%s", (int)(place - TEXTS[i]), TEXTS[i],
                           keyspace, place + 2);
        if (len < 0 || (size_t)len >= sizeof text)
            return CHAT_ERR_ARG;
        chat_status status =
            chat_cassandra_statement(session->cassandra, text, &session->numbers[i]);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

/* Signals are for the application's threads. */
static chat_status start(chat__cstore_session *session)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&session->thread, NULL, work, session);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    session->has_thread = failed == 0;
    return failed == 0 ? CHAT_OK : CHAT_ERR_LIMIT;
}

chat_status chat__cstore_session_new(const chat_cassandra_options *options, chat_log_sink log,
                                     uint32_t max_in_flight, chat__cstore_session **out)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat_cassandra_options opened = *options;
    chat__cstore_session *session = chat__alloc_zero(&libc, sizeof *session);
    if (session == NULL)
        return CHAT_ERR_NOMEM;
    if (opened.max_answer_bytes < LEAST_ANSWER_BYTES)
        opened.max_answer_bytes = LEAST_ANSWER_BYTES;
    session->allocator = libc;
    session->log = log;
    session->last = &session->first;
    session->max_flying =
        max_in_flight < options->max_requests ? max_in_flight : options->max_requests;
    (void)pthread_mutex_init(&session->lock, NULL);
    session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    chat_status status = session->wake_fd < 0 ? CHAT_ERR_LIMIT : CHAT_OK;
    if (status == CHAT_OK)
        status = chat_cassandra_new(&opened, &session->cassandra);
    if (status == CHAT_OK)
        status = number_statements(session, options->keyspace);
    if (status == CHAT_OK)
        status = start(session);
    if (status != CHAT_OK) {
        chat__cstore_session_free(session);
        return status;
    }
    *out = session;
    return CHAT_OK;
}

void chat__cstore_session_stop(chat__cstore_session *session)
{
    pthread_mutex_lock(&session->lock);
    session->is_stopping = 1;
    pthread_mutex_unlock(&session->lock);
    wake(session);
}

void chat__cstore_session_free(chat__cstore_session *session)
{
    if (session == NULL)
        return;
    if (session->has_thread) {
        chat__cstore_session_stop(session);
        (void)pthread_join(session->thread, NULL);
    }
    chat_cassandra_free(session->cassandra);
    if (session->wake_fd >= 0)
        (void)close(session->wake_fd);
    (void)pthread_mutex_destroy(&session->lock);
    chat__alloc_free(&session->allocator, session);
}

void chat__cstore_session_figures(chat__cstore_session *session, chat_cassandra_figures *out)
{
    pthread_mutex_lock(&session->lock);
    *out = session->figures;
    pthread_mutex_unlock(&session->lock);
}

/* --- a call --- */

chat_status chat__cstore_run(chat__cstore_call *call)
{
    chat__cstore_session *session = call->session;
    if (call->status != CHAT_OK || call->n_items == 0)
        return call->status;
    call->n_asked = 0;
    call->n_flying = 0;
    call->n_pages = 0;
    call->is_done = 0;
    call->next = NULL;
    pthread_mutex_lock(&session->lock);
    if (session->is_stopping) {
        call->status = CHAT_ERR_CLOSED;
    } else {
        *session->last = call;
        session->last = &call->next;
        wake(session);
        while (!call->is_done)
            (void)pthread_cond_wait(&call->is_over, &session->lock);
    }
    pthread_mutex_unlock(&session->lock);
    return call->status;
}
