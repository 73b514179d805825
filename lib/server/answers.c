/* SPDX-License-Identifier: MIT */
/* See answers.h. */
#include "answers.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/view.h"

#include <chat/id.h>
#include <stddef.h>
#include <string.h>

#define MAX_READ_BYTES (1u << 20)

/* --- questions --- */

int chat__question_is(chat__effect_type type)
{
    static const uint8_t IS[CHAT__EFFECT_LOG + 1] = {
        [CHAT__EFFECT_LOAD_CHAT] = 1, [CHAT__EFFECT_LOAD_MARKS] = 1,
        [CHAT__EFFECT_LOAD_AWAY] = 1, [CHAT__EFFECT_LOAD_BLOCKS] = 1,
        [CHAT__EFFECT_LOAD_USER] = 1, [CHAT__EFFECT_LOAD_DEVICES] = 1,
        [CHAT__EFFECT_FORGET] = 1,    [CHAT__EFFECT_SEEN] = 1,
        [CHAT__EFFECT_READ] = 1,      [CHAT__EFFECT_CURSOR] = 1,
    };
    return IS[type];
}

static size_t names_bytes(const chat_view_list *names)
{
    size_t bytes = names->n_items * sizeof *names->items;
    for (size_t i = 0; i < names->n_items; i++)
        bytes += names->items[i].len;
    return bytes;
}

static chat_view copy(uint8_t **at, chat_view view)
{
    uint8_t *to = *at;
    if (view.len > 0)
        memcpy(to, view.data, view.len);
    *at += view.len;
    return chat__view(to, view.len);
}

/* The list first: it has to be aligned. */
static chat_view_list copy_names(uint8_t **at, const chat_view_list *names)
{
    chat_view *items = (chat_view *)(void *)*at;
    chat_view_list list = {items, names->n_items};
    *at += names->n_items * sizeof *items;
    for (size_t i = 0; i < names->n_items; i++)
        items[i] = copy(at, names->items[i]);
    return list;
}

/* What has to come in order: all about a user, or all about a chat. */
static chat_view key_of(const chat__effect *effect)
{
    switch (effect->type) {
    case CHAT__EFFECT_READ:
    case CHAT__EFFECT_LOAD_CHAT:
    case CHAT__EFFECT_LOAD_MARKS:
        return effect->chat;
    default:
        return effect->user;
    }
}

void chat__question_init(chat__question *question, const chat_allocator *allocator,
                         const chat__effect *effect)
{
    memset(question, 0, sizeof *question);
    question->effect = *effect;
    chat__buf_init(&question->answer.rows, allocator, SIZE_MAX / 2);
    chat__buf_init(&question->answer.bytes, allocator, SIZE_MAX / 2);
}

void chat__question_done(chat__question *question)
{
    chat__buf_done(&question->answer.rows);
    chat__buf_done(&question->answer.bytes);
}

