/* SPDX-License-Identifier: MIT */
/*
 * Between the machine, the connection and the file: what is written when, and what is answered from
 * the file. Without a file (no `store_file`) each function does nothing. keep_none.c stands in for
 * a build without SQLite.
 */
#ifndef CHAT_CLIENT_KEEP_H
#define CHAT_CLIENT_KEEP_H

#include "handle.h"

#include <chat/client_store.h>

/* Open the file and let it shape the machine's options; then, with the machine there, put into it
   what waits. */
chat_status chat__keep_open(chat_client *client, const chat_client_options *options,
                            chat__client_options *core);
chat_status chat__keep_restore(chat_client *client);
void chat__keep_close(chat_client *client);

/* The message that the machine took last is on disk when this returns CHAT_OK, else the machine has
   it no more. */
chat_status chat__keep_said(chat_client *client);

/* A message of the server was taken. CHAT_ERR_AUTH: the file is another user's, this connection
   must not go on. */
chat_status chat__keep_heard(chat_client *client);
/* An event is about to be read by the application. */
void chat__keep_event(chat_client *client, const chat_event *event);

/* Before anything is written, acknowledgements first of all. 0: what came could not be kept; the
   connection is to be given up for `*out_status`. */
int chat__keep_commit(chat_client *client, chat_status *out_status);

/* After each use of the file: damage is dealt with at once. */
void chat__keep_check(chat_client *client, chat_status status);

/* What an earlier run said, into the machine. As chat__client_say(). */
chat_status chat__keep_say_again(chat_client *client, const chat_frame *send);

/* outbox.c: what an item says, with memory of its own. */
chat_status chat__client_show_frame(chat_client *client, const chat_frame *frame,
                                    chat_outbox_item *out);

/* The outbox as the file has it. CHAT_OK, CHAT_EMPTY. */
chat_status chat__keep_next(chat_client *client, uint64_t after, chat_outbox_item *out);
chat_status chat__keep_find(chat_client *client, chat_view cid, chat_outbox_item *out);
chat_status chat__keep_retry(chat_client *client, chat_view cid);
chat_status chat__keep_drop(chat_client *client, chat_view cid);

/* Take a request that the file can answer. CHAT_OK; CHAT_EMPTY: ask the server; CHAT_ERR_BUSY,
   CHAT_ERR_NOMEM. */
chat_status chat__keep_ask(chat_client *client, const chat_frame *request, uint32_t source,
                           uint64_t *out_r);
/* The next event that is the file's. CHAT_OK, CHAT_EMPTY. */
chat_status chat__keep_next_event(chat_client *client, const chat_event **out);
int chat__keep_has_event(const chat_client *client);
/* Answers that were not read yet are given up. */
void chat__keep_forget(chat_client *client);
/* The id of the direct chat with a user; 0: it is not known yet who we are. */
int chat__keep_direct(const chat_client *client, chat_view to, chat_direct_name *out);

#endif
