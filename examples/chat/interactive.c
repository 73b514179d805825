/* SPDX-License-Identifier: MIT */
/*
 * The conversation with a person. At a terminal libedit edits the line, and what arrives is printed
 * above it; otherwise, or without libedit, lines are read as they are.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_EDITLINE
#include <editline/readline.h>
#endif

#define N_OWN         64 /* own messages whose marks are followed */
#define SNIPPET_BYTES 48
#define TYPING_MS     3000
#define MAX_WORDS     (CHAT_GROUP_MAX_MEMBERS + 2)

struct own {
    char cid[CHAT_ID_MAX_BYTES + 1];
    char chat[CHAT_CHAT_ID_MAX_BYTES + 1];
    uint64_t seq; /* 0: not sent yet */
    int is_delivered, is_read;
    char snippet[SNIPPET_BYTES];
};

/* One conversation a process: libedit has one line, and its callback has no argument. */
static struct {
    struct cli *cli;
    int is_terminal;
    char current[CHAT_CHAT_ID_MAX_BYTES + 2]; /* "@bob" or a group, "" none */
    char prompt[CHAT_CHAT_ID_MAX_BYTES + 8];
    struct own own[N_OWN];
    size_t next_own;
    uint64_t history_r;    /* the request whose rows are kept */
    uint64_t typing_at_ms; /* when it may be told again */
} ui;

/* --- the line --- */

#ifdef HAVE_EDITLINE
static void on_edited(char *line);

/* After each line: libedit otherwise blocks until the next one is complete. */
static void show_prompt(void)
{
    if (!ui.is_terminal)
        return;
    snprintf(ui.prompt, sizeof ui.prompt, "%s> ", ui.current);
    fflush(stdout);
    rl_callback_handler_install(ui.prompt, on_edited);
}

static void hide_line(void)
{
    if (ui.is_terminal)
        fputs("\r\033[K", stdout);
}

static void restore_line(void)
{
    if (!ui.is_terminal || ui.cli->is_input_over)
        return;
    fflush(stdout);
    rl_forced_update_display();
}
#else
static void show_prompt(void)
{
}

static void hide_line(void)
{
}

static void restore_line(void)
{
}
#endif

/* --- own messages --- */

static void remember_own(const chat_client_cid *cid, chat_view body)
{
    struct own *own = &ui.own[ui.next_own++ % N_OWN];
    size_t len = body.len < SNIPPET_BYTES - 4 ? body.len : SNIPPET_BYTES - 4;
    memset(own, 0, sizeof *own);
    while (len < body.len && len > 0 && (body.data[len] & 0xc0) == 0x80)
        len--;
    memcpy(own->snippet, body.data, len);
    if (len < body.len)
        strcpy(own->snippet + len, "...");
    memcpy(own->cid, cid->text, sizeof own->cid);
}

static struct own *find_own(chat_view cid)
{
    for (size_t i = 0; i < N_OWN; i++)
        if (cid.len > 0 && strlen(ui.own[i].cid) == cid.len &&
            memcmp(ui.own[i].cid, cid.data, cid.len) == 0)
            return &ui.own[i];
    return NULL;
}

static void show_mark(const char *mark, const struct own *own)
{
    printf("  %s ", mark);
    show_text(stdout, cli_view(own->snippet));
    putchar('\n');
}

static void on_sent(const chat_frame *frame)
{
    struct own *own = find_own(frame->cid);
    if (own == NULL)
        return;
    own->seq = frame->seq;
    snprintf(own->chat, sizeof own->chat, "%.*s", (int)frame->chat.len,
             (const char *)frame->chat.data);
    show_mark("\xe2\x9c\x93", own);
}

/* A receipt covers everything up to its seq. */
static void on_receipt(const chat_frame *frame)
{
    int is_read = frame->state.len == 4 && memcmp(frame->state.data, "read", 4) == 0;
    for (size_t i = 0; i < N_OWN; i++) {
        struct own *own = &ui.own[(ui.next_own + i) % N_OWN];
        if (own->seq == 0 || own->seq > frame->seq || own->is_read ||
            (own->is_delivered && !is_read) || strlen(own->chat) != frame->chat.len ||
            memcmp(own->chat, frame->chat.data, frame->chat.len) != 0)
            continue;
        own->is_delivered = 1;
        own->is_read = is_read;
        show_mark(is_read ? "\xe2\x9c\x93\xe2\x9c\x93 read" : "\xe2\x9c\x93\xe2\x9c\x93", own);
    }
}

