/* SPDX-License-Identifier: MIT */
/* The file itself: opened, locked, moved aside when it is damaged; transactions; what it says of
   itself. */
#include "base/alloc.h"
#include "base/view.h"
#include "client/cache/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_ASIDE  1000u
#define PATH_BYTES 4096u

/* The lock is SQLite's own and held for as long as the file is open: no other process gets in
   between, and no index in shared memory is needed. Each commit is on the disk when it returns. */
static const char PRAGMAS[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;"
                              "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                              "PRAGMA cache_size = -1024; PRAGMA secure_delete = ON";

/* --- statements and values --- */

sqlite3_stmt *chat__cache_use(chat__cache *cache, chat__cache_statement which)
{
    sqlite3_stmt *statement = cache->statements[which];
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return statement;
}

static chat_status prepare(chat__cache *cache)
{
    for (int i = 0; i < CHAT__CACHE_N_STATEMENTS; i++) {
        int result = sqlite3_prepare_v3(cache->handle, chat__cache_texts[i], -1,
                                        SQLITE_PREPARE_PERSISTENT, &cache->statements[i], NULL);
        /* A table without the columns that it had is damage as well. */
        if (result == SQLITE_ERROR)
            return CHAT_ERR_CORRUPT;
        if (result != SQLITE_OK)
            return chat__sql_status(result);
    }
    return CHAT_OK;
}

static chat_status put_meta(chat__cache *cache, sqlite3_stmt *statement, const char *key)
{
    (void)cache;
    chat__sql_bind(statement, 1, chat__view_str(key));
    return chat__sql_run(statement);
}

chat_status chat__cache_put_meta_number(chat__cache *cache, const char *key, uint64_t value)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_PUT_META);
    chat__sql_bind_number(statement, 2, value);
    return put_meta(cache, statement, key);
}

chat_status chat__cache_put_meta_text(chat__cache *cache, const char *key, chat_view value)
{
    sqlite3_stmt *statement = chat__cache_use(cache, CHAT__CACHE_PUT_META);
    chat__sql_bind(statement, 2, value);
    return put_meta(cache, statement, key);
}

/* CHAT_OK: the statement has the row, reset it; CHAT_EMPTY. */
static chat_status get_meta(chat__cache *cache, const char *key, sqlite3_stmt **out)
{
    *out = chat__cache_use(cache, CHAT__CACHE_GET_META);
    chat__sql_bind(*out, 1, chat__view_str(key));
    return chat__sql_step(*out);
}

static chat_status get_meta_number(chat__cache *cache, const char *key, uint64_t *out)
{
    sqlite3_stmt *statement;
    chat_status status = get_meta(cache, key, &statement);
    if (status == CHAT_OK)
        *out = chat__sql_number(statement, 0);
    (void)sqlite3_reset(statement);
    return status;
}

static chat_status get_meta_text(chat__cache *cache, const char *key, char *out, size_t cap)
{
    sqlite3_stmt *statement;
    chat_status status = get_meta(cache, key, &statement);
    if (status == CHAT_OK) {
        chat_view text = chat__sql_text(statement, 0, cap - 1);
        if (text.len > 0)
            memcpy(out, text.data, text.len);
        out[text.len] = '\0';
    }
    (void)sqlite3_reset(statement);
    return status;
}

/* --- transactions --- */

chat_status chat__cache_begin(chat__cache *cache)
{
    /* It could not be begun anew: that is to be tried again. */
    if (cache->handle == NULL)
        return CHAT_ERR_CORRUPT;
    if (cache->is_changing)
        return CHAT_OK;
    chat_status status = chat__sql_run(chat__cache_use(cache, CHAT__CACHE_BEGIN));
    cache->is_changing = status == CHAT_OK;
    return status;
}

chat_status chat__cache_end(chat__cache *cache, chat_status status)
{
    if (status >= 0)
        return status;
    if (cache->is_changing && cache->handle != NULL)
        (void)chat__sql_run(chat__cache_use(cache, CHAT__CACHE_ROLLBACK));
    cache->is_changing = 0;
    cache->loss = status;
    return status;
}

chat_status chat__cache_commit(chat__cache *cache)
{
    if (!cache->is_changing)
        return CHAT_OK;
    chat_status status = chat__sql_run(chat__cache_use(cache, CHAT__CACHE_COMMIT));
    if (status != CHAT_OK)
        return chat__cache_end(cache, status);
    cache->is_changing = 0;
    return CHAT_OK;
}

chat_status chat__cache_loss(chat__cache *cache)
{
    chat_status loss = cache->loss;
    cache->loss = CHAT_OK;
    return loss;
}

uint64_t chat__cache_damage(chat__cache *cache)
{
    uint64_t n = cache->n_damaged;
    cache->n_damaged = 0;
    return n;
}

/* --- opening --- */

