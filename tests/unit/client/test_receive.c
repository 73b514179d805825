/* SPDX-License-Identifier: MIT */
#include "rig.h"

static void one_copy_drops_what_the_server_repeats(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    assert_string_equal(rig_hear_msg(&rig, 5, 0), "MESSAGE ok m5");
    assert_string_equal(rig_hear_msg(&rig, 5, 0), "");
    assert_string_equal(rig_hear_msg(&rig, 4, 0), "");
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    rig_drain(&rig);
    (void)rig_written(&rig);
    assert_string_equal(rig_hear_msg(&rig, 5, 0), "");
    assert_string_equal(rig_hear_msg(&rig, 6, 5), "MESSAGE ok m6");
    rig_drain(&rig);
    /* Repeated ones count: the server must not send them for ever. */
    assert_string_equal(rig_written(&rig), "{\"t\":\"ack\",\"n\":2}\n");
    chat__client_free(rig.client);
}

static void a_message_is_acknowledged_when_the_next_is_read(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    assert_string_equal(rig_hear_msg(&rig, 1, 0), "MESSAGE ok m1");
    assert_string_equal(rig_written(&rig), "");
    assert_string_equal(rig_event(&rig), "");
    assert_string_equal(rig_hear_msg(&rig, 2, 1), "MESSAGE ok m2");
    assert_string_equal(rig_written(&rig), "{\"t\":\"ack\",\"n\":1}\n");
    rig_turn(&rig, 1);
    assert_string_equal(rig_written(&rig), "{\"t\":\"ack\",\"n\":2}\n");
    chat__client_free(rig.client);
}

static void one_acknowledgement_covers_a_turn(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (unsigned i = 1; i <= 50; i++)
        assert_non_null(strstr(rig_hear_msg(&rig, i, i - 1), "MESSAGE"));
    rig_drain(&rig);
    assert_string_equal(rig_written(&rig), "{\"t\":\"ack\",\"n\":50}\n");
    chat__client_free(rig.client);
}

static void the_count_starts_again_with_a_connection(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)rig_hear_msg(&rig, 1, 0);
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    rig_drain(&rig);
    assert_null(strstr(rig_written(&rig), "ack"));
    (void)rig_hear_msg(&rig, 2, 1);
    rig_drain(&rig);
    assert_string_equal(rig_written(&rig), "{\"t\":\"ack\",\"n\":1}\n");
    chat__client_free(rig.client);
}

static void rows_are_no_stream(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_frame frame;
    uint64_t r = 0;
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)rig_hear_msg(&rig, 9, 0);
    rig_drain(&rig);
    (void)rig_written(&rig);
    chat_frame_init(&frame, CHAT_FRAME_HISTORY);
    CHAT_FRAME_SET(&frame, CHAT, chat, ROOM.chat);
    assert_int_equal(chat__client_request(rig.client, &frame, &r), CHAT_OK);
    rig_turn(&rig, 1);
    assert_non_null(strstr(rig_written(&rig), "\"t\":\"history\""));
    assert_string_equal(rig_hear(&rig, "{\"t\":\"msg\",\"r\":1,\"chat\":\"room\",\"from\":\"bob\","
                                       "\"id\":\"3\",\"seq\":\"3\",\"ts\":1,\"body\":\"old\"}"),
                        "ROW ok old");
    assert_string_equal(rig_hear(&rig, "{\"t\":\"result\",\"r\":1,\"count\":1}"), "RESULT ok 1");
    rig_drain(&rig);
    assert_string_equal(rig_written(&rig), "");
    /* Late, so of nobody. */
    assert_string_equal(rig_hear(&rig, "{\"t\":\"result\",\"r\":1,\"count\":1}"), "");
    chat__client_free(rig.client);
}

static void a_gap_is_told(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    assert_string_equal(rig_hear_msg(&rig, 5, 4), "MESSAGE ok m5"); /* the first is none */
    assert_string_equal(rig_hear_msg(&rig, 8, 7), "MESSAGE ok m8 gap");
    assert_string_equal(rig_hear_msg(&rig, 9, 8), "MESSAGE ok m9");
    rig_send(&rig, &ROOM, "mine");
    rig_turn(&rig, 1);
    (void)rig_hear_sent(&rig, rig.cid.text, 10); /* our own is not in our stream: no gap */
    assert_string_equal(rig_hear_msg(&rig, 11, 10), "MESSAGE ok m11");
    chat__client_free(rig.client);
}

