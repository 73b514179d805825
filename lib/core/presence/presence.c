/* SPDX-License-Identifier: MIT */
/* Users and their leases. See <chat/presence.h>. */
#include "presence/internal.h"
#include "base/sized.h"

#include <chat/id.h>

#define NEVER UINT64_MAX

void chat_presence_options_init(chat_presence_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->ttl_ms = 60000;
    options->max_leases = 1000000;
    options->max_users = 65536;
    options->max_watched = 256;
}

chat_status chat_presence_new(const chat_presence_options *given, chat_presence **out)
{
    chat_presence_options known;
    const chat_presence_options *options = &known;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_presence_options_init(&known);
    if (chat__sized_take(&known, sizeof known, given) != CHAT_OK)
        return CHAT_ERR_ARG;
    if (options->max_leases == 0 || options->max_users == 0 || options->max_watched == 0)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat_presence *presence = chat__alloc_zero(&allocator, sizeof *presence);
    if (presence == NULL)
        return CHAT_ERR_NOMEM;
    presence->allocator = allocator;
    presence->options = *options;
    presence->options.allocator = NULL;
    chat__map_init(&presence->users, &presence->allocator, SIZE_MAX, options->seed);
    chat__map_init(&presence->watchers, &presence->allocator, SIZE_MAX, options->seed);
    chat__heap_init(&presence->timers, &presence->allocator, options->max_leases);
    *out = presence;
    return CHAT_OK;
}

void chat_presence_free(chat_presence *presence)
{
    size_t cursor = 0;
    if (presence == NULL)
        return;
    chat_allocator allocator = presence->allocator;
    chat__presence_free_watchers(presence);
    chat__presence_user *user = chat__map_next(&presence->users, &cursor);
    while (user != NULL) {
        while (user->leases != NULL) {
            chat__presence_lease *lease = user->leases;
            user->leases = lease->next;
            chat__alloc_free(&allocator, lease);
        }
        chat__alloc_free(&allocator, user);
        user = chat__map_next(&presence->users, &cursor);
    }
    chat__map_done(&presence->users);
    chat__map_done(&presence->watchers);
    chat__heap_done(&presence->timers);
    chat__alloc_free(&allocator, presence);
}

/* --- users --- */

chat_view chat__presence_name(const chat__presence_user *user)
{
    return chat__view(user->id, user->id_len);
}

chat__presence_user *chat__presence_find(const chat_presence *presence, chat_view id)
{
    return chat__map_get(&presence->users, id);
}

static void leave_idle(chat_presence *presence, chat__presence_user *user)
{
    if (!user->is_idle)
        return;
    if (user->prev_idle != NULL)
        user->prev_idle->next_idle = user->next_idle;
    else
        presence->idle_first = user->next_idle;
    if (user->next_idle != NULL)
        user->next_idle->prev_idle = user->prev_idle;
    else
        presence->idle_last = user->prev_idle;
    user->prev_idle = NULL;
    user->next_idle = NULL;
    user->is_idle = 0;
}

static void append_idle(chat_presence *presence, chat__presence_user *user)
{
    user->prev_idle = presence->idle_last;
    if (presence->idle_last != NULL)
        presence->idle_last->next_idle = user;
    else
        presence->idle_first = user;
    presence->idle_last = user;
    user->is_idle = 1;
}

static void forget(chat_presence *presence, chat__presence_user *user)
{
    leave_idle(presence, user);
    if (presence->given == user)
        presence->given = NULL;
    (void)chat__map_remove(&presence->users, chat__presence_name(user));
    chat__alloc_free(&presence->allocator, user);
}

static size_t n_unleased(const chat_presence *presence)
{
    return presence->users.n_items - presence->n_leased;
}

void chat__presence_settle(chat_presence *presence, chat__presence_user *user)
{
    if (user->leases != NULL || user->watches != NULL || user->is_hidden || user->is_queued ||
        user->is_idle)
        return;
    if (user->seen_ms == 0) {
        forget(presence, user);
        return;
    }
    user->is_put_online = 0;
    append_idle(presence, user);
    while (n_unleased(presence) > presence->options.max_users && presence->idle_first != NULL)
        forget(presence, presence->idle_first);
}

static chat_status make_user(chat_presence *presence, chat_view id, chat__presence_user **out)
{
    chat__presence_user *user =
        chat__alloc_zero(&presence->allocator, offsetof(chat__presence_user, id) + id.len);
    if (user == NULL)
        return CHAT_ERR_NOMEM;
    memcpy(user->id, id.data, id.len);
    user->id_len = (uint8_t)id.len;
    chat_status status = chat__map_put(&presence->users, chat__presence_name(user), user);
    if (status != CHAT_OK) {
        chat__alloc_free(&presence->allocator, user);
        return status;
    }
    *out = user;
    return CHAT_OK;
}

chat_status chat__presence_enter(chat_presence *presence, chat_view id, chat__presence_user **out)
{
    if (!chat_id_is_valid(id))
        return CHAT_ERR_ARG;
    chat__presence_user *user = chat__presence_find(presence, id);
    if (user != NULL) {
        leave_idle(presence, user);
        *out = user;
        return CHAT_OK;
    }
    while (n_unleased(presence) >= presence->options.max_users && presence->idle_first != NULL)
        forget(presence, presence->idle_first);
    if (n_unleased(presence) >= presence->options.max_users)
        return CHAT_ERR_LIMIT;
    return make_user(presence, id, out);
}

/* --- leases --- */

static chat__presence_lease **lease_link(chat__presence_user *user, uint64_t number)
{
    chat__presence_lease **link = &user->leases;
    while (*link != NULL && (*link)->number != number)
        link = &(*link)->next;
    return link;
}

