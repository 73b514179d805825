/* SPDX-License-Identifier: MIT */
/* What the client's file has of what was received, and what it can say without the server. */
#include "cache_rig.h"

static chat_frame note_on(uint64_t re, uint64_t seq, const char *what)
{
    chat_frame frame = message_of("bob", seq, seq - 1);
    frame.type = CHAT_FRAME_NOTE;
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, RE, re, re);
    CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, re);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("changed"));
    return frame;
}

static int covers(fixture *f, chat_history_direction direction, uint64_t seq, uint32_t limit)
{
    chat__cache_query query = page(direction, seq, limit);
    return chat__cache_covers(f->cache, &query, 1);
}

/* 1000: not known. */
static uint64_t unread(fixture *f)
{
    chat_frame chat;
    chat__cache_place place = {0, 0};
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_OK);
    return CHAT_FRAME_HAS(&chat, UNREAD) ? chat.unread : 1000;
}

/* --- what was received --- */

static void a_page_is_covered_when_nothing_is_missing(void **state)
{
    fixture *f = *state;
    chat__cache_begin_connection(f->cache);
    put_records(f, 10, 20); /* 1 to 9 are with the server */
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 11));
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 12));
    assert_true(covers(f, CHAT_HISTORY_BEFORE, 15, 5));
    assert_false(covers(f, CHAT_HISTORY_BEFORE, 15, 6));
    assert_true(covers(f, CHAT_HISTORY_AFTER, 9, 50));
    assert_false(covers(f, CHAT_HISTORY_AFTER, 8, 50));
    /* Records 21 to 29 did not come. */
    put_records(f, 30, 32);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 3));
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 4));
    assert_false(covers(f, CHAT_HISTORY_BEFORE, 15, 2));
}

static void over_a_new_connection_the_newest_is_not_known(void **state)
{
    fixture *f = *state;
    chat__cache_begin_connection(f->cache);
    put_records(f, 1, 20);
    reopen(f);
    chat__cache_begin_connection(f->cache);
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 5));
    chat__cache_set_current(f->cache);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 5));
    assert_true(covers(f, CHAT_HISTORY_BEFORE, 5, 50)); /* from the very first */
    chat__cache_begin_connection(f->cache);
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 5));
    put_records(f, 21, 21);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 5));
}

static void put_page(fixture *f, const chat_frame *asked, uint64_t first, uint64_t last,
                     int has_more)
{
    chat__cache_page rows = {chat__view_str("room"), asked, first, last, has_more};
    int step = first > last ? -1 : 1;
    for (uint64_t seq = first; seq != last + (uint64_t)step; seq += (uint64_t)step) {
        chat_frame row = message_of("bob", seq, seq - 1);
        CHAT_FRAME_SET(&row, R, r, 1);
        assert_int_equal(chat__cache_put_row(f->cache, &row), CHAT_OK);
    }
    assert_int_equal(chat__cache_end_page(f->cache, &rows), CHAT_OK);
}

static void pages_of_the_server_close_holes(void **state)
{
    fixture *f = *state;
    chat_frame asked;
    chat__cache_begin_connection(f->cache);
    put_records(f, 10, 20);
    put_records(f, 30, 32);
    chat_frame_init(&asked, CHAT_FRAME_HISTORY);
    CHAT_FRAME_SET(&asked, BEFORE, before, 30);
    put_page(f, &asked, 29, 25, 1);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 8));
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 9));
    CHAT_FRAME_SET(&asked, BEFORE, before, 25);
    put_page(f, &asked, 24, 5, 1);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 28));
    CHAT_FRAME_SET(&asked, BEFORE, before, 5);
    put_page(f, &asked, 4, 2, 0); /* 1 is not for us: there is nothing older */
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 100));
}

static void a_page_of_the_newest_begins_what_is_known(void **state)
{
    fixture *f = *state;
    chat_frame asked;
    chat__cache_begin_connection(f->cache);
    chat_frame_init(&asked, CHAT_FRAME_HISTORY);
    put_page(f, &asked, 40, 31, 1);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 10));
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 11));
    put_records(f, 41, 41);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 11));
    CHAT_FRAME_SET(&asked, AFTER, after, 20);
    put_page(f, &asked, 21, 41, 0);
    assert_true(covers(f, CHAT_HISTORY_AFTER, 20, 50));
    assert_false(covers(f, CHAT_HISTORY_AFTER, 19, 50));
}

static void my_own_message_is_no_hole(void **state)
{
    fixture *f = *state;
    chat_frame frame = sent("c", 21);
    chat__cache_begin_connection(f->cache);
    put_records(f, 10, 20);
    put_message(f, "c", "mine");
    assert_int_equal(chat__cache_sent(f->cache, &frame), CHAT_OK);
    put_records(f, 22, 22); /* behind 21, which the stream did not bring */
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 13));
}

