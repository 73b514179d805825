/* SPDX-License-Identifier: MIT */
/* Presence that servers share: what a node has told of its devices, and whom it asks about users of
   a node that is not reached. Alice lives on this node, bob on the other, which is lost. */
#include "node/node.h"

#include <chat/id.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define N_NODES 2u

static struct {
    chat__node *node;
    uint32_t self;
    uint64_t now_ms;
    char told[1024];    /* "+alice/phone -alice/phone " */
    char asked[256];    /* names of the last question, each with a blank */
    chat__effect who;   /* the last question: conn and id */
    char written[4096]; /* to any connection */
} w;

static void note(char *to, size_t cap, const char *format, chat_view a, chat_view b)
{
    size_t used = strlen(to);
    snprintf(to + used, cap - used, format, (int)a.len, (const char *)a.data, (int)b.len,
             (const char *)b.data);
}

static void run_effect(const chat__effect *effect)
{
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
        note(w.written, sizeof w.written, "%.*s%.*s\n", effect->bytes, chat__view_str(""));
        break;
    case CHAT__EFFECT_LOAD_USER:
        chat__node_user_loaded(w.node, effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_LOAD_BLOCKS:
        chat__node_blocks_loaded(w.node, effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_PRESENCE:
        note(w.told, sizeof w.told, effect->kind ? "+%.*s/%.*s " : "-%.*s/%.*s ", effect->user,
             effect->device);
        break;
    case CHAT__EFFECT_WHO:
        w.who = *effect;
        for (size_t i = 0; i < effect->names.n_items; i++)
            note(w.asked, sizeof w.asked, "%.*s%.*s ", effect->names.items[i], chat__view_str(""));
        break;
    default:
        break;
    }
}

static void pass_time(uint64_t ms)
{
    chat__effect effect;
    w.now_ms += ms;
    while (chat__node_next_effect(w.node, &effect) == CHAT_OK)
        run_effect(&effect);
    chat__node_begin(w.node, w.now_ms, CHAT_EPOCH_MS + w.now_ms);
    while (chat__node_next_effect(w.node, &effect) == CHAT_OK)
        run_effect(&effect);
}

static void make_node(uint32_t shares_presence)
{
    chat__node_options options;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.n_nodes = N_NODES;
    options.self = w.self = chat__node_of_user(chat__view_str("alice"), N_NODES);
    options.shares_presence = shares_presence;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    assert_int_not_equal(chat__node_of_user(chat__view_str("bob"), N_NODES), w.self);
    pass_time(1000);
}

static int setup(void **state)
{
    (void)state;
    make_node(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chat__node_free(w.node);
    return 0;
}

static void say(chat__conn conn, const char *json)
{
    w.written[0] = w.told[0] = w.asked[0] = 0;
    chat__node_receive(w.node, conn, chat__view_str(json));
    pass_time(1);
}

static chat__conn join(const char *hello)
{
    chat__conn conn = 0;
    assert_int_equal(
        chat__node_open(w.node, chat__view_str("alice"), CHAT_ENCODING_JSON, UINT64_MAX, &conn),
        CHAT_OK);
    say(conn, hello);
    return conn;
}

static void leave(chat__conn conn)
{
    w.told[0] = 0;
    chat__node_closed(w.node, conn);
    pass_time(1);
}

#define PHONE  "{\"t\":\"hello\",\"device\":\"phone\"}"
#define LAPTOP "{\"t\":\"hello\",\"device\":\"laptop\"}"
#define GET    "{\"t\":\"presence.get\",\"r\":7,\"users\":[\"bob\",\"alice\"]}"

static void devices_come_and_go(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    assert_string_equal(w.told, "+alice/phone ");
    chat__conn laptop = join(LAPTOP);
    assert_string_equal(w.told, "+alice/laptop ");
    leave(phone);
    assert_string_equal(w.told, "-alice/phone ");
    leave(laptop);
    assert_string_equal(w.told, "-alice/laptop ");
}

static void a_connection_that_never_said_hello_is_no_device(void **state)
{
    chat__conn conn = 0;
    (void)state;
    assert_int_equal(
        chat__node_open(w.node, chat__view_str("alice"), CHAT_ENCODING_JSON, UINT64_MAX, &conn),
        CHAT_OK);
    leave(conn);
    assert_string_equal(w.told, "");
}

static void a_device_that_connects_again_does_not_go(void **state)
{
    (void)state;
    chat__conn first = join(PHONE);
    (void)join(PHONE); /* the first is closed behind it */
    assert_string_equal(w.told, "+alice/phone ");
    leave(first);
    assert_string_equal(w.told, "");
}

static void who_hides_is_not_told(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    chat__conn laptop = join(LAPTOP);
    say(phone, "{\"t\":\"presence.hide\",\"r\":1,\"hidden\":true}");
    assert_string_equal(w.told, "-alice/laptop -alice/phone ");
    leave(laptop);
    (void)join(LAPTOP);
    assert_string_equal(w.told, "");
    say(phone, "{\"t\":\"presence.hide\",\"r\":1,\"hidden\":false}");
    assert_string_equal(w.told, "+alice/laptop +alice/phone ");
}

static void tell(chat_status status, uint8_t is_online)
{
    chat_view bob = chat__view_str("bob");
    chat__node_who who = {w.who.conn, w.who.id, w.who.to_node, {&bob, 1}, &is_online};
    chat__node_who_told(w.node, status, &who);
    pass_time(1);
}

static void others_are_asked_about_a_node_that_is_not_reached(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    assert_int_equal(chat__node_peer_lost(w.node, 1 - w.self), CHAT_OK);
    for (uint8_t is_online = 0; is_online < 2; is_online++) {
        say(phone, GET);
        assert_string_equal(w.asked, "bob ");
        assert_null(strstr(w.written, "result"));
        tell(CHAT_OK, is_online);
        assert_non_null(strstr(w.written, is_online ? "\"user\":\"bob\",\"online\":true"
                                                    : "\"user\":\"bob\",\"online\":false"));
        assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
    }
}

#define UNKNOWN_BOB "\"user\":\"bob\",\"code\":\"timeout\",\"online\":false"

static void when_they_do_not_know_the_row_says_so(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    assert_int_equal(chat__node_peer_lost(w.node, 1 - w.self), CHAT_OK);
    say(phone, GET);
    tell(CHAT_ERR_FULL, 0);
    assert_non_null(strstr(w.written, UNKNOWN_BOB));
    assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
    tell(CHAT_OK, 1); /* too late: nothing comes of it */
    say(phone, GET);
    leave(phone);
    tell(CHAT_OK, 1);
}

/* The link is not known to be lost. */
static void others_are_asked_when_a_node_does_not_answer(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    say(phone, GET);
    pass_time(4000);
    assert_string_equal(w.asked, "");
    pass_time(1000);
    assert_string_equal(w.asked, "bob ");
    assert_null(strstr(w.written, "code"));
    tell(CHAT_OK, 1);
    assert_non_null(strstr(w.written, "\"user\":\"bob\",\"online\":true"));
    assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
}

static void others_who_do_not_answer_either_end_it(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    say(phone, GET);
    pass_time(5001);
    pass_time(5001);
    assert_non_null(strstr(w.written, UNKNOWN_BOB));
    assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
}

static void when_a_link_is_lost_others_are_asked_at_once(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    say(phone, GET);
    assert_string_equal(w.asked, "");
    assert_int_equal(chat__node_peer_lost(w.node, 1 - w.self), CHAT_OK);
    pass_time(1);
    assert_string_equal(w.asked, "bob ");
    tell(CHAT_OK, 0);
    assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
}

static void link_says(chat_frame_type type, uint64_t number)
{
    uint8_t bytes[256];
    chat_frame frame;
    size_t len = 0;
    chat_frame_init(&frame, type);
    CHAT_FRAME_SET(&frame, CONN, conn, w.who.conn);
    CHAT_FRAME_SET(&frame, N, n, number);
    if (type == CHAT_FRAME_PRESENCE_ROW) {
        CHAT_FRAME_SET(&frame, USER, user, chat__view_str("bob"));
        CHAT_FRAME_SET(&frame, ONLINE, online, 1);
    }
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    assert_int_equal(chat__node_link(w.node, 1 - w.self, chat__view(bytes, len)), CHAT_OK);
    pass_time(1);
}

static void what_the_node_says_then_is_too_late(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    say(phone, GET);
    pass_time(5001);
    uint64_t before = w.who.id - 1;
    w.written[0] = 0;
    link_says(CHAT_FRAME_PRESENCE_ROW, before);
    link_says(CHAT_FRAME_PRESENCE_END, before);
    assert_string_equal(w.written, "");
    tell(CHAT_OK, 0);
    assert_non_null(strstr(w.written, "\"user\":\"bob\",\"online\":false"));
    assert_non_null(strstr(w.written, "{\"t\":\"result\",\"r\":7,\"count\":2}"));
}

static void a_watch_needs_the_node_itself(void **state)
{
    (void)state;
    chat__conn phone = join(PHONE);
    assert_int_equal(chat__node_peer_lost(w.node, 1 - w.self), CHAT_OK);
    say(phone, "{\"t\":\"presence.watch\",\"r\":8,\"users\":[\"bob\"]}");
    assert_string_equal(w.asked, "");
    assert_non_null(strstr(w.written, UNKNOWN_BOB));
}

static void without_others_nothing_is_told_or_asked(void **state)
{
    (void)state;
    chat__node_free(w.node);
    make_node(0);
    chat__conn phone = join(PHONE);
    assert_string_equal(w.told, "");
    assert_int_equal(chat__node_peer_lost(w.node, 1 - w.self), CHAT_OK);
    say(phone, GET);
    assert_string_equal(w.asked, "");
    assert_non_null(strstr(w.written, UNKNOWN_BOB));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(devices_come_and_go),
        TEST(a_connection_that_never_said_hello_is_no_device),
        TEST(a_device_that_connects_again_does_not_go),
        TEST(who_hides_is_not_told),
        TEST(others_are_asked_about_a_node_that_is_not_reached),
        TEST(when_they_do_not_know_the_row_says_so),
        TEST(others_are_asked_when_a_node_does_not_answer),
        TEST(others_who_do_not_answer_either_end_it),
        TEST(when_a_link_is_lost_others_are_asked_at_once),
        TEST(what_the_node_says_then_is_too_late),
        TEST(a_watch_needs_the_node_itself),
        TEST(without_others_nothing_is_told_or_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
