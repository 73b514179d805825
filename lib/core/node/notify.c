/* SPDX-License-Identifier: MIT */
/* Who is away and was told of how much. See notify.h. */
#include "node/notify.h"
#include "node/trail.h"

#include <string.h>

#define NEVER        UINT64_MAX
#define RECENT_COUNT 16u

/* A user who is away and for whom something came. */
typedef struct away {
    chat__heap_item timer; /* first: the heap gives it back */
    struct away *prev, *next;
    uint64_t quiet_until_ms; /* no second notification of many before */
    uint64_t recent[RECENT_COUNT];
    uint64_t id, seq; /* of the newest message */
    uint32_t n_missed;
    uint32_t n_names; /* one more than there is room for: and others */
    uint8_t name_lens[CHAT__NOTIFY_NAMES];
    uint8_t names[CHAT__NOTIFY_NAMES][CHAT_ID_MAX_BYTES];
    uint8_t chat_len;
    uint8_t chat[CHAT_CHAT_ID_MAX_BYTES];
    uint8_t user_len;
    uint8_t user[];
} away;

struct chat__notify {
    chat__map users;
    chat__heap timers;
    away *first, *last; /* who missed something longest ago first */
};

chat_status chat__notify_init(chat__node *node)
{
    if (node->options.notify_users == 0)
        return CHAT_OK;
    node->notify = chat__node_alloc(node, sizeof *node->notify);
    if (node->notify == NULL)
        return CHAT_ERR_NOMEM;
    chat__map_init(&node->notify->users, &node->allocator, node->options.notify_users,
                   node->options.seed);
    chat__heap_init(&node->notify->timers, &node->allocator, node->options.notify_users);
    return CHAT_OK;
}

static void unlink_away(chat__notify *notify, away *user)
{
    if (user->prev != NULL)
        user->prev->next = user->next;
    else
        notify->first = user->next;
    if (user->next != NULL)
        user->next->prev = user->prev;
    else
        notify->last = user->prev;
}

static void link_last(chat__notify *notify, away *user)
{
    user->next = NULL;
    user->prev = notify->last;
    if (notify->last != NULL)
        notify->last->next = user;
    else
        notify->first = user;
    notify->last = user;
}

static void forget(chat__node *node, away *user)
{
    chat__heap_remove(&node->notify->timers, &user->timer);
    (void)chat__map_remove(&node->notify->users, chat__view(user->user, user->user_len));
    unlink_away(node->notify, user);
    chat__node_dealloc(node, user);
}

void chat__notify_done(chat__node *node)
{
    if (node->notify == NULL)
        return;
    while (node->notify->first != NULL)
        forget(node, node->notify->first);
    chat__map_done(&node->notify->users);
    chat__heap_done(&node->notify->timers);
    chat__node_dealloc(node, node->notify);
    node->notify = NULL;
}

static away *get_away(chat__node *node, chat_view name)
{
    away *user = chat__map_get(&node->notify->users, name);
    if (user != NULL)
        return user;
    if (node->notify->users.n_items >= node->options.notify_users)
        forget(node, node->notify->first);
    user = chat__node_alloc(node, sizeof *user + name.len);
    if (user == NULL)
        return NULL;
    memcpy(user->user, name.data, name.len);
    user->user_len = (uint8_t)name.len;
    if (chat__map_put(&node->notify->users, chat__view(user->user, user->user_len), user) !=
        CHAT_OK) {
        chat__node_dealloc(node, user);
        return NULL;
    }
    link_last(node->notify, user);
    return user;
}

int chat__notify_is_away(const chat__user *user, const chat__node_conn *but)
{
    const chat__node_conn *conn = user != NULL ? user->conns : NULL;
    while (conn != NULL &&
           (conn == but || conn->broken != 0 || conn->session.state == CHAT__SESSION_HELLO))
        conn = conn->next;
    return conn == NULL;
}

/* --- telling --- */

static void add_name(away *user, chat_view name)
{
    uint32_t i = 0;
    if (name.len == 0)
        return;
    while (i < user->n_names && i < CHAT__NOTIFY_NAMES &&
           !chat__view_equal(chat__view(user->names[i], user->name_lens[i]), name))
        i++;
    if (i < CHAT__NOTIFY_NAMES && i == user->n_names) {
        memcpy(user->names[i], name.data, name.len);
        user->name_lens[i] = (uint8_t)name.len;
    }
    if (i == user->n_names)
        user->n_names++;
}

/* Whether it was told, or tried, before. */
static int is_known(away *user, uint64_t id)
{
    for (uint32_t i = 0; i < RECENT_COUNT; i++) {
        if (user->recent[i] == id)
            return 1;
    }
    memmove(user->recent + 1, user->recent, (RECENT_COUNT - 1) * sizeof *user->recent);
    user->recent[0] = id;
    return 0;
}

