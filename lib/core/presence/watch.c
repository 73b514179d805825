/* SPDX-License-Identifier: MIT */
/* Who watches whom, and what they are told. See <chat/presence.h>. */
#include "presence/internal.h"
#include "presence/watched.h"

/* --- changes --- */

void chat__presence_queue(chat_presence *presence, chat__presence_user *user)
{
    if (user->is_queued || !user->is_watched_known)
        return;
    user->is_queued = 1;
    user->next_changed = NULL;
    if (presence->last_changed != NULL)
        presence->last_changed->next_changed = user;
    else
        presence->changed = user;
    presence->last_changed = user;
}

static void unqueue_first(chat_presence *presence)
{
    chat__presence_user *user = presence->changed;
    presence->changed = user->next_changed;
    if (presence->changed == NULL)
        presence->last_changed = NULL;
    user->next_changed = NULL;
    user->is_queued = 0;
    presence->is_telling = 0;
    presence->next_told = NULL;
}

static void fill_change(chat_presence *presence, chat__presence_user *user,
                        chat_presence_change_type type, chat_presence_change *out)
{
    memset(out, 0, sizeof *out);
    out->type = (uint32_t)type;
    out->user = chat__presence_name(user);
    chat__presence_state_of(user, &out->state);
    presence->given = user;
}

/* The first of the queue begins to be told: whether there is anything to say. */
static int begins(chat_presence *presence, chat__presence_user *user)
{
    uint8_t is_online = (uint8_t)chat__presence_is_online(user);
    int is_news = user->must_tell || is_online != user->was_told_online;
    user->must_tell = 0;
    user->was_told_online = is_online != 0;
    presence->is_telling = 1;
    presence->next_told = is_news ? user->watches : NULL;
    return is_news;
}

chat_status chat_presence_next_change(chat_presence *presence, chat_presence_change *out)
{
    if (presence == NULL)
        return CHAT_EMPTY;
    chat__presence_user *given = presence->given;
    presence->given = NULL;
    if (given != NULL)
        chat__presence_settle(presence, given);
    while (presence->changed != NULL) {
        chat__presence_user *user = presence->changed;
        if (user->watches == NULL) {
            unqueue_first(presence);
            user->is_watched_known = 0;
            fill_change(presence, user, CHAT_PRESENCE_UNWATCHED, out);
            return CHAT_OK;
        }
        if (!presence->is_telling)
            (void)begins(presence, user);
        chat__presence_watch *watch = presence->next_told;
        if (watch != NULL) {
            presence->next_told = watch->next_of_user;
            fill_change(presence, user, CHAT_PRESENCE_CHANGED, out);
            out->watcher = watch->watcher->number;
            return CHAT_OK;
        }
        unqueue_first(presence);
        /* It may have changed again while it was told. */
        if (chat__presence_is_online(user) != user->was_told_online || user->must_tell)
            chat__presence_queue(presence, user);
    }
    return CHAT_EMPTY;
}

/* --- lists --- */

static chat_view number_key(const uint64_t *number)
{
    return chat__view(number, sizeof *number);
}

static chat__presence_watcher *find_watcher(const chat_presence *presence, uint64_t number)
{
    return chat__map_get(&presence->watchers, number_key(&number));
}

static chat__presence_watcher *get_watcher(chat_presence *presence, uint64_t number)
{
    chat__presence_watcher *watcher = find_watcher(presence, number);
    if (watcher != NULL)
        return watcher;
    watcher = chat__alloc_zero(&presence->allocator, sizeof *watcher);
    if (watcher == NULL)
        return NULL;
    watcher->number = number;
    if (chat__map_put(&presence->watchers, number_key(&watcher->number), watcher) != CHAT_OK) {
        chat__alloc_free(&presence->allocator, watcher);
        return NULL;
    }
    return watcher;
}

static void drop_watcher_if_idle(chat_presence *presence, chat__presence_watcher *watcher)
{
    if (watcher->watches != NULL)
        return;
    (void)chat__map_remove(&presence->watchers, number_key(&watcher->number));
    chat__alloc_free(&presence->allocator, watcher);
}

static void remove_watch(chat_presence *presence, chat__presence_watch *watch)
{
    chat__presence_user *user = watch->user;
    if (presence->next_told == watch)
        presence->next_told = watch->next_of_user;
    if (watch->prev_of_user != NULL)
        watch->prev_of_user->next_of_user = watch->next_of_user;
    else
        user->watches = watch->next_of_user;
    if (watch->next_of_user != NULL)
        watch->next_of_user->prev_of_user = watch->prev_of_user;
    if (watch->prev_of_watcher != NULL)
        watch->prev_of_watcher->next_of_watcher = watch->next_of_watcher;
    else
        watch->watcher->watches = watch->next_of_watcher;
    if (watch->next_of_watcher != NULL)
        watch->next_of_watcher->prev_of_watcher = watch->prev_of_watcher;
    watch->watcher->n_watches--;
    chat__alloc_free(&presence->allocator, watch);
    if (user->watches == NULL)
        chat__presence_queue(presence, user);
    chat__presence_settle(presence, user);
}

/* Whether `user` is in the watcher's list in front of `end`. */
static chat__presence_watch *find_watch(const chat__presence_watcher *watcher,
                                        const chat__presence_user *user,
                                        const chat__presence_watch *end)
{
    chat__presence_watch *watch = watcher->watches;
    while (watch != end && watch->user != user)
        watch = watch->next_of_watcher;
    return watch == end ? NULL : watch;
}

