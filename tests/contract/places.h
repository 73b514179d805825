/* SPDX-License-Identifier: MIT */
/*
 * What <chat/backend/places.h> promises, as tests that every directory passes: in memory and in
 * virtual time, or against a real server. A world has one directory and several members.
 */
#ifndef CHAT_TESTS_CONTRACT_PLACES_H
#define CHAT_TESTS_CONTRACT_PLACES_H

#include "unit.h"

#include <chat/backend/places.h>

#define PLACES_MEMBERS 3u
#define PLACES_SLOTS   5u

typedef struct places_world {
    void *ctx;
    uint64_t ttl_ms; /* behind it the slots of a dead member are free */
    chat_status (*make)(void *ctx, unsigned which, chat_places *out);
    /* As kill -9. */
    void (*kill)(void *ctx, unsigned which);
    uint64_t (*now)(void *ctx);
    /* Until one of the first `n` has something to do, at most `ms`. */
    void (*wait)(void *ctx, const chat_places *places, unsigned n, uint64_t ms);
    /* For PLACES_FAULTS, else NULL. */
    /* The directory answers nothing until then, and does what it was asked meanwhile then. */
    void (*stand_still)(void *ctx, uint64_t until_ms);
    /* Somebody else takes away all that a member has. */
    void (*take_away)(void *ctx, unsigned which);
} places_world;

void places_gives_a_slot_to_one(const places_world *world);
void places_shows_all_the_same(const places_world *world);
void places_frees_what_is_given_up(const places_world *world);
void places_frees_what_the_dead_had(const places_world *world);
void places_of_the_hung_are_over_before_others_have_them(const places_world *world);
void places_shows_who_leaves(const places_world *world);
void places_are_given_back_at_the_end(const places_world *world);
void places_are_free_soon_when_the_directory_is_back(const places_world *world);
void places_that_are_taken_away_are_missed_soon(const places_world *world);

#define PLACES_CONTRACT(X)                                                                         \
    X(places_gives_a_slot_to_one)                                                                  \
    X(places_shows_all_the_same)                                                                   \
    X(places_frees_what_is_given_up)                                                               \
    X(places_frees_what_the_dead_had)                                                              \
    X(places_of_the_hung_are_over_before_others_have_them)                                         \
    X(places_shows_who_leaves)                                                                     \
    X(places_are_given_back_at_the_end)

#define PLACES_FAULTS(X)                                                                           \
    X(places_are_free_soon_when_the_directory_is_back)                                             \
    X(places_that_are_taken_away_are_missed_soon)

#endif
