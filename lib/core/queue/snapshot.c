/* SPDX-License-Identifier: MIT */
/*
 * A queue as bytes: "CQ1", then numbers of 8 bytes, least significant first, and names behind their
 * length: last and lost position; count of devices, each with name and acked position; of gaps; of
 * entries, each with name, position, seq, first seq and time. Read strictly: they may come from a
 * database that somebody else writes.
 */
#include "queue/internal.h"

#include <chat/id.h>

#include <string.h>

#define MAGIC_BYTES  4u
#define NUMBER_BYTES 8u
static const uint8_t MAGIC[MAGIC_BYTES] = {'C', 'Q', '1', 0};

/* --- writing --- */

static size_t list_size(const chat__queue_list *list)
{
    size_t size = NUMBER_BYTES;
    for (const chat__queue_node *node = list->first; node != NULL; node = node->next)
        size += 5 * NUMBER_BYTES + node->chat_len;
    return size;
}

size_t chat_queue_encoded_size(const chat_queue *queue)
{
    size_t size = MAGIC_BYTES + 3 * NUMBER_BYTES;
    for (uint32_t i = 0; i < queue->n_devices; i++)
        size += 2 * NUMBER_BYTES + queue->devices[i].len;
    return size + list_size(&queue->gaps) + list_size(&queue->entries);
}

static void put_number(uint8_t **at, uint64_t value)
{
    for (size_t i = 0; i < NUMBER_BYTES; i++, value >>= 8)
        *(*at)++ = (uint8_t)value;
}

static void put_name(uint8_t **at, const uint8_t *name, uint32_t len)
{
    put_number(at, len);
    memcpy(*at, name, len);
    *at += len;
}

static void put_list(uint8_t **at, const chat__queue_list *list)
{
    put_number(at, list->n_nodes);
    for (const chat__queue_node *node = list->first; node != NULL; node = node->next) {
        put_name(at, node->chat, node->chat_len);
        put_number(at, node->position);
        put_number(at, node->seq);
        put_number(at, node->first);
        put_number(at, node->at_ms);
    }
}

chat_status chat_queue_encode(const chat_queue *queue, uint8_t *bytes, size_t cap)
{
    if (cap < chat_queue_encoded_size(queue))
        return CHAT_ERR_LIMIT;
    memcpy(bytes, MAGIC, MAGIC_BYTES);
    bytes += MAGIC_BYTES;
    put_number(&bytes, queue->last_position);
    put_number(&bytes, queue->lost_position);
    put_number(&bytes, queue->n_devices);
    for (uint32_t i = 0; i < queue->n_devices; i++) {
        put_name(&bytes, queue->devices[i].id, queue->devices[i].len);
        put_number(&bytes, queue->devices[i].acked);
    }
    put_list(&bytes, &queue->gaps);
    put_list(&bytes, &queue->entries);
    return CHAT_OK;
}

/* --- reading --- */

static int get_number(chat_view *left, uint64_t *out)
{
    if (left->len < NUMBER_BYTES)
        return 0;
    *out = 0;
    for (size_t i = NUMBER_BYTES; i-- > 0;)
        *out = *out << 8 | left->data[i];
    left->data += NUMBER_BYTES;
    left->len -= NUMBER_BYTES;
    return 1;
}

static int get_name(chat_view *left, size_t max, chat_view *out)
{
    uint64_t len;
    if (!get_number(left, &len) || len == 0 || len > max || len > left->len)
        return 0;
    *out = chat__view(left->data, (size_t)len);
    left->data += len;
    left->len -= (size_t)len;
    return 1;
}

/* Positions grow, and each entry is alone on its own. */
static chat_status get_list(chat_queue *queue, chat_view *left, chat__queue_list *list)
{
    uint64_t n;
    if (!get_number(left, &n))
        return CHAT_ERR_SYNTAX;
    for (uint64_t last = 0; n > 0; n--) {
        chat_view chat;
        if (!get_name(left, CHAT_CHAT_ID_MAX_BYTES, &chat))
            return CHAT_ERR_SYNTAX;
        chat__queue_node *node = chat__queue_node_new(queue, chat);
        if (node == NULL)
            return CHAT_ERR_NOMEM;
        chat__queue_append(list, node);
        if (!get_number(left, &node->position) || !get_number(left, &node->seq) ||
            !get_number(left, &node->first) || !get_number(left, &node->at_ms) ||
            node->position <= last || node->position > queue->last_position ||
            node->first > node->seq)
            return CHAT_ERR_SYNTAX;
        last = node->position;
    }
    return CHAT_OK;
}

static chat_status get_devices(chat_queue *queue, chat_view *left)
{
    uint64_t n;
    if (!get_number(left, &n))
        return CHAT_ERR_SYNTAX;
    if (n > queue->options.max_devices)
        return CHAT_ERR_LIMIT;
    for (; n > 0; n--) {
        chat_view id;
        uint64_t acked;
        if (!get_name(left, CHAT_ID_MAX_BYTES, &id) || !get_number(left, &acked) ||
            acked > queue->last_position || chat_queue_add_device(queue, id) != CHAT_OK)
            return CHAT_ERR_SYNTAX;
        queue->devices[queue->n_devices - 1].acked = acked;
    }
    return CHAT_OK;
}

static chat_status get_all(chat_queue *queue, chat_view left)
{
    if (left.len < MAGIC_BYTES || memcmp(left.data, MAGIC, MAGIC_BYTES) != 0)
        return CHAT_ERR_SYNTAX;
    left.data += MAGIC_BYTES;
    left.len -= MAGIC_BYTES;
    if (!get_number(&left, &queue->last_position) || !get_number(&left, &queue->lost_position) ||
        queue->lost_position > queue->last_position)
        return CHAT_ERR_SYNTAX;
    chat_status status = get_devices(queue, &left);
    if (status == CHAT_OK)
        status = get_list(queue, &left, &queue->gaps);
    if (status == CHAT_OK)
        status = get_list(queue, &left, &queue->entries);
    if (status == CHAT_OK && left.len > 0)
        status = CHAT_ERR_SYNTAX;
    return status;
}

chat_status chat_queue_decode(const chat_queue_options *options, chat_view bytes, chat_queue **out)
{
    chat_queue *queue;
    if (out == NULL)
        return CHAT_ERR_ARG;
    chat_status status = chat_queue_new(options, &queue);
    if (status != CHAT_OK)
        return status;
    status = get_all(queue, bytes);
    if (status != CHAT_OK) {
        chat_queue_free(queue);
        return status;
    }
    chat__queue_limit(queue);
    *out = queue;
    return CHAT_OK;
}
