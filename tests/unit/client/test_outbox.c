/* SPDX-License-Identifier: MIT */
#include "rig.h"

static void ordered_outbox_keeps_order_over_a_reconnect(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_send(&rig, &ROOM, "one"); /* before any connection */
    rig_online(&rig);
    rig_send(&rig, &ROOM, "two");
    rig_send(&rig, &BOB, "three");
    rig_turn(&rig, 1);
    (void)rig_written(&rig);
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "gone");
    rig_send(&rig, &ROOM, "four");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    const char *out = rig_written(&rig);
    const char *one = strstr(out, "one"), *two = strstr(out, "two");
    const char *three = strstr(out, "three"), *four = strstr(out, "four");
    assert_true(one != NULL && one < two && two < three && three < four);
    assert_int_equal(count_of(out, "\"resend\":true"), 3);
    assert_int_equal(count_of(out, "\"t\":\"send\""), 4);
    chat__client_free(rig.client);
}

static void one_copy_tells_sent_once(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char cid[80];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    snprintf(cid, sizeof cid, "%s", rig_send(&rig, &ROOM, "hello"));
    rig_turn(&rig, 1);
    assert_int_equal(count_of(rig_written(&rig), cid), 1);
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "gone");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    assert_int_equal(count_of(rig_written(&rig), cid), 1);
    rig_drain(&rig);
    assert_non_null(strstr(rig_hear_sent(&rig, cid, 5), "SENT ok"));
    assert_string_equal(rig_hear_sent(&rig, cid, 5), "");
    assert_int_equal(chat__client_outbox_count(rig.client), 0);
    chat__client_free(rig.client);
}

static void each_cid_is_another(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char first[80];
    (void)state;
    rig_init(&rig, &options);
    snprintf(first, sizeof first, "%s", rig_send(&rig, &ROOM, "a"));
    assert_string_not_equal(first, rig_send(&rig, &ROOM, "b"));
    assert_true(chat_id_is_valid(chat__view_str(first)));
    chat__client_free(rig.client);
}

static void a_cid_of_an_earlier_run_is_a_resend(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_view body = chat__view_str("again"), cid = chat__view_str("old-1");
    (void)state;
    rig_init(&rig, &options);
    assert_int_equal(client_send(rig.client, &ROOM, body, cid, NULL), CHAT_OK);
    assert_int_equal(client_send(rig.client, &ROOM, body, cid, NULL), CHAT_ERR_EXISTS);
    rig_turn(&rig, 0);
    rig_welcome(&rig);
    const char *out = rig_written(&rig);
    assert_non_null(strstr(out, "\"cid\":\"old-1\""));
    assert_non_null(strstr(out, "\"resend\":true"));
    chat__client_free(rig.client);
}

static void a_refusal_for_good_fails_the_message(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    rig_send(&rig, &ROOM, "hello");
    rig_turn(&rig, 1);
    assert_non_null(strstr(rig_hear_error(&rig, rig.cid.text, "forbidden"), "FAILED forbidden"));
    assert_int_equal(chat__client_outbox_count(rig.client), 0);
    chat__client_free(rig.client);
}

static void a_refusal_for_now_holds_and_repeats_in_order(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char cids[2][80];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    snprintf(cids[0], 80, "%s", rig_send(&rig, &ROOM, "one"));
    snprintf(cids[1], 80, "%s", rig_send(&rig, &ROOM, "two"));
    rig_turn(&rig, 1);
    (void)rig_written(&rig);
    assert_string_equal(rig_hear_error(&rig, cids[0], "busy"), "");
    assert_string_equal(rig_hear_error(&rig, cids[1], "busy"), "");
    rig_send(&rig, &ROOM, "three");
    rig_turn(&rig, 500);
    assert_string_equal(rig_written(&rig), "");
    assert_true(chat__client_deadline(rig.client) <= rig.now_ms + 500);
    rig_turn(&rig, 500);
    const char *out = rig_written(&rig);
    const char *one = strstr(out, "one"), *two = strstr(out, "two"), *three = strstr(out, "three");
    assert_true(one != NULL && one < two && two < three);
    chat__client_free(rig.client);
}

/* The server says how long; who is refused later is told a shorter time. */
static void a_rate_limit_is_waited_for_in_place(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char cids[2][80], json[2][256];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (int i = 0; i < 2; i++) {
        snprintf(cids[i], 80, "%s", rig_send(&rig, &ROOM, i == 0 ? "one" : "two"));
        snprintf(json[i], 256,
                 "{\"t\":\"error\",\"cid\":\"%s\",\"code\":\"rate_limited\","
                 "\"retry_after_ms\":%d}",
                 cids[i], i == 0 ? 3000 : 2900);
    }
    rig_turn(&rig, 1);
    (void)rig_written(&rig);
    assert_string_equal(rig_hear(&rig, json[0]), "");
    assert_string_equal(rig_hear(&rig, json[1]), "");
    rig_send(&rig, &ROOM, "three");
    rig_turn(&rig, 2999);
    assert_string_equal(rig_written(&rig), "");
    rig_turn(&rig, 1);
    const char *out = rig_written(&rig);
    const char *one = strstr(out, "one"), *two = strstr(out, "two"), *three = strstr(out, "three");
    assert_true(one != NULL && one < two && two < three);
    assert_non_null(strstr(out, cids[0]));
    assert_non_null(strstr(out, cids[1]));
    chat__client_free(rig.client);
}

