/* SPDX-License-Identifier: MIT */
/* A data directory that cannot be used says why and what to do; damaged views are made anew. */
#include "store_helper.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_in(const fixture *f, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", f->dir, name);
}

static void write_file(const fixture *f, const char *name, const char *text)
{
    char path[128];
    path_in(f, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    (void)fclose(file);
}

static void close_it(fixture *f)
{
    chat__store_close(f->store);
    f->store = NULL;
}

static void assert_says(const fixture *f, const char *what)
{
    if (strstr(f->report.problem, what) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", what, f->report.problem);
}

static void a_second_process_is_told_who_has_it(void **state)
{
    fixture *f = *state;
    chat__store *second = NULL;
    char pid[32];
    assert_int_equal(chat__store_open(&f->options, &f->report, &second), CHAT_ERR_IN_USE);
    assert_null(second);
    snprintf(pid, sizeof pid, "process %d.", (int)getpid());
    assert_says(f, pid);
    close_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
}

static void a_newer_version_is_refused(void **state)
{
    fixture *f = *state;
    close_it(f);
    write_file(f, "format", "chat store 2\nshape new\n");
    assert_int_equal(try_open(f), CHAT_ERR_VERSION);
    assert_says(f, "newer version");
}

static void another_number_of_partitions_is_refused(void **state)
{
    fixture *f = *state;
    close_it(f);
    f->options.n_partitions = 32;
    assert_int_equal(try_open(f), CHAT_ERR_VERSION);
    assert_says(f, "Set partitions to 64");
}

static void a_format_file_that_was_cut_short_is_written_again_only_without_a_log(void **state)
{
    fixture *f = *state;
    close_it(f);
    write_file(f, "format", "chat st");
    reopen(f);
    (void)put(f, "room", 1, "x");
    commit(f);
    close_it(f);
    write_file(f, "format", "chat st");
    assert_int_equal(try_open(f), CHAT_ERR_CORRUPT);
    assert_says(f, "format is damaged");
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    fixture *f = *state;
    char dir[64];
    close_it(f);
    snprintf(dir, sizeof dir, "%.40s", f->dir);
    write_file(f, "file", "");
    snprintf(f->dir, sizeof f->dir, "%.40s/file/data", dir);
    assert_int_equal(try_open(f), CHAT_ERR_IO);
    assert_says(f, "cannot make the data directory");
    snprintf(f->dir, sizeof f->dir, "%s", dir);
}

static void a_directory_that_is_not_writable_is_named(void **state)
{
    fixture *f = *state;
    char dir[64];
    close_it(f);
    snprintf(dir, sizeof dir, "%.40s", f->dir);
    /* Nobody, not even root, makes files here. */
    snprintf(f->dir, sizeof f->dir, "/proc");
    assert_int_equal(try_open(f), CHAT_ERR_IO);
    assert_says(f, "cannot open the lock file");
    snprintf(f->dir, sizeof f->dir, "%s", dir);
}

static void fill(fixture *f)
{
    for (uint64_t i = 1; i <= 40; i++)
        (void)put(f, i % 2 == 0 ? "dm:3:ann:bob" : "room", i, "text");
    (void)put_group(f, "g", 50, "Title", "ann", "bob");
    commit(f);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 40);
    close_it(f);
}

static void check_rebuilt(fixture *f)
{
    char path[128];
    assert_int_equal(try_open(f), CHAT_OK);
    assert_true(f->report.n_records == 41);
    assert_non_null(strstr(f->log, "moved aside"));
    path_in(f, "state.db.damaged-1", path);
    assert_int_equal(access(path, F_OK), 0);
    check_pages(f, "room", 7);
    check_pages(f, "dm:3:ann:bob", 7);
    assert_string_equal(group_text(f, "g"), "Title: ann bob");
    assert_string_equal(user_text(f, "bob", "phone", 1), "dm:3:ann:bob 0/40, g[Title] 0/50");
    (void)put(f, "room", 60, "more");
    commit(f);
    check_pages(f, "room", 3);
}

static void views_that_are_no_database_are_made_anew(void **state)
{
    fixture *f = *state;
    fill(f);
    write_file(f, "state.db", "this is no database, it is a text that is long enough to look");
    check_rebuilt(f);
}

static void views_with_a_damaged_page_are_made_anew(void **state)
{
    fixture *f = *state;
    char path[128];
    char junk[4096];
    fill(f);
    path_in(f, "state.db", path);
    memset(junk, 0xa5, sizeof junk);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    for (off_t i = 2; i < 9; i++)
        assert_int_equal(pwrite(file, junk, sizeof junk, i * 4096), sizeof junk);
    (void)close(file);
    check_rebuilt(f);
}

static void views_that_are_gone_are_made_anew(void **state)
{
    fixture *f = *state;
    char path[128];
    fill(f);
    path_in(f, "state.db", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(f), CHAT_OK);
    check_pages(f, "room", 7);
    assert_string_equal(group_text(f, "g"), "Title: ann bob");
}

static void a_log_that_is_gone_is_said(void **state)
{
    fixture *f = *state;
    char path[128];
    fill(f);
    path_in(f, "log/0000000000000000.log", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(f), CHAT_ERR_CORRUPT);
    assert_says(f, "log is empty");
}

/* The log was put back from an older backup than state.db. */
static void views_ahead_of_the_log_are_made_anew(void **state)
{
    fixture *f = *state;
    for (uint64_t i = 1; i <= 10; i++)
        (void)put(f, "room", i, "text");
    commit(f);
    kill_it(f);
    faulty *old = faulty_copy(f->disk);
    assert_int_equal(try_open(f), CHAT_OK);
    (void)put(f, "room", 11, "text");
    commit(f);
    close_it(f);
    faulty_restore(f->disk, old);
    faulty_free(old);
    f->n_committed = f->n_rows = 10;
    assert_int_equal(try_open(f), CHAT_OK);
    assert_non_null(strstr(f->log, "ahead of the log"));
    check_pages(f, "room", 3);
    (void)put(f, "room", 12, "text");
    commit(f);
    check_pages(f, "room", 3);
}

/* What no check of SQLite's finds: a head that cannot be. Nothing is built on it. */
static void a_head_that_cannot_be_is_refused_and_made_anew(void **state)
{
    fixture *f = *state;
    char path[128];
    sqlite3 *db;
    fill(f);
    path_in(f, "state.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE chats SET at = 1 << 40 WHERE id = 'room'", NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_int_equal(try_put(f, "room", 60, "x"), CHAT_ERR_IO);
    assert_int_equal(try_put(f, "dm:3:ann:bob", 60, "x"), CHAT_OK);
    commit(f);
    close_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_non_null(strstr(f->log, "moved aside"));
    check_pages(f, "room", 7);
    check_pages(f, "dm:3:ann:bob", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_process_is_told_who_has_it),
        TEST(a_newer_version_is_refused),
        TEST(another_number_of_partitions_is_refused),
        TEST(a_format_file_that_was_cut_short_is_written_again_only_without_a_log),
        TEST(a_directory_that_cannot_be_made_is_named),
        TEST(a_directory_that_is_not_writable_is_named),
        TEST(views_that_are_no_database_are_made_anew),
        TEST(views_with_a_damaged_page_are_made_anew),
        TEST(views_that_are_gone_are_made_anew),
        TEST(a_log_that_is_gone_is_said),
        TEST(a_head_that_cannot_be_is_refused_and_made_anew),
        FAULTY_TEST(views_ahead_of_the_log_are_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
