/* SPDX-License-Identifier: MIT */
/* What records made of users in a chat, as the tables have it; what follows is in views/members.h.
 */
#ifndef CHAT_CASSANDRA_STORE_EVENTS_H
#define CHAT_CASSANDRA_STORE_EVENTS_H

#include "backends/cassandra/store/read.h"

#include "views/members.h"

/* By name and then by seq, as the tables have them; names are borrowed from the answer, `items` is
   to be freed. */
typedef struct chat__cstore_events {
    chat__member_event *items;
    size_t n_items;
} chat__cstore_events;

/* Rows of name, seq, value. CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_IO. */
chat_status chat__cstore_take_events(const chat__cstore_reader *reader,
                                     const chat__cstore_call *call, uint32_t item,
                                     chat__cstore_events *out);
/* Who is a member now, by name; `*out` is to be freed. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__cstore_members_of(const chat__cstore_reader *reader,
                                    const chat__cstore_events *events, chat__member **out,
                                    size_t *out_n);

#endif
