/* SPDX-License-Identifier: MIT */
/* A client with a file, over its restarts: what it sends, what it knows without the server. */
#include "scene.h"

/* --- the outbox --- */

static void ordered_outbox_is_sent_by_the_next_run(void **state)
{
    scene *s = *state;
    chat_outbox_item item = {.struct_size = sizeof item};
    chat_client_cid first = say(s, "one");
    (void)say(s, "two");
    assert_string_equal(outbox(s->alice.client), "one:1:0 two:1:0 ");
    restart_alice(s);
    (void)say(s, "three");
    assert_string_equal(outbox(s->alice.client), "one:1:0 two:1:0 three:1:0 ");
    assert_int_equal(chat_client_outbox_count(s->alice.client), 3);
    both_go_on(s, 3000);
    assert_string_equal(outbox(s->alice.client), "");
    const char *one = strstr(s->bob.seen, "2:3:0:one");
    const char *two = strstr(s->bob.seen, "2:3:0:two");
    const char *three = strstr(s->bob.seen, "2:3:0:three");
    assert_true(one != NULL && two > one && three > two);
    assert_int_equal(chat_client_outbox_find(s->alice.client, chat__view_str(first.text), &item),
                     CHAT_OK);
    assert_int_equal(item.state, CHAT_OUTBOX_SENT);
    assert_true(item.seq != 0 && item.id != 0);
    assert_true(chat__view_equal(item.body, chat__view_str("one")));
}

/* The server has it, and the application ended before it was told. */
static void one_copy_of_what_the_server_has(void **state)
{
    scene *s = *state;
    (void)say(s, "once");
    for (int i = 0; i < 3000 && strstr(outbox(s->alice.client), ":2:") == NULL; i++)
        go_on(&s->alice, 1);
    assert_string_equal(outbox(s->alice.client), "once:2:0 ");
    carry(&s->alice);
    chat_test_server_advance(s->server, 50); /* the server works, the application does not */
    restart_alice(s);
    assert_string_equal(outbox(s->alice.client), "once:1:0 ");
    both_go_on(s, 3000);
    assert_int_equal(count_of(s->bob.seen, "once"), 1);
    assert_int_equal(count_of(s->alice.seen, " 4:3:0:"), 1);
    assert_int_equal(count_of(s->alice.seen, "2:3:0:once"), 0); /* SENT tells of it */
    assert_string_equal(outbox(s->alice.client), "");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 1), "once RESULT 1 1 1");
}

static void ordered_outbox_keeps_what_failed(void **state)
{
    scene *s = *state;
    const chat_target closed = {chat__view_str("closed"), {NULL, 0}};
    chat_client *client = s->alice.client;
    chat_client_cid cid;
    char expected[32];
    assert_int_equal(chat_client_send(client, &closed, chat__view_str("x"), &cid), CHAT_OK);
    chat_view name = chat__view_str(cid.text);
    assert_int_equal(chat_client_outbox_retry(client, name), CHAT_ERR_NOT_FOUND);
    go_on(&s->alice, 3000);
    assert_non_null(strstr(outbox(client), "x:4:-"));
    snprintf(expected, sizeof expected, "%s", outbox(client));
    restart_alice(s);
    client = s->alice.client;
    assert_string_equal(outbox(client), expected);
    assert_int_equal(chat_client_outbox_count(client), 0);
    assert_int_equal(chat_client_outbox_retry(client, name), CHAT_OK);
    assert_string_equal(outbox(client), "x:1:0 ");
    go_on(&s->alice, 3000);
    assert_string_equal(outbox(client), expected);
    assert_int_equal(chat_client_outbox_drop(client, name), CHAT_OK);
    assert_int_equal(chat_client_outbox_drop(client, name), CHAT_ERR_NOT_FOUND);
    assert_string_equal(outbox(client), "");
}

static void without_a_file_the_outbox_is_in_memory(void **state)
{
    scene *s = *state;
    chat_client_cid cid;
    chat_outbox_item item = {.struct_size = sizeof item};
    const chat_target alice = {{NULL, 0}, chat__view_str("alice")};
    chat_client *bob = s->bob.client;
    assert_int_equal(chat_client_send(bob, &alice, chat__view_str("m"), &cid), CHAT_OK);
    assert_string_equal(outbox(bob), "m:1:0 ");
    assert_int_equal(chat_client_outbox_find(bob, chat__view_str(cid.text), &item), CHAT_OK);
    assert_true(chat__view_equal(item.to, chat__view_str("alice")));
    assert_int_equal(chat_client_outbox_find(bob, chat__view_str("other"), &item),
                     CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_retry(bob, chat__view_str(cid.text)), CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_next(NULL, 0, &item), CHAT_ERR_ARG);
    item.struct_size = 0;
    assert_int_equal(chat_client_outbox_next(bob, 0, &item), CHAT_ERR_ARG);
}

