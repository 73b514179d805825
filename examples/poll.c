/* SPDX-License-Identifier: MIT */
/*
 * A client in a loop of poll(2): sends one message to a user, waits until it is on the server's
 * disk, and prints what comes in the meantime. Usage: poll URL TOKEN TO TEXT
 */
#include <chat/client.h>
#include <chat/status.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static chat_view view(const char *text)
{
    chat_view result = {(const uint8_t *)text, strlen(text)};
    return result;
}

/* -1: go on; else how the program ends. */
static int on_event(const chat_event *event)
{
    switch (event->type) {
    case CHAT_EVENT_SENT:
        puts("sent");
        return 0;
    case CHAT_EVENT_FAILED:
        fprintf(stderr, "not sent: %s\n", chat_status_text((chat_status)event->status));
        return 1;
    case CHAT_EVENT_MESSAGE:
        printf("%.*s: %.*s\n", (int)event->frame->from.len, (const char *)event->frame->from.data,
               (int)event->frame->body.len, (const char *)event->frame->body.data);
        return -1;
    case CHAT_EVENT_STATE:
        if (event->state != CHAT_CLIENT_REFUSED)
            return -1;
        fprintf(stderr, "refused: %.*s\n", (int)event->text.len, (const char *)event->text.data);
        return 1;
    default:
        return -1;
    }
}

static int run(chat_client *client)
{
    struct pollfd wait = {chat_client_fd(client), POLLIN, 0};
    int code = -1;
    while (code < 0) {
        const chat_event *event;
        (void)poll(&wait, 1, chat_client_timeout(client, now_ms()));
        (void)chat_client_process(client, now_ms());
        while (code < 0 && chat_client_next_event(client, &event) == CHAT_OK)
            code = on_event(event);
    }
    return code;
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client;
    chat_target target = {{NULL, 0}, {NULL, 0}};
    int code;
    if (argc != 5) {
        fprintf(stderr, "usage: %s URL TOKEN TO TEXT\n", argv[0]);
        return 2;
    }
    chat_client_options_init(&options);
    options.url = argv[1];
    options.token = argv[2];
    options.device = "example-poll";
    if (chat_client_new(&options, &client) != CHAT_OK) {
        fprintf(stderr, "the URL or the token is not valid\n");
        return 2;
    }
    target.to = view(argv[3]);
    code = chat_client_send(client, &target, view(argv[4]), NULL) == CHAT_OK ? run(client) : 1;
    chat_client_free(client);
    return code;
}