/* --- commands --- */

static void say_status(chat_status status)
{
    if (status != CHAT_OK)
        printf("  ! %s\n", chat_status_text(status));
}

static void send_body(struct cli *cli, chat_view body)
{
    chat_client_cid cid;
    chat_target target = args_target(ui.current);
    if (ui.current[0] == '\0') {
        printf("  ! nobody to talk to: /to @USER or /to GROUP first\n");
        return;
    }
    chat_status status = chat_client_send(cli->client, &target, body, &cid);
    say_status(status);
    if (status != CHAT_OK)
        return;
    remember_own(&cid, body);
    if (chat_client_get_state(cli->client) != CHAT_CLIENT_ONLINE)
        show_mark("...", find_own(cli_view(cid.text)));
}

static void command_to(struct cli *cli, char **words, size_t n_words)
{
    (void)cli;
    if (n_words != 2 || strlen(words[1]) >= sizeof ui.current) {
        printf("  ! /to @USER or /to GROUP\n");
        return;
    }
    snprintf(ui.current, sizeof ui.current, "%s", words[1]);
    printf("  now talking to %s\n", ui.current);
}

static void command_history(struct cli *cli, char **words, size_t n_words)
{
    chat_history_query query;
    memset(&query, 0, sizeof query);
    query.struct_size = sizeof query;
    query.target = args_target(ui.current);
    query.limit = n_words > 1 ? (uint32_t)strtoul(words[1], NULL, 10) : 20;
    say_status(ui.current[0] != '\0' ? chat_client_history(cli->client, &query, &ui.history_r)
                                     : CHAT_ERR_ARG);
}

static void command_group(struct cli *cli, char **words, size_t n_words)
{
    chat_status status = CHAT_ERR_ARG;
    const char *copy[MAX_WORDS] = {words[0] + 1}; /* without the slash */
    for (size_t i = 1; i < n_words; i++)
        copy[i] = words[i];
    if (n_words > 1)
        status = group_ask(cli, copy, n_words);
    if (status == CHAT_ERR_ARG)
        printf("  ! %s GROUP and what it needs, see /help\n", words[0]);
    else
        say_status(status);
}

static void command_chats(struct cli *cli, char **words, size_t n_words)
{
    (void)words;
    (void)n_words;
    say_status(chat_client_chats(cli->client, 0, NULL));
}

static void tell_typing(struct cli *cli)
{
    chat_target target = args_target(ui.current);
    if (ui.current[0] == '\0' || cli->now_ms < ui.typing_at_ms)
        return;
    ui.typing_at_ms = cli->now_ms + TYPING_MS;
    (void)chat_client_typing(cli->client, &target);
}

static void command_typing(struct cli *cli, char **words, size_t n_words)
{
    (void)words;
    (void)n_words;
    tell_typing(cli);
}

static void command_help(struct cli *cli, char **words, size_t n_words)
{
    (void)cli;
    (void)words;
    (void)n_words;
    printf("  /to CHAT   /history [N]   /chats   /typing   /help   /quit\n"
           "  /create GROUP USER...   /add GROUP USER...   /remove GROUP USER...   /members GROUP\n"
           "  /join GROUP   /leave GROUP   /update GROUP TITLE   /role GROUP USER ROLE\n"
           "  CHAT is a group, or @USER. Any other line is sent; // sends a line with one /.\n");
}

static void command_quit(struct cli *cli, char **words, size_t n_words)
{
    (void)words;
    (void)n_words;
    cli->is_input_over = 1;
    cli->wants_input = 0;
}

