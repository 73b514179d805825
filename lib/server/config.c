/* SPDX-License-Identifier: MIT */
/*
 * Options from a command line and from a file. Each problem says where it is, what is wrong and
 * what would be right.
 */
#include "config.h"
#include "base/alloc.h"
#include "base/view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (1u << 20)
#define MAX_NAME_BYTES 32u
#define MAX_DISTANCE   3u
#define HOST_BYTES     256u
#define WHERE_BYTES    256u
#define VALUE_SHOWN    128

const chat__config_command chat__config_commands[] = {
    {"config", "FILE", "Read options from a file first; the command line wins.",
     CHAT_SERVER_ACTION_RUN},
    {"check-config", "", "Check the options and the files they name, start nothing.",
     CHAT_SERVER_ACTION_CHECK},
    {"migrate", "",
     "Make the tables in Cassandra and the topic in Kafka, or bring them up to date.",
     CHAT_SERVER_ACTION_MIGRATE},
    {"print-config-docs", "", "Print docs/configuration.md.", CHAT_SERVER_ACTION_DOCS},
    {"version", "", "Print the version.", CHAT_SERVER_ACTION_VERSION},
    {"help", "", "Print this.", CHAT_SERVER_ACTION_HELP},
};
const size_t chat__config_n_commands =
    sizeof chat__config_commands / sizeof chat__config_commands[0];

/* Where an option stands: "--" for the command line, "FILE:LINE: " for a file. */
typedef struct place {
    const char *where;
    const char *dashes;
} place;

/* --- life --- */

chat_status chat_server_config_new(const chat_allocator *allocator, chat_server_config **out)
{
    chat_allocator from = chat__alloc_or_libc(allocator);
    if (out == NULL)
        return CHAT_ERR_ARG;
    chat_server_config *config = chat__alloc_zero(&from, sizeof *config);
    if (config == NULL)
        return CHAT_ERR_NOMEM;
    config->allocator = from;
    chat_server_options_init(&config->options);
    chat__buf_init(&config->text, &config->allocator, MAX_FILE_BYTES);
    *out = config;
    return CHAT_OK;
}

void chat_server_config_free(chat_server_config *config)
{
    if (config == NULL)
        return;
    chat_allocator allocator = config->allocator;
    while (config->strings != NULL) {
        chat__config_string *next = config->strings->next;
        chat__alloc_free(&allocator, config->strings);
        config->strings = next;
    }
    chat__buf_done(&config->text);
    chat__alloc_free(&allocator, config);
}

const char *chat_server_config_problem(const chat_server_config *config)
{
    return config == NULL ? "" : config->problem;
}

chat_server_action chat_server_config_action(const chat_server_config *config)
{
    return config == NULL ? CHAT_SERVER_ACTION_RUN : config->action;
}

chat_server_options *chat_server_config_options(chat_server_config *config)
{
    return config == NULL ? NULL : &config->options;
}

__attribute__((format(printf, 2, 3))) static chat_status fail(chat_server_config *config,
                                                              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(config->problem, sizeof config->problem, format, args);
    va_end(args);
    return CHAT_ERR_ARG;
}

/* --- names --- */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance of two short names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_NAME_BYTES + 1];
    size_t b_len = strlen(b);
    if (strlen(a) > MAX_NAME_BYTES || b_len > MAX_NAME_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t above = row[j + 1];
            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[b_len];
}

static void consider(const char *name, const char *candidate, const char **best, size_t *best_at)
{
    size_t at = distance(name, candidate);
    if (at < *best_at) {
        *best_at = at;
        *best = candidate;
    }
}

static chat_status fail_unknown(chat_server_config *config, const place *at, const char *name)
{
    const char *best = NULL;
    size_t allowed = strlen(name) / 2;
    size_t best_at = (allowed < MAX_DISTANCE ? allowed : MAX_DISTANCE) + 1;
    for (size_t i = 0; i < chat__option_count; i++)
        consider(name, chat__option_rows[i].name, &best, &best_at);
    for (size_t i = 0; i < chat__config_n_commands && at->dashes[0] != '\0'; i++)
        consider(name, chat__config_commands[i].name, &best, &best_at);
    if (best != NULL)
        return fail(config, "%s%s%.*s: no such option; did you mean %s%s?", at->where, at->dashes,
                    VALUE_SHOWN, name, at->dashes, best);
    return fail(config, "%s%s%.*s: no such option; chatd --help names all", at->where, at->dashes,
                VALUE_SHOWN, name);
}

static const chat__option *find_option(const char *name)
{
    for (size_t i = 0; i < chat__option_count; i++)
        if (strcmp(chat__option_rows[i].name, name) == 0)
            return &chat__option_rows[i];
    return NULL;
}

