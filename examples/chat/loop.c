/* SPDX-License-Identifier: MIT */
/* The loop of every verb that has a connection: wait, process, read events. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_S 15

/* For the signal handler, which has no argument. */
static chat_client *volatile signal_client;
static volatile sig_atomic_t is_signalled;

chat_view cli_view(const char *text)
{
    chat_view view = {(const uint8_t *)text, strlen(text)};
    return view;
}

/* Counts while the machine sleeps, so that a dead connection is noticed after it. */
static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void on_signal(int number)
{
    (void)number;
    is_signalled = 1;
    chat_client_wakeup(signal_client);
}

static void write_log(void *ctx, chat_log_level level, const char *line)
{
    (void)ctx;
    if (level <= CHAT_LOG_WARN)
        fprintf(stderr, "chat: %s\n", line);
}

void cli_finish(struct cli *cli, int exit_code)
{
    if (cli->result >= 0)
        return;
    cli->result = exit_code;
    cli->wants_input = 0;
    (void)chat_client_close(cli->client);
}

static void remember(struct cli *cli, const chat_event *event)
{
    if (event->text.len > 0 && event->status != CHAT_OK)
        snprintf(cli->trouble, sizeof cli->trouble, "%.*s", (int)event->text.len,
                 (const char *)event->text.data);
}

static void on_state(struct cli *cli, const chat_event *event)
{
    remember(cli, event);
    if (!cli->args->is_json && cli->verb != &verb_interactive)
        show_state(stderr, event);
    if (event->state == CHAT_CLIENT_ONLINE && event->frame != NULL) {
        cli->progress_at_ms = cli->now_ms;
        snprintf(cli->user, sizeof cli->user, "%.*s", (int)event->frame->user.len,
                 (const char *)event->frame->user.data);
    }
    if (event->state == CHAT_CLIENT_CLOSED)
        cli->exit_code = cli->result;
    if (event->state != CHAT_CLIENT_REFUSED)
        return;
    /* Two short commands of one user at the same time: the other one took our place. */
    if (event->status == CHAT_ERR_REPLACED && cli->is_one_shot && cli->args->device == NULL)
        cli->reconnect_at_ms = cli->now_ms + 100 + (uint64_t)(getpid() % 401);
    else /* who removes the own device has the answer */
        cli->exit_code = cli->result >= 0 ? cli->result : EXIT_REFUSED;
}

/* What the device is told of by itself, for those who listen. */
static int is_of_stream(uint32_t type)
{
    switch (type) {
    case CHAT_EVENT_MESSAGE:
    case CHAT_EVENT_CHAT:
    case CHAT_EVENT_CHANGE:
    case CHAT_EVENT_NOTE:
    case CHAT_EVENT_MARKER:
    case CHAT_EVENT_SETTING:
    case CHAT_EVENT_BLOCKED:
    case CHAT_EVENT_RESUMED:
        return 1;
    default:
        return 0;
    }
}

static void on_event(struct cli *cli, const chat_event *event)
{
    int is_mine = !is_of_stream(event->type);
    if (event->type == CHAT_EVENT_STATE)
        on_state(cli, event);
    else if (is_mine)
        cli->progress_at_ms = cli->now_ms;
    int is_row = event->type == CHAT_EVENT_ROW || event->type == CHAT_EVENT_RESULT;
    int has_stream = !cli->is_one_shot && cli->verb != &verb_watch;
    if (cli->args->is_json && (is_mine || has_stream) && !(is_row && cli->verb->keeps_rows))
        show_json(stdout, event);
    cli->verb->on_event(cli, event);
}

static int wait_ms(const struct cli *cli)
{
    int wait = chat_client_timeout(cli->client, cli->now_ms);
    uint64_t at = UINT64_MAX;
    if (cli->idle_ms > 0)
        at = cli->progress_at_ms + cli->idle_ms;
    if (cli->reconnect_at_ms != 0 && cli->reconnect_at_ms < at)
        at = cli->reconnect_at_ms;
    if (at == UINT64_MAX)
        return wait;
    int left = at <= cli->now_ms              ? 0
               : at - cli->now_ms > INT32_MAX ? INT32_MAX
                                              : (int)(at - cli->now_ms);
    return wait < 0 || left < wait ? left : wait;
}

static void check_time(struct cli *cli)
{
    if (cli->reconnect_at_ms != 0 && cli->now_ms >= cli->reconnect_at_ms) {
        cli->reconnect_at_ms = 0;
        (void)chat_client_reconnect(cli->client);
    }
    if (cli->idle_ms == 0 || cli->now_ms < cli->progress_at_ms + cli->idle_ms || cli->result >= 0)
        return;
    int is_online = chat_client_get_state(cli->client) == CHAT_CLIENT_ONLINE;
    fprintf(stderr, "chat: %s within %u s%s%s\n", is_online ? "no answer" : "no connection",
            (unsigned)(cli->idle_ms / 1000), !is_online && cli->trouble[0] ? ": " : "",
            is_online ? "" : cli->trouble);
    cli->exit_code = EXIT_NO_CONNECTION;
}

static void turn(struct cli *cli)
{
    struct pollfd wait[2] = {{chat_client_fd(cli->client), POLLIN, 0}, {0, POLLIN, 0}};
    const chat_event *event;
    int n = poll(wait, cli->wants_input ? 2 : 1, wait_ms(cli));
    cli->now_ms = now();
    if (is_signalled) {
        is_signalled = 0;
        cli_finish(cli, cli->is_one_shot ? EXIT_REFUSED : EXIT_OK);
    }
    if (n > 0 && cli->wants_input && wait[1].revents != 0)
        cli->verb->on_input(cli);
    (void)chat_client_process(cli->client, cli->now_ms);
    while (cli->exit_code < 0 && chat_client_next_event(cli->client, &event) == CHAT_OK)
        on_event(cli, event);
    if (cli->verb->on_tick != NULL)
        cli->verb->on_tick(cli);
    check_time(cli);
    if (fflush(stdout) != 0)
        cli->exit_code = EXIT_LOCAL;
}

