/* SPDX-License-Identifier: MIT */
/* Who is away and was told of how much. See notify.h. */
#include "node/notify.h"
#include "node/trail.h"

#include <string.h>

#define NEVER        UINT64_MAX
#define RECENT_COUNT 16u
#define CACHE_COUNT  8u    /* chats of which it is known until when they are muted */
#define GONE_COUNT   1024u /* devices that a notifier cannot reach */

/* A user who is away and for whom something came. */
typedef struct away {
    chat__heap_item timer; /* first: the heap gives it back */
    struct away *prev, *next;
    uint64_t quiet_until_ms; /* no second notification of many before */
    uint64_t recent[RECENT_COUNT];
    uint64_t number; /* of all who ever were away: whoever comes back is another one then */
    uint64_t muted[CACHE_COUNT][2]; /* hash of a chat, and until when it is muted: newest first */
    uint8_t is_asked;               /* storage looks up the devices for a notification of many */
    uint64_t id, seq;               /* of the newest message */
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
    away *first, *last;        /* who missed something longest ago first */
    uint64_t n_away;           /* ever */
    uint64_t gone[GONE_COUNT]; /* hashes of user and device, a ring; 0: none */
    uint32_t next_gone;
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
    user->number = ++node->notify->n_away;
    link_last(node->notify, user);
    return user;
}

