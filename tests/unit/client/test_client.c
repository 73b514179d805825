/* SPDX-License-Identifier: MIT */
#include "rig.h"

static void first_connect_retries_a_server_that_is_down(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    static const uint64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    (void)state;
    rig_init(&rig, &options);
    rig_turn(&rig, 0);
    assert_int_equal(rig.n_connects, 1);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "connection refused");
        uint64_t wait = chat__client_deadline(rig.client) - rig.now_ms;
        assert_in_range(wait, waits[i] * 8 / 10, waits[i] * 12 / 10);
        assert_string_equal(rig_event(&rig), "STATE ok connecting");
        assert_string_equal(rig_event(&rig), "STATE network waiting");
        rig_turn(&rig, wait - 1);
        assert_int_equal(rig.n_connects, (int)i + 1);
        rig_turn(&rig, 1);
        assert_int_equal(rig.n_connects, (int)i + 2);
    }
    chat__client_free(rig.client);
}

static void waits_of_two_seeds_differ(void **state)
{
    struct rig rigs[2];
    uint64_t waits[2] = {0, 0};
    (void)state;
    for (uint64_t k = 0; k < 2; k++) {
        chat__client_options options = rig_options();
        options.seed[0] = k + 1;
        rig_init(&rigs[k], &options);
        for (int i = 0; i < 4; i++) {
            rig_turn(&rigs[k], 40000);
            chat__client_lost(rigs[k].client, CHAT_ERR_NETWORK, 0, "");
            waits[k] = waits[k] * 10000 + chat__client_deadline(rigs[k].client) - rigs[k].now_ms;
        }
        chat__client_free(rigs[k].client);
    }
    assert_true(waits[0] != waits[1]);
}

static void a_stable_connection_resets_the_wait(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    for (int i = 0; i < 3; i++) { /* short ones do not */
        rig_turn(&rig, 40000);
        rig_welcome(&rig);
        chat__client_lost(rig.client, CHAT_ERR_CLOSED, 0, "");
    }
    assert_true(chat__client_deadline(rig.client) - rig.now_ms >= 3200);
    rig_turn(&rig, 40000);
    rig_welcome(&rig);
    rig_turn(&rig, 10000);
    chat__client_lost(rig.client, CHAT_ERR_CLOSED, 0, "");
    assert_true(chat__client_deadline(rig.client) - rig.now_ms <= 1200);
    chat__client_free(rig.client);
}

static void a_sender_that_acknowledges_nothing_comes_back_soon(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    options.ignore_stream = 1;
    rig_init(&rig, &options);
    for (int i = 0; i < 5; i++) {
        rig_turn(&rig, 2000);
        rig_welcome(&rig);
        rig_turn(&rig, 8000);
        chat__client_lost(rig.client, CHAT_ERR_UNACKED, 0, "");
        assert_true(chat__client_deadline(rig.client) - rig.now_ms <= 1200);
    }
    chat__client_free(rig.client);
}

static void connecting_has_one_deadline(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_turn(&rig, 0);
    rig_turn(&rig, 6000);
    chat__client_opened(rig.client); /* does not extend it */
    rig_turn(&rig, 3999);
    assert_int_equal(rig.n_closes, 0);
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_closes, 1);
    assert_string_equal(rig_event(&rig), "STATE ok connecting");
    assert_string_equal(rig_event(&rig), "STATE timeout waiting");
    chat__client_free(rig.client);
}

static void hello_names_the_device_and_nothing_overtakes_it(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    options.agent = chat__view_str("app/1");
    rig_init(&rig, &options);
    rig_send(&rig, &ROOM, "early");
    rig_turn(&rig, 0);
    assert_string_equal(rig_written(&rig), "");
    chat__client_opened(rig.client);
    rig_turn(&rig, 1);
    const char *out = rig_written(&rig);
    assert_non_null(strstr(out, "\"t\":\"hello\""));
    assert_non_null(strstr(out, "\"device\":\"phone\""));
    assert_non_null(strstr(out, "\"agent\":\"app/1\""));
    assert_null(strstr(out, "early"));
    chat__client_free(rig.client);
}

