/* SPDX-License-Identifier: MIT */
/* Blocks on one node: who may write what, what other devices hear, what is hidden. */
#include "harness.h"

#define BLOCK(r, user)   "{\"t\":\"block\",\"r\":" r ",\"user\":\"" user "\"}"
#define UNBLOCK(r, user) "{\"t\":\"unblock\",\"r\":" r ",\"user\":\"" user "\"}"
#define TO(to, cid)      "{\"t\":\"send\",\"to\":\"" to "\",\"cid\":\"" cid "\",\"body\":\"hi\"}"
#define BLOCKED_YOU      "this user has blocked you"

enum { ALICE, ALICE_TOO, BOB };

static world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    w.has_ids_as_seqs = 1;
    join(&w, ALICE, "alice", "phone");
    join(&w, ALICE_TOO, "alice", "laptop");
    join(&w, BOB, "bob", "phone");
    say(&w, BOB, TO("alice", "first"));
    say(&w, ALICE, TO("bob", "second"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void forget_written(void)
{
    for (int i = 0; i < MAX_CONNS; i++)
        w.written[i][0] = 0;
}

static void a_block_is_answered_when_durable_and_told_to_the_other_device(void **state)
{
    (void)state;
    forget_written();
    w.is_append_held = 1;
    say(&w, ALICE, BLOCK("1", "bob"));
    assert_string_equal(w.written[ALICE], "");
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":1,\"chat\":\"dm:5:alice:bob\"");
    assert_not_written(&w, ALICE, "blocked");
    assert_written(&w, ALICE_TOO, "\"t\":\"blocked\",\"chat\":\"me:alice\"");
    assert_written(&w, ALICE_TOO, "\"user\":\"bob\"");
    assert_written(&w, ALICE_TOO, "\"blocked\":true");
    assert_string_equal(w.written[BOB], "");
}

static void who_is_blocked_is_refused_and_nobody_is_told(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    size_t n_records = w.n_records;
    w.written[ALICE][0] = 0;
    say(&w, BOB, TO("alice", "c1"));
    assert_written(&w, BOB, "\"code\":\"forbidden\"");
    assert_written(&w, BOB, BLOCKED_YOU);
    assert_written(&w, BOB, "\"cid\":\"c1\"");
    assert_int_equal(w.n_records, n_records);
    assert_string_equal(w.written[ALICE], "");
    say(&w, ALICE, UNBLOCK("2", "bob"));
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":2");
    assert_written(&w, ALICE_TOO, "\"blocked\":false");
    say(&w, BOB, TO("alice", "c2"));
    assert_written(&w, BOB, "\"t\":\"sent\"");
}

static void who_blocks_must_unblock_before_he_writes(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    say(&w, ALICE, TO("bob", "c1"));
    assert_written(&w, ALICE, "\"code\":\"forbidden\"");
    assert_written(&w, ALICE, "unblock first");
    say(&w, BOB, BLOCK("2", "alice"));
    say(&w, ALICE, UNBLOCK("3", "bob"));
    say(&w, ALICE, TO("bob", "c2"));
    assert_written(&w, ALICE, BLOCKED_YOU);
}

/* The message that bob wrote first. */
static void say_about_first(int conn, const char *format)
{
    char json[256];
    snprintf(json, sizeof json, format, (unsigned long long)w.records[0].seq);
    say(&w, conn, json);
}

static void only_deletions_pass(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    say_about_first(BOB,
                    "{\"t\":\"edit\",\"r\":5,\"to\":\"alice\",\"re\":\"%llu\",\"body\":\"x\"}");
    assert_written(&w, BOB, BLOCKED_YOU);
    say_about_first(
        BOB, "{\"t\":\"react\",\"r\":6,\"to\":\"alice\",\"re\":\"%llu\",\"reaction\":\"x\"}");
    assert_written(&w, BOB, BLOCKED_YOU);
    say_about_first(BOB, "{\"t\":\"delete\",\"r\":7,\"to\":\"alice\",\"re\":\"%llu\"}");
    assert_written(&w, BOB, "\"t\":\"result\",\"r\":7");
    say(&w, BOB, "{\"t\":\"history\",\"r\":8,\"to\":\"alice\"}");
    assert_written(&w, BOB, "\"count\":3");
}

