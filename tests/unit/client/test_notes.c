/* SPDX-License-Identifier: MIT */
/* Edits, deletions and reactions of a client: each is named, so that it is done once. */
#include "rig.h"

#include <chat/client.h>
#include <chat/id.h>

static void ask(struct rig *rig, chat_frame_type type)
{
    chat_frame frame;
    uint64_t r = 0;
    chat_frame_init(&frame, type);
    CHAT_FRAME_SET(&frame, CHAT, chat, ROOM.chat);
    CHAT_FRAME_SET(&frame, RE, re, 5);
    if (type == CHAT_FRAME_EDIT)
        CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("text"));
    assert_int_equal(chat__client_request(rig->client, &frame, &r), CHAT_OK);
    rig_turn(rig, 1);
}

/* The `cid` of the only frame in `out`; "" when it has none. */
static const char *cid_in(const char *out)
{
    static char cid[64];
    const char *at = strstr(out, "\"cid\":\"");
    snprintf(cid, sizeof cid, "%.*s", at == NULL ? 0 : (int)strcspn(at + 7, "\""),
             at == NULL ? "" : at + 7);
    return cid;
}

static void each_has_a_name_of_its_own(void **state)
{
    static const chat_frame_type types[] = {CHAT_FRAME_EDIT, CHAT_FRAME_DELETE, CHAT_FRAME_REACT};
    struct rig rig;
    chat__client_options options = rig_options();
    char seen[4][sizeof rig.cid.text] = {""};
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    snprintf(seen[3], sizeof seen[3], "%s", rig_send(&rig, &ROOM, "hello"));
    (void)rig_written(&rig);
    for (size_t i = 0; i < 3; i++) {
        ask(&rig, types[i]);
        snprintf(seen[i], sizeof seen[i], "%s", cid_in(rig_written(&rig)));
        assert_true(chat_id_is_valid(chat__view_str(seen[i])));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        assert_string_not_equal(seen[i], seen[3]);
    }
    ask(&rig, CHAT_FRAME_REACTIONS);
    assert_string_equal(cid_in(rig_written(&rig)), "");
    chat__client_free(rig.client);
}

static void a_resend_keeps_its_name(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    char cid[64];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    ask(&rig, CHAT_FRAME_EDIT);
    const char *out = rig_written(&rig);
    assert_null(strstr(out, "resend"));
    snprintf(cid, sizeof cid, "%s", cid_in(out));
    chat__client_lost(rig.client, CHAT_ERR_NETWORK, 0, "");
    rig_turn(&rig, 2000);
    rig_welcome(&rig);
    out = rig_written(&rig);
    assert_non_null(strstr(out, "\"resend\":true"));
    assert_string_equal(cid_in(out), cid);
    chat__client_free(rig.client);
}

/* `sent` tells a client of its own messages; of its own notes nothing else does. */
static void own_notes_are_given(void **state)
{
    struct rig rig;
    chat__client_options options = rig_options();
    const chat_event *event = NULL;
    char json[512];
    (void)state;
    rig_init(&rig, &options);
    rig_online(&rig);
    ask(&rig, CHAT_FRAME_DELETE);
    snprintf(json, sizeof json,
             "{\"t\":\"note\",\"chat\":\"room\",\"from\":\"alice\",\"id\":\"7\",\"seq\":\"7\","
             "\"prev\":\"5\",\"ts\":1,\"re\":\"5\",\"re_seq\":\"5\",\"what\":\"delete\","
             "\"cid\":\"%s\"}",
             cid_in(rig_written(&rig)));
    chat__client_receive(rig.client, chat__view_str(json));
    assert_int_equal(chat__client_next_event(rig.client, &event), CHAT_OK);
    assert_int_equal(event->type, CHAT_EVENT_NOTE);
    chat__client_free(rig.client);
}

static chat_client *new_client(void)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_client_options_init(&options);
    options.url = "wss://memory";
    options.token = "alice";
    options.own_transport = 1;
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    return client;
}

#define LONG_REACTION "0123456789012345678901234567890123456789012345678901234567890123456789"

/* Each row: a call of chat_client_note() and its status. */
static void what_cannot_be_asked_is_refused(void **state)
{
    static const struct {
        chat_frame_type type;
        uint64_t re;
        const char *text;
        chat_status status;
    } ROWS[] = {
        {CHAT_FRAME_EDIT, 5, "text", CHAT_OK},
        {CHAT_FRAME_DELETE, 5, "", CHAT_OK},
        {CHAT_FRAME_REACT, 5, "+", CHAT_OK},
        {CHAT_FRAME_REACT, 5, "", CHAT_OK},
        {CHAT_FRAME_REACTIONS, 5, "", CHAT_OK},
        {CHAT_FRAME_SEND, 5, "text", CHAT_ERR_ARG},
        {CHAT_FRAME_EDIT, 0, "text", CHAT_ERR_ARG},
        {CHAT_FRAME_EDIT, 5, "\xff", CHAT_ERR_ARG},
        {CHAT_FRAME_REACT, 5, LONG_REACTION, CHAT_ERR_LIMIT},
    };
    chat_client *client = new_client();
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        uint64_t r = 77;
        chat_note_request note = {sizeof note, 0, ROWS[i].re, chat__view_str(ROWS[i].text)};
        assert_int_equal(chat_client_note(client, ROWS[i].type, &ROOM, &note, &r), ROWS[i].status);
        assert_true((r == 77) == (ROWS[i].status != CHAT_OK));
    }
    chat_client_free(client);
}

static void bad_arguments_are_refused(void **state)
{
    chat_client *client = new_client();
    chat_note_request note = {sizeof note, 0, 5, {NULL, 0}};
    chat_note_request none = {0, 0, 5, {NULL, 0}};
    chat_target nobody = {{NULL, 0}, {NULL, 0}};
    (void)state;
    assert_int_equal(chat_client_note(NULL, CHAT_FRAME_DELETE, &ROOM, &note, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, NULL, &note, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, &nobody, &note, NULL),
                     CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, &ROOM, NULL, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, &ROOM, &none, NULL), CHAT_ERR_ARG);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, &ROOM, &note, NULL), CHAT_OK);
    assert_int_equal(chat_client_close(client), CHAT_OK);
    assert_int_equal(chat_client_note(client, CHAT_FRAME_DELETE, &ROOM, &note, NULL),
                     CHAT_ERR_STATE);
    chat_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_a_name_of_its_own),
        cmocka_unit_test(a_resend_keeps_its_name),
        cmocka_unit_test(own_notes_are_given),
        cmocka_unit_test(what_cannot_be_asked_is_refused),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
