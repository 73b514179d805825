/* SPDX-License-Identifier: MIT */
/* The chats themselves: title, whether the user is in them, how far they are read, what is unread.
 */
#include "base/view.h"
#include "client/cache/internal.h"

#include <string.h>

#define MAX_UNREAD 999u

enum { /* columns of CHAT__CACHE_NEXT_CHAT */
       AT_N,
       AT_CHAT,
       AT_TITLE,
       AT_LAST_SEQ,
       AT_READ_SEQ,
       AT_UNTIL,
       AT_LOW,
       AT_TOP,
       AT_TOLD_SEQ,
       AT_TOLD_READ,
       AT_TOLD_UNREAD
};

static chat_status set_title(chat__cache *cache, uint64_t n, chat_view title)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_SET_TITLE);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind(statement, 2, title);
    return chat__sql_run(statement);
}

static chat_status set_number(chat__cache *cache, chat__cache_statement which, uint64_t n,
                              uint64_t value)
{
    sqlite3_stmt *statement = chat__cache_use(cache, which);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, value);
    return chat__sql_run(statement);
}

static int is_what(const chat_frame *record, const char *what)
{
    return CHAT_FRAME_HAS(record, WHAT) && chat__view_equal(record->what, chat__view_str(what));
}

static int names_me(const chat__cache *cache, const chat_frame *record)
{
    chat_view me = chat__view_str(cache->user);
    if (!CHAT_FRAME_HAS(record, USERS))
        return 0;
    for (size_t i = 0; i < record->users.n_items; i++)
        if (chat__view_equal(record->users.items[i], me))
            return 1;
    return 0;
}

/* The last record of a chat that a user gets is the one that ends his membership. */
static int ends_mine(const chat__cache *cache, const chat_frame *record)
{
    chat_view me = chat__view_str(cache->user);
    return (is_what(record, "leave") && chat__view_equal(record->from, me)) ||
           (is_what(record, "remove") && names_me(cache, record));
}

chat_status chat__cache_learn(chat__cache *cache, uint64_t n, const chat_frame *record)
{
    chat_status status = CHAT_OK;
    int is_left = record->type == CHAT_FRAME_CHANGE && ends_mine(cache, record);
    if (CHAT_FRAME_HAS(record, TITLE) &&
        (record->type == CHAT_FRAME_CHAT || is_what(record, "title")))
        status = set_title(cache, n, record->title);
    return status == CHAT_OK ? set_number(cache, CHAT__CACHE_SET_LEFT, n, (uint64_t)is_left)
                             : status;
}

static chat_status keep_told(chat__cache *cache, uint64_t n, const chat_frame *row)
{
    uint64_t read_seq = CHAT_FRAME_HAS(row, READ_SEQ) ? row->read_seq : 0;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_SET_TOLD);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, CHAT_FRAME_HAS(row, LAST_SEQ) ? row->last_seq : 0);
    chat__sql_bind_number(statement, 3, read_seq);
    if (CHAT_FRAME_HAS(row, UNREAD))
        chat__sql_bind_number(statement, 4, row->unread);
    chat_status status = chat__sql_run(statement);
    if (status == CHAT_OK)
        status = set_number(cache, CHAT__CACHE_SET_READ, n, read_seq);
    if (status == CHAT_OK)
        status = set_number(cache, CHAT__CACHE_SET_UNTIL, n,
                            CHAT_FRAME_HAS(row, UNTIL) ? row->until : 0);
    if (status == CHAT_OK && CHAT_FRAME_HAS(row, TITLE))
        status = set_title(cache, n, row->title);
    return status;
}

chat_status chat__cache_put_chat(chat__cache *cache, const chat_frame *row)
{
    chat__cache_chat chat;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__cache_need_chat(cache, row->chat, &chat);
    if (status == CHAT_OK)
        status = keep_told(cache, chat.n, row);
    return chat__cache_end(cache, status);
}

static chat_status put_number(chat__cache *cache, chat__cache_statement which, chat_view name,
                              uint64_t value)
{
    chat__cache_chat chat;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__cache_need_chat(cache, name, &chat);
    if (status == CHAT_OK)
        status = set_number(cache, which, chat.n, value);
    return chat__cache_end(cache, status);
}

chat_status chat__cache_put_read(chat__cache *cache, chat_view chat, uint64_t seq)
{
    return put_number(cache, CHAT__CACHE_SET_READ, chat, seq);
}

chat_status chat__cache_put_until(chat__cache *cache, chat_view chat, uint64_t until)
{
    return put_number(cache, CHAT__CACHE_SET_UNTIL, chat, until);
}

