/* SPDX-License-Identifier: MIT */
/* See state.h. */
#include "store/state.h"
#include "base/alloc.h"
#include "base/view.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#define CACHE_LINE 64u
#define AHEAD      CHAT__STORE_AHEAD
/* Nodes given back between two looks at the lock. */
#define FLUSH_CHUNK 256
/* Chats looked at to find a clean one to drop. */
#define EVICT_TRIES 16

chat_status chat__state_init(chat__state *state, const chat_allocator *allocator,
                             uint32_t n_partitions, uint64_t max_bytes)
{
    uint64_t seed[2];
    memset(state, 0, sizeof *state);
    pthread_mutex_init(&state->lock, NULL);
    state->allocator = chat__alloc_or_libc(allocator);
    state->max_bytes = max_bytes;
    state->epoch = 1;
    state->n_partitions = n_partitions;
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return CHAT_ERR_IO;
    chat__map_init(&state->chats, allocator, SIZE_MAX, seed);
    chat__map_init(&state->rows, allocator, SIZE_MAX, seed);
    chat__map_init(&state->users, allocator, SIZE_MAX, seed);
    chat__map_init(&state->groups, allocator, SIZE_MAX, seed);
    size_t bytes = n_partitions * sizeof *state->partitions;
    state->partitions = chat__alloc_zero(&state->allocator, bytes);
    state->staged_partitions = chat__alloc_zero(&state->allocator, bytes);
    return state->partitions != NULL && state->staged_partitions != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

void chat__state_meta_free(chat__state *state, chat__state_meta *meta)
{
    if (meta != NULL && --meta->n_refs == 0)
        chat__alloc_free(&state->allocator, meta);
}

void chat__state_set_meta(chat__state *state, chat__state_chat *chat, chat__state_meta *meta)
{
    uint32_t before = chat->meta != NULL ? chat->meta->n_bytes : 0;
    uint32_t after = meta != NULL ? meta->n_bytes : 0;
    state->n_bytes += (uint64_t)after - before;
    state->n_dirty_bytes += chat->node.epoch != 0 ? (uint64_t)after - before : 0;
    chat->node.n_bytes += after - before;
    chat__state_meta_free(state, chat->meta);
    chat->meta = meta;
}

static void free_chat(chat__state *state, chat__state_chat *chat)
{
    chat__state_meta_free(state, chat->meta);
    chat__alloc_free(&state->allocator, chat->roots);
    chat__alloc_free(&state->allocator, chat);
}

void chat__state_done(chat__state *state)
{
    size_t cursor = 0;
    void *item;
    while ((item = chat__map_next(&state->chats, &cursor)) != NULL)
        free_chat(state, item);
    cursor = 0;
    while ((item = chat__map_next(&state->rows, &cursor)) != NULL)
        chat__alloc_free(&state->allocator, item);
    cursor = 0;
    while ((item = chat__map_next(&state->users, &cursor)) != NULL)
        chat__alloc_free(&state->allocator, item);
    cursor = 0;
    while ((item = chat__map_next(&state->groups, &cursor)) != NULL)
        chat__alloc_free(&state->allocator, item);
    chat__map_done(&state->groups);
    chat__map_done(&state->chats);
    chat__map_done(&state->rows);
    chat__map_done(&state->users);
    chat__alloc_free(&state->allocator, state->partitions);
    chat__alloc_free(&state->allocator, state->staged_partitions);
    chat__alloc_free(&state->allocator, state->changes);
    pthread_mutex_destroy(&state->lock);
}

static void unlink_chat(chat__state *state, chat__state_chat *chat)
{
    *(chat->newer != NULL ? &chat->newer->older : &state->newest) = chat->older;
    *(chat->older != NULL ? &chat->older->newer : &state->oldest) = chat->newer;
}

static void link_chat(chat__state *state, chat__state_chat *chat)
{
    chat->newer = NULL;
    chat->older = state->newest;
    *(state->newest != NULL ? &state->newest->newer : &state->oldest) = chat;
    state->newest = chat;
}

/* Only the writer puts and drops chats, so it looks without the lock. */
chat__state_chat *chat__state_find(chat__state *state, chat_view name, uint32_t hash)
{
    chat__state_chat *chat = hash == 0 ? chat__map_get(&state->chats, name)
                                       : chat__map_get_hashed(&state->chats, name, hash);
    if (chat != NULL)
        chat->is_used = 1;
    return chat;
}

static void prefetch(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += CACHE_LINE)
        __builtin_prefetch((const uint8_t *)bytes + i, 1);
}

