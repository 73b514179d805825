/* SPDX-License-Identifier: MIT */
/* Where the records of a chat are: its head, its buckets, the record at a seq. Used by all that
   read. */
#ifndef CHAT_CASSANDRA_STORE_PLACES_H
#define CHAT_CASSANDRA_STORE_PLACES_H

#include "backends/cassandra/store/read.h"

/* Of a message: a span of 2^30 ms, some twelve days, as it is in the upper bits of its seq. */
#define CHAT__CSTORE_BUCKET_BITS 53u

static inline uint32_t chat__cstore_bucket_of(uint64_t seq)
{
    return (uint32_t)(seq >> CHAT__CSTORE_BUCKET_BITS);
}

static inline int chat__cstore_is_chat(chat_view chat)
{
    return chat.len > 0 && chat.len <= CHAT_CHAT_ID_MAX_BYTES;
}

static inline int chat__cstore_is_user(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

/* What the tables say of a chat; 0 where there is none. `title` is borrowed from the call. */
typedef struct chat__cstore_head {
    uint64_t seq, ordinal; /* of the newest record */
    chat_view title;
    int has_notes, is_open, is_group;
} chat__cstore_head;

/* Ask GET_CHAT, and the answer. */
uint32_t chat__cstore_ask_head(chat__cstore_call *call, chat_view chat);
chat__cstore_head chat__cstore_take_head(const chat__cstore_call *call, uint32_t item);

/* Newest first. */
typedef struct chat__cstore_buckets {
    uint32_t *items; /* free with the reader's allocator */
    size_t n_items;
} chat__cstore_buckets;

/* Ask GET_BUCKETS, and the answer: CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_IO. */
uint32_t chat__cstore_ask_buckets(chat__cstore_call *call, chat_view chat);
chat_status chat__cstore_take_buckets(const chat__cstore_reader *reader,
                                      const chat__cstore_call *call, uint32_t item,
                                      chat__cstore_buckets *out);
/* The first of them that is not newer than that of `seq`; n_items: there is none. */
size_t chat__cstore_first_bucket(const chat__cstore_buckets *buckets, uint64_t seq);

/* The newest record of a chat with a seq of at most `seq`. */
typedef struct chat__cstore_place {
    chat_view chat;
    const chat__cstore_buckets *buckets;
    uint64_t seq;
    uint64_t found_seq, ordinal; /* out; 0: there is none */
    size_t next;                 /* bucket that is asked next */
    uint32_t item, n_asked;
    int is_done;
} chat__cstore_place;

static inline chat__cstore_place
chat__cstore_place_of(chat_view chat, const chat__cstore_buckets *buckets, uint64_t seq)
{
    chat__cstore_place place = {.chat = chat, .buckets = buckets, .seq = seq};
    place.next = chat__cstore_first_bucket(buckets, seq);
    return place;
}

/* Find them all together. */
chat_status chat__cstore_find_places(const chat__cstore_reader *reader, chat__cstore_place *places,
                                     size_t n);

#endif
