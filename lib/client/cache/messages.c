/* SPDX-License-Identifier: MIT */
/* Messages that wait to be sent, in the order in which they are to be sent. */
#include "base/view.h"
#include "client/cache/internal.h"

#include <string.h>

chat_status chat__cache_encode(chat__cache *cache, const chat_frame *frame, chat_view *out)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, frame);
    size_t len = 0;
    cache->out.len = 0;
    chat_status status = chat__buf_reserve(&cache->out, cap);
    if (status == CHAT_OK)
        status = chat_frame_encode(CHAT_ENCODING_CBOR, frame, cache->out.data, cap, &len);
    if (status == CHAT_OK)
        *out = chat__view(cache->out.data, len);
    return status;
}

chat_status chat__cache_decode(chat__cache *cache, chat_view bytes, chat_frame *out)
{
    cache->in.len = 0;
    chat_status status = chat__buf_append(&cache->in, bytes.data, bytes.len);
    if (status == CHAT_OK)
        status =
            chat_frame_decode(cache->decoder, CHAT_ENCODING_CBOR, chat__buf_view(&cache->in), out);
    return status == CHAT_OK || status == CHAT_ERR_NOMEM ? status : CHAT_ERR_CORRUPT;
}

/* A resend is one because it is read from here, not because of what it says. */
chat_status chat__cache_put_message(chat__cache *cache, const chat_frame *send)
{
    chat_frame kept = *send;
    chat_view bytes = {NULL, 0};
    chat__cache_message there;
    kept.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_RESEND);
    chat_status status = chat__cache_find_message(cache, send->cid, &there);
    if (status == CHAT_OK)
        return CHAT_ERR_EXISTS;
    if (status == CHAT_EMPTY)
        status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__cache_encode(cache, &kept, &bytes);
    if (status == CHAT_OK) {
        sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_PUT_MESSAGE);
        chat__sql_bind(statement, 1, send->cid);
        chat__sql_bind_blob(statement, 2, bytes);
        status = chat__sql_run(statement);
    }
    return chat__cache_end(cache, status);
}

/* Of a message that cannot be read its name is left, so that it can be shown and dropped. */
static chat_status take_name(chat__cache *cache, sqlite3_stmt *statement, chat_frame *out)
{
    chat_view cid = chat__sql_text(statement, 4, CHAT_ID_MAX_BYTES);
    cache->in.len = 0;
    chat_status status = chat__buf_append(&cache->in, cid.data, cid.len);
    chat_frame_init(out, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(out, CID, cid, chat__buf_view(&cache->in));
    return status;
}

static int is_message(const chat_frame *frame, sqlite3_stmt *statement)
{
    return frame->type == CHAT_FRAME_SEND &&
           chat__view_equal(frame->cid, chat__sql_text(statement, 4, CHAT_ID_MAX_BYTES));
}

static chat_status take_message(chat__cache *cache, sqlite3_stmt *statement,
                                chat__cache_message *out)
{
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    memset(out, 0, sizeof *out);
    out->number = chat__sql_number(statement, 0);
    int is_failed = sqlite3_column_int(statement, 1) != 0;
    out->status = is_failed ? (chat_status)sqlite3_column_int(statement, 2) : CHAT_OK;
    status = chat__cache_decode(cache, chat__sql_blob(statement, 3), &out->frame);
    if (status == CHAT_ERR_CORRUPT || (status == CHAT_OK && !is_message(&out->frame, statement))) {
        out->is_damaged = !is_failed;
        if (!is_failed)
            out->status = CHAT_ERR_CORRUPT;
        status = take_name(cache, statement, &out->frame);
    }
    (void)sqlite3_reset(statement);
    return status;
}

chat_status chat__cache_next_message(chat__cache *cache, uint64_t after, chat__cache_message *out)
{
    if (cache->handle == NULL)
        return CHAT_EMPTY;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_NEXT_MESSAGE);
    chat__sql_bind_number(statement, 1, after);
    return take_message(cache, statement, out);
}

static chat_status find_sent(chat__cache *cache, chat_view cid, chat__cache_message *out)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_FIND_SENT);
    chat__sql_bind(statement, 1, cid);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    memset(out, 0, sizeof *out);
    out->seq = chat__sql_number(statement, 1);
    out->id = chat__sql_number(statement, 2);
    chat__cache_row row = {chat__sql_number(statement, 3), out->seq, 0};
    status = chat__cache_take_record(cache, statement, &row, &out->frame);
    return status == CHAT_MORE ? CHAT_EMPTY : status;
}

