/* SPDX-License-Identifier: MIT */
/* Between the two files of what is shared in memory: shared.c has the table, shared_ops.c the rest.
 */
#ifndef CHAT_TESTING_SHARED_INTERNAL_H
#define CHAT_TESTING_SHARED_INTERNAL_H

#include <chat/testing_shared.h>

#include "base/bucket.h"

typedef enum chat__shared_kind {
    CHAT__SHARED_DEVICE = 1,
    CHAT__SHARED_ENTRY,
    CHAT__SHARED_CURSOR,
    CHAT__SHARED_LAST,
    CHAT__SHARED_CID,
    CHAT__SHARED_BUCKET,
    CHAT__SHARED_RECENT,
    CHAT__SHARED_RECENT_END /* up to where they were cut */
} chat__shared_kind;

typedef struct chat__shared_record {
    struct chat__shared_record *next;
    chat__shared_kind kind;
    uint64_t number;
    uint64_t until_ms;
    chat__bucket bucket;
    size_t owner_len, name_len, value_len;
    uint8_t bytes[]; /* owner, name, value */
} chat__shared_record;

typedef struct chat__shared_answer {
    struct chat__shared_answer *next;
    chat_shared_event event;
    chat_shared_item items[]; /* their bytes behind them */
} chat__shared_answer;

struct chat_test_shared {
    chat_allocator allocator;
    chat_test_shared_options options;
    chat_shared table;
    chat__shared_record *first;
    chat__shared_answer *answers, **last_answer, *lent;
    uint32_t n_answers;
    chat_status fails;
    int is_held;
    uint64_t now_ms;
};

/* What an op found; the records are borrowed until the next one. */
typedef struct chat__shared_result {
    uint64_t number;
    uint32_t n;
    chat__shared_record *found[CHAT_SHARED_MAX_ENTRIES];
    uint64_t numbers[CHAT_SHARED_MAX_USERS]; /* WHO */
} chat__shared_result;

chat_status chat__shared_run(chat_test_shared *self, const chat_shared_ask *ask,
                             chat__shared_result *out);
/* Time has come to here: what is over goes. */
void chat__shared_expire(chat_test_shared *self);
void chat__shared_lose(chat_test_shared *self);
chat_view chat__shared_name(const chat__shared_record *r);
chat_view chat__shared_value(const chat__shared_record *r);

#endif
