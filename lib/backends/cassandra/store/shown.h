/* SPDX-License-Identifier: MIT */
/* Messages of a page as they are now: their newest edits and deletions are asked for together. */
#ifndef CHAT_CASSANDRA_STORE_SHOWN_H
#define CHAT_CASSANDRA_STORE_SHOWN_H

#include "backends/cassandra/store/read.h"

#include "views/shown.h"

typedef struct chat__cstore_shown_row {
    uint64_t seq;       /* of the message, when it has an edit that is shown */
    uint64_t edit_seq;  /* of the newest edit, 0: none */
    uint32_t edit_item; /* of the call `edits` */
    uint32_t of_item;   /* for an edit: of the call `notes`, what was done to its message; 0: no */
    int is_deleted;
} chat__cstore_shown_row;

typedef struct chat__cstore_shown {
    const chat__cstore_reader *reader;
    chat_view chat;
    uint64_t head_seq; /* what is newer was not done yet */
    chat__cstore_call notes, edits;
    chat__buf rows; /* of chat__cstore_shown_row */
    chat__buf bytes;
    chat_decoder *decoder;
} chat__cstore_shown;

/* End it in any case. */
chat_status chat__cstore_shown_begin(chat__cstore_shown *shown, const chat__cstore_reader *reader,
                                     chat_view chat, uint64_t head_seq);
/* Find what was done to these, which are in the order of their seq, up or down. */
chat_status chat__cstore_shown_load(chat__cstore_shown *shown, const chat_store_row *rows,
                                    size_t n);
/* The payload of the row `i` of them becomes what it is now; borrowed until the next call.
   CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__cstore_shown_apply(chat__cstore_shown *shown, size_t i, chat_store_row *row);
void chat__cstore_shown_end(chat__cstore_shown *shown);

/* `what` is the column of that name. Ask GET_NOTES of messages with a seq in [first, last]. */
uint32_t chat__cstore_ask_notes(chat__cstore_call *call, chat_view chat, chat__note_what what,
                                uint64_t first, uint64_t last);

#endif
