/* SPDX-License-Identifier: MIT */
/* Markers of what was read, and what is unread by them. */
#include "store_helper.h"

#include <chat/id.h>

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define DIRECT "dm:5:alice:bob"

static fixture *fixture_of(void **state)
{
    return *state;
}

static uint64_t put_frame(fixture *f, const chat_frame *frame, uint64_t id)
{
    uint8_t bytes[512];
    size_t len = 0;
    chat__store_record record = {.kind = frame->type, .id = id, .chat = frame->chat};
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.payload = chat__view(bytes, len);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    return record.seq;
}

static uint64_t put_message(fixture *f, const char *from, uint64_t id)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(DIRECT));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str(from));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("hi"));
    CHAT_FRAME_SET(&frame, ID, id, id);
    CHAT_FRAME_SET(&frame, TS, ts, 1);
    return put_frame(f, &frame, id);
}

static void put_marker(fixture *f, const char *user, uint64_t read_seq, uint64_t id)
{
    chat_direct_name name;
    chat_frame frame;
    assert_int_equal(chat_self_id(chat__view_str(user), &name), CHAT_OK);
    chat_frame_init(&frame, CHAT_FRAME_MARKER);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view(name.bytes, name.len));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str(user));
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str(DIRECT));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, read_seq);
    CHAT_FRAME_SET(&frame, ID, id, id);
    CHAT_FRAME_SET(&frame, TS, ts, id * 100);
    (void)put_frame(f, &frame, id);
}

static void put_cursor_at(fixture *f, const char *device, uint64_t seq, uint64_t at_ms)
{
    assert_int_equal(chat__store_put_cursor(f->store, chat__view_str("bob"), chat__view_str(device),
                                            chat__view_str(DIRECT), seq, at_ms),
                     CHAT_OK);
}

/* Of bob: since when he has and has read the record, "delivered/read". */
static void on_times(void *ctx, const chat__store_marks *marks)
{
    fixture *f = ctx;
    const chat__store_mark *bob = &marks->items[1];
    snprintf(f->text, sizeof f->text, "%d/%d", (int)bob->delivered_unix_ms, (int)bob->read_unix_ms);
}

static const char *times(fixture *f, uint64_t seq)
{
    assert_int_equal(chat__store_load_marks(f->store, chat__view_str(DIRECT), chat__view(NULL, 0),
                                            seq, on_times, f),
                     CHAT_OK);
    return f->text;
}

/* Looks into state.db, as a version would that has another schema, or does something there. */
static int in_sql(fixture *f, const char *text)
{
    char path[128];
    int number = 0;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/state.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

static void put_mute(fixture *f, uint64_t until, uint64_t id)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_SETTING);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("me:bob"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("bob"));
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str(DIRECT));
    CHAT_FRAME_SET(&frame, UNTIL, until, until);
    CHAT_FRAME_SET(&frame, ID, id, id);
    (void)put_frame(f, &frame, id);
}

static void assert_muted_until(fixture *f, uint64_t expected)
{
    uint64_t until = 77;
    assert_int_equal(
        chat__store_muted_until(f->store, chat__view_str("bob"), chat__view_str(DIRECT), &until),
        CHAT_OK);
    assert_int_equal(until, expected);
    assert_int_equal(
        chat__store_muted_until(f->store, chat__view_str("alice"), chat__view_str(DIRECT), &until),
        CHAT_OK);
    assert_int_equal(until, 0);
}

/* "user read/delivered, ... up to seq" */
static void on_marks(void *ctx, const chat__store_marks *marks)
{
    fixture *f = ctx;
    size_t used = 0;
    for (size_t i = 0; i < marks->n_items; i++)
        used +=
            (size_t)snprintf(f->text + used, sizeof f->text - used, "%.*s %d/%d, ",
                             (int)marks->items[i].user.len, (const char *)marks->items[i].user.data,
                             (int)marks->items[i].read_seq, (int)marks->items[i].delivered_seq);
    snprintf(f->text + used, sizeof f->text - used, "up to %d", (int)marks->seq);
}

static const char *marks_text(fixture *f, uint64_t seq)
{
    assert_int_equal(chat__store_load_marks(f->store, chat__view_str(DIRECT), chat__view(NULL, 0),
                                            seq, on_marks, f),
                     CHAT_OK);
    return f->text;
}

typedef struct found {
    uint64_t read_seq;
    uint32_t unread;
    int has_unread;
    int has_self;
} found;

static void on_chat(void *ctx, const chat__store_user_chat *row)
{
    found *out = ctx;
    chat_view user;
    if (chat_self_user(row->chat, &user) == CHAT_OK)
        out->has_self = 1;
    if (!chat__view_equal(row->chat, chat__view_str(DIRECT)))
        return;
    out->read_seq = row->read_seq;
    out->unread = row->unread;
    out->has_unread = (int)row->has_unread;
}