chat_status chat__cache_find_message(chat__cache *cache, chat_view cid, chat__cache_message *out)
{
    if (cache->handle == NULL)
        return CHAT_EMPTY;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_FIND_MESSAGE);
    chat__sql_bind(statement, 1, cid);
    chat_status status = take_message(cache, statement, out);
    return status == CHAT_EMPTY ? find_sent(cache, cid, out) : status;
}

/* A statement about one cid. CHAT_OK; CHAT_EMPTY: it changed nothing. */
static chat_status change(chat__cache *cache, chat__cache_statement which, chat_view cid,
                          chat_status why)
{
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK) {
        sqlite3_stmt *statement = chat__cache_use(cache, which);
        chat__sql_bind(statement, 1, cid);
        if (why != CHAT_OK)
            (void)sqlite3_bind_int(statement, 2, why);
        status = chat__sql_run(statement);
    }
    if (status == CHAT_OK && sqlite3_changes(cache->handle) == 0)
        status = CHAT_EMPTY;
    return chat__cache_end(cache, status);
}

chat_status chat__cache_failed(chat__cache *cache, chat_view cid, chat_status why)
{
    chat_status status =
        change(cache, CHAT__CACHE_FAIL_MESSAGE, cid, why != CHAT_OK ? why : CHAT_ERR_STATE);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

chat_status chat__cache_revive(chat__cache *cache, chat_view cid)
{
    return change(cache, CHAT__CACHE_REVIVE_MESSAGE, cid, CHAT_OK);
}

chat_status chat__cache_drop(chat__cache *cache, chat_view cid)
{
    return change(cache, CHAT__CACHE_DROP_FAILED, cid, CHAT_OK);
}

/* What came with `sent`, and what was said. */
static void make_record(const chat__cache *cache, const chat_frame *sent, const chat_frame *send,
                        chat_frame *out)
{
    chat_frame_init(out, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(out, CHAT, chat, sent->chat);
    CHAT_FRAME_SET(out, FROM, from, chat__view_str(cache->user));
    CHAT_FRAME_SET(out, ID, id, sent->id);
    CHAT_FRAME_SET(out, SEQ, seq, sent->seq);
    CHAT_FRAME_SET(out, TS, ts, sent->ts);
    CHAT_FRAME_SET(out, CID, cid, sent->cid);
    CHAT_FRAME_SET(out, BODY, body, send->body);
    if (CHAT_FRAME_HAS(send, RE))
        CHAT_FRAME_SET(out, RE, re, send->re);
}

/* It may be here already, from the stream, which knows more of it. Its place is not known to be
   right behind the newest one: what is on its way may be between. */
static chat_status keep_sent(chat__cache *cache, const chat_frame *sent, const chat_frame *send)
{
    chat_frame record;
    chat__cache_chat chat;
    chat_status status = chat__cache_need_chat(cache, sent->chat, &chat);
    if (status != CHAT_OK)
        return status;
    if (chat__cache_has_record(cache, chat.n, sent->seq))
        return CHAT_OK;
    if (chat.top == 0) {
        chat.low = sent->seq;
        chat.top = sent->seq;
        chat.connection = cache->connection;
    }
    make_record(cache, sent, send, &record);
    return chat__cache_store(cache, &chat, &record);
}

chat_status chat__cache_sent(chat__cache *cache, const chat_frame *sent)
{
    chat__cache_message message;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__cache_find_message(cache, sent->cid, &message);
    if (status == CHAT_OK && message.number == 0)
        return CHAT_OK; /* answered before */
    if (status == CHAT_OK && cache->user[0] != '\0' && CHAT_FRAME_HAS(&message.frame, BODY))
        status = keep_sent(cache, sent, &message.frame);
    if (status == CHAT_OK)
        status = change(cache, CHAT__CACHE_DROP_MESSAGE, sent->cid, CHAT_OK);
    return chat__cache_end(cache, status == CHAT_EMPTY ? CHAT_OK : status);
}

chat_status chat__cache_measure(chat__cache *cache, uint64_t *out_count, uint64_t *out_bytes)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_MEASURE);
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        *out_count = chat__sql_number(statement, 0);
        *out_bytes = chat__sql_number(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return status;
}
