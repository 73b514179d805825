/* SPDX-License-Identifier: MIT */
/* What records say. */
#include "views/facts.h"
#include "unit.h"

#include "base/view.h"
#include "views/members.h"

#include <chat/id.h>

#include <stdio.h>
#include <string.h>

#define ID ((uint64_t)1000 << 22)

static uint8_t bytes_[4096];
static chat_decoder *decoder_;
static char text_[512];

static int set_up(void **state)
{
    (void)state;
    return chat_decoder_new(NULL, sizeof bytes_, &decoder_) == CHAT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    chat_decoder_free(decoder_);
    return 0;
}

static chat_status read_bytes(uint32_t kind, const char *chat, int is_first, chat_view payload,
                              chat__facts *out)
{
    chat__facts_record record = {kind, is_first, ID, chat__view_str(chat)};
    return chat__facts_read(decoder_, &record, payload, out);
}

static chat_status read_frame(const chat_frame *frame, const char *chat, int is_first,
                              chat__facts *out)
{
    size_t len = 0;
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes_, sizeof bytes_, &len),
                     CHAT_OK);
    return read_bytes(frame->type, chat, is_first, chat__view(bytes_, len), out);
}

static const char *users_text(const chat__facts *facts)
{
    text_[0] = 0;
    for (size_t i = 0; i < facts->n_users; i++) {
        size_t len = strlen(text_);
        snprintf(text_ + len, sizeof text_ - len, "%s%.*s:%u", i > 0 ? " " : "",
                 (int)facts->users[i].len, (const char *)facts->users[i].data, facts->values[i]);
    }
    return text_;
}

static void init(chat_frame *frame, chat_frame_type type, const char *chat)
{
    chat_frame_init(frame, type);
    CHAT_FRAME_SET(frame, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(frame, FROM, from, chat__view_str("alice"));
    CHAT_FRAME_SET(frame, ID, id, ID);
    CHAT_FRAME_SET(frame, TS, ts, 77);
}

static void a_group_has_members_and_an_owner(void **state)
{
    chat_frame frame;
    chat__facts facts;
    chat_view users[] = {chat__view_str("bob"), chat__view_str("alice"), chat__view_str("bob")};
    chat_view_list list = {users, 3};
    (void)state;
    init(&frame, CHAT_FRAME_CHAT, "g");
    CHAT_FRAME_SET(&frame, USERS, users, list);
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str("Group"));
    CHAT_FRAME_SET(&frame, OPEN, open, 1);
    assert_int_equal(read_frame(&frame, "g", 1, &facts), CHAT_OK);
    assert_string_equal(users_text(&facts), "bob:9 alice:11");
    assert_int_equal(facts.what, CHAT__FACT_GROUP);
    assert_true(chat__view_equal(facts.title, chat__view_str("Group")));
    assert_int_equal(facts.is_open, 1);
    assert_int_equal(facts.created_ms, chat_snowflake_decode(ID).unix_ms);
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_OK);
    assert_string_equal(users_text(&facts), "bob:1 alice:3");
}

static const char *change_text(const char *what, const char *role, const char *heir)
{
    chat_frame frame;
    chat__facts facts;
    chat_view bob = chat__view_str("bob");
    chat_view_list list = {&bob, 1};
    init(&frame, CHAT_FRAME_CHANGE, "g");
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, USERS, users, list);
    if (role != NULL)
        CHAT_FRAME_SET(&frame, ROLE, role, chat__view_str(role));
    if (heir != NULL)
        CHAT_FRAME_SET(&frame, USER, user, chat__view_str(heir));
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_OK);
    assert_int_equal(facts.what, CHAT__FACT_NONE);
    return users_text(&facts);
}

static void changes_say_who_is_what(void **state)
{
    (void)state;
    assert_string_equal(change_text("join", NULL, NULL), "bob:1");
    assert_string_equal(change_text("join", "owner", NULL), "bob:3");
    assert_string_equal(change_text("add", NULL, NULL), "bob:1");
    assert_string_equal(change_text("role", "admin", NULL), "bob:2");
    assert_string_equal(change_text("role", "member", NULL), "bob:1");
    assert_string_equal(change_text("remove", NULL, NULL), "bob:0");
    assert_string_equal(change_text("leave", NULL, NULL), "bob:0");
    assert_string_equal(change_text("leave", "owner", "carol"), "bob:0 carol:3");
    assert_string_equal(change_text("promote", "owner", "carol"), ""); /* of a newer version */
}

static void a_change_of_title_is_nothing_else(void **state)
{
    chat_frame frame;
    chat__facts facts;
    (void)state;
    init(&frame, CHAT_FRAME_CHANGE, "g");
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str("title"));
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str("New"));
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_OK);
    assert_int_equal(facts.what, CHAT__FACT_TITLE);
    assert_true(chat__view_equal(facts.title, chat__view_str("New")));
    assert_int_equal(facts.n_users, 0);
}

