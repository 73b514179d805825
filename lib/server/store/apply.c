/* SPDX-License-Identifier: MIT */
/* What a record does to the views. See internal.h. */
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <chat/id.h>

#include <string.h>

/* Users that one record is about: those of its list, its author, who inherits. */
#define USERS_MAX (CHAT_GROUP_MAX_MEMBERS + 2u)

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

/* What is staged by one record. */
typedef struct staging {
    chat__state *state;
    chat__state_change *change;
    uint64_t seq;
    int is_first; /* record of its chat */
    chat_view users[USERS_MAX];
    uint8_t values[USERS_MAX];
    size_t n_users;
} staging;

/* Later ones of the same record count. */
static void add_event(staging *s, chat_view user, chat__role role)
{
    size_t i = 0;
    if (user.len == 0 || user.len > CHAT_ID_MAX_BYTES)
        return;
    while (i < s->n_users && !chat__view_equal(s->users[i], user))
        i++;
    if (i == USERS_MAX)
        return;
    if (i == s->n_users)
        s->users[s->n_users++] = user;
    s->values[i] = (uint8_t)role;
    if (s->is_first)
        s->values[i] |= CHAT__EVENT_FIRST;
}

static chat_status stage_events(const staging *s)
{
    chat__state *state = s->state;
    chat__state_change *change = s->change;
    chat_view chat = {change->chat->name, change->chat->len};
    if (s->n_users == 0)
        return CHAT_OK;
    change->rows = chat__alloc_zero(&state->allocator, s->n_users * (sizeof *change->rows + 1));
    if (change->rows == NULL)
        return CHAT_ERR_NOMEM;
    change->values = (uint8_t *)(change->rows + s->n_users);
    memcpy(change->values, s->values, s->n_users);
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < s->n_users; i++) {
        chat__state_row *row = chat__state_member_of(state, s->users[i], chat, s->seq);
        if (row == NULL)
            break;
        row->n_staged++;
        change->rows[change->n_rows++] = row;
    }
    pthread_mutex_unlock(&state->lock);
    return change->n_rows == s->n_users ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* One block with a copy of the title. */
static chat_status stage_meta(const staging *s, chat_view title, uint64_t created_ms, int is_open)
{
    chat__state_meta *meta = chat__alloc_zero(&s->state->allocator, sizeof *meta + title.len);
    if (meta == NULL)
        return CHAT_ERR_NOMEM;
    meta->n_refs = 1;
    meta->n_bytes = (uint32_t)(sizeof *meta + title.len);
    meta->created_ms = created_ms;
    meta->is_open = is_open;
    meta->title = chat__view(meta + 1, title.len);
    if (title.len > 0)
        memcpy(meta + 1, title.data, title.len);
    s->change->meta = meta;
    return CHAT_OK;
}

static chat_view title_of(const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, TITLE) ? frame->title : chat__view(NULL, 0);
}

static void add_users(staging *s, const chat_frame *frame, chat__role role)
{
    for (size_t i = 0; CHAT_FRAME_HAS(frame, USERS) && i < frame->users.n_items; i++)
        add_event(s, frame->users.items[i], role);
}

/* A `chat` record: author and users are members, besides those that are already. */
static chat_status stage_group(staging *s, const chat_frame *frame)
{
    add_users(s, frame, CHAT__ROLE_MEMBER);
    if (CHAT_FRAME_HAS(frame, FROM))
        add_event(s, frame->from, CHAT__ROLE_OWNER);
    return stage_meta(s, title_of(frame), chat_snowflake_decode(s->change->id).unix_ms,
                      CHAT_FRAME_HAS(frame, OPEN) && frame->open);
}

/* Only the title changes; what an earlier record says is kept, here or in SQLite. */
static chat_status stage_title(const staging *s, const chat_frame *frame)
{
    chat__state_chat *chat = s->change->chat;
    uint64_t created_ms = 0;
    int is_open = -1;
    pthread_mutex_lock(&s->state->lock);
    const chat__state_meta *known = chat->staged_meta != NULL ? chat->staged_meta : chat->meta;
    if (known != NULL) {
        created_ms = known->created_ms;
        is_open = known->is_open;
    }
    pthread_mutex_unlock(&s->state->lock);
    return stage_meta(s, title_of(frame), created_ms, is_open);
}

