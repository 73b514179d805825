/* SPDX-License-Identifier: MIT */
/* A message as it is now: from memory, from SQLite, after a crash. */
#include "notes_helper.h"

#include <stdio.h>
#include <string.h>

static void add_row(void *ctx, const chat__store_row *row)
{
    fixture *f = ctx;
    chat_decoder *decoder;
    chat_frame frame;
    size_t used = strlen(f->text);
    assert_int_equal(chat_decoder_new(NULL, 4096, &decoder), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, row->payload, &frame), CHAT_OK);
    chat_view text = frame.type == CHAT_FRAME_MSG ? frame.body : frame.reaction;
    if (frame.type == CHAT_FRAME_MSG || CHAT_FRAME_HAS(&frame, REACTION))
        snprintf(f->text + used, sizeof f->text - used, "%d %.*s%s%s, ", (int)row->seq,
                 (int)text.len, (const char *)text.data,
                 CHAT_FRAME_HAS(&frame, EDITED) ? " edited" : "",
                 CHAT_FRAME_HAS(&frame, DELETED) ? " deleted" : "");
    chat_decoder_free(decoder);
}

/* Messages of the chat as they are now. */
static const char *messages(fixture *f)
{
    chat__store_query query = {
        .chat = chat__view_str(DIRECT), .after = UINT64_MAX, .before = 25, .limit = 10};
    f->text[0] = 0;
    assert_int_equal(chat__store_read(f->store, &query, add_row, f), CHAT_OK);
    return f->text;
}

static const char *reactions(fixture *f, uint64_t id)
{
    f->text[0] = 0;
    assert_int_equal(chat__store_read_reactions(f->store, chat__view_str(DIRECT),
                                                chat__view_str("bob"), id, add_row, f),
                     CHAT_OK);
    return f->text;
}

/* The same in memory, in SQLite, after a crash, and made anew from the log. */
static void check_everywhere(fixture *f, const char *expected, const char *thought)
{
    assert_string_equal(messages(f), expected);
    assert_string_equal(reactions(f, 10), thought);
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_string_equal(messages(f), expected);
    assert_string_equal(reactions(f, 10), thought);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_string_equal(messages(f), expected);
    reopen(f);
    assert_string_equal(messages(f), expected);
    assert_string_equal(reactions(f, 10), thought);
}

static void the_last_edit_counts(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    put_message(f, 20, "two");
    put_note(f, "edit", 10, "alice", "ONE", 30);
    check_everywhere(f, "20 two, 10 ONE edited, ", "");
    put_note(f, "edit", 10, "alice", "1", 40);
    check_everywhere(f, "20 two, 10 1 edited, ", "");
}

static void a_deletion_counts_whatever_comes_behind(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    put_message(f, 20, "two");
    put_note(f, "react", 10, "bob", "+", 30);
    put_note(f, "delete", 10, "alice", "", 40);
    put_note(f, "edit", 10, "alice", "ONE", 50);
    check_everywhere(f, "20 two, 10  deleted, ", "");
}

/* The bodies of edits, as they are read: "-" for none. */
static void add_edit(void *ctx, const chat__store_row *row)
{
    fixture *f = ctx;
    chat_decoder *decoder;
    chat_frame frame;
    size_t used = strlen(f->text);
    assert_int_equal(chat_decoder_new(NULL, 4096, &decoder), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, row->payload, &frame), CHAT_OK);
    if (frame.type == CHAT_FRAME_NOTE && chat__view_equal(frame.what, chat__view_str("edit")))
        snprintf(f->text + used, sizeof f->text - used, "%.*s, ",
                 CHAT_FRAME_HAS(&frame, BODY) ? (int)frame.body.len : 1,
                 CHAT_FRAME_HAS(&frame, BODY) ? (const char *)frame.body.data : "-");
    chat_decoder_free(decoder);
}

static const char *edits(fixture *f, uint64_t after)
{
    chat__store_query query = {
        .chat = chat__view_str(DIRECT), .after = after, .before = 1000, .limit = 10};
    f->text[0] = 0;
    assert_int_equal(chat__store_read(f->store, &query, add_edit, f), CHAT_OK);
    return f->text;
}

static void what_edits_said_goes_with_the_message(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    put_message(f, 20, "two");
    put_note(f, "edit", 10, "alice", "1", 30);
    put_note(f, "edit", 20, "alice", "2", 40);
    put_note(f, "edit", 10, "alice", "ONE", 50);
    assert_string_equal(edits(f, 1), "1, 2, ONE, ");
    put_note(f, "delete", 10, "alice", "", 60);
    for (int round = 0; round < 3; round++) {
        assert_string_equal(edits(f, 1), "-, 2, -, ");
        assert_string_equal(edits(f, UINT64_MAX), "-, 2, -, ");
        if (round == 0)
            assert_int_equal(chat__store_flush(f->store), CHAT_OK);
        else
            reopen(f);
    }
}

static void each_user_has_one_reaction(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    put_note(f, "react", 10, "bob", "+", 30);
    put_note(f, "react", 10, "alice", "!", 40);
    put_note(f, "react", 10, "bob", "-", 50);
    assert_non_null(strstr(reactions(f, 10), "50 -, "));
    assert_non_null(strstr(reactions(f, 10), "40 !, "));
    assert_null(strstr(reactions(f, 10), "+"));
    put_note(f, "react", 10, "alice", "", 60);
    check_everywhere(f, "10 one, ", "50 -, ");
}

static void what_nobody_may_read_has_no_reactions(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    f->text[0] = 0;
    assert_int_equal(chat__store_read_reactions(f->store, chat__view_str(DIRECT),
                                                chat__view_str("bob"), 11, add_row, f),
                     CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat__store_read_reactions(f->store, chat__view_str("team"),
                                                chat__view_str("bob"), 10, add_row, f),
                     CHAT_ERR_NOT_FOUND);
}

static void a_note_of_a_newer_version_changes_nothing(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "one");
    put_note(f, "pin", 10, "alice", "", 30);
    check_everywhere(f, "10 one, ", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(the_last_edit_counts),
        FAULTY_TEST(a_deletion_counts_whatever_comes_behind),
        FAULTY_TEST(what_edits_said_goes_with_the_message),
        FAULTY_TEST(each_user_has_one_reaction),
        FAULTY_TEST(what_nobody_may_read_has_no_reactions),
        FAULTY_TEST(a_note_of_a_newer_version_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
