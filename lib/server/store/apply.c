/* SPDX-License-Identifier: MIT */
/* What a record does to the views. See internal.h. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <chat/id.h>

#include <string.h>

/* Members of a group that a record may name: enough for any option of the server. */
#define MEMBERS_MAX 4096u

/* The chat in memory; loaded or made when it is not. */
static chat_status load_chat(chat__store *store, chat_view name, int is_replay,
                             chat__state_chat **out)
{
    chat__db_chat stored;
    *out = chat__state_find(&store->state, name);
    if (*out != NULL)
        return CHAT_OK;
    chat_status status = chat__db_get_chat(&store->writer_db, name, &stored);
    if (status == CHAT_EMPTY)
        memset(&stored.head, 0, sizeof stored.head);
    else if (status != CHAT_OK)
        return status;
    /* A head that lies behind what it is the head of would make a record that nobody can read. */
    if (!is_replay && stored.head.at >= chat__log_staged_end(&store->log) && stored.head.at > 0)
        return CHAT_ERR_CORRUPT;
    return chat__state_put_chat(&store->state, name, &stored.head, stored.roots, out);
}

static chat_status grow_changes(chat__state *state)
{
    if (state->n_changes < state->cap_changes)
        return CHAT_OK;
    size_t cap = state->cap_changes == 0 ? 256 : state->cap_changes * 2;
    chat__state_change *changes =
        chat__alloc_resize(&state->allocator, state->changes, cap * sizeof *changes);
    if (changes == NULL)
        return CHAT_ERR_NOMEM;
    state->changes = changes;
    state->cap_changes = cap;
    return CHAT_OK;
}

/* Stage a membership for each user. */
static chat_status stage_members(chat__state *state, chat__state_change *change, chat_view chat,
                                 const chat_view *users, size_t n_users)
{
    chat_view none = {NULL, 0};
    change->rows = chat__alloc_zero(&state->allocator, n_users * sizeof *change->rows);
    if (change->rows == NULL)
        return CHAT_ERR_NOMEM;
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < n_users; i++) {
        chat__state_row *row = chat__state_row_of(state, CHAT__ROW_MEMBER, users[i], none, chat);
        if (row == NULL)
            break;
        row->n_staged++;
        change->rows[change->n_rows++] = row;
    }
    pthread_mutex_unlock(&state->lock);
    return change->n_rows == n_users ? CHAT_OK : CHAT_ERR_NOMEM;
}

static size_t members_bytes(const chat_view *users, size_t n_users)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_users; i++)
        bytes += users[i].len;
    return bytes;
}

/* One block with copies of all. */
static chat__state_meta *make_meta(chat__state *state, chat_view title, const chat_view *users,
                                   size_t n_users, uint64_t created_ms)
{
    size_t head = sizeof(chat__state_meta) + n_users * sizeof(chat_view);
    chat__state_meta *meta =
        chat__alloc_zero(&state->allocator, head + title.len + members_bytes(users, n_users));
    if (meta == NULL)
        return NULL;
    uint8_t *bytes = (uint8_t *)meta + head;
    meta->n_refs = 1;
    meta->n_bytes = (uint32_t)(head + title.len + members_bytes(users, n_users));
    meta->created_ms = created_ms;
    meta->n_members = (uint32_t)n_users;
    meta->title = chat__view(bytes, title.len);
    if (title.len > 0)
        memcpy(bytes, title.data, title.len);
    bytes += title.len;
    for (size_t i = 0; i < n_users; i++) {
        meta->members[i] = chat__view(bytes, users[i].len);
        memcpy(bytes, users[i].data, users[i].len);
        bytes += users[i].len;
    }
    return meta;
}

typedef struct member_list {
    chat_view items[MEMBERS_MAX];
    size_t n_items;
    chat__state_meta *known;
} member_list;

static void add_member(member_list *list, chat_view user)
{
    if (user.len == 0 || user.len > CHAT_ID_MAX_BYTES || list->n_items == MEMBERS_MAX)
        return;
    for (size_t i = 0; i < list->n_items; i++) {
        if (chat__view_equal(list->items[i], user))
            return;
    }
    list->items[list->n_items++] = user;
}

/* Members by an earlier record that SQLite does not have yet. Only the writer replaces a meta, and
   a flush that drops one has written it: the copies are held by `list` under its reference. */
