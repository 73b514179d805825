/* SPDX-License-Identifier: MIT */
/*
 * What a server stores in: its data directory (store/store.h, written by commit.c), or a log and a
 * store that servers share (appender.h, askers.h).
 */
#ifndef CHAT_SERVER_STORAGE_H
#define CHAT_SERVER_STORAGE_H

#include "internal.h"

/* All: @thread control. What is wrong goes to the log. */
chat_status chat__storage_open(chat_server *server);
/* Before the shards are made: the highest id is known then. */
chat_status chat__storage_start(chat_server *server);
/* When the shards have ended, or never began. */
void chat__storage_stop(chat_server *server);
void chat__storage_close(chat_server *server);

#endif
