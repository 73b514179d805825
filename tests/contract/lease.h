/* SPDX-License-Identifier: MIT */
/*
 * What <chat/backend/lease.h> promises, as tests that every lease passes: in memory and in virtual
 * time, or against a real server. A world has one store and several holders.
 */
#ifndef CHAT_TESTS_CONTRACT_LEASE_H
#define CHAT_TESTS_CONTRACT_LEASE_H

#include "unit.h"

#include <chat/backend/lease.h>
#include <chat/id.h>

#define LEASE_HOLDERS 3u
#define LEASE_COUNT   2u /* numbers that a holder asks for */

typedef struct lease_world {
    void *ctx;
    uint64_t ttl_ms; /* behind it the numbers of a dead holder are others' */
    /* CHAT_ERR_IN_USE: there can be only one, and there is. */
    chat_status (*make)(void *ctx, unsigned which, chat_lease *out);
    /* As kill -9. */
    void (*kill)(void *ctx, unsigned which);
    chat_lease_time (*now)(void *ctx);
    /* Until `lease` has something to do, at most `ms`; NULL: for so long. */
    void (*wait)(void *ctx, const chat_lease *lease, uint64_t ms);
} lease_world;

void lease_gives_numbers_and_renews_them(const lease_world *world);
void lease_never_gives_a_number_twice(const lease_world *world);
void lease_gives_back(const lease_world *world);
void lease_of_the_dead_ends(const lease_world *world);
void lease_of_the_hung_gives_no_ids(const lease_world *world);

#define LEASE_CONTRACT(X)                                                                          \
    X(lease_gives_numbers_and_renews_them)                                                         \
    X(lease_never_gives_a_number_twice)                                                            \
    X(lease_gives_back)                                                                            \
    X(lease_of_the_dead_ends)                                                                      \
    X(lease_of_the_hung_gives_no_ids)

#endif