static void dead_peer_is_given_up_after_two_heartbeats(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_turn(&rig, 30000);
    assert_string_equal(rig_written(&rig), "{\"t\":\"ping\"}\n");
    rig_turn(&rig, 29998);
    assert_int_equal(rig.n_closes, 0);
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_closes, 0);
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_closes, 1);
    assert_string_equal(rig_event(&rig), "STATE timeout waiting");
    chat__client_free(rig.client);
}

static void a_living_peer_is_kept(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (int i = 0; i < 10; i++) {
        rig_turn(&rig, 30000);
        assert_int_equal(count_of(rig_written(&rig), "ping"), 1);
        assert_string_equal(rig_hear(&rig, "{\"t\":\"pong\"}"), "");
    }
    assert_int_equal(rig.n_closes, 0);
    chat__client_free(rig.client);
}

static void an_unanswered_message_makes_a_new_connection(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "lost");
    rig_turn(&rig, 1);
    for (int i = 0; i < 30; i++) {
        chat__client_alive(rig.client);
        assert_int_equal(rig.n_closes, 0);
        rig_turn(&rig, 1000);
    }
    assert_int_equal(rig.n_closes, 1);
    rig_turn(&rig, 2000);
    assert_int_equal(rig.n_connects, 2);
    chat__client_free(rig.client);
}

static void refusals_for_good_stop_until_reconnect(void **state)
{
    static const struct {
        chat_status status;
        const char *event;
    } rows[] = {{CHAT_ERR_AUTH, "STATE unauthorized refused"},
                {CHAT_ERR_EXPIRED, "STATE expired refused"},
                {CHAT_ERR_VERSION, "STATE version refused"},
                {CHAT_ERR_REPLACED, "STATE replaced refused"},
                {CHAT_ERR_REMOVED, "STATE removed refused"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        chat__client_options options = rig_options();
        rig_init(&rig, &options);
        rig_send(&rig, &ROOM, "kept");
        rig_turn(&rig, 0);
        (void)rig_event(&rig);
        chat__client_lost(rig.client, rows[i].status, 0, "no");
        assert_string_equal(rig_event(&rig), rows[i].event);
        rig_turn(&rig, 3600000);
        assert_int_equal(rig.n_connects, 1);
        assert_int_equal(chat__client_outbox_count(rig.client), 1);
        assert_true(chat__client_deadline(rig.client) == UINT64_MAX);
        assert_int_equal(chat__client_reconnect(rig.client), CHAT_OK);
        rig_turn(&rig, 0);
        assert_int_equal(rig.n_connects, 2);
        chat__client_free(rig.client);
    }
}

/* Until it is told to come back. */
static void a_device_that_was_removed_stays_away(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_drain(&rig);
    const char *bye = "{\"t\":\"bye\",\"code\":\"removed\",\"text\":\"it was removed\"}";
    assert_string_equal(rig_hear(&rig, bye), "STATE removed refused");
    rig_turn(&rig, 3600000);
    assert_int_equal(rig.n_connects, 1);
    assert_int_equal(chat__client_reconnect(rig.client), CHAT_OK);
    rig_turn(&rig, 0);
    assert_int_equal(rig.n_connects, 2);
    chat__client_free(rig.client);
}

static void devices_come_as_rows(void **state)
{
    struct rig rig;
    chat_frame frame;
    uint64_t r = 0;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_drain(&rig);
    (void)rig_written(&rig);
    chat_frame_init(&frame, CHAT_FRAME_DEVICES);
    assert_int_equal(chat__client_request(rig.client, &frame, &r), CHAT_OK);
    rig_turn(&rig, 1);
    assert_string_equal(rig_written(&rig), "{\"t\":\"devices\",\"r\":1}\n");
    assert_string_equal(
        rig_hear(&rig, "{\"t\":\"device\",\"r\":1,\"ts\":7,\"device\":\"a\",\"online\":true}"),
        "ROW ok 1");
    assert_string_equal(
        rig_hear(&rig, "{\"t\":\"device\",\"r\":9,\"ts\":7,\"device\":\"a\",\"online\":true}"), "");
    assert_string_equal(rig_hear(&rig, "{\"t\":\"result\",\"r\":1,\"count\":1}"), "RESULT ok 1");
    chat__client_free(rig.client);
}

static void bye_says_when_to_come_back(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "accepted");
    rig_turn(&rig, 1);
    (void)rig_hear(&rig, "{\"t\":\"bye\",\"code\":\"draining\",\"retry_after_ms\":20000}");
    /* What was accepted is still answered, nothing new is written. */
    assert_non_null(strstr(rig_hear_sent(&rig, rig.cid.text, 3), "SENT"));
    (void)rig_written(&rig);
    rig_send(&rig, &ROOM, "new");
    rig_turn(&rig, 1);
    assert_string_equal(rig_written(&rig), "");
    chat__client_lost(rig.client, CHAT_ERR_CLOSED, 0, "");
    assert_string_equal(rig_event(&rig), "STATE draining waiting");
    uint64_t wait = chat__client_deadline(rig.client) - rig.now_ms;
    assert_in_range(wait, 20000, 24000);
    chat__client_free(rig.client);
}

