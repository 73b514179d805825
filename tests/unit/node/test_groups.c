/* SPDX-License-Identifier: MIT */
/* Changes of a group: who may make them, and who gets what before and behind them. */
#include "harness.h"

static world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "a");
    join(&w, 1, "bob", "b");
    join(&w, 2, "carol", "c");
    say(&w, 0, "{\"t\":\"chat.create\",\"r\":1,\"chat\":\"trip\",\"users\":[\"bob\"]}");
    assert_written(&w, 0, "\"t\":\"result\"");
    w.written[1][0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

/* Ask as connection `i`: type, and the fields behind `r` and `chat`. */
static void ask(int i, const char *type, const char *fields)
{
    char json[512];
    for (int k = 0; k < MAX_CONNS; k++)
        w.written[k][0] = 0;
    snprintf(json, sizeof json, "{\"t\":\"%s\",\"r\":7,\"chat\":\"trip\"%s}", type, fields);
    say(&w, i, json);
}

static void send_text(int i, const char *body)
{
    char json[256];
    for (int k = 0; k < MAX_CONNS; k++)
        w.written[k][0] = 0;
    snprintf(json, sizeof json, "{\"t\":\"send\",\"chat\":\"trip\",\"cid\":\"%s\",\"body\":\"%s\"}",
             body, body);
    say(&w, i, json);
}

static void an_added_member_gets_the_change_first_and_what_comes_next(void **state)
{
    (void)state;
    send_text(0, "early");
    assert_string_equal(w.written[2], "");
    ask(0, "chat.add", ",\"users\":[\"carol\",\"bob\"]");
    assert_written(&w, 0, "\"t\":\"result\"");
    assert_written(&w, 2, "\"t\":\"change\"");
    assert_written(&w, 2, "\"what\":\"add\"");
    assert_written(&w, 2, "\"users\":[\"carol\"]");
    assert_not_written(&w, 2, "early");
    assert_written(&w, 1, "\"what\":\"add\"");
    assert_written(&w, 0, "\"t\":\"change\"");
    send_text(1, "later");
    assert_written(&w, 2, "later");
}

static void a_removed_member_gets_the_change_last(void **state)
{
    (void)state;
    ask(0, "chat.remove", ",\"users\":[\"bob\"]");
    assert_written(&w, 1, "\"what\":\"remove\"");
    send_text(0, "secret");
    assert_string_equal(w.written[1], "");
    send_text(1, "let me in");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
}

/* All of it is asked before anything is durable. */
static void a_message_goes_to_who_is_a_member_at_its_place(void **state)
{
    (void)state;
    w.is_append_held = 1;
    send_text(0, "before");
    ask(0, "chat.remove", ",\"users\":[\"bob\"]");
    say(&w, 0, "{\"t\":\"send\",\"chat\":\"trip\",\"cid\":\"x\",\"body\":\"behind\"}");
    say(&w, 1, "{\"t\":\"send\",\"chat\":\"trip\",\"cid\":\"y\",\"body\":\"late\"}");
    assert_int_equal(w.n_records, 3);
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, 1, "before");
    assert_written(&w, 1, "\"what\":\"remove\"");
    assert_not_written(&w, 1, "behind");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    assert_not_written(&w, 0, "late");
}

static void a_change_that_fails_changes_nothing(void **state)
{
    (void)state;
    w.append_status = CHAT_ERR_FULL;
    ask(0, "chat.remove", ",\"users\":[\"bob\"]");
    assert_written(&w, 0, "\"code\":\"storage_full\"");
    w.append_status = CHAT_OK;
    send_text(0, "still here");
    assert_written(&w, 1, "still here");
}

static void members_may_leave_and_write_and_no_more(void **state)
{
    (void)state;
    ask(1, "chat.add", ",\"users\":[\"carol\"]");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(1, "chat.update", ",\"title\":\"x\"");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(1, "chat.remove", ",\"users\":[\"alice\"]");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(1, "chat.role", ",\"user\":\"bob\",\"role\":\"owner\"");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(2, "chat.join", "");
    assert_written(&w, 2, "\"code\":\"forbidden\"");
    ask(2, "chat.leave", "");
    assert_written(&w, 2, "\"code\":\"forbidden\"");
    ask(1, "chat.leave", "");
    assert_written(&w, 1, "\"t\":\"result\"");
    assert_written(&w, 0, "\"what\":\"leave\"");
}

static void admins_rename_add_and_remove_members_only(void **state)
{
    (void)state;
    ask(0, "chat.role", ",\"user\":\"bob\",\"role\":\"admin\"");
    assert_written(&w, 1, "\"role\":\"admin\"");
    ask(1, "chat.update", ",\"title\":\"Sea\"");
    assert_written(&w, 0, "\"title\":\"Sea\"");
    ask(1, "chat.add", ",\"users\":[\"carol\"]");
    assert_written(&w, 2, "\"what\":\"add\"");
    ask(1, "chat.remove", ",\"users\":[\"alice\"]");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(1, "chat.role", ",\"user\":\"carol\",\"role\":\"admin\"");
    assert_written(&w, 1, "\"code\":\"forbidden\"");
    ask(1, "chat.remove", ",\"users\":[\"carol\"]");
    assert_written(&w, 2, "\"what\":\"remove\"");
}