static void the_last_edit_counts_and_after_a_deletion_nothing(void **state)
{
    fixture *f = *state;
    chat_frame row;
    chat_frame edit = note_on(2, 4, "edit");
    chat_frame deletion = note_on(2, 5, "delete");
    chat_frame late = message_of("bob", 2, 1);
    put_records(f, 1, 3);
    assert_int_equal(chat__cache_put_record(f->cache, &edit), CHAT_OK);
    assert_int_equal(row_below(f, 3, &row), 2);
    assert_true(chat__view_equal(row.body, chat__view_str("changed")));
    assert_int_equal(row.edited, 4);
    /* A row that the server read before the edit changes nothing. */
    assert_int_equal(chat__cache_put_row(f->cache, &late), CHAT_OK);
    assert_int_equal(row_below(f, 3, &row), 2);
    assert_true(chat__view_equal(row.body, chat__view_str("changed")));
    assert_int_equal(chat__cache_put_record(f->cache, &deletion), CHAT_OK);
    assert_int_equal(row_below(f, 5, &row), 4);
    assert_false(CHAT_FRAME_HAS(&row, BODY)); /* nor does the note tell what it said */
    edit.seq = edit.ts = 6;
    assert_int_equal(chat__cache_put_record(f->cache, &edit), CHAT_OK);
    assert_int_equal(chat__cache_put_row(f->cache, &late), CHAT_OK);
    assert_int_equal(row_below(f, 3, &row), 2);
    assert_int_equal(row.body.len, 0);
    assert_int_equal(row.deleted, 1);
}

static void pure_unread(void **state)
{
    fixture *f = *state;
    chat_frame own = message_of("alice", 6, 5);
    chat_frame deletion = note_on(4, 8, "delete");
    put_records(f, 1, 5);
    assert_int_equal(unread(f), 5);
    assert_int_equal(chat__cache_put_record(f->cache, &own), CHAT_OK);
    assert_int_equal(unread(f), 5);
    assert_int_equal(chat__cache_put_read(f->cache, chat__view_str("room"), 2), CHAT_OK);
    assert_int_equal(unread(f), 3);
    assert_int_equal(chat__cache_put_read(f->cache, chat__view_str("room"), 1), CHAT_OK);
    put_records(f, 7, 7);
    put_records(f, 5, 5); /* the server repeats it */
    assert_int_equal(unread(f), 4);
    assert_int_equal(chat__cache_put_record(f->cache, &deletion), CHAT_OK);
    assert_int_equal(unread(f), 3);
    reopen(f);
    assert_int_equal(unread(f), 3);
}

/* Records behind the marker are missing: what the server said of it counts, and what came since. */
static void unread_without_all_records(void **state)
{
    fixture *f = *state;
    chat_frame row;
    put_records(f, 50, 52);
    assert_int_equal(unread(f), 1000);
    chat_frame_init(&row, CHAT_FRAME_CHAT);
    CHAT_FRAME_SET(&row, CHAT, chat, chat__view_str("room"));
    CHAT_FRAME_SET(&row, LAST_SEQ, last_seq, 51);
    CHAT_FRAME_SET(&row, READ_SEQ, read_seq, 10);
    CHAT_FRAME_SET(&row, UNREAD, unread, 40);
    assert_int_equal(chat__cache_put_chat(f->cache, &row), CHAT_OK);
    assert_int_equal(unread(f), 41);
    assert_int_equal(chat__cache_put_read(f->cache, chat__view_str("room"), 20), CHAT_OK);
    assert_int_equal(unread(f), 1000);
    assert_int_equal(chat__cache_put_read(f->cache, chat__view_str("room"), 51), CHAT_OK);
    assert_int_equal(unread(f), 1);
}

static void chats_that_are_left_are_not_listed(void **state)
{
    fixture *f = *state;
    chat_view me = chat__view_str("alice");
    chat_frame chat;
    chat_frame change = message_of("bob", 2, 1);
    chat__cache_place place = {0, 0};
    put_records(f, 1, 1);
    change.type = CHAT_FRAME_CHANGE;
    CHAT_FRAME_SET(&change, WHAT, what, chat__view_str("title"));
    CHAT_FRAME_SET(&change, TITLE, title, chat__view_str("The room"));
    assert_int_equal(chat__cache_put_record(f->cache, &change), CHAT_OK);
    assert_int_equal(chat__cache_put_until(f->cache, chat__view_str("room"), 99), CHAT_OK);
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_OK);
    assert_true(chat__view_equal(chat.title, chat__view_str("The room")));
    assert_int_equal(chat.last_seq, 2);
    assert_int_equal(chat.until, 99);
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_EMPTY);
    change.seq = 3;
    change.what = chat__view_str("remove");
    change.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_TITLE);
    CHAT_FRAME_SET(&change, USERS, users, ((chat_view_list){&me, 1}));
    assert_int_equal(chat__cache_put_record(f->cache, &change), CHAT_OK);
    place.n = 0;
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_EMPTY);
}

