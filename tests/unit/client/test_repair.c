/* SPDX-License-Identifier: MIT */
/* A gap that the server tells of is filled from history. */
#include "rig.h"

#define GAP       "{\"t\":\"gap\",\"chat\":\"room\",\"after\":\"1\",\"before\":\"4\"}"
#define RESUMED   "{\"t\":\"resumed\",\"state\":\"gap\",\"count\":1}"
#define FIRST_ASK "{\"t\":\"history\",\"r\":1,\"chat\":\"room\",\"after\":\"1\",\"limit\":100}\n"

static const char *hear_row(struct rig *rig, unsigned r, unsigned seq)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"t\":\"msg\",\"r\":%u,\"chat\":\"room\",\"from\":\"bob\",\"id\":\"%u\","
             "\"seq\":\"%u\",\"prev\":\"%u\",\"ts\":1,\"body\":\"m%u\"}",
             r, seq, seq, seq - 1, seq);
    return rig_hear(rig, json);
}

static const char *hear_result(struct rig *rig, unsigned r)
{
    char json[128];
    snprintf(json, sizeof json, "{\"t\":\"result\",\"r\":%u,\"count\":1}", r);
    return rig_hear(rig, json);
}

static const char *written(struct rig *rig)
{
    rig_drain(rig);
    rig_turn(rig, 1);
    return rig_written(rig);
}

static void online_with_a_gap(struct rig *rig)
{
    chat__client_options options = rig_options();
    rig_init(rig, &options);
    rig_online(rig);
    assert_string_equal(rig_hear(rig, GAP), "");
}

/* Live messages of the chat wait for their turn in history, and `resumed` for the last page. */
static void everything_comes_once_and_in_order(void **state)
{
    struct rig rig;
    const chat_event *event;
    (void)state;
    online_with_a_gap(&rig);
    assert_string_equal(rig_hear_msg(&rig, 4, 3), "");
    assert_string_equal(rig_hear(&rig, RESUMED), "");
    assert_string_equal(written(&rig), "{\"t\":\"ack\",\"n\":1}\n" FIRST_ASK);
    assert_string_equal(hear_row(&rig, 1, 2), "MESSAGE ok m2");
    assert_string_equal(hear_row(&rig, 1, 3), "MESSAGE ok m3");
    assert_string_equal(hear_result(&rig, 1), "");
    assert_string_equal(
        written(&rig),
        "{\"t\":\"ack\",\"chat\":\"room\",\"seq\":\"3\",\"n\":1}\n"
        "{\"t\":\"history\",\"r\":2,\"chat\":\"room\",\"after\":\"3\",\"limit\":100}\n");
    assert_string_equal(hear_row(&rig, 2, 4), "MESSAGE ok m4");
    chat__client_receive(rig.client, chat__view_str("{\"t\":\"result\",\"r\":2,\"count\":1}"));
    assert_int_equal(chat__client_next_event(rig.client, &event), CHAT_OK);
    assert_int_equal(event->type, CHAT_EVENT_RESUMED);
    assert_true(chat__view_equal(event->frame->state, chat__view_str("recovered")));
    assert_int_equal(event->frame->count, 3);
    assert_string_equal(written(&rig), "{\"t\":\"ack\",\"chat\":\"room\",\"seq\":\"4\",\"n\":1}\n");
    assert_string_equal(rig_hear_msg(&rig, 4, 3), "");
    assert_string_equal(rig_hear_msg(&rig, 5, 4), "MESSAGE ok m5");
    chat__client_free(rig.client);
}

static void what_cannot_be_filled_is_told(void **state)
{
    static const char *const answers[] = {
        "{\"t\":\"error\",\"r\":1,\"code\":\"forbidden\"}",
        "{\"t\":\"result\",\"r\":1,\"count\":0}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct rig rig;
        const chat_event *event;
        online_with_a_gap(&rig);
        assert_string_equal(rig_hear(&rig, RESUMED), "");
        assert_string_equal(written(&rig), FIRST_ASK);
        chat__client_receive(rig.client, chat__view_str(answers[i]));
        assert_int_equal(chat__client_next_event(rig.client, &event), CHAT_OK);
        assert_int_equal(event->type, CHAT_EVENT_RESUMED);
        assert_true(chat__view_equal(event->frame->state, chat__view_str("gap")));
        assert_true(chat__view_equal(event->frame->chat, chat__view_str("room")));
        assert_int_equal(event->frame->after, 1);
        assert_int_equal(event->frame->before, 4);
        assert_string_equal(rig_hear_msg(&rig, 4, 3), "MESSAGE ok m4");
        chat__client_free(rig.client);
    }
}

/* The page was read before a message that came while it was on its way. */
static void what_comes_while_a_page_is_on_its_way_is_asked_for_again(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    assert_string_equal(written(&rig), FIRST_ASK);
    assert_string_equal(hear_row(&rig, 1, 2), "MESSAGE ok m2");
    assert_string_equal(hear_row(&rig, 1, 3), "MESSAGE ok m3");
    assert_string_equal(rig_hear_msg(&rig, 4, 3), "");
    assert_string_equal(hear_result(&rig, 1), "");
    assert_non_null(strstr(written(&rig), "\"t\":\"history\",\"r\":2"));
    assert_string_equal(rig_hear_msg(&rig, 5, 4), "");
    assert_string_equal(hear_result(&rig, 2), "");
    assert_non_null(strstr(written(&rig), "\"t\":\"history\",\"r\":3"));
    assert_string_equal(hear_row(&rig, 3, 4), "MESSAGE ok m4");
    assert_string_equal(hear_row(&rig, 3, 5), "MESSAGE ok m5");
    assert_string_equal(hear_result(&rig, 3), "");
    assert_string_equal(rig_hear_msg(&rig, 6, 5), "MESSAGE ok m6");
    chat__client_free(rig.client);
}

