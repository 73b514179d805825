/* SPDX-License-Identifier: MIT */
/* The client's file by itself: what waits in it after it was closed, damaged, or is an old one. */
#include "cache_rig.h"
#include "client/cache/internal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static void expect_next(fixture *f, uint64_t *after, const char *cid, chat_status status)
{
    chat__cache_message message;
    assert_int_equal(chat__cache_next_message(f->cache, *after, &message), CHAT_OK);
    assert_true(chat__view_equal(message.frame.cid, chat__view_str(cid)));
    assert_int_equal(message.status, status);
    *after = message.number;
}

static void expect_no_more(fixture *f, uint64_t after)
{
    chat__cache_message message;
    assert_int_equal(chat__cache_next_message(f->cache, after, &message), CHAT_EMPTY);
}

/* --- the outbox --- */

static void messages_outlive_the_process_in_order(void **state)
{
    fixture *f = *state;
    uint64_t after = 0;
    put_message(f, "z", "one");
    put_message(f, "a", "two");
    put_message(f, "m", "three");
    reopen(f);
    expect_next(f, &after, "z", CHAT_OK);
    expect_next(f, &after, "a", CHAT_OK);
    expect_next(f, &after, "m", CHAT_OK);
    expect_no_more(f, after);
}

static void a_cid_is_there_once(void **state)
{
    fixture *f = *state;
    chat_frame frame = message_to("c", "again");
    put_message(f, "c", "one");
    assert_int_equal(chat__cache_put_message(f->cache, &frame), CHAT_ERR_EXISTS);
    assert_int_equal(chat__cache_loss(f->cache), CHAT_OK);
}

/* It leaves the outbox and becomes a record in the same transaction. */
static void what_was_sent_is_a_record(void **state)
{
    fixture *f = *state;
    chat_frame frame = sent("c", 7);
    chat__cache_message message;
    put_message(f, "c", "one");
    assert_int_equal(chat__cache_sent(f->cache, &frame), CHAT_OK);
    assert_int_equal(chat__cache_commit(f->cache), CHAT_OK);
    reopen(f);
    expect_no_more(f, 0);
    assert_int_equal(chat__cache_find_message(f->cache, chat__view_str("c"), &message), CHAT_OK);
    assert_int_equal(message.seq, 7);
    assert_true(chat__view_equal(message.frame.body, chat__view_str("one")));
    assert_int_equal(row_below(f, 8, &frame), 7);
    /* The same record from the stream is no second one. */
    frame = message_of("alice", 7, 3);
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str("c"));
    assert_int_equal(chat__cache_put_record(f->cache, &frame), CHAT_OK);
    assert_int_equal(row_below(f, 8, &frame), 7);
    assert_int_equal(row_below(f, 7, &frame), 0);
}

static void what_failed_stays_until_it_is_dropped(void **state)
{
    fixture *f = *state;
    uint64_t after = 0;
    put_message(f, "a", "one");
    put_message(f, "b", "two");
    assert_int_equal(chat__cache_failed(f->cache, chat__view_str("a"), CHAT_ERR_FORBIDDEN),
                     CHAT_OK);
    reopen(f);
    expect_next(f, &after, "a", CHAT_ERR_FORBIDDEN);
    assert_int_equal(chat__cache_drop(f->cache, chat__view_str("b")), CHAT_EMPTY);
    assert_int_equal(chat__cache_revive(f->cache, chat__view_str("a")), CHAT_OK);
    after = 0;
    expect_next(f, &after, "b", CHAT_OK);
    expect_next(f, &after, "a", CHAT_OK);
    assert_int_equal(chat__cache_failed(f->cache, chat__view_str("a"), CHAT_ERR_LIMIT), CHAT_OK);
    assert_int_equal(chat__cache_drop(f->cache, chat__view_str("a")), CHAT_OK);
    after = 0;
    expect_next(f, &after, "b", CHAT_OK);
    expect_no_more(f, after);
}

/* --- the file --- */

