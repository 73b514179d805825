/* SPDX-License-Identifier: MIT */
/* Records of chats as they come: stored once, with what was done to a message in the message, and
   how far they are without a hole. */
#include "base/view.h"
#include "client/cache/internal.h"

#include <string.h>

/* A deleted message stays deleted, whatever is read later. */
#define EDITED_FOR_GOOD ((uint64_t)INT64_MAX)

/* --- chats --- */

chat_status chat__cache_get_chat(chat__cache *cache, chat_view chat, chat__cache_chat *out)
{
    if (cache->handle == NULL)
        return CHAT_EMPTY;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_GET_CHAT);
    chat__sql_bind(statement, 1, chat);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        out->n = chat__sql_number(statement, 0);
        out->low = chat__sql_number(statement, 1);
        out->top = chat__sql_number(statement, 2);
        out->connection = chat__sql_number(statement, 3);
        out->n_records = chat__sql_number(statement, 4);
        out->told_seq = chat__sql_number(statement, 5);
    }
    (void)sqlite3_reset(statement);
    return status;
}

chat_status chat__cache_need_chat(chat__cache *cache, chat_view chat, chat__cache_chat *out)
{
    chat_status status = chat__cache_get_chat(cache, chat, out);
    if (status == CHAT_EMPTY)
        status = chat__cache_begin(cache);
    else
        return status;
    if (status == CHAT_OK) {
        sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_ADD_CHAT);
        chat__sql_bind(statement, 1, chat);
        status = chat__sql_run(statement);
    }
    return status == CHAT_OK ? chat__cache_get_chat(cache, chat, out) : status;
}

chat_status chat__cache_set_range(chat__cache *cache, const chat__cache_chat *chat)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_SET_RANGE);
    chat__sql_bind_number(statement, 1, chat->n);
    chat__sql_bind_number(statement, 2, chat->low);
    chat__sql_bind_number(statement, 3, chat->top);
    chat__sql_bind_number(statement, 4, chat->connection);
    chat__sql_bind_number(statement, 5, chat->n_records);
    return chat__sql_run(statement);
}

/* --- records --- */

chat_status chat__cache_count_records(chat__cache *cache)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_COUNT);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK)
        cache->n_records = chat__sql_number(statement, 0);
    (void)sqlite3_reset(statement);
    return status;
}

int chat__cache_has_record(chat__cache *cache, uint64_t n, uint64_t seq)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_HAS_RECORD);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, seq);
    int is_there = chat__sql_step(statement) == CHAT_OK;
    (void)sqlite3_reset(statement);
    return is_there;
}

static uint64_t edited_at(const chat_frame *record)
{
    if (CHAT_FRAME_HAS(record, DELETED) && record->deleted)
        return EDITED_FOR_GOOD;
    return CHAT_FRAME_HAS(record, EDITED) ? record->edited : 0;
}

static int is_mine(const chat__cache *cache, chat_view user)
{
    return chat__view_equal(user, chat__view_str(cache->user));
}

static chat_status put(chat__cache *cache, uint64_t n, const chat_frame *record)
{
    chat_view bytes = {NULL, 0};
    int is_message = record->type == CHAT_FRAME_MSG;
    int is_own = CHAT_FRAME_HAS(record, FROM) && is_mine(cache, record->from);
    chat_status status = chat__cache_encode(cache, record, &bytes);
    if (status != CHAT_OK)
        return status;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_PUT_RECORD);
    uint64_t edited = edited_at(record);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, record->seq);
    chat__sql_bind_number(statement, 3, CHAT_FRAME_HAS(record, ID) ? record->id : 0);
    chat__sql_bind_number(statement, 4, is_message && !is_own && edited != EDITED_FOR_GOOD);
    chat__sql_bind_number(statement, 5, edited);
    if (is_message && is_own && CHAT_FRAME_HAS(record, CID))
        chat__sql_bind(statement, 6, record->cid);
    chat__sql_bind_blob(statement, 7, bytes);
    return chat__sql_run(statement);
}

/* What is known of its chat without a hole begins behind it. */
static chat_status forget(chat__cache *cache, const chat__cache_row *row)
{
    static const chat__cache_statement steps[] = {CHAT__CACHE_FORGET, CHAT__CACHE_CUT};
    chat_status status = chat__cache_begin(cache);
    for (int i = 0; i < 2 && status == CHAT_OK; i++) {
        sqlite3_stmt *statement = chat__cache_use(cache, steps[i]);
        chat__sql_bind_number(statement, 1, row->n);
        chat__sql_bind_number(statement, 2, row->seq);
        status = chat__sql_run(statement);
    }
    if (status == CHAT_OK) {
        cache->n_records -= cache->n_records > 0;
        cache->n_damaged++;
    }
    return chat__cache_end(cache, status == CHAT_OK ? CHAT_MORE : status);
}

