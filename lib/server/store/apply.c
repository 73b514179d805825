/* SPDX-License-Identifier: MIT */
/* What a record does to the views. See internal.h. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

static void end_reading(chat__store *store)
{
    if (store->is_reading)
        (void)chat__sql_run(chat__db_use(&store->writer_db, CHAT__DB_COMMIT));
    store->is_reading = 0;
}

/* The heads that a batch needs are read in one transaction: half of what a look-up costs are the
   locks. What a flush has written since, memory may have dropped, so that begins another one. */
static chat_status read_head(chat__store *store, chat_view name, chat__db_chat *out)
{
    uint64_t n_flushes = chat__store_count_flushes(store);
    chat_status status = CHAT_OK;
    if (store->is_reading && store->read_flushes != n_flushes)
        end_reading(store);
    if (!store->is_reading)
        status = chat__sql_run(chat__db_use(&store->writer_db, CHAT__DB_BEGIN_READ));
    if (status != CHAT_OK)
        return status;
    store->is_reading = 1;
    store->read_flushes = n_flushes;
    return chat__db_get_chat(&store->writer_db, name, out);
}

/* The chat in memory; loaded or made when it is not. */
static chat_status load_chat(chat__store *store, chat_view name, uint32_t hash, int is_replay,
                             chat__state_chat **out)
{
    chat__db_chat stored;
    *out = chat__state_find(&store->state, name, hash);
    if (*out != NULL)
        return CHAT_OK;
    chat_status status = read_head(store, name, &stored);
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

static chat_status stage_events(chat__state *state, chat__state_change *change, uint64_t seq,
                                const chat__facts *facts)
{
    chat_view chat = {change->chat->name, change->chat->len};
    size_t n = facts->n_users;
    if (n == 0)
        return CHAT_OK;
    change->rows = chat__alloc_zero(&state->allocator, n * (sizeof *change->rows + 1));
    if (change->rows == NULL)
        return CHAT_ERR_NOMEM;
    change->values = (uint8_t *)(change->rows + n);
    memcpy(change->values, facts->values, n);
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < n; i++) {
        chat__state_row *row = chat__state_member_of(state, facts->users[i], chat, seq);
        if (row == NULL)
            break;
        row->n_staged++;
        change->rows[change->n_rows++] = row;
    }
    pthread_mutex_unlock(&state->lock);
    return change->n_rows == n ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* One block with a copy of the title. */
static chat_status stage_meta(chat__state *state, chat__state_change *change, chat_view title,
                              uint64_t created_ms, int is_open)
{
    chat__state_meta *meta = chat__alloc_zero(&state->allocator, sizeof *meta + title.len);
    if (meta == NULL)
        return CHAT_ERR_NOMEM;
    meta->n_refs = 1;
    meta->n_bytes = (uint32_t)(sizeof *meta + title.len);
    meta->created_ms = created_ms;
    meta->is_open = is_open;
    meta->title = chat__view(meta + 1, title.len);
    if (title.len > 0)
        memcpy(meta + 1, title.data, title.len);
    change->meta = meta;
    return CHAT_OK;
}

/* What an earlier record says is kept, here or in SQLite. */
static chat_status stage_title(chat__state *state, chat__state_change *change, chat_view title)
{
    chat__state_chat *chat = change->chat;
    uint64_t created_ms = 0;
    int is_open = -1;
    pthread_mutex_lock(&state->lock);
    const chat__state_meta *known = chat->staged_meta != NULL ? chat->staged_meta : chat->meta;
    if (known != NULL) {
        created_ms = known->created_ms;
        is_open = known->is_open;
    }
    pthread_mutex_unlock(&state->lock);
    return stage_meta(state, change, title, created_ms, is_open);
}

static chat_status stage_fact(chat__store *store, chat__state_change *change, uint64_t seq,
                              const chat__facts *facts)
{
    switch (facts->what) {
    case CHAT__FACT_GROUP:
        return stage_meta(&store->state, change, facts->title, facts->created_ms, facts->is_open);
    case CHAT__FACT_TITLE:
        return stage_title(&store->state, change, facts->title);
    case CHAT__FACT_READ:
        return chat__store_stage_marker(store, change, facts);
    case CHAT__FACT_MUTE:
        return chat__store_stage_mute(store, change, seq, facts);
    case CHAT__FACT_BLOCK:
        return chat__store_stage_block(store, change, seq, facts);
    case CHAT__FACT_NOTE:
        return chat__store_stage_note(store, change, seq, facts);
    case CHAT__FACT_NONE:
        break;
    }
    return CHAT_OK;
}

static chat_status stage_kind(chat__store *store, chat__state_change *change,
                              const chat__record *record, chat_view payload)
{
    chat__facts facts;
    int is_unknown = change->chat->staged.ordinal == 0;
    /* A message says nothing, and there are many. */
    if (record->kind == CHAT_FRAME_MSG && !is_unknown)
        return CHAT_OK;
    chat__facts_record of = {.kind = record->kind, .id = record->id};
    of.chat = chat__view(change->chat->name, change->chat->len);
    of.is_first = record->ordinal == 1 || (record->ordinal == 0 && is_unknown);
    /* Who writes in a direct chat is in it, also when its first record is damaged. */
    if (record->kind != CHAT_FRAME_CHAT && record->kind != CHAT_FRAME_CHANGE)
        of.is_first = is_unknown;
    chat_status status = chat__facts_read(store->decoder, &of, payload, &facts);
    if (status == CHAT_OK)
        status = stage_fact(store, change, record->seq, &facts);
    return status == CHAT_OK ? stage_events(&store->state, change, record->seq, &facts) : status;
}

static void unstage(chat__state *state, chat__state_row **row)
{
    if (*row == NULL)
        return;
    (*row)->n_staged--;
    chat__state_drop_row_if_idle(state, *row);
    *row = NULL;
}

/* Take back what was staged with a change besides its head. */
static void release_change(chat__state *state, chat__state_change *change)
{
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < change->n_rows; i++) {
        change->rows[i]->n_staged--;
        chat__state_drop_row_if_idle(state, change->rows[i]);
    }
    unstage(state, &change->mark);
    unstage(state, &change->run);
    chat__state_meta_free(state, change->meta);
    pthread_mutex_unlock(&state->lock);
    chat__alloc_free(&state->allocator, change->rows);
    change->rows = NULL;
    change->n_rows = 0;
    change->meta = NULL;
}

