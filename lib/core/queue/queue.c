/* SPDX-License-Identifier: MIT */
/* Entries, gaps and devices. See <chat/queue.h>. */
#include "queue/internal.h"
#include "base/sized.h"

#include "queue/cut.h"

#include <chat/id.h>

#include <string.h>

void chat_queue_options_init(chat_queue_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->max_entries = 10000;
    options->batch_count = 100;
    options->max_devices = 16;
    options->max_gaps = 256;
    options->ttl_ms = UINT64_C(604800000);
}

chat_status chat_queue_new(const chat_queue_options *given, chat_queue **out)
{
    chat_queue_options known;
    const chat_queue_options *options = &known;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_queue_options_init(&known);
    if (chat__sized_take(&known, sizeof known, given) != CHAT_OK)
        return CHAT_ERR_ARG;
    if (options->max_entries == 0 || options->batch_count == 0 || options->max_devices == 0 ||
        options->max_gaps == 0)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat_queue *queue = chat__alloc_zero(&allocator, sizeof *queue + options->max_devices *
                                                                         sizeof queue->devices[0]);
    if (queue == NULL)
        return CHAT_ERR_NOMEM;
    queue->allocator = allocator;
    queue->options = *options;
    queue->options.allocator = NULL;
    *out = queue;
    return CHAT_OK;
}

/* --- lists --- */

chat__queue_node *chat__queue_node_new(chat_queue *queue, chat_view chat)
{
    chat__queue_node *node = chat__alloc_zero(&queue->allocator, sizeof *node + chat.len);
    if (node == NULL)
        return NULL;
    node->chat_len = (uint32_t)chat.len;
    memcpy(node->chat, chat.data, chat.len);
    return node;
}

static chat_view name_of(const chat__queue_node *node)
{
    return chat__view(node->chat, node->chat_len);
}

void chat__queue_append(chat__queue_list *list, chat__queue_node *node)
{
    node->next = NULL;
    if (list->last != NULL)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
    list->n_nodes++;
}

static chat__queue_node *take_first(chat__queue_list *list)
{
    chat__queue_node *node = list->first;
    list->first = node->next;
    if (list->first == NULL)
        list->last = NULL;
    list->n_nodes--;
    return node;
}

static void free_first(chat_queue *queue, chat__queue_list *list)
{
    chat__alloc_free(&queue->allocator, take_first(list));
}

/* Take the gap of a chat out, or NULL. */
static chat__queue_node *take_gap(chat__queue_list *list, chat_view chat)
{
    chat__queue_node *before = NULL;
    chat__queue_node *node = list->first;
    while (node != NULL && !chat__view_equal(name_of(node), chat)) {
        before = node;
        node = node->next;
    }
    if (node == NULL)
        return NULL;
    if (before == NULL)
        return take_first(list);
    before->next = node->next;
    if (node->next == NULL)
        list->last = before;
    list->n_nodes--;
    return node;
}

void chat_queue_free(chat_queue *queue)
{
    if (queue == NULL)
        return;
    chat_allocator allocator = queue->allocator;
    while (queue->entries.first != NULL)
        free_first(queue, &queue->entries);
    while (queue->gaps.first != NULL)
        free_first(queue, &queue->gaps);
    chat__alloc_free(&allocator, queue);
}

/* --- dropping --- */

/* The first entry goes: nobody is to be given it any more. */
static chat__queue_node *take_entry(chat_queue *queue)
{
    chat__queue_node *node = queue->entries.first;
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        if (queue->devices[i].next == node)
            queue->devices[i].next = node->next;
    }
    return take_first(&queue->entries);
}

static void limit_gaps(chat_queue *queue)
{
    while (queue->gaps.n_nodes > queue->options.max_gaps) {
        queue->lost_position = queue->gaps.first->position;
        free_first(queue, &queue->gaps);
    }
}

/* The entry becomes a gap, or part of one, so that dropping needs no memory. */
static void drop_oldest(chat_queue *queue)
{
    chat__queue_node *node = take_entry(queue);
    chat__queue_node *gap = take_gap(&queue->gaps, name_of(node));
    node->first = gap != NULL && gap->first < node->seq ? gap->first : node->seq;
    if (gap != NULL && gap->seq > node->seq)
        node->seq = gap->seq;
    chat__alloc_free(&queue->allocator, gap);
    chat__queue_append(&queue->gaps, node);
    limit_gaps(queue);
}

void chat__queue_limit(chat_queue *queue)
{
    limit_gaps(queue);
    while (queue->entries.n_nodes > queue->options.max_entries)
        drop_oldest(queue);
}

void chat_queue_expire(chat_queue *queue, uint64_t now_ms)
{
    while (queue->entries.first != NULL &&
           chat__queue_is_expired(queue->entries.first->at_ms, now_ms, queue->options.ttl_ms))
        drop_oldest(queue);
}

uint64_t chat_queue_deadline(const chat_queue *queue)
{
    const chat__queue_node *first = queue->entries.first;
    uint64_t ttl_ms = queue->options.ttl_ms;
    if (first == NULL || ttl_ms == 0 || first->at_ms >= UINT64_MAX - ttl_ms)
        return UINT64_MAX;
    return first->at_ms + ttl_ms + 1;
}

