/* SPDX-License-Identifier: MIT */
/* See members.h. */
#include "views/members.h"
#include "base/view.h"

int chat__member_event_compare(const void *left, const void *right)
{
    const chat__member_event *a = left;
    const chat__member_event *b = right;
    int order = chat__view_compare(a->name, b->name);
    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

size_t chat__member_events_of_first(const chat__member_event *events, size_t n)
{
    size_t i = 0;
    while (i < n && chat__view_equal(events[i].name, events[0].name))
        i++;
    return i;
}

/* From the events of one user. `since` 0: he is no member. */
static chat__member member_of(const chat__member_event *events, size_t n)
{
    chat__member member = {events[0].name, 0, CHAT__ROLE_NONE};
    for (size_t i = 0; i < n; i++) {
        member.role = chat__member_event_role(events[i].value);
        if (member.role == CHAT__ROLE_NONE)
            member.since = 0;
        else if (member.since == 0)
            member.since = events[i].seq;
    }
    return member;
}

size_t chat__members_of(const chat__member_event *events, size_t n, chat__member *out)
{
    size_t n_members = 0;
    for (size_t i = 0, n_same; i < n; i += n_same) {
        n_same = chat__member_events_of_first(events + i, n - i);
        chat__member member = member_of(events + i, n_same);
        if (member.role != CHAT__ROLE_NONE)
            out[n_members++] = member;
    }
    return n_members;
}

/* The first membership reads from the beginning. */
size_t chat__ranges_of(const chat__member_event *events, size_t n, chat__range *out)
{
    size_t n_ranges = 0;
    int is_in = 0;
    for (size_t i = 0; i < n; i++) {
        int is_member = chat__member_event_role(events[i].value) != CHAT__ROLE_NONE;
        if (is_member && !is_in) {
            out[n_ranges].first = n_ranges == 0 ? 0 : events[i].seq;
            out[n_ranges++].last = UINT64_MAX;
        } else if (!is_member && is_in) {
            out[n_ranges - 1].last = events[i].seq;
        }
        is_in = is_member;
    }
    return n_ranges;
}

int chat__ranges_have(const chat__range *ranges, size_t n, uint64_t seq)
{
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].first <= seq && seq <= ranges[i].last)
            return 1;
    }
    return 0;
}

void chat__membership_take(chat__membership *membership, uint64_t seq, uint64_t value)
{
    if (membership->first_seq == 0 || seq < membership->first_seq) {
        membership->first_seq = seq;
        membership->first_value = (uint8_t)value;
    }
    if (seq >= membership->last_seq) {
        membership->last_seq = seq;
        membership->last_value = (uint8_t)value;
    }
}

uint64_t chat__membership_cursor(const chat__membership *membership, uint64_t cursor)
{
    uint64_t before = membership->first_seq > 0 ? membership->first_seq - 1 : 0;
    int is_first_record = (membership->first_value & CHAT__MEMBER_EVENT_FIRST) != 0;
    return is_first_record || cursor > before ? cursor : before;
}

uint64_t chat__membership_last_seq(const chat__membership *membership, uint64_t head_seq)
{
    return chat__membership_is_past(membership) ? membership->last_seq : head_seq;
}
