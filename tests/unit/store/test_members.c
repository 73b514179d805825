/* SPDX-License-Identifier: MIT */
/* Memberships as views of the log: who is in a group, and what a user may read of it. */
#include "store_helper.h"

#include <sqlite3.h>

#include <stdio.h>
#include <string.h>

static uint64_t change(fixture *f, uint64_t id, const char *what, const char *user,
                       const char *role, const char *title)
{
    uint8_t bytes[512];
    size_t len;
    chat_frame frame;
    chat_view users[1] = {chat__view_str(user)};
    chat_view_list list = {users, 1};
    chat__store_record record = {.kind = CHAT_FRAME_CHANGE, .id = id};
    chat_frame_init(&frame, CHAT_FRAME_CHANGE);
    record.chat = chat__view_str("g");
    CHAT_FRAME_SET(&frame, CHAT, chat, record.chat);
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, ID, id, id);
    CHAT_FRAME_SET(&frame, TS, ts, 1);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, USERS, users, list);
    if (role[0] != 0)
        CHAT_FRAME_SET(&frame, ROLE, role, chat__view_str(role));
    if (title[0] != 0)
        CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str(title));
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.payload = chat__view(bytes, len);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    return record.seq;
}

/* 10 made by ann with bob, 20 a message, 30 carl added, 40 bob removed, 50 a message, 60 carl an
   admin, 70 bob added, 80 a message. */
static void tell_the_story(fixture *f)
{
    (void)put_group(f, "g", 10, "Title", "ann", "bob");
    (void)put(f, "g", 20, "one");
    commit(f);
    (void)change(f, 30, "add", "carl", "", "");
    (void)change(f, 40, "remove", "bob", "", "");
    (void)put(f, "g", 50, "two");
    commit(f);
    (void)change(f, 60, "role", "carl", "admin", "");
    (void)change(f, 70, "add", "bob", "", "");
    (void)put(f, "g", 80, "three");
    commit(f);
}

typedef struct seqs {
    char text[256];
    chat_status status;
} seqs;

static void take_seq(void *ctx, const chat__store_row *row)
{
    seqs *all = ctx;
    size_t len = strlen(all->text);
    snprintf(all->text + len, sizeof all->text - len, "%s%llu", len > 0 ? " " : "",
             (unsigned long long)row->seq);
}

static seqs page_of(fixture *f, const char *user, uint64_t after, uint64_t before, uint32_t limit)
{
    seqs all = {.text = ""};
    chat__store_query query = {.chat = chat__view_str("g"),
                               .after = after,
                               .before = before,
                               .limit = limit,
                               .user = chat__view_str(user)};
    all.status = chat__store_read(f->store, &query, take_seq, &all);
    return all;
}

#define assert_page(user, after, before, limit, want, want_status)                                 \
    do {                                                                                           \
        seqs got = page_of(f, user, after, before, limit);                                         \
        assert_string_equal(got.text, want);                                                       \
        assert_int_equal(got.status, want_status);                                                 \
    } while (0)

static void check_pages_of(fixture *f)
{
    assert_page("ann", 0, 0, 100, "10 20 30 40 50 60 70 80", CHAT_OK);
    assert_page("carl", 0, 0, 100, "10 20 30 40 50 60 70 80", CHAT_OK);
    assert_page("bob", 0, 0, 100, "10 20 30 40 70 80", CHAT_OK);
    assert_page("bob", 0, 0, 4, "10 20 30 40", CHAT_MORE);
    assert_page("bob", 40, 0, 1, "70", CHAT_MORE);
    assert_page("bob", 45, 0, 9, "70 80", CHAT_OK);
    assert_page("bob", UINT64_MAX, UINT64_MAX, 100, "80 70 40 30 20 10", CHAT_OK);
    assert_page("bob", UINT64_MAX, UINT64_MAX, 2, "80 70", CHAT_MORE);
    assert_page("bob", UINT64_MAX, 70, 2, "40 30", CHAT_MORE);
    assert_page("bob", UINT64_MAX, 20, 2, "10", CHAT_OK);
    assert_page("dora", 0, 0, 100, "", CHAT_ERR_FORBIDDEN);
    assert_page("", 0, 0, 100, "10 20 30 40 50 60 70 80", CHAT_OK);
}

