/* SPDX-License-Identifier: MIT */
/* See table.h. Calls of <chat/backend/store.h> turned into those of store.h; their structs say the
   same in other types. */
#include "store/table.h"
#include "store/internal.h"
#include "base/alloc.h"
#include "base/view.h"

struct chat__store_table {
    chat_store table;
    chat__store *store;
    int is_lazy;
    pthread_mutex_t lock;       /* there is one writer at a time */
    pthread_mutex_t flush_lock; /* and one that flushes */
};

/* --- writing --- */

static chat_status flush(chat__store_table *table)
{
    if (table->is_lazy)
        return CHAT_OK;
    pthread_mutex_lock(&table->flush_lock);
    chat_status status = chat__store_flush(table->store);
    pthread_mutex_unlock(&table->flush_lock);
    return status == CHAT_ERR_FULL ? CHAT_ERR_BUSY : status;
}

static chat_status commit(chat__store_table *table)
{
    chat_status status = chat__store_commit(table->store);
    return status == CHAT_ERR_FULL ? CHAT_ERR_BUSY : status;
}

typedef struct finding {
    uint64_t seq, id, prev;
    int is_there;
} finding;

static void match(void *ctx, const chat__store_row *row)
{
    finding *find = ctx;
    find->is_there = row->seq == find->seq && row->id == find->id;
    find->prev = row->prev;
}

/* A record that is applied again is where it is. */
static chat_status find_again(chat__store_table *table, chat_store_record *record)
{
    finding find = {.seq = record->seq, .id = record->id};
    chat__store_query query = {
        .chat = record->chat, .after = UINT64_MAX, .before = record->seq + 1, .limit = 1};
    chat_status status = commit(table);
    if (status == CHAT_OK)
        status = chat__store_read(table->store, &query, match, &find);
    if (status < 0)
        return status;
    if (!find.is_there)
        return CHAT_ERR_STATE;
    record->prev = find.prev;
    return CHAT_OK;
}

static chat_status apply_one(chat__store_table *table, chat_store_record *record)
{
    chat__store_record given = {.partition = record->partition,
                                .kind = record->kind,
                                .id = record->id,
                                .chat = record->chat,
                                .payload = record->payload,
                                .seq = record->seq};
    chat_status status = chat__store_append_given(table->store, &given);
    if (status == CHAT_ERR_BUSY) {
        status = commit(table);
        if (status == CHAT_OK)
            status = flush(table);
        if (status == CHAT_OK)
            status = chat__store_append_given(table->store, &given);
    }
    if (status == CHAT_ERR_STATE)
        return find_again(table, record);
    record->prev = given.prev;
    return status == CHAT_ERR_FULL ? CHAT_ERR_BUSY : status;
}

static chat_status apply(void *ctx, chat_store_record *records, size_t n)
{
    chat__store_table *table = ctx;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < n && status == CHAT_OK; i++)
        status = apply_one(table, &records[i]);
    chat_status committed = commit(table);
    pthread_mutex_unlock(&table->lock);
    return status == CHAT_OK ? committed : status;
}

static void forget(void *ctx, uint32_t partition)
{
    (void)ctx;
    (void)partition;
}

static chat_status set_rules(void *ctx, const chat_store_rules *rules)
{
    chat__store_table *table = ctx;
    chat__store_options *options = &table->store->options;
    if (rules->struct_size < sizeof *rules)
        return CHAT_ERR_ARG;
    options->max_devices = rules->max_devices;
    options->offline_ttl_ms = rules->offline_ttl_ms;
    options->offline_limit = rules->offline_limit;
    options->device_ttl_ms = rules->device_ttl_ms;
    return CHAT_OK;
}

static chat__store_visit visit_of(const chat_store_visit *visit)
{
    chat__store_visit same = {visit->user, visit->device, visit->now_unix_ms, visit->connected,
                              visit->n_connected};
    return same;
}

static chat_status see_device(void *ctx, const chat_store_visit *visit)
{
    chat__store_table *table = ctx;
    chat__store_visit same = visit_of(visit);
    return chat__store_see_device(table->store, &same);
}

static chat_status forget_device(void *ctx, const chat_store_visit *visit)
{
    chat__store_table *table = ctx;
    chat__store_visit same = visit_of(visit);
    chat_status status = chat__store_forget_device(table->store, &same);
    return status == CHAT_OK ? flush(table) : status;
}

