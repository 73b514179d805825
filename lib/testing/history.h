/* SPDX-License-Identifier: MIT */
/* What history.c collects for judge.c. */
#ifndef CHAT_TESTING_HISTORY_INTERNAL_H
#define CHAT_TESTING_HISTORY_INTERNAL_H

#include <chat/history.h>

#include "base/map.h"

#define CHAT__NO_NAME UINT32_MAX

typedef struct chat__name {
    uint32_t index;
    uint32_t len;
    char text[]; /* zero-terminated */
} chat__name;

typedef enum chat__happening_type {
    CHAT__HAPPENED_STORED,    /* a record that its chat had at the end */
    CHAT__HAPPENED_SEEN,      /* an application got a record */
    CHAT__HAPPENED_SENT,      /* it was told that its record is durable */
    CHAT__HAPPENED_GAP,       /* records between `seq` and `id` were said to be left out */
    CHAT__HAPPENED_FORGOTTEN, /* the server forgot the device: it begins anew, where its user is */
    CHAT__HAPPENED_READ,      /* its user has read `chat` up to `seq` */
    CHAT__HAPPENED_SAID,      /* it says `cid` in `chat` */
    CHAT__HAPPENED_BLOCK      /* it asks, or is answered, that its user blocks `from` */
} chat__happening_type;

/* To add what the judge must know of a new kind of frame: a row in KINDS of history.c, and, when it
   changes who is a member, a case in chat__judge_apply(). */
typedef struct chat__happening {
    chat__happening_type type;
    uint64_t line;
    uint32_t by; /* observer, CHAT__NO_NAME: the log */
    uint32_t chat, from, cid;
    uint64_t seq, id;
    uint64_t re_seq; /* of a record: the message that is edited or deleted, 0: none is */
    uint32_t body;   /* of a record */
    uint8_t is_message, is_edit, is_deletion, is_edited, is_deleted;
    uint8_t is_chat, is_joining, is_leaving;
    uint8_t is_blocking, is_done; /* of a block: else it is taken back, or only asked for */
    uint32_t n_users, users_at;   /* in `users` */
} chat__happening;

typedef struct chat__observer {
    uint32_t name, user;
    uint32_t n_resumed;                     /* since the last `open` */
    uint64_t first_line;                    /* of its first `open` */
    uint64_t open_line;                     /* of its last */
    uint8_t is_open, has_resumed, is_first; /* of its user's devices */
} chat__observer;

struct chat_history {
    chat__map by_text;
    chat__name **names;
    size_t n_names, names_cap;
    chat__observer *observers;
    size_t n_observers, observers_cap;
    chat__happening *items;
    size_t n_items, items_cap;
    uint32_t *users;
    size_t n_users, users_cap;
    uint64_t n_lines;
    uint32_t by;  /* of lines that do not say: the last one that was named */
    int is_ended; /* everything was given time to arrive */
    uint64_t bad_line;
    char bad[128];
};

static inline const char *chat__name_of(const chat_history *history, uint32_t index)
{
    return index == CHAT__NO_NAME ? "" : history->names[index]->text;
}

#endif
