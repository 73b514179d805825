/* SPDX-License-Identifier: MIT */
/* What the files of the cache share. */
#ifndef CHAT_CLIENT_CACHE_INTERNAL_H
#define CHAT_CLIENT_CACHE_INTERNAL_H

#include "client/cache/cache.h"
#include "base/buf.h"
#include "sqlite/sql.h"

#define CHAT__CACHE_MAX_FRAME   (16u << 20)
#define CHAT__CACHE_APPLICATION 1667785076 /* "chat" */

typedef enum chat__cache_statement {
    CHAT__CACHE_BEGIN,
    CHAT__CACHE_COMMIT,
    CHAT__CACHE_ROLLBACK,
    CHAT__CACHE_GET_META,
    CHAT__CACHE_PUT_META,
    CHAT__CACHE_PUT_MESSAGE,
    CHAT__CACHE_NEXT_MESSAGE,
    CHAT__CACHE_FIND_MESSAGE,
    CHAT__CACHE_FAIL_MESSAGE,
    CHAT__CACHE_REVIVE_MESSAGE,
    CHAT__CACHE_DROP_FAILED,
    CHAT__CACHE_DROP_MESSAGE,
    CHAT__CACHE_MEASURE,
    CHAT__CACHE_GET_CHAT,
    CHAT__CACHE_ADD_CHAT,
    CHAT__CACHE_SET_RANGE,
    CHAT__CACHE_SET_TITLE,
    CHAT__CACHE_SET_READ,
    CHAT__CACHE_SET_UNTIL,
    CHAT__CACHE_SET_LEFT,
    CHAT__CACHE_SET_TOLD,
    CHAT__CACHE_END_CHATS,
    CHAT__CACHE_NEXT_CHAT,
    CHAT__CACHE_UNREAD,
    CHAT__CACHE_GET_RECORD,
    CHAT__CACHE_HAS_RECORD,
    CHAT__CACHE_PUT_RECORD,
    CHAT__CACHE_FIND_SENT,
    CHAT__CACHE_BELOW,
    CHAT__CACHE_ABOVE,
    CHAT__CACHE_NTH,
    CHAT__CACHE_FORGET,
    CHAT__CACHE_CUT,
    CHAT__CACHE_TRIM,
    CHAT__CACHE_COUNT,
    CHAT__CACHE_OLDEST,
    CHAT__CACHE_EVICT_CHATS,
    CHAT__CACHE_EVICT,
    CHAT__CACHE_N_STATEMENTS
} chat__cache_statement;

struct chat__cache {
    chat_allocator allocator;
    char *path;
    char *device;
    uint64_t family;
    char user[CHAT_ID_MAX_BYTES + 1];
    uint32_t max_chat_records;
    uint32_t max_records;

    sqlite3 *handle; /* NULL: closed for a failure */
    sqlite3_stmt *statements[CHAT__CACHE_N_STATEMENTS];
    int is_changing; /* a transaction is open */
    chat_status loss;
    chat_decoder *decoder;
    chat__buf in;  /* what frames that are given out borrow from */
    chat__buf out; /* a frame to be stored */

    uint64_t connection; /* number of this one, over all runs */
    int is_current;
    uint64_t n_records; /* of all chats */
    uint64_t n_damaged; /* records that were dropped, since chat__cache_damage() */
};

/* A chat as stored. */
typedef struct chat__cache_chat {
    uint64_t n;          /* its number here */
    uint64_t low;        /* from here up to `top` every record is here; 0: from the first */
    uint64_t top;        /* 0: none is */
    uint64_t connection; /* over which `top` was the newest */
    uint64_t n_records;
    uint64_t told_seq; /* its newest record, as the server said */
} chat__cache_chat;

/* Where a record is, and in which column of the statement. */
typedef struct chat__cache_row {
    uint64_t n, seq;
    int column;
} chat__cache_row;

/* A statement, ready to bind. */
sqlite3_stmt *chat__cache_use(chat__cache *cache, chat__cache_statement which);

/* Around each change: CHAT_OK, or the cache cannot be changed. */
chat_status chat__cache_begin(chat__cache *cache);
/* `status` of a change; an error undoes all since the last commit. */
chat_status chat__cache_end(chat__cache *cache, chat_status status);

chat_status chat__cache_put_meta_number(chat__cache *cache, const char *key, uint64_t value);
chat_status chat__cache_put_meta_text(chat__cache *cache, const char *key, chat_view value);

/* The bytes to be stored for a frame; borrowed until the next call. */
chat_status chat__cache_encode(chat__cache *cache, const chat_frame *frame, chat_view *out);
/* Back; it borrows from the cache until the next call. CHAT_ERR_CORRUPT. */
chat_status chat__cache_decode(chat__cache *cache, chat_view bytes, chat_frame *out);

/* CHAT_OK, CHAT_EMPTY. */
chat_status chat__cache_get_chat(chat__cache *cache, chat_view chat, chat__cache_chat *out);
/* The same, made if needed. */
chat_status chat__cache_need_chat(chat__cache *cache, chat_view chat, chat__cache_chat *out);
chat_status chat__cache_set_range(chat__cache *cache, const chat__cache_chat *chat);
/* What a record of a chat says about the chat itself. */
chat_status chat__cache_learn(chat__cache *cache, uint64_t n, const chat_frame *record);

int chat__cache_has_record(chat__cache *cache, uint64_t n, uint64_t seq);
/* The record of the statement's row, reset with it. One that cannot be read is dropped, and no
   other; the server has it. CHAT_OK; CHAT_MORE: it was dropped. */
chat_status chat__cache_take_record(chat__cache *cache, sqlite3_stmt *statement,
                                    const chat__cache_row *row, chat_frame *out);
/* The next one of a chat behind `seq`, by CHAT__CACHE_ABOVE or _BELOW. CHAT_OK, CHAT_EMPTY. */
chat_status chat__cache_next_record(chat__cache *cache, chat__cache_statement which, uint64_t n,
                                    uint64_t seq, chat_frame *out);
/* A record as it is, without a look at what it means. CHAT_OK. */
chat_status chat__cache_store(chat__cache *cache, chat__cache_chat *chat, const chat_frame *record);
/* What a note did to its message, if that is here. */
chat_status chat__cache_apply_note(chat__cache *cache, uint64_t n, const chat_frame *note);
/* How many there are, of all chats. */
chat_status chat__cache_count_records(chat__cache *cache);

/* tables.c: the tables of this version. */
chat_status chat__cache_make_tables(sqlite3 *handle);
/* save.c: messages that wait in the damaged file at `from`. How many could be saved. */
unsigned chat__cache_save(chat__cache *cache, const char *from);
extern const char *const chat__cache_texts[CHAT__CACHE_N_STATEMENTS];

#endif
