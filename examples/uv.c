/* SPDX-License-Identifier: MIT */
/*
 * A client in a loop of libuv: one poll handle on the client's descriptor, one timer for its
 * deadline. Sends one message to a user and ends when it is on the server's disk.
 * Usage: uv URL TOKEN TO TEXT
 */
#include <chat/client.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

struct app {
    chat_client *client;
    uv_poll_t poll;
    uv_timer_t timer;
    int code;
};

static void on_timer(uv_timer_t *timer);

static void finish(struct app *app, int code)
{
    app->code = code;
    uv_close((uv_handle_t *)&app->poll, NULL);
    uv_close((uv_handle_t *)&app->timer, NULL);
}

/* Whether it is over. */
static int read_events(struct app *app)
{
    const chat_event *event;
    while (chat_client_next_event(app->client, &event) == CHAT_OK) {
        if (event->type == CHAT_EVENT_SENT) {
            puts("sent");
            finish(app, 0);
            return 1;
        }
        if (event->type == CHAT_EVENT_FAILED || event->state == CHAT_CLIENT_REFUSED) {
            fprintf(stderr, "not sent: %.*s\n", (int)event->text.len,
                    (const char *)event->text.data);
            finish(app, 1);
            return 1;
        }
    }
    return 0;
}

static void drive(struct app *app)
{
    uint64_t now_ms = uv_hrtime() / 1000000;
    (void)chat_client_process(app->client, now_ms);
    if (read_events(app))
        return;
    int wait_ms = chat_client_timeout(app->client, now_ms);
    if (wait_ms < 0)
        uv_timer_stop(&app->timer);
    else
        uv_timer_start(&app->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    drive(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    drive(poll->data);
}

static int run(struct app *app)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    uv_poll_init(&loop, &app->poll, chat_client_fd(app->client));
    uv_timer_init(&loop, &app->timer);
    app->poll.data = app;
    app->timer.data = app;
    uv_poll_start(&app->poll, UV_READABLE, on_poll);
    uv_timer_start(&app->timer, on_timer, 0, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return app->code;
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_target target = {{NULL, 0}, {NULL, 0}};
    struct app app;
    memset(&app, 0, sizeof app);
    if (argc != 5) {
        fprintf(stderr, "usage: %s URL TOKEN TO TEXT\n", argv[0]);
        return 2;
    }
    chat_client_options_init(&options);
    options.url = argv[1];
    options.token = argv[2];
    options.device = "example-uv";
    if (chat_client_new(&options, &app.client) != CHAT_OK) {
        fprintf(stderr, "the URL or the token is not valid\n");
        return 2;
    }
    target.to.data = (const uint8_t *)argv[3];
    target.to.len = strlen(argv[3]);
    chat_view body = {(const uint8_t *)argv[4], strlen(argv[4])};
    int code = 1;
    if (chat_client_send(app.client, &target, body, NULL) == CHAT_OK)
        code = run(&app);
    chat_client_free(app.client);
    return code;
}
