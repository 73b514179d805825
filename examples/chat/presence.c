/* SPDX-License-Identifier: MIT */
/* The verbs about who is online. */
#include "cli.h"

#include <string.h>

/* A leading @ is for people who are used to it. */
static chat_view_list users_of(const struct cli *cli, chat_view *storage)
{
    const struct args *args = cli->args;
    chat_view_list list = {storage, args->n_items};
    for (size_t i = 0; i < args->n_items; i++)
        storage[i] = cli_view(args->items[i] + (args->items[i][0] == '@'));
    return list;
}

static int presence_start(struct cli *cli)
{
    chat_view users[CLI_MAX_ARGS];
    chat_status status = chat_client_presence(cli->client, users_of(cli, users), NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "a user cannot be asked for");
}

static void presence_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_presence(stdout, event->frame);
    oneshot_on_event(cli, event);
}

const struct verb verb_presence = {presence_start, presence_on_event, NULL, 0, NULL};

/* The list ends with the connection, so it is said again over each new one. */
static void ask_to_watch(struct cli *cli)
{
    chat_view users[CLI_MAX_ARGS];
    chat_status status = chat_client_watch(cli->client, users_of(cli, users), NULL);
    if (status != CHAT_OK)
        cli_finish(cli, oneshot_refuse(status, "a user cannot be watched"));
}

static int watch_start(struct cli *cli)
{
    (void)cli;
    return -1;
}

static void watch_on_event(struct cli *cli, const chat_event *event)
{
    int is_presence = event->type == CHAT_EVENT_PRESENCE || event->type == CHAT_EVENT_ROW;
    if (event->type == CHAT_EVENT_STATE && event->state == CHAT_CLIENT_ONLINE)
        ask_to_watch(cli);
    if (is_presence && !cli->args->is_json)
        show_presence(stdout, event->frame);
    if (event->type == CHAT_EVENT_ERROR && event->status != CHAT_ERR_CLOSED)
        oneshot_on_event(cli, event);
}

const struct verb verb_watch = {watch_start, watch_on_event, NULL, 0, NULL};

static int hide_start(struct cli *cli)
{
    const char *how = cli->args->items[0];
    if (strcmp(how, "on") != 0 && strcmp(how, "off") != 0) {
        fprintf(stderr, "chat: hide on, or hide off\n");
        return EXIT_USAGE;
    }
    chat_status status = chat_client_hide(cli->client, strcmp(how, "on") == 0, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "cannot ask");
}

static void hide_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT)
        puts(strcmp(cli->args->items[0], "on") == 0 ? "hidden" : "visible");
    oneshot_on_event(cli, event);
}

const struct verb verb_hide = {hide_start, hide_on_event, NULL, 0, NULL};

/* What nobody stores is dropped without a connection: so it is said when there is one. */
static int typing_start(struct cli *cli)
{
    (void)cli;
    return -1;
}

static void typing_on_event(struct cli *cli, const chat_event *event)
{
    if (event->type == CHAT_EVENT_STATE && event->state == CHAT_CLIENT_ONLINE) {
        chat_target target = args_target(cli->args->items[0]);
        chat_status status = chat_client_typing(cli->client, &target);
        if (status == CHAT_OK)
            status = chat_client_ping(cli->client, NULL); /* behind it: then it was taken */
        if (status != CHAT_OK)
            cli_finish(cli, oneshot_refuse(status, "the chat cannot be used"));
    }
    oneshot_on_event(cli, event);
}

const struct verb verb_typing = {typing_start, typing_on_event, NULL, 0, NULL};
