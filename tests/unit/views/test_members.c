/* SPDX-License-Identifier: MIT */
/* Who is a member and what he may read, from events. */
#include "views/members.h"
#include "unit.h"

#include "base/view.h"

#include <stdlib.h>

static chat__member_event event(const char *user, uint64_t seq, unsigned value)
{
    chat__member_event made = {chat__view_str(user), seq, (uint8_t)value};
    return made;
}

static void sort(chat__member_event *events, size_t n)
{
    qsort(events, n, sizeof *events, chat__member_event_compare);
}

static void the_last_event_of_each_user_counts(void **state)
{
    chat__member members[8];
    chat__member_event events[] = {
        event("bob", 30, CHAT__ROLE_ADMIN),
        event("alice", 10, CHAT__ROLE_OWNER | CHAT__MEMBER_EVENT_FIRST),
        event("bob", 20, CHAT__ROLE_NONE),
        event("carol", 25, CHAT__ROLE_NONE),
        event("bob", 10, CHAT__ROLE_MEMBER | CHAT__MEMBER_EVENT_FIRST),
        event("carol", 15, CHAT__ROLE_MEMBER),
        event("bob", 40, CHAT__ROLE_MEMBER),
        event("bobby", 40, CHAT__ROLE_MEMBER),
        event("bob", 40, CHAT__ROLE_MEMBER), /* found twice */
    };
    size_t n = sizeof events / sizeof *events;
    (void)state;
    sort(events, n);
    assert_int_equal(chat__members_of(events, 0, members), 0);
    assert_int_equal(chat__members_of(events, n, members), 3);
    assert_true(chat__view_equal(members[0].user, chat__view_str("alice")));
    assert_int_equal(members[0].since, 10);
    assert_int_equal(members[0].role, CHAT__ROLE_OWNER);
    assert_true(chat__view_equal(members[1].user, chat__view_str("bob")));
    assert_int_equal(members[1].since, 30);
    assert_int_equal(members[1].role, CHAT__ROLE_MEMBER);
    assert_true(chat__view_equal(members[2].user, chat__view_str("bobby")));
    assert_int_equal(chat__member_events_of_first(events + 1, n - 1), 5);
}

static void a_user_reads_between_joining_and_leaving(void **state)
{
    chat__range ranges[4];
    chat__member_event events[] = {
        event("bob", 60, CHAT__ROLE_ADMIN), event("bob", 50, CHAT__ROLE_MEMBER),
        event("bob", 20, CHAT__ROLE_MEMBER), event("bob", 30, CHAT__ROLE_NONE)};
    (void)state;
    sort(events, 4);
    assert_int_equal(chat__ranges_of(events, 0, ranges), 0);
    assert_int_equal(chat__ranges_of(events, 4, ranges), 2);
    assert_true(ranges[0].first == 0 && ranges[0].last == 30);
    assert_true(ranges[1].first == 50 && ranges[1].last == UINT64_MAX);
    assert_true(chat__ranges_have(ranges, 2, 1) && chat__ranges_have(ranges, 2, 30));
    assert_false(chat__ranges_have(ranges, 2, 31) || chat__ranges_have(ranges, 2, 49));
    assert_true(chat__ranges_have(ranges, 2, 50) && chat__ranges_have(ranges, 2, 1000));
    events[0].value = CHAT__ROLE_NONE; /* of a member that is not known any more */
    assert_int_equal(chat__ranges_of(events, 2, ranges), 0);
}

static void a_device_starts_at_the_first_membership(void **state)
{
    chat__membership later = {0}, first = {0};
    (void)state;
    chat__membership_take(&later, 50, CHAT__ROLE_NONE);
    chat__membership_take(&later, 20, CHAT__ROLE_MEMBER);
    chat__membership_take(&later, 30, CHAT__ROLE_ADMIN);
    assert_int_equal(chat__membership_cursor(&later, 0), 19);
    assert_int_equal(chat__membership_cursor(&later, 40), 40);
    assert_true(chat__membership_is_past(&later));
    assert_int_equal(chat__membership_last_seq(&later, 90), 50);
    chat__membership_take(&later, 60, CHAT__ROLE_MEMBER);
    assert_int_equal(chat__membership_last_seq(&later, 90), 90);
    chat__membership_take(&first, 20, CHAT__ROLE_MEMBER | CHAT__MEMBER_EVENT_FIRST);
    chat__membership_take(&first, 30, CHAT__ROLE_MEMBER);
    assert_int_equal(chat__membership_cursor(&first, 0), 0);
    assert_false(chat__membership_is_past(&first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_event_of_each_user_counts),
        cmocka_unit_test(a_user_reads_between_joining_and_leaving),
        cmocka_unit_test(a_device_starts_at_the_first_membership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