static void the_answer_of_what_was_sent_before_is_given_again(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    say(&w, BOB,
        "{\"t\":\"send\",\"to\":\"alice\",\"cid\":\"first\",\"body\":\"hi\",\"resend\":true}");
    assert_written(&w, BOB, "\"t\":\"sent\"");
    say(&w, BOB,
        "{\"t\":\"send\",\"to\":\"alice\",\"cid\":\"new\",\"body\":\"hi\",\"resend\":true}");
    assert_written(&w, BOB, BLOCKED_YOU);
}

static void saying_it_again_changes_nothing(void **state)
{
    (void)state;
    say(&w, ALICE, UNBLOCK("1", "bob"));
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":1,\"chat\":\"dm:5:alice:bob\"");
    say(&w, ALICE, BLOCK("2", "bob"));
    size_t n_records = w.n_records;
    w.written[ALICE_TOO][0] = 0;
    say(&w, ALICE, BLOCK("3", "bob"));
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":3,\"chat\":\"dm:5:alice:bob\"");
    assert_string_equal(w.written[ALICE_TOO], "");
    assert_int_equal(w.n_records, n_records);
}

static void requests_of_a_user_are_taken_one_by_one(void **state)
{
    (void)state;
    w.is_append_held = 1;
    say(&w, ALICE, BLOCK("1", "bob"));
    say(&w, ALICE_TOO, UNBLOCK("2", "bob"));
    say(&w, ALICE, BLOCK("3", "bob"));
    say(&w, ALICE, "{\"t\":\"mute\",\"r\":4,\"to\":\"bob\",\"until\":5}");
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, ALICE, "\"r\":3");
    assert_written(&w, ALICE, "\"r\":4");
    assert_written(&w, ALICE_TOO, "\"r\":2");
    say(&w, BOB, TO("alice", "c1"));
    assert_written(&w, BOB, BLOCKED_YOU);
}

static void what_is_wrong_is_refused_kindly(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "alice"));
    assert_written(&w, ALICE, "\"code\":\"bad_request\"");
    assert_written(&w, ALICE, "must be another user");
    w.append_status = CHAT_ERR_FULL;
    say(&w, ALICE, BLOCK("2", "bob"));
    assert_written(&w, ALICE, "\"code\":\"storage_full\"");
    w.append_status = CHAT_OK;
    say(&w, BOB, TO("alice", "c1"));
    assert_written(&w, BOB, "\"t\":\"sent\"");
}

static void a_list_says_whom(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    say(&w, ALICE, BLOCK("2", "eve"));
    say(&w, ALICE, "{\"t\":\"blocks\",\"r\":3}");
    assert_written(&w, ALICE, "\"r\":3,\"user\":\"bob\",\"blocked\":true");
    assert_written(&w, ALICE, "\"r\":3,\"user\":\"eve\",\"blocked\":true");
    assert_written(&w, ALICE, "\"count\":2");
    say(&w, BOB, "{\"t\":\"blocks\",\"r\":4}");
    assert_written(&w, BOB, "\"count\":0");
}

static void as_many_as_the_limit(void **state)
{
    chat__node_options options;
    (void)state;
    world_done(&w);
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.max_blocked = 2;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1000);
    join(&w, ALICE, "alice", "phone");
    say(&w, ALICE, BLOCK("1", "bob"));
    say(&w, ALICE, BLOCK("2", "eve"));
    say(&w, ALICE, BLOCK("3", "carol"));
    assert_written(&w, ALICE, "\"code\":\"too_large\"");
    assert_written(&w, ALICE, "unblock one first");
    say(&w, ALICE, BLOCK("4", "eve"));
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":4");
    say(&w, ALICE, UNBLOCK("5", "eve"));
    say(&w, ALICE, BLOCK("6", "carol"));
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":6");
}

