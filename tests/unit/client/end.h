/* SPDX-License-Identifier: MIT */
/* A client joined in memory to a test server, under the server's clock. */
#ifndef CHAT_TESTS_CLIENT_END_H
#define CHAT_TESTS_CLIENT_END_H

#include "unit.h"
#include "every_call.h"

#include <chat/testing_server.h>
#include <stdio.h>

struct end {
    chat_test_server *server;
    chat_client *client;
    uint64_t number;
    chat_test_conn conn;
    uint32_t piece; /* bytes for each feed */
    int calls_everything;
    char seen[8192]; /* types of events and bodies */
};

static inline chat_client_options options_for(const char *user)
{
    chat_client_options options;
    chat_client_options_init(&options);
    options.url = "wss://memory";
    options.token = user;
    options.device = "d";
    options.own_transport = 1;
    options.max_requests = 10000;
    return options;
}

static inline chat_test_server *new_server(void)
{
    chat_test_server_options options;
    chat_test_server *server = NULL;
    chat_test_server_options_init(&options);
    assert_int_equal(chat_test_server_new(&options, &server), CHAT_OK);
    return server;
}

static inline void note(struct end *end, const chat_event *event)
{
    size_t len = strlen(end->seen);
    chat_view body = {(const uint8_t *)"", 0};
    if (event->frame != NULL && CHAT_FRAME_HAS(event->frame, BODY))
        body = event->frame->body;
    snprintf(end->seen + len, sizeof end->seen - len, "%u:%u:%d:%.*s ", event->type, event->state,
             event->status, (int)body.len, (const char *)body.data);
}

static inline void follow(struct end *end)
{
    uint64_t wanted = chat_client_transport_wanted(end->client);
    if (wanted == end->number)
        return;
    if (end->number != 0)
        chat_test_server_hangup(end->server, end->conn);
    end->number = wanted;
    if (wanted == 0)
        return;
    assert_int_equal(chat_test_server_accept(end->server, &end->conn), CHAT_OK);
    assert_int_equal(chat_client_transport_opened(end->client, wanted), CHAT_OK);
}

static inline void carry(struct end *end)
{
    uint8_t bytes[4096];
    size_t n = 0, used = 0;
    while (chat_client_transport_take(end->client, end->number, bytes, end->piece, &n) == CHAT_OK)
        (void)chat_test_server_feed(end->server, end->conn, bytes, n);
    if (end->number == 0)
        return;
    chat_status status = chat_test_server_take(end->server, end->conn, bytes, end->piece, &n);
    if (status == CHAT_OK) {
        assert_int_equal(chat_client_transport_feed(end->client, end->number, bytes, n, &used),
                         CHAT_OK);
        assert_int_equal(used, n);
    } else if (status == CHAT_ERR_CLOSED) {
        (void)chat_client_transport_lost(end->client, end->number);
    }
}

/* `ms` of the virtual clock. */
static inline void go_on(struct end *end, uint64_t ms)
{
    const chat_event *event;
    while (ms-- > 0) {
        uint64_t now_ms = chat_test_server_now(end->server);
        (void)chat_client_process(end->client, now_ms);
        while (chat_client_next_event(end->client, &event) == CHAT_OK) {
            note(end, event);
            if (end->calls_everything)
                call_everything(end->client, now_ms, 0);
        }
        follow(end);
        carry(end);
        chat_test_server_advance(end->server, 1);
    }
}

static inline void begin(struct end *end, chat_test_server *server, const char *user)
{
    chat_client_options options = options_for(user);
    memset(end, 0, sizeof *end);
    end->server = server;
    end->piece = 4096;
    assert_int_equal(chat_client_new(&options, &end->client), CHAT_OK);
}

static const chat_target BOB = {{NULL, 0}, {(const uint8_t *)"bob", 3}};

static inline void send_to_bob(struct end *end, const char *text)
{
    assert_int_equal(chat_client_send(end->client, &BOB, chat__view_str(text), NULL), CHAT_OK);
}

static inline int count_of(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

#endif