/* Remove what every device has. */
static void trim(chat_queue *queue)
{
    uint64_t acked = queue->last_position;
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        if (queue->devices[i].acked < acked)
            acked = queue->devices[i].acked;
    }
    while (queue->entries.first != NULL && queue->entries.first->position <= acked)
        chat__alloc_free(&queue->allocator, take_entry(queue));
    while (queue->gaps.first != NULL && queue->gaps.first->position <= acked)
        free_first(queue, &queue->gaps);
    if (queue->lost_position <= acked)
        queue->lost_position = 0;
}

/* --- devices --- */

static chat__queue_device *device_of(const chat_queue *queue, chat_view id)
{
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        const chat__queue_device *device = &queue->devices[i];
        if (chat__view_equal(chat__view(device->id, device->len), id))
            return (chat__queue_device *)(uintptr_t)device;
    }
    return NULL;
}

chat_status chat_queue_add_device(chat_queue *queue, chat_view id)
{
    if (!chat_id_is_valid(id))
        return CHAT_ERR_ARG;
    if (device_of(queue, id) != NULL)
        return CHAT_ERR_EXISTS;
    if (queue->n_devices == queue->options.max_devices)
        return CHAT_ERR_LIMIT;
    uint64_t furthest = queue->n_devices == 0 ? queue->last_position : 0;
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        if (queue->devices[i].acked > furthest)
            furthest = queue->devices[i].acked;
    }
    chat__queue_device *device = &queue->devices[queue->n_devices++];
    memset(device, 0, sizeof *device);
    device->acked = furthest;
    device->len = (uint32_t)id.len;
    memcpy(device->id, id.data, id.len);
    return CHAT_OK;
}

void chat_queue_remove_device(chat_queue *queue, chat_view id)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL)
        return;
    *device = queue->devices[--queue->n_devices];
    trim(queue);
}

chat_status chat_queue_push(chat_queue *queue, const chat_queue_entry *entry, uint64_t now_ms)
{
    if (entry == NULL || entry->chat.len == 0 || entry->chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return CHAT_ERR_ARG;
    chat__queue_node *node = NULL;
    if (queue->n_devices > 0) {
        node = chat__queue_node_new(queue, entry->chat);
        if (node == NULL)
            return CHAT_ERR_NOMEM;
    }
    queue->last_position++;
    if (node == NULL)
        return CHAT_OK;
    node->position = queue->last_position;
    node->seq = entry->seq;
    node->at_ms = now_ms;
    chat__queue_append(&queue->entries, node);
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        if (queue->devices[i].is_connected && queue->devices[i].next == NULL)
            queue->devices[i].next = node;
    }
    chat_queue_expire(queue, now_ms);
    chat__queue_limit(queue);
    return CHAT_OK;
}

chat_status chat_queue_connect(chat_queue *queue, chat_view id)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL)
        return CHAT_ERR_NOT_FOUND;
    device->is_connected = 1;
    device->given = device->acked;
    device->told = device->acked;
    device->next = queue->entries.first;
    while (device->next != NULL && device->next->position <= device->acked)
        device->next = device->next->next;
    return CHAT_OK;
}

void chat_queue_disconnect(chat_queue *queue, chat_view id)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL)
        return;
    device->is_connected = 0;
    device->next = NULL;
}

chat_status chat_queue_next_gap(chat_queue *queue, chat_view id, chat_queue_gap *out)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL || !device->is_connected)
        return CHAT_ERR_STATE;
    const chat__queue_node *gap = queue->gaps.first;
    if (device->told < queue->lost_position) {
        memset(out, 0, sizeof *out);
        out->position = queue->lost_position;
        device->told = queue->lost_position;
        return CHAT_OK;
    }
    while (gap != NULL && gap->position <= device->told)
        gap = gap->next;
    if (gap == NULL)
        return CHAT_EMPTY;
    out->position = gap->position;
    out->after = gap->first > 0 ? gap->first - 1 : 0;
    out->before = gap->seq < UINT64_MAX ? gap->seq + 1 : gap->seq;
    out->chat = name_of(gap);
    device->told = gap->position;
    return CHAT_OK;
}

chat_status chat_queue_next(chat_queue *queue, chat_view id, chat_queue_entry *out)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL || !device->is_connected)
        return CHAT_ERR_STATE;
    const chat__queue_node *node = device->next;
    if (node == NULL)
        return CHAT_EMPTY;
    /* What was dropped is in nobody's way. */
    uint64_t from = queue->entries.first->position - 1;
    if (from < device->acked)
        from = device->acked;
    if (device->given > from && device->given - from >= queue->options.batch_count)
        return CHAT_MORE;
    out->position = node->position;
    out->seq = node->seq;
    out->at_ms = node->at_ms;
    out->chat = name_of(node);
    device->given = node->position;
    device->next = node->next;
    return CHAT_OK;
}

int chat_queue_is_draining(const chat_queue *queue, chat_view id)
{
    const chat__queue_device *device = device_of(queue, id);
    return device != NULL && device->next != NULL;
}

chat_status chat_queue_ack(chat_queue *queue, chat_view id, uint64_t position)
{
    chat__queue_device *device = device_of(queue, id);
    if (device == NULL)
        return CHAT_ERR_NOT_FOUND;
    if (position > device->acked && position > device->given && position > device->told)
        return CHAT_ERR_ARG;
    if (position <= device->acked)
        return CHAT_OK;
    device->acked = position;
    while (device->next != NULL && device->next->position <= position)
        device->next = device->next->next;
    trim(queue);
    return CHAT_OK;
}

size_t chat_queue_count(const chat_queue *queue)
{
    return queue->entries.n_nodes;
}
