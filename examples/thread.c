/* SPDX-License-Identifier: MIT */
/*
 * A client on a thread of the library: the callback tells of each event, main() waits for the one
 * that it needs. Usage: thread URL TOKEN TO TEXT
 */
#include <chat/client_thread.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct app {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int code; /* -1: not known yet */
};

static void finish(struct app *app, int code)
{
    pthread_mutex_lock(&app->lock);
    app->code = code;
    pthread_cond_signal(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

/* On the library's thread. */
static void on_event(void *ctx, chat_client *client, const chat_event *event)
{
    (void)client;
    if (event->type == CHAT_EVENT_SENT)
        finish(ctx, 0);
    else if (event->type == CHAT_EVENT_FAILED || event->state == CHAT_CLIENT_REFUSED)
        finish(ctx, 1);
}

static int run(chat_client *client)
{
    struct app app = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, -1};
    chat_client_handlers handlers;
    memset(&handlers, 0, sizeof handlers);
    handlers.struct_size = sizeof handlers;
    handlers.ctx = &app;
    handlers.on_event = on_event;
    if (chat_client_start(client, &handlers) != CHAT_OK)
        return 1;
    pthread_mutex_lock(&app.lock);
    while (app.code < 0)
        pthread_cond_wait(&app.changed, &app.lock);
    pthread_mutex_unlock(&app.lock);
    chat_client_stop(client); /* from here on nothing calls back */
    puts(app.code == 0 ? "sent" : "not sent");
    return app.code;
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client;
    chat_target target = {{NULL, 0}, {NULL, 0}};
    if (argc != 5) {
        fprintf(stderr, "usage: %s URL TOKEN TO TEXT\n", argv[0]);
        return 2;
    }
    chat_client_options_init(&options);
    options.url = argv[1];
    options.token = argv[2];
    options.device = "example-thread";
    if (chat_client_new(&options, &client) != CHAT_OK) {
        fprintf(stderr, "the URL or the token is not valid\n");
        return 2;
    }
    target.to.data = (const uint8_t *)argv[3];
    target.to.len = strlen(argv[3]);
    chat_view body = {(const uint8_t *)argv[4], strlen(argv[4])};
    int code = chat_client_send(client, &target, body, NULL) == CHAT_OK ? run(client) : 1;
    chat_client_free(client);
    return code;
}
