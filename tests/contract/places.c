/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <string.h>

#define PATIENCE_MS 20000u

typedef struct rig {
    const places_world *world;
    chat_places places[PLACES_MEMBERS];
    int is_hung[PLACES_MEMBERS];
    int is_dead[PLACES_MEMBERS];
    uint32_t seen[PLACES_MEMBERS]; /* bits of event types */
} rig;

static void turn(rig *r, unsigned which)
{
    chat_places_event event = {.struct_size = sizeof event};
    if (r->is_hung[which] || r->is_dead[which])
        return;
    r->places[which].process(r->places[which].ctx, r->world->now(r->world->ctx));
    while (r->places[which].next_event(r->places[which].ctx, &event) == CHAT_OK)
        r->seen[which] |= 1u << event.type;
}

static void pass(rig *r, uint64_t ms)
{
    chat_places lively[PLACES_MEMBERS];
    unsigned n = 0;
    for (unsigned i = 0; i < PLACES_MEMBERS; i++)
        if (!r->is_hung[i] && !r->is_dead[i])
            lively[n++] = r->places[i];
    r->world->wait(r->world->ctx, lively, n, ms);
    for (unsigned i = 0; i < PLACES_MEMBERS; i++)
        turn(r, i);
}

static chat_places_picture look(rig *r, unsigned which)
{
    chat_places_picture picture = {.struct_size = sizeof picture};
    assert_int_equal(r->places[which].look(r->places[which].ctx, &picture), CHAT_OK);
    return picture;
}

static void start(rig *r, const places_world *world)
{
    memset(r, 0, sizeof *r);
    r->world = world;
    for (unsigned i = 0; i < PLACES_MEMBERS; i++) {
        chat_places_wish wish = {sizeof wish, i, PLACES_SLOTS, i == 2 ? 0 : 65536 - i,
                                 i == 1 ? "[::1]:7000" : NULL};
        assert_int_equal(world->make(world->ctx, i, &r->places[i]), CHAT_OK);
        assert_int_equal(r->places[i].open(r->places[i].ctx, &wish, world->now(world->ctx)),
                         CHAT_OK);
    }
}

static void finish(rig *r)
{
    for (unsigned i = 0; i < PLACES_MEMBERS; i++)
        if (!r->is_dead[i])
            r->world->kill(r->world->ctx, i);
}

/* Until all who live show that. */
#define EXPECT_ALL(r, condition)                                                                   \
    do {                                                                                           \
        uint64_t end_ms = (r)->world->now((r)->world->ctx) + PATIENCE_MS;                          \
        for (;;) {                                                                                 \
            int is_so = 1;                                                                         \
            for (unsigned which = 0; which < PLACES_MEMBERS; which++) {                            \
                if ((r)->is_hung[which] || (r)->is_dead[which])                                    \
                    continue;                                                                      \
                chat_places_picture picture = look((r), which);                                    \
                is_so = is_so && picture.is_known && (condition);                                  \
            }                                                                                      \
            if (is_so)                                                                             \
                break;                                                                             \
            assert_true((r)->world->now((r)->world->ctx) < end_ms);                                \
            pass((r), 50);                                                                         \
        }                                                                                          \
    } while (0)

static void claim(rig *r, unsigned which, uint32_t slot)
{
    r->places[which].claim(r->places[which].ctx, slot);
}

static void know_each_other(rig *r)
{
    EXPECT_ALL(r, picture.n_members == PLACES_MEMBERS);
}

void places_gives_a_slot_to_one(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    for (uint32_t slot = 0; slot < PLACES_SLOTS; slot++)
        for (unsigned i = 0; i < PLACES_MEMBERS; i++)
            claim(&r, (i + slot) % PLACES_MEMBERS, slot);
    for (uint32_t slot = 0; slot < PLACES_SLOTS; slot++) {
        unsigned n_owners = 0;
        EXPECT_ALL(&r, picture.slots[slot].member != CHAT_PLACES_NOBODY);
        for (unsigned i = 0; i < PLACES_MEMBERS; i++) {
            chat_places_picture picture = look(&r, i);
            n_owners += picture.slots[slot].is_ours;
            assert_int_equal(picture.slots[slot].is_ours, picture.slots[slot].member == i);
        }
        assert_int_equal(n_owners, 1);
    }
    finish(&r);
}

void places_shows_all_the_same(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    for (unsigned which = 0; which < PLACES_MEMBERS; which++) {
        chat_places_picture picture = look(&r, which);
        assert_int_equal(picture.n_slots, PLACES_SLOTS);
        for (uint32_t i = 0; i < PLACES_MEMBERS; i++) {
            assert_int_equal(picture.members[i].member, i);
            assert_int_equal(picture.members[i].runs_slots, i == 2 ? 0 : 65536 - i);
            assert_string_equal(picture.members[i].address, i == 1 ? "[::1]:7000" : "");
        }
        for (uint32_t i = 0; i < PLACES_SLOTS; i++)
            assert_int_equal(picture.slots[i].member, CHAT_PLACES_NOBODY);
    }
    claim(&r, 0, 3);
    EXPECT_ALL(&r, picture.slots[3].member == 0 && picture.slots[3].term > 0 &&
                       picture.slots[3].term == look(&r, 0).slots[3].term);
    assert_true(r.seen[1] & 1u << CHAT_PLACES_CHANGED);
    finish(&r);
}

