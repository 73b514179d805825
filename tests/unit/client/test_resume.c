/* SPDX-License-Identifier: MIT */
/* The application is told once a connection that it has what it lacked. */
#include "rig.h"

#define RESUMED "{\"t\":\"resumed\",\"state\":\"recovered\",\"count\":1}"

/* In the order of the stream, whatever the server repeats, and again over a new connection. */
static void one_resume_event(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    for (unsigned i = 1; i <= 2; i++) {
        rig_turn(&rig, 2000);
        rig_welcome(&rig);
        rig_drain(&rig);
        (void)rig_hear_msg(&rig, i, i - 1);
        assert_string_equal(rig_hear(&rig, RESUMED), "RESUMED ok 0");
        assert_string_equal(rig_hear(&rig, RESUMED), "");
        chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    }
    chat__client_free(rig.client);
}

static void it_says_how_and_how_much_and_is_not_acknowledged(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    const chat_event *event;
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    chat__client_receive(rig.client,
                         chat__view_str("{\"t\":\"resumed\",\"state\":\"reset\",\"count\":7}"));
    assert_int_equal(chat__client_next_event(rig.client, &event), CHAT_OK);
    assert_int_equal(event->type, CHAT_EVENT_RESUMED);
    assert_int_equal(event->frame->count, 7);
    assert_true(chat__view_equal(event->frame->state, chat__view_str("reset")));
    rig_drain(&rig);
    rig_turn(&rig, 1);
    assert_string_equal(rig_written(&rig), "");
    chat__client_free(rig.client);
}

static void it_counts_only_after_welcome(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    (void)state;
    rig_init(&rig, &options);
    rig_turn(&rig, 0);
    chat__client_opened(rig.client);
    rig_turn(&rig, 1);
    rig_drain(&rig);
    assert_string_equal(rig_hear(&rig, RESUMED), "");
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_resume_event),
        cmocka_unit_test(it_says_how_and_how_much_and_is_not_acknowledged),
        cmocka_unit_test(it_counts_only_after_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