static const chat__config_command *find_command(const char *name)
{
    for (size_t i = 0; i < chat__config_n_commands; i++)
        if (strcmp(chat__config_commands[i].name, name) == 0)
            return &chat__config_commands[i];
    return NULL;
}

/* --- values --- */

static int read_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return 0;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

static int read_switch(const char *text, uint64_t *out)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return 0;
    *out = strcmp(text, "on") == 0;
    return 1;
}

static int read_level(const char *text, uint64_t *out)
{
    for (uint64_t level = CHAT_LOG_ERROR; level <= CHAT_LOG_DEBUG; level++) {
        if (strcmp(text, chat__option_level_name(level)) == 0) {
            *out = level;
            return 1;
        }
    }
    return 0;
}

static chat_status keep_string(chat_server_config *config, const chat__option *row,
                               const char *value)
{
    size_t len = strlen(value);
    chat__config_string *string = chat__alloc_zero(&config->allocator, sizeof *string + len + 1);
    if (string == NULL) {
        (void)fail(config, "out of memory");
        return CHAT_ERR_NOMEM;
    }
    memcpy(string->text, value, len);
    string->next = config->strings;
    config->strings = string;
    *chat__option_string(&config->options, row) = string->text;
    return CHAT_OK;
}

static chat_status set_number(chat_server_config *config, const chat__option *row, const place *at,
                              const char *value)
{
    uint64_t number = 0;
    if (!read_number(value, &number) || number < row->min || number > row->max)
        return fail(config, "%s%s%s: \"%.*s\" is no number from %" PRIu64 " to %" PRIu64 " (%s)",
                    at->where, at->dashes, row->name, VALUE_SHOWN, value, row->min, row->max,
                    row->unit);
    *chat__option_number(&config->options, row) = number;
    return CHAT_OK;
}

static chat_status set_option(chat_server_config *config, const chat__option *row, const place *at,
                              const char *value)
{
    char host[HOST_BYTES];
    uint16_t port = 0;
    uint64_t *number = chat__option_number(&config->options, row);
    if (value[0] == '\0')
        return fail(config, "%s%s%s: a value is needed", at->where, at->dashes, row->name);
    switch (row->kind) {
    case CHAT__OPTION_PATH:
        return keep_string(config, row, value);
    case CHAT__OPTION_ADDRESS:
        if (!chat__options_split_address(value, host, sizeof host, &port))
            return fail(config,
                        "%s%s%s: \"%.*s\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080",
                        at->where, at->dashes, row->name, VALUE_SHOWN, value);
        return keep_string(config, row, value);
    case CHAT__OPTION_NUMBER:
        return set_number(config, row, at, value);
    case CHAT__OPTION_SWITCH:
        return read_switch(value, number)
                   ? CHAT_OK
                   : fail(config, "%s%s%s: \"%.*s\" is neither on nor off", at->where, at->dashes,
                          row->name, VALUE_SHOWN, value);
    case CHAT__OPTION_LEVEL:
        return read_level(value, number)
                   ? CHAT_OK
                   : fail(config, "%s%s%s: \"%.*s\" is none of error, warn, info, debug", at->where,
                          at->dashes, row->name, VALUE_SHOWN, value);
    }
    return CHAT_ERR_ARG;
}

/* --- file --- */

static chat_view trimmed(chat_view view)
{
    while (view.len > 0 && (view.data[0] == ' ' || view.data[0] == '\t'))
        view = chat__view(view.data + 1, view.len - 1);
    while (view.len > 0 && strchr(" \t\r", view.data[view.len - 1]) != NULL)
        view.len--;
    return view;
}

static int copy_text(char *out, size_t cap, chat_view view)
{
    if (view.len >= cap || memchr(view.data, '\0', view.len) != NULL)
        return 0;
    memcpy(out, view.data, view.len);
    out[view.len] = '\0';
    return 1;
}

static chat_status read_line(chat_server_config *config, const char *where, chat_view line)
{
    char name[MAX_NAME_BYTES * 4], value[4096];
    place at = {where, ""};
    line = trimmed(line);
    if (line.len == 0 || line.data[0] == '#')
        return CHAT_OK;
    const uint8_t *equals = memchr(line.data, '=', line.len);
    if (equals == NULL)
        return fail(config, "%s\"%.*s\": a line is name = value, or a comment that starts with #",
                    where, (int)(line.len < VALUE_SHOWN ? line.len : VALUE_SHOWN),
                    (const char *)line.data);
    size_t name_len = (size_t)(equals - line.data);
    if (!copy_text(name, sizeof name, trimmed(chat__view(line.data, name_len))))
        return fail(config, "%sthe name is too long", where);
    if (!copy_text(value, sizeof value, trimmed(chat__view(equals + 1, line.len - name_len - 1))))
        return fail(config, "%s%s: the value is too long", where, name);
    const chat__option *row = find_option(name);
    return row == NULL ? fail_unknown(config, &at, name) : set_option(config, row, &at, value);
}

