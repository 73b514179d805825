/* SPDX-License-Identifier: MIT */
/*
 * What a server makes of its links: it keeps them up and tells who is there. The nodes of members
 * do not talk to each other yet, because each member still has storage of its own; frames that come
 * are passed over.
 */
#ifndef CHAT_SERVER_CLUSTER_H
#define CHAT_SERVER_CLUSTER_H

#include "links.h"

/* @thread control, all but the last. Without link-* options they do nothing. */
chat_status chat__cluster_init(chat_server *server);
chat_status chat__cluster_start(chat_server *server);
void chat__cluster_stop(chat_server *server);
void chat__cluster_done(chat_server *server);

#endif
