/* SPDX-License-Identifier: MIT */
/*
 * Two clients and a server in one process, without a socket: the bytes are carried in memory.
 * Alice writes to Bob, who prints it. The same calls carry a client over any transport.
 */
#include <chat/client_transport.h>
#include <chat/testing_server.h>

#include <stdio.h>
#include <string.h>

struct end {
    chat_client *client;
    uint64_t number;     /* of the client's connection, 0: none */
    chat_test_conn conn; /* its other end */
    int is_done;
};

static int open_end(struct end *end, const char *user)
{
    chat_client_options options;
    memset(end, 0, sizeof *end);
    chat_client_options_init(&options);
    options.url = "ws://memory";
    options.token = user;
    options.device = "example";
    options.own_transport = 1;
    return chat_client_new(&options, &end->client) == CHAT_OK;
}

/* Follow the client: close the connection that it gave up, open the one that it wants. */
static void connect_end(struct end *end, chat_test_server *server)
{
    uint64_t wanted = chat_client_transport_wanted(end->client);
    if (wanted == end->number)
        return;
    if (end->number != 0)
        chat_test_server_hangup(server, end->conn);
    end->number = 0;
    if (wanted == 0 || chat_test_server_accept(server, &end->conn) != CHAT_OK)
        return;
    end->number = wanted;
    (void)chat_client_transport_opened(end->client, wanted);
}

static void carry(struct end *end, chat_test_server *server)
{
    uint8_t bytes[4096];
    size_t n = 0, used = 0;
    chat_status status = CHAT_OK;
    while (chat_client_transport_take(end->client, end->number, bytes, sizeof bytes, &n) == CHAT_OK)
        (void)chat_test_server_feed(server, end->conn, bytes, n);
    if (end->number != 0)
        status = chat_test_server_take(server, end->conn, bytes, sizeof bytes, &n);
    if (end->number != 0 && status == CHAT_OK)
        (void)chat_client_transport_feed(end->client, end->number, bytes, n, &used);
    else if (status == CHAT_ERR_CLOSED)
        (void)chat_client_transport_lost(end->client, end->number);
}

static void read_events(struct end *end, const char *user)
{
    const chat_event *event;
    while (chat_client_next_event(end->client, &event) == CHAT_OK) {
        if (event->type == CHAT_EVENT_SENT) {
            printf("%s: sent\n", user);
            end->is_done = 1;
        } else if (event->type == CHAT_EVENT_MESSAGE) {
            printf("%s got: %.*s\n", user, (int)event->frame->body.len,
                   (const char *)event->frame->body.data);
            end->is_done = 1;
        }
    }
}

static int talk(struct end *alice, struct end *bob, chat_test_server *server)
{
    struct end *const ends[] = {alice, bob};
    const char *const users[] = {"alice", "bob"};
    for (int turn = 0; turn < 1000 && !(alice->is_done && bob->is_done); turn++) {
        for (int i = 0; i < 2; i++) {
            (void)chat_client_process(ends[i]->client, chat_test_server_now(server));
            read_events(ends[i], users[i]);
            connect_end(ends[i], server);
            carry(ends[i], server);
        }
        chat_test_server_advance(server, 1);
    }
    return alice->is_done && bob->is_done ? 0 : 1;
}

int main(void)
{
    chat_test_server_options options;
    chat_test_server *server = NULL;
    struct end alice, bob;
    chat_target target = {{NULL, 0}, {(const uint8_t *)"bob", 3}};
    chat_view body = {(const uint8_t *)"hello", 5};
    int code = 1;
    chat_test_server_options_init(&options);
    if (chat_test_server_new(&options, &server) != CHAT_OK)
        return 1;
    if (open_end(&alice, "alice") && open_end(&bob, "bob") &&
        chat_client_send(alice.client, &target, body, NULL) == CHAT_OK)
        code = talk(&alice, &bob, server);
    chat_client_free(alice.client);
    chat_client_free(bob.client);
    chat_test_server_free(server);
    return code;
}
