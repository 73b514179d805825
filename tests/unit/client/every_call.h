/* SPDX-License-Identifier: MIT */
/* Each call of <chat/client.h> but _new and _free, made from wherever. */
#ifndef CHAT_TESTS_CLIENT_EVERY_CALL_H
#define CHAT_TESTS_CLIENT_EVERY_CALL_H

#include "base/view.h"

#include <chat/client_store.h>
#include <chat/client_transport.h>
#include <string.h>

static inline void ask_everything(chat_client *client)
{
    const chat_target bob = {{NULL, 0}, {(const uint8_t *)"bob", 3}};
    const chat_view name = {(const uint8_t *)"bob", 3};
    const chat_view_list users = {&name, 1};
    chat_history_query query;
    chat_group_request group;
    chat_note_request note = {sizeof note, 0, 1, chat__view_str("hello")};
    uint64_t r;
    memset(&query, 0, sizeof query);
    query.struct_size = sizeof query;
    query.target = bob;
    memset(&group, 0, sizeof group);
    group.struct_size = sizeof group;
    group.chat = chat__view_str("room");
    (void)chat_client_history(client, &query, &r);
    (void)chat_client_chats(client, 0, &r);
    (void)chat_client_create(client, group.chat, group.chat, users, &r);
    (void)chat_client_group(client, CHAT_FRAME_CHAT_MEMBERS, &group, &r);
    (void)chat_client_presence(client, users, &r);
    (void)chat_client_watch(client, users, &r);
    (void)chat_client_hide(client, 0, &r);
    (void)chat_client_typing(client, &bob);
    (void)chat_client_read(client, &bob, 1, &r);
    (void)chat_client_mute(client, &bob, CHAT_MUTE_FOREVER, &r);
    (void)chat_client_block(client, name, &r);
    (void)chat_client_unblock(client, name, &r);
    (void)chat_client_blocks(client, &r);
    (void)chat_client_receipts(client, &bob, 1, &r);
    (void)chat_client_note(client, CHAT_FRAME_EDIT, &bob, &note, &r);
    (void)chat_client_note(client, CHAT_FRAME_REACTIONS, &bob, &note, &r);
    (void)chat_client_why(client, &bob, 1, name, &r);
    (void)chat_client_devices(client, &r);
    (void)chat_client_device_remove(client, name, &r);
    (void)chat_client_ping(client, &r);
}

/* All but what ends the connection. `is_driven`: by a thread of the library. */
static inline void call_everything(chat_client *client, uint64_t now_ms, int is_driven)
{
    const chat_target bob = {{NULL, 0}, {(const uint8_t *)"bob", 3}};
    const chat_event *event;
    chat_outbox_item item = {.struct_size = sizeof item};
    uint8_t byte;
    size_t n;
    ask_everything(client);
    (void)chat_client_fd(client);
    (void)chat_client_timeout(client, now_ms);
    (void)chat_client_outbox_count(client);
    (void)chat_client_outbox_next(client, 0, &item);
    (void)chat_client_outbox_find(client, chat__view_str("c"), &item);
    (void)chat_client_outbox_retry(client, chat__view_str("none"));
    (void)chat_client_outbox_drop(client, chat__view_str("none"));
    (void)chat_client_get_state(client);
    (void)chat_client_set_token(client, "alice");
    (void)chat_client_send(client, &bob, chat__view_str("hello"), NULL);
    (void)chat_client_send_again(client, &bob, chat__view_str("hello"), chat__view_str("c"));
    chat_client_wakeup(client);
    (void)chat_client_transport_take(client, chat_client_transport_wanted(client), &byte, 0, &n);
    if (is_driven) {
        assert_int_equal(chat_client_process(client, now_ms), CHAT_ERR_STATE);
        assert_int_equal(chat_client_next_event(client, &event), CHAT_ERR_STATE);
    } else {
        (void)chat_client_process(client, now_ms);
    }
}

#endif
