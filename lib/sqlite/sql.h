/* SPDX-License-Identifier: MIT */
/* What every user of SQLite here needs: its results as statuses, and values in and out. */
#ifndef CHAT_SQLITE_SQL_H
#define CHAT_SQLITE_SQL_H

#include <chat/status.h>

#include <sqlite3.h>

/* CHAT_OK for a row and for the end too; CHAT_ERR_CORRUPT, CHAT_ERR_FULL, CHAT_ERR_NOMEM,
   CHAT_ERR_IO. */
chat_status chat__sql_status(int result);

/* `user_version` of the file. */
chat_status chat__sql_version(sqlite3 *handle, int *out_version);
/* Read the whole file: CHAT_OK, CHAT_ERR_CORRUPT and others. */
chat_status chat__sql_check(sqlite3 *handle);

void chat__sql_bind(sqlite3_stmt *statement, int place, chat_view text);
void chat__sql_bind_blob(sqlite3_stmt *statement, int place, chat_view bytes);
void chat__sql_bind_number(sqlite3_stmt *statement, int place, uint64_t number);

/* Next row: CHAT_OK, CHAT_EMPTY at the end. The statement is reset unless CHAT_OK. */
chat_status chat__sql_step(sqlite3_stmt *statement);
/* Run to the end. */
chat_status chat__sql_run(sqlite3_stmt *statement);

/* Columns of the row; text longer than `max` comes back empty. Borrowed until the next step. */
chat_view chat__sql_text(sqlite3_stmt *statement, int column, size_t max);
chat_view chat__sql_blob(sqlite3_stmt *statement, int column);
uint64_t chat__sql_number(sqlite3_stmt *statement, int column);

#endif
