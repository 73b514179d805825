/* SPDX-License-Identifier: MIT */
/* The two parts of a session: its thread (session.c) and what flies (flights.c). See session.h. */
#ifndef CHAT_CASSANDRA_STORE_SESSION_INTERNAL_H
#define CHAT_CASSANDRA_STORE_SESSION_INTERNAL_H

#include "backends/cassandra/store/session.h"

#define CHAT__CSTORE_MAX_SLOTS  256u /* calls of which items are asked; others wait in line */
#define CHAT__CSTORE_MAX_BATCH  100u
#define CHAT__CSTORE_MAX_VALUES 12u /* of a statement */

struct chat__cstore_session {
    chat_allocator allocator;
    chat_log_sink log;
    chat_cassandra *cassandra;
    uint32_t numbers[CHAT__CSTORE_N_STATEMENTS];
    uint32_t max_flying; /* requests without an answer */
    pthread_t thread;
    int wake_fd;
    int has_thread;
    pthread_mutex_t lock;
    /* under the lock */
    chat__cstore_call *first, **last; /* the line */
    int is_stopping;
    chat_cassandra_figures figures;
    /* the thread's */
    chat__cstore_call *slots[CHAT__CSTORE_MAX_SLOTS];
    uint32_t n_slots; /* those below may be used */
    uint32_t turn;    /* who is first next time */
    uint32_t n_flying;
    int is_full;      /* until the next answer */
    uint64_t said_ms; /* when a failure was logged last */
    chat_cassandra_request requests[CHAT__CSTORE_MAX_BATCH];
    chat_view views[CHAT__CSTORE_MAX_BATCH * CHAT__CSTORE_MAX_VALUES];
};

/* flights.c: give the driver as much as may fly, some of each call at a time. */
void chat__cstore_give(chat__cstore_session *session);
void chat__cstore_take(chat__cstore_session *session, const chat_cassandra_event *event);

#endif