/* A file belongs to one device, whatever is done with it. */
static const char *device_of(const struct cli *cli)
{
    if (cli->args->device != NULL)
        return cli->args->device;
    if (cli->args->store_file != NULL)
        return "cli";
    if (cli->verb == &verb_watch)
        return "cli-watch";
    return cli->is_one_shot ? "cli-once" : "cli";
}

static int make_client(struct cli *cli)
{
    const struct args *args = cli->args;
    const chat_log_sink log = {NULL, write_log};
    char *token = NULL;
    size_t len = 0;
    chat_client_options options;
    chat_client_options_init(&options);
    options.url = args->url != NULL ? args->url : getenv("CHAT_URL");
    options.token = args->token;
    options.device = device_of(cli);
    options.ignore_stream = (uint32_t)cli->is_one_shot;
    options.agent = "chat/" CHAT_CLI_VERSION;
    options.ca_file = args->ca_file;
    options.pin = args->pin;
    options.proxy = args->proxy;
    options.store_file = args->store_file;
    options.insecure_tls = (uint32_t)args->is_insecure;
    options.log = &log;
    if (args->encoding != NULL && strcmp(args->encoding, "json") == 0)
        options.encoding = CHAT_ENCODING_JSON;
    if (options.url == NULL && args->is_offline)
        options.url = "ws://offline";
    if (options.url == NULL) {
        fprintf(stderr, "chat: no server\nSay --url ws://HOST:PORT or set CHAT_URL.\n");
        return EXIT_USAGE;
    }
    if (args->token_file != NULL) {
        token = args_read_file(args->token_file, &len);
        if (token == NULL)
            return EXIT_LOCAL;
        token[strcspn(token, "\r\n")] = '\0';
        options.token = token;
    }
    if (options.token == NULL)
        options.token = getenv("CHAT_TOKEN");
    chat_status status = chat_client_new(&options, &cli->client);
    free(token);
    if (status == CHAT_OK)
        return -1;
    fprintf(stderr, "chat: cannot start: %s\n", chat_status_text(status));
    return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_LOCAL;
}

/* Without a look at the network: what the file says at once. */
static void run_offline(struct cli *cli)
{
    const chat_event *event;
    while (cli->exit_code < 0 && cli->result < 0) {
        if (cli->wants_input)
            cli->verb->on_input(cli);
        else if (chat_client_next_event(cli->client, &event) == CHAT_OK)
            on_event(cli, event);
        else
            break;
    }
    if (cli->exit_code < 0)
        cli->exit_code = cli->result >= 0    ? cli->result
                         : cli->n_failed > 0 ? EXIT_REFUSED
                                             : EXIT_OK;
    if (fflush(stdout) != 0)
        cli->exit_code = EXIT_LOCAL;
}

static void catch_signals(struct cli *cli)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    signal_client = cli->client;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int cli_run(const struct args *args, const struct verb *verb, int is_one_shot)
{
    struct cli cli;
    memset(&cli, 0, sizeof cli);
    cli.args = args;
    cli.verb = verb;
    cli.is_one_shot = is_one_shot;
    cli.exit_code = -1;
    cli.result = -1;
    cli.now_ms = now();
    cli.progress_at_ms = cli.now_ms;
    if (args->has_timeout)
        cli.idle_ms = args->timeout_s * 1000;
    else if (is_one_shot)
        cli.idle_ms = DEFAULT_TIMEOUT_S * 1000;
    int code = make_client(&cli);
    if (code >= 0)
        return code;
    catch_signals(&cli);
    code = verb->start(&cli);
    if (code >= 0)
        cli.exit_code = code;
    if (args->is_offline && cli.exit_code < 0)
        run_offline(&cli);
    while (cli.exit_code < 0)
        turn(&cli);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    chat_client_free(cli.client);
    for (size_t i = 0; i < cli.n_rows; i++)
        free(cli.rows[i]);
    free(cli.rows);
    free(cli.line);
    return cli.exit_code;
}

/* One byte at a time into a line of at most CLI_MAX_LINE_BYTES. */
static void take_byte(struct cli *cli, char c, void (*on_line)(struct cli *, chat_view))
{
    if (c != '\n') {
        if (cli->line_len < CLI_MAX_LINE_BYTES)
            cli->line[cli->line_len++] = c;
        else
            cli->is_line_too_long = 1;
        return;
    }
    chat_view line = {(const uint8_t *)cli->line, cli->line_len};
    if (cli->is_line_too_long) {
        fprintf(stderr, "chat: a line of more than %u bytes was skipped\n", CHAT_BODY_MAX_BYTES);
        cli->n_failed++;
    } else {
        on_line(cli, line);
    }
    cli->line_len = 0;
    cli->is_line_too_long = 0;
}

void cli_read_lines(struct cli *cli, void (*on_line)(struct cli *cli, chat_view line))
{
    char bytes[4096];
    if (cli->line == NULL)
        cli->line = malloc(CLI_MAX_LINE_BYTES);
    ssize_t n = cli->line != NULL ? read(0, bytes, sizeof bytes) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    for (ssize_t i = 0; i < n; i++)
        take_byte(cli, bytes[i], on_line);
    if (n > 0)
        return;
    if (cli->line_len > 0)
        take_byte(cli, '\n', on_line);
    cli->is_input_over = 1;
    cli->wants_input = 0;
}
