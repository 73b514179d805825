/* SPDX-License-Identifier: MIT */
/* What config.c (parsing) and config_text.c (help, documentation) share. */
#ifndef CHAT_SERVER_CONFIG_INTERNAL_H
#define CHAT_SERVER_CONFIG_INTERNAL_H

#include <chat/server_config.h>

#include "internal.h"

#define CHAT__CONFIG_PROBLEM_BYTES 512u

/* What only a command line has. */
typedef struct chat__config_command {
    const char *name;
    const char *unit; /* "": takes no value */
    const char *text;
    chat_server_action action;
} chat__config_command;

extern const chat__config_command chat__config_commands[];
extern const size_t chat__config_n_commands;

typedef struct chat__config_string {
    struct chat__config_string *next;
    char text[];
} chat__config_string;

struct chat_server_config {
    chat_allocator allocator;
    chat_server_options options;
    chat_server_action action;
    chat__config_string *strings;
    chat__buf text;
    char problem[CHAT__CONFIG_PROBLEM_BYTES];
};

#endif
