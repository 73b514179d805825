/* SPDX-License-Identifier: MIT */
/* See cache.h: a map and a list in the order of use. */
#include "backends/cassandra/store/cache.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>
#include <sys/random.h>

void chat__cstore_cache_init(chat__cstore_cache *cache, size_t max_items)
{
    uint64_t seed[2] = {1, 2};
    memset(cache, 0, sizeof *cache);
    (void)!getrandom(seed, sizeof seed, GRND_NONBLOCK);
    cache->allocator = chat__alloc_or_libc(NULL);
    cache->max_items = max_items > 0 ? max_items : SIZE_MAX / 2;
    chat__map_init(&cache->map, &cache->allocator, cache->max_items, seed);
}

static chat_view key_of(const chat__cstore_entry *entry)
{
    return chat__view(entry->key, entry->key_len);
}

static void unlink_entry(chat__cstore_cache *cache, chat__cstore_entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(chat__cstore_cache *cache, chat__cstore_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void remove_entry(chat__cstore_cache *cache, chat__cstore_entry *entry)
{
    (void)chat__map_remove(&cache->map, key_of(entry));
    unlink_entry(cache, entry);
    chat__alloc_free(&cache->allocator, entry);
}

void chat__cstore_cache_done(chat__cstore_cache *cache)
{
    while (cache->oldest != NULL)
        remove_entry(cache, cache->oldest);
    chat__map_done(&cache->map);
}

chat_view chat__cstore_key_of(chat_view a, chat_view b, uint8_t *raw)
{
    if (a.len + b.len + 1 > CHAT__CSTORE_KEY_BYTES)
        return chat__view(raw, 0);
    if (a.len > 0)
        memcpy(raw, a.data, a.len);
    raw[a.len] = 0;
    if (b.len > 0)
        memcpy(raw + a.len + 1, b.data, b.len);
    return chat__view(raw, a.len + b.len + 1);
}

chat__cstore_entry *chat__cstore_cache_get(chat__cstore_cache *cache, chat_view key)
{
    chat__cstore_entry *entry = chat__map_get(&cache->map, key);
    if (entry == NULL)
        return NULL;
    unlink_entry(cache, entry);
    link_newest(cache, entry);
    return entry;
}

chat__cstore_entry *chat__cstore_cache_put(chat__cstore_cache *cache, chat_view key)
{
    chat__cstore_entry *entry = chat__cstore_cache_get(cache, key);
    if (entry != NULL || key.len == 0 || key.len > CHAT__CSTORE_KEY_BYTES)
        return entry;
    entry = chat__alloc_zero(&cache->allocator, sizeof *entry + key.len);
    if (entry == NULL)
        return NULL;
    entry->key_len = (uint8_t)key.len;
    memcpy(entry->key, key.data, key.len);
    if (cache->map.n_items >= cache->max_items)
        remove_entry(cache, cache->oldest);
    if (chat__map_put(&cache->map, key_of(entry), entry) != CHAT_OK) {
        chat__alloc_free(&cache->allocator, entry);
        return NULL;
    }
    link_newest(cache, entry);
    return entry;
}

void chat__cstore_cache_drop(chat__cstore_cache *cache, chat_view key)
{
    chat__cstore_entry *entry = chat__map_get(&cache->map, key);
    if (entry != NULL)
        remove_entry(cache, entry);
}

void chat__cstore_cache_drop_tag(chat__cstore_cache *cache, uint32_t tag)
{
    chat__cstore_entry *entry = cache->oldest;
    while (entry != NULL) {
        chat__cstore_entry *newer = entry->newer;
        if (entry->tag == tag)
            remove_entry(cache, entry);
        entry = newer;
    }
}
