/* SPDX-License-Identifier: MIT */
/*
 * Records of the shards into a log that the members of a cluster share (<chat/backend/log.h>), and
 * out of it into their store (<chat/backend/store.h>). A record is answered when it was read back
 * and the store has it: its place in the log is known then, and whoever is told of it finds it.
 *
 * Who owns a partition fences it first, with a term higher than all before, and reads up to its own
 * fence: then nothing is there that it does not know, and nobody else can add to it. Whoever comes
 * later does the same: then the slot is lost here. When it is not known what became of an append
 * this server ends, and clients send again what was not answered.
 *
 * The log may get more partitions while servers run (each knows as many as there were when it
 * opened the log). Chats change their partition then, but not their slot: so who takes the slot
 * over reads the old one to its end before he writes to the new one. The term of a fence says how
 * many its writer knew, and who knows fewer does not take the slot over.
 *
 * One thread calls the log and never waits for the store; some call the store, each for its part
 * of the partitions.
 */
#ifndef CHAT_SERVER_APPENDER_H
#define CHAT_SERVER_APPENDER_H

#include "internal.h"

#include <chat/backend/log.h>
#include <chat/backend/store.h>

typedef struct chat__appender chat__appender;

/* @thread log, both; they may not call the appender. */
typedef struct chat__appender_hooks {
    void *ctx;
    /* The slot's partitions are taken over, the store has all that is in them, and the highest seq
       of them is `max_seq`: records are taken from now on. */
    void (*opened)(void *ctx, uint32_t slot, uint64_t max_seq);
    /* They are left: once for each chat__appender_close(). */
    void (*closed)(void *ctx, uint32_t slot);
    /* Another server has taken one of them over: records of the slot are refused. */
    void (*lost)(void *ctx, uint32_t slot);
    /* They cannot be taken over: the log has another number of partitions than this server knows.
       The log sink was told what to do. NULL: the server ends. */
    void (*refused)(void *ctx, uint32_t slot);
} chat__appender_hooks;

/* Of all partitions. */
typedef struct chat__appender_figures {
    uint64_t n_appended, n_read, n_applied, n_retries;
    uint64_t waiting_bytes; /* read and not applied */
} chat__appender_figures;

/* CHAT_OK; CHAT_ERR_ARG: the log has not as many partitions as the options say, told to the log
   sink; CHAT_ERR_NOMEM. */
chat_status chat__appender_new(chat_server *server, const chat_log *log, const chat_store *store,
                               const chat__appender_hooks *hooks, chat__appender **out);
void chat__appender_free(chat__appender *appender);

/* @thread control. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__appender_start(chat__appender *appender);
/*
 * @thread control. Wait until all slots that were opened are: `*out_max_id` is the highest seq in
 * them. Says every few seconds what it waits for. CHAT_OK; CHAT_ERR_TIMEOUT after `timeout_ms`;
 * what made it end.
 */
chat_status chat__appender_wait(chat__appender *appender, uint32_t timeout_ms,
                                uint64_t *out_max_id);
/* @thread control. Ends with what is applied; what was not answered never is. */
void chat__appender_stop(chat__appender *appender);

/* @thread any. Take over the partitions of a slot, or leave them: what was not answered of it is
   answered with CHAT_ERR_STATE or not at all. */
void chat__appender_open(chat__appender *appender, uint32_t slot);
void chat__appender_close(chat__appender *appender, uint32_t slot);

/* @thread shards. Takes the batch; it comes back by mail, in the order of each shard's batches. */
void chat__appender_put(chat__appender *appender, chat__batch *batch);

/* @thread any */
void chat__appender_figures_get(chat__appender *appender, chat__appender_figures *out);

#endif
