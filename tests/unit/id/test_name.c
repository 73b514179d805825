/* SPDX-License-Identifier: MIT */
#include <chat/id.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>

/* "x" repeated. */
static chat_view repeat(char *room, size_t n)
{
    memset(room, 'x', n);
    return chat__view(room, n);
}

static void an_id_has_1_to_64_bytes_of_clean_utf8(void **state)
{
    static const char *const GOOD[] = {
        "a", "alice", "a b", "dm", "a:b:c", "\xc3\xa9", "\xc2\xa0", "\xf0\x9f\x98\x80", "~", " "};
    static const char *const BAD[] = {
        "\x1f", "a\n",  "\x7f",          "\xc2\x80", "\xc2\x9f",
        "\xff", "\xc3", "a\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"};
    char room[128];
    (void)state;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        assert_true(chat_id_is_valid(chat__view_str(GOOD[i])));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(chat_id_is_valid(chat__view_str(BAD[i])));
    assert_true(chat_id_is_valid(repeat(room, 64)));
    assert_false(chat_id_is_valid(repeat(room, 65)));
    assert_false(chat_id_is_valid(chat__view("", 0)));
    assert_false(chat_id_is_valid(chat__view(NULL, 0)));
    assert_false(chat_id_is_valid(chat__view(NULL, 3)));
    assert_false(chat_id_is_valid(chat__view("a\0b", 3)));
}

static void a_group_is_not_named_like_a_direct_chat(void **state)
{
    (void)state;
    assert_true(chat_group_id_is_valid(chat__view_str("lobby")));
    assert_true(chat_group_id_is_valid(chat__view_str("dm")));
    assert_true(chat_group_id_is_valid(chat__view_str("dmx:1")));
    assert_true(chat_group_id_is_valid(chat__view_str("DM:5:alice:bob")));
    assert_false(chat_group_id_is_valid(chat__view_str("dm:")));
    assert_false(chat_group_id_is_valid(chat__view_str("dm:5:alice:bob")));
    assert_false(chat_group_id_is_valid(chat__view_str("")));
    assert_false(chat_group_id_is_valid(chat__view_str("me:alice")));
    assert_true(chat_group_id_is_valid(chat__view_str("me")));
}

typedef struct name_row {
    const char *a;
    const char *b;
    const char *name;
} name_row;

static const name_row NAMES[] = {
    {"alice", "bob", "dm:5:alice:bob"},
    {"a", "b", "dm:1:a:b"},
    {"a", "aa", "dm:1:a:aa"},
    {"Zoe", "adam", "dm:3:Zoe:adam"},
    {"a:b", "c", "dm:3:a:b:c"},
    {"a", "b:c", "dm:1:a:b:c"},
    {":", "::", "dm:1:::::"},
    {"dm:1:a:b", "x", "dm:8:dm:1:a:b:x"},
    {"1", "10", "dm:1:1:10"},
    {"0123456789", "z", "dm:10:0123456789:z"},
    {"z", "\xc3\xa9", "dm:1:z:\xc3\xa9"},
};

static void names_a_direct_chat_by_its_two_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        chat_view a = chat__view_str(NAMES[i].a);
        chat_view b = chat__view_str(NAMES[i].b);
        chat_direct_name out;
        chat_view members[2];
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(chat_direct_id(turn ? b : a, turn ? a : b, &out), CHAT_OK);
            chat_view name = chat__view(out.bytes, out.len);
            assert_true(chat__view_equal(name, chat__view_str(NAMES[i].name)));
            assert_int_equal(chat_direct_members(name, members), CHAT_OK);
            assert_true(chat__view_equal(members[0], a));
            assert_true(chat__view_equal(members[1], b));
        }
    }
}

static void the_longest_name_fits(void **state)
{
    char a[64];
    char b[64];
    chat_direct_name out;
    chat_view members[2];
    (void)state;
    chat_view larger = repeat(b, 64);
    chat_view smaller = repeat(a, 64);
    a[0] = 'a';
    assert_int_equal(chat_direct_id(larger, smaller, &out), CHAT_OK);
    assert_int_equal(out.len, CHAT_CHAT_ID_MAX_BYTES);
    assert_int_equal(chat_direct_members(chat__view(out.bytes, out.len), members), CHAT_OK);
    assert_true(chat__view_equal(members[0], smaller));
    assert_true(chat__view_equal(members[1], larger));
}

static void names_nothing_for_bad_or_equal_members(void **state)
{
    static const char *const BAD[][2] = {
        {"alice", "alice"}, {"", "bob"}, {"bob", ""}, {"a\n", "b"}, {"a", "\xff"},
    };
    char room[65];
    chat_direct_name out = {.len = 77};
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        chat_view a = chat__view_str(BAD[i][0]);
        chat_view b = chat__view_str(BAD[i][1]);
        assert_int_equal(chat_direct_id(a, b, &out), CHAT_ERR_ARG);
    }
    assert_int_equal(chat_direct_id(repeat(room, 65), chat__view_str("b"), &out), CHAT_ERR_ARG);
    assert_int_equal(chat_direct_id(chat__view_str("b"), repeat(room, 65), &out), CHAT_ERR_ARG);
    assert_int_equal(out.len, 77);
}

