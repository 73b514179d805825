/* SPDX-License-Identifier: MIT */
/* The verbs about the devices of the user: one request each. */
#include "cli.h"

#include <string.h>

static int devices_start(struct cli *cli)
{
    chat_status status = chat_client_devices(cli->client, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "cannot ask");
}

static void devices_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_device(stdout, event->frame);
    oneshot_on_event(cli, event);
}

const struct verb verb_devices = {.start = devices_start, .on_event = devices_on_event};

static int remove_start(struct cli *cli)
{
    const char *name = cli->args->items[0];
    chat_view device = {(const uint8_t *)name, strlen(name)};
    chat_status status = chat_client_device_remove(cli->client, device, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the device's name is not valid");
}

static void remove_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT)
        puts("removed");
    oneshot_on_event(cli, event);
}

const struct verb verb_device_remove = {.start = remove_start, .on_event = remove_on_event};
