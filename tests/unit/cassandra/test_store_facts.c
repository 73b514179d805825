/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/store/facts.h"
#include "base/role.h"
#include "base/view.h"
#include "unit.h"

static chat_decoder *decoder;
static chat__cstore_facts facts;
static uint8_t bytes[1024];

static int set_up(void **state)
{
    (void)state;
    return chat_decoder_new(NULL, 65536, &decoder);
}

static int tear_down(void **state)
{
    (void)state;
    chat_decoder_free(decoder);
    return 0;
}

static chat_store_record record_of(const char *chat, const chat_frame *frame)
{
    size_t len = 0;
    chat_store_record record = {.struct_size = sizeof record, .kind = frame->type};
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.chat = chat__view_str(chat);
    record.payload = chat__view(bytes, len);
    return record;
}

static void read_frame(const char *chat, const chat_frame *frame, int is_first)
{
    chat_store_record record = record_of(chat, frame);
    assert_int_equal(chat__cstore_read_facts(decoder, &record, is_first, &facts), CHAT_OK);
}

/* -1: it makes nothing of the user. */
static int value_of(const char *user)
{
    for (size_t i = 0; i < facts.n_users; i++) {
        if (chat__view_equal(facts.users[i], chat__view_str(user)))
            return facts.values[i];
    }
    return -1;
}

static chat_frame change_of(const char *what, const chat_view *users, size_t n)
{
    chat_frame frame = {.type = CHAT_FRAME_CHANGE};
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, ID, id, 5);
    CHAT_FRAME_SET(&frame, TS, ts, 5);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    frame.users.items = users;
    frame.users.n_items = n;
    if (n > 0)
        frame.has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
    return frame;
}

static void changes_make_members(void **state)
{
    static const struct {
        const char *what, *role, *heir;
        int bob, heirs;
    } ROWS[] = {
        {"join", NULL, NULL, CHAT__ROLE_MEMBER, -1},
        {"join", "owner", NULL, CHAT__ROLE_OWNER, -1},
        {"add", NULL, NULL, CHAT__ROLE_MEMBER, -1},
        {"add", "admin", NULL, CHAT__ROLE_MEMBER, -1},
        {"role", "admin", NULL, CHAT__ROLE_ADMIN, -1},
        {"leave", "owner", "eve", CHAT__ROLE_NONE, CHAT__ROLE_OWNER},
        {"remove", NULL, "eve", CHAT__ROLE_NONE, -1},
        {"newer", NULL, NULL, -1, -1},
    };
    chat_view bob = chat__view_str("bob");
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_frame frame = change_of(ROWS[i].what, &bob, 1);
        if (ROWS[i].role != NULL)
            CHAT_FRAME_SET(&frame, ROLE, role, chat__view_str(ROWS[i].role));
        if (ROWS[i].heir != NULL)
            CHAT_FRAME_SET(&frame, USER, user, chat__view_str(ROWS[i].heir));
        read_frame("g", &frame, 0);
        assert_int_equal(value_of("bob"), ROWS[i].bob);
        assert_int_equal(value_of("eve"), ROWS[i].heirs);
    }
}

static void a_title_is_a_fact_also_when_it_is_empty(void **state)
{
    chat_frame frame = change_of("title", NULL, 0);
    (void)state;
    read_frame("g", &frame, 0);
    assert_int_equal(facts.fact, CHAT__CSTORE_TITLE);
    assert_int_equal(facts.title.len, 0);
    assert_non_null(facts.title.data);
}

/* The first record of a direct chat makes its members, whatever it is. */
static void the_first_record_of_a_direct_chat_makes_its_members(void **state)
{
    chat_frame frame = {.type = CHAT_FRAME_MSG};
    chat_store_record record;
    (void)state;
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("dm:3:ann:bob"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, ID, id, 5);
    CHAT_FRAME_SET(&frame, TS, ts, 5);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("x"));
    read_frame("dm:3:ann:bob", &frame, 1);
    assert_int_equal(value_of("ann"), CHAT__ROLE_MEMBER | CHAT__CSTORE_IN_FIRST);
    assert_int_equal(value_of("bob"), CHAT__ROLE_MEMBER | CHAT__CSTORE_IN_FIRST);
    read_frame("dm:3:ann:bob", &frame, 0);
    assert_int_equal(facts.n_users, 0);
    record = record_of("me:ann", &frame);
    record.payload = chat__view("\xff", 1);
    assert_int_equal(chat__cstore_read_facts(decoder, &record, 1, &facts), CHAT_OK);
    assert_int_equal(facts.n_users, 1);
    assert_int_equal(facts.fact, CHAT__CSTORE_NO_FACT);
}

static void what_one_does_for_oneself_counts_in_the_own_stream_alone(void **state)
{
    chat_frame frame = {.type = CHAT_FRAME_MARKER};
    (void)state;
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, 9);
    read_frame("me:ann", &frame, 0);
    assert_int_equal(facts.fact, CHAT__CSTORE_MARKER);
    assert_int_equal(facts.number, 9);
    assert_true(chat__view_equal(facts.user, chat__view_str("ann")));
    read_frame("g", &frame, 0);
    assert_int_equal(facts.fact, CHAT__CSTORE_NO_FACT);
}

static void a_frame_of_another_type_than_the_record_means_nothing(void **state)
{
    chat_frame frame = {.type = CHAT_FRAME_MARKER};
    (void)state;
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, 9);
    chat_store_record record = record_of("me:ann", &frame);
    record.kind = CHAT_FRAME_SETTING;
    assert_int_equal(chat__cstore_read_facts(decoder, &record, 0, &facts), CHAT_OK);
    assert_int_equal(facts.fact, CHAT__CSTORE_NO_FACT);
}

static void notes_say_what_was_done(void **state)
{
    static const struct {
        const char *what, *reaction;
        chat__cstore_did did;
    } ROWS[] = {{"edit", NULL, CHAT__CSTORE_DID_EDIT},
                {"delete", NULL, CHAT__CSTORE_DID_DELETE},
                {"react", "+1", CHAT__CSTORE_DID_REACT},
                {"react", NULL, CHAT__CSTORE_DID_UNREACT},
                {"pin", NULL, CHAT__CSTORE_DID_NOTHING}};
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_frame frame = change_of(ROWS[i].what, NULL, 0);
        frame.type = CHAT_FRAME_NOTE;
        CHAT_FRAME_SET(&frame, RE, re, 3);
        CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, 4);
        if (ROWS[i].reaction != NULL)
            CHAT_FRAME_SET(&frame, REACTION, reaction, chat__view_str(ROWS[i].reaction));
        read_frame("g", &frame, 0);
        assert_int_equal(facts.did, ROWS[i].did);
        assert_int_equal(facts.fact == CHAT__CSTORE_NOTE, ROWS[i].did != CHAT__CSTORE_DID_NOTHING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_make_members),
        cmocka_unit_test(a_title_is_a_fact_also_when_it_is_empty),
        cmocka_unit_test(the_first_record_of_a_direct_chat_makes_its_members),
        cmocka_unit_test(what_one_does_for_oneself_counts_in_the_own_stream_alone),
        cmocka_unit_test(a_frame_of_another_type_than_the_record_means_nothing),
        cmocka_unit_test(notes_say_what_was_done),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
