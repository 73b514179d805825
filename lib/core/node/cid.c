/* SPDX-License-Identifier: MIT */
/*
 * What was sent before: the names that clients gave it, bounded in number, the oldest finished ones
 * dropped first. What has been dropped is found in the chat's history instead, when a
 * client says that it sends again.
 */
#include "node/cid.h"

#include <string.h>

/* A search is kept under a name that no client can give: it starts with a control character. */
#define SEARCH_MARK   "\1"
#define KEY_MAX_BYTES (2 * CHAT_ID_MAX_BYTES + CHAT_CHAT_ID_MAX_BYTES + 2)

/* Ids hold no control characters, so a zero byte separates them. */
static chat_view key_of(chat_view user, chat_view chat, chat_view cid, uint8_t out[KEY_MAX_BYTES])
{
    const chat_view parts[] = {user, chat, cid};
    size_t len = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            out[len++] = 0;
        memcpy(out + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    return chat__view(out, len);
}

chat__cid *chat__cid_find(chat__node *node, chat_view user, chat_view chat, chat_view cid)
{
    uint8_t key[KEY_MAX_BYTES];
    return chat__map_get(&node->cids, key_of(user, chat, cid, key));
}

/* Drop the oldest that are done; those that are not are bounded by max_pending. */
static void drop_oldest(chat__node *node)
{
    while (node->cids.n_items >= node->options.dedupe_count && node->cid_first != NULL &&
           node->cid_first->op == NULL && !node->cid_first->is_open)
        chat__cid_forget(node, node->cid_first);
    /* The next to go went out of all caches long ago. */
    if (node->cid_first != NULL) {
        chat__map_prefetch(&node->cids, node->cid_first->hash);
        __builtin_prefetch(node->cid_first->next);
    }
}

static void link_last(chat__node *node, chat__cid *entry)
{
    entry->prev = node->cid_last;
    entry->next = NULL;
    if (node->cid_last != NULL)
        node->cid_last->next = entry;
    else
        node->cid_first = entry;
    node->cid_last = entry;
}

static void unlink_entry(chat__node *node, chat__cid *entry)
{
    if (entry->prev != NULL)
        entry->prev->next = entry->next;
    else
        node->cid_first = entry->next;
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    else
        node->cid_last = entry->prev;
}

void chat__cid_touch(chat__node *node, chat__cid *entry)
{
    unlink_entry(node, entry);
    link_last(node, entry);
}

chat__cid *chat__cid_search(chat__node *node, chat_view user, chat_view chat)
{
    return chat__cid_find(node, user, chat, chat__view_str(SEARCH_MARK));
}

chat__cid *chat__cid_search_new(chat__node *node, chat_view user, chat_view chat)
{
    chat__cid *entry = chat__cid_new(node, user, chat, chat__view_str(SEARCH_MARK));
    if (entry != NULL)
        entry->is_open = 1;
    return entry;
}

chat__cid *chat__cid_new(chat__node *node, chat_view user, chat_view chat, chat_view cid)
{
    uint8_t buffer[KEY_MAX_BYTES];
    chat_view key = key_of(user, chat, cid, buffer);
    drop_oldest(node);
    chat__cid *entry = chat__pool_get(&node->pool, sizeof *entry + key.len, sizeof *entry);
    if (entry == NULL)
        return NULL;
    memcpy(entry->key, key.data, key.len);
    entry->key_len = (uint16_t)key.len;
    entry->hash = chat__map_hash(&node->cids, key);
    if (chat__map_put_hashed(&node->cids, chat__view(entry->key, entry->key_len), entry->hash,
                             entry) != CHAT_OK) {
        chat__pool_put(&node->pool, entry);
        return NULL;
    }
    link_last(node, entry);
    return entry;
}

void chat__cid_forget(chat__node *node, chat__cid *entry)
{
    chat__map_drop(&node->cids, entry->hash, entry);
    unlink_entry(node, entry);
    chat__pool_put(&node->pool, entry);
}
