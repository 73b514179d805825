/* SPDX-License-Identifier: MIT */
/*
 * Since when: a run says that a user had, or had read, everything of a chat up to `seq` at `at_ms`.
 * When he read is exact, from the `marker` records, so a replay gives the same. What reached his
 * devices between two flushes is one run with the last time, unless somebody was told an earlier
 * one. A message's time is that of the first run that reaches it, if the one before is known.
 */
#include "store/internal.h"
#include "base/bits.h"
#include "base/view.h"

#define KEY_BYTES 9u

/* Under the lock. A run that stands for itself, NULL: no memory. */
static chat__state_row *run_of(chat__state *state, chat_view user, chat_view chat,
                               chat__run_type type, uint64_t seq)
{
    uint8_t key[KEY_BYTES] = {(uint8_t)type};
    chat__store64le(key + 1, seq);
    return chat__state_row_of(state, CHAT__ROW_RUN, user, chat__view(key, sizeof key), chat);
}

static chat__run_type type_of(const chat__state_row *row)
{
    return (chat__run_type)chat__state_row_device(row).data[0];
}

/* Readers were told of this time: it stays when the run is extended. */
static void keep_told(chat__state *state, const chat__state_row *row)
{
    chat__state_row *kept = run_of(state, chat__state_row_user(row), chat__state_row_chat(row),
                                   type_of(row), row->value);
    if (kept == NULL || kept->node.epoch != 0)
        return;
    kept->value = row->value;
    kept->at_ms = row->at_ms;
    chat__state_mark_dirty(state, &kept->node);
}

void chat__store_put_delivered(chat__store *store, chat_view user, chat_view chat, uint64_t seq,
                               uint64_t at_ms)
{
    chat__state *state = &store->state;
    uint8_t key = CHAT__RUN_DELIVERED;
    pthread_mutex_lock(&state->lock);
    chat__state_row *row =
        chat__state_row_of(state, CHAT__ROW_RUN, user, chat__view(&key, 1), chat);
    if (row != NULL && row->node.epoch == 0 && state->n_dirty_bytes > state->max_bytes) {
        chat__state_drop_row_if_idle(state, row);
    } else if (row != NULL && (row->node.epoch == 0 || seq > row->value)) {
        if (row->is_told)
            keep_told(state, row);
        row->is_told = 0;
        row->value = seq;
        row->at_ms = at_ms;
        chat__state_mark_dirty(state, &row->node);
    }
    pthread_mutex_unlock(&state->lock);
}

chat__state_row *chat__store_stage_read(chat__state *state, chat_view user, chat_view chat,
                                        uint64_t seq)
{
    chat__state_row *row = run_of(state, user, chat, CHAT__RUN_READ, seq);
    if (row != NULL)
        row->n_staged++;
    return row;
}

void chat__store_publish_read(chat__state *state, chat__state_row *row, uint64_t seq,
                              uint64_t at_ms)
{
    row->n_staged--;
    if (row->node.epoch != 0 && row->at_ms <= at_ms)
        return;
    row->value = seq;
    row->at_ms = at_ms;
    chat__state_mark_dirty(state, &row->node);
}

/* --- in SQLite --- */

static void bind_run(sqlite3_stmt *statement, const chat__state_row *row)
{
    chat__sql_bind(statement, 1, chat__state_row_user(row));
    chat__sql_bind(statement, 2, chat__state_row_chat(row));
    chat__sql_bind_number(statement, 3, (uint64_t)type_of(row));
}

chat_status chat__store_write_run(chat__store *store, const chat__state_row *row)
{
    pthread_mutex_lock(&store->state.lock);
    uint64_t seq = row->value;
    uint64_t at_ms = row->at_ms;
    pthread_mutex_unlock(&store->state.lock);
    sqlite3_stmt *statement = chat__db_use(&store->flush_db, CHAT__DB_PUT_RUN);
    bind_run(statement, row);
    chat__sql_bind_number(statement, 4, seq);
    chat__sql_bind_number(statement, 5, at_ms);
    chat__sql_bind_number(statement, 6, CHAT__RECEIPT_MEMBERS);
    chat_status status = chat__sql_run(statement);
    if (status != CHAT_OK || sqlite3_changes(store->flush_db.handle) == 0)
        return status;
    statement = chat__db_use(&store->flush_db, CHAT__DB_CUT_RUNS);
    bind_run(statement, row);
    chat__sql_bind_number(statement, 4, CHAT__RUNS_MAX);
    return chat__sql_run(statement);
}

/* --- questions --- */

/* The earliest time that memory has, 0: none. */
static uint64_t time_in_memory(chat__store *store, const chat__since *of)
{
    chat__state *state = &store->state;
    chat__state_row *found = NULL;
    uint64_t at_ms = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *known = chat__state_user_of(state, of->user);
    chat__state_row *row = known == NULL ? NULL : known->rows;
    for (; row != NULL; row = row->next_of_user) {
        if (row->type == CHAT__ROW_RUN && row->node.epoch != 0 && type_of(row) == of->type &&
            row->value >= of->seq && (found == NULL || row->at_ms < found->at_ms) &&
            chat__view_equal(chat__state_row_chat(row), of->chat))
            found = row;
    }
    if (found != NULL) {
        at_ms = found->at_ms;
        found->is_told = 1;
    }
    pthread_mutex_unlock(&state->lock);
    return at_ms;
}

/* Memory first: what leaves it meanwhile is in SQLite by then. */
chat_status chat__store_since(chat__store *store, const chat__since *of, uint64_t *out_ms)
{
    uint64_t at_ms = time_in_memory(store, of);
    uint64_t stored_ms = 0;
    uint64_t low = 0;
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_RUN);
    chat__sql_bind(statement, 1, of->user);
    chat__sql_bind(statement, 2, of->chat);
    chat__sql_bind_number(statement, 3, (uint64_t)of->type);
    chat__sql_bind_number(statement, 4, of->seq);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        stored_ms = chat__sql_number(statement, 0);
        low = chat__sql_number(statement, 1);
        (void)sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&store->read_lock);
    if (of->seq <= low)
        at_ms = stored_ms != 0 && at_ms != 0 && at_ms < stored_ms ? at_ms : stored_ms;
    *out_ms = at_ms;
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}