/* After a reconnect the server may repeat what this device said itself. */
static void one_copy_of_our_own_message_is_shown(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char json[512];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "mine");
    rig_turn(&rig, 1);
    snprintf(json, sizeof json,
             "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"%s\",\"id\":\"3\",\"seq\":\"3\","
             "\"ts\":1,\"body\":\"mine\",\"cid\":\"%s\"}",
             "alice", rig.cid.text);
    assert_string_equal(rig_hear(&rig, json), "");
    assert_non_null(strstr(rig_hear_sent(&rig, rig.cid.text, 3), "SENT"));
    (void)rig_written(&rig);
    rig_turn(&rig, 1);
    /* Nobody else can hide a message behind our cid. */
    memcpy(strstr(json, "alice"), "mallo", 5);
    memcpy(strstr(json, "\"seq\":\"3"), "\"seq\":\"4", 8);
    assert_string_equal(rig_hear(&rig, json), "MESSAGE ok mine");
    chat__client_free(rig.client);
}

static void our_own_sent_never_hides_an_earlier_message(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "mine");
    rig_turn(&rig, 1);
    (void)rig_hear_sent(&rig, rig.cid.text, 10);
    assert_string_equal(rig_hear_msg(&rig, 9, 0), "MESSAGE ok m9");
    chat__client_free(rig.client);
}

static void memory_of_chats_is_bounded(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char json[256];
    (void)state;
    options.max_chats = 3;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (int i = 0; i < 4; i++) {
        snprintf(json, sizeof json,
                 "{\"t\":\"msg\",\"chat\":\"room%d\",\"from\":\"bob\",\"id\":\"1\",\"seq\":\"1\","
                 "\"ts\":1,\"body\":\"x\"}",
                 i);
        assert_string_equal(rig_hear(&rig, json), "MESSAGE ok x");
    }
    assert_string_equal(rig_hear(&rig, json), ""); /* room3 is remembered */
    json[strlen("{\"t\":\"msg\",\"chat\":\"room")] = '0';
    assert_string_equal(rig_hear(&rig, json), "MESSAGE ok x"); /* room0 was forgotten */
    chat__client_free(rig.client);
}

static uint64_t ask_chats(struct rig *rig)
{
    chat_frame frame;
    uint64_t r = 0;
    chat_frame_init(&frame, CHAT_FRAME_CHATS);
    assert_int_equal(chat__client_request(rig->client, &frame, &r), CHAT_OK);
    return r;
}

static void a_request_times_out_with_or_without_connection(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    assert_int_equal(ask_chats(&rig), 1);
    rig_online(&rig);
    rig_turn(&rig, 29998);
    assert_string_equal(rig_event(&rig), "");
    (void)rig_hear(&rig, "{\"t\":\"pong\"}");
    rig_turn(&rig, 2);
    assert_string_equal(rig_event(&rig), "ERROR timeout 1");
    assert_string_equal(rig_hear(&rig, "{\"t\":\"result\",\"r\":1}"), "");
    chat__client_free(rig.client);
}

static void a_request_is_asked_again_unless_it_had_rows(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)ask_chats(&rig);
    (void)ask_chats(&rig);
    rig_turn(&rig, 1);
    (void)rig_written(&rig);
    assert_non_null(strstr(rig_hear(&rig, "{\"t\":\"chat\",\"r\":1,\"chat\":\"room\"}"), "ROW"));
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    assert_string_equal(rig_event(&rig), "STATE network waiting");
    assert_string_equal(rig_event(&rig), "ERROR closed 1");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    const char *out = rig_written(&rig);
    assert_int_equal(count_of(out, "\"t\":\"chats\""), 1);
    assert_non_null(strstr(out, "\"r\":2"));
    chat__client_free(rig.client);
}

static void a_group_is_created_again_as_a_resend(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_frame frame;
    chat_view users[2] = {chat__view_str("bob"), chat__view_str("carol")};
    chat_view_list list = {users, 2};
    uint64_t r = 0;
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    chat_frame_init(&frame, CHAT_FRAME_CHAT_CREATE);
    CHAT_FRAME_SET(&frame, CHAT, chat, ROOM.chat);
    CHAT_FRAME_SET(&frame, USERS, users, list);
    assert_int_equal(chat__client_request(rig.client, &frame, &r), CHAT_OK);
    users[0] = chat__view_str("gone"); /* it was copied */
    rig_turn(&rig, 1);
    assert_null(strstr(rig_written(&rig), "resend"));
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    const char *out = rig_written(&rig);
    assert_non_null(strstr(out, "\"resend\":true"));
    assert_non_null(strstr(out, "[\"bob\",\"carol\"]"));
    assert_non_null(strstr(rig_hear(&rig, "{\"t\":\"error\",\"r\":1,\"code\":\"exists\"}"), "ERR"));
    chat__client_free(rig.client);
}

