/* SPDX-License-Identifier: MIT */
/*
 * Records of the log into the tables. In the order of what may be seen: first the records and what
 * they mean for users, then the bodies of deleted messages go, and at last the heads of the chats;
 * what is above a head is not there for readers. A writer that dies in between leaves nothing that
 * the next one does not write in the same way: the head says where in its chat it goes on, and a
 * record at or below the head has its place in its row.
 */
#ifndef CHAT_CASSANDRA_STORE_APPLY_H
#define CHAT_CASSANDRA_STORE_APPLY_H

#include <chat/backend/store.h>

#include "backends/cassandra/store/cache.h"
#include "backends/cassandra/store/session.h"

typedef struct chat__cstore_writer {
    chat__cstore_session *session;
    uint32_t n_partitions;
    pthread_mutex_t lock;
    chat__cstore_cache heads; /* by chat: seq, ordinal, has_notes; tagged with the partition */
    chat__cstore_cache reads; /* by user and chat: seq; of the user's self stream */
} chat__cstore_writer;

void chat__cstore_writer_init(chat__cstore_writer *writer, chat__cstore_session *session,
                              uint32_t n_partitions, uint32_t max_cached);
void chat__cstore_writer_done(chat__cstore_writer *writer);

/* @any As <chat/backend/store.h> says. */
chat_status chat__cstore_apply(chat__cstore_writer *writer, chat_store_record *records, size_t n);
void chat__cstore_forget(chat__cstore_writer *writer, uint32_t partition);

#endif
