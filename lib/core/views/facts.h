/* SPDX-License-Identifier: MIT */
/* What a record of a chat says besides that it is there: who is a member from here on, and at most
   one thing more. The same for every store, now and when the log is read again. */
#ifndef CHAT_VIEWS_FACTS_H
#define CHAT_VIEWS_FACTS_H

#include <chat/frame.h>

#include "base/role.h"

/* Users that one record is about: those of its list, its author, who inherits. */
#define CHAT__FACTS_USERS_MAX (CHAT_GROUP_MAX_MEMBERS + 2u)

typedef enum chat__fact {
    CHAT__FACT_NONE,
    CHAT__FACT_GROUP, /* title, created_ms, is_open */
    CHAT__FACT_TITLE, /* title; the rest is as an earlier record says */
    CHAT__FACT_READ,  /* `user` has read the chat `of` up to read_seq, since at_ms */
    CHAT__FACT_MUTE,  /* `user` has muted the chat `of` until until_ms */
    CHAT__FACT_BLOCK, /* `user` has blocked `of`, a user, or no longer */
    CHAT__FACT_NOTE   /* `user` has done `note` to the message re_seq */
} chat__fact;

/* What was done to a message. The numbers are on disk. */
typedef enum chat__note_what {
    CHAT__NOTE_NONE,
    CHAT__NOTE_EDIT,
    CHAT__NOTE_DELETE,
    CHAT__NOTE_REACT,
    CHAT__NOTE_UNREACT
} chat__note_what;

typedef struct chat__facts_record {
    uint32_t kind; /* chat_frame_type */
    int is_first;  /* record of its chat */
    uint64_t id;
    chat_view chat;
} chat__facts_record;

/* Borrowed from the record, its payload and the decoder. */
typedef struct chat__facts {
    size_t n_users;
    chat__fact what;
    chat__note_what note;
    chat_view title;
    chat_view user;
    chat_view of;
    uint64_t created_ms;
    uint64_t read_seq;
    uint64_t at_ms;
    uint64_t until_ms;
    uint64_t re_seq;
    int is_open;
    int is_blocked;
    /* Large, and of most records nothing is in them: only n_users of each are written. */
    chat_view users[CHAT__FACTS_USERS_MAX]; /* each once */
    uint8_t values[CHAT__FACTS_USERS_MAX];  /* what it makes of them; see chat__member_event */
} chat__facts;

/*
 * Everything that a record says. CHAT_OK; a kind that says nothing here, or is of a newer version,
 * has no facts, but the first record of a direct chat or self stream makes its users members.
 * CHAT_ERR_ARG: the payload is none of that kind, or is in a chat where it means nothing; `*out`
 * is what it is without. CHAT_ERR_NOMEM.
 */
chat_status chat__facts_read(chat_decoder *decoder, const chat__facts_record *record,
                             chat_view payload, chat__facts *out);

#endif
