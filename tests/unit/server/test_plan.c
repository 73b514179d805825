/* SPDX-License-Identifier: MIT */
/* Who is to run which slot: balanced, with no move that need not be, and never two for one slot. */
#include "unit.h"

#include "server/plan.h"

#include <string.h>

#define MAX_ROUNDS 8
#define N_SEEDS    300

typedef struct world {
    chat_places_slot slots[CHAT_PLACES_MAX_SLOTS];
    chat_places_member members[CHAT_PLACES_MAX_MEMBERS];
    chat_places_picture picture;
    uint32_t n_moved;
} world;

static void init(world *w, uint32_t n_slots, uint32_t n_members)
{
    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < n_slots; i++)
        w->slots[i].member = CHAT_PLACES_NOBODY;
    for (uint32_t i = 0; i < n_members; i++)
        w->members[i] = (chat_places_member){.member = i * 3, .runs_slots = 1};
    w->picture = (chat_places_picture){.struct_size = sizeof w->picture,
                                       .is_known = 1,
                                       .slots = w->slots,
                                       .n_slots = n_slots,
                                       .n_members = n_members,
                                       .members = w->members};
}

/* All do their part of the same picture. Whether anybody had any. */
static int round_of_all(world *w)
{
    chat__plan_step steps[CHAT_PLACES_MAX_MEMBERS][CHAT_PLACES_MAX_SLOTS];
    int is_busy = 0;
    for (uint32_t i = 0; i < w->picture.n_members; i++)
        chat__plan(&w->picture, w->members[i].member, steps[i]);
    for (uint32_t slot = 0; slot < w->picture.n_slots; slot++) {
        uint32_t holder = w->slots[slot].member;
        uint32_t n_claims = 0;
        for (uint32_t i = 0; i < w->picture.n_members; i++) {
            if (steps[i][slot] == CHAT__PLAN_KEEP)
                continue;
            is_busy = 1;
            if (steps[i][slot] == CHAT__PLAN_CLAIM) {
                assert_int_equal(holder, CHAT_PLACES_NOBODY);
                assert_int_equal(n_claims++, 0);
                w->slots[slot].member = w->members[i].member;
            } else {
                assert_int_equal(holder, w->members[i].member);
                w->slots[slot].member = CHAT_PLACES_NOBODY;
                w->n_moved++;
            }
        }
    }
    return is_busy;
}

static void settle(world *w)
{
    int rounds = 0;
    w->n_moved = 0;
    while (round_of_all(w))
        assert_true(++rounds < MAX_ROUNDS);
}

static uint32_t held(const world *w, uint32_t member)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->picture.n_slots; i++)
        n += w->slots[i].member == member;
    return n;
}

static void expect_balance(const world *w)
{
    uint32_t n_takers = 0, n = 0;
    for (uint32_t i = 0; i < w->picture.n_members; i++)
        n_takers += w->members[i].runs_slots;
    for (uint32_t i = 0; i < w->picture.n_members; i++) {
        uint32_t has = held(w, w->members[i].member);
        uint32_t floor = n_takers > 0 ? w->picture.n_slots / n_takers : 0;
        assert_true(w->members[i].runs_slots ? has == floor || has == floor + 1 : has == 0);
        n += has;
    }
    assert_int_equal(n, n_takers > 0 ? w->picture.n_slots : 0);
}

static void free_slots_are_shared_out(void **state)
{
    world w;
    (void)state;
    init(&w, 64, 3);
    settle(&w);
    expect_balance(&w);
    assert_int_equal(w.n_moved, 0);
}

static void who_comes_gets_its_part_and_no_more_moves(void **state)
{
    world w;
    (void)state;
    init(&w, 64, 4);
    w.picture.n_members = 3;
    settle(&w);
    w.picture.n_members = 4;
    settle(&w);
    expect_balance(&w);
    assert_int_equal(w.n_moved, 16);
}

static void what_the_dead_had_moves_alone(void **state)
{
    world w;
    (void)state;
    init(&w, 64, 4);
    settle(&w);
    for (uint32_t i = 0; i < 64; i++)
        if (w.slots[i].member == 9)
            w.slots[i].member = CHAT_PLACES_NOBODY;
    w.picture.n_members = 3;
    settle(&w);
    expect_balance(&w);
    assert_int_equal(w.n_moved, 0);
}

static void who_leaves_gives_all_up(void **state)
{
    world w;
    (void)state;
    init(&w, 10, 3);
    settle(&w);
    w.members[1].runs_slots = 0;
    settle(&w);
    expect_balance(&w);
    assert_true(w.n_moved <= 4);
}

static void the_last_one_gives_up_to_nobody(void **state)
{
    world w;
    (void)state;
    init(&w, 5, 1);
    settle(&w);
    w.members[0].runs_slots = 0;
    settle(&w);
    assert_int_equal(held(&w, 0), 0);
    assert_int_equal(w.n_moved, 5);
}

/* As members are started again with more partitions, one after the other. */
static void slots_go_up_and_never_down(void **state)
{
    world w;
    (void)state;
    init(&w, 12, 3);
    for (uint32_t i = 0; i < 3; i++)
        w.members[i].runs_slots = 64;
    settle(&w);
    w.members[0].runs_slots = 0;
    settle(&w);
    w.members[0].runs_slots = 128;
    settle(&w);
    assert_int_equal(held(&w, 0), 4);
    w.members[1].runs_slots = 0;
    settle(&w);
    assert_int_equal(held(&w, 0), 8);
    assert_int_equal(held(&w, 6), 4);
    w.members[0].runs_slots = 0; /* nobody else is left */
    settle(&w);
    assert_int_equal(held(&w, 6), 12);
}

static void one_that_is_not_seen_keeps_what_it_has(void **state)
{
    world w;
    (void)state;
    init(&w, 6, 2);
    for (uint32_t i = 0; i < 4; i++)
        w.slots[i].member = 77; /* its lease lives, whatever became of it */
    settle(&w);
    assert_int_equal(held(&w, 77), 4);
    assert_int_equal(held(&w, 0), 1);
    assert_int_equal(held(&w, 3), 1);
}

static void nothing_is_done_when_nothing_is_known(void **state)
{
    world w;
    (void)state;
    init(&w, 6, 2);
    w.picture.is_known = 0;
    assert_false(round_of_all(&w));
}

static void any_state_comes_to_balance(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) {
        world w;
        uint32_t rng = seed * 2654435761u;
        init(&w, 1 + seed % 61, 1 + seed % 7);
        for (uint32_t i = 0; i < w.picture.n_slots; i++) {
            rng = rng * 1664525u + 1013904223u;
            uint32_t who = (rng >> 16) % (w.picture.n_members + 1);
            if (who < w.picture.n_members)
                w.slots[i].member = w.members[who].member;
        }
        for (uint32_t i = 0; i < w.picture.n_members; i++)
            w.members[i].runs_slots = seed % 5 != i;
        settle(&w);
        expect_balance(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_slots_are_shared_out),
        cmocka_unit_test(who_comes_gets_its_part_and_no_more_moves),
        cmocka_unit_test(what_the_dead_had_moves_alone),
        cmocka_unit_test(who_leaves_gives_all_up),
        cmocka_unit_test(the_last_one_gives_up_to_nobody),
        cmocka_unit_test(slots_go_up_and_never_down),
        cmocka_unit_test(one_that_is_not_seen_keeps_what_it_has),
        cmocka_unit_test(nothing_is_done_when_nothing_is_known),
        cmocka_unit_test(any_state_comes_to_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
