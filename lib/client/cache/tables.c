/* SPDX-License-Identifier: MIT */
/* The tables of the client's file, how each version becomes the next, and the statements. */
#include "client/cache/internal.h"

/* Step n makes version n + 1 of version n, in one transaction; version 0 is an empty file. An older
   version of the library refuses what a newer one made. */
static const char *const STEPS[] = {
    /* Messages that wait. `state`: 0 waits, 1 failed for `status`. */
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE outbox(n INTEGER PRIMARY KEY, cid TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, frame BLOB NOT NULL);"
    "PRAGMA application_id = 1667785076;" /* "chat" */
    "PRAGMA user_version = 1;"
    "COMMIT",
    /* What was received. All records of a chat between `low` and `top` are here, others may be.
       `told_*`: what the server said of the chat, and when. `frame` is CBOR. */
    "BEGIN IMMEDIATE;"
    "CREATE TABLE chats(n INTEGER PRIMARY KEY, chat TEXT NOT NULL UNIQUE, title TEXT,"
    " low INTEGER NOT NULL DEFAULT 0, top INTEGER NOT NULL DEFAULT 0,"
    " connection INTEGER NOT NULL DEFAULT 0, n_records INTEGER NOT NULL DEFAULT 0,"
    " read_seq INTEGER NOT NULL DEFAULT 0, until INTEGER NOT NULL DEFAULT 0,"
    " is_left INTEGER NOT NULL DEFAULT 0, told_seq INTEGER NOT NULL DEFAULT 0,"
    " told_read INTEGER NOT NULL DEFAULT 0, told_unread INTEGER,"
    " is_listed INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE records(chat INTEGER NOT NULL, seq INTEGER NOT NULL, id INTEGER NOT NULL,"
    " counts INTEGER NOT NULL, edited INTEGER NOT NULL DEFAULT 0, cid TEXT, frame BLOB NOT NULL,"
    " PRIMARY KEY(chat, seq)) WITHOUT ROWID;"
    "CREATE INDEX records_by_cid ON records(cid) WHERE cid IS NOT NULL;"
    "PRAGMA user_version = 2;"
    "COMMIT",
    /* The chats in the order in which they are listed. */
    "BEGIN IMMEDIATE;"
    "CREATE INDEX chats_by_newest ON chats(max(top, told_seq), n) WHERE is_left = 0;"
    "PRAGMA user_version = 3;"
    "COMMIT",
};

#define VERSION ((int)(sizeof STEPS / sizeof *STEPS))

chat_status chat__cache_make_tables(sqlite3 *handle)
{
    int version = 0;
    chat_status status = chat__sql_version(handle, &version);
    if (status == CHAT_OK && (version < 0 || version > VERSION))
        return CHAT_ERR_VERSION;
    for (; status == CHAT_OK && version < VERSION; version++)
        status = chat__sql_status(sqlite3_exec(handle, STEPS[version], NULL, NULL, NULL));
    return status;
}