int chat__notify_is_away(const chat__user *user, const chat__node_conn *but)
{
    const chat__node_conn *conn = user != NULL ? user->conns : NULL;
    while (conn != NULL && (conn == but || conn->broken != 0 || conn->is_removed ||
                            conn->session.state == CHAT__SESSION_HELLO))
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

/* Not told, or not now. */
static void leave_out(chat__node *node, chat__event event, chat_view user,
                      const chat__missed *missed)
{
    chat__count(&node->counts, event);
    chat__trail_away(node, event, user, missed->chat, missed->seq);
}

static void emit(chat__node *node, const away *user, const chat__missed *missed, int is_many,
                 chat_view_list devices)
{
    chat_view names[CHAT__NOTIFY_NAMES] = {missed->from};
    chat_view name = chat__view(user->user, user->user_len);
    chat_view none = {NULL, 0};
    size_t n = missed->from.len > 0 ? 1 : 0;
    chat_view_list authors, to;
    if (is_many)
        n = user->n_names < CHAT__NOTIFY_NAMES ? user->n_names : CHAT__NOTIFY_NAMES;
    for (size_t i = 0; is_many && i < n; i++)
        names[i] = chat__view(user->names[i], user->name_lens[i]);
    chat__effect *effect = NULL;
    if (chat__node_copy_list(node, (chat_view_list){names, n}, &authors) == CHAT_OK &&
        chat__node_copy_list(node, devices, &to) == CHAT_OK)
        effect = chat__node_emit_about(node, CHAT__EFFECT_NOTIFY, missed->chat, name, none);
    if (effect == NULL) {
        leave_out(node, CHAT__EVENT_SUPPRESSED, name, missed);
        return;
    }
    effect->id = missed->id;
    effect->seq = missed->seq;
    effect->limit = missed->count;
    effect->kind = is_many && user->n_names > CHAT__NOTIFY_NAMES;
    effect->names = authors;
    effect->devices = to;
    effect->tag = chat__trail_key(node, missed->chat, missed->seq);
    effect->after = chat__trail_user(node, name);
    chat__count(&node->counts, CHAT__EVENT_NOTIFIED);
    chat__trail_away(node, CHAT__EVENT_NOTIFIED, name, missed->chat, missed->seq);
}

static chat__missed all_missed(const away *user)
{
    chat__missed all = {.chat = chat__view(user->chat, user->chat_len),
                        .id = user->id,
                        .seq = user->seq,
                        .count = user->n_missed};
    return all;
}

/* All that was missed so far. */
static void emit_many(chat__node *node, away *user, chat_view_list devices)
{
    chat__missed all = all_missed(user);
    user->quiet_until_ms = node->mono_ms + node->options.notify_interval_ms;
    emit(node, user, &all, 1, devices);
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

/* It counts, and is told with others later. */
static void put_off(chat__node *node, away *user, const chat__missed *missed)
{
    leave_out(node, CHAT__EVENT_SUPPRESSED, chat__view(user->user, user->user_len), missed);
    if (user->timer.place == 0 && !user->is_asked)
        (void)chat__heap_set(&node->notify->timers, &user->timer, user->quiet_until_ms);
}

/* --- what storage must say: whether the chat is muted, and which devices lack the message --- */

static uint64_t hash_of(const chat__node *node, chat_view text)
{
    return chat__siphash(node->options.seed, text.data, text.len);
}

/* NULL: not known. */
static uint64_t *muted_until(const chat__node *node, away *user, chat_view chat)
{
    uint64_t key = hash_of(node, chat);
    for (uint32_t i = 0; i < CACHE_COUNT; i++) {
        if (user->muted[i][0] == key)
            return &user->muted[i][1];
    }
    return NULL;
}

static void keep_muted(const chat__node *node, away *user, chat_view chat, uint64_t until_ms)
{
    uint64_t *known = muted_until(node, user, chat);
    if (known == NULL) {
        memmove(user->muted[1], user->muted[0], (CACHE_COUNT - 1) * sizeof *user->muted);
        user->muted[0][0] = hash_of(node, chat);
        known = &user->muted[0][1];
    }
    *known = until_ms;
}

void chat__notify_settings_changed(chat__node *node, chat_view name)
{
    away *user = node->notify != NULL ? chat__map_get(&node->notify->users, name) : NULL;
    if (user != NULL)
        memset(user->muted, 0, sizeof user->muted);
}

/* The op keeps the chat, then the user, then the author. CHAT_OK, or too much waits. */
static chat_status ask(chat__node *node, const away *user, const chat__missed *missed)
{
    chat__op *op =
        chat__op_new(node, CHAT__OP_AWAY, missed->chat.len + user->user_len + missed->from.len);
    chat_view none = {NULL, 0};
    chat__effect *effect = NULL;
    if (op != NULL)
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_AWAY, missed->chat,
                                       chat__view(user->user, user->user_len), none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        return CHAT_ERR_BUSY;
    }
    chat__op_keep(op, missed->chat);
    memcpy(op->storage + missed->chat.len, user->user, user->user_len);
    if (missed->from.len > 0)
        memcpy(op->storage + missed->chat.len + user->user_len, missed->from.data,
               missed->from.len);
    op->n_pages = user->user_len;
    op->limit = (uint32_t)missed->from.len;
    op->id = missed->id;
    op->seq = missed->seq;
    op->after = missed->count;
    op->before = user->number;
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->seq = missed->seq;
    return CHAT_OK;
}

static uint64_t gone_key(const chat__node *node, uint64_t user_key, chat_view device)
{
    uint64_t key = user_key ^ (hash_of(node, device) << 1);
    return key != 0 ? key : 1;
}

static uint64_t *find_gone(chat__node *node, uint64_t user_key, chat_view device)
{
    uint64_t key = gone_key(node, user_key, device);
    for (uint32_t i = 0; i < GONE_COUNT; i++) {
        if (node->notify->gone[i] == key)
            return &node->notify->gone[i];
    }
    return NULL;
}

void chat__node_told(chat__node *node, const chat__told *told)
{
    chat__trail_put(node, (chat__event)(CHAT__EVENT_COUNT + (uint32_t)told->fate), told->key,
                    told->user_key, told->device);
    if (node->notify == NULL || told->fate != CHAT__FATE_GONE || told->device.len == 0 ||
        find_gone(node, told->user_key, told->device) != NULL)
        return;
    node->notify->gone[node->notify->next_gone] = gone_key(node, told->user_key, told->device);
    node->notify->next_gone = (node->notify->next_gone + 1) % GONE_COUNT;
}

/* Those that can be reached, in the arena. */
static int reachable(chat__node *node, chat_view user, const chat__node_away *found,
                     chat_view_list *out)
{
    uint64_t user_key = chat__trail_user(node, user);
    chat_view *items = chat__arena_get(&node->arena, (found->n_devices + 1) * sizeof *items);
    out->items = items;
    out->n_items = 0;
    for (size_t i = 0; items != NULL && i < found->n_devices; i++) {
        if (find_gone(node, user_key, found->devices[i]) == NULL)
            items[out->n_items++] = found->devices[i];
    }
    return items != NULL;
}

/* It is to be told: now or later. */
static void take(chat__node *node, away *user, const chat__missed *missed, chat_view_list devices)
{
    keep_newest(user, missed);
    if (user->n_missed <= CHAT__NOTIFY_SINGLES)
        emit(node, user, missed, 0, devices);
    else if (user->timer.place == 0 && !user->is_asked && node->mono_ms >= user->quiet_until_ms)
        emit_many(node, user, devices);
    else
        put_off(node, user, missed);
}

/* Why it is not told now; CHAT__EVENT_NOTIFIED: it may be. */
static chat__event verdict(const chat__node *node, const chat__missed *missed,
                           const chat__node_away *found, size_t n_reachable)
{
    if (found->muted_until_ms > node->unix_ms)
        return CHAT__EVENT_MUTED;
    if (found->read_seq >= missed->seq || (found->n_known > 0 && found->n_devices == 0))
        return CHAT__EVENT_KNOWN;
    return found->n_known > 0 && n_reachable == 0 ? CHAT__EVENT_SUPPRESSED : CHAT__EVENT_NOTIFIED;
}

static void take_found(chat__node *node, away *user, const chat__missed *missed,
                       const chat__node_away *found)
{
    chat_view name = chat__view(user->user, user->user_len);
    chat_view_list devices;
    chat__event event = CHAT__EVENT_SUPPRESSED;
    keep_muted(node, user, missed->chat, found->muted_until_ms);
    if (reachable(node, name, found, &devices))
        event = verdict(node, missed, found, devices.n_items);
    if (event != CHAT__EVENT_NOTIFIED)
        leave_out(node, event, name, missed);
    else if (missed->count == 0)
        emit_many(node, user, devices);
    else
        take(node, user, missed, devices);
}

void chat__notify_found(chat__node *node, const chat__op *op, chat_status status,
                        const chat__node_away *found)
{
    chat_view name = chat__view(op->storage + op->bytes.len, op->n_pages);
    chat__missed missed = {op->bytes, chat__view(name.data + name.len, op->limit), op->id, op->seq,
                           (uint32_t)op->after};
    away *user = node->notify != NULL ? chat__map_get(&node->notify->users, name) : NULL;
    if (user == NULL || user->number != op->before)
        return; /* he came back, and may have it */
    if (missed.count == 0)
        user->is_asked = 0;
    if (status == CHAT_OK)
        take_found(node, user, &missed, found);
    else
        leave_out(node, CHAT__EVENT_SUPPRESSED, name, &missed);
}

void chat__node_away_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_away *found)
{
    chat__op *op = (chat__op *)(uintptr_t)tag;
    chat__notify_found(node, op, status, found);
    chat__op_free(node, op);
}

