/* SPDX-License-Identifier: MIT */
/* A frame of ours that waits for its answer, with all that its views point at; and lists of them.
 */
#ifndef CHAT_CLIENT_ITEM_H
#define CHAT_CLIENT_ITEM_H

#include <chat/frame.h>

typedef enum chat__client_item_state {
    CHAT__ITEM_QUEUED = 1, /* to be written (again) */
    CHAT__ITEM_WRITTEN,    /* waits for its answer */
    CHAT__ITEM_REFUSED     /* turned away for now */
} chat__client_item_state;

typedef struct chat__client_item {
    struct chat__client_item *prev;
    struct chat__client_item *next;
    chat_frame frame;
    uint64_t order; /* of the application's calls */
    chat__client_item_state state;
    int was_written;      /* over this or an earlier connection */
    chat_status status;   /* of a refusal, or why it failed */
    uint64_t retry_ms;    /* the server's advice */
    uint64_t deadline_ms; /* for the answer */
    uint64_t n_rows;      /* of a request's answer, so far */
    size_t bytes;         /* memory that it takes */
} chat__client_item;

typedef struct chat__client_list {
    chat__client_item *first;
    chat__client_item *last;
    size_t n_items;
} chat__client_list;

/* Copy a frame. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__client_item_new(const chat_allocator *allocator, const chat_frame *frame,
                                  chat__client_item **out);

void chat__client_list_append(chat__client_list *list, chat__client_item *item);
void chat__client_list_remove(chat__client_list *list, chat__client_item *item);
void chat__client_list_free(chat__client_list *list, const chat_allocator *allocator);

#endif