const char *const chat__cache_texts[CHAT__CACHE_N_STATEMENTS] = {
    [CHAT__CACHE_BEGIN] = "BEGIN IMMEDIATE",
    [CHAT__CACHE_COMMIT] = "COMMIT",
    [CHAT__CACHE_ROLLBACK] = "ROLLBACK",
    [CHAT__CACHE_GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [CHAT__CACHE_PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [CHAT__CACHE_PUT_MESSAGE] = "INSERT INTO outbox(cid, frame) VALUES(?1, ?2)",
    [CHAT__CACHE_NEXT_MESSAGE] = "SELECT n, state, status, frame, cid FROM outbox WHERE n > ?1"
                                 " ORDER BY n LIMIT 1",
    [CHAT__CACHE_FIND_MESSAGE] = "SELECT n, state, status, frame, cid FROM outbox WHERE cid = ?1",
    [CHAT__CACHE_FAIL_MESSAGE] = "UPDATE outbox SET state = 1, status = ?2 WHERE cid = ?1",
    [CHAT__CACHE_REVIVE_MESSAGE] = "UPDATE outbox SET state = 0, status = 0,"
                                   " n = (SELECT max(n) + 1 FROM outbox)"
                                   " WHERE cid = ?1 AND state = 1",
    [CHAT__CACHE_DROP_FAILED] = "DELETE FROM outbox WHERE cid = ?1 AND state = 1",
    [CHAT__CACHE_DROP_MESSAGE] = "DELETE FROM outbox WHERE cid = ?1",
    [CHAT__CACHE_MEASURE] = "SELECT count(*), coalesce(sum(length(frame)), 0) FROM outbox"
                            " WHERE state = 0",
    [CHAT__CACHE_GET_CHAT] = "SELECT n, low, top, connection, n_records, told_seq FROM chats"
                             " WHERE chat = ?1",
    [CHAT__CACHE_ADD_CHAT] = "INSERT INTO chats(chat) VALUES(?1)",
    [CHAT__CACHE_SET_RANGE] = "UPDATE chats SET low = ?2, top = ?3, connection = ?4,"
                              " n_records = ?5 WHERE n = ?1",
    [CHAT__CACHE_SET_TITLE] = "UPDATE chats SET title = ?2 WHERE n = ?1",
    [CHAT__CACHE_SET_READ] = "UPDATE chats SET read_seq = max(read_seq, ?2) WHERE n = ?1",
    [CHAT__CACHE_SET_UNTIL] = "UPDATE chats SET until = ?2 WHERE n = ?1",
    [CHAT__CACHE_SET_LEFT] = "UPDATE chats SET is_left = ?2 WHERE n = ?1",
    [CHAT__CACHE_SET_TOLD] = "UPDATE chats SET told_seq = ?2, told_read = ?3, told_unread = ?4,"
                             " is_left = 0, is_listed = 1 WHERE n = ?1",
    [CHAT__CACHE_END_CHATS] = "UPDATE chats SET is_left = 1 - is_listed, is_listed = 0",
    [CHAT__CACHE_NEXT_CHAT] =
        "SELECT n, chat, title, max(top, told_seq), read_seq, until, low, top, told_seq,"
        " told_read,"
        " coalesce(told_unread, -1) FROM chats WHERE is_left = 0 AND max(top, told_seq) <= ?1"
        " AND (max(top, told_seq) < ?1 OR n < ?2)"
        " ORDER BY max(top, told_seq) DESC, n DESC LIMIT 1",
    [CHAT__CACHE_UNREAD] = "SELECT count(*) FROM (SELECT 1 FROM records WHERE chat = ?1"
                           " AND seq > ?2 AND counts = 1 LIMIT 999)",
    [CHAT__CACHE_GET_RECORD] = "SELECT edited, frame FROM records WHERE chat = ?1 AND seq = ?2",
    [CHAT__CACHE_HAS_RECORD] = "SELECT 1 FROM records WHERE chat = ?1 AND seq = ?2",
    [CHAT__CACHE_PUT_RECORD] =
        "INSERT INTO records(chat, seq, id, counts, edited, cid, frame)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE"
        " SET counts = ?4, edited = ?5, cid = coalesce(?6, cid), frame = ?7 WHERE ?5 >= edited",
    [CHAT__CACHE_FIND_SENT] = "SELECT frame, seq, id, chat FROM records WHERE cid = ?1",
    [CHAT__CACHE_BELOW] = "SELECT seq, frame FROM records WHERE chat = ?1 AND seq < ?2"
                          " ORDER BY seq DESC LIMIT 1",
    [CHAT__CACHE_ABOVE] = "SELECT seq, frame FROM records WHERE chat = ?1 AND seq > ?2"
                          " ORDER BY seq LIMIT 1",
    [CHAT__CACHE_NTH] = "SELECT seq FROM records WHERE chat = ?1 AND seq < ?2 AND seq >= ?3"
                        " ORDER BY seq DESC LIMIT 1 OFFSET ?4",
    [CHAT__CACHE_FORGET] = "DELETE FROM records WHERE chat = ?1 AND seq = ?2",
    [CHAT__CACHE_CUT] =
        "UPDATE chats SET n_records = n_records - 1, told_seq = max(told_seq, top),"
        " told_unread = NULL, top = CASE WHEN top = ?2 THEN 0 ELSE top END,"
        " low = CASE WHEN top = ?2 THEN 0 WHEN low <= ?2 THEN ?2 + 1 ELSE low END WHERE n = ?1",
    [CHAT__CACHE_TRIM] = "DELETE FROM records WHERE chat = ?1 AND seq < ?2",
    [CHAT__CACHE_COUNT] = "SELECT coalesce(sum(n_records), 0) FROM chats",
    [CHAT__CACHE_OLDEST] = "SELECT id FROM records ORDER BY id LIMIT 1 OFFSET ?1",
    [CHAT__CACHE_EVICT_CHATS] =
        "UPDATE chats SET"
        " low = max(low, coalesce((SELECT max(seq) + 1 FROM records WHERE chat = chats.n"
        " AND seq < chats.top AND id < ?1), low)),"
        " n_records = n_records - (SELECT count(*) FROM records WHERE chat = chats.n"
        " AND seq < chats.top AND id < ?1)",
    [CHAT__CACHE_EVICT] = "DELETE FROM records WHERE id < ?1"
                          " AND seq < (SELECT top FROM chats WHERE n = records.chat)",
};