static void the_oldest_admin_inherits_from_the_last_owner(void **state)
{
    (void)state;
    ask(0, "chat.add", ",\"users\":[\"carol\"]");
    ask(0, "chat.role", ",\"user\":\"carol\",\"role\":\"admin\"");
    ask(0, "chat.role", ",\"user\":\"alice\",\"role\":\"member\"");
    assert_written(&w, 0, "\"code\":\"forbidden\"");
    ask(0, "chat.leave", "");
    assert_written(&w, 2, "\"user\":\"carol\"");
    assert_written(&w, 2, "\"role\":\"owner\"");
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}"); /* the window is small */
    ask(2, "chat.leave", "");
    assert_written(&w, 1, "\"user\":\"bob\"");
    ask(1, "chat.role", ",\"user\":\"bob\",\"role\":\"owner\"");
    assert_written(&w, 1, "\"t\":\"result\"");
}

static void only_an_open_group_is_joined(void **state)
{
    (void)state;
    say(&w, 0, "{\"t\":\"chat.create\",\"r\":1,\"chat\":\"hall\",\"open\":true}");
    w.written[0][0] = 0;
    say(&w, 2, "{\"t\":\"chat.join\",\"r\":2,\"chat\":\"hall\"}");
    assert_written(&w, 2, "\"t\":\"result\"");
    assert_written(&w, 0, "\"what\":\"join\"");
    size_t n = w.n_records;
    say(&w, 2, "{\"t\":\"chat.join\",\"r\":3,\"chat\":\"hall\",\"resend\":true}");
    assert_written(&w, 2, "\"t\":\"result\"");
    assert_int_equal(w.n_records, n);
    say(&w, 2, "{\"t\":\"chat.join\",\"r\":4,\"chat\":\"nowhere\"}");
    assert_written(&w, 2, "\"code\":\"not_found\"");
}

static void a_group_has_a_limit(void **state)
{
    char users[4096];
    size_t len = 0;
    (void)state;
    len += (size_t)snprintf(users, sizeof users, ",\"users\":[\"u0\"");
    for (int i = 1; i < 254; i++)
        len += (size_t)snprintf(users + len, sizeof users - len, ",\"u%d\"", i);
    snprintf(users + len, sizeof users - len, "]");
    char json[4500];
    snprintf(json, sizeof json, "{\"t\":\"chat.add\",\"r\":7,\"chat\":\"trip\"%s}", users);
    for (int i = 0; i < 2; i++) {
        say(&w, 0, json);
        assert_written(&w, 0, "\"t\":\"result\"");
    }
    ask(0, "chat.add", ",\"users\":[\"one-too-many\"]");
    assert_written(&w, 0, "\"code\":\"too_large\"");
}

static void members_are_listed_for_members(void **state)
{
    (void)state;
    w.group = "team";
    say(&w, 1, "{\"t\":\"chat.members\",\"r\":5,\"chat\":\"team\"}");
    assert_written(&w, 1, "{\"t\":\"member\",\"r\":5,\"chat\":\"team\",\"user\":\"alice\"");
    assert_written(&w, 1, "\"role\":\"owner\"");
    assert_written(&w, 1, "\"count\":2");
    say(&w, 2, "{\"t\":\"chat.members\",\"r\":5,\"chat\":\"team\"}");
    assert_written(&w, 2, "\"code\":\"forbidden\"");
    say(&w, 2, "{\"t\":\"chat.members\",\"r\":5,\"chat\":\"none\"}");
    assert_written(&w, 2, "\"code\":\"not_found\"");
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    ask(0, "chat.add", ",\"users\":[]");
    assert_written(&w, 0, "\"code\":\"bad_request\"");
    ask(0, "chat.remove", ",\"users\":[\"alice\"]");
    assert_written(&w, 0, "\"code\":\"bad_request\"");
    ask(0, "chat.role", ",\"user\":\"bob\",\"role\":\"king\"");
    assert_written(&w, 0, "\"code\":\"bad_request\"");
    ask(0, "chat.role", ",\"user\":\"carol\",\"role\":\"admin\"");
    assert_written(&w, 0, "\"code\":\"not_found\"");
    say(&w, 0, "{\"t\":\"chat.leave\",\"r\":7,\"chat\":\"dm:5:alice:bob\"}");
    assert_written(&w, 0, "\"code\":\"bad_request\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_added_member_gets_the_change_first_and_what_comes_next),
        TEST(a_removed_member_gets_the_change_last),
        TEST(a_message_goes_to_who_is_a_member_at_its_place),
        TEST(a_change_that_fails_changes_nothing),
        TEST(members_may_leave_and_write_and_no_more),
        TEST(admins_rename_add_and_remove_members_only),
        TEST(the_oldest_admin_inherits_from_the_last_owner),
        TEST(only_an_open_group_is_joined),
        TEST(a_group_has_a_limit),
        TEST(members_are_listed_for_members),
        TEST(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
