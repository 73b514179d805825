/* SPDX-License-Identifier: MIT */
/* What the files of the client share. */
#ifndef CHAT_CLIENT_HANDLE_H
#define CHAT_CLIENT_HANDLE_H

#include "client/client.h"
#include "client/item.h"
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

/* A request that the file answers, a row at a time. */
typedef struct chat__client_answer {
    struct chat__client_answer *next;
    chat__client_item *request; /* its frame; `r` is set */
    uint64_t seq;               /* of the last row; `chats`: of its newest record */
    uint64_t n;                 /* `chats`: the file's number of it */
    uint32_t limit, n_rows;
    uint32_t cached;
} chat__client_answer;

/* Events that are not the machine's. */
typedef struct chat__client_local {
    chat__client_answer *first;
    chat__client_answer *last;
    uint32_t n_answers, max_answers;
    chat_event event;         /* what is given out */
    chat__client_item *given; /* and what it points at */
    int is_damage_due;        /* the file was damaged; `text` says more */
    char text[512];
} chat__client_local;

/* The page of history whose rows come in. */
typedef struct chat__client_page {
    uint64_t r, first_seq, last_seq;
} chat__client_page;

struct chat__cache;

struct chat_client {
    pthread_mutex_t lock; /* of everything below; never held while the application is called */
    chat__client_thread thread;
    chat_allocator allocator;
    chat_log_sink log;
    chat__client *core;
    chat__link link;
    chat__tls_context *tls_context;
    struct chat__cache *cache; /* NULL: no `store_file` */
    chat__client_page page;
    chat_status keep_loss; /* what was received could not be written: it must come again */
    int is_deaf;           /* `ignore_stream`: what is new is not kept here */
    int is_restore_due;    /* what waits in the file may not be in the machine */
    chat__client_local local;
    chat__client_item *shown; /* what an item of the outbox borrows from */
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

/* A line for the application's log. */
void chat__client_say_line(const chat_client *client, chat_log_level level, const char *what,
                           const char *why);

/* Something is to be done: whoever waits on the descriptor must come back. */
void chat__client_wake_self(chat_client *client);

/* Copy a token. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__client_put_token(chat_client *client, const char *token);

#endif
