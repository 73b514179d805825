/* SPDX-License-Identifier: MIT */
/* Who is in a chat, and what a user may read of it: both follow from the events of memberships. */
#ifndef CHAT_VIEWS_MEMBERS_H
#define CHAT_VIEWS_MEMBERS_H

#include "base/role.h"

/* What the record `seq` made of a user in a chat: a chat__role, and CHAT__MEMBER_EVENT_FIRST in the
   first record of the chat. The last one says what holds; all of them, what may be read. */
typedef struct chat__member_event {
    chat_view name; /* of the user; of the chat where events are those of a user */
    uint64_t seq;
    uint8_t value;
} chat__member_event;

#define CHAT__MEMBER_EVENT_FIRST 8u

static inline chat__role chat__member_event_role(uint64_t value)
{
    return (chat__role)(value & 3u);
}

/* For qsort(): by name, then by seq. */
int chat__member_event_compare(const void *left, const void *right);

/* From events in that order, of which some may be there twice: how many at the front have the name
   of the first. 0 of none. */
size_t chat__member_events_of_first(const chat__member_event *events, size_t n);

typedef struct chat__member {
    chat_view user;
    uint64_t since; /* seq of the record that made them a member */
    chat__role role;
} chat__member;

/* From the events of all users of a chat in that order: who is a member. `out` has room for `n`. */
size_t chat__members_of(const chat__member_event *events, size_t n, chat__member *out);

/* A user reads records of these `seq`s, both included. */
typedef struct chat__range {
    uint64_t first, last;
} chat__range;

/* From one user's events of a group in that order: what he may read, oldest first: from the
   beginning until a record ends the membership (with that record), and again from the one that
   begins the next. `out` has room for `n`. 0: never was a member. */
size_t chat__ranges_of(const chat__member_event *events, size_t n, chat__range *out);
int chat__ranges_have(const chat__range *ranges, size_t n, uint64_t seq);

/* The first and the last of one user's events of a chat. Zeros: none yet. */
typedef struct chat__membership {
    uint64_t first_seq, last_seq;
    uint8_t first_value, last_value;
} chat__membership;

/* In any order. */
void chat__membership_take(chat__membership *membership, uint64_t seq, uint64_t value);

static inline int chat__membership_is_past(const chat__membership *membership)
{
    return chat__member_event_role(membership->last_value) == CHAT__ROLE_NONE;
}

/* A device gets what came since its user is a member: where it stands at least. 0 when that was
   the first record of the chat. */
uint64_t chat__membership_cursor(const chat__membership *membership, uint64_t cursor);

/* The newest that the user may read of a chat whose newest record is `head_seq`. */
uint64_t chat__membership_last_seq(const chat__membership *membership, uint64_t head_seq);

#endif