static void the_file_is_the_users_alone(void **state)
{
    fixture *f = *state;
    struct stat info;
    char wal[192];
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    put_message(f, "a", "one");
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void one_at_a_time(void **state)
{
    fixture *f = *state;
    fixture other = *f;
    assert_int_equal(open_as(&other, "phone"), CHAT_ERR_IN_USE);
    assert_non_null(strstr(other.why, "has it open"));
    put_message(f, "a", "one"); /* the first one is as it was */
}

static void another_device_or_user_is_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(chat__cache_set_user(f->cache, chat__view_str("bob")), CHAT_ERR_ARG);
    assert_int_equal(chat__cache_commit(f->cache), CHAT_OK);
    chat__cache_close(f->cache);
    f->cache = NULL;
    assert_int_equal(open_as(f, "laptop"), CHAT_ERR_ARG);
    assert_non_null(strstr(f->why, "another device"));
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    assert_true(chat__view_equal(chat__cache_user(f->cache), chat__view_str("alice")));
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    fixture *f = *state;
    fixture other = *f;
    snprintf(other.path, sizeof other.path, "%s/other", f->folder);
    run_sql(other.path, "CREATE TABLE theirs(a); PRAGMA user_version = 9");
    assert_int_equal(open_as(&other, "phone"), CHAT_ERR_ARG);
    assert_non_null(strstr(other.why, "another program"));
    run_sql(other.path, "SELECT a FROM theirs");
}

static void a_newer_version_is_refused_and_kept(void **state)
{
    fixture *f = *state;
    put_message(f, "a", "one");
    chat__cache_close(f->cache);
    f->cache = NULL;
    run_sql(f->path, "PRAGMA user_version = 1000");
    assert_int_equal(open_as(f, "phone"), CHAT_ERR_VERSION);
    run_sql(f->path, "PRAGMA user_version = 3");
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    uint64_t after = 0;
    expect_next(f, &after, "a", CHAT_OK);
}

/* Version 1 had messages that wait, and nothing of what was received. */
static void an_older_version_is_brought_up(void **state)
{
    fixture *f = *state;
    uint64_t after = 0;
    put_message(f, "a", "one");
    chat__cache_close(f->cache);
    f->cache = NULL;
    run_sql(f->path, "DROP TABLE chats; DROP TABLE records; PRAGMA user_version = 1");
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    expect_next(f, &after, "a", CHAT_OK);
    put_records(f, 1, 3);
    reopen(f);
    chat_frame row;
    assert_int_equal(row_below(f, 100, &row), 3);
}

/* The next chat of a list is found by it: a list of all is not quadratic. */
static void expect_index(const fixture *f, const char *statement, const char *index)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *plan = NULL;
    char sql[1024];
    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", statement);
    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &plan, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
    assert_non_null(strstr((const char *)sqlite3_column_text(plan, 3), index));
    assert_int_equal(sqlite3_step(plan), SQLITE_DONE); /* nothing is sorted */
    sqlite3_finalize(plan);
    sqlite3_close(handle);
}

/* Version 2 had no order of chats. */
static void version_2_is_brought_up(void **state)
{
    fixture *f = *state;
    uint64_t after = 0;
    chat_frame row;
    chat__cache_place place = {0, 0};
    put_message(f, "a", "one");
    put_records(f, 1, 3);
    chat__cache_close(f->cache);
    f->cache = NULL;
    run_sql(f->path, "DROP INDEX chats_by_newest; PRAGMA user_version = 2");
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    assert_string_equal(f->why, "");
    expect_next(f, &after, "a", CHAT_OK);
    assert_int_equal(row_below(f, 100, &row), 3);
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &row), CHAT_OK);
    assert_int_equal(row.last_seq, 3);
    chat__cache_close(f->cache);
    f->cache = NULL;
    expect_index(f, chat__cache_texts[CHAT__CACHE_NEXT_CHAT],
                 "SEARCH chats USING INDEX chats_by_newest (<expr><?)");
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
}

static void a_path_that_cannot_be_is_said(void **state)
{
    fixture *f = *state;
    fixture other = *f;
    snprintf(other.path, sizeof other.path, "%s/no/such", f->folder);
    assert_int_equal(open_as(&other, "phone"), CHAT_ERR_IO);
    assert_non_null(strstr(other.why, "No such file"));
}

static void write_at(const char *path, off_t at, const char *bytes, size_t len)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static void a_file_of_garbage_is_moved_aside(void **state)
{
    fixture *f = *state;
    fixture other = *f;
    char aside[192];
    snprintf(other.path, sizeof other.path, "%s/other", f->folder);
    for (int i = 1; i <= 2; i++) {
        write_at(other.path, 0, "this is no database at all, but a letter", 40);
        assert_int_equal(open_as(&other, "phone"), CHAT_OK);
        snprintf(aside, sizeof aside, "%s.corrupt-%d", other.path, i);
        assert_non_null(strstr(other.why, aside));
        assert_int_equal(access(aside, F_OK), 0);
        put_message(&other, "a", "one");
        chat__cache_close(other.cache);
    }
}

