/* SPDX-License-Identifier: MIT */
/* A way through all who are watched, for the rooms of the core. */
#ifndef CHAT_PRESENCE_WATCHED_H
#define CHAT_PRESENCE_WATCHED_H

#include <chat/presence.h>

/* The next user whom somebody watches; `*cursor` is 0 at first. Nothing but chat_presence_tell()
   may be called in between. CHAT_OK, CHAT_EMPTY. */
chat_status chat__presence_next_watched(const chat_presence *presence, size_t *cursor,
                                        chat_view *out);

#endif
