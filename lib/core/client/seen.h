/* SPDX-License-Identifier: MIT */
/*
 * The last `seq` of each chat that was given to the application: drops what the server repeats and
 * notices what is missing. Bounded: the chat that was silent longest is forgotten first, which at
 * worst shows a repeated message again.
 */
#ifndef CHAT_CLIENT_SEEN_H
#define CHAT_CLIENT_SEEN_H

#include "base/map.h"

typedef struct chat__client_seen_entry {
    struct chat__client_seen_entry *older;
    struct chat__client_seen_entry *newer;
    uint64_t last_seq; /* of the stream */
    uint64_t own_seq;  /* highest of our own messages, by `sent` */
    uint8_t chat_len;
    uint8_t chat[CHAT_CHAT_ID_MAX_BYTES];
} chat__client_seen_entry;

typedef struct chat__client_seen {
    chat_allocator allocator;
    chat__map map;
    chat__client_seen_entry *oldest;
    chat__client_seen_entry *newest;
    size_t max_chats;
} chat__client_seen;

void chat__client_seen_init(chat__client_seen *seen, const chat_allocator *allocator,
                            uint32_t max_chats, const uint64_t seed[2]);
void chat__client_seen_done(chat__client_seen *seen);

/* A stream frame. CHAT_OK: new, `*gap_after` is the last known `seq` when records between it and
   `prev` did not come here, else 0; CHAT_EMPTY: a repetition. Out of memory counts as new. */
chat_status chat__client_seen_frame(chat__client_seen *seen, chat_view chat, uint64_t seq,
                                    uint64_t prev, uint64_t *gap_after);

/* A message of ours is in the chat: it may be missing in the stream, and is no gap. */
void chat__client_seen_own(chat__client_seen *seen, chat_view chat, uint64_t seq);

/* The last seq of the chat that was given; 0: none is known. */
uint64_t chat__client_seen_last(const chat__client_seen *seen, chat_view chat);

#endif