chat_status chat__cache_take_record(chat__cache *cache, sqlite3_stmt *statement,
                                    const chat__cache_row *row, chat_frame *out)
{
    chat_status status = chat__cache_decode(cache, chat__sql_blob(statement, row->column), out);
    (void)sqlite3_reset(statement);
    if (status == CHAT_OK && CHAT_FRAME_HAS(out, SEQ) && out->seq == row->seq)
        return CHAT_OK;
    return status == CHAT_OK || status == CHAT_ERR_CORRUPT ? forget(cache, row) : status;
}

chat_status chat__cache_next_record(chat__cache *cache, chat__cache_statement which, uint64_t n,
                                    uint64_t seq, chat_frame *out)
{
    chat_status status = CHAT_MORE;
    while (status == CHAT_MORE) {
        sqlite3_stmt *statement = chat__cache_use(cache, which);
        chat__sql_bind_number(statement, 1, n);
        chat__sql_bind_number(statement, 2, seq);
        status = chat__sql_step(statement);
        if (status != CHAT_OK)
            break;
        chat__cache_row row = {n, chat__sql_number(statement, 0), 1};
        status = chat__cache_take_record(cache, statement, &row, out);
    }
    return status;
}

/* Cut a chat to the limit, a part at a time: what is left out at the old end is with the server. */
static chat_status trim(chat__cache *cache, chat__cache_chat *chat)
{
    if (chat->n_records <= (uint64_t)cache->max_chat_records + cache->max_chat_records / 8)
        return CHAT_OK;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_NTH);
    chat__sql_bind_number(statement, 1, chat->n);
    chat__sql_bind_number(statement, 2, INT64_MAX);
    chat__sql_bind_number(statement, 3, 0);
    chat__sql_bind_number(statement, 4, cache->max_chat_records - 1);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    uint64_t oldest = chat__sql_number(statement, 0);
    (void)sqlite3_reset(statement);
    statement = chat__cache_use(cache, CHAT__CACHE_TRIM);
    chat__sql_bind_number(statement, 1, chat->n);
    chat__sql_bind_number(statement, 2, oldest);
    status = chat__sql_run(statement);
    if (status != CHAT_OK)
        return status;
    uint64_t n_gone = (uint64_t)sqlite3_changes(cache->handle);
    chat->n_records -= n_gone < chat->n_records ? n_gone : chat->n_records;
    cache->n_records -= n_gone < cache->n_records ? n_gone : cache->n_records;
    if (chat->low < oldest)
        chat->low = oldest;
    return CHAT_OK;
}

static chat_status run_with(chat__cache *cache, chat__cache_statement which, uint64_t number)
{
    sqlite3_stmt *statement = chat__cache_use(cache, which);
    chat__sql_bind_number(statement, 1, number);
    return chat__sql_run(statement);
}

/* The oldest of all chats go, an eighth at a time; the newest record of each chat stays. */
static chat_status evict(chat__cache *cache)
{
    if (cache->n_records <= (uint64_t)cache->max_records + cache->max_records / 8)
        return CHAT_OK;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_OLDEST);
    chat__sql_bind_number(statement, 1, cache->n_records - cache->max_records);
    chat_status status = chat__sql_step(statement);
    uint64_t oldest = status == CHAT_OK ? chat__sql_number(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    if (status == CHAT_OK)
        status = run_with(cache, CHAT__CACHE_EVICT_CHATS, oldest);
    if (status == CHAT_OK)
        status = run_with(cache, CHAT__CACHE_EVICT, oldest);
    return status < 0 ? status : chat__cache_count_records(cache);
}

chat_status chat__cache_store(chat__cache *cache, chat__cache_chat *chat, const chat_frame *record)
{
    int is_new = !chat__cache_has_record(cache, chat->n, record->seq);
    chat_status status = put(cache, chat->n, record);
    chat->n_records += (uint64_t)is_new;
    cache->n_records += (uint64_t)is_new;
    if (status == CHAT_OK && is_new)
        status = trim(cache, chat);
    if (status == CHAT_OK)
        status = chat__cache_set_range(cache, chat);
    if (status == CHAT_OK && is_new)
        status = evict(cache);
    return status;
}

