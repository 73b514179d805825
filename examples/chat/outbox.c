/* SPDX-License-Identifier: MIT */
/* What waits or failed in the file of --store. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

static const char *const state_names[] = {"", "waiting", "written", "sent", "failed"};

static void print_json(const chat_outbox_item *item)
{
    printf("{\"t\":\"outbox\",\"state\":\"%s\",\"cid\":", state_names[item->state]);
    show_json_text(stdout, item->cid);
    printf(item->chat.len > 0 ? ",\"chat\":" : ",\"to\":");
    show_json_text(stdout, item->chat.len > 0 ? item->chat : item->to);
    printf(",\"body\":");
    show_json_text(stdout, item->body);
    if (item->re != 0)
        printf(",\"re\":\"%" PRIu64 "\"", item->re);
    if (item->state == CHAT_OUTBOX_FAILED)
        printf(",\"code\":\"%s\"", chat_status_wire((chat_status)item->status));
    printf("}\n");
}

static void print_line(const chat_outbox_item *item)
{
    fputs(state_names[item->state], stdout);
    if (item->state == CHAT_OUTBOX_FAILED)
        printf(" (%s)", chat_status_wire((chat_status)item->status));
    printf("  %.*s  %s", (int)item->cid.len, (const char *)item->cid.data,
           item->chat.len > 0 ? "" : "@");
    show_text(stdout, item->chat.len > 0 ? item->chat : item->to);
    fputs(": ", stdout);
    show_text(stdout, item->body);
    fputc('\n', stdout);
}

static void print_item(const struct cli *cli, const chat_outbox_item *item)
{
    if (cli->args->is_json)
        print_json(item);
    else
        print_line(item);
}

void outbox_show_waiting(const struct cli *cli, const chat_client_cid *cid)
{
    chat_outbox_item item = {.struct_size = sizeof item};
    if (chat_client_outbox_find(cli->client, cli_view(cid->text), &item) == CHAT_OK)
        print_item(cli, &item);
}

static int list(const struct cli *cli)
{
    chat_outbox_item item = {.struct_size = sizeof item};
    chat_status status;
    while ((status = chat_client_outbox_next(cli->client, item.number, &item)) == CHAT_OK)
        print_item(cli, &item);
    return status == CHAT_EMPTY ? EXIT_OK : oneshot_refuse(status, "the file cannot be read");
}

static int start(struct cli *cli)
{
    const struct args *args = cli->args;
    chat_status status = CHAT_ERR_ARG;
    if (args->n_items == 0)
        return list(cli);
    if (args->n_items == 2 && strcmp(args->items[0], "retry") == 0)
        status = chat_client_outbox_retry(cli->client, cli_view(args->items[1]));
    else if (args->n_items == 2 && strcmp(args->items[0], "drop") == 0)
        status = chat_client_outbox_drop(cli->client, cli_view(args->items[1]));
    else
        return oneshot_refuse(status, "outbox knows nothing else than retry CID and drop CID");
    return status == CHAT_OK ? EXIT_OK : oneshot_refuse(status, args->items[1]);
}

static void on_event(struct cli *cli, const chat_event *event)
{
    (void)cli;
    (void)event;
}

const struct verb verb_outbox = {start, on_event, NULL, 0, NULL};
