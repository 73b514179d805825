/* SPDX-License-Identifier: MIT */
/* What can be read of a damaged file and is nowhere else: the messages that wait, and whose it is.
   What was received is with the server. */
#include "base/view.h"
#include "client/cache/internal.h"

#include <string.h>

#define MAX_TRIES 100000u

/* A message as it was; half of one is none. */
static int save_one(chat__cache *cache, sqlite3_stmt *row)
{
    chat_frame frame;
    if (chat__cache_decode(cache, chat__sql_blob(row, 2), &frame) != CHAT_OK ||
        frame.type != CHAT_FRAME_SEND)
        return 0;
    chat_status status = chat__cache_put_message(cache, &frame);
    if (status == CHAT_OK && sqlite3_column_int(row, 0) != 0)
        status = chat__cache_failed(cache, frame.cid, (chat_status)sqlite3_column_int(row, 1));
    return status == CHAT_OK;
}

/* What is behind a page that cannot be read is found by trying the numbers that may be on it. */
static unsigned save_messages(chat__cache *cache, sqlite3 *from)
{
    unsigned n_saved = 0;
    uint64_t after = 0;
    sqlite3_stmt *row = NULL;
    int result = sqlite3_prepare_v2(
        from, "SELECT state, status, frame, n FROM outbox WHERE n > ?1 ORDER BY n", -1, &row, NULL);
    for (unsigned i = 0; i < MAX_TRIES && row != NULL && result != SQLITE_DONE; i++, after++) {
        chat__sql_bind_number(row, 1, after);
        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
            n_saved += (unsigned)save_one(cache, row);
            after = chat__sql_number(row, 3);
        }
        (void)sqlite3_reset(row);
    }
    (void)sqlite3_finalize(row);
    return n_saved;
}

/* Our own messages of earlier runs are known by the family. */
static void save_family(chat__cache *cache, sqlite3 *from)
{
    sqlite3_stmt *row = NULL;
    uint64_t family = 0;
    if (sqlite3_prepare_v2(from, "SELECT value FROM meta WHERE key = 'family'", -1, &row, NULL) ==
            SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        family = chat__sql_number(row, 0);
    (void)sqlite3_finalize(row);
    if (family != 0 && chat__cache_begin(cache) == CHAT_OK &&
        chat__cache_put_meta_number(cache, "family", family) == CHAT_OK)
        cache->family = family;
}

static void save_user(chat__cache *cache, sqlite3 *from)
{
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(from, "SELECT value FROM meta WHERE key = 'user'", -1, &row, NULL) ==
            SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW) {
        chat_view user = chat__sql_text(row, 0, CHAT_ID_MAX_BYTES);
        if (user.len > 0)
            (void)chat__cache_set_user(cache, user);
    }
    (void)sqlite3_finalize(row);
}

unsigned chat__cache_save(chat__cache *cache, const char *from)
{
    unsigned n_saved = 0;
    sqlite3 *handle = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(from, &handle, flags, NULL) == SQLITE_OK) {
        (void)sqlite3_exec(handle, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
        save_family(cache, handle);
        if (cache->user[0] == '\0')
            save_user(cache, handle);
        n_saved = save_messages(cache, handle);
        if (chat__cache_commit(cache) != CHAT_OK)
            n_saved = 0;
    }
    (void)sqlite3_close(handle);
    return n_saved;
}
