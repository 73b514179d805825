/* SPDX-License-Identifier: MIT */
/*
 * Node numbers from etcd, as a function of its answers and of time: see <chat/etcd.h> for what it
 * promises. Calls come out one at a time, their replies go in.
 *
 * Keys below the prefix, NNNN a number of four digits:
 *   holder/NNNN   who has it; hangs on the lease of its holder
 *   until/NNNN    "<unix ms> <who>": ids may have been made up to here; stays
 *   member/TOKEN  JSON that tells others of the server; hangs on its lease
 *
 * A turn:  chat__etcd_numbers_begin(now)  ->  chat__etcd_numbers_reply() if there is one  ->
 * chat__etcd_numbers_next_call() until CHAT_EMPTY. What is taken or renewed is so in one
 * transaction for some numbers each, which also writes `until`, and which holds only if nothing was
 * changed since we looked: of two that were sent, of which one comes late or without an answer, one
 * is done. Numbers are held when all of these are done, until the time of the first.
 */
#ifndef CHAT_ETCD_NUMBERS_H
#define CHAT_ETCD_NUMBERS_H

#include <chat/backend/lease.h>

#include "backends/etcd/call.h"

#define CHAT__ETCD_TOKEN_LEN   32u
#define CHAT__ETCD_PREFIX_MAX  128u
#define CHAT__ETCD_MAX_NUMBERS CHAT_LEASE_MAX_NUMBERS

typedef struct chat__etcd_numbers chat__etcd_numbers;

typedef struct chat__etcd_numbers_options {
    const chat_allocator *allocator;
    const char *prefix; /* copied */
    chat__etcd_endpoints endpoints;
    uint64_t ttl_ms;
    const char *token;           /* 32 hexadecimal digits that nobody else has; copied */
    const chat_lease_wish *wish; /* copied */
} chat__etcd_numbers_options;

/* CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_LIMIT: more numbers than it can take; CHAT_ERR_NOMEM. */
chat_status chat__etcd_numbers_new(const chat__etcd_numbers_options *options,
                                   chat__etcd_numbers **out);
/* NULL does nothing. */
void chat__etcd_numbers_free(chat__etcd_numbers *numbers);

void chat__etcd_numbers_begin(chat__etcd_numbers *numbers, chat_lease_time now);
uint64_t chat__etcd_numbers_deadline(const chat__etcd_numbers *numbers);
/* CHAT_OK: forget what was asked before, ask this; CHAT_EMPTY. */
chat_status chat__etcd_numbers_next_call(chat__etcd_numbers *numbers, chat__etcd_call *out);
/* Of the last call. */
void chat__etcd_numbers_reply(chat__etcd_numbers *numbers, const chat__etcd_reply *reply);
/* As chat_lease. */
chat_status chat__etcd_numbers_next_event(chat__etcd_numbers *numbers, chat_lease_event *out);
void chat__etcd_numbers_release(chat__etcd_numbers *numbers, chat_lease_time now);

#endif
