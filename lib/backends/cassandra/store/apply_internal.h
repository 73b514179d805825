/* SPDX-License-Identifier: MIT */
/* Some records while they are applied: places are found in apply.c, rows written in rows.c, deleted
   bodies taken away in erase.c. */
#ifndef CHAT_CASSANDRA_STORE_APPLY_INTERNAL_H
#define CHAT_CASSANDRA_STORE_APPLY_INTERNAL_H

#include "backends/cassandra/store/apply.h"
#include "backends/cassandra/store/places.h"
#include "views/facts.h"

#define CHAT__CSTORE_NONE UINT32_MAX

/* The head of a chat, as it is stored and as it becomes. */
typedef struct chat__cstore_moving {
    chat_view chat;
    uint32_t partition;
    uint32_t item;        /* that asks for it; NONE: it is remembered */
    uint32_t first, last; /* records of it */
    uint64_t seq, ordinal, new_seq, new_ordinal;
    uint64_t noted_seq; /* of the first note; 0: none */
    int has_notes;
} chat__cstore_moving;

/* The place of a record. */
typedef struct chat__cstore_placed {
    uint64_t prev, ordinal;
    uint32_t head; /* of its chat */
    uint32_t next; /* of the same chat, NONE: there is none */
    uint32_t item; /* that asks for it; NONE: it is behind the head */
    int is_stored; /* its row is there */
} chat__cstore_placed;

typedef struct chat__cstore_applying {
    chat__cstore_writer *writer;
    chat_store_record *records;
    uint32_t n, n_heads;
    chat__cstore_placed *places;
    chat__cstore_moving *heads;
    chat__cstore_cache by_chat; /* number 0: of the head, and 1 */
    chat__cstore_cache reads;   /* by user and chat, see rows.c; tagged with the partition */
    chat_decoder *decoder;
    chat__facts *facts; /* of the record that is looked at */
    chat__cstore_call call;
} chat__cstore_applying;

/* Numbers of an entry of reads. */
enum { CHAT__CSTORE_READ_SEQ = 0, CHAT__CSTORE_READ_ITEM = 1 /* that asks for it, and 1 */ };

/* The facts of record `i`, whose place is known, into `facts`. What cannot be read means nothing.
   CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__cstore_facts_of(chat__cstore_applying *a, uint32_t i);

/* A row of `messages`. */
typedef struct chat__cstore_message {
    chat_view chat;
    uint64_t seq, id, prev, ordinal;
    uint32_t kind;
    chat_view payload;
} chat__cstore_message;

/* Values of PUT_MESSAGE. */
void chat__cstore_message_values(chat__cstore_call *call, const chat__cstore_message *message,
                                 uint64_t timestamp);

/* rows.c: ask how far users have read before; then the two rounds of writing. */
chat_status chat__cstore_ask_reads(chat__cstore_applying *a);
void chat__cstore_take_reads(chat__cstore_applying *a);
chat_status chat__cstore_write_rows(chat__cstore_applying *a);
chat_status chat__cstore_write_heads(chat__cstore_applying *a);

/* erase.c */
chat_status chat__cstore_erase(chat__cstore_applying *a);

#endif