static void bye_of_a_server_that_does_not_close_is_followed(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)rig_hear(&rig, "{\"t\":\"bye\",\"code\":\"draining\"}");
    rig_turn(&rig, 5000);
    assert_int_equal(rig.n_closes, 1);
    assert_string_equal(rig_event(&rig), "STATE draining waiting");
    rig_drain(&rig);
    rig_turn(&rig, 60000);
    rig_welcome(&rig);
    rig_drain(&rig);
    assert_string_equal(rig_hear(&rig, "{\"t\":\"bye\",\"code\":\"expired\"}"),
                        "STATE expired refused");
    chat__client_free(rig.client);
}

static void reconnect_cuts_a_wait_short(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_turn(&rig, 0);
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 30000, "");
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_connects, 1);
    assert_int_equal(chat__client_reconnect(rig.client), CHAT_OK);
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_connects, 2);
    assert_int_equal(rig.n_closes, 0);
    rig_welcome(&rig);
    assert_int_equal(chat__client_reconnect(rig.client), CHAT_OK);
    rig_turn(&rig, 1);
    assert_int_equal(rig.n_closes, 1);
    assert_int_equal(rig.n_connects, 3);
    chat__client_free(rig.client);
}

static void after_close_nothing_is_possible(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_view none = chat__view(NULL, 0);
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    chat__client_close(rig.client);
    assert_string_equal(rig_event(&rig), "STATE ok closed");
    assert_int_equal(chat__client_reconnect(rig.client), CHAT_ERR_STATE);
    assert_int_equal(client_send(rig.client, &ROOM, none, none, NULL), CHAT_ERR_STATE);
    rig_turn(&rig, 3600000);
    assert_int_equal(rig.n_connects, 1);
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_connect_retries_a_server_that_is_down),
        cmocka_unit_test(waits_of_two_seeds_differ),
        cmocka_unit_test(a_stable_connection_resets_the_wait),
        cmocka_unit_test(a_sender_that_acknowledges_nothing_comes_back_soon),
        cmocka_unit_test(connecting_has_one_deadline),
        cmocka_unit_test(hello_names_the_device_and_nothing_overtakes_it),
        cmocka_unit_test(dead_peer_is_given_up_after_two_heartbeats),
        cmocka_unit_test(a_living_peer_is_kept),
        cmocka_unit_test(an_unanswered_message_makes_a_new_connection),
        cmocka_unit_test(refusals_for_good_stop_until_reconnect),
        cmocka_unit_test(a_device_that_was_removed_stays_away),
        cmocka_unit_test(devices_come_as_rows),
        cmocka_unit_test(bye_says_when_to_come_back),
        cmocka_unit_test(bye_of_a_server_that_does_not_close_is_followed),
        cmocka_unit_test(reconnect_cuts_a_wait_short),
        cmocka_unit_test(after_close_nothing_is_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
