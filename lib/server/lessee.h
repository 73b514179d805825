/* SPDX-License-Identifier: MIT */
/*
 * The node numbers of the shards: taken from a lease by the control thread, which waits for it
 * beside everything else, and handed to the shards. A shard looks at its end with each id, so it
 * stops by itself when the control thread cannot tell it to.
 */
#ifndef CHAT_SERVER_LESSEE_H
#define CHAT_SERVER_LESSEE_H

#include "internal.h"

/* All: @thread control. */

/* Choose where numbers come from. CHAT_OK; CHAT_ERR_ARG, told to the log; CHAT_ERR_NOMEM. */
chat_status chat__lessee_init(chat_server *server);
void chat__lessee_done(chat_server *server);
/* Before the shards start. CHAT_OK; else told to the log. */
chat_status chat__lessee_start(chat_server *server);
/* Behind the shards' end: give the numbers back. */
void chat__lessee_stop(chat_server *server);

/* What to wait for: -1 and UINT64_MAX when there is nothing. */
int chat__lessee_fd(const chat_server *server);
uint64_t chat__lessee_deadline(const chat_server *server);
/* Do what is due. */
void chat__lessee_turn(chat_server *server, uint64_t mono_ms);

/* @thread the shard's own: take over what the control thread has set. */
void chat__lessee_follow(chat__shard *shard);

/* own_numbers.c: a server that makes ids alone has all numbers, for as long as it has the lock of
   its data directory. `ctx` is in the caller's memory, zeroed. */
struct chat__own_numbers {
    int is_alone; /* its data directory is locked, or its slots are its own */
    uint32_t n_numbers;
    uint32_t event; /* that is not told yet, 0: none */
    uint32_t numbers[CHAT_LEASE_MAX_NUMBERS];
};

void chat__own_numbers_table(chat__own_numbers *own, chat_lease *out);

#endif