/* One thing leads to the next, so each has a third of the way: the slot, the chat, its roots. */
uint32_t chat__state_expect(chat__state *state, chat_view name)
{
    uint32_t n = state->n_expected++;
    uint32_t hash = chat__map_hash(&state->chats, name);
    uint32_t second = state->expected[(n - AHEAD / 3) % AHEAD];
    uint32_t third = state->expected[(n - 2 * AHEAD / 3) % AHEAD];
    state->expected[n % AHEAD] = hash;
    chat__map_prefetch(&state->chats, hash);
    const chat__state_chat *chat = chat__map_guess(&state->chats, second);
    if (chat != NULL)
        prefetch(chat, sizeof *chat + CACHE_LINE);
    chat = chat__map_guess(&state->chats, third);
    if (chat != NULL)
        prefetch(chat->roots, 2 * sizeof *chat->roots * chat->cap_roots);
    return hash;
}

/* What was used comes round once more: to move it with each use would touch its neighbours, which
   are in no cache. Under the lock. */
static void evict(chat__state *state)
{
    for (int i = 0; i < EVICT_TRIES && state->n_bytes > state->max_bytes; i++) {
        chat__state_chat *chat = state->oldest;
        if (chat == NULL)
            return;
        unlink_chat(state, chat);
        if (chat->is_used || chat->node.epoch != 0 || chat->n_staged > 0) {
            chat->is_used = 0;
            link_chat(state, chat);
            continue;
        }
        (void)chat__map_remove(&state->chats, chat__view(chat->name, chat->len));
        state->n_bytes -= chat->node.n_bytes;
        free_chat(state, chat);
    }
}

static uint32_t bytes_of_chat(const chat__state_chat *chat)
{
    return (uint32_t)(sizeof *chat + chat->len + sizeof(chat__map_slot) * 2 +
                      2 * sizeof(chat__root) * chat->cap_roots);
}

static chat__state_chat *new_chat(chat__state *state, chat_view name, size_t n_roots)
{
    chat__state_chat *chat = chat__alloc_zero(&state->allocator, sizeof *chat + name.len);
    if (chat == NULL)
        return NULL;
    chat->cap_roots = 4;
    while (chat->cap_roots < n_roots)
        chat->cap_roots *= 2;
    chat->roots = chat__alloc_zero(&state->allocator, 2 * chat->cap_roots * sizeof *chat->roots);
    if (chat->roots == NULL) {
        chat__alloc_free(&state->allocator, chat);
        return NULL;
    }
    chat->len = (uint8_t)name.len;
    memcpy(chat->name, name.data, name.len);
    chat->node.is_chat = 1;
    chat->node.n_bytes = bytes_of_chat(chat);
    return chat;
}

chat_status chat__state_put_chat(chat__state *state, chat_view name, const chat__state_head *head,
                                 const chat__root *roots, chat__state_chat **out)
{
    chat__state_chat *chat = new_chat(state, name, head->n_roots);
    if (chat == NULL)
        return CHAT_ERR_NOMEM;
    size_t bytes = head->n_roots * sizeof *roots;
    if (bytes > 0) {
        memcpy(chat->roots, roots, bytes);
        memcpy(chat->roots + chat->cap_roots, roots, bytes);
    }
    chat->head = *head;
    chat->staged = *head;
    pthread_mutex_lock(&state->lock);
    evict(state);
    chat_status status = chat__map_put(&state->chats, chat__view(chat->name, chat->len), chat);
    if (status == CHAT_OK) {
        state->n_bytes += chat->node.n_bytes;
        link_chat(state, chat);
    }
    pthread_mutex_unlock(&state->lock);
    if (status != CHAT_OK) {
        free_chat(state, chat);
        return CHAT_ERR_NOMEM;
    }
    *out = chat;
    return CHAT_OK;
}