/* That of a device that is not known is nothing. */
static chat_status put_cursor(chat__store_table *table, const chat_store_cursor *cursor)
{
    chat__store_visit visit = {.user = cursor->user, .device = cursor->device};
    uint64_t seen_ms;
    chat_status status = chat__store_find_device(table->store, &visit, &seen_ms);
    if (status == CHAT_OK)
        status = chat__store_put_cursor(table->store, cursor->user, cursor->device, cursor->chat,
                                        cursor->seq, cursor->at_unix_ms);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

static chat_status put_cursors(void *ctx, const chat_store_cursor *cursors, size_t n)
{
    chat__store_table *table = ctx;
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < n && status == CHAT_OK; i++) {
        status = put_cursor(table, &cursors[i]);
        if (status == CHAT_ERR_BUSY && (status = flush(table)) == CHAT_OK)
            status = put_cursor(table, &cursors[i]);
    }
    return status == CHAT_OK ? flush(table) : status;
}

/* --- reading --- */

/* Whom an answer goes to. */
typedef struct asking {
    const chat_allocator *allocator;
    chat_status status;
    void *ctx;
    union {
        chat_store_chat_fn chat;
        chat_store_user_chat_fn user_chat;
        chat_store_device_fn device;
        chat_store_away_fn away;
        chat_store_name_fn name;
        chat_store_marks_fn marks;
        chat_store_row_fn row;
    } fn;
} asking;

static void give_chat(void *ctx, const chat__store_chat *chat)
{
    asking *ask = ctx;
    chat_store_member *members =
        chat__alloc_resize(ask->allocator, NULL, (chat->n_members + 1) * sizeof *members);
    if (members == NULL) {
        ask->status = CHAT_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < chat->n_members; i++) {
        members[i].user = chat->members[i].user;
        members[i].since = chat->members[i].since;
        members[i].role = (chat_store_role)chat->members[i].role;
    }
    chat_store_chat same = {chat->title, chat->is_open != 0, members, chat->n_members};
    ask->fn.chat(ask->ctx, &same);
    chat__alloc_free(ask->allocator, members);
}

static chat_status load_chat(void *ctx, chat_view chat, chat_store_chat_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.allocator = &table->store->allocator, .ctx = fn_ctx, .fn.chat = fn};
    chat_status status = chat__store_load_chat(table->store, chat, give_chat, &ask);
    return status == CHAT_OK ? ask.status : status;
}

static void give_user_chat(void *ctx, const chat__store_user_chat *row)
{
    asking *ask = ctx;
    chat_store_user_chat same = {.chat = row->chat,
                                 .title = row->title,
                                 .cursor = row->cursor,
                                 .last_seq = row->last_seq,
                                 .read_seq = row->read_seq,
                                 .muted_until_ms = row->muted_until_ms,
                                 .gap_seq = row->gap_seq,
                                 .unread = row->unread,
                                 .has_unread = row->has_unread != 0,
                                 .is_past = row->is_past != 0};
    ask->fn.user_chat(ask->ctx, &same);
}

static chat_status load_user(void *ctx, const chat_store_visit *visit, chat_store_user_chat_fn fn,
                             void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.ctx = fn_ctx, .fn.user_chat = fn};
    chat__store_visit same = visit_of(visit);
    chat_status status = chat__store_load_user(table->store, &same, give_user_chat, &ask);
    if (status == CHAT_ERR_BUSY && (status = flush(table)) == CHAT_OK)
        status = chat__store_load_user(table->store, &same, give_user_chat, &ask);
    if (status == CHAT_EMPTY) {
        chat_status flushed = flush(table);
        return flushed == CHAT_OK ? CHAT_EMPTY : flushed;
    }
    return status;
}

static void give_device(void *ctx, chat_view device, uint64_t seen_ms)
{
    asking *ask = ctx;
    ask->fn.device(ask->ctx, device, seen_ms);
}

static chat_status load_devices(void *ctx, chat_view user, uint64_t now_unix_ms,
                                chat_store_device_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.ctx = fn_ctx, .fn.device = fn};
    return chat__store_load_devices(table->store, user, now_unix_ms, give_device, &ask);
}

static void give_away(void *ctx, const chat__store_away *away)
{
    asking *ask = ctx;
    chat_store_away same = {away->muted_until_ms, away->read_seq, away->devices, away->n_devices,
                            away->n_known};
    ask->fn.away(ask->ctx, &same);
}