/* --- what was done to a message --- */

static chat_status get_record(chat__cache *cache, uint64_t n, uint64_t seq, chat_frame *out)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_GET_RECORD);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, seq);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    chat__cache_row row = {n, seq, 1};
    status = chat__cache_take_record(cache, statement, &row, out);
    return status == CHAT_MORE ? CHAT_EMPTY : status;
}

/* What a message said before goes with it. */
static chat_status forget_edits(chat__cache *cache, uint64_t n, const chat_frame *deletion)
{
    uint64_t at = deletion->re_seq;
    uint64_t re = deletion->re;
    uint64_t end = deletion->seq;
    chat_status status = CHAT_OK;
    while (status == CHAT_OK) {
        chat_frame note;
        status = chat__cache_next_record(cache, CHAT__CACHE_ABOVE, n, at, &note);
        if (status != CHAT_OK || note.seq >= end)
            break;
        at = note.seq;
        if (note.type != CHAT_FRAME_NOTE || note.re != re || !CHAT_FRAME_HAS(&note, BODY))
            continue;
        note.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
        status = put(cache, n, &note);
    }
    return status < 0 ? status : CHAT_OK;
}

/* As the server shows it in history: the last edit counts, after a deletion nothing does. */
chat_status chat__cache_apply_note(chat__cache *cache, uint64_t n, const chat_frame *note)
{
    chat_frame message;
    int is_edit = chat__view_equal(note->what, chat__view_str("edit"));
    if (!is_edit && !chat__view_equal(note->what, chat__view_str("delete")))
        return CHAT_OK;
    chat_status status = get_record(cache, n, note->re_seq, &message);
    if (status != CHAT_OK || message.type != CHAT_FRAME_MSG)
        return status < 0 ? status : CHAT_OK;
    if (is_edit) {
        if (!CHAT_FRAME_HAS(note, BODY) || edited_at(&message) > note->ts)
            return CHAT_OK;
        CHAT_FRAME_SET(&message, BODY, body, note->body);
        CHAT_FRAME_SET(&message, EDITED, edited, note->ts);
    } else {
        CHAT_FRAME_SET(&message, BODY, body, chat__view(NULL, 0));
        CHAT_FRAME_SET(&message, DELETED, deleted, 1);
    }
    status = put(cache, n, &message);
    return status == CHAT_OK && !is_edit ? forget_edits(cache, n, note) : status;
}

/* --- the stream --- */

/* The stream leaves nothing out but this device's own messages, which are known by `sent`, and what
   is told as a gap: that leaves a hole, and what is known without one begins anew. */
static void extend(chat__cache *cache, chat__cache_chat *chat, const chat_frame *record)
{
    uint64_t prev = CHAT_FRAME_HAS(record, PREV) ? record->prev : 0;
    if (record->seq <= chat->top)
        return;
    int is_next =
        chat->top != 0 && (prev <= chat->top || chat__cache_has_record(cache, chat->n, prev));
    if (!is_next)
        chat->low = prev == 0 ? 0 : record->seq;
    chat->top = record->seq;
    chat->connection = cache->connection;
}

static chat_status keep_record(chat__cache *cache, const chat_frame *record)
{
    chat__cache_chat chat;
    chat_status status = chat__cache_need_chat(cache, record->chat, &chat);
    if (status != CHAT_OK)
        return status;
    int is_newest = record->seq > chat.top;
    extend(cache, &chat, record);
    status = chat__cache_store(cache, &chat, record);
    if (status == CHAT_OK && record->type == CHAT_FRAME_NOTE)
        status = chat__cache_apply_note(cache, chat.n, record);
    if (status == CHAT_OK && is_newest &&
        (record->type == CHAT_FRAME_CHAT || record->type == CHAT_FRAME_CHANGE))
        status = chat__cache_learn(cache, chat.n, record);
    return status;
}

chat_status chat__cache_put_record(chat__cache *cache, const chat_frame *record)
{
    if (!CHAT_FRAME_HAS(record, SEQ) || !CHAT_FRAME_HAS(record, CHAT))
        return CHAT_OK;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = keep_record(cache, record);
    return chat__cache_end(cache, status < 0 ? status : CHAT_OK);
}

void chat__cache_begin_connection(chat__cache *cache)
{
    cache->connection++;
    cache->is_current = 0;
}

void chat__cache_set_current(chat__cache *cache)
{
    cache->is_current = 1;
}