chat_status chat__state_grow_roots(chat__state *state, chat__state_chat *chat, uint64_t ordinal)
{
    size_t want = chat__chain_n_roots(ordinal);
    if (want <= chat->staged.n_roots)
        want = chat->staged.n_roots + 1;
    if (want <= chat->cap_roots)
        return CHAT_OK;
    uint32_t cap = chat->cap_roots;
    while (cap < want)
        cap *= 2;
    chat__root *roots = chat__alloc_zero(&state->allocator, 2 * cap * sizeof *roots);
    if (roots == NULL)
        return CHAT_ERR_NOMEM;
    memcpy(roots + cap, chat->roots + chat->cap_roots, chat->staged.n_roots * sizeof *roots);
    pthread_mutex_lock(&state->lock);
    memcpy(roots, chat->roots, chat->head.n_roots * sizeof *roots);
    chat__root *old = chat->roots;
    chat->roots = roots;
    uint32_t more = (uint32_t)(2 * sizeof *roots * (cap - chat->cap_roots));
    chat->cap_roots = cap;
    chat->node.n_bytes += more;
    state->n_bytes += more;
    state->n_dirty_bytes += chat->node.epoch != 0 ? more : 0;
    pthread_mutex_unlock(&state->lock);
    chat__alloc_free(&state->allocator, old);
    return CHAT_OK;
}

int chat__state_is_full(chat__state *state)
{
    pthread_mutex_lock(&state->lock);
    int is_full = state->n_dirty_bytes > state->max_bytes;
    pthread_mutex_unlock(&state->lock);
    return is_full;
}

int chat__state_is_gone(const chat__state_node *node)
{
    return !node->is_chat && ((const chat__state_row *)(const void *)node)->type == CHAT__ROW_GONE;
}

static void prepend_node(chat__state_list *list, chat__state_node *node)
{
    node->prev = NULL;
    node->next = list->first;
    *(list->first != NULL ? &list->first->prev : &list->last) = node;
    list->first = node;
}

static void append_node(chat__state_list *list, chat__state_node *node)
{
    node->next = NULL;
    node->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = node;
    list->last = node;
}

void chat__state_mark_dirty(chat__state *state, chat__state_node *node)
{
    if (node->epoch == 0) {
        node->epoch = state->epoch;
        state->n_dirty_bytes += node->n_bytes;
        if (chat__state_is_gone(node))
            prepend_node(&state->dirty, node);
        else
            append_node(&state->dirty, node);
    } else if (node->epoch != state->epoch) {
        node->is_again = 1;
    }
}

void chat__state_flush_begin(chat__state *state)
{
    state->writing = state->dirty;
    memset(&state->dirty, 0, sizeof state->dirty);
    state->epoch++;
}

/* Under the lock. */
static void give_back(chat__state *state, chat__state_node *node, int is_written)
{
    int stays_dirty = node->is_again || !is_written;
    node->epoch = 0;
    node->is_again = 0;
    state->n_dirty_bytes -= node->n_bytes;
    if (stays_dirty) {
        chat__state_mark_dirty(state, node);
    } else if (node->is_chat) {
        chat__state_chat *chat = (chat__state_chat *)(void *)node;
        chat__state_set_meta(state, chat, NULL);
    } else {
        chat__state_drop_row_if_idle(state, (chat__state_row *)(void *)node);
    }
}

void chat__state_flush_end(chat__state *state, int is_written)
{
    pthread_mutex_lock(&state->lock);
    state->n_flushes++;
    while (state->writing.first != NULL) {
        for (int i = 0; i < FLUSH_CHUNK && state->writing.first != NULL; i++) {
            chat__state_node *node = state->writing.first;
            state->writing.first = node->next;
            give_back(state, node, is_written);
        }
        pthread_mutex_unlock(&state->lock);
        pthread_mutex_lock(&state->lock);
    }
    state->writing.last = NULL;
    pthread_mutex_unlock(&state->lock);
}