chat__question *chat__question_new(const chat_allocator *allocator, const chat__effect *effect)
{
    static const uint64_t seed[2] = {0, 0}; /* it only spreads */
    size_t bytes = sizeof(chat__question) + names_bytes(&effect->names) + effect->chat.len +
                   effect->user.len + effect->device.len;
    chat__question *made = chat__alloc_zero(allocator, bytes);
    if (made == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(made + 1);
    chat_view key = key_of(effect);
    chat__question_init(made, allocator, effect);
    made->effect.names = copy_names(&at, &effect->names);
    made->effect.chat = copy(&at, effect->chat);
    made->effect.user = copy(&at, effect->user);
    made->effect.device = copy(&at, effect->device);
    made->key = chat__siphash(seed, key.data, key.len);
    return made;
}

void chat__question_free(const chat_allocator *allocator, chat__question *question)
{
    if (question == NULL)
        return;
    chat__question_done(question);
    chat__alloc_free(allocator, question->after);
    chat__alloc_free(allocator, question);
}

/* --- collecting --- */

/* The bytes move when they grow: until all are there, `data` is where they start. */
static chat_view keep(chat__answer *to, chat_view view)
{
    size_t at = to->bytes.len;
    if (to->kept == CHAT_OK)
        to->kept = chat__buf_append(&to->bytes, view.data, view.len);
    return chat__view((const uint8_t *)(uintptr_t)at, view.len);
}

static void add_row(chat__answer *to, const void *row, size_t len)
{
    if (to->kept == CHAT_OK)
        to->kept = chat__buf_append(&to->rows, row, len);
    to->n_rows += to->kept == CHAT_OK;
}

static void settle_view(const chat__answer *answer, chat_view *view)
{
    const uint8_t *start = answer->bytes.data;
    view->data = view->len == 0 ? NULL : start + (uintptr_t)view->data;
}

static void settle_rows(chat__answer *answer, size_t len, const size_t *views, size_t n_views)
{
    for (uint32_t i = 0; i < answer->n_rows; i++)
        for (size_t v = 0; v < n_views; v++)
            settle_view(answer, (chat_view *)(void *)(answer->rows.data + i * len + views[v]));
}

static void on_chat(void *ctx, const chat_store_chat *chat)
{
    chat__answer *to = ctx;
    to->title = keep(to, chat->title);
    to->numbers[0] = chat->is_open;
    for (size_t i = 0; i < chat->n_members; i++) {
        const chat_store_member *member = &chat->members[i];
        chat__node_member row = {keep(to, member->user), member->since, (chat__role)member->role};
        add_row(to, &row, sizeof row);
    }
}

typedef struct user_chats {
    chat__answer *to;
    uint32_t limit;
} user_chats;

static void on_user_chat(void *ctx, const chat_store_user_chat *row)
{
    const user_chats *all = ctx;
    if (all->limit != 0 && all->to->n_rows == all->limit)
        return;
    chat__node_user_chat item = {.chat = keep(all->to, row->chat),
                                 .title = keep(all->to, row->title),
                                 .cursor = row->cursor,
                                 .last_seq = row->last_seq,
                                 .read_seq = row->read_seq,
                                 .unread = row->unread,
                                 .has_unread = row->has_unread,
                                 .is_past = row->is_past != 0,
                                 .gap_seq = row->gap_seq,
                                 .muted_until_ms = row->muted_until_ms};
    add_row(all->to, &item, sizeof item);
}

static void on_device(void *ctx, chat_view device, uint64_t seen_unix_ms)
{
    chat__answer *to = ctx;
    chat__node_device row = {keep(to, device), seen_unix_ms};
    add_row(to, &row, sizeof row);
}

static void on_row(void *ctx, const chat_store_row *row)
{
    chat__answer *to = ctx;
    chat__node_row item = {row->seq, row->prev, keep(to, row->payload)};
    add_row(to, &item, sizeof item);
}

static void on_marks(void *ctx, const chat_store_marks *marks)
{
    chat__answer *to = ctx;
    to->numbers[0] = marks->seq;
    for (size_t i = 0; i < marks->n_items; i++) {
        const chat_store_mark *mark = &marks->items[i];
        chat__node_mark row = {keep(to, mark->user), mark->read_seq, mark->delivered_seq,
                               mark->delivered_unix_ms, mark->read_unix_ms};
        add_row(to, &row, sizeof row);
    }
}

static void on_name(void *ctx, chat_view name)
{
    chat__answer *to = ctx;
    chat_view row = keep(to, name);
    add_row(to, &row, sizeof row);
}

static void on_away(void *ctx, const chat_store_away *away)
{
    chat__answer *to = ctx;
    to->numbers[0] = away->muted_until_ms;
    to->numbers[1] = away->read_seq;
    to->numbers[2] = away->n_known;
    for (size_t i = 0; i < away->n_devices; i++)
        on_name(to, away->devices[i]);
}

/* --- asking --- */

static chat_status ask_chat(chat__answer *to, const chat__effect *effect, const chat_store *store)
{
    chat_view members[2];
    int by_first = 0;
    int by_second = 0;
    if (chat_direct_members(effect->chat, members) != CHAT_OK)
        return store->load_chat(store->ctx, effect->chat, on_chat, to);
    chat_status status = store->has_blocked(store->ctx, members[0], members[1], &by_first);
    if (status == CHAT_OK)
        status = store->has_blocked(store->ctx, members[1], members[0], &by_second);
    to->numbers[1] =
        (by_first ? CHAT__BLOCKED_BY_FIRST : 0) | (by_second ? CHAT__BLOCKED_BY_SECOND : 0);
    return status;
}

static chat_status ask_rows(chat__question *question, const chat_store *store)
{
    chat__answer *to = &question->answer;
    const chat__effect *effect = &question->effect;
    chat_store_query query = {.chat = effect->chat,
                              .after = effect->after,
                              .before = effect->before,
                              .limit = effect->limit,
                              .max_bytes = MAX_READ_BYTES,
                              .user = effect->user};
    if (effect->id != 0)
        return store->read_reactions(store->ctx, effect->chat, effect->user, effect->id, on_row,
                                     to);
    chat_status status = question->recent.n_rows > 0
                             ? store->read_recent(store->ctx, &query, &question->recent, on_row, to)
                             : store->read(store->ctx, &query, on_row, to);
    to->has_more = status == CHAT_MORE;
    return status == CHAT_MORE ? CHAT_OK : status;
}

static chat_status ask(chat__question *question, const chat_store *store, uint64_t now_unix_ms)
{
    chat__answer *to = &question->answer;
    const chat__effect *effect = &question->effect;
    chat_store_visit visit = {.user = effect->user,
                              .device = effect->device,
                              .now_unix_ms = now_unix_ms,
                              .connected = effect->names.items,
                              .n_connected = effect->names.n_items};
    user_chats chats = {to, effect->limit};
    chat_store_cursor cursor = {effect->user, effect->device, effect->chat, effect->seq,
                                effect->after};
    switch (effect->type) {
    case CHAT__EFFECT_LOAD_CHAT:
        return ask_chat(to, effect, store);
    case CHAT__EFFECT_LOAD_USER:
        return store->load_user(store->ctx, &visit, on_user_chat, &chats);
    case CHAT__EFFECT_LOAD_DEVICES:
        return store->load_devices(store->ctx, effect->user, now_unix_ms, on_device, to);
    case CHAT__EFFECT_FORGET:
        return store->forget_device(store->ctx, &visit);
    case CHAT__EFFECT_SEEN:
        return store->see_device(store->ctx, &visit);
    case CHAT__EFFECT_CURSOR:
        return store->put_cursors(store->ctx, &cursor, 1);
    case CHAT__EFFECT_READ:
        return ask_rows(question, store);
    case CHAT__EFFECT_LOAD_MARKS:
        return store->load_marks(store->ctx, effect->chat, effect->user, effect->seq, on_marks, to);
    case CHAT__EFFECT_LOAD_AWAY:
        return store->load_away(store->ctx, &visit, effect->chat, effect->seq, on_away, to);
    case CHAT__EFFECT_LOAD_BLOCKS:
        return store->load_blocks(store->ctx, effect->user, effect->kind == CHAT__BLOCKS_BY_OTHERS,
                                  effect->limit, on_name, to);
    default:
        return CHAT_ERR_ARG;
    }
}

/* What the node cannot do anything about may work later. */
static chat_status said(chat_status status)
{
    return status == CHAT_ERR_NETWORK || status == CHAT_ERR_TIMEOUT || status == CHAT_ERR_CLOSED
               ? CHAT_ERR_BUSY
               : status;
}

void chat__question_ask(chat__question *question, const chat_store *store, uint64_t now_unix_ms)
{
    chat__answer *to = &question->answer;
    chat_status status = ask(question, store, now_unix_ms);
    to->status = status >= 0 && to->kept != CHAT_OK ? to->kept : said(status);
    if (to->status < 0)
        to->n_rows = 0;
}

/* --- giving --- */

static void give_chat(chat__answer *from, chat__node *node, uint64_t tag)
{
    static const size_t views[] = {offsetof(chat__node_member, user)};
    settle_view(from, &from->title);
    settle_rows(from, sizeof(chat__node_member), views, 1);
    chat__node_chat chat = {.title = from->title,
                            .is_open = from->numbers[0] != 0,
                            .blocked = (uint32_t)from->numbers[1],
                            .members = (const chat__node_member *)(void *)from->rows.data,
                            .n_members = from->n_rows};
    chat__node_chat_loaded(node, tag, from->status, &chat);
}

static void give_user(chat__answer *from, chat__node *node, uint64_t tag)
{
    static const size_t views[] = {offsetof(chat__node_user_chat, chat),
                                   offsetof(chat__node_user_chat, title)};
    settle_rows(from, sizeof(chat__node_user_chat), views, 2);
    chat__node_user_loaded(node, tag, from->status,
                           (const chat__node_user_chat *)(void *)from->rows.data, from->n_rows);
}

static void give_devices(chat__answer *from, chat__node *node, uint64_t tag)
{
    static const size_t views[] = {offsetof(chat__node_device, device)};
    settle_rows(from, sizeof(chat__node_device), views, 1);
    chat__node_devices_loaded(node, tag, from->status,
                              (const chat__node_device *)(void *)from->rows.data, from->n_rows);
}

static void give_rows(chat__answer *from, chat__node *node, uint64_t tag)
{
    static const size_t views[] = {offsetof(chat__node_row, payload)};
    settle_rows(from, sizeof(chat__node_row), views, 1);
    chat__node_rows_read(node, tag, from->status, (const chat__node_row *)(void *)from->rows.data,
                         from->n_rows, from->has_more);
}

static void give_marks(chat__answer *from, chat__node *node, uint64_t tag)
{
    static const size_t views[] = {offsetof(chat__node_mark, user)};
    settle_rows(from, sizeof(chat__node_mark), views, 1);
    chat__node_marks marks = {(const chat__node_mark *)(void *)from->rows.data, from->n_rows,
                              from->numbers[0]};
    chat__node_marks_loaded(node, tag, from->status, &marks);
}

static const chat_view *settle_names(chat__answer *from)
{
    static const size_t views[] = {0};
    settle_rows(from, sizeof(chat_view), views, 1);
    return (const chat_view *)(void *)from->rows.data;
}

static void give_away(chat__answer *from, chat__node *node, uint64_t tag)
{
    chat__node_away away = {from->numbers[0], from->numbers[1], settle_names(from), from->n_rows,
                            (size_t)from->numbers[2]};
    chat__node_away_loaded(node, tag, from->status, &away);
}

void chat__question_give(chat__question *question, chat__node *node)
{
    chat__answer *from = &question->answer;
    uint64_t tag = question->effect.tag;
    switch (question->effect.type) {
    case CHAT__EFFECT_LOAD_CHAT:
        give_chat(from, node, tag);
        break;
    case CHAT__EFFECT_LOAD_USER:
        give_user(from, node, tag);
        break;
    case CHAT__EFFECT_LOAD_DEVICES:
        give_devices(from, node, tag);
        break;
    case CHAT__EFFECT_FORGET:
        chat__node_forgotten(node, tag, from->status);
        break;
    case CHAT__EFFECT_READ:
        give_rows(from, node, tag);
        break;
    case CHAT__EFFECT_LOAD_MARKS:
        give_marks(from, node, tag);
        break;
    case CHAT__EFFECT_LOAD_AWAY:
        give_away(from, node, tag);
        break;
    case CHAT__EFFECT_LOAD_BLOCKS:
        chat__node_blocks_loaded(node, tag, from->status, settle_names(from), from->n_rows);
        break;
    default:
        break;
    }
}