static void what_was_overtaken_fails(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char cids[3][80];
    char want[128];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    snprintf(cids[0], 80, "%s", rig_send(&rig, &ROOM, "one"));
    snprintf(cids[1], 80, "%s", rig_send(&rig, &BOB, "other chat"));
    snprintf(cids[2], 80, "%s", rig_send(&rig, &ROOM, "two"));
    rig_turn(&rig, 1);
    assert_string_equal(rig_hear_error(&rig, cids[0], "busy"), "");
    assert_string_equal(rig_hear_error(&rig, cids[1], "busy"), "");
    assert_non_null(strstr(rig_hear_sent(&rig, cids[2], 9), "SENT"));
    snprintf(want, sizeof want, "FAILED busy %s", cids[0]);
    assert_string_equal(rig_event(&rig), want);
    assert_string_equal(rig_event(&rig), "");
    assert_int_equal(chat__client_outbox_count(rig.client), 1);
    chat__client_free(rig.client);
}

static void limits_of_count_bytes_and_body(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    static char big[2000];
    chat_view none = chat__view(NULL, 0);
    (void)state;
    memset(big, 'x', sizeof big);
    options.max_outbox_count = 2;
    rig_init(&rig, &options);
    rig_send(&rig, &ROOM, "a");
    rig_send(&rig, &ROOM, "b");
    assert_int_equal(client_send(rig.client, &ROOM, none, none, NULL), CHAT_ERR_BUSY);
    chat__client_free(rig.client);

    options.max_outbox_count = 100;
    options.max_outbox_bytes = 3000;
    rig_init(&rig, &options);
    assert_int_equal(client_send(rig.client, &ROOM, chat__view(big, sizeof big), none, NULL),
                     CHAT_OK);
    assert_int_equal(client_send(rig.client, &ROOM, chat__view(big, sizeof big), none, NULL),
                     CHAT_ERR_BUSY);
    /* The server says at most 1000: too late for this one, in time for the next. */
    rig_turn(&rig, 0);
    rig_welcome(&rig);
    rig_turn(&rig, 1);
    assert_null(strstr(rig_written(&rig), "xxxx"));
    assert_string_equal(rig_event(&rig), "STATE ok connecting");
    assert_non_null(strstr(rig_event(&rig), "FAILED too_large"));
    assert_int_equal(client_send(rig.client, &ROOM, chat__view(big, sizeof big), none, NULL),
                     CHAT_ERR_LIMIT);
    chat__client_free(rig.client);
}

static void wrong_targets_and_bodies_are_refused_at_once(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_view none = chat__view(NULL, 0), body = chat__view_str("x");
    const chat_target both = {chat__view_str("room"), chat__view_str("bob")};
    const chat_target nobody = {none, none};
    const chat_target bad_direct = {chat__view_str("dm:9:a:b"), none};
    const chat_target direct = {chat__view_str("dm:1:a:b"), none};
    (void)state;
    rig_init(&rig, &options);
    assert_int_equal(client_send(rig.client, &both, body, none, NULL), CHAT_ERR_ARG);
    assert_int_equal(client_send(rig.client, &nobody, body, none, NULL), CHAT_ERR_ARG);
    assert_int_equal(client_send(rig.client, &bad_direct, body, none, NULL), CHAT_ERR_ARG);
    assert_int_equal(client_send(rig.client, &direct, body, none, NULL), CHAT_OK);
    assert_int_equal(client_send(rig.client, &ROOM, chat__view("\xff", 1), none, NULL),
                     CHAT_ERR_ARG);
    chat__client_free(rig.client);
}

static void no_more_than_256_are_in_flight(void **state)
{
    static struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    for (int i = 0; i < 300; i++)
        rig_send(&rig, &ROOM, "m");
    rig_turn(&rig, 1);
    assert_int_equal(count_of(rig_written(&rig), "\"t\":\"send\""), 256);
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordered_outbox_keeps_order_over_a_reconnect),
        cmocka_unit_test(one_copy_tells_sent_once),
        cmocka_unit_test(each_cid_is_another),
        cmocka_unit_test(a_cid_of_an_earlier_run_is_a_resend),
        cmocka_unit_test(a_refusal_for_good_fails_the_message),
        cmocka_unit_test(a_refusal_for_now_holds_and_repeats_in_order),
        cmocka_unit_test(a_rate_limit_is_waited_for_in_place),
        cmocka_unit_test(what_was_overtaken_fails),
        cmocka_unit_test(limits_of_count_bytes_and_body),
        cmocka_unit_test(wrong_targets_and_bodies_are_refused_at_once),
        cmocka_unit_test(no_more_than_256_are_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
