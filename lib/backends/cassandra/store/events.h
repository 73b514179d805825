/* SPDX-License-Identifier: MIT */
/* What records made of users in a chat: who is a member, and what a user may read. */
#ifndef CHAT_CASSANDRA_STORE_EVENTS_H
#define CHAT_CASSANDRA_STORE_EVENTS_H

#include "backends/cassandra/store/read.h"

/* The record `seq` made `value` of the user: a role, and CHAT__CSTORE_EVENT_FIRST in the first
   record of the chat. Views are borrowed from the answer. */
typedef struct chat__cstore_event {
    chat_view name;
    uint64_t seq;
    uint8_t value;
} chat__cstore_event;

#define CHAT__CSTORE_EVENT_FIRST 8u

static inline chat_store_role chat__cstore_role_of(uint8_t value)
{
    return (chat_store_role)(value & 3u);
}

/* By name and then by seq, as the tables have them; `items` is to be freed. */
typedef struct chat__cstore_events {
    chat__cstore_event *items;
    size_t n_items;
} chat__cstore_events;

/* Rows of name, seq, value. CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_IO. */
chat_status chat__cstore_take_events(const chat__cstore_reader *reader,
                                     const chat__cstore_call *call, uint32_t item,
                                     chat__cstore_events *out);
/* How many of those from `first` on have the same name. */
size_t chat__cstore_count_same(const chat__cstore_events *events, size_t first);

/* A user reads records of these seqs, both included. */
typedef struct chat__cstore_range {
    uint64_t first, last;
} chat__cstore_range;

/* Of the events of one user; the first membership reads from the beginning. `out` has room for n.
   Returns how many there are, oldest first. */
size_t chat__cstore_ranges_of(const chat__cstore_event *events, size_t n, chat__cstore_range *out);
/* Who is a member now; `out` has room for all events. */
size_t chat__cstore_members_of(const chat__cstore_events *events, chat_store_member *out);

#endif
