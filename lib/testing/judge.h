/* SPDX-License-Identifier: MIT */
/* What the files of the judge share. */
#ifndef CHAT_TESTING_JUDGE_H
#define CHAT_TESTING_JUDGE_H

#include "testing/history.h"

typedef struct judge {
    chat_history *history;
    chat_history_verdict *out;
    chat__happening *log; /* by chat and seq */
    size_t n_log;
    chat__happening *seen; /* by observer, chat and seq: SEEN, and SENT by itself */
    size_t n_seen;
} judge;

/* The first violation counts. */
void chat__judge_violate(judge *j, uint64_t line, const char *format, ...);
const char *chat__judge_name(const judge *j, uint32_t index);
/* The first with this place in sorted items, or NULL. */
const chat__happening *chat__judge_find(const chat__happening *items, size_t n, uint32_t by,
                                        uint32_t chat, uint64_t seq);

/* barred.c: CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__judge_blocks(judge *j);

/* fates.c: CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__judge_fates(judge *j);

#endif
