/* SPDX-License-Identifier: MIT */
/* Since when somebody has, or has read, what: rows of `since`. */
#ifndef CHAT_CASSANDRA_STORE_MARKS_H
#define CHAT_CASSANDRA_STORE_MARKS_H

#include "backends/cassandra/store/session.h"

/* The numbers are in the table. */
typedef enum chat__cstore_run_type {
    CHAT__CSTORE_DELIVERED = 1,
    CHAT__CSTORE_WAS_READ = 2
} chat__cstore_run_type;

typedef struct chat__cstore_run_of {
    chat_view user, chat;
    chat__cstore_run_type type;
    uint64_t low; /* so far it was before: below and there it is not known by this run */
    uint64_t seq;
    uint64_t at_ms;
} chat__cstore_run_of;

/* The earliest time counts, whoever comes last. */
static inline void chat__cstore_put_run(chat__cstore_call *call, const chat__cstore_run_of *run)
{
    uint64_t most = UINT64_C(1) << 62;
    (void)chat__cstore_ask(call, CHAT__CSTORE_PUT_SINCE);
    chat__cstore_text(call, run->user);
    chat__cstore_text(call, run->chat);
    chat__cstore_u8(call, (uint8_t)run->type);
    chat__cstore_u64(call, run->seq);
    chat__cstore_u64(call, run->low);
    chat__cstore_u64(call, run->at_ms);
    chat__cstore_u64(call, run->at_ms < most ? most - run->at_ms : 1);
}

#endif
