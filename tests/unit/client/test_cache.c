/* SPDX-License-Identifier: MIT */
/* The client's file by itself: what waits in it after it was closed, damaged, or is an old one. */
#include "cache_rig.h"

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
    run_sql(f->path, "PRAGMA user_version = 2");
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
        TEST(a_path_that_cannot_be_is_said),
        TEST(a_file_of_garbage_is_moved_aside),
        TEST(what_waits_is_saved_from_a_damaged_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
