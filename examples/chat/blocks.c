/* SPDX-License-Identifier: MIT */
/* The verbs about users who are blocked: one request each. */
#include "cli.h"

#include <string.h>

static int block_start(struct cli *cli)
{
    const char *name = cli->args->items[0];
    name += name[0] == '@';
    chat_view user = {(const uint8_t *)name, strlen(name)};
    chat_status status = strcmp(cli->args->verb, "block") == 0
                             ? chat_client_block(cli->client, user, NULL)
                             : chat_client_unblock(cli->client, user, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the user's name is not valid");
}

static void block_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT)
        puts(strcmp(cli->args->verb, "block") == 0 ? "blocked" : "no longer blocked");
    oneshot_on_event(cli, event);
}

const struct verb verb_block = {.start = block_start, .on_event = block_on_event};

static int blocks_start(struct cli *cli)
{
    chat_status status = chat_client_blocks(cli->client, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "cannot ask");
}

static void blocks_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        printf("%.*s\n", (int)event->frame->user.len, (const char *)event->frame->user.data);
    oneshot_on_event(cli, event);
}

const struct verb verb_blocks = {.start = blocks_start, .on_event = blocks_on_event};
