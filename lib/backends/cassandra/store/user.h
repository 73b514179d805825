/* SPDX-License-Identifier: MIT */
/* A user's chats while they are put together: user.c, cut.c and unread.c. */
#ifndef CHAT_CASSANDRA_STORE_USER_H
#define CHAT_CASSANDRA_STORE_USER_H

#include "backends/cassandra/store/events.h"
#include "backends/cassandra/store/places.h"

/* Views are borrowed from the calls that got them. */
typedef struct chat__cstore_user_chat {
    chat_view chat, title;
    chat__cstore_head head;
    const chat__member_event *events; /* of the user, in order */
    size_t n_events;
    chat__membership membership; /* by them */
    uint64_t cursor, last_seq, read_seq, muted_until_ms;
    uint64_t gap_seq;
    uint32_t unread;
    int has_unread;
} chat__cstore_user_chat;

/* How much of what a device lacks it is still sent: gap_seq. */
chat_status chat__cstore_cut(const chat__cstore_reader *reader, chat__cstore_user_chat *chats,
                             size_t n, uint64_t now_unix_ms);
/* Messages of others behind read_seq: unread, has_unread. */
chat_status chat__cstore_count_unread(const chat__cstore_reader *reader, chat_view user,
                                      chat__cstore_user_chat *chats, size_t n);

#endif
