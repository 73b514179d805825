/* SPDX-License-Identifier: MIT */
/* Pages of history: what the server gave, and what can be given without it. */
#include "base/view.h"
#include "client/cache/internal.h"

#include <chat/client.h>
#include <string.h>

static int is_forward(const chat__cache_query *query)
{
    return query->direction == CHAT_HISTORY_AFTER;
}

static uint64_t start_of(const chat__cache_query *query)
{
    return query->direction == CHAT_HISTORY_NEWEST ? (uint64_t)INT64_MAX : query->seq;
}

/* --- from the server --- */

static chat_status keep_row(chat__cache *cache, const chat_frame *row)
{
    chat__cache_chat chat;
    chat_frame record = *row;
    record.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    chat_status status = chat__cache_need_chat(cache, row->chat, &chat);
    if (status == CHAT_OK)
        status = chat__cache_store(cache, &chat, &record);
    if (status == CHAT_OK && row->type == CHAT_FRAME_NOTE)
        status = chat__cache_apply_note(cache, chat.n, row);
    return status;
}

chat_status chat__cache_put_row(chat__cache *cache, const chat_frame *row)
{
    int is_record = row->type == CHAT_FRAME_MSG || row->type == CHAT_FRAME_CHAT ||
                    row->type == CHAT_FRAME_CHANGE || row->type == CHAT_FRAME_NOTE;
    if (!is_record || !CHAT_FRAME_HAS(row, SEQ))
        return CHAT_OK;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = keep_row(cache, row);
    return chat__cache_end(cache, status);
}

/* Newest first, from `from` on: everything down to the last row is here. */
static void join_older(chat__cache_chat *chat, const chat__cache_page *page, uint64_t from)
{
    int is_joined = chat->top != 0 && from >= chat->low && page->last_seq <= chat->top;
    if (!is_joined && from != (uint64_t)INT64_MAX)
        return; /* an island, or older than what is known without a hole */
    if (!is_joined || page->last_seq < chat->low)
        chat->low = page->last_seq;
    if (!page->has_more)
        chat->low = 0;
    if (from == (uint64_t)INT64_MAX && page->first_seq > chat->top)
        chat->top = page->first_seq;
}

/* Oldest first, from behind `from`. */
static void join_newer(chat__cache_chat *chat, const chat__cache_page *page, uint64_t from)
{
    if (chat->top == 0 || from > chat->top || page->last_seq < chat->low)
        return;
    if (from < chat->low)
        chat->low = from == 0 ? 0 : from + 1;
    if (page->last_seq > chat->top)
        chat->top = page->last_seq;
}

static chat_status keep_page(chat__cache *cache, const chat__cache_page *page)
{
    chat__cache_chat chat;
    const chat_frame *asked = page->asked;
    int is_after = CHAT_FRAME_HAS(asked, AFTER);
    int is_newest = !is_after && !CHAT_FRAME_HAS(asked, BEFORE);
    chat_status status = chat__cache_get_chat(cache, page->chat, &chat);
    if (status != CHAT_OK)
        return status;
    if (is_after)
        join_newer(&chat, page, asked->after);
    else
        join_older(&chat, page, is_newest ? (uint64_t)INT64_MAX : asked->before);
    if (is_newest || (is_after && !page->has_more && chat.top == page->last_seq))
        chat.connection = cache->connection;
    return chat__cache_set_range(cache, &chat);
}

/* A page without rows says that there is nothing older. */
static chat_status keep_end(chat__cache *cache, const chat__cache_page *page)
{
    chat__cache_chat chat;
    if (!CHAT_FRAME_HAS(page->asked, BEFORE))
        return CHAT_OK;
    chat_status status = chat__cache_get_chat(cache, page->chat, &chat);
    if (status != CHAT_OK || chat.top == 0 || page->asked->before < chat.low)
        return status;
    chat.low = 0;
    return chat__cache_set_range(cache, &chat);
}

chat_status chat__cache_end_page(chat__cache *cache, const chat__cache_page *page)
{
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK && page->first_seq != 0)
        status = keep_page(cache, page);
    else if (status == CHAT_OK)
        status = keep_end(cache, page);
    return chat__cache_end(cache, status < 0 ? status : CHAT_OK);
}

/* --- without it --- */

/* Whether as many rows as are wanted are here without a hole. */
static int has_rows(chat__cache *cache, const chat__cache_chat *chat,
                    const chat__cache_query *query)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_NTH);
    chat__sql_bind_number(statement, 1, chat->n);
    chat__sql_bind_number(statement, 2, start_of(query));
    chat__sql_bind_number(statement, 3, chat->low);
    chat__sql_bind_number(statement, 4, query->limit - 1);
    int is_there = chat__sql_step(statement) == CHAT_OK;
    (void)sqlite3_reset(statement);
    return is_there;
}

int chat__cache_covers(chat__cache *cache, const chat__cache_query *query, int is_online)
{
    chat__cache_chat chat;
    if (chat__cache_get_chat(cache, query->chat, &chat) != CHAT_OK || chat.top == 0)
        return 0;
    int is_current = is_online && (cache->is_current || chat.connection == cache->connection);
    /* While there is a connection the server can say what is so now. */
    if (is_online && (!is_current || chat.told_seq > chat.top))
        return 0;
    if (is_forward(query))
        return is_current && query->seq + 1 >= chat.low;
    if (!is_current && start_of(query) > chat.top)
        return 0;
    return chat.low == 0 || has_rows(cache, &chat, query);
}

static chat_status next(chat__cache *cache, const chat__cache_query *query, uint64_t n,
                        chat_frame *out)
{
    return chat__cache_next_record(cache, is_forward(query) ? CHAT__CACHE_ABOVE : CHAT__CACHE_BELOW,
                                   n, start_of(query), out);
}

chat_status chat__cache_next_row(chat__cache *cache, const chat__cache_query *query,
                                 chat_frame *out)
{
    chat__cache_chat chat;
    chat_status status = chat__cache_get_chat(cache, query->chat, &chat);
    return status == CHAT_OK ? next(cache, query, chat.n, out) : status;
}

int chat__cache_has_more(chat__cache *cache, const chat__cache_query *query)
{
    chat__cache_chat chat;
    chat_frame row;
    if (chat__cache_get_chat(cache, query->chat, &chat) != CHAT_OK)
        return 0;
    return (!is_forward(query) && chat.low != 0) || next(cache, query, chat.n, &row) == CHAT_OK;
}