static void run_command(struct cli *cli, char *text)
{
    static const struct {
        const char *name;
        void (*run)(struct cli *cli, char **words, size_t n_words);
    } commands[] = {
        {"/to", command_to},        {"/history", command_history}, {"/chats", command_chats},
        {"/create", command_group}, {"/update", command_group},    {"/join", command_group},
        {"/leave", command_group},  {"/add", command_group},       {"/remove", command_group},
        {"/role", command_group},   {"/members", command_group},   {"/help", command_help},
        {"/quit", command_quit},    {"/typing", command_typing}};
    char *words[MAX_WORDS];
    char *rest = NULL;
    size_t n = 0;
    for (char *word = strtok_r(text, " \t", &rest); word != NULL && n < MAX_WORDS;
         word = strtok_r(NULL, " \t", &rest))
        words[n++] = word;
    for (size_t i = 0; n > 0 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(words[0], commands[i].name) == 0) {
            commands[i].run(cli, words, n);
            return;
        }
    printf("  ! unknown command %s, see /help\n", n > 0 ? words[0] : "");
}

static void take_line(struct cli *cli, chat_view line)
{
    while (line.len > 0 && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == '\n'))
        line.len--;
    if (line.len == 0)
        return;
    if (line.data[0] != '/') {
        send_body(cli, line);
        return;
    }
    if (line.len > 1 && line.data[1] == '/') {
        line.data++;
        line.len--;
        send_body(cli, line);
        return;
    }
    char *text = malloc(line.len + 1);
    if (text == NULL)
        return;
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    run_command(cli, text);
    /* Views of the request were copied by the call. */
    free(text);
}

#ifdef HAVE_EDITLINE
static void on_edited(char *line)
{
    if (line == NULL) {
        putchar('\n');
        command_quit(ui.cli, NULL, 0);
        return;
    }
    if (line[0] != '\0')
        add_history(line);
    take_line(ui.cli, cli_view(line));
    free(line);
    if (!ui.cli->is_input_over)
        show_prompt();
}
#endif

/* What is shown of the current chat counts as read; its answer is not shown. */
static void mark_read(struct cli *cli, const chat_frame *frame)
{
    chat_direct_name name;
    chat_target target = args_target(ui.current);
    chat_view chat = target.chat;
    if (chat.len == 0 && chat_direct_id(cli_view(cli->user), target.to, &name) == CHAT_OK) {
        chat.data = name.bytes;
        chat.len = name.len;
    }
    if (chat.len > 0 && chat.len == frame->chat.len &&
        memcmp(chat.data, frame->chat.data, chat.len) == 0)
        (void)chat_client_read(cli->client, &target, frame->seq, NULL);
}

/* --- the verb --- */

static int interactive_start(struct cli *cli)
{
    memset(&ui, 0, sizeof ui);
    ui.cli = cli;
    cli->wants_input = 1;
#ifdef HAVE_EDITLINE
    ui.is_terminal = isatty(0) && isatty(1);
    if (ui.is_terminal)
        rl_initialize();
#endif
    if (!cli->args->is_json && ui.is_terminal)
        printf("  /to @USER or /to GROUP to talk, /help for more, /quit to leave\n");
    show_prompt();
    return -1;
}

static void interactive_on_input(struct cli *cli)
{
#ifdef HAVE_EDITLINE
    if (ui.is_terminal) {
        rl_callback_read_char();
        if (rl_line_buffer != NULL && rl_line_buffer[0] != '\0' && rl_line_buffer[0] != '/')
            tell_typing(cli);
        return;
    }
#endif
    cli_read_lines(cli, take_line);
}

static void show_typing(const struct cli *cli, const chat_event *event)
{
    fputs("  ", stdout);
    show_text(stdout, event->frame->user);
    fputs(event->type == CHAT_EVENT_TYPING ? " is typing in " : " types no more in ", stdout);
    show_chat_name(stdout, cli, event->frame->chat);
    putchar('\n');
}

