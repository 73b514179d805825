/* SPDX-License-Identifier: MIT */
/* Who has blocked whom, by the `blocked` records of self streams. */
#include "store_helper.h"

#include <chat/id.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fixture *fixture_of(void **state)
{
    return *state;
}

static void put_block(fixture *f, const char *user, const char *whom, int is_blocked, uint64_t id)
{
    uint8_t bytes[512];
    size_t len = 0;
    chat_direct_name self;
    chat_frame frame;
    assert_int_equal(chat_self_id(chat__view_str(user), &self), CHAT_OK);
    chat_frame_init(&frame, CHAT_FRAME_BLOCKED);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view(self.bytes, self.len));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str(user));
    CHAT_FRAME_SET(&frame, USER, user, chat__view_str(whom));
    CHAT_FRAME_SET(&frame, IS_BLOCKED, blocked, (uint64_t)is_blocked);
    CHAT_FRAME_SET(&frame, ID, id, id);
    chat__store_record record = {.kind = frame.type, .id = id, .chat = frame.chat};
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.payload = chat__view(bytes, len);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
}

static void commit_all(fixture *f)
{
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
}

typedef struct names {
    char text[32][16];
    size_t n;
} names;

static void on_name(void *ctx, chat_view name)
{
    names *all = ctx;
    assert_true(all->n < 32);
    snprintf(all->text[all->n++], sizeof all->text[0], "%.*s", (int)name.len,
             (const char *)name.data);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Sorted, with a blank behind each; "..." behind all when there are more. */
static const char *list_of(fixture *f, const char *user, int is_reverse, uint32_t limit)
{
    names all = {.n = 0};
    chat_status status =
        chat__store_blocks(f->store, chat__view_str(user), is_reverse, limit, on_name, &all);
    assert_true(status == CHAT_OK || status == CHAT_MORE);
    qsort(all.text, all.n, sizeof all.text[0], compare);
    size_t used = 0;
    f->text[0] = 0;
    for (size_t i = 0; i < all.n; i++)
        used += (size_t)snprintf(f->text + used, sizeof f->text - used, "%s ", all.text[i]);
    if (status == CHAT_MORE)
        snprintf(f->text, sizeof f->text, "...");
    return f->text;
}

static int has_blocked(fixture *f, const char *user, const char *whom)
{
    int is_blocked = 77;
    assert_int_equal(
        chat__store_has_blocked(f->store, chat__view_str(user), chat__view_str(whom), &is_blocked),
        CHAT_OK);
    return is_blocked;
}

/* All three questions say the same. */
static void assert_blocked(fixture *f, const char *user, const char *whom, int expected)
{
    char word[32];
    snprintf(word, sizeof word, "%s ", whom);
    assert_int_equal(has_blocked(f, user, whom), expected);
    assert_int_equal(strstr(list_of(f, user, 0, 0), word) != NULL, expected);
    snprintf(word, sizeof word, "%s ", user);
    assert_int_equal(strstr(list_of(f, whom, 1, 100), word) != NULL, expected);
}

/* In memory, in SQLite, in both, and from the log after a crash. */
static void the_newest_record_of_a_pair_counts(void **state)
{
    fixture *f = fixture_of(state);
    put_block(f, "alice", "eve", 1, 10);
    assert_blocked(f, "alice", "eve", 0);
    commit_all(f);
    assert_blocked(f, "alice", "eve", 1);
    assert_blocked(f, "eve", "alice", 0);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_blocked(f, "alice", "eve", 1);
    put_block(f, "alice", "eve", 0, 20);
    commit_all(f);
    assert_blocked(f, "alice", "eve", 0);
    put_block(f, "alice", "eve", 1, 30);
    put_block(f, "alice", "eve", 0, 40);
    put_block(f, "alice", "eve", 1, 50);
    commit_all(f);
    assert_blocked(f, "alice", "eve", 1);
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_blocked(f, "alice", "eve", 1);
    put_block(f, "alice", "eve", 0, 60);
    commit_all(f);
    reopen(f);
    assert_blocked(f, "alice", "eve", 0);
}

static void what_is_not_durable_is_gone_after_a_crash(void **state)
{
    fixture *f = fixture_of(state);
    put_block(f, "alice", "eve", 1, 10);
    commit_all(f);
    put_block(f, "alice", "eve", 0, 20);
    put_block(f, "alice", "bob", 1, 30);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_blocked(f, "alice", "eve", 1);
    assert_blocked(f, "alice", "bob", 0);
}

static void lists_are_of_one_user_and_either_way(void **state)
{
    fixture *f = fixture_of(state);
    put_block(f, "alice", "eve", 1, 10);
    put_block(f, "alice", "bob", 1, 20);
    put_block(f, "bob", "eve", 1, 30);
    commit_all(f);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    put_block(f, "carol", "eve", 1, 40);
    put_block(f, "bob", "eve", 0, 50);
    commit_all(f);
    assert_string_equal(list_of(f, "alice", 0, 0), "bob eve ");
    assert_string_equal(list_of(f, "bob", 0, 0), "");
    assert_string_equal(list_of(f, "eve", 1, 0), "alice carol ");
    assert_string_equal(list_of(f, "eve", 1, 2), "alice carol ");
    assert_string_equal(list_of(f, "eve", 1, 1), "...");
    assert_string_equal(list_of(f, "bob", 1, 0), "alice ");
    assert_string_equal(list_of(f, "nobody", 1, 0), "");
}

/* The names of chats and users are apart: a group may be called as somebody who is blocked. */
static void a_group_of_the_same_name_is_another_thing(void **state)
{
    fixture *f = fixture_of(state);
    (void)put_group(f, "eve", 10, "Eve", "alice", "bob");
    put_block(f, "alice", "eve", 1, 20);
    assert_int_equal(try_commit(f), CHAT_OK);
    assert_string_equal(group_text(f, "eve"), "Eve: alice bob");
    assert_blocked(f, "alice", "eve", 1);
    assert_string_equal(list_of(f, "eve", 1, 0), "alice ");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_string_equal(list_of(f, "eve", 1, 0), "alice ");
}

static void what_is_no_block_is_refused(void **state)
{
    fixture *f = fixture_of(state);
    names all = {.n = 0};
    int is_blocked = 0;
    chat_view none = {NULL, 0};
    chat__store_record record = {.kind = CHAT_FRAME_BLOCKED, .id = 1};
    record.chat = chat__view_str("me:alice");
    record.payload = chat__view_str("no frame");
    assert_int_equal(chat__store_append(f->store, &record), CHAT_ERR_ARG);
    assert_int_equal(chat__store_blocks(f->store, none, 0, 0, on_name, &all), CHAT_ERR_ARG);
    assert_int_equal(chat__store_has_blocked(f->store, none, chat__view_str("eve"), &is_blocked),
                     CHAT_ERR_ARG);
    assert_int_equal(chat__store_has_blocked(f->store, chat__view_str("eve"), none, &is_blocked),
                     CHAT_ERR_ARG);
    commit_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(the_newest_record_of_a_pair_counts),
        FAULTY_TEST(what_is_not_durable_is_gone_after_a_crash),
        TEST(lists_are_of_one_user_and_either_way),
        TEST(a_group_of_the_same_name_is_another_thing),
        TEST(what_is_no_block_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