/* A `change` record. What a newer version wrote changes nothing here. */
static chat_status stage_change(staging *s, const chat_frame *frame)
{
    static const struct {
        const char *what;
        chat__role role; /* without `role` */
        int may_have_role;
    } KINDS[] = {{"join", CHAT__ROLE_MEMBER, 1},
                 {"leave", CHAT__ROLE_NONE, 0},
                 {"add", CHAT__ROLE_MEMBER, 0},
                 {"remove", CHAT__ROLE_NONE, 0},
                 {"role", CHAT__ROLE_MEMBER, 1}};
    chat__role role = CHAT_FRAME_HAS(frame, ROLE) ? chat__role_named(frame->role) : CHAT__ROLE_NONE;
    if (chat__view_equal(frame->what, chat__view_str("title")))
        return stage_title(s, frame);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!chat__view_equal(frame->what, chat__view_str(KINDS[i].what)))
            continue;
        int is_named = KINDS[i].may_have_role && role != CHAT__ROLE_NONE;
        add_users(s, frame, is_named ? role : KINDS[i].role);
        /* Who inherits the group. */
        if (!KINDS[i].may_have_role && CHAT_FRAME_HAS(frame, USER) && role != CHAT__ROLE_NONE)
            add_event(s, frame->user, role);
    }
    return CHAT_OK;
}

static chat_status stage_payload(chat__store *store, staging *s, uint32_t kind, chat_view payload)
{
    chat_frame frame;
    chat_status status = chat_frame_decode(store->decoder, CHAT_ENCODING_CBOR, payload, &frame);
    if (status != CHAT_OK || frame.type != kind)
        return status == CHAT_ERR_NOMEM ? status : CHAT_ERR_ARG;
    status = kind == CHAT_FRAME_CHAT ? stage_group(s, &frame) : stage_change(s, &frame);
    return status == CHAT_OK ? stage_events(s) : status;
}

/* What changes one value, if it does. */
static chat_status stage_mark(chat__store *store, chat__state_change *change,
                              const chat__record *record, chat_view payload)
{
    switch (record->kind) {
    case CHAT_FRAME_MARKER:
        return chat__store_stage_marker(store, change, payload);
    case CHAT_FRAME_SETTING:
        return chat__store_stage_mute(store, change, record->seq, payload);
    case CHAT_FRAME_BLOCKED:
        return chat__store_stage_block(store, change, record->seq, payload);
    case CHAT_FRAME_NOTE:
        return chat__store_stage_note(store, change, record->seq, payload);
    default:
        return CHAT_OK;
    }
}

static chat_status stage_kind(chat__store *store, chat__state_change *change,
                              const chat__record *record, chat_view payload)
{
    chat_view members[2];
    staging s;
    int is_unknown = change->chat->staged.ordinal == 0;
    s.state = &store->state;
    s.change = change;
    s.seq = record->seq;
    s.n_users = 0;
    s.is_first = record->ordinal == 1 || (record->ordinal == 0 && is_unknown);
    if (record->kind == CHAT_FRAME_CHAT || record->kind == CHAT_FRAME_CHANGE)
        return stage_payload(store, &s, record->kind, payload);
    chat_status status = stage_mark(store, change, record, payload);
    if (status != CHAT_OK)
        return status;
    chat_view name = {change->chat->name, change->chat->len};
    if (!is_unknown)
        return CHAT_OK;
    s.is_first = 1;
    if (chat_self_user(name, members) == CHAT_OK) {
        add_event(&s, members[0], CHAT__ROLE_MEMBER);
    } else if (chat_direct_members(name, members) == CHAT_OK) {
        add_event(&s, members[0], CHAT__ROLE_MEMBER);
        add_event(&s, members[1], CHAT__ROLE_MEMBER);
    }
    return stage_events(&s);
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
