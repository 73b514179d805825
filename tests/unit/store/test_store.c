/* SPDX-License-Identifier: MIT */
/* The store's calls as its users see them, on the operating system's files. */
#include "store_helper.h"

#include <stdio.h>

static void reads_back_what_was_committed_and_nothing_before(void **state)
{
    fixture *f = *state;
    page got;
    uint64_t seq = put(f, "room", 100, "one");
    read_after(f, "room", 0, 10, &got);
    assert_int_equal(got.n_rows, 0);
    commit(f);
    read_after(f, "room", 0, 10, &got);
    assert_int_equal(got.status, CHAT_OK);
    assert_int_equal(got.n_rows, 1);
    assert_true(got.rows[0].seq == seq && got.rows[0].prev == 0 && got.rows[0].id == 100);
    assert_string_equal(got.rows[0].body, "one");
}

static void gives_the_order_of_the_partition(void **state)
{
    fixture *f = *state;
    assert_true(put(f, "a", 100, "x") == 100);
    assert_true(put(f, "a", 50, "x") == 101);
    assert_true(put(f, "b", 102, "x") == 102);
    assert_true(put(f, "a", 7, "x") == 103);
    commit(f);
    assert_true(put(f, "a", 7, "x") == 104);
    commit(f);
    reopen(f);
    assert_true(put(f, "a", 8, "x") == 105);
}

static void pages_both_ways_like_the_model(void **state)
{
    fixture *f = *state;
    for (uint64_t i = 1; i <= 100; i++)
        (void)put(f, i % 3 == 0 ? "other" : "room", i * 10, "text");
    commit(f);
    for (uint32_t limit = 1; limit < 80; limit += 13) {
        check_pages(f, "room", limit);
        check_pages(f, "other", limit);
    }
    reopen(f);
    check_pages(f, "room", 7);
}

static void is_all_there_after_a_restart(void **state)
{
    fixture *f = *state;
    (void)put_group(f, "g", 5, "Title", "ann", "bob");
    (void)put(f, "dm:3:ann:bob", 10, "hi");
    commit(f);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(group_text(f, "g"), "Title: ann bob");
        assert_string_equal(user_text(f, "bob", "", 1), "dm:3:ann:bob 0/10, g[Title] 0/5");
        if (i == 0)
            assert_int_equal(chat__store_flush(f->store), CHAT_OK);
        else
            reopen(f);
    }
    assert_int_equal(chat__store_load_chat(f->store, chat__view_str("dm:3:ann:bob"), NULL, NULL),
                     CHAT_ERR_NOT_FOUND);
}

static void take_nothing(void *ctx, const chat__store_user_chat *row)
{
    (void)ctx;
    (void)row;
}

static void a_device_is_new_once_and_known_after_a_restart(void **state)
{
    fixture *f = *state;
    chat__store_visit bob = {.user = chat__view_str("bob"), .now_unix_ms = 1};
    chat__store_visit phone = bob;
    phone.device = chat__view_str("phone");
    assert_int_equal(chat__store_load_user(f->store, &phone, take_nothing, NULL), CHAT_EMPTY);
    assert_int_equal(chat__store_load_user(f->store, &phone, take_nothing, NULL), CHAT_OK);
    assert_int_equal(chat__store_load_user(f->store, &bob, take_nothing, NULL), CHAT_OK);
    reopen(f);
    assert_int_equal(chat__store_load_user(f->store, &phone, take_nothing, NULL), CHAT_OK);
}

static void a_first_device_starts_at_0_and_a_new_one_at_the_furthest(void **state)
{
    fixture *f = *state;
    (void)put(f, "dm:3:ann:bob", 10, "1");
    (void)put(f, "dm:3:ann:bob", 20, "2");
    commit(f);
    assert_string_equal(user_text(f, "bob", "phone", 1), "dm:3:ann:bob 0/20");
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 10);
    assert_string_equal(user_text(f, "bob", "phone", 2), "dm:3:ann:bob 10/20");
    assert_string_equal(user_text(f, "bob", "tab", 3), "dm:3:ann:bob 10/20");
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 20);
    assert_string_equal(user_text(f, "bob", "tab", 4), "dm:3:ann:bob 10/20");
    reopen(f);
    assert_string_equal(user_text(f, "bob", "tab", 5), "dm:3:ann:bob 10/20");
    assert_string_equal(user_text(f, "bob", "new", 6), "dm:3:ann:bob 20/20");
    assert_string_equal(user_text(f, "bob", "", 7), "dm:3:ann:bob 0/20");
    assert_string_equal(user_text(f, "ann", "x", 7), "dm:3:ann:bob 0/20");
}

static void cursors_never_go_back(void **state)
{
    fixture *f = *state;
    (void)put(f, "dm:3:ann:bob", 30, "1");
    commit(f);
    (void)user_text(f, "bob", "phone", 1);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 20);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 10);
    assert_string_equal(user_text(f, "bob", "phone", 1), "dm:3:ann:bob 20/30");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 10);
    assert_string_equal(user_text(f, "bob", "phone", 1), "dm:3:ann:bob 20/30");
    reopen(f);
    assert_string_equal(user_text(f, "bob", "phone", 1), "dm:3:ann:bob 20/30");
}

static void refuses_what_is_out_of_range(void **state)
{
    fixture *f = *state;
    static uint8_t large[(1 << 20) + 1];
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = 1, .chat = chat__view_str("c")};
    record.payload = chat__view(large, sizeof large);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_LIMIT);
    record.payload.len = 1;
    record.partition = 64;
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    record.partition = 0;
    record.kind = CHAT_FRAME_CHAT;
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    record.kind = CHAT_FRAME_MSG;
    record.chat.len = 0;
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    assert_int_equal(chat__store_put_cursor(f->store, chat__view_str("u"), chat__view_str("d"),
                                            chat__view_str("c"), UINT64_MAX, 0),
                     CHAT_ERR_ARG);
}

static uint64_t append_to(fixture *f, const char *chat, uint64_t *out_prev)
{
    static uint64_t id;
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = ++id};
    record.chat = chat__view_str(chat);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    *out_prev = record.prev;
    return record.seq;
}

/* Heads are read in one transaction for a whole batch, and it must not be an old one. */
static void a_head_that_was_written_and_dropped_within_a_batch_is_found(void **state)
{
    fixture *f = *state;
    char name[16];
    uint64_t prev;
    f->options.state_cache_bytes = 1u << 20;
    reopen(f);
    uint64_t first = append_to(f, "one", &prev);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    (void)append_to(f, "not-in-memory", &prev); /* is looked for: the transaction begins */
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    for (int i = 0; i < 8000; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        (void)append_to(f, name, &prev);
        assert_int_equal(prev, 0);
    }
    uint64_t second = append_to(f, "one", &prev);
    assert_int_equal(prev, first);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    (void)append_to(f, "one", &prev);
    assert_int_equal(prev, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_back_what_was_committed_and_nothing_before),
        TEST(gives_the_order_of_the_partition),
        TEST(pages_both_ways_like_the_model),
        TEST(is_all_there_after_a_restart),
        TEST(a_device_is_new_once_and_known_after_a_restart),
        TEST(a_first_device_starts_at_0_and_a_new_one_at_the_furthest),
        TEST(cursors_never_go_back),
        TEST(refuses_what_is_out_of_range),
        TEST(a_head_that_was_written_and_dropped_within_a_batch_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
