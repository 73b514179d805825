/* SPDX-License-Identifier: MIT */
/* What a record means for the tables besides being a record: read from its payload. */
#ifndef CHAT_CASSANDRA_STORE_FACTS_H
#define CHAT_CASSANDRA_STORE_FACTS_H

#include <chat/backend/store.h>
#include <chat/frame.h>

/* Users that one record is about: those of its list, its author, who inherits. */
#define CHAT__CSTORE_MAX_USERS (CHAT_GROUP_MAX_MEMBERS + 2u)
/* With a role: of the first record of the chat. */
#define CHAT__CSTORE_IN_FIRST 8u

/* The numbers are in the column `what` of notes. */
typedef enum chat__cstore_did {
    CHAT__CSTORE_DID_NOTHING = 0,
    CHAT__CSTORE_DID_EDIT = 1,
    CHAT__CSTORE_DID_DELETE = 2,
    CHAT__CSTORE_DID_REACT = 3,
    CHAT__CSTORE_DID_UNREACT = 4
} chat__cstore_did;

typedef enum chat__cstore_fact {
    CHAT__CSTORE_NO_FACT = 0,
    CHAT__CSTORE_GROUP,  /* title, is_open, at_ms: when it was made */
    CHAT__CSTORE_TITLE,  /* title */
    CHAT__CSTORE_MARKER, /* user has read `of` up to number, since at_ms */
    CHAT__CSTORE_MUTE,   /* user has muted `of` until number */
    CHAT__CSTORE_BLOCK,  /* user has blocked (number 1) `of`, or no longer (2) */
    CHAT__CSTORE_NOTE    /* user did `did` to the message number */
} chat__cstore_fact;

/* Views are borrowed from the record and the decoder. */
typedef struct chat__cstore_facts {
    chat__cstore_fact fact;
    chat__cstore_did did;
    chat_view title, user, of;
    uint64_t number, at_ms;
    uint8_t is_open;
    size_t n_users; /* of whom it makes something */
    chat_view users[CHAT__CSTORE_MAX_USERS];
    uint8_t values[CHAT__CSTORE_MAX_USERS];
} chat__cstore_facts;

/* CHAT_OK, also for a record that cannot be read or is of a newer version: it means nothing.
   CHAT_ERR_NOMEM. */
chat_status chat__cstore_read_facts(chat_decoder *decoder, const chat_store_record *record,
                                    int is_first, chat__cstore_facts *out);

#endif
