/* SPDX-License-Identifier: MIT */
/*
 * state.db: one SQLite connection and its statements. Knows the tables, not the log. One caller
 * at a time per connection.
 */
#ifndef CHAT_STORE_DB_H
#define CHAT_STORE_DB_H

#include "sqlite/sql.h"
#include "store/state.h"

/* Raise with any change of the tables that an older version would misread. */
#define CHAT__DB_VERSION 8

typedef enum chat__db_statement {
    CHAT__DB_GET_CHAT,
    CHAT__DB_GET_GROUP,
    CHAT__DB_GET_MEMBERS,
    CHAT__DB_GET_EVENTS,
    CHAT__DB_GET_USER_CHATS,
    CHAT__DB_GET_DEVICE,
    CHAT__DB_GET_DEVICES,
    CHAT__DB_GET_UNSEEN,
    CHAT__DB_GET_CURSORS,
    CHAT__DB_GET_CURSOR,
    CHAT__DB_GET_FURTHEST,
    CHAT__DB_GET_READ,
    CHAT__DB_GET_DELIVERED,
    CHAT__DB_GET_RUN,
    CHAT__DB_GET_MUTE,
    CHAT__DB_GET_BLOCK,
    CHAT__DB_GET_BLOCKED,
    CHAT__DB_GET_BLOCKERS,
    CHAT__DB_GET_NOTES,
    CHAT__DB_HAS_NOTES,
    CHAT__DB_GET_META,
    CHAT__DB_GET_PARTITIONS,
    CHAT__DB_PUT_CHAT,
    CHAT__DB_PUT_GROUP,
    CHAT__DB_PUT_MEMBER,
    CHAT__DB_PUT_DEVICE,
    CHAT__DB_PUT_CURSOR,
    CHAT__DB_KEEP_CURSORS,
    CHAT__DB_DROP_CURSORS,
    CHAT__DB_DROP_DEVICE,
    CHAT__DB_PUT_READ,
    CHAT__DB_PUT_RUN,
    CHAT__DB_CUT_RUNS,
    CHAT__DB_PUT_MUTE,
    CHAT__DB_PUT_BLOCK,
    CHAT__DB_PUT_NOTE,
    CHAT__DB_PUT_META,
    CHAT__DB_PUT_PARTITION,
    CHAT__DB_BEGIN,
    CHAT__DB_BEGIN_READ,
    CHAT__DB_COMMIT,
    CHAT__DB_ROLLBACK,
    CHAT__DB_N_STATEMENTS
} chat__db_statement;

typedef struct chat__db {
    sqlite3 *handle;
    sqlite3_stmt *statements[CHAT__DB_N_STATEMENTS];
} chat__db;

/* A chat as stored. */
typedef struct chat__db_chat {
    chat__state_head head;
    chat__root roots[CHAT__CHAIN_ROOTS_MAX];
} chat__db_chat;

/*
 * Open a connection; the first makes the tables.
 * CHAT_OK, CHAT_ERR_CORRUPT, CHAT_ERR_VERSION, CHAT_ERR_FULL, CHAT_ERR_IO, CHAT_ERR_NOMEM.
 */
chat_status chat__db_open(chat__db *db, const char *path);
void chat__db_close(chat__db *db);

/* A statement, ready to bind. */
sqlite3_stmt *chat__db_use(chat__db *db, chat__db_statement which);

/* CHAT_OK, CHAT_EMPTY: not there, `*out_value` 0. */
chat_status chat__db_get_meta(chat__db *db, const char *key, uint64_t *out_value);
chat_status chat__db_put_meta(chat__db *db, const char *key, uint64_t value);

/* CHAT_OK, CHAT_EMPTY. */
chat_status chat__db_get_chat(chat__db *db, chat_view name, chat__db_chat *out);
chat_status chat__db_put_chat(chat__db *db, chat_view name, const chat__db_chat *chat,
                              const chat__state_meta *meta);

#endif
