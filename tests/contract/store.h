/* SPDX-License-Identifier: MIT */
/*
 * What <chat/backend/store.h> promises, as tests that every store passes: the embedded one, and
 * those on real servers.
 */
#ifndef CHAT_TESTS_CONTRACT_STORE_H
#define CHAT_TESTS_CONTRACT_STORE_H

#include "tale.h"

/* Rules of both stores of a world: `rules` is to be given to set_rules(). */
#define STORE_MAX_DEVICES   3u
#define STORE_OFFLINE_LIMIT 8u
#define STORE_OFFLINE_DAYS  7u
#define STORE_DEVICE_DAYS   30u

typedef struct store_world {
    const chat_store *store;
    const chat_store *model; /* another that is known to be right; empty, or told the same */
    const char *prefix;      /* of all names, so that runs do not meet; 16 bytes at most */
    uint32_t n_histories;    /* random ones; 0: a few */
    uint64_t seed;
} store_world;

chat_store_rules store_rules(void);

void store_says_what_came_before(const store_world *world);
void store_takes_a_record_twice(const store_world *world);
void store_keeps_what_it_cannot_read(const store_world *world);
void store_knows_a_group(const store_world *world);
void store_gives_pages_in_both_directions(const store_world *world);
void store_gives_pages_by_bytes(const store_world *world);
void store_cuts_a_page_to_the_memberships(const store_world *world);
void store_shows_messages_as_they_are_now(const store_world *world);
void store_counts_the_newest_reaction_of_each(const store_world *world);
void store_starts_a_new_device_where_the_furthest_is(const store_world *world);
void store_forgets_a_device_for_good(const store_world *world);
void store_has_room_for_so_many_devices(const store_world *world);
void store_cuts_what_is_too_much_or_too_old(const store_world *world);
void store_counts_what_is_unread(const store_world *world);
void store_knows_who_lacks_a_record(const store_world *world);
void store_keeps_the_newest_block(const store_world *world);
void store_knows_since_when(const store_world *world);
void store_answers_as_the_model_does(const store_world *world);

#define STORE_CONTRACT(X)                                                                          \
    X(store_says_what_came_before)                                                                 \
    X(store_takes_a_record_twice)                                                                  \
    X(store_keeps_what_it_cannot_read)                                                             \
    X(store_knows_a_group)                                                                         \
    X(store_gives_pages_in_both_directions)                                                        \
    X(store_gives_pages_by_bytes)                                                                  \
    X(store_cuts_a_page_to_the_memberships)                                                        \
    X(store_shows_messages_as_they_are_now)                                                        \
    X(store_counts_the_newest_reaction_of_each)                                                    \
    X(store_starts_a_new_device_where_the_furthest_is)                                             \
    X(store_forgets_a_device_for_good)                                                             \
    X(store_has_room_for_so_many_devices)                                                          \
    X(store_cuts_what_is_too_much_or_too_old)                                                      \
    X(store_counts_what_is_unread)                                                                 \
    X(store_knows_who_lacks_a_record)                                                              \
    X(store_keeps_the_newest_block)                                                                \
    X(store_knows_since_when)                                                                      \
    X(store_answers_as_the_model_does)

#endif