static void a_page_is_cut_to_the_memberships(void **state)
{
    fixture *f = *state;
    tell_the_story(f);
    check_pages_of(f);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    check_pages_of(f);
    reopen(f);
    check_pages_of(f);
    chat__store_query query = {.chat = chat__view_str("none"), .limit = 5};
    query.user = chat__view_str("ann");
    assert_int_equal(chat__store_read(f->store, &query, take_seq, NULL), CHAT_ERR_NOT_FOUND);
}

static void take_roles(void *ctx, const chat__store_chat *chat)
{
    char *text = ctx;
    snprintf(text, 256, "%.*s%s:", (int)chat->title.len, (const char *)chat->title.data,
             chat->is_open ? " open" : "");
    for (size_t i = 0; i < chat->n_members; i++) {
        size_t len = strlen(text);
        snprintf(text + len, 256 - len, " %.*s %s %llu", (int)chat->members[i].user.len,
                 (const char *)chat->members[i].user.data, chat__role_text(chat->members[i].role),
                 (unsigned long long)chat->members[i].since);
    }
}

static void check_roles(fixture *f, const char *want)
{
    char text[256] = "";
    assert_int_equal(chat__store_load_chat(f->store, chat__view_str("g"), take_roles, text),
                     CHAT_OK);
    assert_string_equal(text, want);
}

static void roles_and_their_time_survive_a_restart(void **state)
{
    fixture *f = *state;
    tell_the_story(f);
    (void)change(f, 90, "title", "ann", "", "New");
    const char *want = "New: ann owner 10 bob member 70 carl admin 30";
    check_roles(f, want);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    check_roles(f, want);
    (void)change(f, 100, "leave", "carl", "", "");
    reopen(f);
    check_roles(f, "New: ann owner 10 bob member 70");
}

static void who_is_added_gets_nothing_older_and_who_is_removed_nothing_newer(void **state)
{
    fixture *f = *state;
    tell_the_story(f);
    (void)change(f, 90, "remove", "carl", "", "");
    (void)put(f, "g", 95, "four");
    commit(f);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(user_text(f, "carl", "phone", 1), "g[Title] 29/90");
        assert_string_equal(user_text(f, "bob", "phone", 1), "g[Title] 0/95");
        reopen(f);
    }
}

/* The title is in SQLite and no longer in memory; the membership is in memory only. */
static void who_was_added_since_the_flush_is_told_the_title(void **state)
{
    fixture *f = *state;
    (void)put_group(f, "g", 10, "Title", "ann", "bob");
    commit(f);
    reopen(f);
    (void)change(f, 30, "add", "carl", "", "");
    assert_string_equal(user_text(f, "carl", "phone", 1), "g[Title] 29/30");
}

/* Version 1 knew no roles. Cursors stay, memberships are made anew. */
static void a_state_of_version_1_is_brought_up(void **state)
{
    char path[128];
    sqlite3 *db;
    fixture *f = *state;
    tell_the_story(f);
    assert_string_equal(user_text(f, "ann", "phone", 1), "g[Title] 0/80");
    put_cursor(f, "ann", "phone", "g", 50);
    chat__store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/state.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE members; CREATE TABLE members(chat TEXT NOT NULL,"
                                  " user TEXT NOT NULL, PRIMARY KEY(chat, user)) WITHOUT ROWID;"
                                  "INSERT INTO members VALUES('g', 'ann');"
                                  "PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(try_open(f), CHAT_OK);
    check_roles(f, "Title: ann owner 10 bob member 70 carl admin 30");
    assert_string_equal(user_text(f, "ann", "phone", 2), "g[Title] 50/80");
    check_pages_of(f);
}

/* A kill at any moment: what was committed is in the views again. */
static void memberships_survive_a_crash(void **state)
{
    fixture *f = *state;
    tell_the_story(f);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    (void)change(f, 90, "remove", "bob", "", "");
    (void)change(f, 91, "role", "carl", "owner", "");
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_roles(f, "Title: ann owner 10 carl owner 30");
    assert_page("bob", 75, 0, 9, "80 90", CHAT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_cut_to_the_memberships),
        TEST(roles_and_their_time_survive_a_restart),
        TEST(who_is_added_gets_nothing_older_and_who_is_removed_nothing_newer),
        TEST(who_was_added_since_the_flush_is_told_the_title),
        TEST(a_state_of_version_1_is_brought_up),
        FAULTY_TEST(memberships_survive_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