void places_frees_what_is_given_up(const places_world *world)
{
    uint64_t term = 0;
    rig r;
    start(&r, world);
    know_each_other(&r);
    for (unsigned i = 0; i < 4; i++) {
        claim(&r, i % 2, 1);
        EXPECT_ALL(&r, picture.slots[1].member == i % 2);
        assert_true(look(&r, i % 2).slots[1].term > term);
        term = look(&r, i % 2).slots[1].term;
        r.places[i % 2].give_up(r.places[i % 2].ctx, 1);
        assert_false(look(&r, i % 2).slots[1].is_ours);
        EXPECT_ALL(&r, picture.slots[1].member == CHAT_PLACES_NOBODY);
    }
    assert_false((r.seen[0] | r.seen[1]) & 1u << CHAT_PLACES_LOST);
    finish(&r);
}

void places_frees_what_the_dead_had(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    claim(&r, 0, 2);
    EXPECT_ALL(&r, picture.slots[2].member == 0);
    uint64_t term = look(&r, 0).slots[2].term;
    world->kill(world->ctx, 0);
    r.is_dead[0] = 1;
    EXPECT_ALL(&r, picture.slots[2].member == CHAT_PLACES_NOBODY && picture.n_members == 2);
    claim(&r, 1, 2);
    EXPECT_ALL(&r, picture.slots[2].member == 1);
    assert_true(look(&r, 1).slots[2].term > term);
    finish(&r);
}

void places_of_the_hung_are_over_before_others_have_them(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    claim(&r, 0, 4);
    EXPECT_ALL(&r, picture.slots[4].member == 0);
    uint64_t until_ms = look(&r, 0).until_mono_ms;
    assert_true(until_ms > world->now(world->ctx));
    r.is_hung[0] = 1;
    EXPECT_ALL(&r, picture.slots[4].member == CHAT_PLACES_NOBODY);
    assert_true(world->now(world->ctx) >= until_ms);
    r.is_hung[0] = 0;
    turn(&r, 0);
    assert_false(look(&r, 0).slots[4].is_ours);
    assert_true(r.seen[0] & 1u << CHAT_PLACES_LOST);
    know_each_other(&r);
    finish(&r);
}

void places_shows_who_leaves(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    claim(&r, 1, 0);
    EXPECT_ALL(&r, picture.slots[0].member == 1);
    r.places[1].leave(r.places[1].ctx);
    EXPECT_ALL(&r, picture.n_members == PLACES_MEMBERS && !picture.members[1].runs_slots);
    assert_true(look(&r, 1).slots[0].is_ours);
    finish(&r);
}

void places_are_given_back_at_the_end(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    claim(&r, 0, 0);
    claim(&r, 0, 1);
    EXPECT_ALL(&r, picture.slots[0].member == 0 && picture.slots[1].member == 0);
    uint64_t start_ms = world->now(world->ctx);
    r.places[0].release(r.places[0].ctx, start_ms);
    while (!(r.seen[0] & 1u << CHAT_PLACES_RELEASED)) {
        assert_true(world->now(world->ctx) < start_ms + 2000);
        pass(&r, 20);
    }
    world->kill(world->ctx, 0);
    r.is_dead[0] = 1;
    EXPECT_ALL(&r, picture.slots[0].member == CHAT_PLACES_NOBODY &&
                       picture.slots[1].member == CHAT_PLACES_NOBODY && picture.n_members == 2);
    assert_true(world->now(world->ctx) < start_ms + world->ttl_ms);
    finish(&r);
}

void places_are_free_soon_when_the_directory_is_back(const places_world *world)
{
    uint64_t back_ms = world->now(world->ctx) + 3 * world->ttl_ms;
    rig r;
    start(&r, world);
    know_each_other(&r);
    claim(&r, 0, 3);
    EXPECT_ALL(&r, picture.slots[3].member == 0);
    world->stand_still(world->ctx, back_ms);
    while (world->now(world->ctx) < back_ms)
        pass(&r, 50);
    assert_true(r.seen[0] & 1u << CHAT_PLACES_LOST);
    EXPECT_ALL(&r, picture.slots[3].member == CHAT_PLACES_NOBODY);
    know_each_other(&r);
    assert_true(world->now(world->ctx) < back_ms + world->ttl_ms);
    finish(&r);
}

void places_that_are_taken_away_are_missed_soon(const places_world *world)
{
    rig r;
    start(&r, world);
    know_each_other(&r);
    for (unsigned i = 0; i < 5; i++) { /* at several places between two signs of life */
        claim(&r, 0, 3);
        EXPECT_ALL(&r, picture.slots[3].member == 0);
        uint64_t start_ms = world->now(world->ctx);
        r.seen[0] = 0;
        world->take_away(world->ctx, 0);
        EXPECT_ALL(&r, picture.slots[3].member == CHAT_PLACES_NOBODY);
        know_each_other(&r);
        assert_true(r.seen[0] & 1u << CHAT_PLACES_LOST);
        assert_true(world->now(world->ctx) < start_ms + world->ttl_ms / 4);
        pass(&r, world->ttl_ms / 9);
    }
    finish(&r);
}
