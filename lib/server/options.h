/* SPDX-License-Identifier: MIT */
/* Options of a server: copies, and the table as data for those who walk it. */
#ifndef CHAT_SERVER_OPTIONS_H
#define CHAT_SERVER_OPTIONS_H

#include <chat/server.h>

void chat__options_log(const chat_server_options *options, chat_log_level level, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
/* Copy with its strings; free with chat__options_done(). */
chat_status chat__options_copy(chat_server_options *out, const chat_server_options *from);
void chat__options_done(chat_server_options *options);
/* "HOST:PORT": whether it is one; `host` gets at most `cap` bytes, without brackets. */
int chat__options_split_address(const char *text, char *host, size_t cap, uint16_t *out_port);
/* The other way round. */
void chat__options_join_address(const char *host, uint16_t port, char *out, size_t cap);

/* The table, for those who walk it. */
typedef enum chat__option_kind {
    CHAT__OPTION_PATH = 1,
    CHAT__OPTION_ADDRESS,
    CHAT__OPTION_NUMBER,
    CHAT__OPTION_SWITCH,
    CHAT__OPTION_LEVEL
} chat__option_kind;

typedef struct chat__option {
    const char *name;
    chat__option_kind kind;
    size_t offset; /* in chat_server_options */
    const char *initial_text;
    uint64_t initial, min, max;
    const char *unit;
    const char *text;
} chat__option;

extern const chat__option chat__option_rows[];
extern const size_t chat__option_count;
const char **chat__option_string(chat_server_options *options, const chat__option *row);
uint64_t *chat__option_number(chat_server_options *options, const chat__option *row);
const char *chat__option_level_name(uint64_t level);

#endif
