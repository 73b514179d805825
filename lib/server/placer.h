/* SPDX-License-Identifier: MIT */
/*
 * Which slots run here, when a directory (<chat/backend/places.h>) says who has which: the control
 * thread claims and gives up what the plan (plan.h) says, has shards start what is claimed, and
 * stop what is to be given up or was lost.
 */
#ifndef CHAT_SERVER_PLACER_H
#define CHAT_SERVER_PLACER_H

#include "internal.h"

/* @thread control, all of it. Without chat_server_options.places they do nothing. */
/* Before the cluster. CHAT_OK; CHAT_ERR_ARG, told to the log; CHAT_ERR_NOMEM. */
/* Whether the options ask for places that move. */
int chat__placer_is_wanted(const chat_server *server);
chat_status chat__placer_init(chat_server *server);
void chat__placer_done(chat_server *server);
/* With the shards' threads running. CHAT_OK; else told to the log. */
chat_status chat__placer_start(chat_server *server);
/* Behind the shards' end. */
void chat__placer_stop(chat_server *server);

/* What to wait for: -1 and UINT64_MAX when there is nothing. */
int chat__placer_fd(const chat_server *server);
uint64_t chat__placer_deadline(const chat_server *server);
/* Do what is due. */
void chat__placer_turn(chat_server *server, uint64_t mono_ms);
/* No more slots, and others are to know. */
void chat__placer_leave(chat_server *server);

#endif
