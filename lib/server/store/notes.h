/* SPDX-License-Identifier: MIT */
/* What was done to messages afterwards: how a page of history shows them as they are now. */
#ifndef CHAT_STORE_NOTES_H
#define CHAT_STORE_NOTES_H

#include "store/internal.h"

/* Of a row of type CHAT__ROW_NOTE: the message's seq, and what was done. */
uint64_t chat__state_note_re(const chat__state_row *row);
chat__note_what chat__state_note_what(const chat__state_row *row);

typedef struct chat__notes {
    chat__store *store;
    chat_view chat;
    chat__record newest; /* of the chat */
    chat__chain chain;
    chat__buf bytes;
    chat_decoder *decoder;
    int has_any;
} chat__notes;

/* CHAT_OK, CHAT_ERR_IO, CHAT_ERR_NOMEM; end it in any case. */
chat_status chat__notes_begin(chat__notes *notes, chat__store *store, chat_view chat,
                              const chat__record *newest);
/* Makes of `*payload`, a message's, the message as it is now, and takes from an edit what it says
   when its message was deleted; borrowed until the next call.
   CHAT_OK, CHAT_ERR_IO, CHAT_ERR_NOMEM. */
chat_status chat__notes_apply(chat__notes *notes, const chat__record *record, chat_view *payload);
/* `seq` of the newest edit of a message, 0: none. CHAT_OK, CHAT_ERR_IO. */
chat_status chat__notes_edit_of(chat__notes *notes, uint64_t re_seq, uint64_t *out_seq);
void chat__notes_end(chat__notes *notes);

/* erase.c: take from the log what the deleted messages said that are about to be written to SQLite.
   Under the flush lock. CHAT_OK: it is gone, durably; else it is to be done again. */
chat_status chat__store_erase(chat__store *store);

#endif
