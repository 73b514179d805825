/* SPDX-License-Identifier: MIT */
/* The command line: one table of options; whatever is wrong is said with what to do. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FILE_BYTES 65536

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_HELP, KIND_VERSION };

#define NET NULL /* all verbs but token */
#define ALL "*"

static const struct option {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct args */
    size_t has;    /* of the flag that it was given, or 0 */
    const char *verbs;
} options[] = {
    {"--url", KIND_TEXT, offsetof(struct args, url), 0, NET},
    {"--token", KIND_TEXT, offsetof(struct args, token), 0, NET},
    {"--token-file", KIND_TEXT, offsetof(struct args, token_file), 0, NET},
    {"--device", KIND_TEXT, offsetof(struct args, device), 0, NET},
    {"--ca", KIND_TEXT, offsetof(struct args, ca_file), 0, NET},
    {"--pin", KIND_TEXT, offsetof(struct args, pin), 0, NET},
    {"--proxy", KIND_TEXT, offsetof(struct args, proxy), 0, NET},
    {"--store", KIND_TEXT, offsetof(struct args, store_file), 0, NET},
    {"--offline", KIND_FLAG, offsetof(struct args, is_offline), 0, "send history chats outbox"},
    {"--insecure", KIND_FLAG, offsetof(struct args, is_insecure), 0, NET},
    {"--encoding", KIND_TEXT, offsetof(struct args, encoding), 0, NET},
    {"--timeout", KIND_NUMBER, offsetof(struct args, timeout_s), offsetof(struct args, has_timeout),
     NET},
    {"--json", KIND_FLAG, offsetof(struct args, is_json), 0, ALL},
    {"--count", KIND_NUMBER, offsetof(struct args, count), 0, "listen"},
    {"--before", KIND_NUMBER, offsetof(struct args, before), offsetof(struct args, has_before),
     "history"},
    {"--after", KIND_NUMBER, offsetof(struct args, after), offsetof(struct args, has_after),
     "history"},
    {"--limit", KIND_NUMBER, offsetof(struct args, limit), offsetof(struct args, has_limit),
     "history chats"},
    {"--title", KIND_TEXT, offsetof(struct args, title), 0, "create"},
    {"--open", KIND_FLAG, offsetof(struct args, is_open), 0, "create"},
    {"--secret-file", KIND_TEXT, offsetof(struct args, secret_file), 0, "token"},
    {"--user", KIND_TEXT, offsetof(struct args, user), 0, "token"},
    {"--ttl", KIND_NUMBER, offsetof(struct args, ttl_s), 0, "token"},
    {"--signature-only", KIND_FLAG, offsetof(struct args, is_signature_only), 0, "token"},
    {"--help", KIND_HELP, 0, 0, ALL},
    {"-h", KIND_HELP, 0, 0, ALL},
    {"--version", KIND_VERSION, 0, 0, ALL},
};
#define N_OPTIONS (sizeof options / sizeof *options)

#define MESSAGE_MIN_DIGITS 10u /* of an id: what is shorter is a reaction, or names a device */

static int refuse(const char *what, const char *detail, const char *remedy)
{
    fprintf(stderr, "chat: %s%s%s\n%s\n", what, detail != NULL ? ": " : "",
            detail != NULL ? detail : "", remedy);
    return EXIT_USAGE;
}

int args_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return 0;
    *out = value;
    return 1;
}

static const struct option *find_option(const char *arg, size_t len)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, arg, len) == 0)
            return &options[i];
    return NULL;
}

/* -1, or an exit code. */
static int take_option(const struct option *option, const char *value, struct args *out)
{
    char *base = (char *)out;
    switch (option->kind) {
    case KIND_FLAG:
        if (value != NULL)
            return refuse("this option takes no value", option->name, "See chat --help.");
        *(int *)(void *)(base + option->offset) = 1;
        return -1;
    case KIND_TEXT:
        *(const char **)(void *)(base + option->offset) = value;
        return -1;
    case KIND_NUMBER:
        if (!args_number(value, (uint64_t *)(void *)(base + option->offset)))
            return refuse("not a number", value, option->name);
        if (option->has != 0)
            *(int *)(void *)(base + option->has) = 1;
        return -1;
    case KIND_VERSION:
        puts("chat (libchat) " CHAT_CLI_VERSION);
        return EXIT_OK;
    case KIND_HELP:
    default:
        help_print(stdout, out->verb);
        return EXIT_OK;
    }
}

static int has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return 1;
    return 0;
}

static int belongs(const struct option *option, const char *verb)
{
    if (option->verbs == NULL)
        return verb == NULL || strcmp(verb, "token") != 0;
    return strcmp(option->verbs, ALL) == 0 || (verb != NULL && has_word(option->verbs, verb));
}