static void show_result(const struct cli *cli, const chat_event *event)
{
    const chat_frame *frame = event->frame;
    /* The answer to mark_read(): what else names a chat gives an id too. */
    if (event->type == CHAT_EVENT_RESULT && CHAT_FRAME_HAS(frame, SEQ) &&
        !CHAT_FRAME_HAS(frame, ID))
        return;
    if (event->type == CHAT_EVENT_RESULT && CHAT_FRAME_HAS(frame, COUNT))
        printf("  -- %" PRIu64 " rows%s --\n", frame->count,
               CHAT_FRAME_HAS(frame, HAS_MORE) && frame->more ? ", and more" : "");
    else if (event->type == CHAT_EVENT_RESULT)
        printf("  done\n");
    if (event->type == CHAT_EVENT_TYPING_ENDED)
        show_typing(cli, event);
    if (event->type != CHAT_EVENT_ERROR && event->type != CHAT_EVENT_FAILED)
        return;
    struct own *own = CHAT_FRAME_HAS(frame, CID) ? find_own(frame->cid) : NULL;
    fputs("  ! ", stdout);
    show_text(stdout, event->text.len > 0 ? event->text : frame->code);
    if (own != NULL) {
        fputs(": ", stdout);
        show_text(stdout, cli_view(own->snippet));
    }
    putchar('\n');
}

static void show_message(struct cli *cli, const chat_event *event)
{
    if (event->gap_after != 0)
        printf("  -- something is missing before this; /history has it --\n");
    if (find_own(CHAT_FRAME_HAS(event->frame, CID) ? event->frame->cid : cli_view("")) == NULL)
        show_row(stdout, cli, event->frame);
    mark_read(cli, event->frame);
}

static void show_resumed(const chat_frame *frame)
{
    if (frame->count > 0)
        printf("  -- caught up: %" PRIu64 " messages --\n", frame->count);
    if (CHAT_FRAME_HAS(frame, AFTER))
        puts("  -- something is missing: history does not have it --");
}

static void on_state(const struct cli *cli, const chat_event *event)
{
    if (event->state == CHAT_CLIENT_ONLINE)
        printf("  -- online as %s --\n", cli->user);
    show_state(ui.is_terminal ? stdout : stderr, event);
}

static void show_event(struct cli *cli, const chat_event *event)
{
    switch (event->type) {
    case CHAT_EVENT_STATE:
        on_state(cli, event);
        break;
    case CHAT_EVENT_MESSAGE:
        show_message(cli, event);
        break;
    case CHAT_EVENT_ROW:
        if (event->frame->r == ui.history_r)
            rows_keep(cli, event);
        else
            show_row(stdout, cli, event->frame);
        break;
    case CHAT_EVENT_CHAT:
    case CHAT_EVENT_NOTE:
        show_row(stdout, cli, event->frame);
        break;
    case CHAT_EVENT_TYPING:
        show_typing(cli, event);
        break;
    case CHAT_EVENT_SETTING:
    case CHAT_EVENT_MARKER: /* what another device shows is no news here */
        break;
    case CHAT_EVENT_RESUMED:
        show_resumed(event->frame);
        break;
    case CHAT_EVENT_SENT:
        on_sent(event->frame);
        break;
    case CHAT_EVENT_RECEIPT:
        on_receipt(event->frame);
        break;
    default:
        if (event->type == CHAT_EVENT_RESULT && event->frame->r == ui.history_r)
            rows_print(cli, 0);
        show_result(cli, event);
        break;
    }
}

static void interactive_on_event(struct cli *cli, const chat_event *event)
{
    if (cli->args->is_json) {
        if (event->type == CHAT_EVENT_SENT && find_own(event->frame->cid) != NULL)
            find_own(event->frame->cid)->seq = event->frame->seq;
        return;
    }
    hide_line();
    show_event(cli, event);
    restore_line();
}

/* At the end of the input what was written is still sent, for a while. */
static void interactive_on_tick(struct cli *cli)
{
    if (cli->exit_code >= 0 || cli->result >= 0) {
#ifdef HAVE_EDITLINE
        if (ui.is_terminal)
            rl_callback_handler_remove();
        ui.is_terminal = 0;
#endif
        return;
    }
    if (!cli->is_input_over)
        return;
    if (cli->idle_ms == 0) {
        cli->idle_ms = 15000;
        cli->progress_at_ms = cli->now_ms;
    }
    if (chat_client_outbox_count(cli->client) == 0)
        cli_finish(cli, EXIT_OK);
}

const struct verb verb_interactive = {interactive_start, interactive_on_event, interactive_on_input,
                                      0, interactive_on_tick};
