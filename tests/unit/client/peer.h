/* SPDX-License-Identifier: MIT */
/* A server of one connection at a time on a loopback socket, in the thread of the test. JSON. */
#ifndef CHAT_TESTS_CLIENT_PEER_H
#define CHAT_TESTS_CLIENT_PEER_H

#include "base/view.h"
#include "net/http.h"
#include "net/ws.h"
#include "unit.h"

#include <chat/client.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEER_STEPS 2000000 /* of one wait: a test that needs more hangs */

struct peer {
    int listen_fd, fd;
    char url[64];
    chat__ws_pool *pool;
    chat__ws ws;
    int is_up, is_slow;  /* slow: one byte each way and turn */
    int is_mute;         /* accepts and says nothing */
    const char *refusal; /* instead of the upgrade */
    chat__buf rx, tx;
    unsigned next_seq;
    int n_connects;
    char heard[65536]; /* messages, a line each */
};

static inline void peer_init(struct peer *peer, const char *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    chat__ws_limits limits = {1 << 20, 100, 512};
    memset(peer, 0, sizeof *peer);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = -1;
    peer->next_seq = 100;
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer->listen_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(peer->listen_fd, 8), 0);
    assert_int_equal(getsockname(peer->listen_fd, (struct sockaddr *)&address, &len), 0);
    snprintf(peer->url, sizeof peer->url, "ws://%s:%u/x", host, ntohs(address.sin_port));
    assert_int_equal(chat__ws_pool_new(NULL, &limits, &peer->pool), CHAT_OK);
    chat__buf_init(&peer->rx, NULL, 1 << 20);
    chat__buf_init(&peer->tx, NULL, 1 << 20);
}

static inline void peer_hang_up(struct peer *peer)
{
    if (peer->is_up)
        chat__ws_done(&peer->ws);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    peer->is_up = 0;
    peer->rx.len = 0;
    peer->tx.len = 0;
}

static inline void peer_done(struct peer *peer)
{
    peer_hang_up(peer);
    close(peer->listen_fd);
    chat__buf_done(&peer->rx);
    chat__buf_done(&peer->tx);
    chat__ws_pool_free(peer->pool);
}

static inline void peer_say(struct peer *peer, const char *json)
{
    assert_int_equal(chat__ws_write(&peer->ws, CHAT__WS_OP_TEXT, chat__view_str(json), &peer->tx),
                     CHAT_OK);
}

static inline void peer_answer(struct peer *peer, const char *json)
{
    char answer[512];
    const char *cid = strstr(json, "\"cid\":\"");
    if (strstr(json, "\"hello\"") != NULL)
        peer_say(peer, "{\"t\":\"welcome\",\"user\":\"alice\",\"device\":\"d\","
                       "\"heartbeat_ms\":30000,\"max_body_bytes\":65536}");
    if (strstr(json, "\"t\":\"send\"") == NULL || cid == NULL)
        return;
    cid += strlen("\"cid\":\"");
    snprintf(answer, sizeof answer,
             "{\"t\":\"sent\",\"cid\":\"%.*s\",\"chat\":\"room\",\"id\":\"1\",\"seq\":\"%u\","
             "\"ts\":1}",
             (int)strcspn(cid, "\""), cid, peer->next_seq++);
    peer_say(peer, answer);
}

static inline void peer_upgrade(struct peer *peer)
{
    chat__http_request request;
    size_t head_len = 0;
    memset(&request, 0, sizeof request);
    chat_status status =
        chat__http_parse_request(chat__buf_view(&peer->rx), 0, &request, &head_len);
    if (status == CHAT_MORE)
        return;
    assert_int_equal(status, CHAT_OK);
    if (peer->refusal != NULL) {
        (void)chat__buf_append(&peer->tx, peer->refusal, strlen(peer->refusal));
    } else {
        assert_int_equal(chat__http_write_switch(&request, request.offers_deflate, &peer->tx),
                         CHAT_OK);
        chat__ws_init(&peer->ws, peer->pool, 0, request.offers_deflate);
        peer->is_up = 1;
    }
    chat__buf_consume(&peer->rx, head_len);
}

