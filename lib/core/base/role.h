/* SPDX-License-Identifier: MIT */
/* What a member may do in a group: its numbers in storage and its words in frames. */
#ifndef CHAT_BASE_ROLE_H
#define CHAT_BASE_ROLE_H

#include "base/view.h"

/* Chats with fewer members tell each other who has, and who has read, what; and since when. */
#define CHAT__RECEIPT_MEMBERS 10u

/* In the order of what they may do; the numbers are on disk. */
typedef enum chat__role {
    CHAT__ROLE_NONE = 0,
    CHAT__ROLE_MEMBER = 1,
    CHAT__ROLE_ADMIN = 2,
    CHAT__ROLE_OWNER = 3
} chat__role;

static inline const char *chat__role_text(chat__role role)
{
    return role == CHAT__ROLE_OWNER ? "owner" : role == CHAT__ROLE_ADMIN ? "admin" : "member";
}

/* CHAT__ROLE_NONE: no such word. */
static inline chat__role chat__role_named(chat_view text)
{
    for (int role = CHAT__ROLE_OWNER; role > CHAT__ROLE_NONE; role--) {
        if (chat__view_equal(text, chat__view_str(chat__role_text((chat__role)role))))
            return (chat__role)role;
    }
    return CHAT__ROLE_NONE;
}

#endif