static void who_talks_directly_is_a_member_from_the_first_record_on(void **state)
{
    chat__facts facts;
    chat_view body = chat__view_str("no frame");
    (void)state;
    assert_int_equal(read_bytes(CHAT_FRAME_MSG, "dm:5:alice:bob", 1, body, &facts), CHAT_OK);
    assert_string_equal(users_text(&facts), "alice:9 bob:9");
    assert_int_equal(read_bytes(CHAT_FRAME_MSG, "dm:5:alice:bob", 0, body, &facts), CHAT_OK);
    assert_int_equal(facts.n_users, 0);
    assert_int_equal(read_bytes(CHAT_FRAME_MSG, "g", 1, body, &facts), CHAT_OK);
    assert_int_equal(facts.n_users, 0);
    assert_int_equal(read_bytes(12345, "dm:5:alice:bob", 1, body, &facts), CHAT_OK);
    assert_string_equal(users_text(&facts), "alice:9 bob:9");
    assert_int_equal(read_bytes(CHAT_FRAME_NOTE, "dm:5:alice:bob", 1, body, &facts), CHAT_ERR_ARG);
    assert_string_equal(users_text(&facts), "alice:9 bob:9");
    assert_int_equal(read_bytes(CHAT_FRAME_CHAT, "dm:5:alice:bob", 1, body, &facts), CHAT_ERR_ARG);
    assert_string_equal(users_text(&facts), "alice:9 bob:9");
    assert_int_equal(facts.what, CHAT__FACT_NONE);
}

static void a_self_stream_says_what_its_user_does(void **state)
{
    chat_frame frame;
    chat__facts facts;
    (void)state;
    init(&frame, CHAT_FRAME_MARKER, "me:alice");
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, 5);
    assert_int_equal(read_frame(&frame, "me:alice", 1, &facts), CHAT_OK);
    assert_int_equal(facts.what, CHAT__FACT_READ);
    assert_true(facts.read_seq == 5 && facts.at_ms == 77);
    assert_true(chat__view_equal(facts.user, chat__view_str("alice")));
    assert_true(chat__view_equal(facts.of, chat__view_str("g")));
    assert_string_equal(users_text(&facts), "alice:9");
    frame.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_TS);
    assert_int_equal(read_frame(&frame, "me:alice", 0, &facts), CHAT_OK);
    assert_int_equal(facts.at_ms, chat_snowflake_decode(ID).unix_ms);
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_ERR_ARG);
    frame.read_seq = (uint64_t)INT64_MAX + 1;
    assert_int_equal(read_frame(&frame, "me:alice", 0, &facts), CHAT_ERR_ARG);
    init(&frame, CHAT_FRAME_SETTING, "me:alice");
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, UNTIL, until, 99);
    assert_int_equal(read_frame(&frame, "me:alice", 0, &facts), CHAT_OK);
    assert_true(facts.what == CHAT__FACT_MUTE && facts.until_ms == 99);
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_ERR_ARG);
    init(&frame, CHAT_FRAME_BLOCKED, "me:alice");
    CHAT_FRAME_SET(&frame, USER, user, chat__view_str("bob"));
    CHAT_FRAME_SET(&frame, IS_BLOCKED, blocked, 1);
    assert_int_equal(read_frame(&frame, "me:alice", 0, &facts), CHAT_OK);
    assert_true(facts.what == CHAT__FACT_BLOCK && facts.is_blocked);
    assert_true(chat__view_equal(facts.of, chat__view_str("bob")));
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_ERR_ARG);
}

static void notes_say_what_is_done_to_a_message(void **state)
{
    static const struct {
        const char *what, *reaction;
        chat__note_what note;
    } rows[] = {{"edit", NULL, CHAT__NOTE_EDIT},
                {"delete", NULL, CHAT__NOTE_DELETE},
                {"react", "+1", CHAT__NOTE_REACT},
                {"react", NULL, CHAT__NOTE_UNREACT},
                {"underline", NULL, CHAT__NOTE_NONE}};
    chat_frame frame;
    chat__facts facts;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        init(&frame, CHAT_FRAME_NOTE, "g");
        CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(rows[i].what));
        CHAT_FRAME_SET(&frame, RE, re, 8);
        CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, 9);
        if (rows[i].reaction != NULL)
            CHAT_FRAME_SET(&frame, REACTION, reaction, chat__view_str(rows[i].reaction));
        assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_OK);
        assert_int_equal(facts.note, rows[i].note);
        int is_known = rows[i].note != CHAT__NOTE_NONE;
        assert_int_equal(facts.what, is_known ? CHAT__FACT_NOTE : CHAT__FACT_NONE);
        assert_int_equal(facts.re_seq, is_known ? 9 : 0);
    }
    frame.re_seq = UINT64_MAX;
    assert_int_equal(read_frame(&frame, "g", 0, &facts), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_members_and_an_owner),
        cmocka_unit_test(changes_say_who_is_what),
        cmocka_unit_test(a_change_of_title_is_nothing_else),
        cmocka_unit_test(who_talks_directly_is_a_member_from_the_first_record_on),
        cmocka_unit_test(a_self_stream_says_what_its_user_does),
        cmocka_unit_test(notes_say_what_is_done_to_a_message),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
