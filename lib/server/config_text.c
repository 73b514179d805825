/* SPDX-License-Identifier: MIT */
/* --help, --version and docs/configuration.md, all from the table of options. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PIECE_BYTES   1024u
#define HELP_COLUMN   34
#define INITIAL_BYTES 64u

__attribute__((format(printf, 2, 3))) static chat_status add(chat__buf *out, const char *format,
                                                             ...)
{
    char piece[PIECE_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof piece)
        return CHAT_ERR_LIMIT;
    return chat__buf_append(out, piece, (size_t)len);
}

static void describe_initial(const chat__option *row, char *out, size_t cap)
{
    switch (row->kind) {
    case CHAT__OPTION_PATH:
    case CHAT__OPTION_ADDRESS:
        (void)snprintf(out, cap, "%s", row->initial_text != NULL ? row->initial_text : "none");
        break;
    case CHAT__OPTION_NUMBER:
        (void)snprintf(out, cap, "%" PRIu64, row->initial);
        break;
    case CHAT__OPTION_SWITCH:
        (void)snprintf(out, cap, "%s", row->initial != 0 ? "on" : "off");
        break;
    case CHAT__OPTION_LEVEL:
        (void)snprintf(out, cap, "%s", chat__option_level_name(row->initial));
        break;
    }
}

static const char *value_of(const chat__option *row)
{
    switch (row->kind) {
    case CHAT__OPTION_NUMBER:
        return "N";
    case CHAT__OPTION_SWITCH:
        return "[on|off]";
    case CHAT__OPTION_LEVEL:
        return "LEVEL";
    default:
        return row->unit;
    }
}

static chat_status add_help_row(chat__buf *out, const chat__option *row)
{
    char initial[INITIAL_BYTES], head[PIECE_BYTES];
    describe_initial(row, initial, sizeof initial);
    (void)snprintf(head, sizeof head, "  --%s %s", row->name, value_of(row));
    return add(out, "%-*s %s [%s%s%s]\n", HELP_COLUMN, head, row->text, initial,
               row->kind == CHAT__OPTION_NUMBER ? " " : "",
               row->kind == CHAT__OPTION_NUMBER ? row->unit : "");
}

static chat_status add_help(chat__buf *out)
{
    char head[PIECE_BYTES];
    chat_status status =
        add(out, "chatd [--config FILE] [--data DIR] [--listen HOST:PORT] [--jwt-secret-file FILE] "
                 "[--dev] [--check-config] [--version] [--help]\n\n"
                 "A live chat server: JSON or CBOR over WebSocket, messages on disk before they "
                 "are acknowledged.\n\n");
    for (size_t i = 0; i < chat__config_n_commands && status == CHAT_OK; i++) {
        const chat__config_command *command = &chat__config_commands[i];
        (void)snprintf(head, sizeof head, "  --%s %s", command->name, command->unit);
        status = add(out, "%-*s %s\n", HELP_COLUMN, head, command->text);
    }
    for (size_t i = 0; i < chat__option_count && status == CHAT_OK; i++)
        status = add_help_row(out, &chat__option_rows[i]);
    if (status != CHAT_OK)
        return status;
    return add(out,
               "\nIn a file each of these is a line `name = value`; # starts a comment.\n"
               "Signals: SIGTERM and SIGINT drain (a second one ends at once).\n"
               "Exit codes: 0 ended as it should; 1 failed to start or while it ran; 2 a wrong "
               "option or file, see the message.\n");
}

static chat_status add_docs_row(chat__buf *out, const chat__option *row)
{
    char initial[INITIAL_BYTES];
    describe_initial(row, initial, sizeof initial);
    chat_status status = add(out, "| `%s` | ", row->name);
    if (status != CHAT_OK)
        return status;
    switch (row->kind) {
    case CHAT__OPTION_NUMBER:
        status = add(out, "%s, %" PRIu64 " to %" PRIu64, row->unit, row->min, row->max);
        break;
    case CHAT__OPTION_SWITCH:
        status = add(out, "`on`, `off`");
        break;
    case CHAT__OPTION_LEVEL:
        status = add(out, "`error`, `warn`, `info`, `debug`");
        break;
    default:
        status = add(out, "%s", row->unit);
        break;
    }
    return status != CHAT_OK ? status : add(out, " | %s | %s |\n", initial, row->text);
}

static chat_status add_docs(chat__buf *out)
{
    chat_status status =
        add(out, "# Configuration of chatd\n\n"
                 "Made by `chatd --print-config-docs` from the table in `<chat/server.h>`.\n\n"
                 "Each option may stand on the command line (`--name VALUE` or `--name=VALUE`; a "
                 "switch alone means on) or in a\nfile that `--config FILE` names, one `name = "
                 "value` a line, `#` for comments. The command line wins. A program that\nembeds "
                 "the server sets the same options in `chat_server_options`.\n\n"
                 "| option | value | default | what it does |\n|---|---|---|---|\n");
    for (size_t i = 0; i < chat__option_count && status == CHAT_OK; i++)
        status = add_docs_row(out, &chat__option_rows[i]);
    if (status == CHAT_OK)
        status = add(out, "\nOnly on the command line:\n\n| option | what it does |\n|---|---|\n");
    for (size_t i = 0; i < chat__config_n_commands && status == CHAT_OK; i++) {
        const chat__config_command *command = &chat__config_commands[i];
        status = add(out, "| `--%s%s%s` | %s |\n", command->name,
                     command->unit[0] != '\0' ? " " : "", command->unit, command->text);
    }
    return status;
}

chat_status chat_server_config_text(chat_server_config *config, chat_server_action action,
                                    const char **out)
{
    if (config == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat__buf *text = &config->text;
    chat_status status = CHAT_OK;
    text->len = 0;
    if (action == CHAT_SERVER_ACTION_HELP)
        status = add_help(text);
    else if (action == CHAT_SERVER_ACTION_VERSION)
        status = add(text, "chatd " CHAT__SERVER_VERSION "\n");
    else if (action == CHAT_SERVER_ACTION_DOCS)
        status = add_docs(text);
    if (status == CHAT_OK)
        status = chat__buf_append(text, "", 1);
    if (status == CHAT_OK)
        *out = (const char *)text->data;
    return status;
}
