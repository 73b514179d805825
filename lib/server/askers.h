/* SPDX-License-Identifier: MIT */
/*
 * Threads that ask a store which may block (<chat/backend/store.h>): what a node asks goes to one
 * of them, always the same for a user or a chat, so that it is asked in its order; the answer comes
 * back to the shard by mail. Cursors that wait are written together, before anything that is asked
 * behind them.
 */
#ifndef CHAT_SERVER_ASKERS_H
#define CHAT_SERVER_ASKERS_H

#include "answers.h"

typedef struct chat__askers chat__askers;

/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__askers_new(chat_server *server, const chat_store *store, uint32_t n_threads,
                             chat__askers **out);
/* @thread control. Answers what was asked, as long as shards are there to take it. */
chat_status chat__askers_start(chat__askers *askers);
void chat__askers_stop(chat__askers *askers);
void chat__askers_free(chat__askers *askers);

/* @thread shards. Ask; with too much under way the node is told `busy` at once. */
void chat__askers_put(chat__shard *shard, const chat__effect *effect);
/* @thread shards. An answer that came by mail. */
void chat__askers_take(chat__shard *shard, chat__batch *batch);

#endif
