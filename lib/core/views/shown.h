/* SPDX-License-Identifier: MIT */
/* A message as it is now: what was done to it afterwards is in records of its own. And which
   records count as unread. */
#ifndef CHAT_VIEWS_SHOWN_H
#define CHAT_VIEWS_SHOWN_H

#include "base/buf.h"
#include "views/facts.h"

/* Largest frame of a decoder that is used here: a record of 1 MiB with what was done to it. */
#define CHAT__SHOWN_DECODER_MAX (2u << 20)

/* --- a page --- */

/*
 * A `msg` record as it is now. `edit`: what its newest edit says (a `note` record), NULL: there is
 * none; a deleted message has no content and says so. What cannot be read costs itself alone: then
 * `*payload` stays as it is. It borrows from `bytes` otherwise. CHAT_OK, CHAT_ERR_NOMEM.
 */
chat_status chat__shown_message(chat_decoder *decoder, chat__buf *bytes, const chat_view *edit,
                                int is_deleted, chat_view *payload);

/* Whether a `note` record says what a message is to say: then `*out_re_seq` is that message. */
int chat__shown_is_edit(chat_decoder *decoder, chat_view payload, uint64_t *out_re_seq);

/* Such a record once its message was deleted: without content. As chat__shown_message(). */
chat_status chat__shown_empty_edit(chat_decoder *decoder, chat__buf *bytes, chat_view *payload);

/* Whether a record, as it is shown, counts as unread for `user`: a message of somebody else. */
int chat__shown_is_unread(chat_decoder *decoder, uint32_t kind, chat_view payload, chat_view user);

/* --- reactions --- */

/* Users whose reactions to one message are told. */
#define CHAT__REACTIONS_MAX 512u

typedef struct chat__reaction {
    uint64_t seq;     /* of the newest, 0: none */
    uint64_t end_seq; /* when one was taken back last, 0: never */
    uint8_t user_len;
    uint8_t user[CHAT_ID_MAX_BYTES];
} chat__reaction;

typedef struct chat__reactions {
    chat__reaction *items; /* room for CHAT__REACTIONS_MAX; those that count and others */
    size_t n_items;
    int is_deleted; /* the message: none count */
} chat__reactions;

/* A note of the message, in any order and more than once. Other notes than reactions may come. */
void chat__reactions_take(chat__reactions *all, chat__note_what what, chat_view user, uint64_t seq);

/* Whether the user's newest reaction counts. */
int chat__reactions_count(const chat__reactions *all, const chat__reaction *item);

#endif