static off_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* What waits is nowhere else: it is saved from a file whose other pages are damaged. */
static void what_waits_is_saved_from_a_damaged_file(void **state)
{
    fixture *f = *state;
    uint64_t after = 0;
    char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    put_message(f, "a", "one");
    put_message(f, "b", "two");
    assert_int_equal(chat__cache_failed(f->cache, chat__view_str("b"), CHAT_ERR_LIMIT), CHAT_OK);
    put_records(f, 1, 400);
    chat__cache_close(f->cache);
    f->cache = NULL;
    /* The last pages are records. */
    for (off_t at = size_of(f->path) - 8 * 4096; at < size_of(f->path); at += 4096)
        write_at(f->path, at, junk, sizeof junk);
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    assert_non_null(strstr(f->why, "2 messages"));
    expect_next(f, &after, "a", CHAT_OK);
    expect_next(f, &after, "b", CHAT_ERR_LIMIT);
    assert_true(chat__view_equal(chat__cache_user(f->cache), chat__view_str("alice")));
    assert_int_equal(chat__cache_family(f->cache), 77);
}

/* A row that the file's own check takes for good. */
static void damage(fixture *f, const char *sql)
{
    chat__cache_close(f->cache);
    f->cache = NULL;
    run_sql(f->path, sql);
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    assert_string_equal(f->why, "");
}

/* It is shown as failed, by its name, and can be dropped; the others are as they were. */
static void a_damaged_message_costs_no_other(void **state)
{
    static const char *const sqls[] = {
        "UPDATE outbox SET frame = x'ff00ff' WHERE cid = 'b'",
        "UPDATE outbox SET frame = '' WHERE cid = 'b'",
        "UPDATE outbox SET frame = (SELECT frame FROM outbox WHERE cid = 'a') WHERE cid = 'b'"};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        uint64_t after = 0;
        put_message(f, "a", "one");
        put_message(f, "b", "two");
        put_message(f, "c", "three");
        damage(f, sqls[i]);
        expect_next(f, &after, "a", CHAT_OK);
        expect_next(f, &after, "b", CHAT_ERR_CORRUPT);
        expect_next(f, &after, "c", CHAT_OK);
        expect_no_more(f, after);
        for (int k = 0; k < 3; k++) {
            chat_view cid = chat__view(&"abc"[k], 1);
            assert_int_equal(chat__cache_failed(f->cache, cid, CHAT_ERR_CORRUPT), CHAT_OK);
            assert_int_equal(chat__cache_drop(f->cache, cid), CHAT_OK);
        }
        assert_int_equal(chat__cache_commit(f->cache), CHAT_OK);
    }
}

/* The page of history has what is left; what is known without a hole begins behind the hole. */
static void a_damaged_record_costs_no_other(void **state)
{
    fixture *f = *state;
    chat__cache_query newest = page(CHAT_HISTORY_BEFORE, 9, 3);
    chat__cache_query older = page(CHAT_HISTORY_BEFORE, 6, 2);
    chat_frame row;
    put_records(f, 1, 9);
    damage(f, "UPDATE records SET frame = x'ff' WHERE seq = 5");
    assert_int_equal(chat__cache_covers(f->cache, &older, 0), 1);
    assert_int_equal(row_below(f, 6, &row), 4);
    assert_int_equal(chat__cache_damage(f->cache), 1);
    assert_int_equal(chat__cache_damage(f->cache), 0);
    assert_int_equal(chat__cache_covers(f->cache, &newest, 0), 1);
    assert_int_equal(chat__cache_covers(f->cache, &older, 0), 0);
    for (uint64_t seq = 10, n = 0; (seq = row_below(f, seq, &row)) != 0; n++)
        assert_int_equal(seq, n < 4 ? 9 - n : 8 - n);
    reopen(f);
    assert_int_equal(row_below(f, 6, &row), 4);
    assert_int_equal(chat__cache_damage(f->cache), 0);
}

/* The newest one: the chat keeps its place in the list, and what is unread is not known. */
static void a_damaged_newest_record_is_asked_for_again(void **state)
{
    fixture *f = *state;
    chat__cache_query query = page(CHAT_HISTORY_BEFORE, 3, 1);
    chat__cache_place place = {0, 0};
    chat_frame row;
    put_records(f, 1, 3);
    damage(f, "UPDATE records SET frame = (SELECT frame FROM records WHERE seq = 2) WHERE seq = 3");
    assert_int_equal(row_below(f, 100, &row), 2);
    assert_int_equal(chat__cache_damage(f->cache), 1);
    assert_int_equal(chat__cache_covers(f->cache, &query, 0), 0);
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &row), CHAT_OK);
    assert_int_equal(row.last_seq, 3);
    assert_false(CHAT_FRAME_HAS(&row, UNREAD));
    put_records(f, 3, 4);
    query.seq = 4;
    assert_int_equal(chat__cache_covers(f->cache, &query, 0), 1);
}

