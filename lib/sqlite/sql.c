/* SPDX-License-Identifier: MIT */
/* See sql.h. */
#include "sqlite/sql.h"
#include "base/view.h"

chat_status chat__sql_status(int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return CHAT_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return CHAT_ERR_CORRUPT;
    case SQLITE_FULL:
        return CHAT_ERR_FULL;
    case SQLITE_NOMEM:
        return CHAT_ERR_NOMEM;
    default:
        return CHAT_ERR_IO;
    }
}

chat_status chat__sql_version(sqlite3 *handle, int *out_version)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &statement, NULL);
    int version = 0;
    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    result = sqlite3_finalize(statement);
    if (result == SQLITE_OK)
        *out_version = version;
    return chat__sql_status(result);
}

chat_status chat__sql_check(sqlite3 *handle)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
    int is_good = 0;
    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        is_good = chat__view_equal(chat__sql_text(statement, 0, 64), chat__view_str("ok"));
    result = sqlite3_finalize(statement);
    if (result != SQLITE_OK)
        return chat__sql_status(result);
    return is_good ? CHAT_OK : CHAT_ERR_CORRUPT;
}

void chat__sql_bind(sqlite3_stmt *statement, int place, chat_view text)
{
    const char *data = text.len > 0 ? (const char *)text.data : "";
    /* What cannot be bound stays NULL, and the statement fails for it. */
    (void)sqlite3_bind_text(statement, place, data, (int)text.len, SQLITE_STATIC);
}

void chat__sql_bind_blob(sqlite3_stmt *statement, int place, chat_view bytes)
{
    (void)sqlite3_bind_blob(statement, place, bytes.data, (int)bytes.len, SQLITE_STATIC);
}

void chat__sql_bind_number(sqlite3_stmt *statement, int place, uint64_t number)
{
    (void)sqlite3_bind_int64(statement, place, (sqlite3_int64)number);
}

chat_status chat__sql_step(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return CHAT_OK;
    (void)sqlite3_reset(statement);
    return result == SQLITE_DONE ? CHAT_EMPTY : chat__sql_status(result);
}

chat_status chat__sql_run(sqlite3_stmt *statement)
{
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK)
        continue;
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

chat_view chat__sql_text(sqlite3_stmt *statement, int column, size_t max)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    int len = sqlite3_column_bytes(statement, column);
    if (text == NULL || len < 0 || (size_t)len > max)
        return chat__view(NULL, 0);
    return chat__view(text, (size_t)len);
}

chat_view chat__sql_blob(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    int len = sqlite3_column_bytes(statement, column);
    return bytes == NULL || len < 0 ? chat__view(NULL, 0) : chat__view(bytes, (size_t)len);
}

uint64_t chat__sql_number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}
