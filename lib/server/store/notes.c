/* SPDX-License-Identifier: MIT */
/*
 * What was done to messages afterwards, a view of the `note` records: for each message the newest
 * edit, the deletion, and for each user the newest reaction and the newest taking back of one. Only
 * places are kept; what a note says is read from the log. A reader gets a message as it is now.
 */
#include "store/notes.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"
#include "views/shown.h"

#include <string.h>

#define KEY_BYTES 9u
#define FIND_ROWS 100u

/* --- the record --- */

chat_status chat__store_stage_note(chat__store *store, chat__state_change *change, uint64_t seq,
                                   const chat__facts *facts)
{
    chat__state *state = &store->state;
    uint8_t key[KEY_BYTES];
    chat__store64le(key, facts->re_seq);
    key[KEY_BYTES - 1] = (uint8_t)facts->note;
    pthread_mutex_lock(&state->lock);
    change->mark =
        chat__state_row_of(state, CHAT__ROW_NOTE, facts->user, chat__view(key, sizeof key),
                           chat__view(change->chat->name, change->chat->len));
    change->mark_value = seq;
    if (change->mark != NULL)
        change->mark->n_staged++;
    pthread_mutex_unlock(&state->lock);
    return change->mark != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

uint64_t chat__state_note_re(const chat__state_row *row)
{
    return chat__load64le(chat__state_row_device(row).data);
}

chat__note_what chat__state_note_what(const chat__state_row *row)
{
    return (chat__note_what)chat__state_row_device(row).data[KEY_BYTES - 1];
}

/* --- looking up --- */

/* Called for each note of a message, a newer one of the same kind and user also after an older. */
typedef struct note {
    chat__note_what what;
    chat_view user;
    uint64_t seq;
} note;
typedef void (*note_fn)(void *ctx, const note *each);

static int add_from_memory(chat__store *store, chat_view chat, uint64_t re_seq, note_fn fn,
                           void *ctx)
{
    chat__state *state = &store->state;
    int has_any = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *group = chat__state_group_of(state, chat);
    const chat__state_row *row = group == NULL ? NULL : group->rows;
    for (; row != NULL; row = row->next_of_group) {
        if (row->type != CHAT__ROW_NOTE || row->node.epoch == 0)
            continue;
        has_any = 1;
        if (chat__state_note_re(row) == re_seq) {
            note each = {chat__state_note_what(row), chat__state_row_user(row), row->value};
            fn(ctx, &each);
        }
    }
    pthread_mutex_unlock(&state->lock);
    return has_any;
}

static chat_status add_stored(chat__store *store, chat_view chat, uint64_t re_seq, note_fn fn,
                              void *ctx)
{
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_NOTES);
    chat__sql_bind(statement, 1, chat);
    chat__sql_bind_number(statement, 2, re_seq);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        note each = {(chat__note_what)chat__sql_number(statement, 0),
                     chat__sql_text(statement, 1, CHAT_ID_MAX_BYTES),
                     chat__sql_number(statement, 2)};
        fn(ctx, &each);
    }
    pthread_mutex_unlock(&store->read_lock);
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

/* Memory first: what leaves it meanwhile is in SQLite by then. */
static chat_status look_up(chat__store *store, chat_view chat, uint64_t re_seq, note_fn fn,
                           void *ctx)
{
    (void)add_from_memory(store, chat, re_seq, fn, ctx);
    return add_stored(store, chat, re_seq, fn, ctx);
}

static void ignore(void *ctx, const note *each)
{
    (void)ctx;
    (void)each;
}

/* Whether the chat has any notes. Most have none, and their pages cost one look. */
static chat_status has_any(chat__store *store, chat_view chat, int *out)
{
    *out = add_from_memory(store, chat, UINT64_MAX, ignore, NULL);
    if (*out)
        return CHAT_OK;
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_HAS_NOTES);
    chat__sql_bind(statement, 1, chat);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        *out = 1;
        (void)sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&store->read_lock);
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

/* --- a message as it is now --- */

static chat_status need_decoder(chat__notes *notes)
{
    return notes->decoder != NULL ? CHAT_OK
                                  : chat_decoder_new(&notes->store->allocator,
                                                     CHAT__SHOWN_DECODER_MAX, &notes->decoder);
}

chat_status chat__notes_begin(chat__notes *notes, chat__store *store, chat_view chat,
                              const chat__record *newest)
{
    memset(notes, 0, sizeof *notes);
    notes->store = store;
    notes->chat = chat;
    notes->newest = *newest;
    chat__buf_init(&notes->bytes, &store->allocator, SIZE_MAX);
    chat__chain_init(&notes->chain, &store->log.segments, &store->chains, &store->allocator, chat);
    chat_status status = has_any(store, chat, &notes->has_any);
    return status == CHAT_OK && notes->has_any ? need_decoder(notes) : status;
}

void chat__notes_end(chat__notes *notes)
{
    chat_decoder_free(notes->decoder);
    chat__buf_done(&notes->bytes);
    chat__chain_done(&notes->chain);
}

typedef struct found {
    uint64_t edit_seq, delete_seq;
} found;

static void take_found(void *ctx, const note *each)
{
    found *f = ctx;
    uint64_t *seq = each->what == CHAT__NOTE_EDIT     ? &f->edit_seq
                    : each->what == CHAT__NOTE_DELETE ? &f->delete_seq
                                                      : NULL;
    if (seq != NULL && each->seq > *seq)
        *seq = each->seq;
}

