/* SPDX-License-Identifier: MIT */
/* What the files of this room share. Nobody else includes it. */
#ifndef CHAT_PRESENCE_INTERNAL_H
#define CHAT_PRESENCE_INTERNAL_H

#include <chat/presence.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/view.h"

typedef struct chat__presence_user chat__presence_user;

/* A device that is there. */
typedef struct chat__presence_lease {
    chat__heap_item timer; /* first: the heap gives it back */
    struct chat__presence_lease *next;
    chat__presence_user *user;
    uint64_t number;
} chat__presence_lease;

typedef struct chat__presence_watcher chat__presence_watcher;

/* One user in one watcher's list. */
typedef struct chat__presence_watch {
    struct chat__presence_watch *prev_of_user, *next_of_user;
    struct chat__presence_watch *prev_of_watcher, *next_of_watcher;
    chat__presence_user *user;
    chat__presence_watcher *watcher;
} chat__presence_watch;

struct chat__presence_watcher {
    chat__presence_watch *watches;
    uint32_t n_watches;
    uint64_t number;
};

struct chat__presence_user {
    chat__presence_user *prev_idle, *next_idle; /* while nothing but `seen_ms` keeps it */
    chat__presence_user *next_changed;
    chat__presence_lease *leases;
    chat__presence_watch *watches;
    uint64_t seen_ms;
    uint8_t is_idle : 1;
    uint8_t is_queued : 1; /* among the changed */
    uint8_t is_hidden : 1;
    uint8_t is_put_online : 1;    /* by chat_presence_tell() */
    uint8_t was_told_online : 1;  /* what watchers know */
    uint8_t must_tell : 1;        /* even when nothing changed */
    uint8_t is_watched_known : 1; /* somebody watched: say so when the last one goes */
    uint8_t id_len;
    uint8_t id[];
};

struct chat_presence {
    chat_allocator allocator;
    chat_presence_options options;
    chat__map users;
    chat__map watchers;
    chat__heap timers;
    chat__presence_user *idle_first, *idle_last; /* oldest first */
    chat__presence_user *changed, *last_changed;
    chat__presence_watch *next_told; /* of the first that changed */
    chat__presence_user *given;      /* its name was lent out by the last change */
    uint32_t n_leases;
    uint32_t n_leased; /* users with a lease */
    uint8_t is_telling;
};

/* --- presence.c --- */
chat_view chat__presence_name(const chat__presence_user *user);
chat__presence_user *chat__presence_find(const chat_presence *presence, chat_view id);
/* Find or make one that is watched or hidden. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_LIMIT,
   CHAT_ERR_NOMEM. A new one must be kept by something, or given to chat__presence_settle(). */
chat_status chat__presence_enter(chat_presence *presence, chat_view id, chat__presence_user **out);
/* Call when a reason to keep it may be gone. */
void chat__presence_settle(chat_presence *presence, chat__presence_user *user);
int chat__presence_is_online(const chat__presence_user *user);
void chat__presence_state_of(const chat__presence_user *user, chat_presence_state *out);

/* --- watch.c --- */
/* What watchers see may be another: have it told. */
void chat__presence_queue(chat_presence *presence, chat__presence_user *user);
void chat__presence_free_watchers(chat_presence *presence);

#endif
