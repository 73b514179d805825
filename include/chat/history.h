/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The history of a run, and a judge of it: from what clients were told and saw alone, whether the
 * guarantees held. In libchat-testing; tools/check-history is the same as a command. The lines are
 * described in docs/history.md.
 */
#ifndef CHAT_HISTORY_H
#define CHAT_HISTORY_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A history; opaque. One caller at a time. Memory: libc's. */
typedef struct chat_history chat_history;

/** What the judge says. Set `struct_size` before asking. */
typedef struct chat_history_verdict {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t n_observers; /**< devices that saw anything */
    uint64_t n_sent;      /**< acknowledgements */
    uint64_t n_seen;      /**< records that devices saw */
    uint64_t n_stored;    /**< records that the chats had at the end, 0: not told */
    uint64_t line;        /**< of the violation, counted from 1; 0: of no single line */
    char violation[256];  /**< which guarantee broke, and where; "" when all held */
} chat_history_verdict;

/** An empty history. @return CHAT_OK, CHAT_ERR_NOMEM */
CHAT_API chat_status chat_history_new(chat_history **out);

/** NULL does nothing. */
CHAT_API void chat_history_free(chat_history *history);

/**
 * Add a line, without its end. What is of no use to the judge is skipped.
 * @return CHAT_OK
 * @return CHAT_ERR_SYNTAX  no JSON object, or a value is of the wrong kind
 * @return CHAT_ERR_NOMEM, CHAT_ERR_ARG
 */
CHAT_API chat_status chat_history_add(chat_history *history, chat_view line);

/**
 * Judge what was added. Names the first violation that it finds.
 * Memory: `out` is written always, as far as its `struct_size` goes.
 * @return CHAT_OK           all guarantees held, as far as the history can show it
 * @return CHAT_ERR_CORRUPT  one did not: `out->violation`
 * @return CHAT_ERR_NOMEM, CHAT_ERR_ARG
 */
CHAT_API chat_status chat_history_judge(chat_history *history, chat_history_verdict *out);

#ifdef __cplusplus
}
#endif

#endif