chat_status chat__store_prepare(chat__store *store, const chat__record *record, uint32_t hash,
                                chat_view payload, chat__state_chat **out)
{
    chat__state *state = &store->state;
    chat_status status = grow_changes(state);
    if (status != CHAT_OK)
        return status;
    chat__state_change *change = &state->changes[state->n_changes];
    memset(change, 0, sizeof *change);
    change->id = record->id;
    status = load_chat(store, record->chat, hash, record->at > 0, &change->chat);
    if (status == CHAT_OK)
        status = chat__state_grow_roots(state, change->chat, record->ordinal);
    if (status != CHAT_OK)
        return status;
    status = stage_kind(store, change, record, payload);
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
    /* The one in front of it then. */
    uint32_t n_before = chat->staged.n_roots - (chat->staged.joins ? 2 : 0);
    return n_before == 0 ? none : roots[n_before - 1];
}

/* Move the head; `roots` has room. */
static void move_head(chat__state_chat *chat, const chat__record *record)
{
    chat__root *roots = chat->roots + chat->cap_roots;
    chat__state_head *head = &chat->staged;
    chat__root added = {record->at, record->seq};
    if (record->ordinal == head->ordinal + 1) {
        head->n_roots = (uint32_t)chat__chain_push(roots, head->n_roots, (int)head->joins, added);
    } else {
        /* Records before it are damaged: what is not known of the trees stays unknown. */
        uint32_t n_roots = (uint32_t)chat__chain_n_roots(record->ordinal);
        memset(roots, 0, n_roots * sizeof *roots);
        roots[n_roots - 1] = added;
        head->n_roots = n_roots;
    }
    head->joins = (uint32_t)chat__chain_joins(record->ordinal + 1);
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
        change->rows[i]->value = change->values[i];
        chat__state_mark_dirty(state, &change->rows[i]->node);
    }
    if (change->mark != NULL) {
        change->mark->n_staged--;
        if (change->mark->value < change->mark_value)
            change->mark->value = change->mark_value;
        chat__state_mark_dirty(state, &change->mark->node);
    }
    if (change->run != NULL)
        chat__store_publish_read(state, change->run, change->mark_value, change->run_ms);
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
    end_reading(store);
    for (size_t i = 0; i < state->n_changes; i++)
        chat__alloc_free(&state->allocator, state->changes[i].rows);
    state->n_changes = 0;
}

void chat__store_discard(chat__store *store)
{
    chat__state *state = &store->state;
    end_reading(store);
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