static chat_status load_away(void *ctx, const chat_store_visit *visit, chat_view chat, uint64_t seq,
                             chat_store_away_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.ctx = fn_ctx, .fn.away = fn};
    chat__store_visit same = visit_of(visit);
    return chat__store_load_away(table->store, &same, chat, seq, give_away, &ask);
}

static chat_status load_blocks(void *ctx, chat_view user, int is_reverse, uint32_t limit,
                               chat_store_name_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    return chat__store_blocks(table->store, user, is_reverse, limit, fn, fn_ctx);
}

static chat_status has_blocked(void *ctx, chat_view user, chat_view whom, int *out)
{
    chat__store_table *table = ctx;
    return chat__store_has_blocked(table->store, user, whom, out);
}

static void give_marks(void *ctx, const chat__store_marks *marks)
{
    asking *ask = ctx;
    chat_store_mark *items =
        chat__alloc_resize(ask->allocator, NULL, (marks->n_items + 1) * sizeof *items);
    if (items == NULL) {
        ask->status = CHAT_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < marks->n_items; i++) {
        const chat__store_mark *mark = &marks->items[i];
        chat_store_mark same = {mark->user, mark->read_seq, mark->delivered_seq,
                                mark->delivered_unix_ms, mark->read_unix_ms};
        items[i] = same;
    }
    chat_store_marks same = {items, marks->n_items, marks->seq};
    ask->fn.marks(ask->ctx, &same);
    chat__alloc_free(ask->allocator, items);
}

static chat_status load_marks(void *ctx, chat_view chat, chat_view user, uint64_t seq,
                              chat_store_marks_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.allocator = &table->store->allocator, .ctx = fn_ctx, .fn.marks = fn};
    chat_status status = chat__store_load_marks(table->store, chat, user, seq, give_marks, &ask);
    return status == CHAT_OK ? ask.status : status;
}

static void give_row(void *ctx, const chat__store_row *row)
{
    asking *ask = ctx;
    chat_store_row same = {row->seq, row->prev, row->id, row->kind, 0, row->payload};
    ask->fn.row(ask->ctx, &same);
}

static chat_status read_page(void *ctx, const chat_store_query *query, chat_store_row_fn fn,
                             void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.ctx = fn_ctx, .fn.row = fn};
    chat__store_query same = {query->chat,  query->after,     query->before,
                              query->limit, query->max_bytes, query->user};
    return chat__store_read(table->store, &same, give_row, &ask);
}

static chat_status read_reactions(void *ctx, chat_view chat, chat_view user, uint64_t id,
                                  chat_store_row_fn fn, void *fn_ctx)
{
    chat__store_table *table = ctx;
    asking ask = {.ctx = fn_ctx, .fn.row = fn};
    return chat__store_read_reactions(table->store, chat, user, id, give_row, &ask);
}

/* --- the table --- */

chat_status chat__store_table_new(chat__store *store, int is_lazy, chat__store_table **out)
{
    static const chat_store FUNCTIONS = {.struct_size = sizeof FUNCTIONS,
                                         .set_rules = set_rules,
                                         .apply = apply,
                                         .forget = forget,
                                         .load_chat = load_chat,
                                         .load_user = load_user,
                                         .load_devices = load_devices,
                                         .see_device = see_device,
                                         .forget_device = forget_device,
                                         .put_cursors = put_cursors,
                                         .load_away = load_away,
                                         .load_blocks = load_blocks,
                                         .has_blocked = has_blocked,
                                         .load_marks = load_marks,
                                         .read = read_page,
                                         .read_reactions = read_reactions};
    chat__store_table *table = chat__alloc_zero(&store->allocator, sizeof *table);
    if (table == NULL)
        return CHAT_ERR_NOMEM;
    table->table = FUNCTIONS;
    table->table.ctx = table;
    table->store = store;
    table->is_lazy = is_lazy;
    pthread_mutex_init(&table->lock, NULL);
    pthread_mutex_init(&table->flush_lock, NULL);
    *out = table;
    return CHAT_OK;
}

const chat_store *chat__store_table_of(const chat__store_table *table)
{
    return &table->table;
}

void chat__store_table_free(chat__store_table *table)
{
    if (table == NULL)
        return;
    pthread_mutex_destroy(&table->lock);
    pthread_mutex_destroy(&table->flush_lock);
    chat__alloc_free(&table->store->allocator, table);
}