void chat__notify_missed(chat__node *node, chat_view name, const chat__missed *missed)
{
    if (node->notify == NULL || node->is_draining || chat__view_equal(name, missed->from))
        return;
    away *user = get_away(node, name);
    if (user == NULL) {
        leave_out(node, CHAT__EVENT_SUPPRESSED, name, missed);
        return;
    }
    if (missed->id != 0 && is_known(user, missed->id))
        return;
    unlink_away(node->notify, user);
    link_last(node->notify, user);
    const uint64_t *until_ms = muted_until(node, user, missed->chat);
    if (until_ms != NULL && *until_ms > node->unix_ms) {
        leave_out(node, CHAT__EVENT_MUTED, name, missed);
    } else if (until_ms != NULL && user->n_missed >= CHAT__NOTIFY_SINGLES &&
               (user->timer.place != 0 || node->mono_ms < user->quiet_until_ms)) {
        keep_newest(user, missed); /* once in an interval storage is asked, not for each */
        put_off(node, user, missed);
    } else if (ask(node, user, missed) != CHAT_OK) {
        leave_out(node, CHAT__EVENT_SUPPRESSED, name, missed);
    }
}

void chat__notify_arrive(chat__node *node, const chat__node_conn *conn)
{
    if (node->notify == NULL)
        return;
    chat_view name = chat__conn_user(conn);
    away *user = chat__map_get(&node->notify->users, name);
    uint64_t *gone = find_gone(node, chat__trail_user(node, name), chat__conn_device(conn));
    if (user != NULL)
        forget(node, user);
    if (gone != NULL)
        *gone = 0;
}

void chat__notify_do_due(chat__node *node)
{
    chat__heap_item *item = node->notify != NULL ? chat__heap_first(&node->notify->timers) : NULL;
    while (item != NULL && item->at_ms <= node->mono_ms) {
        away *user = (away *)(void *)item;
        chat__missed all = all_missed(user);
        chat__heap_remove(&node->notify->timers, item);
        all.count = 0; /* of all that came by then */
        if (!node->is_draining)
            user->is_asked = ask(node, user, &all) == CHAT_OK;
        item = chat__heap_first(&node->notify->timers);
    }
}

uint64_t chat__notify_deadline(const chat__node *node)
{
    const chat__heap_item *item =
        node->notify != NULL ? chat__heap_first(&node->notify->timers) : NULL;
    return item != NULL ? item->at_ms : NEVER;
}