static found find(fixture *f, const char *user)
{
    found out = {0, 0, 0, 0};
    chat__store_visit visit = {.user = chat__view_str(user), .now_unix_ms = 1};
    assert_int_equal(chat__store_load_user(f->store, &visit, on_chat, &out), CHAT_OK);
    return out;
}

static void markers_are_found_in_memory_in_sqlite_and_after_a_crash(void **state)
{
    fixture *f = fixture_of(state);
    (void)put_message(f, "alice", 10);
    (void)put_message(f, "alice", 20);
    put_marker(f, "bob", 10, 30);
    assert_string_equal(marks_text(f, 25), "alice 0/0, bob 0/0, up to 0");
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    put_cursor(f, "bob", "phone", DIRECT, 20);
    assert_string_equal(marks_text(f, 15), "alice 0/0, bob 10/20, up to 10");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_string_equal(marks_text(f, 99), "alice 0/0, bob 10/20, up to 20");
    put_marker(f, "bob", 20, 40);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_string_equal(marks_text(f, 99), "alice 0/0, bob 20/20, up to 20");
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(marks_text(f, 99), "alice 0/0, bob 20/20, up to 20");
    reopen(f);
    assert_string_equal(marks_text(f, 99), "alice 0/0, bob 20/20, up to 20");
    assert_true(find(f, "bob").has_self);
}

/* In memory, in SQLite, in both, and from the log after a crash. */
static void the_newest_mute_of_a_chat_counts(void **state)
{
    fixture *f = fixture_of(state);
    put_mute(f, 5000, 10);
    assert_muted_until(f, 0);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_muted_until(f, 5000);
    put_mute(f, 4000, 20);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_muted_until(f, 4000);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_muted_until(f, 4000);
    put_mute(f, 0, 30);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_muted_until(f, 0);
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_muted_until(f, 0);
    put_mute(f, CHAT_MUTE_FOREVER, 40);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    reopen(f);
    assert_muted_until(f, CHAT_MUTE_FOREVER);
}

static void a_marker_never_goes_back(void **state)
{
    fixture *f = fixture_of(state);
    (void)put_message(f, "alice", 10);
    put_marker(f, "bob", 10, 20);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    put_marker(f, "bob", 5, 30);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(find(f, "bob").read_seq, 10);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    put_marker(f, "bob", 7, 40);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(find(f, "bob").read_seq, 10);
}

static void what_is_no_marker_is_refused(void **state)
{
    fixture *f = fixture_of(state);
    chat__store_record record = {.kind = CHAT_FRAME_SETTING, .id = 1};
    record.chat = chat__view_str("me:bob");
    record.payload = chat__view_str("no frame");
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    record.kind = CHAT_FRAME_MARKER;
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_false(find(f, "bob").has_self);
}

/* Of seq, marker and authors alone: against counting by hand, at random. */
static void pure_unread(void **state)
{
    fixture *f = fixture_of(state);
    uint64_t random = 7;
    uint64_t seqs[1200];
    int is_alice[1200];
    uint64_t marker = 0;
    for (uint32_t n = 0; n < 1200; n++) {
        is_alice[n] = faulty_random(&random) % 8 != 0;
        seqs[n] = put_message(f, is_alice[n] ? "alice" : "bob", 1000 + n * 10);
        if (n % 97 != 5)
            continue;
        uint64_t read = seqs[faulty_random(&random) % (n + 1)];
        put_marker(f, "bob", read, 1000 + n * 10 + 5);
        marker = read > marker ? read : marker;
        assert_int_equal(chat__store_commit(f->store), CHAT_OK);
        uint32_t expected = 0;
        for (uint32_t i = 0; i <= n; i++)
            expected += seqs[i] > marker && is_alice[i];
        found got = find(f, "bob");
        assert_true(got.has_unread);
        assert_int_equal(got.read_seq, marker);
        assert_int_equal(got.unread, expected);
    }
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(find(f, "alice").read_seq, 0);
}

static void unread_stops_at_999(void **state)
{
    fixture *f = fixture_of(state);
    for (uint32_t n = 0; n < 1100; n++)
        (void)put_message(f, "alice", 1000 + n);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(find(f, "bob").unread, 999);
    assert_int_equal(find(f, "alice").unread, 0);
    put_marker(f, "bob", 1000 + 100, 5000);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(find(f, "bob").unread, 999);
    put_marker(f, "bob", 1000 + 101, 5001);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(find(f, "bob").unread, 998);
}