static void add_known(chat__state *state, chat__state_chat *chat, member_list *list)
{
    pthread_mutex_lock(&state->lock);
    list->known = chat->staged_meta != NULL ? chat->staged_meta : chat->meta;
    if (list->known != NULL)
        list->known->n_refs++;
    pthread_mutex_unlock(&state->lock);
    for (size_t i = 0; list->known != NULL && i < list->known->n_members; i++)
        add_member(list, list->known->members[i]);
}

static void free_list(chat__state *state, member_list *list)
{
    pthread_mutex_lock(&state->lock);
    chat__state_meta_free(state, list->known);
    pthread_mutex_unlock(&state->lock);
    chat__alloc_free(&state->allocator, list);
}

/* A `chat` record: author and users are members, besides those that are already. */
static chat_status stage_group(chat__store *store, chat__state_change *change, chat_view payload)
{
    chat__state *state = &store->state;
    chat_frame frame;
    chat_status status = chat_frame_decode(store->decoder, CHAT_ENCODING_CBOR, payload, &frame);
    if (status != CHAT_OK || frame.type != CHAT_FRAME_CHAT)
        return status == CHAT_ERR_NOMEM ? status : CHAT_ERR_ARG;
    member_list *list = chat__alloc_zero(&state->allocator, sizeof *list);
    if (list == NULL)
        return CHAT_ERR_NOMEM;
    add_known(state, change->chat, list);
    if (CHAT_FRAME_HAS(&frame, FROM))
        add_member(list, frame.from);
    for (size_t i = 0; CHAT_FRAME_HAS(&frame, USERS) && i < frame.users.n_items; i++)
        add_member(list, frame.users.items[i]);
    chat_view title = CHAT_FRAME_HAS(&frame, TITLE) ? frame.title : chat__view(NULL, 0);
    change->meta = make_meta(state, title, list->items, list->n_items,
                             chat_snowflake_decode(change->id).unix_ms);
    status = change->meta == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
    if (status == CHAT_OK && list->n_items > 0)
        status = stage_members(state, change, chat__view(change->chat->name, change->chat->len),
                               list->items, list->n_items);
    free_list(state, list);
    return status;
}

static chat_status stage_kind(chat__store *store, chat__state_change *change, uint32_t kind,
                              chat_view payload)
{
    chat_view members[2];
    chat_view name = chat__view(change->chat->name, change->chat->len);
    if (kind == CHAT_FRAME_CHAT)
        return stage_group(store, change, payload);
    if (kind == CHAT_FRAME_MARKER) {
        chat_status status = chat__store_stage_marker(store, change, payload);
        if (status != CHAT_OK)
            return status;
    }
    if (change->chat->staged.ordinal == 0 && chat_self_user(name, members) == CHAT_OK)
        return stage_members(&store->state, change, name, members, 1);
    if (change->chat->staged.ordinal == 0 && chat_direct_members(name, members) == CHAT_OK)
        return stage_members(&store->state, change, name, members, 2);
    return CHAT_OK;
}

/* Take back what was staged with a change besides its head. */
static void release_change(chat__state *state, chat__state_change *change)
{
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < change->n_rows; i++) {
        change->rows[i]->n_staged--;
        chat__state_drop_row_if_idle(state, change->rows[i]);
    }
    if (change->mark != NULL) {
        change->mark->n_staged--;
        chat__state_drop_row_if_idle(state, change->mark);
        change->mark = NULL;
    }
    chat__state_meta_free(state, change->meta);
    pthread_mutex_unlock(&state->lock);
    chat__alloc_free(&state->allocator, change->rows);
    change->rows = NULL;
    change->n_rows = 0;
    change->meta = NULL;
}

chat_status chat__store_prepare(chat__store *store, const chat__record *record, chat_view payload,
                                chat__state_chat **out)
{
    chat__state *state = &store->state;
    chat_status status = grow_changes(state);
    if (status != CHAT_OK)
        return status;
    chat__state_change *change = &state->changes[state->n_changes];
    memset(change, 0, sizeof *change);
    change->id = record->id;
    status = load_chat(store, record->chat, record->at > 0, &change->chat);
    if (status == CHAT_OK)
        status = chat__state_grow_roots(state, change->chat, record->ordinal);
    if (status != CHAT_OK)
        return status;
    status = stage_kind(store, change, record->kind, payload);
    if (status != CHAT_OK) {
        release_change(state, change);
        return status;
    }
    *out = change->chat;
    return CHAT_OK;
}

chat__root chat__store_next_skip(const chat__state_chat *chat)
{
    const chat__root *roots = chat->roots + chat->cap_roots;
    chat__root none = {0, 0};
    uint64_t skip = chat__chain_skip_ordinal(chat->staged.ordinal + 1);
    /* The root with that ordinal: as many trees are in front of it as it needs itself. */
    size_t n_trees = chat__chain_n_roots(skip);
    return skip == 0 ? none : roots[n_trees - 1];
}

