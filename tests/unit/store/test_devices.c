/* SPDX-License-Identifier: MIT */
/* Devices are listed, seen, forgotten; what a user has he keeps. */
#include "store_helper.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define CHAT  "dm:3:ann:bob"
#define DAY   UINT64_C(86400000)
#define TTL   (30 * DAY)
#define SLACK UINT64_C(60000) /* the sweep comes later by it */

static chat__store_visit visit(const char *device, uint64_t now)
{
    chat__store_visit out = {
        .user = chat__view_str("bob"), .device = chat__view_str(device), .now_unix_ms = now};
    return out;
}

static void on_device(void *ctx, chat_view device, uint64_t seen_ms)
{
    char *out = ctx;
    size_t used = strlen(out);
    snprintf(out + used, 256 - used, "%.*s:%llu ", (int)device.len, (const char *)device.data,
             (unsigned long long)seen_ms);
}

static const char *list(fixture *f, uint64_t now)
{
    static char out[256];
    out[0] = 0;
    assert_int_equal(chat__store_load_devices(f->store, chat__view_str("bob"), now, on_device, out),
                     CHAT_OK);
    return out;
}

static void forget(fixture *f, const char *device, uint64_t now)
{
    chat__store_visit who = visit(device, now);
    assert_int_equal(chat__store_forget_device(f->store, &who), CHAT_OK);
}

static void see(fixture *f, const char *device, uint64_t now)
{
    chat__store_visit who = visit(device, now);
    assert_int_equal(chat__store_see_device(f->store, &who), CHAT_OK);
}

static void take_nothing(void *ctx, const chat__store_user_chat *row)
{
    (void)ctx;
    (void)row;
}

static chat_status hello(fixture *f, const char *device, uint64_t now)
{
    chat__store_visit who = visit(device, now);
    return chat__store_load_user(f->store, &who, take_nothing, NULL);
}

static void flush(fixture *f)
{
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
}

static void on_marks(void *ctx, const chat__store_marks *marks)
{
    uint64_t *out = ctx;
    for (size_t i = 0; i < marks->n_items; i++) {
        if (chat__view_equal(marks->items[i].user, chat__view_str("bob")))
            *out = marks->items[i].delivered_seq;
    }
}

static uint64_t delivered(fixture *f)
{
    uint64_t seq = 0;
    assert_int_equal(chat__store_load_marks(f->store, chat__view_str(CHAT), chat__view(NULL, 0), 0,
                                            on_marks, &seq),
                     CHAT_OK);
    return seq;
}

static void write_three(fixture *f)
{
    (void)put(f, CHAT, 10, "1");
    (void)put(f, CHAT, 20, "2");
    (void)put(f, CHAT, 30, "3");
    commit(f);
}

static void a_list_has_what_is_in_memory_and_in_sqlite(void **state)
{
    fixture *f = *state;
    assert_string_equal(list(f, 1), "");
    assert_int_equal(hello(f, "phone", 1), CHAT_EMPTY);
    assert_string_equal(list(f, 1), "phone:1 ");
    flush(f);
    assert_int_equal(hello(f, "tab", 2), CHAT_EMPTY);
    see(f, "phone", 3);
    assert_string_equal(list(f, 3), "phone:3 tab:2 ");
    reopen(f);
    assert_string_equal(list(f, 3), "phone:3 tab:2 ");
    see(f, "no-such", 4);
    see(f, "phone", 2);
    assert_string_equal(list(f, 4), "phone:3 tab:2 ");
}

/* `n_flushes` says where what is forgotten is: 0 in memory, 1 in SQLite. */
static void forget_and_come_back(fixture *f, int is_stored_before, int is_stored_after)
{
    write_three(f);
    (void)hello(f, "phone", 1);
    (void)hello(f, "tab", 1);
    put_cursor(f, "bob", "phone", CHAT, 20);
    put_cursor(f, "bob", "tab", CHAT, 10);
    if (is_stored_before)
        flush(f);
    forget(f, "tab", 2);
    if (is_stored_after)
        flush(f);
    assert_string_equal(list(f, 2), "phone:1 ");
    chat__store_visit who = visit("tab", 2);
    assert_int_equal(chat__store_forget_device(f->store, &who), CHAT_ERR_NOT_FOUND);
    uint64_t seen_ms;
    assert_int_equal(chat__store_find_device(f->store, &who, &seen_ms), CHAT_EMPTY);
    see(f, "tab", 3);
    assert_string_equal(list(f, 3), "phone:1 ");
    assert_int_equal(hello(f, "tab", 4), CHAT_EMPTY);
    assert_string_equal(user_text(f, "bob", "tab", 5), CHAT " 20/30");
    assert_string_equal(user_text(f, "bob", "phone", 5), CHAT " 20/30");
    reopen(f);
    assert_string_equal(user_text(f, "bob", "tab", 5), CHAT " 20/30");
    assert_int_equal(hello(f, "tab", 6), CHAT_OK);
}

