/* SPDX-License-Identifier: MIT */
/* See db.h. */
#include "store/db.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

#define ROOT_BYTES 16u

/* In one transaction, with the version last: half of it is never there. An older file gets the
   tables that it lacks; what they would hold of its log is not in it. */
static const char SCHEMA[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS partitions(partition INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
    " next_offset INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS chats(id TEXT PRIMARY KEY, is_group INTEGER NOT NULL DEFAULT 0,"
    " title TEXT, created_ms INTEGER, open INTEGER NOT NULL DEFAULT 0, ordinal INTEGER NOT NULL, "
    "seq INTEGER NOT NULL,"
    " at INTEGER NOT NULL, roots BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS members(chat TEXT NOT NULL, user TEXT NOT NULL,"
    " seq INTEGER NOT NULL, role INTEGER NOT NULL, PRIMARY KEY(chat, user, seq)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS members_by_user ON members(user, chat, seq, role);"
    "CREATE TABLE IF NOT EXISTS devices(user TEXT NOT NULL, device TEXT NOT NULL,"
    " last_seen_ms INTEGER NOT NULL, PRIMARY KEY(user, device)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS devices_by_seen ON devices(last_seen_ms);"
    "CREATE TABLE IF NOT EXISTS cursors(user TEXT NOT NULL, device TEXT NOT NULL,"
    " chat TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(user, device, chat)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS reads(user TEXT NOT NULL, chat TEXT NOT NULL,"
    " seq INTEGER NOT NULL, PRIMARY KEY(user, chat)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS notes(chat TEXT NOT NULL, re INTEGER NOT NULL,"
    " what INTEGER NOT NULL, user TEXT NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY(chat, re, what, user)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS mutes(user TEXT NOT NULL, chat TEXT NOT NULL,"
    " seq INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY(user, chat)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS blocks(user TEXT NOT NULL, whom TEXT NOT NULL,"
    " seq INTEGER NOT NULL, state INTEGER NOT NULL, PRIMARY KEY(user, whom)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS blocks_by_whom ON blocks(whom, user, seq, state);"
    "CREATE TABLE IF NOT EXISTS runs(user TEXT NOT NULL, chat TEXT NOT NULL,"
    " what INTEGER NOT NULL, seq INTEGER NOT NULL, low INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY(user, chat, what, seq)) WITHOUT ROWID;"
    "PRAGMA user_version = 8;"
    "COMMIT";

/* Versions 1 and 2 had no roles and no end of a membership. What devices have is kept; all the rest
   is made anew from the log, from its beginning. */
static const char FROM_OLD[] =
    "BEGIN IMMEDIATE;"
    "DROP TABLE members;"
    "DROP TABLE chats;"
    "DELETE FROM partitions;"
    "DELETE FROM meta WHERE key IN ('log_position', 'heads_position', 'last_record', 'max_id');"
    "PRAGMA user_version = 0;"
    "COMMIT";

/* Runs of one user, chat and kind; and how far he was when there are none. */
#define OF_RUN "user = ?1 AND chat = ?2 AND what = ?3"
#define LOW_OF_RUNS                                                                                \
    "CASE ?3 WHEN 1 THEN (SELECT max(seq) FROM cursors WHERE user = ?1 AND chat = ?2)"             \
    " ELSE (SELECT seq FROM reads WHERE user = ?1 AND chat = ?2) END, 0"

static const char *const TEXTS[CHAT__DB_N_STATEMENTS] = {
    [CHAT__DB_GET_CHAT] = "SELECT ordinal, seq, at, roots FROM chats WHERE id = ?1",
    [CHAT__DB_GET_GROUP] = "SELECT title, open FROM chats WHERE id = ?1 AND is_group = 1",
    [CHAT__DB_GET_MEMBERS] = "SELECT user, seq, role FROM members WHERE chat = ?1",
    [CHAT__DB_GET_EVENTS] = "SELECT seq, role FROM members WHERE chat = ?1 AND user = ?2",
    [CHAT__DB_GET_USER_CHATS] = "SELECT m.chat, c.title, c.seq, m.seq, m.role FROM members m"
                                " LEFT JOIN chats c ON c.id = m.chat WHERE m.user = ?1",
    [CHAT__DB_GET_DEVICE] = "SELECT last_seen_ms FROM devices WHERE user = ?1 AND device = ?2",
    [CHAT__DB_GET_DEVICES] = "SELECT device, last_seen_ms FROM devices WHERE user = ?1",
    [CHAT__DB_GET_UNSEEN] = "SELECT user, device FROM devices WHERE last_seen_ms < ?1"
                            " ORDER BY last_seen_ms LIMIT ?2",
    [CHAT__DB_GET_CURSORS] = "SELECT chat, seq FROM cursors WHERE user = ?1 AND device = ?2",
    [CHAT__DB_GET_CURSOR] = "SELECT seq FROM cursors WHERE user = ?1 AND device = ?2 AND chat = ?3",
    [CHAT__DB_GET_FURTHEST] = "SELECT chat, max(seq) FROM cursors WHERE user = ?1 GROUP BY chat",
    [CHAT__DB_GET_READ] = "SELECT seq FROM reads WHERE user = ?1 AND chat = ?2",
    [CHAT__DB_GET_DELIVERED] = "SELECT max(seq) FROM cursors WHERE user = ?1 AND chat = ?2",
    [CHAT__DB_GET_RUN] = "SELECT (SELECT at_ms FROM runs WHERE " OF_RUN
                         " AND seq >= ?4 AND low < ?4 ORDER BY seq LIMIT 1),"
                         " coalesce((SELECT max(seq) FROM runs WHERE " OF_RUN "), " LOW_OF_RUNS ")",
    [CHAT__DB_GET_MUTE] = "SELECT seq, until_ms FROM mutes WHERE user = ?1 AND chat = ?2",
    [CHAT__DB_GET_BLOCK] = "SELECT seq, state FROM blocks WHERE user = ?1 AND whom = ?2",
    [CHAT__DB_GET_BLOCKED] = "SELECT seq, state, whom FROM blocks WHERE user = ?1 LIMIT ?2",
    [CHAT__DB_GET_BLOCKERS] = "SELECT seq, state, user FROM blocks WHERE whom = ?1 LIMIT ?2",
    [CHAT__DB_GET_NOTES] = "SELECT what, user, seq FROM notes WHERE chat = ?1 AND re = ?2",
    [CHAT__DB_HAS_NOTES] = "SELECT 1 FROM notes WHERE chat = ?1 LIMIT 1",
    [CHAT__DB_GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [CHAT__DB_GET_PARTITIONS] = "SELECT partition, seq, next_offset FROM partitions",
    [CHAT__DB_PUT_CHAT] = "INSERT INTO chats(id, ordinal, seq, at, roots)"
                          " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET"
                          " ordinal = ?2, seq = ?3, at = ?4, roots = ?5",
    [CHAT__DB_PUT_GROUP] = "UPDATE chats SET is_group = 1, title = ?2,"
                           " created_ms = coalesce(?3, created_ms), open = coalesce(?4, open)"
                           " WHERE id = ?1",
    [CHAT__DB_PUT_MEMBER] = "INSERT OR REPLACE INTO members(user, chat, seq, role)"
                            " VALUES(?1, ?3, ?2, ?4)",
    [CHAT__DB_PUT_DEVICE] = "INSERT INTO devices VALUES(?1, ?2, ?4) ON CONFLICT DO UPDATE"
                            " SET last_seen_ms = max(last_seen_ms, ?4)",
    [CHAT__DB_PUT_CURSOR] = "INSERT INTO cursors VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
                            " SET seq = max(seq, ?4)",
    [CHAT__DB_KEEP_CURSORS] = "INSERT INTO cursors SELECT user, '', chat, seq FROM cursors"
                              " WHERE user = ?1 AND device = ?2 ON CONFLICT DO UPDATE"
                              " SET seq = max(seq, excluded.seq)",
    [CHAT__DB_DROP_CURSORS] = "DELETE FROM cursors WHERE user = ?1 AND device = ?2",
    [CHAT__DB_DROP_DEVICE] = "DELETE FROM devices WHERE user = ?1 AND device = ?2",
    [CHAT__DB_PUT_READ] = "INSERT INTO reads VALUES(?1, ?3, ?4) ON CONFLICT DO UPDATE"
                          " SET seq = max(seq, ?4)",
    /* Not what an earlier one reaches, nor of a chat with ?6 members. */
    [CHAT__DB_PUT_RUN] =
        "INSERT INTO runs(user, chat, what, seq, low, at_ms)"
        " SELECT ?1, ?2, ?3, ?4, low, ?5 FROM (SELECT coalesce("
        "(SELECT max(seq) FROM runs WHERE " OF_RUN " AND seq < ?4), " LOW_OF_RUNS ") AS low)"
        " WHERE low < ?4 AND NOT EXISTS (SELECT 1 FROM runs WHERE " OF_RUN
        " AND seq >= ?4 AND at_ms <= ?5) AND ?6 > (SELECT count(*) FROM"
        " (SELECT 1 FROM (SELECT role, max(seq) FROM members WHERE chat = ?2"
        " GROUP BY user) WHERE role & 3 <> 0 LIMIT ?6))"
        " ON CONFLICT DO UPDATE SET at_ms = min(at_ms, ?5)",
    [CHAT__DB_CUT_RUNS] = "DELETE FROM runs WHERE " OF_RUN " AND seq <= (SELECT seq FROM runs"
                          " WHERE " OF_RUN " ORDER BY seq DESC LIMIT 1 OFFSET ?4)",
    [CHAT__DB_PUT_MUTE] = "INSERT INTO mutes(user, seq, chat, until_ms) VALUES(?1, ?2, ?3, ?4)"
                          " ON CONFLICT DO UPDATE SET seq = ?2, until_ms = ?4 WHERE ?2 >= seq",
    [CHAT__DB_PUT_BLOCK] = "INSERT INTO blocks(user, seq, whom, state) VALUES(?1, ?2, ?3, ?4)"
                           " ON CONFLICT DO UPDATE SET seq = ?2, state = ?4 WHERE ?2 >= seq",
    [CHAT__DB_PUT_NOTE] = "INSERT INTO notes(user, re, chat, seq, what) VALUES(?1, ?2, ?3, ?4, ?5)"
                          " ON CONFLICT DO UPDATE SET seq = max(seq, ?4)",
    [CHAT__DB_PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [CHAT__DB_PUT_PARTITION] = "INSERT OR REPLACE INTO partitions VALUES(?1, ?2, ?3)",
    [CHAT__DB_BEGIN] = "BEGIN IMMEDIATE",
    [CHAT__DB_BEGIN_READ] = "BEGIN",
    [CHAT__DB_COMMIT] = "COMMIT",
    [CHAT__DB_ROLLBACK] = "ROLLBACK",
};

static chat_status exec(chat__db *db, const char *text)
{
    return chat__sql_status(sqlite3_exec(db->handle, text, NULL, NULL, NULL));
}

static chat_status prepare(chat__db *db)
{
    for (int i = 0; i < CHAT__DB_N_STATEMENTS; i++) {
        int result = sqlite3_prepare_v3(db->handle, TEXTS[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &db->statements[i], NULL);
        /* A table without the columns that it had is damage as well. */
        if (result == SQLITE_ERROR)
            return CHAT_ERR_CORRUPT;
        if (result != SQLITE_OK)
            return chat__sql_status(result);
    }
    return CHAT_OK;
}

chat_status chat__db_open(chat__db *db, const char *path)
{
    int version = 0;
    memset(db, 0, sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    chat_status status = chat__sql_status(sqlite3_open_v2(path, &db->handle, flags, NULL));
    if (status == CHAT_OK) {
        /* A person may look with sqlite3 meanwhile: wait for them. */
        sqlite3_busy_timeout(db->handle, 10000);
        status = exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF;"
                          "PRAGMA cell_size_check = ON");
    }
    if (status == CHAT_OK)
        status = chat__sql_version(db->handle, &version);
    if (status == CHAT_OK && version > CHAT__DB_VERSION)
        status = CHAT_ERR_VERSION;
    if (status == CHAT_OK && (version == 1 || version == 2)) {
        status = exec(db, FROM_OLD);
        version = 0;
    }
    /* Versions 3 to 7 lack tables, and their logs have nothing for them. */
    if (status == CHAT_OK && version < CHAT__DB_VERSION)
        status = exec(db, SCHEMA);
    if (status == CHAT_OK)
        status = prepare(db);
    if (status != CHAT_OK)
        chat__db_close(db);
    return status;
}

void chat__db_close(chat__db *db)
{
    for (int i = 0; i < CHAT__DB_N_STATEMENTS; i++)
        (void)sqlite3_finalize(db->statements[i]);
    if (db->handle != NULL)
        (void)sqlite3_close(db->handle);
    memset(db, 0, sizeof *db);
}

sqlite3_stmt *chat__db_use(chat__db *db, chat__db_statement which)
{
    sqlite3_stmt *statement = db->statements[which];
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return statement;
}

chat_status chat__db_get_meta(chat__db *db, const char *key, uint64_t *out_value)
{
    sqlite3_stmt *statement = chat__db_use(db, CHAT__DB_GET_META);
    chat__sql_bind(statement, 1, chat__view_str(key));
    *out_value = 0;
    chat_status status = chat__sql_step(statement);
    if (status == CHAT_OK) {
        *out_value = chat__sql_number(statement, 0);
        (void)sqlite3_reset(statement);
    }
    return status;
}

chat_status chat__db_put_meta(chat__db *db, const char *key, uint64_t value)
{
    sqlite3_stmt *statement = chat__db_use(db, CHAT__DB_PUT_META);
    chat__sql_bind(statement, 1, chat__view_str(key));
    chat__sql_bind_number(statement, 2, value);
    return chat__sql_run(statement);
}

/* Roots that do not fit the ordinal are forgotten but for the last: chains then go by `prev`. */
static void load_roots(chat__db_chat *chat, const uint8_t *bytes, size_t len)
{
    chat__state_head *head = &chat->head;
    memset(chat->roots, 0, sizeof chat->roots);
    head->n_roots = (uint32_t)chat__chain_n_roots(head->ordinal);
    head->joins = (uint32_t)chat__chain_joins(head->ordinal + 1);
    if (bytes != NULL && len == head->n_roots * ROOT_BYTES) {
        for (uint32_t i = 0; i < head->n_roots; i++) {
            uint64_t at = chat__load64le(bytes + i * ROOT_BYTES);
            chat->roots[i].at = at < head->at ? at : 0;
            chat->roots[i].seq = chat__load64le(bytes + i * ROOT_BYTES + 8);
        }
    }
    if (head->n_roots > 0) {
        chat->roots[head->n_roots - 1].at = head->at;
        chat->roots[head->n_roots - 1].seq = head->seq;
    }
}

chat_status chat__db_get_chat(chat__db *db, chat_view name, chat__db_chat *out)
{
    sqlite3_stmt *statement = chat__db_use(db, CHAT__DB_GET_CHAT);
    chat__sql_bind(statement, 1, name);
    chat_status status = chat__sql_step(statement);
    if (status != CHAT_OK)
        return status;
    out->head.ordinal = chat__sql_number(statement, 0);
    out->head.seq = chat__sql_number(statement, 1);
    out->head.at = chat__sql_number(statement, 2);
    const uint8_t *roots = sqlite3_column_blob(statement, 3);
    int len = sqlite3_column_bytes(statement, 3);
    load_roots(out, roots, len > 0 ? (size_t)len : 0);
    (void)sqlite3_reset(statement);
    if (out->head.ordinal >= INT64_MAX || (out->head.ordinal == 0) != (out->head.at == 0))
        return CHAT_ERR_CORRUPT;
    return CHAT_OK;
}

chat_status chat__db_put_chat(chat__db *db, chat_view name, const chat__db_chat *chat,
                              const chat__state_meta *meta)
{
    uint8_t roots[CHAT__CHAIN_ROOTS_MAX * ROOT_BYTES];
    for (uint32_t i = 0; i < chat->head.n_roots; i++) {
        chat__store64le(roots + i * ROOT_BYTES, chat->roots[i].at);
        chat__store64le(roots + i * ROOT_BYTES + 8, chat->roots[i].seq);
    }
    sqlite3_stmt *statement = chat__db_use(db, CHAT__DB_PUT_CHAT);
    chat__sql_bind(statement, 1, name);
    chat__sql_bind_number(statement, 2, chat->head.ordinal);
    chat__sql_bind_number(statement, 3, chat->head.seq);
    chat__sql_bind_number(statement, 4, chat->head.at);
    (void)sqlite3_bind_blob(statement, 5, roots, (int)(chat->head.n_roots * ROOT_BYTES),
                            SQLITE_STATIC);
    chat_status status = chat__sql_run(statement);
    if (status != CHAT_OK || meta == NULL)
        return status;
    statement = chat__db_use(db, CHAT__DB_PUT_GROUP);
    chat__sql_bind(statement, 1, name);
    chat__sql_bind(statement, 2, meta->title);
    if (meta->created_ms != 0)
        chat__sql_bind_number(statement, 3, meta->created_ms);
    if (meta->is_open >= 0)
        chat__sql_bind_number(statement, 4, (uint64_t)meta->is_open);
    return chat__sql_run(statement);
}
