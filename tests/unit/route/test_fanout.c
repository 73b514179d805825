/* SPDX-License-Identifier: MIT */
#include "route/fanout.h"

#include "base/view.h"
#include "unit.h"

#include <chat/partition.h>
#include <stdio.h>

#define N_MEMBERS 256

static char names[N_MEMBERS][16];
static chat_view members[N_MEMBERS];

static int name_members(void **state)
{
    (void)state;
    for (int i = 0; i < N_MEMBERS; i++) {
        snprintf(names[i], sizeof names[i], "user-%d", i);
        members[i] = chat__view_str(names[i]);
    }
    return 0;
}

static void owners_follow_from_the_hash(void **state)
{
    (void)state;
    for (uint32_t n_nodes = 1; n_nodes <= 9; n_nodes++) {
        for (int i = 0; i < N_MEMBERS; i++) {
            uint32_t partition = chat_partition_of(members[i], 64);
            assert_true(chat__route_user_node(members[i], n_nodes) < n_nodes);
            assert_int_equal(chat__route_chat_node(members[i], 64, n_nodes), partition % n_nodes);
        }
    }
    assert_int_equal(chat__route_user_node(members[0], 0), 0);
    assert_int_equal(chat__route_chat_node(members[0], 64, 0), 0);
    assert_int_equal(chat__route_chat_node(members[0], 0, 5), 0);
}

/* Users spread: of 256 over 8 nodes, none has less than a third or more than twice its share. */
static void users_spread_over_the_nodes(void **state)
{
    int counts[8] = {0};
    (void)state;
    for (int i = 0; i < N_MEMBERS; i++)
        counts[chat__route_user_node(members[i], 8)]++;
    for (int i = 0; i < 8; i++)
        assert_in_range(counts[i], 11, 64);
}

/* Walk a plan and check all that is promised of it; the number of parts comes back. */
static size_t check_plan(size_t n_members, uint32_t n_nodes, size_t max_stops)
{
    chat__route_stop scratch[N_MEMBERS];
    uint8_t is_seen[N_MEMBERS] = {0};
    chat__route_plan plan;
    chat__route_part part;
    size_t n_parts = 0;
    size_t n_seen = 0;
    uint32_t node = 0;
    chat__route_plan_init(&plan, members, n_members, n_nodes, scratch);
    while (chat__route_plan_next(&plan, max_stops, &part) == CHAT_OK) {
        assert_true(part.node >= node);
        assert_in_range(part.n_stops, 1, max_stops);
        node = part.node;
        n_parts++;
        for (size_t i = 0; i < part.n_stops; i++, n_seen++) {
            uint32_t member = part.stops[i].member;
            assert_in_range(member, 0, n_members - 1);
            assert_false(is_seen[member]);
            assert_true(i == 0 || member > part.stops[i - 1].member);
            assert_int_equal(chat__route_user_node(members[member], n_nodes), part.node);
            is_seen[member] = 1;
        }
    }
    assert_int_equal(n_seen, n_members);
    assert_int_equal(chat__route_plan_next(&plan, max_stops, &part), CHAT_EMPTY);
    return n_parts;
}

static void each_member_is_in_one_part_of_its_node(void **state)
{
    (void)state;
    for (size_t n = 0; n <= N_MEMBERS; n++) {
        for (uint32_t n_nodes = 0; n_nodes <= 17; n_nodes++) {
            size_t n_parts = check_plan(n, n_nodes, N_MEMBERS);
            assert_true(n_parts <= (n_nodes == 0 ? 1 : n_nodes));
        }
    }
}

static void a_part_has_at_most_what_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(check_plan(N_MEMBERS, 1, 1), N_MEMBERS);
    assert_int_equal(check_plan(N_MEMBERS, 1, 64), 4);
    assert_int_equal(check_plan(N_MEMBERS, 1, 100), 3);
    for (size_t max_stops = 1; max_stops < 50; max_stops++)
        check_plan(N_MEMBERS, 5, max_stops);
}

static void parts_of_nothing_count_as_one(void **state)
{
    chat__route_stop scratch[2];
    chat__route_plan plan;
    chat__route_part part;
    (void)state;
    chat__route_plan_init(&plan, members, 2, 1, scratch);
    assert_int_equal(chat__route_plan_next(&plan, 0, &part), CHAT_OK);
    assert_int_equal(part.n_stops, 1);
    assert_int_equal(chat__route_plan_next(&plan, 0, &part), CHAT_OK);
    assert_int_equal(chat__route_plan_next(&plan, 0, &part), CHAT_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_follow_from_the_hash),
        cmocka_unit_test(users_spread_over_the_nodes),
        cmocka_unit_test(each_member_is_in_one_part_of_its_node),
        cmocka_unit_test(a_part_has_at_most_what_is_asked_for),
        cmocka_unit_test(parts_of_nothing_count_as_one),
    };
    return cmocka_run_group_tests(tests, name_members, NULL);
}
