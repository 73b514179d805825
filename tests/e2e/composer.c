/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the client's file: an application that writes TOTAL numbered messages, in turn
 * to each CHAT, and may be killed at any moment. Which number is next it learns from the file
 * alone. Prints "next N", "put N", "composed", a JSON line for the history of each message that is
 * `sent`, and "empty" when nothing waits any more. Usage: composer URL TOKEN STORE TOTAL CHAT...
 */
#include <chat/client_store.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACE_MS 2

struct composer {
    chat_client *client;
    char **chats;
    unsigned n_chats, next, total;
    int is_told;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static chat_view view_of(const char *text)
{
    chat_view view = {(const uint8_t *)text, strlen(text)};
    return view;
}

/* What was put already is in the outbox, or in the chat. */
static void look_at(struct composer *composer, chat_view body)
{
    char text[16] = "";
    if (body.len < sizeof text)
        memcpy(text, body.data, body.len);
    unsigned number = (unsigned)strtoul(text, NULL, 10);
    if (number >= composer->next)
        composer->next = number + 1;
}

static void look_back(struct composer *composer)
{
    chat_outbox_item item = {.struct_size = sizeof item};
    const chat_event *event;
    while (chat_client_outbox_next(composer->client, item.number, &item) == CHAT_OK)
        look_at(composer, item.body);
    for (unsigned i = 0; i < composer->n_chats; i++) {
        chat_history_query query = {.struct_size = sizeof query, .source = CHAT_HISTORY_CACHE};
        query.target.chat = view_of(composer->chats[i]);
        query.limit = 5;
        (void)chat_client_history(composer->client, &query, NULL);
    }
    while (chat_client_next_event(composer->client, &event) == CHAT_OK)
        if (event->type == CHAT_EVENT_ROW && event->frame->type == CHAT_FRAME_MSG)
            look_at(composer, event->frame->body);
    printf("next %u\n", composer->next);
}

static void put_one(struct composer *composer)
{
    char text[16];
    chat_target target = {view_of(composer->chats[composer->next % composer->n_chats]), {NULL, 0}};
    if (composer->next > composer->total)
        return;
    snprintf(text, sizeof text, "%u", composer->next);
    if (chat_client_send(composer->client, &target, view_of(text), NULL) == CHAT_OK)
        printf("put %u\n", composer->next++);
    if (composer->next > composer->total)
        puts("composed");
}

static void print_event(const chat_event *event)
{
    const chat_frame *frame = event->frame;
    if (event->type == CHAT_EVENT_SENT)
        printf("{\"t\":\"sent\",\"cid\":\"%.*s\",\"chat\":\"%.*s\",\"id\":\"%" PRIu64
               "\",\"seq\":\"%" PRIu64 "\"}\n",
               (int)frame->cid.len, (const char *)frame->cid.data, (int)frame->chat.len,
               (const char *)frame->chat.data, frame->id, frame->seq);
    if (event->type == CHAT_EVENT_FAILED)
        puts("failed");
}

static void turn(struct composer *composer)
{
    const chat_event *event;
    struct pollfd wait = {chat_client_fd(composer->client), POLLIN, 0};
    put_one(composer);
    (void)poll(&wait, 1, PACE_MS);
    (void)chat_client_process(composer->client, now_ms());
    while (chat_client_next_event(composer->client, &event) == CHAT_OK)
        print_event(event);
    if (!composer->is_told && composer->next > composer->total &&
        chat_client_outbox_count(composer->client) == 0) {
        composer->is_told = 1;
        puts("empty");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct composer composer = {.next = 1};
    chat_client_options options;
    if (argc < 6)
        return 2;
    chat_client_options_init(&options);
    options.url = argv[1];
    options.token = argv[2];
    options.device = "composer";
    options.store_file = argv[3];
    options.backoff_first_ms = 10;
    options.backoff_max_ms = 100;
    if (chat_client_new(&options, &composer.client) != CHAT_OK)
        return 1;
    composer.total = (unsigned)strtoul(argv[4], NULL, 10);
    composer.chats = argv + 5;
    composer.n_chats = (unsigned)(argc - 5);
    look_back(&composer);
    for (;;)
        turn(&composer);
}
