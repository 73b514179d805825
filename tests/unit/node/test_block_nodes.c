/* SPDX-License-Identifier: MIT */
/* Blocks over two nodes: alice blocks bob, who lives where their chat is; see two_nodes.h. */
#include "two_nodes.h"

#define BLOCK      "{\"t\":\"block\",\"r\":1,\"user\":\"%s\"}"
#define UNBLOCK    "{\"t\":\"unblock\",\"r\":2,\"user\":\"%s\"}"
#define SEND(cid)  "{\"t\":\"send\",\"to\":\"%s\",\"cid\":\"" cid "\",\"body\":\"hi\"}"
#define WATCH      "{\"t\":\"presence.watch\",\"r\":3,\"users\":[\"%s\"]}"
#define GET        "{\"t\":\"presence.get\",\"r\":4,\"users\":[\"%s\"]}"
#define TYPING     "{\"t\":\"typing\",\"to\":\"%s\"}"
#define PING       "{\"t\":\"ping\",\"r\":7}"
#define IS_BLOCKED "this user has blocked you"

/* --- tests --- */

static void a_block_holds_on_the_other_node_before_it_is_answered(void **state)
{
    (void)state;
    say(BOB, SEND("c1"));
    assert_written(BOB, "\"t\":\"sent\"");
    w.is_link_held = 1;
    say(ALICE, BLOCK);
    assert_int_equal(w.n_records, 2);
    assert_silence(ALICE);
    assert_int_equal(w.n_links, 1); /* one frame, for the chat and for the user */
    w.is_link_held = 0;
    pass_time(1);
    assert_written(ALICE, "\"t\":\"result\",\"r\":1");
    say(BOB, SEND("c2"));
    assert_written(BOB, IS_BLOCKED);
    say(ALICE, UNBLOCK);
    say(BOB, SEND("c3"));
    assert_written(BOB, "\"t\":\"sent\"");
}

static void a_chat_that_is_asked_for_meanwhile_is_asked_for_again(void **state)
{
    (void)state;
    w.held_type = CHAT__EFFECT_LOAD_CHAT;
    say(BOB, SEND("c1"));
    assert_int_equal(w.n_questions, 1); /* answered as of now: nobody has blocked */
    say(ALICE, BLOCK);
    assert_written(ALICE, "\"t\":\"result\"");
    release_question();
    assert_silence(BOB);
    release_question();
    assert_written(BOB, IS_BLOCKED);
    assert_int_equal(w.n_questions, 0);
}

static void who_is_asked_for_meanwhile_is_asked_for_again(void **state)
{
    (void)state;
    w.held_type = CHAT__EFFECT_LOAD_BLOCKS;
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    join(BOB, w.bob);
    assert_int_equal(w.n_questions, 1);
    say(BOB, GET);
    assert_silence(BOB);
    w.held_type = 0;
    say(ALICE, BLOCK);
    assert_written(ALICE, "\"t\":\"result\"");
    release_question();
    assert_written(BOB, "\"online\":false");
    assert_written(BOB, "\"count\":1");
}

static void requests_wait_in_order_until_it_is_known_who_hides(void **state)
{
    (void)state;
    w.held_type = CHAT__EFFECT_LOAD_BLOCKS;
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    join(BOB, w.bob);
    say(BOB, WATCH);
    say(BOB, "{\"t\":\"presence.watch\",\"r\":5,\"users\":[]}");
    say(BOB, GET);
    assert_silence(BOB);
    release_question();
    const char *first = strstr(w.written[BOB], "\"t\":\"result\",\"r\":3");
    const char *second = strstr(w.written[BOB], "\"t\":\"result\",\"r\":5");
    assert_true(first != NULL && second != NULL);
    assert_written(BOB, "\"t\":\"result\",\"r\":4");
    assert_written(BOB, "\"online\":true");
    say(ALICE, "{\"t\":\"presence.hide\",\"r\":6,\"hidden\":true}");
    assert_silence(BOB);
}