/* --- the file --- */

static void another_user_is_not_let_in(void **state)
{
    scene *s = *state;
    (void)say(s, "of alice");
    go_on(&s->alice, 2000);
    (void)say(s, "not sent");
    stop(&s->alice);
    start_alice_as(s, "mallory");
    both_go_on(s, 3000);
    assert_int_equal(chat_client_get_state(s->alice.client), CHAT_CLIENT_REFUSED);
    assert_null(strstr(s->bob.seen, "not sent"));
    restart_alice(s);
    both_go_on(s, 3000);
    assert_non_null(strstr(s->bob.seen, "not sent"));
}

static void the_second_client_of_a_file_is_refused(void **state)
{
    scene *s = *state;
    chat_client_options options = options_for("alice");
    chat_client *client = NULL;
    options.store_file = s->path;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_IN_USE);
    options.store_file = s->folder;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_IO);
    options.store_file = s->path;
    options.cache_messages = 0;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    assert_null(client);
}

/* --- what is known without the server --- */

static void history_and_chats_without_a_connection(void **state)
{
    scene *s = *state;
    uint64_t r = 0;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    (void)say(s, "b");
    both_go_on(s, 100);
    bob_says(s, "c");
    both_go_on(s, 100);
    restart_alice(s);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 2), "c b RESULT 2 1 2");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 9), "c b a RESULT 3 0 2");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_AFTER, 0, 9), "a b c RESULT 3 0 2");
    assert_int_equal(chat_client_chats(s->alice.client, 0, &r), CHAT_OK);
    const chat_event *event;
    assert_int_equal(chat_client_next_event(s->alice.client, &event), CHAT_OK);
    assert_true(chat__view_equal(event->frame->chat, chat__view_str("dm:5:alice:bob")));
    assert_int_equal(event->frame->unread, 2);
    assert_int_equal(event->cached, CHAT_CACHED_PART);
}

static void the_cache_answers_when_nothing_is_missing(void **state)
{
    scene *s = *state;
    char text[8];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "m%d", i);
        bob_says(s, text);
    }
    both_go_on(s, 2000); /* the device is new: it begins behind what was before it */
    bob_says(s, "x");
    both_go_on(s, 100);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 1), "x RESULT 1 1 1");
    assert_non_null(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT 31 0"));
    /* It is here now, whoever gave it. */
    assert_string_equal(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT"),
                        "RESULT 31 0 1");
    restart_alice(s);
    go_on(&s->alice, 2000);
    assert_string_equal(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT"),
                        "RESULT 31 0 1");
}

static void what_came_while_away_is_in_the_cache(void **state)
{
    scene *s = *state;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    stop(&s->alice);
    bob_says(s, "b");
    both_go_on(s, 100);
    start_alice_as(s, "alice");
    go_on(&s->alice, 2000);
    assert_non_null(strstr(s->alice.seen, "2:3:0:b"));
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 5), "b a RESULT 2 0 1");
}

static void the_server_can_be_asked_all_the_same(void **state)
{
    scene *s = *state;
    chat_history_query query = {
        .struct_size = sizeof query, .target = BOB, .source = CHAT_HISTORY_SERVER};
    uint64_t r = 0;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    assert_int_equal(chat_client_history(s->alice.client, &query, &r), CHAT_OK);
    assert_string_equal(answer(&s->alice, r), "a RESULT 1 0 0");
    query.source = CHAT_HISTORY_SERVER + 1;
    assert_int_equal(chat_client_history(s->alice.client, &query, &r), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(ordered_outbox_is_sent_by_the_next_run),
        SCENE(one_copy_of_what_the_server_has),
        SCENE(ordered_outbox_keeps_what_failed),
        SCENE(without_a_file_the_outbox_is_in_memory),
        SCENE(another_user_is_not_let_in),
        SCENE(the_second_client_of_a_file_is_refused),
        SCENE(history_and_chats_without_a_connection),
        SCENE(the_cache_answers_when_nothing_is_missing),
        SCENE(what_came_while_away_is_in_the_cache),
        SCENE(the_server_can_be_asked_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