/* An edit of a message that cannot be read, and a deletion behind an edit that cannot be. */
static void notes_on_damaged_records_are_taken(void **state)
{
    fixture *f = *state;
    chat_frame row;
    put_records(f, 1, 2);
    for (uint64_t seq = 3; seq <= 5; seq++) {
        chat_frame note = message_of("bob", seq, seq - 1);
        note.type = CHAT_FRAME_NOTE;
        CHAT_FRAME_SET(&note, WHAT, what, chat__view_str(seq == 5 ? "delete" : "edit"));
        CHAT_FRAME_SET(&note, RE, re, seq == 3 ? 1 : 2);
        CHAT_FRAME_SET(&note, RE_SEQ, re_seq, note.re);
        if (seq == 5)
            note.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
        if (seq == 3)
            damage(f, "UPDATE records SET frame = x'ff' WHERE seq = 1");
        if (seq == 5)
            damage(f, "UPDATE records SET frame = x'ff' WHERE seq = 3");
        assert_int_equal(chat__cache_put_record(f->cache, &note), CHAT_OK);
        assert_int_equal(chat__cache_commit(f->cache), CHAT_OK);
    }
    assert_int_equal(chat__cache_damage(f->cache), 1);
    assert_int_equal(row_below(f, 3, &row), 2);
    assert_true(CHAT_FRAME_HAS(&row, DELETED));
    assert_int_equal(row_below(f, 2, &row), 0);
}

/* Where the page with a message begins. */
static off_t page_of(const char *path, const char *cid)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, bytes, sizeof bytes);
    close(fd);
    const char *last = NULL; /* the index of names has it too, and nothing else of it */
    for (const char *at = bytes; len > 0 && at < bytes + len - 100; at++)
        if (memcmp(at, cid, 3) == 0 && memchr(at, 'x', 100) != NULL)
            last = at;
    assert_non_null(last);
    return (last - bytes) / 4096 * 4096;
}

/* One page of the outbox itself: what is on the others is saved, in order. */
static void a_damaged_page_of_the_outbox_costs_no_other(void **state)
{
    fixture *f = *state;
    chat__cache_message message;
    char body[1000];
    char cid[16];
    char junk[4096];
    uint64_t after = 0;
    unsigned n_saved = 0;
    memset(junk, 0x5a, sizeof junk);
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (unsigned i = 0; i < 60; i++) {
        snprintf(cid, sizeof cid, "m%02u", i);
        put_message(f, cid, body);
    }
    chat__cache_close(f->cache);
    f->cache = NULL;
    write_at(f->path, page_of(f->path, "m30"), junk, sizeof junk);
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
    while (chat__cache_next_message(f->cache, after, &message) == CHAT_OK) {
        snprintf(cid, sizeof cid, "%.3s", (const char *)message.frame.cid.data + 1);
        unsigned i = (unsigned)strtoul(cid, NULL, 10);
        assert_true(message.status == CHAT_OK && i >= n_saved);
        after = message.number;
        n_saved++;
    }
    assert_in_range(n_saved, 50, 59);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_outlive_the_process_in_order),
        TEST(a_cid_is_there_once),
        TEST(what_was_sent_is_a_record),
        TEST(what_failed_stays_until_it_is_dropped),
        TEST(the_file_is_the_users_alone),
        TEST(one_at_a_time),
        TEST(another_device_or_user_is_refused),
        TEST(a_database_of_another_program_is_left_alone),
        TEST(a_newer_version_is_refused_and_kept),
        TEST(an_older_version_is_brought_up),
        TEST(version_2_is_brought_up),
        TEST(a_path_that_cannot_be_is_said),
        TEST(a_file_of_garbage_is_moved_aside),
        TEST(what_waits_is_saved_from_a_damaged_file),
        TEST(a_damaged_message_costs_no_other),
        TEST(a_damaged_record_costs_no_other),
        TEST(a_damaged_newest_record_is_asked_for_again),
        TEST(notes_on_damaged_records_are_taken),
        TEST(a_damaged_page_of_the_outbox_costs_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