/* Bob comes back, and storage does not say yet who has blocked him. */
static void join_unknown(void)
{
    w.held_type = CHAT__EFFECT_LOAD_BLOCKS;
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    join(BOB, w.bob);
    assert_written(BOB, "welcome");
    assert_int_equal(w.n_questions, 1);
}

static void what_he_types_waits_and_the_ping_behind_it(void **state)
{
    (void)state;
    join_unknown();
    say(BOB, TYPING);
    assert_silence(ALICE);
    say(BOB, PING);
    assert_silence(BOB);
    release_question();
    assert_written(ALICE, "\"t\":\"typing\"");
    assert_written(BOB, "\"t\":\"pong\",\"r\":7");
}

static void what_others_type_waits(void **state)
{
    (void)state;
    join_unknown();
    say(ALICE, TYPING);
    assert_silence(BOB);
    release_question();
    assert_written(BOB, "\"t\":\"typing\"");
}

static void receipts_wait(void **state)
{
    (void)state;
    join_unknown();
    say(BOB, SEND("c1"));
    assert_written(ALICE, "\"body\":\"hi\"");
    say(ALICE, "{\"t\":\"ack\",\"n\":1}");
    assert_silence(BOB);
    release_question();
    assert_written(BOB, "\"state\":\"delivered\"");
}

static void what_waited_is_not_passed_on_by_who_is_blocked(void **state)
{
    (void)state;
    say(ALICE, BLOCK);
    join_unknown();
    say(BOB, TYPING);
    say(ALICE, TYPING);
    release_question();
    assert_silence(ALICE);
    assert_silence(BOB);
}

static void hints_do_not_keep_a_question_from_waiting(void **state)
{
    (void)state;
    join_unknown();
    for (int i = 0; i < 20; i++)
        say(BOB, TYPING);
    say(BOB, GET);
    assert_silence(BOB);
    release_question();
    assert_written(BOB, "\"t\":\"result\",\"r\":4");
}

static void without_an_answer_hints_are_dropped_and_pings_are_not(void **state)
{
    (void)state;
    w.load_status = CHAT_ERR_IO;
    join_unknown();
    say(BOB, TYPING);
    say(BOB, PING);
    release_question();
    assert_silence(ALICE);
    assert_written(BOB, "\"t\":\"pong\"");
    w.load_status = CHAT_OK;
    w.held_type = 0;
    say(BOB, TYPING); /* asks */
    assert_written(ALICE, "\"t\":\"typing\"");
}

static void a_question_that_fails_is_asked_again_by_the_next(void **state)
{
    (void)state;
    w.load_status = CHAT_ERR_IO;
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    join(BOB, w.bob);
    say(BOB, GET);
    assert_written(BOB, "\"code\":\"storage\"");
    say(BOB, SEND("c1"));
    assert_written(BOB, "\"code\":\"storage\"");
    say(ALICE, BLOCK);
    assert_written(ALICE, "\"code\":\"storage\"");
    w.load_status = CHAT_OK;
    say(BOB, GET);
    assert_written(BOB, "\"online\":true");
}

static void who_leaves_while_he_is_asked_for_is_forgotten(void **state)
{
    (void)state;
    w.held_type = CHAT__EFFECT_LOAD_BLOCKS;
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    join(BOB, w.bob);
    say(BOB, GET);
    chat__node_closed(w.nodes[1], w.conns[BOB]);
    w.held_type = 0;
    say(ALICE, BLOCK);
    join(BOB, w.bob); /* asks himself, and is told that alice has blocked him */
    release_question();
    say(BOB, GET);
    assert_written(BOB, "\"online\":false");
}

