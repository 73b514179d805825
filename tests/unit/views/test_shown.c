/* SPDX-License-Identifier: MIT */
/* A message as it is now. */
#include "views/shown.h"
#include "unit.h"

#include "base/view.h"

#include <stdlib.h>
#include <string.h>

static chat_decoder *decoder_;
static chat__buf buf_;

static int set_up(void **state)
{
    (void)state;
    chat__buf_init(&buf_, NULL, SIZE_MAX / 2);
    return chat_decoder_new(NULL, CHAT__SHOWN_DECODER_MAX, &decoder_) == CHAT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    chat_decoder_free(decoder_);
    chat__buf_done(&buf_);
    return 0;
}

static void init(chat_frame *frame, chat_frame_type type)
{
    chat_frame_init(frame, type);
    CHAT_FRAME_SET(frame, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(frame, FROM, from, chat__view_str("alice"));
    CHAT_FRAME_SET(frame, ID, id, 5);
    CHAT_FRAME_SET(frame, TS, ts, 50);
}

static chat_view encoded(const chat_frame *frame, uint8_t bytes[512])
{
    size_t len = 0;
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, 512, &len), CHAT_OK);
    return chat__view(bytes, len);
}

static chat_view message(uint8_t bytes[512])
{
    chat_frame frame;
    init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("first"));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str("c1"));
    return encoded(&frame, bytes);
}

static chat_view edit(uint8_t bytes[512], const char *body)
{
    chat_frame frame;
    init(&frame, CHAT_FRAME_NOTE);
    frame.ts = 70;
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str("edit"));
    CHAT_FRAME_SET(&frame, RE, re, 5);
    CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, 6);
    if (body != NULL)
        CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    return encoded(&frame, bytes);
}

static void decode(chat_view payload, chat_frame *out)
{
    assert_int_equal(chat_frame_decode(decoder_, CHAT_ENCODING_CBOR, payload, out), CHAT_OK);
}

static void an_edited_message_has_what_was_written_last(void **state)
{
    uint8_t raw[512], raw_edit[512];
    chat_frame frame;
    chat_view payload = message(raw);
    chat_view by = edit(raw_edit, "a longer text than the first");
    (void)state;
    assert_int_equal(chat__shown_message(decoder_, &buf_, &by, 0, &payload), CHAT_OK);
    decode(payload, &frame);
    assert_true(chat__view_equal(frame.body, chat__view_str("a longer text than the first")));
    assert_true(chat__view_equal(frame.cid, chat__view_str("c1")));
    assert_int_equal(frame.ts, 50);
    assert_int_equal(frame.edited, 70);
    assert_false(CHAT_FRAME_HAS(&frame, DELETED));
}

static void a_deleted_message_has_no_content(void **state)
{
    uint8_t raw[512], raw_edit[512];
    chat_frame frame;
    chat_view payload = message(raw);
    chat_view by = edit(raw_edit, "again");
    (void)state;
    assert_int_equal(chat__shown_message(decoder_, &buf_, &by, 1, &payload), CHAT_OK);
    decode(payload, &frame);
    assert_int_equal(frame.body.len, 0);
    assert_int_equal(frame.deleted, 1);
    assert_false(CHAT_FRAME_HAS(&frame, EDITED));
    assert_true(chat__view_equal(frame.from, chat__view_str("alice")));
}

static void what_cannot_be_read_stays(void **state)
{
    uint8_t raw[512], raw_edit[512];
    chat_view whole = message(raw);
    chat_view bad = chat__view_str("no frame");
    chat_view by = edit(raw_edit, "again");
    chat_view payload = whole;
    (void)state;
    assert_int_equal(chat__shown_message(decoder_, &buf_, NULL, 0, &payload), CHAT_OK);
    assert_ptr_equal(payload.data, whole.data);
    assert_int_equal(chat__shown_message(decoder_, &buf_, &bad, 0, &payload), CHAT_OK);
    assert_ptr_equal(payload.data, whole.data);
    payload = bad;
    assert_int_equal(chat__shown_message(decoder_, &buf_, &by, 1, &payload), CHAT_OK);
    assert_int_equal(chat__shown_empty_edit(decoder_, &buf_, &payload), CHAT_OK);
    assert_ptr_equal(payload.data, bad.data);
}

