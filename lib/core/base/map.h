/* SPDX-License-Identifier: MIT */
/*
 * A hash map from byte keys to pointers: open addressing, linear probing, keyed SipHash so that a
 * peer who chooses keys cannot make them collide. Keys are borrowed: they live in the values.
 */
#ifndef CHAT_BASE_MAP_H
#define CHAT_BASE_MAP_H

#include <chat/status.h>

typedef struct chat__map_slot {
    const uint8_t *key;
    void *value; /* NULL: empty */
    uint32_t key_len;
    uint32_t hash;
} chat__map_slot;

typedef struct chat__map {
    chat_allocator allocator;
    chat__map_slot *slots;
    size_t n_slots; /* 0 or a power of two */
    size_t n_items;
    size_t max_items;
    uint64_t seed[2];
} chat__map;

/* Prepare an empty map; allocates nothing. `seed` is secret and random outside of tests. */
void chat__map_init(chat__map *map, const chat_allocator *allocator, size_t max_items,
                    const uint64_t seed[2]);

/* Release the table; the values are the caller's. */
void chat__map_done(chat__map *map);

/* The value, or NULL. */
void *chat__map_get(const chat__map *map, chat_view key);

/*
 * Put a value that is not NULL under a key that is not there yet; `key` is borrowed until it is
 * removed. CHAT_OK, CHAT_ERR_EXISTS, CHAT_ERR_LIMIT (max_items), CHAT_ERR_NOMEM.
 */
chat_status chat__map_put(chat__map *map, chat_view key, void *value);

/* Take a value out; NULL when there is none. A large map that is empty then has no table either. */
void *chat__map_remove(chat__map *map, chat_view key);

/* What the map finds the key by. */
uint32_t chat__map_hash(const chat__map *map, chat_view key);

/* chat__map_get() of a key of which the hash is known. */
void *chat__map_get_hashed(const chat__map *map, chat_view key, uint32_t hash);

/* chat__map_put() of a key of which the hash is known. */
chat_status chat__map_put_hashed(chat__map *map, chat_view key, uint32_t hash, void *value);

/* Take out a value that is there, by the hash of its key: the key is not looked at. */
void chat__map_drop(chat__map *map, uint32_t hash, const void *value);

/* Have the place of a key come near, before it is needed. */
void chat__map_prefetch(const chat__map *map, uint32_t hash);

/* The value of a key with that hash, most likely the one that is meant; NULL: there is none. */
void *chat__map_guess(const chat__map *map, uint32_t hash);

/*
 * Walk in no special order: start with `*cursor` 0, NULL at the end. Nothing may be put meanwhile;
 * the value just returned may be removed only after the walk.
 */
void *chat__map_next(const chat__map *map, size_t *cursor);

/* SipHash-1-3 (Aumasson and Bernstein, 2012, with one and three rounds), 64 bits. */
uint64_t chat__siphash(const uint64_t seed[2], const uint8_t *bytes, size_t len);

#endif