static void close_file(chat__cache *cache)
{
    for (int i = 0; i < CHAT__CACHE_N_STATEMENTS; i++)
        (void)sqlite3_finalize(cache->statements[i]);
    memset(cache->statements, 0, sizeof cache->statements);
    if (cache->handle != NULL)
        (void)sqlite3_close(cache->handle);
    cache->handle = NULL;
    cache->is_changing = 0;
}

/* SQLite takes the mode of a file that is there, for its side files too. An existing file is not
   opened here: closing it would end the lock of another client in this process. */
static chat_status make_file(const char *path, char why[CHAT__CACHE_WHY_BYTES])
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return CHAT_OK;
    }
    if (errno == EEXIST && access(path, R_OK | W_OK) == 0)
        return CHAT_OK;
    snprintf(why, CHAT__CACHE_WHY_BYTES, "%s: %s", path, strerror(errno));
    return errno == ENOSPC || errno == EDQUOT ? CHAT_ERR_FULL : CHAT_ERR_IO;
}

/* A file of another program, which is none of ours to move or change. */
static chat_status check_owner(chat__cache *cache)
{
    sqlite3_stmt *statement = NULL;
    int id = 0;
    int n_tables = 0;
    int result = sqlite3_prepare_v2(cache->handle,
                                    "SELECT application_id, (SELECT count(*) FROM sqlite_master)"
                                    " FROM pragma_application_id",
                                    -1, &statement, NULL);
    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        id = sqlite3_column_int(statement, 0);
        n_tables = sqlite3_column_int(statement, 1);
    }
    result = sqlite3_finalize(statement);
    if (result == SQLITE_OK && n_tables > 0 && id != CHAT__CACHE_APPLICATION)
        return CHAT_ERR_ARG;
    return chat__sql_status(result);
}

static chat_status lock_and_check(chat__cache *cache)
{
    int result = sqlite3_exec(cache->handle, PRAGMAS, NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(cache->handle, "BEGIN IMMEDIATE; COMMIT", NULL, NULL, NULL);
    if ((result & 0xff) == SQLITE_BUSY)
        return CHAT_ERR_IN_USE;
    chat_status status = chat__sql_status(result);
    if (status == CHAT_OK)
        status = check_owner(cache);
    if (status == CHAT_OK)
        status = chat__sql_check(cache->handle);
    return status;
}

static chat_status load(chat__cache *cache)
{
    char device[CHAT_ID_MAX_BYTES + 1] = "";
    uint64_t n_runs = 0;
    chat_status status = get_meta_text(cache, "device", device, sizeof device);
    if (status == CHAT_OK && strcmp(device, cache->device) != 0)
        return CHAT_ERR_EXISTS;
    if (status >= 0)
        status = get_meta_number(cache, "family", &cache->family);
    if (status >= 0)
        status = get_meta_text(cache, "user", cache->user, sizeof cache->user);
    if (status >= 0)
        status = get_meta_number(cache, "runs", &n_runs);
    cache->connection = (n_runs + 1) << 24;
    if (status >= 0)
        status = chat__cache_begin(cache);
    if (status >= 0)
        status = chat__cache_put_meta_text(cache, "device", chat__view_str(cache->device));
    if (status >= 0)
        status = chat__cache_put_meta_number(cache, "family", cache->family);
    if (status >= 0)
        status = chat__cache_put_meta_number(cache, "runs", n_runs + 1);
    if (status >= 0)
        status = chat__cache_count_records(cache);
    return status < 0 ? status : chat__cache_commit(cache);
}

static void explain(const chat__cache *cache, chat_status status, char *why)
{
    const char *text = chat_status_text(status);
    if (status == CHAT_ERR_IN_USE)
        text = "another process, or another client of this one, has it open";
    if (status == CHAT_ERR_ARG)
        text = "it is the database of another program; name a file for libchat alone";
    if (status == CHAT_ERR_EXISTS)
        text = "it belongs to another device of the user; each device has a file of its own";
    if (status == CHAT_ERR_VERSION)
        text = "a newer version of libchat wrote it";
    if (why[0] == '\0')
        snprintf(why, CHAT__CACHE_WHY_BYTES, "%s: %s", cache->path, text);
}

/* CHAT_ERR_CORRUPT: it can be moved aside. */
static chat_status open_file(chat__cache *cache, char why[CHAT__CACHE_WHY_BYTES])
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    chat_status status = make_file(cache->path, why);
    if (status == CHAT_OK)
        status = chat__sql_status(sqlite3_open_v2(cache->path, &cache->handle, flags, NULL));
    if (status == CHAT_OK)
        status = lock_and_check(cache);
    if (status == CHAT_OK)
        status = chat__cache_make_tables(cache->handle);
    if (status == CHAT_OK)
        status = prepare(cache);
    if (status == CHAT_OK)
        status = load(cache);
    if (status != CHAT_OK) {
        close_file(cache);
        explain(cache, status, why);
    }
    return status == CHAT_ERR_EXISTS ? CHAT_ERR_ARG : status;
}

/* --- damage --- */

