/* SPDX-License-Identifier: MIT */
/* Chats that a user has muted: views of the `setting` records of his self stream. The newest record
   about a chat counts, so each is kept with its seq. */
#include "store/internal.h"
#include "base/bits.h"
#include "base/view.h"

chat_status chat__store_stage_mute(chat__store *store, chat__state_change *change, uint64_t seq,
                                   const chat__facts *facts)
{
    chat__state *state = &store->state;
    uint8_t place[8];
    chat__store64le(place, seq);
    pthread_mutex_lock(&state->lock);
    change->mark = chat__state_row_of(state, CHAT__ROW_MUTE, facts->user,
                                      chat__view(place, sizeof place), facts->of);
    change->mark_value = facts->until_ms;
    if (change->mark != NULL)
        change->mark->n_staged++;
    pthread_mutex_unlock(&state->lock);
    return change->mark != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* Memory first: what leaves it meanwhile is in SQLite by then. */
static uint64_t newest_in_memory(chat__store *store, chat_view user, chat_view chat, uint64_t *out)
{
    chat__state *state = &store->state;
    uint64_t seq = 0;
    pthread_mutex_lock(&state->lock);
    const chat__state_user *known = chat__state_user_of(state, user);
    const chat__state_row *row = known == NULL ? NULL : known->rows;
    for (; row != NULL; row = row->next_of_user) {
        if (row->type != CHAT__ROW_MUTE || row->node.epoch == 0 || chat__state_row_seq(row) < seq ||
            !chat__view_equal(chat__state_row_chat(row), chat))
            continue;
        seq = chat__state_row_seq(row);
        *out = row->value;
    }
    pthread_mutex_unlock(&state->lock);
    return seq;
}

chat_status chat__store_muted_until(chat__store *store, chat_view user, chat_view chat,
                                    uint64_t *out_unix_ms)
{
    uint64_t until_ms = 0;
    if (user.len == 0 || user.len > CHAT_ID_MAX_BYTES || chat.len == 0 ||
        chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return CHAT_ERR_ARG;
    uint64_t seq = newest_in_memory(store, user, chat, &until_ms);
    pthread_mutex_lock(&store->read_lock);
    sqlite3_stmt *statement = chat__db_use(&store->read_db, CHAT__DB_GET_MUTE);
    chat__sql_bind(statement, 1, user);
    chat__sql_bind(statement, 2, chat);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        if (chat__sql_number(statement, 0) > seq)
            until_ms = chat__sql_number(statement, 1);
        (void)sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&store->read_lock);
    status = chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
    if (status == CHAT_OK)
        *out_unix_ms = until_ms;
    return status;
}
