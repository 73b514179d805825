/* SPDX-License-Identifier: MIT */
/* The verbs about a message that is there already: reply, edit, delete, react, reactions. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    chat_frame_type type;
    const char *done;
} kinds[] = {{"edit", CHAT_FRAME_EDIT, "edited"},
             {"delete", CHAT_FRAME_DELETE, "deleted"},
             {"react", CHAT_FRAME_REACT, "reacted"},
             {"reactions", CHAT_FRAME_REACTIONS, NULL}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static size_t kind_named(const char *name)
{
    size_t i = 0;
    while (i < N_KINDS && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

/* -1 to go on, else the exit code. */
static int take_message(const struct cli *cli, uint64_t *out)
{
    if (args_number(cli->args->items[1], out) && *out != 0)
        return -1;
    fprintf(stderr, "chat: MESSAGE is no message id: %s\nhistory --json shows it.\n",
            cli->args->items[1]);
    return EXIT_USAGE;
}

static int note_start(struct cli *cli)
{
    chat_note_request note;
    const struct args *args = cli->args;
    chat_target target = args_target(args->items[0]);
    memset(&note, 0, sizeof note);
    note.struct_size = sizeof note;
    int code = take_message(cli, &note.re);
    if (code >= 0)
        return code;
    note.text = cli_view(args->n_items > 2 ? args->items[2] : "");
    chat_frame_type type = kinds[kind_named(args->verb)].type;
    chat_status status = chat_client_note(cli->client, type, &target, &note, NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat or the text cannot be used");
}

static void note_on_event(struct cli *cli, const chat_event *event)
{
    const char *done = kinds[kind_named(cli->args->verb)].done;
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_row(stdout, cli, event->frame);
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT && done != NULL)
        puts(done);
    oneshot_on_event(cli, event);
}

const struct verb verb_note = {.start = note_start, .on_event = note_on_event};

static int reply_start(struct cli *cli)
{
    uint64_t re = 0;
    chat_target target = args_target(cli->args->items[0]);
    int code = take_message(cli, &re);
    if (code >= 0)
        return code;
    cli->is_input_over = 1;
    chat_status status =
        chat_client_reply(cli->client, &target, re, cli_view(cli->args->items[2]), NULL);
    return status == CHAT_OK ? -1 : oneshot_refuse(status, "the chat or the text cannot be used");
}

const struct verb verb_reply = {
    .start = reply_start, .on_event = send_on_event, .on_tick = send_on_tick};

/* What was done, behind the name of who did it. */
void show_note(FILE *out, const chat_frame *frame)
{
    fputs("  ", out);
    show_text(out, frame->from);
    fputc(' ', out);
    show_text(out, frame->what);
    fprintf(out, " %" PRIu64, frame->re);
    if (CHAT_FRAME_HAS(frame, BODY)) {
        fputs(": ", out);
        show_text(out, frame->body);
    }
    if (CHAT_FRAME_HAS(frame, REACTION)) {
        fputs(": ", out);
        show_text(out, frame->reaction);
    }
}
