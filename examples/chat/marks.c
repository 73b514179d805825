/* SPDX-License-Identifier: MIT */
/* The verbs about what was read: one request each. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* The second argument. -1 to go on, else the exit code. */
static int take_number(const struct cli *cli, const char *what, uint64_t *out)
{
    if (args_number(cli->args->items[1], out))
        return -1;
    fprintf(stderr, "chat: %s is not a number: %s\nhistory --json shows it.\n", what,
            cli->args->items[1]);
    return EXIT_USAGE;
}

static int read_start(struct cli *cli)
{
    uint64_t seq = 0;
    chat_target target = args_target(cli->args->items[0]);
    int code = take_number(cli, "SEQ", &seq);
    if (code >= 0)
        return code;
    chat_status status = chat_client_read(cli->client, &target, seq, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat cannot be used");
}

static void read_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT)
        printf("read up to %" PRIu64 "\n", event->frame->seq);
    oneshot_on_event(cli, event);
}

const struct verb verb_read = {.start = read_start, .on_event = read_on_event};

static int receipts_start(struct cli *cli)
{
    uint64_t id = 0;
    chat_target target = args_target(cli->args->items[0]);
    int code = take_number(cli, "MESSAGE", &id);
    if (code >= 0)
        return code;
    chat_status status = chat_client_receipts(cli->client, &target, id, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat cannot be used");
}

static void receipts_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_receipt(stdout, cli, event->frame);
    oneshot_on_event(cli, event);
}

static int why_start(struct cli *cli)
{
    uint64_t id = 0;
    chat_target target = args_target(cli->args->items[0]);
    chat_view device = {NULL, 0};
    int code = take_number(cli, "MESSAGE", &id);
    if (code >= 0)
        return code;
    if (cli->args->n_items > 2) {
        device.data = (const uint8_t *)cli->args->items[2];
        device.len = strlen(cli->args->items[2]);
    }
    chat_status status = chat_client_why(cli->client, &target, id, device, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat or the device cannot be used");
}

static void why_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_trail(stdout, event->frame);
    oneshot_on_event(cli, event);
}

const struct verb verb_why = {.start = why_start, .on_event = why_on_event};
const struct verb verb_receipts = {.start = receipts_start, .on_event = receipts_on_event};

/* Seconds from now; none: for good. */
static int mute_start(struct cli *cli)
{
    uint64_t seconds = 0;
    uint64_t until_ms = CHAT_MUTE_FOREVER;
    chat_target target = args_target(cli->args->items[0]);
    if (strcmp(cli->args->verb, "unmute") == 0) {
        until_ms = 0;
    } else if (cli->args->n_items > 1) {
        if (!args_number(cli->args->items[1], &seconds) || seconds == 0) {
            fprintf(stderr, "chat: SECONDS is not a number above 0: %s\n", cli->args->items[1]);
            return EXIT_USAGE;
        }
        if (seconds < CHAT_MUTE_FOREVER / 2000)
            until_ms = ((uint64_t)time(NULL) + seconds) * 1000;
    }
    chat_status status = chat_client_mute(cli->client, &target, until_ms, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat cannot be used");
}

static void mute_on_event(struct cli *cli, const chat_event *event)
{
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT)
        puts(strcmp(cli->args->verb, "mute") == 0 ? "muted" : "no longer muted");
    oneshot_on_event(cli, event);
}

const struct verb verb_mute = {.start = mute_start, .on_event = mute_on_event};
