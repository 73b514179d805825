/* SPDX-License-Identifier: MIT */
/* What the files of this room share. */
#ifndef CHAT_QUEUE_INTERNAL_H
#define CHAT_QUEUE_INTERNAL_H

#include <chat/queue.h>

#include "base/alloc.h"
#include "base/view.h"

/* An entry, or a gap in place of entries. */
typedef struct chat__queue_node {
    struct chat__queue_node *next;
    uint64_t position; /* of a gap: of its newest entry */
    uint64_t seq;      /* of a gap: of its newest entry */
    uint64_t first;    /* of a gap: seq of its oldest entry */
    uint64_t at_ms;
    uint32_t chat_len;
    uint8_t chat[];
} chat__queue_node;

typedef struct chat__queue_list {
    chat__queue_node *first, *last;
    size_t n_nodes;
} chat__queue_list;

typedef struct chat__queue_device {
    uint64_t acked; /* positions */
    uint64_t given;
    uint64_t told;          /* gaps up to here */
    chat__queue_node *next; /* to be given, NULL: all was */
    uint32_t is_connected;
    uint32_t len;
    uint8_t id[CHAT_ID_MAX_BYTES];
} chat__queue_device;

struct chat_queue {
    chat_allocator allocator;
    chat_queue_options options;
    chat__queue_list entries;
    chat__queue_list gaps;  /* by position */
    uint64_t last_position; /* of all that was ever pushed */
    uint64_t lost_position; /* up to here gaps are not named any more, 0: all are */
    uint32_t n_devices;
    chat__queue_device devices[];
};

chat__queue_node *chat__queue_node_new(chat_queue *queue, chat_view chat);
void chat__queue_append(chat__queue_list *list, chat__queue_node *node);
/* Drop the oldest until the limit is kept. */
void chat__queue_limit(chat_queue *queue);

#endif