static void a_chat_that_the_server_does_not_list_is_gone(void **state)
{
    fixture *f = *state;
    chat_frame row;
    chat_frame chat;
    chat__cache_place place = {0, 0};
    put_records(f, 1, 1);
    chat_frame_init(&row, CHAT_FRAME_CHAT);
    CHAT_FRAME_SET(&row, CHAT, chat, chat__view_str("other"));
    CHAT_FRAME_SET(&row, LAST_SEQ, last_seq, 5);
    assert_int_equal(chat__cache_put_chat(f->cache, &row), CHAT_OK);
    assert_int_equal(chat__cache_end_chats(f->cache), CHAT_OK);
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_OK);
    assert_true(chat__view_equal(chat.chat, chat__view_str("other")));
    assert_int_equal(chat__cache_next_chat(f->cache, &place, &chat), CHAT_EMPTY);
}

/* Many chats, some with the same newest number: each once, in order, with what is behind the last
   one found by an index and not by counting. */
static void chats_are_listed_newest_first_and_once(void **state)
{
    fixture *f = *state;
    chat__cache_place place = {0, 0};
    chat_frame row;
    uint64_t last_seq = UINT64_MAX;
    unsigned n_rows = 0;
    for (unsigned i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        chat_frame_init(&row, CHAT_FRAME_CHAT);
        CHAT_FRAME_SET(&row, CHAT, chat, chat__view_str(name));
        CHAT_FRAME_SET(&row, LAST_SEQ, last_seq, i * 7 % 100);
        assert_int_equal(chat__cache_put_chat(f->cache, &row), CHAT_OK);
    }
    for (; chat__cache_next_chat(f->cache, &place, &row) == CHAT_OK; n_rows++) {
        assert_true(row.last_seq <= last_seq);
        last_seq = row.last_seq;
    }
    assert_int_equal(n_rows, 500);
}

/* --- limits --- */

static unsigned count_rows(fixture *f, const char *chat)
{
    chat__cache_query query = {chat__view_str(chat), CHAT_HISTORY_BEFORE, 1, INT64_MAX};
    chat_frame row;
    unsigned count = 0;
    while (chat__cache_next_row(f->cache, &query, &row) == CHAT_OK) {
        query.seq = row.seq;
        count++;
    }
    return count;
}

static void a_chat_keeps_its_newest_records(void **state)
{
    fixture *f = *state;
    f->max_chat_records = 80;
    reopen(f);
    chat__cache_begin_connection(f->cache);
    put_records(f, 1, 1000);
    assert_in_range(count_rows(f, "room"), 80, 91);
    assert_true(covers(f, CHAT_HISTORY_NEWEST, 0, 80));
    assert_false(covers(f, CHAT_HISTORY_NEWEST, 0, 100));
}

static void all_chats_together_are_bounded(void **state)
{
    fixture *f = *state;
    unsigned count = 0;
    char name[16];
    f->max_records = 160;
    reopen(f);
    for (uint64_t i = 0; i < 1000; i++) {
        chat_frame record = message_of("bob", i / 10 + 1, i / 10);
        snprintf(name, sizeof name, "c%u", (unsigned)(i % 10));
        record.chat = chat__view_str(name);
        record.id = i + 1;
        assert_int_equal(chat__cache_put_record(f->cache, &record), CHAT_OK);
    }
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "c%u", i);
        assert_true(count_rows(f, name) >= 1);
        count += count_rows(f, name);
    }
    assert_in_range(count, 160, 181);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_covered_when_nothing_is_missing),
        TEST(over_a_new_connection_the_newest_is_not_known),
        TEST(pages_of_the_server_close_holes),
        TEST(a_page_of_the_newest_begins_what_is_known),
        TEST(my_own_message_is_no_hole),
        TEST(the_last_edit_counts_and_after_a_deletion_nothing),
        TEST(pure_unread),
        TEST(unread_without_all_records),
        TEST(chats_that_are_left_are_not_listed),
        TEST(a_chat_that_the_server_does_not_list_is_gone),
        TEST(chats_are_listed_newest_first_and_once),
        TEST(a_chat_keeps_its_newest_records),
        TEST(all_chats_together_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