chat_status chat__cache_end_chats(chat__cache *cache)
{
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__sql_run(chat__cache_use(cache, CHAT__CACHE_END_CHATS));
    return chat__cache_end(cache, status);
}

/* --- reading --- */

static uint64_t count_behind(chat__cache *cache, uint64_t n, uint64_t seq)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_UNREAD);
    chat__sql_bind_number(statement, 1, n);
    chat__sql_bind_number(statement, 2, seq);
    uint64_t count =
        chat__sql_step(statement) == CHAT_OK ? chat__sql_number(statement, 0) : MAX_UNREAD;
    (void)sqlite3_reset(statement);
    return count;
}

typedef struct seen {
    uint64_t n, low, top, read_seq, told_seq, told_read;
    int64_t told_unread; /* -1: not said */
} seen;

/* From the records behind the marker, when all of them are here; else from what the server said of
   the same marker, and the records since. 0: it is not known. */
static int find_unread(chat__cache *cache, const seen *s, uint64_t *out)
{
    int is_new = s->top > s->told_seq; /* newer than what the server said */
    if (s->top != 0 && s->top >= s->told_seq && s->low <= s->read_seq + 1) {
        *out = count_behind(cache, s->n, s->read_seq);
        return 1;
    }
    if (s->told_unread < 0 || s->told_read != s->read_seq || (is_new && s->low > s->told_seq + 1))
        return 0;
    uint64_t count = (uint64_t)s->told_unread;
    if (is_new)
        count += count_behind(cache, s->n, s->told_seq);
    *out = count < MAX_UNREAD ? count : MAX_UNREAD;
    return 1;
}

/* The texts move into the buffer: they outlive the statement. */
static chat_status take_texts(chat__cache *cache, sqlite3_stmt *statement, chat_frame *out)
{
    chat_view chat = chat__sql_text(statement, AT_CHAT, CHAT_CHAT_ID_MAX_BYTES);
    cache->in.len = 0;
    chat_status status =
        chat__buf_reserve(&cache->in, CHAT_CHAT_ID_MAX_BYTES + CHAT_TITLE_MAX_BYTES);
    if (status == CHAT_OK)
        status = chat__buf_append(&cache->in, chat.data, chat.len);
    chat_view title = chat__sql_text(statement, AT_TITLE, CHAT_TITLE_MAX_BYTES);
    if (status == CHAT_OK)
        status = chat__buf_append(&cache->in, title.data, title.len);
    if (status != CHAT_OK)
        return status;
    CHAT_FRAME_SET(out, CHAT, chat, chat__view(cache->in.data, cache->in.len - title.len));
    if (title.len > 0)
        CHAT_FRAME_SET(out, TITLE, title,
                       chat__view(cache->in.data + cache->in.len - title.len, title.len));
    return CHAT_OK;
}

chat_status chat__cache_next_chat(chat__cache *cache, chat__cache_place *place, chat_frame *out)
{
    if (cache->handle == NULL)
        return CHAT_EMPTY;
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_NEXT_CHAT);
    chat__sql_bind_number(statement, 1, place->n > 0 ? place->last_seq : INT64_MAX);
    chat__sql_bind_number(statement, 2, place->n > 0 ? place->n : INT64_MAX);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    chat_frame_init(out, CHAT_FRAME_CHAT);
    status = take_texts(cache, statement, out);
    seen s = {.n = chat__sql_number(statement, AT_N),
              .low = chat__sql_number(statement, AT_LOW),
              .top = chat__sql_number(statement, AT_TOP),
              .read_seq = chat__sql_number(statement, AT_READ_SEQ),
              .told_seq = chat__sql_number(statement, AT_TOLD_SEQ),
              .told_read = chat__sql_number(statement, AT_TOLD_READ),
              .told_unread = sqlite3_column_int64(statement, AT_TOLD_UNREAD)};
    CHAT_FRAME_SET(out, LAST_SEQ, last_seq, chat__sql_number(statement, AT_LAST_SEQ));
    CHAT_FRAME_SET(out, READ_SEQ, read_seq, s.read_seq);
    if (chat__sql_number(statement, AT_UNTIL) > 0)
        CHAT_FRAME_SET(out, UNTIL, until, chat__sql_number(statement, AT_UNTIL));
    (void)sqlite3_reset(statement);
    uint64_t unread = 0;
    if (status == CHAT_OK && find_unread(cache, &s, &unread))
        CHAT_FRAME_SET(out, UNREAD, unread, unread);
    if (status == CHAT_OK)
        *place = (chat__cache_place){out->last_seq, s.n};
    return status;
}