static chat_status renew_timer(chat_presence *presence, chat__presence_lease *lease,
                               uint64_t now_ms)
{
    if (presence->options.ttl_ms == 0)
        return CHAT_OK;
    return chat__heap_set(&presence->timers, &lease->timer, now_ms + presence->options.ttl_ms);
}

static chat_status add_lease(chat_presence *presence, chat__presence_user *user, uint64_t number,
                             uint64_t now_ms)
{
    if (presence->n_leases >= presence->options.max_leases)
        return CHAT_ERR_LIMIT;
    chat__presence_lease *lease = chat__alloc_zero(&presence->allocator, sizeof *lease);
    if (lease == NULL)
        return CHAT_ERR_NOMEM;
    lease->user = user;
    lease->number = number;
    chat_status status = renew_timer(presence, lease, now_ms);
    if (status != CHAT_OK) {
        chat__alloc_free(&presence->allocator, lease);
        return status;
    }
    presence->n_leases++;
    if (user->leases == NULL) {
        presence->n_leased++;
        user->is_put_online = 0;
    }
    lease->next = user->leases;
    user->leases = lease;
    return CHAT_OK;
}

chat_status chat_presence_renew(chat_presence *presence, chat_view id, uint64_t number,
                                uint64_t now_ms)
{
    chat_status status = CHAT_OK;
    if (presence == NULL || !chat_id_is_valid(id))
        return CHAT_ERR_ARG;
    chat__presence_user *user = chat__presence_find(presence, id);
    if (user == NULL)
        status = make_user(presence, id, &user);
    if (status != CHAT_OK)
        return status;
    chat__presence_lease *lease = *lease_link(user, number);
    if (lease != NULL)
        return renew_timer(presence, lease, now_ms);
    leave_idle(presence, user);
    status = add_lease(presence, user, number, now_ms);
    if (status == CHAT_OK)
        chat__presence_queue(presence, user);
    else
        chat__presence_settle(presence, user);
    return status;
}

static void end_lease(chat_presence *presence, chat__presence_lease **link, uint64_t seen_ms)
{
    chat__presence_lease *lease = *link;
    chat__presence_user *user = lease->user;
    *link = lease->next;
    chat__heap_remove(&presence->timers, &lease->timer);
    chat__alloc_free(&presence->allocator, lease);
    presence->n_leases--;
    /* Who hides was last seen when that began. */
    if (!user->is_hidden && seen_ms > user->seen_ms)
        user->seen_ms = seen_ms;
    if (user->leases != NULL)
        return;
    presence->n_leased--;
    chat__presence_queue(presence, user);
    chat__presence_settle(presence, user);
}

void chat_presence_release(chat_presence *presence, chat_view id, uint64_t number, uint64_t seen_ms)
{
    chat__presence_user *user = presence != NULL ? chat__presence_find(presence, id) : NULL;
    chat__presence_lease **link = user != NULL ? lease_link(user, number) : NULL;
    if (link != NULL && *link != NULL)
        end_lease(presence, link, seen_ms);
}

uint64_t chat_presence_deadline(const chat_presence *presence)
{
    const chat__heap_item *first = chat__heap_first(&presence->timers);
    return first == NULL ? NEVER : first->at_ms;
}

void chat_presence_expire(chat_presence *presence, uint64_t now_ms)
{
    chat__heap_item *item = chat__heap_first(&presence->timers);
    while (item != NULL && item->at_ms <= now_ms) {
        chat__presence_lease *lease = (chat__presence_lease *)(void *)item;
        end_lease(presence, lease_link(lease->user, lease->number),
                  item->at_ms - presence->options.ttl_ms);
        item = chat__heap_first(&presence->timers);
    }
}

/* --- what others see --- */

int chat__presence_is_online(const chat__presence_user *user)
{
    return !user->is_hidden && (user->leases != NULL || user->is_put_online);
}

void chat__presence_state_of(const chat__presence_user *user, chat_presence_state *out)
{
    memset(out, 0, sizeof *out);
    out->is_online = (uint32_t)chat__presence_is_online(user);
    out->is_hidden = user->is_hidden;
    out->seen_ms = out->is_online ? 0 : user->seen_ms;
}

void chat_presence_get(const chat_presence *presence, chat_view id, chat_presence_state *out)
{
    const chat__presence_user *user = presence != NULL ? chat__presence_find(presence, id) : NULL;
    memset(out, 0, sizeof *out);
    if (user != NULL)
        chat__presence_state_of(user, out);
}

chat_status chat_presence_hide(chat_presence *presence, chat_view id, int is_hidden,
                               uint64_t now_ms)
{
    chat__presence_user *user;
    if (presence == NULL)
        return CHAT_ERR_ARG;
    chat_status status = chat__presence_enter(presence, id, &user);
    if (status != CHAT_OK)
        return status;
    if (is_hidden && !user->is_hidden && user->leases != NULL)
        user->seen_ms = now_ms;
    user->is_hidden = is_hidden != 0;
    chat__presence_queue(presence, user);
    chat__presence_settle(presence, user);
    return CHAT_OK;
}

void chat_presence_tell(chat_presence *presence, chat_view id, int is_online, uint64_t seen_ms)
{
    chat__presence_user *user = presence != NULL ? chat__presence_find(presence, id) : NULL;
    if (user == NULL || user->watches == NULL || user->leases != NULL)
        return;
    user->is_put_online = is_online != 0;
    user->seen_ms = seen_ms;
    user->must_tell = 1;
    chat__presence_queue(presence, user);
}