/* Move the head; `roots` has room. */
static void move_head(chat__state_chat *chat, const chat__record *record)
{
    chat__root *roots = chat->roots + chat->cap_roots;
    chat__state_head *head = &chat->staged;
    chat__root added = {record->at, record->seq};
    if (record->ordinal == head->ordinal + 1) {
        head->n_roots = (uint32_t)chat__chain_push(roots, head->n_roots, record->ordinal, added);
    } else {
        /* Records before it are damaged: what is not known of the trees stays unknown. */
        uint32_t n_roots = (uint32_t)chat__chain_n_roots(record->ordinal);
        memset(roots, 0, n_roots * sizeof *roots);
        roots[n_roots - 1] = added;
        head->n_roots = n_roots;
    }
    head->at = record->at;
    head->ordinal = record->ordinal;
    head->seq = record->seq;
}

void chat__store_unprepare(chat__store *store)
{
    release_change(&store->state, &store->state.changes[store->state.n_changes]);
}

void chat__store_accept(chat__store *store, const chat__record *record)
{
    chat__state *state = &store->state;
    chat__state_change *change = &state->changes[state->n_changes++];
    chat__state_chat *chat = change->chat;
    chat__state_partition *partition = &state->staged_partitions[record->partition];
    const chat__root *roots = chat->roots + chat->cap_roots;
    uint32_t n_roots = chat->staged.n_roots;
    change->at = record->at;
    change->before = chat->staged;
    for (uint32_t i = 0; i < 2 && i < n_roots; i++)
        change->popped[i] = roots[n_roots - 1 - i];
    change->partition = record->partition;
    change->partition_before = *partition;
    chat->n_staged++;
    if (change->meta != NULL)
        chat->staged_meta = change->meta;
    if (record->at > chat->staged.at)
        move_head(chat, record);
    if (record->seq > partition->seq)
        partition->seq = record->seq;
    if (record->offset >= partition->next_offset)
        partition->next_offset = record->offset + 1;
}

/* Under the lock. */
static void publish_one(chat__state *state, chat__state_change *change)
{
    chat__state_chat *chat = change->chat;
    chat->n_staged--;
    chat->staged_meta = NULL;
    if (chat->head.at != chat->staged.at) {
        chat->head = chat->staged;
        memcpy(chat->roots, chat->roots + chat->cap_roots,
               chat->head.n_roots * sizeof *chat->roots);
        chat__state_mark_dirty(state, &chat->node);
    }
    if (change->meta != NULL) {
        chat__state_set_meta(state, chat, change->meta);
        change->meta = NULL;
        chat__state_mark_dirty(state, &chat->node);
    }
    for (size_t i = 0; i < change->n_rows; i++) {
        change->rows[i]->n_staged--;
        change->rows[i]->value = 1;
        chat__state_mark_dirty(state, &change->rows[i]->node);
    }
    if (change->mark != NULL) {
        change->mark->n_staged--;
        if (change->mark->value < change->mark_value)
            change->mark->value = change->mark_value;
        chat__state_mark_dirty(state, &change->mark->node);
    }
    state->partitions[change->partition] = state->staged_partitions[change->partition];
    state->last_at = change->at;
    if (change->id > state->max_id)
        state->max_id = change->id;
}

void chat__store_publish(chat__store *store, uint64_t end)
{
    chat__state *state = &store->state;
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < state->n_changes; i++)
        publish_one(state, &state->changes[i]);
    state->end = end;
    pthread_mutex_unlock(&state->lock);
    for (size_t i = 0; i < state->n_changes; i++)
        chat__alloc_free(&state->allocator, state->changes[i].rows);
    state->n_changes = 0;
}

void chat__store_discard(chat__store *store)
{
    chat__state *state = &store->state;
    while (state->n_changes > 0) {
        chat__state_change *change = &state->changes[--state->n_changes];
        chat__state_chat *chat = change->chat;
        chat__root *roots = chat->roots + chat->cap_roots;
        chat->staged = change->before;
        chat->staged_meta = NULL;
        for (uint32_t i = 0; i < 2 && i < chat->staged.n_roots; i++)
            roots[chat->staged.n_roots - 1 - i] = change->popped[i];
        chat->n_staged--;
        state->staged_partitions[change->partition] = change->partition_before;
        release_change(state, change);
    }
}
