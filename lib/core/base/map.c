/* SPDX-License-Identifier: MIT */
/* See map.h. */
#include "base/map.h"
#include "base/alloc.h"
#include "base/bits.h"

#include <string.h>

#define MAP_MIN_SLOTS  16u
#define MAP_KEEP_SLOTS 4096u /* a larger table is given back when it is empty */

static inline uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

typedef struct sip_state {
    uint64_t v0, v1, v2, v3;
} sip_state;

static inline void sip_round(sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t chat__siphash(const uint64_t seed[2], const uint8_t *bytes, size_t len)
{
    /* The constants are "somepseudorandomlygeneratedbytes", section 2.1 of the paper. */
    sip_state s = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                   seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)len << 56;
    size_t i = 0;
    for (; i + 8 <= len; i += 8)
        sip_word(&s, chat__load64le(bytes + i));
    for (unsigned shift = 0; i < len; i++, shift += 8)
        last |= (uint64_t)bytes[i] << shift;
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void chat__map_init(chat__map *map, const chat_allocator *allocator, size_t max_items,
                    const uint64_t seed[2])
{
    memset(map, 0, sizeof *map);
    map->allocator = chat__alloc_or_libc(allocator);
    map->max_items = max_items;
    map->seed[0] = seed[0];
    map->seed[1] = seed[1];
}

void chat__map_done(chat__map *map)
{
    if (map->slots != NULL)
        chat__alloc_free(&map->allocator, map->slots);
    map->slots = NULL;
    map->n_slots = 0;
    map->n_items = 0;
}

uint32_t chat__map_hash(const chat__map *map, chat_view key)
{
    return (uint32_t)chat__siphash(map->seed, key.data, key.len);
}

/* The slot that holds the key, or the empty one where it would go. */
static chat__map_slot *find(const chat__map *map, chat_view key, uint32_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t i = hash & mask;
    for (;; i = (i + 1) & mask) {
        chat__map_slot *slot = &map->slots[i];
        if (slot->value == NULL)
            return slot;
        if (slot->hash == hash && slot->key_len == key.len &&
            (key.len == 0 || memcmp(slot->key, key.data, key.len) == 0))
            return slot;
    }
}

void *chat__map_get_hashed(const chat__map *map, chat_view key, uint32_t hash)
{
    return map->n_items == 0 ? NULL : find(map, key, hash)->value;
}

void *chat__map_get(const chat__map *map, chat_view key)
{
    return map->n_items == 0 ? NULL : find(map, key, chat__map_hash(map, key))->value;
}

static chat_status grow(chat__map *map)
{
    size_t n_slots = map->n_slots == 0 ? MAP_MIN_SLOTS : map->n_slots * 2;
    chat__map_slot *old = map->slots;
    size_t n_old = map->n_slots;
    chat__map_slot *slots = chat__alloc_zero(&map->allocator, n_slots * sizeof *slots);
    if (slots == NULL)
        return CHAT_ERR_NOMEM;
    map->slots = slots;
    map->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++) {
        chat_view key = {old[i].key, old[i].key_len};
        if (old[i].value != NULL)
            *find(map, key, old[i].hash) = old[i];
    }
    chat__alloc_free(&map->allocator, old);
    return CHAT_OK;
}

chat_status chat__map_put_hashed(chat__map *map, chat_view key, uint32_t hash, void *value)
{
    chat__map_slot *slot = map->n_slots > 0 ? find(map, key, hash) : NULL;
    if (slot != NULL && slot->value != NULL)
        return CHAT_ERR_EXISTS;
    if (map->n_items >= map->max_items || key.len > UINT32_MAX)
        return CHAT_ERR_LIMIT;
    /* At most 3/4 full: probes stay short. */
    if ((map->n_items + 1) * 4 > map->n_slots * 3) {
        chat_status status = grow(map);
        if (status != CHAT_OK)
            return status;
        slot = find(map, key, hash);
    }
    slot->key = key.data;
    slot->key_len = (uint32_t)key.len;
    slot->hash = hash;
    slot->value = value;
    map->n_items++;
    return CHAT_OK;
}

chat_status chat__map_put(chat__map *map, chat_view key, void *value)
{
    return chat__map_put_hashed(map, key, chat__map_hash(map, key), value);
}

/* Close the hole: move back each later slot of the run whose home is not behind the hole. */
static void empty_slot(chat__map *map, size_t hole)
{
    size_t mask = map->n_slots - 1;
    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    memset(&map->slots[hole], 0, sizeof map->slots[hole]);
    map->n_items--;
    if (map->n_items == 0 && map->n_slots > MAP_KEEP_SLOTS)
        chat__map_done(map);
}

void *chat__map_remove(chat__map *map, chat_view key)
{
    if (map->n_items == 0)
        return NULL;
    chat__map_slot *slot = find(map, key, chat__map_hash(map, key));
    void *value = slot->value;
    if (value != NULL)
        empty_slot(map, (size_t)(slot - map->slots));
    return value;
}

void chat__map_drop(chat__map *map, uint32_t hash, const void *value)
{
    size_t mask = map->n_slots - 1;
    size_t i = hash & mask;
    while (map->slots[i].value != value)
        i = (i + 1) & mask;
    empty_slot(map, i);
}

void chat__map_prefetch(const chat__map *map, uint32_t hash)
{
    if (map->n_slots > 0)
        __builtin_prefetch(&map->slots[hash & (map->n_slots - 1)], 1);
}

void *chat__map_guess(const chat__map *map, uint32_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t i = hash & mask;
    if (map->n_slots == 0)
        return NULL;
    while (map->slots[i].value != NULL && map->slots[i].hash != hash)
        i = (i + 1) & mask;
    return map->slots[i].value;
}

void *chat__map_next(const chat__map *map, size_t *cursor)
{
    while (*cursor < map->n_slots) {
        void *value = map->slots[(*cursor)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
