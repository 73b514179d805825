/* SPDX-License-Identifier: MIT */
/*
 * The newest records of chats in what servers share in memory (commons.h), for pages of them: who
 * has them at hand asks the store for the head of the chat alone. The store decides whether they
 * are what it has (`read_recent` of <chat/backend/store.h>), so what is lost, late or missing there
 * costs time and nothing else. Nothing waits for them to be put there.
 */
#ifndef CHAT_SERVER_RECENT_H
#define CHAT_SERVER_RECENT_H

#include "internal.h"

#include <chat/backend/store.h>

/* Records of a chat that are kept there, and so the longest page is one less. */
#define CHAT__RECENT_COUNT 64u

/* A question for them, and its answer. */
typedef struct chat__recent_ask chat__recent_ask;

/* @thread those of the appender. The store has these records. What there is no room for is not
   kept. */
void chat__recent_keep(chat_server *server, const chat_store_record *records, size_t n);

/* @thread askers. What is kept of the chat that `effect` reads, for a short time. NULL: this is no
   question for them, or nobody answered; else the rows are in `out` until it is released. */
chat__recent_ask *chat__recent_get(chat_server *server, const chat__effect *effect,
                                   chat_store_recent *out);
/* Whether the page came from them. */
void chat__recent_count(chat_server *server, int is_used);

/* @thread any. NULL does nothing. */
void chat__recent_release(chat__recent_ask *ask);

#endif
