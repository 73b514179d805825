/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Options of a server from a command line and a configuration file. In libchat-server. Everything
 * follows from CHAT_SERVER_OPTION_TABLE: parsing, checks, --help and docs/configuration.md.
 */
#ifndef CHAT_SERVER_CONFIG_H
#define CHAT_SERVER_CONFIG_H

#include <chat/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the command line asks for. */
typedef enum chat_server_action {
    CHAT_SERVER_ACTION_RUN = 0,
    CHAT_SERVER_ACTION_CHECK,   /**< --check-config: check and stop */
    CHAT_SERVER_ACTION_MIGRATE, /**< --migrate: make or bring up to date what servers share */
    CHAT_SERVER_ACTION_VERSION, /**< --version */
    CHAT_SERVER_ACTION_HELP,    /**< --help */
    CHAT_SERVER_ACTION_DOCS     /**< --print-config-docs: docs/configuration.md */
} chat_server_action;

/** Options and the strings that they point at. */
typedef struct chat_server_config chat_server_config;

/**
 * Make a configuration of defaults.
 * Thread: one caller at a time per object. Memory: from `allocator` (NULL: libc).
 * @return CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_server_config_new(const chat_allocator *allocator,
                                            chat_server_config **out);

/** Free it with its strings. NULL does nothing. */
CHAT_API void chat_server_config_free(chat_server_config *config);

/**
 * Read a command line: `--name VALUE`, `--name=VALUE`, and `--name` alone for a switch. `argv[0]`
 * is skipped. A file named by `--config` is read first, so that the command line wins.
 *
 * Memory: everything is copied.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG    see chat_server_config_problem(); the options are half changed
 * @return CHAT_ERR_NOMEM  as CHAT_ERR_ARG
 */
CHAT_API chat_status chat_server_config_parse(chat_server_config *config, int argc,
                                              const char *const *argv);

/**
 * Read the text of a configuration file: lines `name = value`, empty lines, and comments that start
 * with `#`. `name` is used in problems ("name:line: what").
 * @return CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_NOMEM as chat_server_config_parse()
 */
CHAT_API chat_status chat_server_config_parse_text(chat_server_config *config, const char *name,
                                                   chat_view text);

/** What was wrong, where, and what to do; "" when nothing. Borrowed until the next call. */
CHAT_API const char *chat_server_config_problem(const chat_server_config *config);

/** What the command line asks for. */
CHAT_API chat_server_action chat_server_config_action(const chat_server_config *config);

/** The options, to be completed with allocator, log and hooks. Borrowed; strings live as `config`.
 */
CHAT_API chat_server_options *chat_server_config_options(chat_server_config *config);

/**
 * The text for --help, --version or --print-config-docs; "" for other actions.
 * Memory: owned by `config`, until the next call.
 * @return CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_server_config_text(chat_server_config *config, chat_server_action action,
                                             const char **out);

#ifdef __cplusplus
}
#endif

#endif