/* In the arena. */
static int copy_names(chat__node *node, const chat_view *names, size_t n, chat_view_list *out)
{
    chat_view *items = chat__arena_get(&node->arena, (n + 1) * sizeof *items);
    for (size_t i = 0; items != NULL && i < n; i++) {
        items[i] = chat__arena_copy(&node->arena, names[i]);
        if (items[i].len != names[i].len)
            items = NULL;
    }
    out->items = items;
    out->n_items = n;
    return items != NULL;
}

static void emit(chat__node *node, chat_view user, const chat__missed *missed, const away *all)
{
    chat_view names[CHAT__NOTIFY_NAMES] = {missed->from};
    chat_view none = {NULL, 0};
    size_t n = missed->from.len > 0 ? 1 : 0;
    chat_view_list list;
    if (all != NULL)
        n = all->n_names < CHAT__NOTIFY_NAMES ? all->n_names : CHAT__NOTIFY_NAMES;
    for (size_t i = 0; all != NULL && i < n; i++)
        names[i] = chat__view(all->names[i], all->name_lens[i]);
    chat__effect *effect = NULL;
    if (copy_names(node, names, n, &list))
        effect = chat__node_emit_about(node, CHAT__EFFECT_NOTIFY, missed->chat, user, none);
    if (effect == NULL) {
        chat__count(&node->counts, CHAT__EVENT_SUPPRESSED);
        return;
    }
    effect->id = missed->id;
    effect->seq = missed->seq;
    effect->limit = missed->count;
    effect->kind = all != NULL && all->n_names > CHAT__NOTIFY_NAMES;
    effect->names = list;
    chat__count(&node->counts, CHAT__EVENT_NOTIFIED);
    chat__trail_away(node, CHAT__EVENT_NOTIFIED, user, missed->chat, missed->seq);
}

/* All that was missed so far. */
static void emit_many(chat__node *node, away *user)
{
    chat__missed all = {.chat = chat__view(user->chat, user->chat_len),
                        .id = user->id,
                        .seq = user->seq,
                        .count = user->n_missed};
    user->quiet_until_ms = node->mono_ms + node->options.notify_interval_ms;
    emit(node, chat__view(user->user, user->user_len), &all, user);
}

static void keep_newest(away *user, const chat__missed *missed)
{
    user->id = missed->id;
    user->seq = missed->seq;
    user->chat_len = (uint8_t)missed->chat.len;
    memcpy(user->chat, missed->chat.data, missed->chat.len);
    add_name(user, missed->from);
    user->n_missed += missed->count;
}

void chat__notify_missed(chat__node *node, chat_view name, const chat__missed *missed)
{
    if (node->notify == NULL || node->is_draining || chat__view_equal(name, missed->from))
        return;
    away *user = get_away(node, name);
    if (user == NULL) {
        chat__count(&node->counts, CHAT__EVENT_SUPPRESSED);
        return;
    }
    if (missed->id != 0 && is_known(user, missed->id))
        return;
    unlink_away(node->notify, user);
    link_last(node->notify, user);
    keep_newest(user, missed);
    if (user->n_missed <= CHAT__NOTIFY_SINGLES) {
        emit(node, name, missed, NULL);
        return;
    }
    if (user->timer.place == 0 && node->mono_ms >= user->quiet_until_ms) {
        emit_many(node, user);
        return;
    }
    chat__count(&node->counts, CHAT__EVENT_SUPPRESSED);
    chat__trail_away(node, CHAT__EVENT_SUPPRESSED, name, missed->chat, missed->seq);
    if (user->timer.place == 0)
        (void)chat__heap_set(&node->notify->timers, &user->timer, user->quiet_until_ms);
}

void chat__notify_arrive(chat__node *node, chat_view name)
{
    away *user = node->notify != NULL ? chat__map_get(&node->notify->users, name) : NULL;
    if (user != NULL)
        forget(node, user);
}

void chat__notify_do_due(chat__node *node)
{
    chat__heap_item *item = node->notify != NULL ? chat__heap_first(&node->notify->timers) : NULL;
    while (item != NULL && item->at_ms <= node->mono_ms) {
        chat__heap_remove(&node->notify->timers, item);
        if (!node->is_draining)
            emit_many(node, (away *)(void *)item);
        item = chat__heap_first(&node->notify->timers);
    }
}

uint64_t chat__notify_deadline(const chat__node *node)
{
    const chat__heap_item *item =
        node->notify != NULL ? chat__heap_first(&node->notify->timers) : NULL;
    return item != NULL ? item->at_ms : NEVER;
}