static void an_edit_of_a_deleted_message_says_nothing(void **state)
{
    uint8_t raw[512], raw_edit[512];
    chat_frame frame;
    uint64_t re_seq = 0;
    chat_view payload = edit(raw_edit, "again");
    (void)state;
    assert_true(chat__shown_is_edit(decoder_, payload, &re_seq));
    assert_int_equal(re_seq, 6);
    assert_int_equal(chat__shown_empty_edit(decoder_, &buf_, &payload), CHAT_OK);
    assert_false(chat__shown_is_edit(decoder_, payload, &re_seq));
    decode(payload, &frame);
    assert_false(CHAT_FRAME_HAS(&frame, BODY));
    assert_int_equal(frame.re_seq, 6);
    assert_false(chat__shown_is_edit(decoder_, edit(raw, NULL), &re_seq));
}

static void unread_is_what_others_said_and_did_not_delete(void **state)
{
    uint8_t raw[512], raw_edit[512];
    chat_view alice = chat__view_str("alice"), bob = chat__view_str("bob");
    chat_view payload = message(raw);
    (void)state;
    assert_true(chat__shown_is_unread(decoder_, CHAT_FRAME_MSG, payload, bob));
    assert_false(chat__shown_is_unread(decoder_, CHAT_FRAME_MSG, payload, alice));
    assert_false(chat__shown_is_unread(decoder_, CHAT_FRAME_NOTE, edit(raw_edit, "x"), bob));
    assert_false(chat__shown_is_unread(decoder_, CHAT_FRAME_MSG, edit(raw_edit, "x"), bob));
    assert_false(chat__shown_is_unread(decoder_, CHAT_FRAME_MSG, chat__view_str("no frame"), bob));
    assert_int_equal(chat__shown_message(decoder_, &buf_, NULL, 1, &payload), CHAT_OK);
    assert_false(chat__shown_is_unread(decoder_, CHAT_FRAME_MSG, payload, bob));
}

static void the_newest_reaction_of_a_user_counts(void **state)
{
    chat__reactions all = {calloc(CHAT__REACTIONS_MAX, sizeof *all.items), 0, 0};
    chat_view alice = chat__view_str("alice"), bob = chat__view_str("bob");
    (void)state;
    chat__reactions_take(&all, CHAT__NOTE_REACT, alice, 20);
    chat__reactions_take(&all, CHAT__NOTE_REACT, alice, 10);
    chat__reactions_take(&all, CHAT__NOTE_EDIT, alice, 15);
    chat__reactions_take(&all, CHAT__NOTE_UNREACT, bob, 30);
    chat__reactions_take(&all, CHAT__NOTE_REACT, bob, 25);
    chat__reactions_take(&all, CHAT__NOTE_REACT, chat__view(NULL, 0), 40);
    assert_int_equal(all.n_items, 2);
    assert_int_equal(all.items[0].seq, 20);
    assert_true(chat__reactions_count(&all, &all.items[0]));
    assert_false(chat__reactions_count(&all, &all.items[1]));
    chat__reactions_take(&all, CHAT__NOTE_REACT, bob, 31);
    assert_true(chat__reactions_count(&all, &all.items[1]));
    chat__reactions_take(&all, CHAT__NOTE_DELETE, alice, 50);
    assert_false(chat__reactions_count(&all, &all.items[0]));
    for (uint32_t i = 0; i < CHAT__REACTIONS_MAX + 5; i++)
        chat__reactions_take(&all, CHAT__NOTE_REACT, chat__view(&i, sizeof i), 60);
    assert_int_equal(all.n_items, CHAT__REACTIONS_MAX);
    free(all.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edited_message_has_what_was_written_last),
        cmocka_unit_test(a_deleted_message_has_no_content),
        cmocka_unit_test(what_cannot_be_read_stays),
        cmocka_unit_test(an_edit_of_a_deleted_message_says_nothing),
        cmocka_unit_test(unread_is_what_others_said_and_did_not_delete),
        cmocka_unit_test(the_newest_reaction_of_a_user_counts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
