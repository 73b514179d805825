/* SPDX-License-Identifier: MIT */
/* Markers of what was read, and what is unread by them. */
#include "store_helper.h"

#include <chat/id.h>

#include <stdio.h>

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
    (void)put_frame(f, &frame, id);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(markers_are_found_in_memory_in_sqlite_and_after_a_crash),
        FAULTY_TEST(the_newest_mute_of_a_chat_counts),
        TEST(a_marker_never_goes_back),
        TEST(what_is_no_marker_is_refused),
        TEST(pure_unread),
        TEST(unread_stops_at_999),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