/* The record `seq` and its payload, borrowed until the next one is read. */
static chat_status read_note(chat__notes *notes, uint64_t seq, chat__record *out_record,
                             chat_view *out_payload)
{
    *out_record = notes->newest;
    chat_status status = chat__chain_find(&notes->chain, seq + 1, UINT64_MAX, out_record);
    if (status == CHAT_OK && out_record->seq != seq)
        status = CHAT_ERR_CORRUPT;
    return status == CHAT_OK ? chat__chain_payload(&notes->chain, out_record, out_payload) : status;
}

/* What is damaged costs itself alone. */
static chat_status unless_damaged(chat_status status)
{
    return status == CHAT_ERR_IO || status == CHAT_ERR_NOMEM ? status : CHAT_OK;
}

chat_status chat__notes_edit_of(chat__notes *notes, uint64_t re_seq, uint64_t *out_seq)
{
    found f = {0, 0};
    chat_status status = look_up(notes->store, notes->chat, re_seq, take_found, &f);
    *out_seq = f.edit_seq;
    return status;
}

/* An edit of what was deleted says nothing any more. */
static chat_status apply_to_note(chat__notes *notes, int is_erased, chat_view *payload)
{
    uint64_t re_seq;
    found f = {0, 0};
    chat_status status = CHAT_OK;
    if (!chat__shown_is_edit(notes->decoder, *payload, &re_seq))
        return CHAT_OK;
    if (!is_erased)
        status = look_up(notes->store, notes->chat, re_seq, take_found, &f);
    if (status != CHAT_OK || (f.delete_seq == 0 && !is_erased))
        return status;
    return chat__shown_empty_edit(notes->decoder, &notes->bytes, payload);
}

/* What was erased was deleted, also for a reader who began before. */
static chat_status apply_to_message(chat__notes *notes, const chat__record *record,
                                    chat_view *payload)
{
    chat__record of_edit = {.is_erased = record->is_erased};
    chat_view edit;
    found f = {0, 0};
    chat_status status = CHAT_OK;
    if (!record->is_erased)
        status = look_up(notes->store, notes->chat, record->seq, take_found, &f);
    if (status != CHAT_OK)
        return status;
    int is_deleted = f.delete_seq != 0 || record->is_erased;
    int is_edited = f.edit_seq != 0 && !is_deleted;
    if (is_edited)
        status = read_note(notes, f.edit_seq, &of_edit, &edit);
    if (status != CHAT_OK)
        return unless_damaged(status);
    return chat__shown_message(notes->decoder, &notes->bytes, is_edited ? &edit : NULL,
                               is_deleted || of_edit.is_erased, payload);
}

chat_status chat__notes_apply(chat__notes *notes, const chat__record *record, chat_view *payload)
{
    int is_message = record->kind == CHAT_FRAME_MSG;
    if ((!is_message && record->kind != CHAT_FRAME_NOTE) || (!notes->has_any && !record->is_erased))
        return CHAT_OK;
    chat_status status = need_decoder(notes);
    if (status != CHAT_OK)
        return status;
    return is_message ? apply_to_message(notes, record, payload)
                      : apply_to_note(notes, record->is_erased, payload);
}

/* --- reactions --- */

static void take_reaction(void *ctx, const note *each)
{
    chat__reactions_take(ctx, each->what, each->user, each->seq);
}

typedef struct finding {
    uint64_t id;
    uint64_t seq;
} finding;

static void match_row(void *ctx, const chat__store_row *row)
{
    finding *find = ctx;
    if (row->id == find->id && row->kind == CHAT_FRAME_MSG)
        find->seq = row->seq;
}

static chat_status give(chat__notes *notes, const chat__reaction *each, chat__store_row_fn fn,
                        void *ctx)
{
    chat_view payload;
    chat__record record;
    chat_status status = read_note(notes, each->seq, &record, &payload);
    if (status == CHAT_OK) {
        chat__store_row row = {each->seq, record.prev_seq, record.id, CHAT_FRAME_NOTE, payload};
        fn(ctx, &row);
    }
    return unless_damaged(status);
}

static chat_status give_all(chat__store *store, chat_view chat, const chat__reactions *all,
                            chat__store_row_fn fn, void *ctx)
{
    chat__state_head head;
    chat__record newest;
    chat__notes notes;
    chat_status status = chat__store_head(store, chat, &head);
    if (status != CHAT_OK || all->n_items == 0)
        return status;
    memset(&newest, 0, sizeof newest);
    status = chat__notes_begin(&notes, store, chat, &newest);
    if (status == CHAT_OK)
        status = chat__chain_at_or_before(&notes.chain, head.at, 0, &notes.newest);
    for (size_t i = 0; i < all->n_items && status == CHAT_OK; i++) {
        if (chat__reactions_count(all, &all->items[i]))
            status = give(&notes, &all->items[i], fn, ctx);
    }
    chat__notes_end(&notes);
    return status;
}

chat_status chat__store_read_reactions(chat__store *store, chat_view chat, chat_view user,
                                       uint64_t id, chat__store_row_fn fn, void *ctx)
{
    finding find = {id, 0};
    chat__reactions all = {NULL, 0, 0};
    chat__store_query query = {.chat = chat,
                               .after = id > 0 ? id - 1 : 0,
                               .before = UINT64_MAX,
                               .limit = FIND_ROWS,
                               .user = user};
    chat_status status = chat__store_read(store, &query, match_row, &find);
    if (status < 0)
        return status;
    if (find.seq == 0)
        return CHAT_ERR_NOT_FOUND;
    all.items = chat__alloc_zero(&store->allocator, CHAT__REACTIONS_MAX * sizeof *all.items);
    if (all.items == NULL)
        return CHAT_ERR_NOMEM;
    status = look_up(store, chat, find.seq, take_reaction, &all);
    if (status == CHAT_OK)
        status = give_all(store, chat, &all, fn, ctx);
    chat__alloc_free(&store->allocator, all.items);
    return status;
}