static void a_busy_server_is_asked_again_later(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    assert_string_equal(written(&rig), FIRST_ASK);
    assert_string_equal(
        rig_hear(&rig, "{\"t\":\"error\",\"r\":1,\"code\":\"busy\",\"retry_after_ms\":2000}"), "");
    assert_string_equal(written(&rig), "");
    assert_int_equal(chat__client_deadline(rig.client), rig.now_ms - 1 + 2000);
    rig_turn(&rig, 2000);
    assert_non_null(strstr(rig_written(&rig), "\"t\":\"history\",\"r\":2"));
    chat__client_free(rig.client);
}

/* The server tells again; what was given stays given. */
static void a_lost_connection_begins_anew_behind_what_was_given(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    (void)written(&rig);
    assert_string_equal(hear_row(&rig, 1, 2), "MESSAGE ok m2");
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    rig_drain(&rig);
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    rig_drain(&rig);
    assert_string_equal(hear_row(&rig, 1, 3), "");
    assert_string_equal(rig_hear(&rig, GAP), "");
    assert_non_null(strstr(written(&rig), "\"r\":2,\"chat\":\"room\",\"after\":\"2\""));
    chat__client_free(rig.client);
}

static void connect_again(struct rig *rig)
{
    chat__client_lost(rig->client, CHAT_ERR_NETWORK, 0, "");
    rig_drain(rig);
    rig_turn(rig, 40000); /* longer than any wait */
    rig_welcome(rig);
    rig_drain(rig);
    (void)rig_written(rig);
}

static void assert_resumed(struct rig *rig, const char *json, const char *state)
{
    const chat_event *event;
    chat__client_receive(rig->client, chat__view_str(json));
    assert_int_equal(chat__client_next_event(rig->client, &event), CHAT_OK);
    assert_int_equal(event->type, CHAT_EVENT_RESUMED);
    assert_true(chat__view_equal(event->frame->state, chat__view_str(state)));
    assert_int_equal(CHAT_FRAME_HAS(event->frame, AFTER), strcmp(state, "gap") == 0);
    rig_drain(rig);
}

#define RECOVERED "{\"t\":\"resumed\",\"state\":\"recovered\",\"count\":0}"

/* The server said it, the application was not told: the next connection's event says it, once. */
static void a_reset_that_waited_for_a_page_outlives_its_connection(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    assert_string_equal(rig_hear(&rig, "{\"t\":\"resumed\",\"state\":\"reset\",\"count\":0}"), "");
    connect_again(&rig);
    assert_resumed(&rig, RECOVERED, "reset");
    connect_again(&rig);
    assert_resumed(&rig, RECOVERED, "recovered");
    chat__client_free(rig.client);
}

/* The gap was confirmed, so the server does not tell of it again. */
static void a_gap_that_was_not_told_outlives_its_connection(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    assert_string_equal(written(&rig), FIRST_ASK);
    assert_string_equal(hear_result(&rig, 1), "");
    assert_non_null(strstr(written(&rig), "\"t\":\"ack\""));
    connect_again(&rig);
    connect_again(&rig);
    assert_resumed(&rig, RECOVERED, "gap");
    connect_again(&rig);
    assert_resumed(&rig, RECOVERED, "recovered");
    chat__client_free(rig.client);
}

static void a_late_page_costs_the_connection(void **state)
{
    struct rig rig;
    (void)state;
    online_with_a_gap(&rig);
    (void)written(&rig);
    rig_turn(&rig, 29000);
    chat__client_alive(rig.client);
    assert_int_equal(rig.n_closes, 0);
    rig_turn(&rig, 1000);
    assert_int_equal(rig.n_closes, 1);
    chat__client_free(rig.client);
}

static void who_ignores_the_stream_fills_nothing(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    options.ignore_stream = 1;
    rig_init(&rig, &options);
    rig_online(&rig);
    assert_string_equal(rig_hear(&rig, GAP), "");
    assert_string_equal(written(&rig), "");
    assert_string_equal(rig_hear(&rig, RESUMED), "RESUMED ok 0");
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_once_and_in_order),
        cmocka_unit_test(what_cannot_be_filled_is_told),
        cmocka_unit_test(what_comes_while_a_page_is_on_its_way_is_asked_for_again),
        cmocka_unit_test(a_busy_server_is_asked_again_later),
        cmocka_unit_test(a_lost_connection_begins_anew_behind_what_was_given),
        cmocka_unit_test(a_reset_that_waited_for_a_page_outlives_its_connection),
        cmocka_unit_test(a_gap_that_was_not_told_outlives_its_connection),
        cmocka_unit_test(a_late_page_costs_the_connection),
        cmocka_unit_test(who_ignores_the_stream_fills_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
