/* SPDX-License-Identifier: MIT */
/*
 * Who else is there: the servers that hold node numbers below a prefix (numbers.h), as a function
 * of etcd's answers and of time. First all are read, then a watch tells of changes from that
 * revision on, so none is missed; when etcd has thrown those away, all are read again. Calls come
 * out one at a time; one of them is a stream.
 */
#ifndef CHAT_ETCD_MEMBERS_H
#define CHAT_ETCD_MEMBERS_H

#include <chat/status.h>

#include "backends/etcd/call.h"
#include "backends/etcd/numbers.h"

#define CHAT__ETCD_MAX_MEMBERS 256u

typedef struct chat__etcd_members chat__etcd_members;

typedef struct chat__etcd_members_options {
    const chat_allocator *allocator;
    const char *prefix; /* copied */
    chat__etcd_endpoints endpoints;
    uint32_t timeout_ms; /* of a question; 2,000 */
} chat__etcd_members_options;

typedef struct chat__etcd_member {
    char token[CHAT__ETCD_TOKEN_LEN + 1]; /* never used twice */
    char name[256];
    char address[256];
    char roles[256];
    uint32_t n_numbers;
    uint32_t numbers[CHAT__ETCD_MAX_NUMBERS];
} chat__etcd_member;

typedef enum chat__etcd_members_event_type {
    CHAT__ETCD_MEMBER_IS = 1,  /* `member`: new, or changed */
    CHAT__ETCD_MEMBER_LEFT,    /* `member`, as it was */
    CHAT__ETCD_MEMBERS_KNOWN,  /* all that there are were told; again when they were read again */
    CHAT__ETCD_MEMBERS_TROUBLE /* `why`; what is known may be old */
} chat__etcd_members_event_type;

typedef struct chat__etcd_members_event {
    chat__etcd_members_event_type type;
    const chat__etcd_member *member;
    const char *why;
} chat__etcd_members_event;

/* CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
chat_status chat__etcd_members_new(const chat__etcd_members_options *options,
                                   chat__etcd_members **out);
/* NULL does nothing. */
void chat__etcd_members_free(chat__etcd_members *members);

void chat__etcd_members_begin(chat__etcd_members *members, uint64_t mono_ms);
uint64_t chat__etcd_members_deadline(const chat__etcd_members *members);
/* CHAT_OK: forget what was asked before, ask this; CHAT_EMPTY. */
chat_status chat__etcd_members_next_call(chat__etcd_members *members, chat__etcd_call *out);
/* Bytes of the stream that is under way: how many of them were used. What is left comes again, with
   more behind it. */
size_t chat__etcd_members_feed(chat__etcd_members *members, chat_view bytes);
/* Of the last call; of a stream: that it ended. */
void chat__etcd_members_reply(chat__etcd_members *members, const chat__etcd_reply *reply);
/* CHAT_OK, borrowed until the next call of any of these functions; CHAT_EMPTY. */
chat_status chat__etcd_members_next_event(chat__etcd_members *members,
                                          chat__etcd_members_event *out);

#endif
