/* SPDX-License-Identifier: MIT */
/*
 * What <chat/backend/shared.h> promises, as tests that everything that is shared passes: in memory
 * and in virtual time, or on real servers.
 */
#ifndef CHAT_TESTS_CONTRACT_SHARED_H
#define CHAT_TESTS_CONTRACT_SHARED_H

#include "unit.h"

#include <chat/backend/shared.h>

/* How a world is set up. */
#define SHARED_PRESENCE_TTL_S 1u
#define SHARED_QUEUE_LIMIT    5u
#define SHARED_RECENT_COUNT   3u

typedef struct shared_world {
    void *ctx;
    const chat_shared *shared;
    const char *prefix; /* of all names, so that runs do not meet */
    uint64_t (*now_ms)(void *ctx);
    /* Until there is something to do, at most `ms`. */
    void (*wait)(void *ctx, uint64_t ms);
} shared_world;

/* What a test sees of an answer. */
typedef struct shared_answer {
    chat_status status;
    uint64_t number;
    size_t n_items;
    uint64_t numbers[CHAT_SHARED_MAX_USERS];
    char text[1024]; /* "name=value " for each */
} shared_answer;

/* Ask and wait for the answer. */
void shared_ask(const shared_world *world, const chat_shared_ask *ask, shared_answer *out);
/* An ask about `owner`, to be filled in. */
chat_shared_ask shared_about(const shared_world *world, chat_shared_op op, const char *owner);

void shared_presence_begins_and_ends(const shared_world *world);
void shared_last_device_takes_presence_with_it(const shared_world *world);
void shared_old_node_takes_nothing(const shared_world *world);
void shared_presence_ends_by_itself(const shared_world *world);
void shared_many_are_asked_at_once(const shared_world *world);
void shared_queue_is_read_by_each_device(const shared_world *world);
void shared_queue_tells_what_was_lost(const shared_world *world);
void shared_queue_forgets_a_device(const shared_world *world);
void shared_id_is_reserved_once(const shared_world *world);
void shared_rate_is_held(const shared_world *world);
void shared_newest_records_are_kept(const shared_world *world);
void shared_records_that_are_cut_stay_away(const shared_world *world);
void shared_names_and_values_may_be_anything(const shared_world *world);
void shared_wrong_asks_are_refused(const shared_world *world);

#define SHARED_CONTRACT(X)                                                                         \
    X(shared_presence_begins_and_ends)                                                             \
    X(shared_last_device_takes_presence_with_it)                                                   \
    X(shared_old_node_takes_nothing)                                                               \
    X(shared_presence_ends_by_itself)                                                              \
    X(shared_many_are_asked_at_once)                                                               \
    X(shared_queue_is_read_by_each_device)                                                         \
    X(shared_queue_tells_what_was_lost)                                                            \
    X(shared_queue_forgets_a_device)                                                               \
    X(shared_id_is_reserved_once)                                                                  \
    X(shared_rate_is_held)                                                                         \
    X(shared_newest_records_are_kept)                                                              \
    X(shared_records_that_are_cut_stay_away)                                                       \
    X(shared_names_and_values_may_be_anything)                                                     \
    X(shared_wrong_asks_are_refused)

#endif
