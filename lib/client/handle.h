/* SPDX-License-Identifier: MIT */
/* What the files of the client share. */
#ifndef CHAT_CLIENT_HANDLE_H
#define CHAT_CLIENT_HANDLE_H

#include "client/client.h"
#include "link.h"

#include <pthread.h>

/* chat_client_start(); all under the lock. */
typedef struct chat__client_thread {
    pthread_t id;
    void *ctx;
    void (*on_event)(void *ctx, chat_client *client, const chat_event *event);
    pthread_cond_t ended; /* of a detached thread */
    int is_running;
    int is_stopping;
    int is_detached; /* stopped from its own callback: nobody joins it */
    int is_freed_at_end;
} chat__client_thread;

/* When a new token is asked for. */
typedef struct chat__client_renewal {
    uint32_t lead_ms; /* 0: never */
    uint64_t number;  /* of the token that the application gave last */
    uint64_t used;    /* of the one that the last connection was made with */
    uint64_t due_ms;
    int is_due_known;
    int is_asked_early, is_asked_late;
} chat__client_renewal;

struct chat_client {
    pthread_mutex_t lock; /* of everything below; never held while the application is called */
    chat__client_thread thread;
    chat_allocator allocator;
    chat_log_sink log;
    chat__client *core;
    chat__link link;
    chat__tls_context *tls_context;
    char *token;
    chat__client_renewal renewal;
    int epoll_fd;
    int wake_fd;
    uint64_t now_ms;
    int is_woken;            /* by ourselves, since the last turn */
    int reads_left;          /* in this turn */
    int is_leaving;          /* chat_client_close() was called */
    uint64_t leave_until_ms; /* 0: leaving has not begun */
};

static inline void chat__client_enter(const chat_client *client)
{
    pthread_mutex_lock((pthread_mutex_t *)&client->lock);
}

static inline void chat__client_exit(const chat_client *client)
{
    pthread_mutex_unlock((pthread_mutex_t *)&client->lock);
}

/* As the public functions, with the lock held. */
chat_status chat__client_process_turn(chat_client *client, uint64_t now_ms);
chat_status chat__client_read_event(chat_client *client, const chat_event **out);
int chat__client_wait_ms(const chat_client *client, uint64_t now_ms);

/* 1: called on that thread itself, which frees the client at its end when `and_free`. */
int chat__client_thread_stop(chat_client *client, int and_free);
void chat__client_destroy(chat_client *client);

/* A token was given; once a turn; when it has to be asked next. */
void chat__client_renew_started(chat_client *client);
void chat__client_renew(chat_client *client);
uint64_t chat__client_renew_at(const chat_client *client);

/* Something is to be done: whoever waits on the descriptor must come back. */
void chat__client_wake_self(chat_client *client);

/* Copy a token. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__client_put_token(chat_client *client, const char *token);

#endif