static const char *const HOSTILE[] = {
    "dm:",
    "dm::",
    "dm:5",
    "dm:5:",
    "dm:5:alice",
    "dm:5:alice:",
    "dm:05:alice:bob",
    "dm:+5:alice:bob",
    "dm: 5:alice:bob",
    "dm:-5:alice:bob",
    "dm:0::bob",
    "dm:0:a:b",
    "dm:4:alice:bob",
    "dm:6:alice:bob",
    "dm:9:alice:bob",
    "dm:8:alice:bob",
    "dm:7:alice:bob",
    "dm:3:bob:alice",
    "dm:5:alice:alice",
    "dm:3:bob:bo",
    "dm:65:alice:bob",
    "dm:99:a:b",
    "dm:18446744073709551621:alice:bob",
    "dm:4294967301:alice:bob",
    "dm:5x:alice:bob",
    "dm:0x5:alice:bob",
    "dm:1:a;b",
    "dm:1:a:\n",
    "dm:1:\x01:b",
    "dm:1:\xc3:\xa9",
    "dm:2:\xc3\xa9:\xff",
    "dm:1:\xc3\xa9:z",
    "dm:64:a:b",
    "dm:1:a",
    "dm:1:a:",
    "dm:1::a",
};

static void what_is_not_the_one_form_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof HOSTILE[0]; i++) {
        chat_view members[2] = {{NULL, 1}, {NULL, 2}};
        if (chat_direct_members(chat__view_str(HOSTILE[i]), members) != CHAT_ERR_ARG)
            fail_msg("accepted: %s", HOSTILE[i]);
        assert_true(members[0].len == 1 && members[1].len == 2);
    }
}

static void a_member_above_64_bytes_is_refused(void **state)
{
    char name[256];
    char room[128];
    chat_view members[2];
    (void)state;
    for (size_t n = 60; n <= 70; n++) {
        repeat(room, n);
        int len = snprintf(name, sizeof name, "dm:1:a:%.*s", (int)n, room);
        chat_status want = n <= 64 ? CHAT_OK : CHAT_ERR_ARG;
        assert_int_equal(chat_direct_members(chat__view(name, (size_t)len), members), want);
        room[0] = 'a';
        len = snprintf(name, sizeof name, "dm:%zu:%.*s:z", n, (int)n, room);
        assert_int_equal(chat_direct_members(chat__view(name, (size_t)len), members), want);
    }
}

static void what_does_not_start_with_dm_is_no_direct_chat(void **state)
{
    static const char *const OTHER[] = {"", "d", "dm", "lobby", "Dm:5:alice:bob", " dm:5:a:b"};
    chat_view members[2];
    (void)state;
    for (size_t i = 0; i < sizeof OTHER / sizeof OTHER[0]; i++)
        assert_int_equal(chat_direct_members(chat__view_str(OTHER[i]), members), CHAT_EMPTY);
    assert_int_equal(chat_direct_members(chat__view(NULL, 0), members), CHAT_EMPTY);
}

/* Every name with one byte changed is refused, or is itself what its members are named. */
static void no_second_name_for_the_same_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        size_t len = strlen(NAMES[i].name);
        for (size_t at = 3; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char name[64];
                chat_view members[2];
                chat_direct_name again;
                memcpy(name, NAMES[i].name, len);
                name[at] = (char)byte;
                chat_view view = chat__view(name, len);
                if (chat_direct_members(view, members) != CHAT_OK)
                    continue;
                assert_int_equal(chat_direct_id(members[0], members[1], &again), CHAT_OK);
                assert_true(chat__view_equal(chat__view(again.bytes, again.len), view));
            }
        }
    }
}

static void a_self_stream_names_its_user(void **state)
{
    chat_direct_name name;
    chat_view user;
    (void)state;
    assert_int_equal(chat_self_id(chat__view_str("alice"), &name), CHAT_OK);
    assert_true(chat__view_equal(chat__view(name.bytes, name.len), chat__view_str("me:alice")));
    assert_int_equal(chat_self_user(chat__view(name.bytes, name.len), &user), CHAT_OK);
    assert_true(chat__view_equal(user, chat__view_str("alice")));
    assert_int_equal(chat_self_user(chat__view_str("lobby"), &user), CHAT_EMPTY);
    assert_int_equal(chat_self_user(chat__view_str("me:"), &user), CHAT_ERR_ARG);
    assert_int_equal(chat_self_user(chat__view_str("me:a\n"), &user), CHAT_ERR_ARG);
    assert_int_equal(chat_self_id(chat__view_str(""), &name), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_1_to_64_bytes_of_clean_utf8),
        cmocka_unit_test(a_group_is_not_named_like_a_direct_chat),
        cmocka_unit_test(names_a_direct_chat_by_its_two_members),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(names_nothing_for_bad_or_equal_members),
        cmocka_unit_test(what_is_not_the_one_form_is_refused),
        cmocka_unit_test(a_member_above_64_bytes_is_refused),
        cmocka_unit_test(what_does_not_start_with_dm_is_no_direct_chat),
        cmocka_unit_test(no_second_name_for_the_same_members),
        cmocka_unit_test(a_self_stream_names_its_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