static void groups_are_not_touched(void **state)
{
    (void)state;
    w.group = "team";
    say(&w, ALICE, BLOCK("1", "bob"));
    w.written[ALICE][0] = 0;
    say(&w, BOB, "{\"t\":\"send\",\"chat\":\"team\",\"cid\":\"c1\",\"body\":\"hi\"}");
    assert_written(&w, BOB, "\"t\":\"sent\"");
    assert_written(&w, ALICE, "\"chat\":\"team\"");
    say(&w, BOB, "{\"t\":\"typing\",\"chat\":\"team\"}");
    assert_written(&w, ALICE, "\"t\":\"typing\"");
    w.written[BOB][0] = 0;
    say(&w, ALICE, "{\"t\":\"ack\",\"n\":2}");
    assert_written(&w, BOB, "\"state\":\"delivered\"");
    assert_written(&w, BOB, "\"chat\":\"team\"");
}

static void typing_passes_neither_way(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    forget_written();
    say(&w, BOB, "{\"t\":\"typing\",\"to\":\"alice\"}");
    say(&w, ALICE, "{\"t\":\"typing\",\"to\":\"bob\"}");
    assert_string_equal(w.written[ALICE], "");
    assert_string_equal(w.written[BOB], "");
}

static void receipts_stay_away(void **state)
{
    (void)state;
    say(&w, ALICE, BLOCK("1", "bob"));
    forget_written();
    say(&w, ALICE, "{\"t\":\"ack\",\"n\":1}");
    say(&w, ALICE, "{\"t\":\"read\",\"r\":2,\"to\":\"bob\",\"seq\":\"18446744073709551615\"}");
    assert_written(&w, ALICE, "\"t\":\"result\",\"r\":2");
    assert_string_equal(w.written[BOB], "");
    say_about_first(BOB, "{\"t\":\"receipts\",\"r\":3,\"to\":\"alice\",\"id\":\"%llu\"}");
    assert_written(&w, BOB, BLOCKED_YOU);
    say_about_first(BOB, "{\"t\":\"why\",\"r\":4,\"to\":\"alice\",\"id\":\"%llu\"}");
    assert_written(&w, BOB, BLOCKED_YOU);
    say(&w, ALICE, UNBLOCK("5", "bob"));
    say_about_first(BOB, "{\"t\":\"receipts\",\"r\":6,\"to\":\"alice\",\"id\":\"%llu\"}");
    assert_written(&w, BOB, "\"state\":\"read\"");
}

/* A chat is asked for once, a user once while he is connected. */
static void who_never_blocks_costs_no_question(void **state)
{
    (void)state;
    size_t n_loads = w.n_block_loads;
    for (int i = 0; i < 3; i++) {
        char json[128];
        snprintf(json, sizeof json, TO("alice", "n%d"), i);
        say(&w, BOB, json);
        say(&w, BOB, "{\"t\":\"presence.get\",\"r\":9,\"users\":[\"alice\"]}");
        say(&w, BOB, "{\"t\":\"typing\",\"to\":\"alice\"}");
    }
    assert_int_equal(w.n_block_loads, n_loads);
    assert_int_equal(w.n_chat_loads, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_answered_when_durable_and_told_to_the_other_device),
        TEST(who_is_blocked_is_refused_and_nobody_is_told),
        TEST(who_blocks_must_unblock_before_he_writes),
        TEST(only_deletions_pass),
        TEST(the_answer_of_what_was_sent_before_is_given_again),
        TEST(saying_it_again_changes_nothing),
        TEST(requests_of_a_user_are_taken_one_by_one),
        TEST(what_is_wrong_is_refused_kindly),
        TEST(a_list_says_whom),
        TEST(as_many_as_the_limit),
        TEST(groups_are_not_touched),
        TEST(typing_passes_neither_way),
        TEST(receipts_stay_away),
        TEST(who_never_blocks_costs_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