chat_status chat_server_config_parse_text(chat_server_config *config, const char *name,
                                          chat_view text)
{
    char where[WHERE_BYTES];
    uint32_t number = 1;
    if (config == NULL || name == NULL || (text.data == NULL && text.len > 0))
        return CHAT_ERR_ARG;
    config->problem[0] = '\0';
    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        (void)snprintf(where, sizeof where, "%.200s:%" PRIu32 ": ", name, number);
        chat_status status = read_line(config, where, chat__view(text.data, len));
        if (status != CHAT_OK)
            return status;
        len += end != NULL;
        text = chat__view(text.data + len, text.len - len);
        number++;
    }
    return CHAT_OK;
}

static chat_status read_config_file(chat_server_config *config, const char *path)
{
    uint8_t chunk[4096];
    size_t got = 0;
    chat__buf text;
    chat_status status = CHAT_OK;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return fail(config, "--config: cannot read %.*s: %s", VALUE_SHOWN, path, strerror(errno));
    chat__buf_init(&text, &config->allocator, MAX_FILE_BYTES);
    while (status == CHAT_OK && (got = fread(chunk, 1, sizeof chunk, file)) > 0)
        status = chat__buf_append(&text, chunk, got);
    if (ferror(file))
        status = fail(config, "--config: cannot read %.*s: %s", VALUE_SHOWN, path, strerror(errno));
    else if (status != CHAT_OK)
        (void)fail(config, "--config: %.*s: %s", VALUE_SHOWN, path, chat_status_text(status));
    else
        status = chat_server_config_parse_text(config, path, chat__buf_view(&text));
    (void)fclose(file);
    chat__buf_done(&text);
    return status == CHAT_ERR_LIMIT ? CHAT_ERR_ARG : status;
}

/* --- command line --- */

typedef struct args {
    int argc;
    const char *const *argv;
    int at;
    int is_first; /* only look for --config */
} args;

/* The value behind `=`, or the next word; NULL: there is none. */
static const char *take_value(args *line, const char *equals)
{
    if (equals != NULL)
        return equals + 1;
    return line->at + 1 < line->argc ? line->argv[++line->at] : NULL;
}

static chat_status take_command(chat_server_config *config, args *line,
                                const chat__config_command *command, const char *equals)
{
    if (command->unit[0] == '\0') {
        if (equals != NULL)
            return fail(config, "--%s: takes no value", command->name);
        if (!line->is_first && config->action < command->action)
            config->action = command->action;
        return CHAT_OK;
    }
    const char *value = take_value(line, equals);
    if (value == NULL || value[0] == '\0')
        return fail(config, "--%s: a value is needed: --%s %s", command->name, command->name,
                    command->unit);
    return line->is_first ? read_config_file(config, value) : CHAT_OK;
}

static int is_switch_word(const args *line)
{
    uint64_t ignored;
    return line->at + 1 < line->argc && read_switch(line->argv[line->at + 1], &ignored);
}

static chat_status take_option(chat_server_config *config, args *line, const chat__option *row,
                               const char *equals)
{
    place at = {"", "--"};
    const char *value = "on";
    if (row->kind != CHAT__OPTION_SWITCH || equals != NULL || is_switch_word(line))
        value = take_value(line, equals);
    if (value == NULL)
        return fail(config, "--%s: a value is needed: --%s %s", row->name, row->name, row->unit);
    return line->is_first ? CHAT_OK : set_option(config, row, &at, value);
}

static chat_status take_word(chat_server_config *config, args *line)
{
    char name[MAX_NAME_BYTES * 4];
    place at = {"", "--"};
    const char *word = line->argv[line->at];
    if (strncmp(word, "--", 2) != 0)
        return fail(config, "%.*s: options start with --; chatd --help names all", VALUE_SHOWN,
                    word);
    const char *equals = strchr(word, '=');
    size_t len = equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2);
    if (!copy_text(name, sizeof name, chat__view(word + 2, len)))
        return fail_unknown(config, &at, word + 2);
    const chat__config_command *command = find_command(name);
    if (command != NULL)
        return take_command(config, line, command, equals);
    const chat__option *row = find_option(name);
    return row == NULL ? fail_unknown(config, &at, name) : take_option(config, line, row, equals);
}

chat_status chat_server_config_parse(chat_server_config *config, int argc, const char *const *argv)
{
    chat_status status = CHAT_OK;
    if (config == NULL || argc < 0 || (argv == NULL && argc > 0))
        return CHAT_ERR_ARG;
    config->problem[0] = '\0';
    for (int pass = 0; pass < 2 && status == CHAT_OK; pass++) {
        args line = {argc, argv, 1, pass == 0};
        for (; line.at < argc && status == CHAT_OK; line.at++)
            status = take_word(config, &line);
    }
    return status;
}
