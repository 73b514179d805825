/* SPDX-License-Identifier: MIT */
/*
 * The reading side of the store: what <chat/backend/store.h> says of the calls of the same names.
 * A record is there when the head of its chat has reached it, for heads are written last: what a
 * writer that died left half written is not seen before another writer has written all of it.
 * All of it is @any.
 */
#ifndef CHAT_CASSANDRA_STORE_READ_H
#define CHAT_CASSANDRA_STORE_READ_H

#include <chat/backend/store.h>

#include "backends/cassandra/store/devices.h"

/* Who reads; borrowed, and never changed here. */
typedef struct chat__cstore_reader {
    chat__cstore_session *session;
    chat__cstore_devices *devices;
    const chat_store_rules *rules;
    chat_allocator allocator; /* has all functions */
} chat__cstore_reader;

chat_status chat__cstore_load_chat(const chat__cstore_reader *reader, chat_view chat,
                                   chat_store_chat_fn fn, void *ctx);
chat_status chat__cstore_load_user(const chat__cstore_reader *reader, const chat_store_visit *visit,
                                   chat_store_user_chat_fn fn, void *ctx);
chat_status chat__cstore_load_devices(const chat__cstore_reader *reader, chat_view user,
                                      uint64_t now_unix_ms, chat_store_device_fn fn, void *ctx);
chat_status chat__cstore_load_away(const chat__cstore_reader *reader, const chat_store_visit *visit,
                                   chat_view chat, uint64_t seq, chat_store_away_fn fn, void *ctx);
chat_status chat__cstore_load_blocks(const chat__cstore_reader *reader, chat_view user,
                                     int is_reverse, uint32_t limit, chat_store_name_fn fn,
                                     void *ctx);
chat_status chat__cstore_has_blocked(const chat__cstore_reader *reader, chat_view user,
                                     chat_view whom, int *out);
chat_status chat__cstore_load_marks(const chat__cstore_reader *reader, chat_view chat,
                                    chat_view user, uint64_t seq, chat_store_marks_fn fn,
                                    void *ctx);
chat_status chat__cstore_read(const chat__cstore_reader *reader, const chat_store_query *query,
                              chat_store_row_fn fn, void *ctx);
chat_status chat__cstore_read_recent(const chat__cstore_reader *reader,
                                     const chat_store_query *query, chat_store_recent *recent,
                                     chat_store_row_fn fn, void *ctx);
chat_status chat__cstore_read_reactions(const chat__cstore_reader *reader, chat_view chat,
                                        chat_view user, uint64_t id, chat_store_row_fn fn,
                                        void *ctx);

#endif