static void requests_and_messages_keep_the_order_of_the_calls(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "first");
    (void)ask_chats(&rig);
    rig_send(&rig, &ROOM, "last");
    rig_turn(&rig, 1);
    const char *out = rig_written(&rig);
    const char *first = strstr(out, "first"), *chats = strstr(out, "chats");
    assert_true(first != NULL && first < chats && chats < strstr(out, "last"));
    chat__client_free(rig.client);
}

static void requests_are_limited(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_frame frame;
    uint64_t r;
    (void)state;
    options.max_requests = 2;
    rig_init(&rig, &options);
    (void)ask_chats(&rig);
    (void)ask_chats(&rig);
    chat_frame_init(&frame, CHAT_FRAME_PING);
    assert_int_equal(chat__client_request(rig.client, &frame, &r), CHAT_ERR_BUSY);
    chat__client_free(rig.client);
}

static void a_frame_that_cannot_be_read_ends_the_connection(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"t\":\"msg\"}", "\xff", "{\"t\":\"msg\",\"chat\":1}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rig rig;
        chat__client_options options = rig_options();
        rig_init(&rig, &options);
        rig_online(&rig);
        assert_non_null(strstr(rig_hear(&rig, bad[i]), "waiting"));
        rig_turn(&rig, 0);
        assert_int_equal(rig.n_closes, 1);
        chat__client_free(rig.client);
    }
}

static void unknown_frames_and_those_of_clients_are_skipped(void **state)
{
    static const char *const frames[] = {"{\"t\":\"hologram\",\"r\":1}", "{\"t\":\"ack\",\"n\":5}",
                                         "{\"t\":\"ping\"}", "{\"t\":\"hello\",\"device\":\"x\"}"};
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        assert_string_equal(rig_hear(&rig, frames[i]), "");
    assert_int_equal(chat__client_state(rig.client), CHAT_CLIENT_ONLINE);
    chat__client_free(rig.client);
}

static void a_sender_can_leave_the_stream_alone(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    options.ignore_stream = 1;
    rig_init(&rig, &options);
    rig_online(&rig);
    assert_string_equal(rig_hear_msg(&rig, 1, 0), "");
    rig_turn(&rig, 1);
    assert_string_equal(rig_written(&rig), "");
    chat__client_free(rig.client);
}

static void nothing_is_taken_before_welcome(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_turn(&rig, 0);
    rig_drain(&rig);
    chat__client_opened(rig.client);
    assert_string_equal(rig_hear_msg(&rig, 1, 0), "");
    assert_string_equal(rig_hear(&rig, "{\"t\":\"error\",\"code\":\"version\"}"),
                        "STATE version refused");
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_copy_drops_what_the_server_repeats),
        cmocka_unit_test(a_message_is_acknowledged_when_the_next_is_read),
        cmocka_unit_test(one_acknowledgement_covers_a_turn),
        cmocka_unit_test(the_count_starts_again_with_a_connection),
        cmocka_unit_test(rows_are_no_stream),
        cmocka_unit_test(a_gap_is_told),
        cmocka_unit_test(one_copy_of_our_own_message_is_shown),
        cmocka_unit_test(our_own_sent_never_hides_an_earlier_message),
        cmocka_unit_test(memory_of_chats_is_bounded),
        cmocka_unit_test(a_request_times_out_with_or_without_connection),
        cmocka_unit_test(a_request_is_asked_again_unless_it_had_rows),
        cmocka_unit_test(a_group_is_created_again_as_a_resend),
        cmocka_unit_test(requests_and_messages_keep_the_order_of_the_calls),
        cmocka_unit_test(requests_are_limited),
        cmocka_unit_test(a_frame_that_cannot_be_read_ends_the_connection),
        cmocka_unit_test(unknown_frames_and_those_of_clients_are_skipped),
        cmocka_unit_test(a_sender_can_leave_the_stream_alone),
        cmocka_unit_test(nothing_is_taken_before_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
