/* SPDX-License-Identifier: MIT */
#include "rig.h"

static int setup(void **state)
{
    static struct rig rig;
    chat__client_options options = rig_options();
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_drain(&rig);
    (void)rig_written(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    chat__client_free(rig->client);
    return 0;
}

static void changes_and_rows_are_told_apart(void **state)
{
    struct rig *rig = *state;
    chat_view user = chat__view_str("bob");
    chat_view_list users = {&user, 1};
    chat_frame frame;
    uint64_t r = 0;
    chat_frame_init(&frame, CHAT_FRAME_PRESENCE_GET);
    CHAT_FRAME_SET(&frame, USERS, users, users);
    assert_int_equal(chat__client_request(rig->client, &frame, &r), CHAT_OK);
    rig_turn(rig, 1);
    assert_string_equal(rig_written(rig), "{\"t\":\"presence.get\",\"r\":1,\"users\":[\"bob\"]}\n");
    assert_string_equal(
        rig_hear(rig, "{\"t\":\"presence\",\"r\":1,\"user\":\"bob\",\"online\":true}"), "ROW ok 1");
    assert_string_equal(rig_hear(rig, "{\"t\":\"presence\",\"user\":\"bob\",\"online\":false}"),
                        "PRESENCE ok 0");
    assert_string_equal(
        rig_hear(rig, "{\"t\":\"presence\",\"r\":9,\"user\":\"bob\",\"online\":true}"), "");
    assert_string_equal(rig_hear(rig, "{\"t\":\"result\",\"r\":1,\"count\":1}"), "RESULT ok 1");
    rig_drain(rig);
    assert_string_equal(rig_written(rig), ""); /* nothing of it is acknowledged */
}

static void typing_of_others_needs_a_name(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(rig_hear(rig, "{\"t\":\"typing\",\"chat\":\"room\",\"user\":\"bob\"}"),
                        "TYPING ok 0");
    assert_string_equal(rig_hear(rig, "{\"t\":\"typing\",\"chat\":\"room\"}"), "");
}

#define BOB_TYPES "{\"t\":\"typing\",\"chat\":\"room\",\"user\":\"bob\"}"

static void assert_told_who(const struct rig *rig, const char *chat, const char *user)
{
    const chat_event *event;
    assert_int_equal(chat__client_next_event(rig->client, &event), CHAT_OK);
    assert_int_equal(event->type, CHAT_EVENT_TYPING_ENDED);
    assert_true(chat__view_equal(event->frame->chat, chat__view_str(chat)));
    assert_true(chat__view_equal(event->frame->user, chat__view_str(user)));
}

static void typing_ends_by_itself(void **state)
{
    struct rig *rig = *state;
    (void)rig_hear(rig, BOB_TYPES);
    rig_turn(rig, 3000);
    assert_string_equal(rig_hear(rig, BOB_TYPES), "TYPING ok 0");
    assert_int_equal(chat__client_deadline(rig->client), rig->now_ms + 5000);
    rig_turn(rig, 4999);
    assert_string_equal(rig_event(rig), "");
    rig_turn(rig, 1);
    assert_told_who(rig, "room", "bob");
    assert_string_equal(rig_event(rig), "");
    rig_turn(rig, 10000);
    assert_string_equal(rig_event(rig), "");
}

static void typing_ends_with_the_message_and_the_connection(void **state)
{
    struct rig *rig = *state;
    (void)rig_hear(rig, BOB_TYPES);
    (void)rig_hear(rig, "{\"t\":\"typing\",\"chat\":\"room\",\"user\":\"carol\"}");
    (void)rig_hear(rig, "{\"t\":\"typing\",\"chat\":\"other\",\"user\":\"bob\"}");
    assert_string_equal(rig_hear_msg(rig, 1, 0), "MESSAGE ok m1");
    assert_told_who(rig, "room", "bob");
    assert_string_equal(rig_event(rig), "");
    chat__client_lost(rig->client, CHAT_ERR_NETWORK, 0, "");
    assert_string_equal(rig_event(rig), "STATE network waiting");
    assert_told_who(rig, "room", "carol");
    assert_told_who(rig, "other", "bob");
    assert_string_equal(rig_event(rig), "");
}

/* The end that was not told is none any more. */
static void typing_that_goes_on_in_the_turn_of_its_end_has_not_ended(void **state)
{
    struct rig *rig = *state;
    (void)rig_hear(rig, BOB_TYPES);
    rig_turn(rig, 5000);
    assert_string_equal(rig_hear(rig, BOB_TYPES), "TYPING ok 0");
    assert_string_equal(rig_event(rig), "");
    rig_turn(rig, 5000);
    assert_string_equal(rig_event(rig), "TYPING_ENDED ok 0");
}

static void typing_of_many_is_bounded_and_none_is_without_its_end(void **state)
{
    struct rig *rig = *state;
    int n_told = 0;
    int n_ended = 0;
    for (int i = 0; i < 100; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"t\":\"typing\",\"chat\":\"room\",\"user\":\"u%d\"}", i);
        n_told += strcmp(rig_hear(rig, json), "TYPING ok 0") == 0;
    }
    assert_int_equal(n_told, 64);
    rig_turn(rig, 5000);
    while (strcmp(rig_event(rig), "TYPING_ENDED ok 0") == 0)
        n_ended++;
    assert_int_equal(n_ended, 64);
}

static void typing_is_written_now_or_never(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(chat__client_typing(rig->client, &BOB), CHAT_OK);
    rig_turn(rig, 1);
    assert_string_equal(rig_written(rig), "{\"t\":\"typing\",\"to\":\"bob\"}\n");
    assert_int_equal(chat__client_typing(rig->client, &BOB), CHAT_OK);
    chat__client_lost(rig->client, CHAT_ERR_NETWORK, 0, "");
    assert_int_equal(chat__client_typing(rig->client, &BOB), CHAT_OK);
    rig_turn(rig, 2000);
    rig_welcome(rig);
    rig_drain(rig);
    assert_null(strstr(rig_written(rig), "typing"));
}

static void typing_does_not_pile_up(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(chat__client_typing(rig->client, &BOB), CHAT_OK);
    rig_turn(rig, 1);
    assert_int_equal(count_of(rig_written(rig), "typing"), 8);
    const chat_target nobody = {{NULL, 0}, {NULL, 0}};
    assert_int_equal(chat__client_typing(rig->client, &nobody), CHAT_ERR_ARG);
    chat__client_close(rig->client);
    assert_int_equal(chat__client_typing(rig->client, &BOB), CHAT_ERR_STATE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(changes_and_rows_are_told_apart),
        TEST(typing_of_others_needs_a_name),
        TEST(typing_ends_by_itself),
        TEST(typing_ends_with_the_message_and_the_connection),
        TEST(typing_that_goes_on_in_the_turn_of_its_end_has_not_ended),
        TEST(typing_of_many_is_bounded_and_none_is_without_its_end),
        TEST(typing_is_written_now_or_never),
        TEST(typing_does_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
