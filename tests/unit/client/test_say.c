/* SPDX-License-Identifier: MIT */
/* The outbox as it is shown and tended, and the ids of messages over several runs. */
#include "rig.h"

#include "client/item.h"

/* What `has` does not name means nothing, whatever is there. */
static void a_copy_looks_at_no_field_that_is_not_there(void **state)
{
    chat_frame frame;
    chat__client_item *item = NULL;
    chat_allocator libc = chat__alloc_or_libc(NULL);
    (void)state;
    memset(&frame, 0x5a, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.type = CHAT_FRAME_MSG;
    frame.has = 0;
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("text"));
    assert_int_equal(chat__client_item_new(&libc, &frame, &item), CHAT_OK);
    assert_true(chat__view_equal(item->frame.body, chat__view_str("text")));
    assert_int_equal(item->frame.users.n_items, 0);
    chat__alloc_free(&libc, item);
}

static void the_outbox_can_be_gone_through(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat__client_waiting waiting = {NULL, 0, 0};
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)rig_send(&rig, &ROOM, "one");
    rig_turn(&rig, 1);
    (void)rig_send(&rig, &BOB, "two");
    assert_int_equal(chat__client_outbox_after(rig.client, 0, &waiting), CHAT_OK);
    assert_true(chat__view_equal(waiting.frame->body, chat__view_str("one")));
    assert_true(waiting.is_written);
    assert_int_equal(chat__client_outbox_after(rig.client, waiting.number, &waiting), CHAT_OK);
    assert_true(chat__view_equal(waiting.frame->to, chat__view_str("bob")));
    assert_false(waiting.is_written);
    assert_int_equal(chat__client_outbox_after(rig.client, waiting.number, &waiting), CHAT_EMPTY);
    assert_int_equal(chat__client_outbox_find(rig.client, chat__view_str(rig.cid.text), &waiting),
                     CHAT_OK);
    assert_int_equal(chat__client_outbox_find(rig.client, chat__view_str("x"), &waiting),
                     CHAT_EMPTY);
    chat__client_free(rig.client);
}

static void what_is_unsaid_is_not_sent(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat__client_waiting waiting;
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    (void)rig_send(&rig, &ROOM, "one");
    (void)rig_send(&rig, &ROOM, "two");
    assert_int_equal(chat__client_outbox_last(rig.client, &waiting), CHAT_OK);
    assert_true(chat__view_equal(waiting.frame->body, chat__view_str("two")));
    chat__client_unsay(rig.client);
    assert_int_equal(chat__client_outbox_count(rig.client), 1);
    (void)rig_send(&rig, &ROOM, "three");
    rig_turn(&rig, 1);
    const char *out = rig_written(&rig);
    assert_true(strstr(out, "one") != NULL && strstr(out, "three") != NULL);
    assert_null(strstr(out, "two"));
    chat__client_free(rig.client);
}

/* Runs that share a file know each other's messages, and never give the same id. */
static void a_family_of_runs_knows_its_own_messages(void **state)
{
    struct rig first, second;
    chat__client_options options = rig_options();
    chat_client_cid cid;
    char json[512];
    (void)state;
    options.family = 99;
    rig_init(&first, &options);
    (void)rig_send(&first, &ROOM, "one");
    cid = first.cid;
    options.seed[0] = 1234;
    rig_init(&second, &options);
    rig_online(&second);
    assert_string_not_equal(rig_send(&second, &ROOM, "one"), cid.text);
    assert_memory_equal(second.cid.text, cid.text, 17);
    snprintf(json, sizeof json,
             "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"alice\",\"id\":\"5\",\"seq\":\"5\","
             "\"ts\":1,\"body\":\"mine\",\"cid\":\"%s\"}",
             cid.text);
    assert_string_equal(rig_hear(&second, json), "");
    assert_non_null(chat__client_heard(second.client)); /* to be kept all the same */
    chat__client_free(first.client);
    chat__client_free(second.client);
}

static void what_is_heard_names_what_was_asked(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    chat_frame frame;
    uint64_t r = 0;
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    chat_frame_init(&frame, CHAT_FRAME_CHATS);
    assert_int_equal(chat__client_request(rig.client, &frame, &r), CHAT_OK);
    rig_turn(&rig, 1);
    (void)rig_hear_msg(&rig, 5, 4);
    assert_non_null(chat__client_heard(rig.client));
    assert_null(chat__client_asked(rig.client));
    chat__client_receive(rig.client, chat__view_str("{\"t\":\"result\",\"r\":1,\"count\":0}"));
    assert_int_equal(chat__client_asked(rig.client)->type, CHAT_FRAME_CHATS);
    rig_drain(&rig);
    (void)rig_hear(&rig, "{\"t\":\"typing\",\"chat\":\"room\",\"user\":\"bob\"}");
    assert_null(chat__client_heard(rig.client));
    assert_int_equal(chat__client_take_number(rig.client), 2);
    chat__client_free(rig.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_looks_at_no_field_that_is_not_there),
        cmocka_unit_test(the_outbox_can_be_gone_through),
        cmocka_unit_test(what_is_unsaid_is_not_sent),
        cmocka_unit_test(a_family_of_runs_knows_its_own_messages),
        cmocka_unit_test(what_is_heard_names_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
