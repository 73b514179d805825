/* SPDX-License-Identifier: MIT */
/* What the calls of <chat/client.h> say to the server. */
#include "peer.h"

#include "every_call.h"

static void ask_every_kind(chat_client *client)
{
    static const chat_frame_type groups[] = {
        CHAT_FRAME_CHAT_CREATE, CHAT_FRAME_CHAT_UPDATE, CHAT_FRAME_CHAT_JOIN, CHAT_FRAME_CHAT_LEAVE,
        CHAT_FRAME_CHAT_ADD,    CHAT_FRAME_CHAT_REMOVE, CHAT_FRAME_CHAT_ROLE};
    static const chat_frame_type notes[] = {CHAT_FRAME_DELETE, CHAT_FRAME_REACT};
    const chat_target room = {chat__view_str("room"), {NULL, 0}};
    const chat_view bob = chat__view_str("bob");
    chat_group_request group = {.struct_size = sizeof group, .chat = room.chat, .user = bob};
    chat_note_request note = {.struct_size = sizeof note, .re = 1, .text = chat__view_str("x")};
    uint64_t r;
    group.title = chat__view_str("title");
    group.role = chat__view_str("admin");
    group.users.items = &bob;
    group.users.n_items = 1;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        assert_int_equal(chat_client_group(client, groups[i], &group, &r), CHAT_OK);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        assert_int_equal(chat_client_note(client, notes[i], &room, &note, &r), CHAT_OK);
}

static void expect_heard(const struct peer *peer, const char *type)
{
    char text[64];
    snprintf(text, sizeof text, "{\"t\":\"%s\"", type);
    if (strstr(peer->heard, text) == NULL)
        fail_msg("no call sends %s", type);
}

/* Everything that the protocol can do is reachable: each row that a client may send is heard. */
static void every_frame_of_a_client_is_sent_by_a_call(void **state)
{
    struct peer peer;
    chat_client_options options;
    chat_client *client = NULL;
    (void)state;
    peer_init(&peer, "127.0.0.1");
    chat_client_options_init(&options);
    options.url = peer.url;
    options.token = "t";
    options.device = "d";
    options.encoding = CHAT_ENCODING_JSON;
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    assert_string_equal(both_event(&peer, client), "STATE ok connecting ");
    assert_string_equal(both_event(&peer, client), "STATE ok online ");
    const chat_target bob = {{NULL, 0}, chat__view_str("bob")};
    assert_int_equal(chat_client_send(client, &bob, chat__view_str("hello"), NULL), CHAT_OK);
    peer_say(&peer, "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"bob\",\"id\":\"7\",\"seq\":\"7\","
                    "\"ts\":1,\"body\":\"hi\"}");
    both_until_heard(&peer, client, "{\"t\":\"ack\"");
    ask_every_kind(client);
    ask_everything(client);
    both_until_heard(&peer, client, "{\"t\":\"ping\"");
#define SAID_CLIENT(type) expect_heard(&peer, type);
#define SAID_BOTH(type)   expect_heard(&peer, type);
#define SAID_SERVER(type)
#define SAID_NODE(type)
#define SAID(name, number, json, direction, required, optional, text) SAID_##direction(json)
    CHAT_FRAME_TABLE(SAID)
    chat_client_free(client);
    peer_done(&peer);
}

static chat_client *client_of_nobody(void)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_client_options_init(&options);
    options.url = "ws://127.0.0.1:1";
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    return client;
}

/* They say that they have something. */
static const chat_view nowhere = {NULL, 5};

static void lists_that_point_nowhere_are_refused(void **state)
{
    const chat_view_list lists[] = {{NULL, 3}, {&nowhere, 1}};
    chat_group_request group = {.struct_size = sizeof group, .chat = chat__view_str("room")};
    chat_client *client = client_of_nobody();
    uint64_t r;
    (void)state;
    for (int i = 0; i < 2; i++) {
        group.users = lists[i];
        assert_int_equal(chat_client_create(client, group.chat, group.title, group.users, &r),
                         CHAT_ERR_ARG);
        assert_int_equal(chat_client_group(client, CHAT_FRAME_CHAT_ADD, &group, &r), CHAT_ERR_ARG);
        assert_int_equal(chat_client_presence(client, group.users, &r), CHAT_ERR_ARG);
        assert_int_equal(chat_client_watch(client, group.users, &r), CHAT_ERR_ARG);
    }
    chat_client_free(client);
}

static void texts_that_point_nowhere_are_refused(void **state)
{
    const chat_target bob = {{NULL, 0}, chat__view_str("bob")}, lost = {nowhere, {NULL, 0}};
    chat_group_request group = {.struct_size = sizeof group, .chat = chat__view_str("room")};
    chat_note_request note = {.struct_size = sizeof note, .re = 1, .text = nowhere};
    chat_client *client = client_of_nobody();
    uint64_t r;
    (void)state;
    group.title = nowhere;
    assert_int_equal(chat_client_group(client, CHAT_FRAME_CHAT_UPDATE, &group, &r), CHAT_ERR_ARG);
    group.title.len = 0;
    group.user = bob.to;
    group.role = nowhere;
    assert_int_equal(chat_client_group(client, CHAT_FRAME_CHAT_ROLE, &group, &r), CHAT_ERR_ARG);
    assert_int_equal(chat_client_send(client, &bob, nowhere, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_send(client, &lost, bob.to, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_send_again(client, &bob, bob.to, nowhere), CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_EDIT, &bob, &note, &r), CHAT_ERR_ARG);
    assert_int_equal(chat_client_block(client, nowhere, &r), CHAT_ERR_ARG);
    assert_int_equal(chat_client_why(client, &bob, 1, nowhere, &r), CHAT_ERR_ARG);
    assert_int_equal(chat_client_outbox_drop(client, nowhere), CHAT_ERR_ARG);
    chat_client_free(client);
}

static void no_client_is_no_crash(void **state)
{
    (void)state;
    assert_int_equal(chat_client_fd(NULL), -1);
    assert_int_equal(chat_client_timeout(NULL, 0), -1);
    assert_int_equal(chat_client_outbox_count(NULL), 0);
    assert_int_equal(chat_client_get_state(NULL), CHAT_CLIENT_CLOSED);
    chat_client_wakeup(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_of_a_client_is_sent_by_a_call),
        cmocka_unit_test(lists_that_point_nowhere_are_refused),
        cmocka_unit_test(texts_that_point_nowhere_are_refused),
        cmocka_unit_test(no_client_is_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
