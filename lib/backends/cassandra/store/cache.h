/* SPDX-License-Identifier: MIT */
/* Numbers under a key of bytes: the newest `max_items` of them, or all, for the time of a call. Not
   for several threads at once. */
#ifndef CHAT_CASSANDRA_STORE_CACHE_H
#define CHAT_CASSANDRA_STORE_CACHE_H

#include "base/map.h"

#define CHAT__CSTORE_NUMBERS   4u
#define CHAT__CSTORE_KEY_BYTES 255u

typedef struct chat__cstore_entry {
    struct chat__cstore_entry *newer, *older;
    uint64_t numbers[CHAT__CSTORE_NUMBERS];
    uint32_t tag;
    uint8_t key_len;
    uint8_t key[];
} chat__cstore_entry;

typedef struct chat__cstore_cache {
    chat_allocator allocator;
    chat__map map;
    chat__cstore_entry *newest, *oldest;
    size_t max_items;
} chat__cstore_cache;

/* Allocates nothing. `max_items` 0: there is no limit. */
void chat__cstore_cache_init(chat__cstore_cache *cache, size_t max_items);
void chat__cstore_cache_done(chat__cstore_cache *cache);

/* The key of two names: bytes of `raw`, which is to have CHAT__CSTORE_KEY_BYTES. Longer than that:
   an empty one. */
chat_view chat__cstore_key_of(chat_view a, chat_view b, uint8_t *raw);

/* Borrowed until the next put; it is the newest now. NULL: it is not there. */
chat__cstore_entry *chat__cstore_cache_get(chat__cstore_cache *cache, chat_view key);
/* The same, or a new one with numbers that are 0, for which the oldest goes if need be. NULL: no
   memory, or no key. */
chat__cstore_entry *chat__cstore_cache_put(chat__cstore_cache *cache, chat_view key);
void chat__cstore_cache_drop(chat__cstore_cache *cache, chat_view key);
void chat__cstore_cache_drop_tag(chat__cstore_cache *cache, uint32_t tag);

#endif