static void a_device_that_is_forgotten_is_new_when_it_comes_back(void **state)
{
    forget_and_come_back(*state, 0, 0);
}

static void one_that_is_stored_too(void **state)
{
    forget_and_come_back(*state, 1, 0);
}

static void and_when_that_is_stored(void **state)
{
    forget_and_come_back(*state, 1, 1);
}

/* Forgotten, back and forgotten again before anything of it is written. */
static void it_can_be_forgotten_again_and_again(void **state)
{
    fixture *f = *state;
    write_three(f);
    (void)hello(f, "phone", 1);
    put_cursor(f, "bob", "phone", CHAT, 10);
    flush(f);
    for (uint64_t now = 2; now < 10; now++) {
        forget(f, "phone", now);
        assert_string_equal(list(f, now), "");
        assert_int_equal(hello(f, "phone", now), CHAT_EMPTY);
        if (now % 3 == 0)
            flush(f);
    }
    forget(f, "phone", 10);
    reopen(f);
    assert_string_equal(list(f, 10), "");
    assert_string_equal(user_text(f, "bob", "phone", 11), CHAT " 10/30");
}

static void a_kill_before_the_flush_undoes_it_and_one_behind_does_not(void **state)
{
    fixture *f = *state;
    write_three(f);
    (void)hello(f, "phone", 1);
    put_cursor(f, "bob", "phone", CHAT, 20);
    flush(f);
    hold_db(f);
    forget(f, "phone", 2);
    kill_it(f);
    put_back_db(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(list(f, 2), "phone:1 ");
    assert_string_equal(user_text(f, "bob", "phone", 2), CHAT " 20/30");
    forget(f, "phone", 3);
    flush(f);
    hold_db(f);
    kill_it(f);
    put_back_db(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(list(f, 4), "");
    assert_int_equal(hello(f, "phone", 4), CHAT_EMPTY);
}

/* What was said to be delivered stays so. */
static void delivered_does_not_go_back(void **state)
{
    fixture *f = *state;
    write_three(f);
    (void)hello(f, "phone", 1);
    (void)hello(f, "tab", 1);
    put_cursor(f, "bob", "phone", CHAT, 30);
    put_cursor(f, "bob", "tab", CHAT, 10);
    assert_int_equal(delivered(f), 30);
    forget(f, "phone", 2);
    assert_int_equal(delivered(f), 30);
    reopen(f);
    assert_int_equal(delivered(f), 30);
    forget(f, "tab", 2);
    reopen(f);
    assert_int_equal(delivered(f), 30);
    assert_string_equal(user_text(f, "bob", "new", 3), CHAT " 30/30");
}

static void what_is_not_seen_for_long_is_forgotten_whether_it_was_swept_or_not(void **state)
{
    fixture *f = *state;
    write_three(f);
    (void)hello(f, "phone", DAY);
    (void)hello(f, "tab", DAY);
    put_cursor(f, "bob", "tab", CHAT, 20);
    see(f, "phone", 2 * DAY);
    for (int is_swept = 0; is_swept < 2; is_swept++) {
        uint64_t now = DAY + TTL;
        assert_string_equal(list(f, now), "phone:172800000 tab:86400000 ");
        assert_string_equal(list(f, now + 1), "phone:172800000 ");
        assert_int_equal(delivered(f), 20);
        flush(f);
        assert_int_equal(chat__store_forget_unseen(f->store, now + SLACK, 10), CHAT_OK);
    }
    assert_int_equal(chat__store_forget_unseen(f->store, DAY + TTL + SLACK + 1, 10), CHAT_OK);
    assert_string_equal(list(f, DAY), "phone:172800000 ");
    assert_int_equal(delivered(f), 20);
    reopen(f);
    assert_int_equal(hello(f, "tab", DAY), CHAT_EMPTY);
}

static void one_that_was_away_too_long_is_new(void **state)
{
    fixture *f = *state;
    write_three(f);
    (void)hello(f, "phone", DAY);
    put_cursor(f, "bob", "phone", CHAT, 10);
    flush(f);
    assert_int_equal(hello(f, "phone", DAY + TTL), CHAT_OK);
    assert_int_equal(hello(f, "phone", DAY + TTL + TTL + 1), CHAT_EMPTY);
    put_cursor(f, "bob", "phone", CHAT, 20);
    reopen(f);
    assert_int_equal(hello(f, "phone", DAY + TTL + TTL + 2), CHAT_OK);
    assert_string_equal(user_text(f, "bob", "phone", DAY + TTL + TTL + 3), CHAT " 20/30");
}

static void a_sweep_takes_a_part_at_a_time_and_none_that_is_back(void **state)
{
    fixture *f = *state;
    uint64_t now = DAY + TTL + SLACK + 1;
    (void)hello(f, "a", DAY);
    (void)hello(f, "b", DAY);
    (void)hello(f, "c", DAY);
    flush(f);
    assert_int_equal(hello(f, "c", now), CHAT_EMPTY);
    assert_int_equal(chat__store_forget_unseen(f->store, now, 2), CHAT_MORE);
    flush(f);
    assert_int_equal(chat__store_forget_unseen(f->store, now, 2), CHAT_OK);
    assert_string_equal(list(f, DAY), "c:2678460001 ");
    flush(f);
    assert_string_equal(list(f, DAY), "c:2678460001 ");
}

static void above_the_limit_the_one_longest_away_is_forgotten(void **state)
{
    fixture *f = *state;
    f->options.max_devices = 3;
    reopen(f);
    (void)hello(f, "a", 1);
    (void)hello(f, "b", 2);
    flush(f);
    (void)hello(f, "c", 3);
    see(f, "a", 4);
    assert_int_equal(hello(f, "d", 5), CHAT_EMPTY);
    assert_string_equal(list(f, 5), "a:4 c:3 d:5 ");
    chat_view connected[] = {chat__view_str("c"), chat__view_str("d"), chat__view_str("e")};
    chat__store_visit who = visit("e", 6);
    who.connected = connected;
    who.n_connected = 3;
    assert_int_equal(chat__store_load_user(f->store, &who, take_nothing, NULL), CHAT_EMPTY);
    flush(f);
    assert_string_equal(list(f, 6), "c:3 d:5 e:6 ");
    who = visit("f", 7);
    who.connected = connected;
    who.n_connected = 3;
    assert_int_equal(chat__store_load_user(f->store, &who, take_nothing, NULL), CHAT_ERR_LIMIT);
    assert_string_equal(list(f, 7), "c:3 d:5 e:6 ");
    assert_int_equal(hello(f, "e", 8), CHAT_OK);
}

static void a_limit_that_was_lowered_holds_from_the_next_new_device_on(void **state)
{
    fixture *f = *state;
    for (uint64_t i = 0; i < 9; i++)
        (void)hello(f, (char[]){(char)('a' + i), 0}, 1 + i);
    f->options.max_devices = 2;
    reopen(f);
    assert_int_equal(hello(f, "a", 20), CHAT_OK);
    assert_int_equal(hello(f, "new", 21), CHAT_EMPTY);
    flush(f);
    assert_string_equal(list(f, 21), "a:20 new:21 ");
}

static void run_sql(const fixture *f, const char *text)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/state.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_directory_of_the_version_before_opens_and_is_swept(void **state)
{
    fixture *f = *state;
    (void)hello(f, "phone", DAY);
    chat__store_close(f->store);
    f->store = NULL;
    run_sql(f, "DROP INDEX devices_by_seen; PRAGMA user_version = 5");
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(list(f, DAY), "phone:86400000 ");
    assert_int_equal(chat__store_forget_unseen(f->store, DAY + TTL + SLACK + 1, 10), CHAT_OK);
    assert_string_equal(list(f, DAY), "");
    reopen(f);
    run_sql(f, "DROP INDEX devices_by_seen"); /* it was made */
}

static void refuses_what_is_out_of_range(void **state)
{
    fixture *f = *state;
    uint64_t seen_ms;
    chat__store_visit who = visit("", 1);
    assert_int_equal(chat__store_forget_device(f->store, &who), CHAT_ERR_ARG);
    assert_int_equal(chat__store_find_device(f->store, &who, &seen_ms), CHAT_ERR_ARG);
    assert_int_equal(chat__store_see_device(f->store, &who), CHAT_ERR_ARG);
    who = visit("phone", UINT64_MAX);
    assert_int_equal(chat__store_see_device(f->store, &who), CHAT_ERR_ARG);
    assert_int_equal(chat__store_load_devices(f->store, chat__view(NULL, 0), 1, on_device, NULL),
                     CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_has_what_is_in_memory_and_in_sqlite),
        TEST(a_device_that_is_forgotten_is_new_when_it_comes_back),
        TEST(one_that_is_stored_too),
        TEST(and_when_that_is_stored),
        TEST(it_can_be_forgotten_again_and_again),
        FAULTY_TEST(a_kill_before_the_flush_undoes_it_and_one_behind_does_not),
        TEST(delivered_does_not_go_back),
        TEST(what_is_not_seen_for_long_is_forgotten_whether_it_was_swept_or_not),
        TEST(one_that_was_away_too_long_is_new),
        TEST(a_sweep_takes_a_part_at_a_time_and_none_that_is_back),
        TEST(above_the_limit_the_one_longest_away_is_forgotten),
        TEST(a_limit_that_was_lowered_holds_from_the_next_new_device_on),
        TEST(a_directory_of_the_version_before_opens_and_is_swept),
        TEST(refuses_what_is_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