static void move(const char *path, const char *aside, const char *suffix)
{
    char from[PATH_BYTES + 16];
    char to[PATH_BYTES + 32];
    snprintf(from, sizeof from, "%s%s", path, suffix);
    snprintf(to, sizeof to, "%s%s", aside, suffix);
    (void)rename(from, to);
}

/* The file with its side files, so that a person can look at them together. `aside` stays empty
   when there is none: it was moved before, and no new one could be made. */
static chat_status move_aside(const char *path, char *aside, size_t cap)
{
    aside[0] = '\0';
    if (access(path, F_OK) != 0)
        return CHAT_OK;
    for (unsigned i = 1; i <= MAX_ASIDE; i++) {
        snprintf(aside, cap, "%s.corrupt-%u", path, i);
        if (access(aside, F_OK) == 0)
            continue;
        move(path, aside, "-wal");
        move(path, aside, "-journal");
        return rename(path, aside) == 0 ? CHAT_OK : CHAT_ERR_IO;
    }
    return CHAT_ERR_LIMIT;
}

chat_status chat__cache_renew(chat__cache *cache, char why[CHAT__CACHE_WHY_BYTES])
{
    char aside[PATH_BYTES + 16];
    close_file(cache);
    why[0] = '\0';
    chat_status status = move_aside(cache->path, aside, sizeof aside);
    if (status == CHAT_OK)
        status = open_file(cache, why);
    if (status != CHAT_OK) {
        cache->loss = status;
        explain(cache, status, why);
        return status;
    }
    unsigned n_saved = aside[0] != '\0' ? chat__cache_save(cache, aside) : 0;
    snprintf(why, CHAT__CACHE_WHY_BYTES,
             "%.200s was damaged and is now %.200s; a new file was begun, with %u messages that "
             "wait or failed",
             cache->path, aside[0] != '\0' ? aside : "moved aside", n_saved);
    return CHAT_OK;
}

/* --- life --- */

static char *copy(chat__cache *cache, chat_view text)
{
    char *copied = chat__alloc_zero(&cache->allocator, text.len + 1);
    if (copied != NULL)
        memcpy(copied, text.data, text.len);
    return copied;
}

chat_status chat__cache_open(const chat__cache_options *options, char why[CHAT__CACHE_WHY_BYTES],
                             chat__cache **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    why[0] = '\0';
    if (strlen(options->path) + 16 > PATH_BYTES) {
        snprintf(why, CHAT__CACHE_WHY_BYTES, "the path is longer than %u bytes", PATH_BYTES);
        return CHAT_ERR_ARG;
    }
    chat__cache *cache = chat__alloc_zero(&allocator, sizeof *cache);
    if (cache == NULL)
        return CHAT_ERR_NOMEM;
    cache->allocator = allocator;
    cache->family = options->family;
    cache->max_chat_records = options->max_chat_records;
    cache->max_records = options->max_records;
    chat__buf_init(&cache->in, &cache->allocator, CHAT__CACHE_MAX_FRAME);
    chat__buf_init(&cache->out, &cache->allocator, CHAT__CACHE_MAX_FRAME);
    cache->path = copy(cache, chat__view_str(options->path));
    cache->device = copy(cache, options->device);
    chat_status status = cache->path == NULL || cache->device == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
    if (status == CHAT_OK)
        status = chat_decoder_new(&cache->allocator, CHAT__CACHE_MAX_FRAME, &cache->decoder);
    if (status == CHAT_OK)
        status = open_file(cache, why);
    if (status == CHAT_ERR_CORRUPT)
        status = chat__cache_renew(cache, why);
    cache->loss = CHAT_OK;
    if (status == CHAT_OK)
        *out = cache;
    else
        chat__cache_close(cache);
    return status;
}

void chat__cache_close(chat__cache *cache)
{
    if (cache == NULL)
        return;
    chat_allocator allocator = cache->allocator;
    if (cache->handle != NULL)
        (void)chat__cache_commit(cache);
    close_file(cache);
    chat_decoder_free(cache->decoder);
    chat__buf_done(&cache->in);
    chat__buf_done(&cache->out);
    chat__alloc_free(&allocator, cache->path);
    chat__alloc_free(&allocator, cache->device);
    chat__alloc_free(&allocator, cache);
}

chat_view chat__cache_user(const chat__cache *cache)
{
    return chat__view_str(cache->user);
}

uint64_t chat__cache_family(const chat__cache *cache)
{
    return cache->family;
}

chat_status chat__cache_set_user(chat__cache *cache, chat_view user)
{
    if (cache->user[0] != '\0')
        return chat__view_equal(chat__view_str(cache->user), user) ? CHAT_OK : CHAT_ERR_ARG;
    chat_status status = chat__cache_begin(cache);
    if (status == CHAT_OK)
        status = chat__cache_put_meta_text(cache, "user", user);
    if (status == CHAT_OK) {
        memcpy(cache->user, user.data, user.len);
        cache->user[user.len] = '\0';
    }
    return chat__cache_end(cache, status);
}
