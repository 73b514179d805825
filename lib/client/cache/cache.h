/* SPDX-License-Identifier: MIT */
/*
 * The client's file: messages that wait to be sent, and what was received, in SQLite. Knows frames
 * and tables, no connection and no events. One caller at a time; one process at a time per file.
 *
 * Changes gather in one transaction until chat__cache_commit(). After an error all of them since
 * the last commit are gone, and chat__cache_loss() says so: what came over the connection must come
 * again.
 */
#ifndef CHAT_CLIENT_CACHE_H
#define CHAT_CLIENT_CACHE_H

#include <chat/frame.h>

#define CHAT__CACHE_WHY_BYTES 512u

typedef struct chat__cache chat__cache;

typedef struct chat__cache_options {
    const chat_allocator *allocator;
    const char *path;
    chat_view device;
    uint64_t family;           /* not 0; for a new file */
    uint32_t max_chat_records; /* of each chat */
    uint32_t max_records;      /* of all */
} chat__cache_options;

/*
 * Open the file, or make it. A damaged one is moved aside, with CHAT_OK and a line in `why` (else
 * empty); what waited in it to be sent is saved as far as it can be read.
 *
 * CHAT_OK; CHAT_ERR_ARG (of another device or program), CHAT_ERR_IN_USE, CHAT_ERR_VERSION,
 * CHAT_ERR_FULL, CHAT_ERR_IO: `why` says what is wrong; CHAT_ERR_NOMEM.
 */
chat_status chat__cache_open(const chat__cache_options *options, char why[CHAT__CACHE_WHY_BYTES],
                             chat__cache **out);
/* Commits. NULL does nothing. */
void chat__cache_close(chat__cache *cache);

/* Damage was found: move the file aside and begin a new one, as chat__cache_open(). After an error
   each change answers CHAT_ERR_CORRUPT, so that it is tried again. */
chat_status chat__cache_renew(chat__cache *cache, char why[CHAT__CACHE_WHY_BYTES]);

/* All changes are on disk. CHAT_OK; else they are gone. */
chat_status chat__cache_commit(chat__cache *cache);
/* Whether changes were lost since the last call, and why. CHAT_OK: none. */
chat_status chat__cache_loss(chat__cache *cache);

/* How many records could not be read, and were dropped, since the last call. */
uint64_t chat__cache_damage(chat__cache *cache);

/* Whose it is; empty until known. CHAT_ERR_ARG: it is somebody else's. */
chat_view chat__cache_user(const chat__cache *cache);
chat_status chat__cache_set_user(chat__cache *cache, chat_view user);
uint64_t chat__cache_family(const chat__cache *cache);

/* --- messages that wait --- */

typedef struct chat__cache_message {
    chat_frame frame;   /* `send`; of a sent one only `cid`, `chat`, `body` and `re` */
    uint64_t number;    /* place in the outbox */
    uint64_t id, seq;   /* of a sent one, else 0 */
    chat_status status; /* why it failed; CHAT_OK: it waits, or was sent */
    int is_damaged; /* it waits and cannot be read: CHAT_ERR_CORRUPT, and of `frame` only `cid` */
} chat__cache_message;

/* Behind the others. CHAT_OK; CHAT_ERR_EXISTS, and nothing is changed. */
chat_status chat__cache_put_message(chat__cache *cache, const chat_frame *send);
/* The first with a larger number; by its cid, the sent ones too. Borrowed until the next call.
   CHAT_OK, CHAT_EMPTY. */
chat_status chat__cache_next_message(chat__cache *cache, uint64_t after, chat__cache_message *out);
chat_status chat__cache_find_message(chat__cache *cache, chat_view cid, chat__cache_message *out);
/* `sent` came: it is one of the chat's records from here on. */
chat_status chat__cache_sent(chat__cache *cache, const chat_frame *sent);
chat_status chat__cache_failed(chat__cache *cache, chat_view cid, chat_status why);
/* A failed one waits again, behind the others; or is forgotten. CHAT_OK, CHAT_EMPTY: none. */
chat_status chat__cache_revive(chat__cache *cache, chat_view cid);
chat_status chat__cache_drop(chat__cache *cache, chat_view cid);
/* How many there are, and the memory that they may take. */
chat_status chat__cache_measure(chat__cache *cache, uint64_t *out_count, uint64_t *out_bytes);

/* --- what was received --- */

/* A new connection: what is newest in each chat is not known any more, until `is_current` is said:
   nothing was missed while there was none. */
void chat__cache_begin_connection(chat__cache *cache);
void chat__cache_set_current(chat__cache *cache);

/* A record of the stream, or of a gap that is filled, in order. */
chat_status chat__cache_put_record(chat__cache *cache, const chat_frame *record);
/* A row of a page that was asked for; then the page as a whole. */
typedef struct chat__cache_page {
    chat_view chat;
    const chat_frame *asked;      /* `history` */
    uint64_t first_seq, last_seq; /* of its rows, as they came */
    int has_more;
} chat__cache_page;
chat_status chat__cache_put_row(chat__cache *cache, const chat_frame *row);
chat_status chat__cache_end_page(chat__cache *cache, const chat__cache_page *page);

/* A `marker`, a `setting`, a row of `chats`; how far the user has read a chat, how long it is
 * muted.
 */
chat_status chat__cache_put_chat(chat__cache *cache, const chat_frame *row);
chat_status chat__cache_put_read(chat__cache *cache, chat_view chat, uint64_t seq);
chat_status chat__cache_put_until(chat__cache *cache, chat_view chat, uint64_t until);
/* The rows since the last call were all of the user's chats. */
chat_status chat__cache_end_chats(chat__cache *cache);

/* --- reading it --- */

typedef struct chat__cache_query {
    chat_view chat;
    uint32_t direction; /* chat_history_direction */
    uint32_t limit;
    uint64_t seq;
} chat__cache_query;

/* Whether the page is here as a server would give it; `is_online`: over this connection. */
int chat__cache_covers(chat__cache *cache, const chat__cache_query *query, int is_online);
/* The next row behind `seq` in the direction of the query. Borrowed until the next call. CHAT_OK,
   CHAT_EMPTY. */
chat_status chat__cache_next_row(chat__cache *cache, const chat__cache_query *query,
                                 chat_frame *out);
/* Whether there is more behind `seq`, here or with the server. */
int chat__cache_has_more(chat__cache *cache, const chat__cache_query *query);
/* A place in the list of chats, the newest first. Zeroed: in front of all. */
typedef struct chat__cache_place {
    uint64_t last_seq, n; /* of the chat before it */
} chat__cache_place;
/* The chat behind a place, which moves behind it. Borrowed until the next call. CHAT_OK,
   CHAT_EMPTY. */
chat_status chat__cache_next_chat(chat__cache *cache, chat__cache_place *place, chat_frame *out);

#endif