static void a_watcher_is_told_at_once_and_again(void **state)
{
    (void)state;
    join(BOB_TOO, w.bob);
    say(BOB, WATCH);
    assert_written(BOB, "\"online\":true");
    say(ALICE, BLOCK);
    assert_written(BOB, "\"online\":false");
    assert_null(strstr(w.written[BOB], "\"ts\""));
    assert_null(strstr(w.written[BOB], "\"r\""));
    assert_silence(BOB_TOO);
    say(BOB, GET);
    assert_written(BOB, "\"online\":false");
    assert_null(strstr(w.written[BOB], "\"ts\""));
    say(ALICE, UNBLOCK);
    assert_written(BOB, "\"online\":true");
    assert_null(strstr(w.written[BOB], "\"r\""));
    assert_null(strstr(w.written[BOB], "result"));
    assert_silence(BOB_TOO);
}

static void a_watcher_hears_of_no_change_while_he_is_blocked(void **state)
{
    (void)state;
    say(BOB, WATCH);
    say(ALICE, BLOCK);
    chat__node_closed(w.nodes[0], w.conns[ALICE]);
    pass_time(1);
    w.written[BOB][0] = 0;
    join(ALICE, w.alice);
    assert_silence(BOB);
    say(ALICE, WATCH);
    assert_written(ALICE, "\"online\":true"); /* she sees him: he has blocked nobody */
}

/* The record is there, so the other devices hear of it; the client asks again. */
static void a_node_that_does_not_answer_holds_nobody_up(void **state)
{
    (void)state;
    join(ALICE_TOO, w.alice);
    w.is_link_held = 1;
    say(ALICE, BLOCK);
    assert_silence(ALICE);
    w.n_links = 0; /* lost */
    pass_time(4000);
    assert_silence(ALICE);
    pass_time(1000);
    assert_written(ALICE, "\"code\":\"timeout\"");
    assert_written(ALICE, "\"retry_after_ms\"");
    assert_null(strstr(w.written[ALICE], "result"));
    assert_written(ALICE_TOO, "\"t\":\"blocked\"");
    w.is_link_held = 0;
    say(ALICE, BLOCK);
    assert_written(ALICE, "\"t\":\"result\"");
    say(BOB, SEND("c1"));
    assert_written(BOB, IS_BLOCKED);
    assert_int_equal(w.n_records, 1);
}

static void an_answer_that_nobody_waits_for_changes_nothing(void **state)
{
    uint8_t bytes[256];
    size_t len = 0;
    chat_direct_name self;
    chat_frame done;
    (void)state;
    assert_int_equal(chat_self_id(chat__view_str(w.alice), &self), CHAT_OK);
    chat_frame_init(&done, CHAT_FRAME_BLOCK_DONE);
    CHAT_FRAME_SET(&done, CHAT, chat, chat__view(self.bytes, self.len));
    CHAT_FRAME_SET(&done, N, n, 7);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &done, bytes, sizeof bytes, &len),
                     CHAT_OK);
    assert_int_equal(chat__node_link(w.nodes[0], 1, chat__view(bytes, len)), CHAT_OK);
    w.is_link_held = 1;
    say(ALICE, BLOCK);
    assert_int_equal(chat__node_link(w.nodes[0], 1, chat__view(bytes, len)), CHAT_OK);
    run();
    assert_silence(ALICE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_holds_on_the_other_node_before_it_is_answered),
        TEST(a_chat_that_is_asked_for_meanwhile_is_asked_for_again),
        TEST(who_is_asked_for_meanwhile_is_asked_for_again),
        TEST(requests_wait_in_order_until_it_is_known_who_hides),
        TEST(what_he_types_waits_and_the_ping_behind_it),
        TEST(what_others_type_waits),
        TEST(receipts_wait),
        TEST(what_waited_is_not_passed_on_by_who_is_blocked),
        TEST(hints_do_not_keep_a_question_from_waiting),
        TEST(without_an_answer_hints_are_dropped_and_pings_are_not),
        TEST(a_question_that_fails_is_asked_again_by_the_next),
        TEST(who_leaves_while_he_is_asked_for_is_forgotten),
        TEST(a_watcher_is_told_at_once_and_again),
        TEST(a_watcher_hears_of_no_change_while_he_is_blocked),
        TEST(a_node_that_does_not_answer_holds_nobody_up),
        TEST(an_answer_that_nobody_waits_for_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
