/* SPDX-License-Identifier: MIT */
/* The verbs that do one thing and leave. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PIPELINE 1000 /* messages of stdin that wait for `sent` */

int oneshot_refuse(chat_status status, const char *what)
{
    fprintf(stderr, "chat: %s: %s\n", what, chat_status_text(status));
    return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_REFUSED;
}

static void show_error(const struct cli *cli, const chat_event *event)
{
    if (cli->args->is_json)
        return;
    fprintf(stderr, "chat: refused (");
    show_text(stderr, event->frame->code);
    fprintf(stderr, ")");
    if (event->text.len > 0) {
        fputs(": ", stderr);
        show_text(stderr, event->text);
    }
    fputc('\n', stderr);
}

/* --- send --- */

static void send_line(struct cli *cli, chat_view line)
{
    chat_target target = args_target(cli->args->items[0]);
    chat_client_cid cid;
    chat_status status = chat_client_send(cli->client, &target, line, &cid);
    if (status != CHAT_OK) {
        (void)oneshot_refuse(status, "a line was not sent");
        cli->n_failed++;
    } else if (cli->args->is_offline) {
        outbox_show_waiting(cli, &cid);
    }
}

static int send_start(struct cli *cli)
{
    chat_target target = args_target(cli->args->items[0]);
    if (strcmp(cli->args->items[1], "-") == 0) {
        cli->wants_input = 1;
        return -1;
    }
    cli->is_input_over = 1;
    chat_client_cid cid;
    chat_status status =
        chat_client_send(cli->client, &target, cli_view(cli->args->items[1]), &cid);
    if (status == CHAT_OK && cli->args->is_offline)
        outbox_show_waiting(cli, &cid);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat or the text cannot be used");
}

void send_on_event(struct cli *cli, const chat_event *event)
{
    if (event->type == CHAT_EVENT_SENT && !cli->args->is_json) {
        printf("sent \xe2\x9c\x93 id=%" PRIu64 " seq=%" PRIu64 " ", event->frame->id,
               event->frame->seq);
        show_chat_name(stdout, cli, event->frame->chat);
        printf("/%" PRIu64 "\n", event->frame->id);
    }
    if (event->type == CHAT_EVENT_FAILED) {
        show_error(cli, event);
        cli->n_failed++;
    }
}

static void send_on_input(struct cli *cli)
{
    cli_read_lines(cli, send_line);
}

/* While stdin is waited for, nothing is overdue. */
void send_on_tick(struct cli *cli)
{
    size_t n = chat_client_outbox_count(cli->client);
    if (!cli->is_input_over) {
        cli->wants_input = n < MAX_PIPELINE && cli->result < 0;
        if (n == 0)
            cli->progress_at_ms = cli->now_ms;
    } else if (n == 0) {
        cli_finish(cli, cli->n_failed > 0 ? EXIT_REFUSED : EXIT_OK);
    }
}

const struct verb verb_send = {send_start, send_on_event, send_on_input, 0, send_on_tick};

/* --- listen --- */

static int listen_start(struct cli *cli)
{
    cli->n_left = cli->args->count;
    return -1;
}

static void listen_show(const struct cli *cli, const chat_event *event)
{
    switch (event->type) {
    case CHAT_EVENT_MESSAGE:
    case CHAT_EVENT_CHAT:
    case CHAT_EVENT_CHANGE:
    case CHAT_EVENT_NOTE:
        if (event->gap_after != 0)
            printf("-- something is missing before this; see history --\n");
        show_row(stdout, cli, event->frame);
        break;
    case CHAT_EVENT_MARKER:
        show_marker(stdout, cli, event->frame);
        break;
    case CHAT_EVENT_SETTING:
        show_setting(stdout, cli, event->frame);
        break;
    case CHAT_EVENT_BLOCKED:
        show_blocked(stdout, event->frame);
        break;
    default:
        break;
    }
}

static void listen_on_event(struct cli *cli, const chat_event *event)
{
    if (cli->result >= 0)
        return;
    if (!cli->args->is_json)
        listen_show(cli, event);
    if (event->type == CHAT_EVENT_MESSAGE) {
        cli->progress_at_ms = cli->now_ms;
        if (cli->n_left > 0 && --cli->n_left == 0)
            cli_finish(cli, EXIT_OK);
    }
}

const struct verb verb_listen = {listen_start, listen_on_event, NULL, 0, NULL};

/* --- history, chats: one request each --- */

static int history_start(struct cli *cli)
{
    chat_history_query query;
    memset(&query, 0, sizeof query);
    query.struct_size = sizeof query;
    query.target = args_target(cli->args->items[0]);
    query.source = cli->args->is_offline ? CHAT_HISTORY_CACHE : CHAT_HISTORY_SERVER;
    query.limit = cli->args->limit > UINT32_MAX ? UINT32_MAX : (uint32_t)cli->args->limit;
    if (cli->args->has_before) {
        query.direction = CHAT_HISTORY_BEFORE;
        query.seq = cli->args->before;
    } else if (cli->args->has_after) {
        query.direction = CHAT_HISTORY_AFTER;
        query.seq = cli->args->after;
    }
    chat_status status = chat_client_history(cli->client, &query, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat cannot be used");
}

void oneshot_on_event(struct cli *cli, const chat_event *event)
{
    if (event->cached == CHAT_CACHED_PART && event->type == CHAT_EVENT_RESULT &&
        !cli->args->is_json)
        printf("-- what this device has; there may be more --\n");
    if (event->type == CHAT_EVENT_ERROR) {
        show_error(cli, event);
        if (event->status == CHAT_ERR_TIMEOUT)
            cli->exit_code = EXIT_NO_CONNECTION;
        else
            cli_finish(cli, EXIT_REFUSED);
    }
    if (event->type == CHAT_EVENT_RESULT)
        cli_finish(cli, EXIT_OK);
}

static void history_on_event(struct cli *cli, const chat_event *event)
{
    const chat_frame *frame = event->frame;
    if (event->type == CHAT_EVENT_ROW)
        rows_keep(cli, event);
    if (event->type == CHAT_EVENT_RESULT) {
        rows_print(cli, cli->args->has_after);
        if (cli->args->is_json)
            show_json(stdout, event);
        else if (CHAT_FRAME_HAS(frame, HAS_MORE) && frame->more)
            printf("-- more --\n");
    }
    oneshot_on_event(cli, event);
}

const struct verb verb_history = {history_start, history_on_event, NULL, 1, NULL};

static int ask_chats(struct cli *cli)
{
    uint32_t limit = cli->args->limit > UINT32_MAX ? UINT32_MAX : (uint32_t)cli->args->limit;
    chat_status status = chat_client_chats(cli->client, limit, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "cannot ask");
}

/* Before there is a connection the file would answer. */
static int chats_start(struct cli *cli)
{
    int is_early = cli->args->store_file != NULL && !cli->args->is_offline;
    return is_early ? -1 : ask_chats(cli);
}

static void chats_on_event(struct cli *cli, const chat_event *event)
{
    int is_online = event->type == CHAT_EVENT_STATE && event->state == CHAT_CLIENT_ONLINE;
    if (is_online && cli->args->store_file != NULL) {
        int code = ask_chats(cli);
        if (code >= 0)
            cli_finish(cli, code);
    }
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_row(stdout, cli, event->frame);
    oneshot_on_event(cli, event);
}

const struct verb verb_chats = {chats_start, chats_on_event, NULL, 0, NULL};
