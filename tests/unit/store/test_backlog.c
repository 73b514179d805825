/* SPDX-License-Identifier: MIT */
/* What of a device's backlog is too much or too old. */
#include "store_helper.h"

#include <chat/id.h>

#include <stdio.h>

#define ANN "dm:3:ann:bob"
#define CAT "dm:3:bob:cat"

typedef struct found {
    uint64_t gap_ann, gap_cat, last_ann;
} found;

static void on_chat(void *ctx, const chat__store_user_chat *row)
{
    found *out = ctx;
    if (chat__view_equal(row->chat, chat__view_str(ANN))) {
        out->gap_ann = row->gap_seq;
        out->last_ann = row->last_seq;
    } else if (chat__view_equal(row->chat, chat__view_str(CAT))) {
        out->gap_cat = row->gap_seq;
    }
}

static found load(fixture *f, const char *device, uint64_t now_ms)
{
    found out = {0, 0, 0};
    chat__store_visit visit = {
        .user = chat__view_str("bob"), .device = chat__view_str(device), .now_unix_ms = now_ms};
    assert_true(chat__store_load_user(f->store, &visit, on_chat, &out) >= 0);
    return out;
}

static void fill(fixture *f, const char *chat, uint64_t from, uint64_t n)
{
    for (uint64_t id = from; id < from + n; id++)
        (void)put(f, chat, id, "x");
    commit(f);
}

/* 40 of ann at 101..140, then 40 of cat at 201..240. */
static void the_limit_counts_over_all_chats_and_the_oldest_go_first(void **state)
{
    static const struct {
        uint64_t limit, cursor, gap_ann, gap_cat;
    } rows[] = {
        {0, 0, 0, 0},      {80, 0, 0, 0},     {79, 0, 101, 0},  {41, 0, 139, 0},
        {40, 0, 140, 0},   {39, 0, 140, 201}, {1, 0, 140, 239}, {50, 130, 0, 0},
        {49, 130, 131, 0}, {10, 140, 0, 230}, {40, 140, 0, 0},
    };
    fixture *f = *state;
    fill(f, ANN, 101, 40);
    fill(f, CAT, 201, 40);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char device[16];
        f->options.offline_limit = 0;
        reopen(f);
        snprintf(device, sizeof device, "d%zu", i);
        (void)load(f, "first", 1); /* so that later ones are known with their own cursors */
        (void)load(f, device, 1);
        if (rows[i].cursor > 0)
            put_cursor(f, "bob", device, ANN, rows[i].cursor);
        f->options.offline_limit = rows[i].limit;
        reopen(f);
        found got = load(f, device, 1);
        assert_int_equal(got.gap_ann, rows[i].gap_ann);
        assert_int_equal(got.gap_cat, rows[i].gap_cat);
        assert_int_equal(got.last_ann, 140);
    }
}

static void what_is_older_than_the_ttl_is_a_gap(void **state)
{
    fixture *f = *state;
    uint64_t t0 = CHAT_EPOCH_MS + 1000000;
    f->options.offline_ttl_ms = 500;
    reopen(f);
    for (uint64_t i = 0; i < 10; i++)
        (void)put(f, ANN, chat_snowflake_first_at(t0 + i * 100), "x");
    commit(f);
    assert_int_equal(load(f, "phone", t0 + 500).gap_ann, 0);
    assert_int_equal(load(f, "phone", t0 + 501).gap_ann, chat_snowflake_first_at(t0));
    assert_int_equal(load(f, "phone", t0 + 1300).gap_ann, chat_snowflake_first_at(t0 + 700));
    assert_int_equal(load(f, "phone", t0 + 90000).gap_ann, chat_snowflake_first_at(t0 + 900));
    put_cursor(f, "bob", "phone", ANN, chat_snowflake_first_at(t0 + 900));
    assert_int_equal(load(f, "phone", t0 + 90000).gap_ann, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_limit_counts_over_all_chats_and_the_oldest_go_first),
        TEST(what_is_older_than_the_ttl_is_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