static void it_is_known_since_when(void **state)
{
    fixture *f = fixture_of(state);
    for (uint64_t id = 10; id <= 50; id += 10)
        (void)put_message(f, "alice", id);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_string_equal(times(f, 10), "0/0");
    put_cursor_at(f, "phone", 20, 500);
    assert_string_equal(times(f, 10), "500/0");
    put_cursor_at(f, "tab", 10, 900); /* a slower device changes nothing */
    assert_string_equal(times(f, 10), "500/0");
    put_marker(f, "bob", 10, 60);
    put_marker(f, "bob", 30, 70);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_string_equal(times(f, 10), "500/6000");
    assert_string_equal(times(f, 20), "500/7000");
    assert_string_equal(times(f, 30), "0/7000");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_string_equal(times(f, 10), "500/6000");
    put_cursor_at(f, "tab", 20, 950);
    put_cursor_at(f, "phone", 40, 960);
    assert_string_equal(times(f, 20), "500/7000");
    assert_string_equal(times(f, 30), "960/7000");
    reopen(f);
    assert_string_equal(times(f, 20), "500/7000");
    assert_string_equal(times(f, 40), "960/0");
    assert_string_equal(times(f, 50), "0/0");
}

static void a_time_that_was_told_does_not_become_later(void **state)
{
    fixture *f = fixture_of(state);
    found out = {0, 0, 0, 0};
    chat__store_visit phone = {
        .user = chat__view_str("bob"), .device = chat__view_str("phone"), .now_unix_ms = 1};
    assert_int_equal(chat__store_load_user(f->store, &phone, on_chat, &out), CHAT_EMPTY);
    for (uint64_t id = 10; id <= 40; id += 10)
        (void)put_message(f, "alice", id);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    put_cursor_at(f, "phone", 10, 500);
    assert_string_equal(times(f, 10), "500/0");
    put_cursor_at(f, "phone", 20, 600);
    put_cursor_at(f, "phone", 30, 700); /* one run with the one before: nobody asked */
    assert_string_equal(times(f, 10), "500/0");
    assert_string_equal(times(f, 20), "700/0");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(in_sql(f, "SELECT count(*) FROM runs"), 2);
    assert_string_equal(times(f, 10), "500/0");
    assert_string_equal(times(f, 20), "700/0");
    assert_int_equal(chat__store_forget_device(f->store, &phone), CHAT_OK);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_string_equal(times(f, 30), "700/0");
}

static void a_replay_gives_the_same_times_of_reading(void **state)
{
    fixture *f = fixture_of(state);
    char path[128];
    (void)put_message(f, "alice", 10);
    (void)put_message(f, "alice", 20);
    put_marker(f, "bob", 10, 30);
    put_marker(f, "bob", 20, 40);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    put_cursor_at(f, "phone", 20, 500);
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(times(f, 10), "0/3000");
    reopen(f);
    assert_string_equal(times(f, 20), "0/4000");
    chat__store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/state.db", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(times(f, 10), "0/3000");
    assert_string_equal(times(f, 20), "0/4000");
}

static void of_old_messages_no_time_is_kept(void **state)
{
    fixture *f = fixture_of(state);
    for (uint64_t id = 1000; id < 1100; id++)
        (void)put_message(f, "alice", id);
    for (uint64_t i = 0; i < 100; i++)
        put_marker(f, "bob", 1000 + i, 2000 + i);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_string_equal(times(f, 1000), "0/200000");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(in_sql(f, "SELECT count(*) FROM runs"), 64);
    assert_string_equal(times(f, 1035), "0/0");
    assert_string_equal(times(f, 1036), "0/203600");
    assert_string_equal(times(f, 1099), "0/209900");
}

static void what_was_there_before_times_were_kept_has_none(void **state)
{
    fixture *f = fixture_of(state);
    for (uint64_t id = 10; id <= 30; id += 10)
        (void)put_message(f, "alice", id);
    put_marker(f, "bob", 10, 40);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    put_cursor_at(f, "phone", 20, 500);
    chat__store_close(f->store);
    f->store = NULL;
    (void)in_sql(f, "DROP TABLE runs");
    (void)in_sql(f, "PRAGMA user_version = 7");
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(times(f, 10), "0/0");
    put_cursor_at(f, "phone", 30, 900);
    put_marker(f, "bob", 20, 50);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(times(f, 10), "0/0");
        assert_string_equal(times(f, 20), "0/5000");
        assert_string_equal(times(f, 30), "900/0");
        assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(markers_are_found_in_memory_in_sqlite_and_after_a_crash),
        FAULTY_TEST(the_newest_mute_of_a_chat_counts),
        TEST(a_marker_never_goes_back),
        TEST(what_is_no_marker_is_refused),
        TEST(pure_unread),
        TEST(unread_stops_at_999),
        FAULTY_TEST(it_is_known_since_when),
        TEST(a_time_that_was_told_does_not_become_later),
        FAULTY_TEST(a_replay_gives_the_same_times_of_reading),
        TEST(of_old_messages_no_time_is_kept),
        TEST(what_was_there_before_times_were_kept_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
