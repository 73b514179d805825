/* SPDX-License-Identifier: MIT */
/*
 * When a user is told, on the way around this server, that messages wait: he is away while none of
 * his devices has said hello. Told are those of his devices that lack the message: storage is asked
 * which these are, and whether he has muted the chat. The first messages are told one by one, what
 * comes behind together, once in an interval. Each message is told at most once; who comes back
 * starts anew.
 *
 * The table is bounded and in memory: who was away for the longest is forgotten first, and his next
 * message counts as the first again. So it is after a crash.
 */
#ifndef CHAT_NODE_NOTIFY_H
#define CHAT_NODE_NOTIFY_H

#include "node/internal.h"

#define CHAT__NOTIFY_SINGLES 10u /* undelivered messages that are told one by one */
#define CHAT__NOTIFY_NAMES   3u  /* authors who are named */

/* Messages that a user has not got: one, or `count` of which this is the newest. */
typedef struct chat__missed {
    chat_view chat;
    chat_view from; /* empty: not known */
    uint64_t id, seq;
    uint32_t count;
} chat__missed;

chat_status chat__notify_init(chat__node *node);
/* Nothing is told from then on. */
void chat__notify_done(chat__node *node);
/* Whether the user has no other device here than `but` (may be NULL). */
int chat__notify_is_away(const chat__user *user, const chat__node_conn *but);
void chat__notify_missed(chat__node *node, chat_view user, const chat__missed *missed);
/* Storage says which devices of the user lack the message; `found` is not read unless CHAT_OK. */
void chat__notify_found(chat__node *node, const chat__op *op, chat_status status,
                        const chat__node_away *found);
/* What is known of the user's mutes holds no longer. */
void chat__notify_settings_changed(chat__node *node, chat_view user);
/* The user is back, on this device. */
void chat__notify_arrive(chat__node *node, const chat__node_conn *conn);
void chat__notify_do_due(chat__node *node);
uint64_t chat__notify_deadline(const chat__node *node);

#endif