static inline void peer_take(struct peer *peer)
{
    chat__ws_event event;
    size_t used = 0;
    while (peer->is_up && peer->rx.len > 0) {
        chat_status status = chat__ws_read(&peer->ws, peer->rx.data, peer->rx.len, &used, &event);
        if (status == CHAT_OK && event.type == CHAT__WS_TEXT) {
            char text[4096];
            size_t len = strlen(peer->heard);
            snprintf(text, sizeof text, "%.*s", (int)event.payload.len,
                     (const char *)event.payload.data);
            snprintf(peer->heard + len, sizeof peer->heard - len, "%s\n", text);
            peer_answer(peer, text);
        } else if (status == CHAT_OK && event.type == CHAT__WS_CLOSE) {
            size_t len = strlen(peer->heard);
            snprintf(peer->heard + len, sizeof peer->heard - len, "close %u\n", event.code);
            (void)chat__ws_write_close(&peer->ws, 1000, "", &peer->tx);
        }
        chat__buf_consume(&peer->rx, used);
    }
}

static inline void peer_turn(struct peer *peer)
{
    uint8_t bytes[4096];
    if (peer->fd < 0) {
        peer->fd = accept4(peer->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        peer->n_connects += peer->fd >= 0;
    }
    if (peer->fd < 0)
        return;
    ssize_t n = recv(peer->fd, bytes, peer->is_slow ? 1 : sizeof bytes, 0);
    if (n == 0) {
        peer_hang_up(peer);
        return;
    }
    if (n > 0)
        (void)chat__buf_append(&peer->rx, bytes, (size_t)n);
    if (peer->is_mute)
        return;
    if (!peer->is_up && peer->rx.len > 0)
        peer_upgrade(peer);
    peer_take(peer);
    n = peer->tx.len == 0
            ? 0
            : send(peer->fd, peer->tx.data, peer->is_slow ? 1 : peer->tx.len, MSG_NOSIGNAL);
    if (n > 0)
        chat__buf_consume(&peer->tx, (size_t)n);
}

static inline uint64_t real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One turn of both. The wait is short when the peer has something to do that no poll reports. */
static inline void both_turn(struct peer *peer, chat_client *client)
{
    struct pollfd wait[3] = {{chat_client_fd(client), POLLIN, 0},
                             {peer->fd < 0 ? peer->listen_fd : -1, POLLIN, 0},
                             {peer->fd, POLLIN, 0}}; /* negative ones are skipped */
    int timeout = chat_client_timeout(client, real_ms());
    if (timeout < 0 || timeout > 1000)
        timeout = 1000;
    (void)poll(wait, 3, peer->is_slow || peer->tx.len > 0 ? 0 : timeout);
    peer_turn(peer);
    (void)chat_client_process(client, real_ms());
}

/* Turns until the next event; "TYPE status text". */
static inline const char *both_event(struct peer *peer, chat_client *client)
{
    static const char *const types[] = {"",    "STATE",  "MESSAGE", "CHAT",   "SENT",     "RECEIPT",
                                        "ROW", "RESULT", "ERROR",   "FAILED", "PRESENCE", "TYPING"};
    static const char *const states[] = {"",       "waiting", "connecting",
                                         "online", "refused", "closed"};
    static char text[512];
    const chat_event *event = NULL;
    int steps = 0;
    while (chat_client_next_event(client, &event) != CHAT_OK) {
        assert_true(steps++ < PEER_STEPS);
        both_turn(peer, client);
    }
    const char *status = chat_status_wire((chat_status)event->status);
    if (event->type == CHAT_EVENT_STATE)
        snprintf(text, sizeof text, "STATE %s %s %.*s", status, states[event->state],
                 (int)event->text.len, (const char *)event->text.data);
    else if (CHAT_FRAME_HAS(event->frame, BODY))
        snprintf(text, sizeof text, "%s %s %.*s", types[event->type], status,
                 (int)event->frame->body.len, (const char *)event->frame->body.data);
    else
        snprintf(text, sizeof text, "%s %s", types[event->type], status);
    return text;
}

/* Turns until the peer heard it. */
static inline void both_until_heard(struct peer *peer, chat_client *client, const char *text)
{
    const chat_event *event;
    for (int steps = 0; strstr(peer->heard, text) == NULL; steps++) {
        assert_true(steps < PEER_STEPS);
        both_turn(peer, client);
        while (chat_client_next_event(client, &event) == CHAT_OK) {
        }
    }
}

#endif
