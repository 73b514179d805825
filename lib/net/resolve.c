/* SPDX-License-Identifier: MIT */
/* See resolve.h. An address in digits needs no thread. */
#include "net/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct chat__resolve {
    atomic_int n_users; /* the caller and the thread */
    atomic_int is_done;
    int fd;
    int error; /* EAI_* */
    struct addrinfo *addresses;
    char host[256];
    char port[8];
};

static void drop(chat__resolve *resolve)
{
    if (atomic_fetch_sub(&resolve->n_users, 1) != 1)
        return;
    if (resolve->addresses != NULL)
        freeaddrinfo(resolve->addresses);
    close(resolve->fd);
    free(resolve);
}

static void look_up(chat__resolve *resolve, int flags)
{
    struct addrinfo hints;
    uint64_t one = 1;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    resolve->error = getaddrinfo(resolve->host, resolve->port, &hints, &resolve->addresses);
    if (resolve->error != 0)
        resolve->addresses = NULL;
    if (flags != 0 && resolve->error != 0)
        return; /* no address in digits: ask the resolver */
    atomic_store(&resolve->is_done, 1);
    (void)!write(resolve->fd, &one, sizeof one);
}

/* @thread resolver */
static void *run(void *arg)
{
    chat__resolve *resolve = arg;
    look_up(resolve, 0);
    drop(resolve);
    return NULL;
}

/* Signals are the application's: none is taken by this thread. */
static int start_thread(chat__resolve *resolve)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return 0;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attr, run, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error == 0;
}

chat_status chat__resolve_start(const char *host, const char *port, chat__resolve **out)
{
    chat__resolve *resolve = calloc(1, sizeof *resolve);
    if (resolve == NULL)
        return CHAT_ERR_NOMEM;
    resolve->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolve->fd < 0) {
        free(resolve);
        return CHAT_ERR_LIMIT;
    }
    snprintf(resolve->host, sizeof resolve->host, "%s", host);
    snprintf(resolve->port, sizeof resolve->port, "%s", port);
    atomic_store(&resolve->n_users, 1);
    look_up(resolve, AI_NUMERICHOST);
    if (!atomic_load(&resolve->is_done)) {
        atomic_store(&resolve->n_users, 2);
        if (!start_thread(resolve)) {
            atomic_store(&resolve->n_users, 1);
            drop(resolve);
            return CHAT_ERR_LIMIT;
        }
    }
    *out = resolve;
    return CHAT_OK;
}

int chat__resolve_fd(const chat__resolve *resolve)
{
    return resolve->fd;
}

chat_status chat__resolve_result(const chat__resolve *resolve, const struct addrinfo **out,
                                 const char **out_why)
{
    if (!atomic_load(&resolve->is_done))
        return CHAT_MORE;
    if (resolve->error != 0) {
        *out_why = gai_strerror(resolve->error);
        return CHAT_ERR_NETWORK;
    }
    *out = resolve->addresses;
    return CHAT_OK;
}

void chat__resolve_free(chat__resolve *resolve)
{
    if (resolve != NULL)
        drop(resolve);
}

/* --- one after the other --- */

/* What came too late is dropped; the others move together. */
static size_t tidy(chat__resolver *resolver)
{
    size_t n = 0;
    for (size_t i = 0; i < CHAT__RESOLVE_LEFT; i++) {
        chat__resolve *one = resolver->left[i];
        resolver->left[i] = NULL;
        if (one != NULL && atomic_load(&one->is_done))
            drop(one);
        else if (one != NULL)
            resolver->left[n++] = one;
    }
    return n;
}

chat_status chat__resolver_start(chat__resolver *resolver, const char *host, const char *port)
{
    chat__resolver_leave(resolver);
    if (tidy(resolver) < CHAT__RESOLVE_LEFT)
        return chat__resolve_start(host, port, &resolver->now);
    resolver->now = resolver->left[0];
    resolver->left[0] = NULL;
    (void)tidy(resolver);
    return CHAT_OK;
}

void chat__resolver_leave(chat__resolver *resolver)
{
    chat__resolve *one = resolver->now;
    resolver->now = NULL;
    if (one != NULL && !atomic_load(&one->is_done))
        resolver->left[tidy(resolver)] = one;
    else
        chat__resolve_free(one);
}

void chat__resolver_done(chat__resolver *resolver)
{
    chat__resolver_leave(resolver);
    for (size_t i = 0; i < CHAT__RESOLVE_LEFT && resolver->left[i] != NULL; i++)
        drop(resolver->left[i]);
}