/* Each option that was given must mean something to the verb. NULL: interactive. */
static int check_options(const char *verb, int argc, char **argv)
{
    for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++) {
        const struct option *option = find_option(argv[k], strcspn(argv[k], "="));
        if (option == NULL)
            continue;
        if (!belongs(option, verb))
            return refuse("this option does not belong to this verb", option->name,
                          "See chat --help.");
        if (option->kind != KIND_FLAG && strchr(argv[k], '=') == NULL)
            k++;
    }
    return -1;
}

static int is_message_id(const char *text)
{
    uint64_t number;
    return strlen(text) >= MESSAGE_MIN_DIGITS && args_number(text, &number);
}

/* CHAT/MESSAGE, as history prints it, is CHAT MESSAGE in one word. A chat may have a / in its name:
   where both would do and the next word is such a number, that is the message. */
static void split_message(struct args *args, size_t min_items, size_t max_items)
{
    char *slash = args->n_items > 0 ? strrchr(args->items[0], '/') : NULL;
    if (slash == NULL || slash == args->items[0] || !is_message_id(slash + 1) ||
        args->n_items >= max_items || (args->n_items >= min_items && is_message_id(args->items[1])))
        return;
    *slash = '\0';
    memmove(args->items + 2, args->items + 1, (args->n_items - 1) * sizeof *args->items);
    args->items[1] = slash + 1;
    args->n_items++;
}

/* The words do not fit the verb. */
static int refuse_words(const char *what, const char *verb)
{
    fprintf(stderr, "chat: %s\n", what);
    commands_print(stderr, verb);
    return EXIT_USAGE;
}

static int check_verb(struct args *args, int argc, char **argv)
{
    if (args->verb == NULL)
        return check_options(NULL, argc, argv);
    const struct command *command = command_find(args->verb);
    if (command == NULL)
        return refuse("unknown verb", args->verb, "See chat --help.");
    if (command_is_of_message(command))
        split_message(args, command->min_items, command->max_items);
    if (args->n_items < command->min_items)
        return refuse_words("an argument is missing", args->verb);
    if (args->n_items > command->max_items)
        return refuse_words("too many arguments", args->verb);
    if (args->has_before && args->has_after)
        return refuse_words("--before and --after exclude each other", args->verb);
    if (strcmp(args->verb, "outbox") == 0)
        args->is_offline = 1;
    if (args->is_offline && args->store_file == NULL)
        return refuse("without a connection there is only what a file has", NULL,
                      "Name it: --store FILE.");
    return check_options(args->verb, argc, argv);
}

static int take_arg(const char *arg, struct args *out)
{
    if (out->verb == NULL) {
        out->verb = arg;
        return -1;
    }
    if (out->n_items == CLI_MAX_ARGS)
        return refuse("too many arguments", NULL, "See chat --help.");
    out->items[out->n_items++] = arg;
    return -1;
}

/* As take_option(), and `*at` moves to the option's value when that stands behind it. */
static int take_dashed(int argc, char **argv, int *at, struct args *out)
{
    const char *arg = argv[*at];
    const char *equals = strchr(arg, '=');
    size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
    const char *value = equals != NULL ? equals + 1 : NULL;
    const struct option *option = find_option(arg, len);
    if (option == NULL)
        return refuse("unknown option", arg,
                      "See chat --help; a text that starts with - needs -- before it.");
    if (value == NULL && (option->kind == KIND_TEXT || option->kind == KIND_NUMBER)) {
        if (*at + 1 >= argc)
            return refuse("this option needs a value", arg, "See chat --help.");
        value = argv[++*at];
    }
    return take_option(option, value, out);
}

int args_parse(int argc, char **argv, struct args *out)
{
    int is_dashed = 1;
    memset(out, 0, sizeof *out);
    for (int i = 1; i < argc; i++) {
        int code;
        if (is_dashed && strcmp(argv[i], "--") == 0) {
            is_dashed = 0;
            continue;
        }
        if (is_dashed && argv[i][0] == '-' && argv[i][1] != '\0')
            code = take_dashed(argc, argv, &i, out);
        else
            code = take_arg(argv[i], out);
        if (code >= 0)
            return code;
    }
    return check_verb(out, argc, argv);
}

chat_target args_target(const char *chat)
{
    chat_target target = {{NULL, 0}, {NULL, 0}};
    if (chat[0] == '@')
        target.to = cli_view(chat + 1);
    else
        target.chat = cli_view(chat);
    return target;
}

uint64_t args_now_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

char *args_read_file(const char *path, size_t *out_len)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = malloc(MAX_FILE_BYTES + 1);
    size_t len = 0;
    if (file != NULL && text != NULL)
        len = fread(text, 1, MAX_FILE_BYTES + 1, file);
    int is_bad = file == NULL || text == NULL || ferror(file) || len > MAX_FILE_BYTES;
    if (is_bad)
        fprintf(stderr, "chat: cannot read %s: %s\n", path,
                len > MAX_FILE_BYTES ? "larger than 64 KiB" : strerror(errno));
    if (file != NULL && file != stdin)
        fclose(file);
    if (is_bad) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    *out_len = len;
    return text;
}