/* At the head of the watcher's list. */
static chat_status insert_watch(chat_presence *presence, chat__presence_watcher *watcher,
                                chat__presence_user *user)
{
    chat__presence_watch *watch = chat__alloc_zero(&presence->allocator, sizeof *watch);
    if (watch == NULL) {
        chat__presence_settle(presence, user);
        return CHAT_ERR_NOMEM;
    }
    if (!user->is_watched_known) {
        user->is_watched_known = 1;
        user->was_told_online = chat__presence_is_online(user) != 0;
    }
    watch->user = user;
    watch->watcher = watcher;
    watch->next_of_user = user->watches;
    if (user->watches != NULL)
        user->watches->prev_of_user = watch;
    user->watches = watch;
    watch->next_of_watcher = watcher->watches;
    if (watcher->watches != NULL)
        watcher->watches->prev_of_watcher = watch;
    watcher->watches = watch;
    watcher->n_watches++;
    return CHAT_OK;
}

static void remove_between(chat_presence *presence, chat__presence_watch *watch,
                           const chat__presence_watch *end)
{
    while (watch != end) {
        chat__presence_watch *next = watch->next_of_watcher;
        remove_watch(presence, watch);
        watch = next;
    }
}

/* Put `users` in front of the list, each once. */
static chat_status insert_all(chat_presence *presence, chat__presence_watcher *watcher,
                              const chat_view *users, size_t n_users)
{
    const chat__presence_watch *old = watcher->watches;
    uint32_t n_old = watcher->n_watches;
    for (size_t i = 0; i < n_users; i++) {
        chat__presence_user *user;
        chat_status status = chat__presence_enter(presence, users[i], &user);
        if (status != CHAT_OK)
            return status;
        if (find_watch(watcher, user, old) != NULL)
            continue;
        if (watcher->n_watches - n_old >= presence->options.max_watched) {
            chat__presence_settle(presence, user);
            return CHAT_ERR_LIMIT;
        }
        status = insert_watch(presence, watcher, user);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

chat_status chat_presence_watch(chat_presence *presence, uint64_t number, const chat_view *users,
                                size_t n_users)
{
    if (presence == NULL || (users == NULL && n_users > 0))
        return CHAT_ERR_ARG;
    chat__presence_watcher *watcher = get_watcher(presence, number);
    if (watcher == NULL)
        return CHAT_ERR_NOMEM;
    chat__presence_watch *old = watcher->watches;
    chat_status status = insert_all(presence, watcher, users, n_users);
    if (status == CHAT_OK)
        remove_between(presence, old, NULL);
    else
        remove_between(presence, watcher->watches, old);
    drop_watcher_if_idle(presence, watcher);
    return status;
}

/* Lists that are added to are long, and few watch one user: look there. */
static chat__presence_watch *watch_of(const chat_presence *presence, uint64_t number, chat_view id)
{
    const chat__presence_user *user = chat__presence_find(presence, id);
    chat__presence_watch *watch = user != NULL ? user->watches : NULL;
    while (watch != NULL && watch->watcher->number != number)
        watch = watch->next_of_user;
    return watch;
}

chat_status chat_presence_watch_add(chat_presence *presence, uint64_t number, chat_view id)
{
    chat__presence_user *user;
    if (presence == NULL)
        return CHAT_ERR_ARG;
    if (watch_of(presence, number, id) != NULL)
        return CHAT_OK;
    chat__presence_watcher *watcher = get_watcher(presence, number);
    if (watcher == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = CHAT_ERR_LIMIT;
    if (watcher->n_watches < presence->options.max_watched)
        status = chat__presence_enter(presence, id, &user);
    if (status == CHAT_OK)
        status = insert_watch(presence, watcher, user);
    drop_watcher_if_idle(presence, watcher);
    return status;
}

void chat_presence_watch_remove(chat_presence *presence, uint64_t number, chat_view id)
{
    chat__presence_watch *watch = presence != NULL ? watch_of(presence, number, id) : NULL;
    if (watch == NULL)
        return;
    chat__presence_watcher *watcher = watch->watcher;
    remove_watch(presence, watch);
    drop_watcher_if_idle(presence, watcher);
}

int chat_presence_is_watching(const chat_presence *presence, uint64_t number, chat_view id)
{
    return presence != NULL && watch_of(presence, number, id) != NULL;
}

chat_status chat__presence_next_watched(const chat_presence *presence, size_t *cursor,
                                        chat_view *out)
{
    const chat__presence_user *user = NULL;
    do {
        user = chat__map_next(&presence->users, cursor);
    } while (user != NULL && user->watches == NULL);
    if (user == NULL)
        return CHAT_EMPTY;
    *out = chat__presence_name(user);
    return CHAT_OK;
}

void chat_presence_unwatch(chat_presence *presence, uint64_t number)
{
    chat__presence_watcher *watcher = presence != NULL ? find_watcher(presence, number) : NULL;
    if (watcher == NULL)
        return;
    remove_between(presence, watcher->watches, NULL);
    drop_watcher_if_idle(presence, watcher);
}

void chat__presence_free_watchers(chat_presence *presence)
{
    size_t cursor = 0;
    chat__presence_watcher *watcher = chat__map_next(&presence->watchers, &cursor);
    while (watcher != NULL) {
        while (watcher->watches != NULL) {
            chat__presence_watch *watch = watcher->watches;
            watcher->watches = watch->next_of_watcher;
            chat__alloc_free(&presence->allocator, watch);
        }
        chat__alloc_free(&presence->allocator, watcher);
        watcher = chat__map_next(&presence->watchers, &cursor);
    }
}
