/* SPDX-License-Identifier: MIT */
/* See seen.h. */
#include "client/seen.h"
#include "base/alloc.h"
#include "base/view.h"

void chat__client_seen_init(chat__client_seen *seen, const chat_allocator *allocator,
                            uint32_t max_chats, const uint64_t seed[2])
{
    memset(seen, 0, sizeof *seen);
    seen->allocator = chat__alloc_or_libc(allocator);
    seen->max_chats = max_chats;
    chat__map_init(&seen->map, allocator, SIZE_MAX, seed);
}

void chat__client_seen_done(chat__client_seen *seen)
{
    chat__client_seen_entry *entry = seen->oldest;
    while (entry != NULL) {
        chat__client_seen_entry *newer = entry->newer;
        chat__alloc_free(&seen->allocator, entry);
        entry = newer;
    }
    chat__map_done(&seen->map);
    seen->oldest = NULL;
    seen->newest = NULL;
}

static void unlink_entry(chat__client_seen *seen, chat__client_seen_entry *entry)
{
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        seen->oldest = entry->newer;
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        seen->newest = entry->older;
}

static void link_newest(chat__client_seen *seen, chat__client_seen_entry *entry)
{
    entry->older = seen->newest;
    entry->newer = NULL;
    if (seen->newest != NULL)
        seen->newest->newer = entry;
    else
        seen->oldest = entry;
    seen->newest = entry;
}

/* The entry as the newest one, made if needed; NULL when out of memory. */
static chat__client_seen_entry *entry_of(chat__client_seen *seen, chat_view chat)
{
    chat__client_seen_entry *entry = chat__map_get(&seen->map, chat);
    if (entry != NULL) {
        unlink_entry(seen, entry);
        link_newest(seen, entry);
        return entry;
    }
    if (seen->map.n_items >= seen->max_chats && seen->oldest != NULL) {
        entry = seen->oldest;
        (void)chat__map_remove(&seen->map, chat__view(entry->chat, entry->chat_len));
        unlink_entry(seen, entry);
        memset(entry, 0, sizeof *entry);
    } else {
        entry = chat__alloc_zero(&seen->allocator, sizeof *entry);
    }
    if (entry == NULL)
        return NULL;
    memcpy(entry->chat, chat.data, chat.len);
    entry->chat_len = (uint8_t)chat.len;
    if (chat__map_put(&seen->map, chat__view(entry->chat, entry->chat_len), entry) != CHAT_OK) {
        chat__alloc_free(&seen->allocator, entry);
        return NULL;
    }
    link_newest(seen, entry);
    return entry;
}

chat_status chat__client_seen_frame(chat__client_seen *seen, chat_view chat, uint64_t seq,
                                    uint64_t prev, uint64_t *gap_after)
{
    *gap_after = 0;
    if (chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES || seq == 0)
        return CHAT_OK;
    chat__client_seen_entry *entry = entry_of(seen, chat);
    if (entry == NULL)
        return CHAT_OK;
    if (seq <= entry->last_seq)
        return CHAT_EMPTY;
    if (entry->last_seq != 0 && prev > entry->last_seq && prev > entry->own_seq)
        *gap_after = entry->last_seq;
    entry->last_seq = seq;
    return CHAT_OK;
}

void chat__client_seen_own(chat__client_seen *seen, chat_view chat, uint64_t seq)
{
    if (chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return;
    chat__client_seen_entry *entry = entry_of(seen, chat);
    if (entry != NULL && seq > entry->own_seq)
        entry->own_seq = seq;
}

uint64_t chat__client_seen_last(const chat__client_seen *seen, chat_view chat)
{
    const chat__client_seen_entry *entry = chat__map_get(&seen->map, chat);
    return entry != NULL ? entry->last_seq : 0;
}
