/* SPDX-License-Identifier: MIT */
/*
 * Which messages were sent before: the names that clients gave them, bounded in number, the oldest
 * finished ones dropped first. What has been dropped is found in the chat's history instead, when a
 * client says that it sends again.
 */
#include "node/internal.h"

#include <string.h>

#define KEY_MAX_BYTES (CHAT_ID_MAX_BYTES * 2 + 1)

/* Ids hold no control characters, so a zero byte separates them. */
static chat_view key_of(chat_view user, chat_view cid, uint8_t out[KEY_MAX_BYTES])
{
    memcpy(out, user.data, user.len);
    out[user.len] = 0;
    memcpy(out + user.len + 1, cid.data, cid.len);
    return chat__view(out, user.len + 1 + cid.len);
}

chat__cid *chat__cid_find(chat__node *node, chat_view user, chat_view cid)
{
    uint8_t key[KEY_MAX_BYTES];
    return chat__map_get(&node->cids, key_of(user, cid, key));
}

/* Drop the oldest that are done; those that are not are bounded by max_pending. */
static void drop_oldest(chat__node *node)
{
    while (node->cids.n_items >= node->options.dedupe_count && node->cid_first != NULL &&
           node->cid_first->op == NULL)
        chat__cid_forget(node, node->cid_first);
}

chat__cid *chat__cid_new(chat__node *node, chat_view user, chat_view cid)
{
    uint8_t buffer[KEY_MAX_BYTES];
    chat_view key = key_of(user, cid, buffer);
    drop_oldest(node);
    chat__cid *entry = chat__node_alloc(node, sizeof *entry + key.len);
    if (entry == NULL)
        return NULL;
    memcpy(entry->key, key.data, key.len);
    entry->key_len = (uint32_t)key.len;
    if (chat__map_put(&node->cids, chat__view(entry->key, entry->key_len), entry) != CHAT_OK) {
        chat__node_dealloc(node, entry);
        return NULL;
    }
    entry->prev = node->cid_last;
    if (node->cid_last != NULL)
        node->cid_last->next = entry;
    else
        node->cid_first = entry;
    node->cid_last = entry;
    return entry;
}

void chat__cid_forget(chat__node *node, chat__cid *entry)
{
    (void)chat__map_remove(&node->cids, chat__view(entry->key, entry->key_len));
    if (entry->prev != NULL)
        entry->prev->next = entry->next;
    else
        node->cid_first = entry->next;
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    else
        node->cid_last = entry->prev;
    chat__node_dealloc(node, entry);
}
