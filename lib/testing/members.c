/* SPDX-License-Identifier: MIT */
/* Who is in a chat, by the records alone: the judge of what nodes remember, and of who got what. */
#include "testing/sim.h"

#include <string.h>

sim_member *chat__sim_member_of(sim_group *group, const char *user)
{
    for (size_t i = 0; i < group->n_members; i++) {
        if (strcmp(group->members[i].user, user) == 0)
            return &group->members[i];
    }
    return NULL;
}

static void enter(sim_group *group, chat_view name, chat__role role, const sim_record *record)
{
    char user[SIM_NAME_BYTES];
    chat__sim_copy_name(user, sizeof user, name);
    sim_member *member = chat__sim_member_of(group, user);
    if (member == NULL && group->n_members == SIM_MAX_CLIENTS)
        return;
    if (member == NULL) {
        member = &group->members[group->n_members++];
        memset(member, 0, sizeof *member);
        memcpy(member->user, user, sizeof user);
        member->first = record->seq;
        member->was_from_start = record->prev == 0;
        member->left = record->seq;
    }
    if (member->left != 0)
        member->since = record->seq;
    member->left = 0;
    member->role = role;
}

static void go(sim_group *group, chat_view name, const sim_record *record)
{
    char user[SIM_NAME_BYTES];
    chat__sim_copy_name(user, sizeof user, name);
    sim_member *member = chat__sim_member_of(group, user);
    if (member != NULL && member->left == 0)
        member->left = record->seq;
}

void chat__sim_group_init(sim_group *group, const char *chat)
{
    chat_view both[2];
    memset(group, 0, sizeof *group);
    int n = chat_self_user(chat__sim_view(chat), both) == CHAT_OK        ? 1
            : chat_direct_members(chat__sim_view(chat), both) == CHAT_OK ? 2
                                                                         : 0;
    for (int i = 0; i < n; i++) {
        sim_member *member = &group->members[group->n_members++];
        chat__sim_copy_name(member->user, SIM_NAME_BYTES, both[i]);
        member->role = CHAT__ROLE_MEMBER;
        member->was_from_start = 1;
    }
}

static void apply_change(sim_group *group, const sim_record *record, const chat_frame *frame)
{
    chat__role role =
        CHAT_FRAME_HAS(frame, ROLE) ? chat__role_named(frame->role) : CHAT__ROLE_MEMBER;
    char what[SIM_NAME_BYTES];
    chat__sim_copy_name(what, sizeof what, frame->what);
    int is_end = strcmp(what, "leave") == 0 || strcmp(what, "remove") == 0;
    for (size_t i = 0; CHAT_FRAME_HAS(frame, USERS) && i < frame->users.n_items; i++) {
        if (is_end)
            go(group, frame->users.items[i], record);
        else
            enter(group, frame->users.items[i], role, record);
    }
    if (is_end && CHAT_FRAME_HAS(frame, USER))
        enter(group, frame->user, role, record);
}

void chat__sim_group_apply(sim *s, sim_group *group, const sim_record *record)
{
    chat_frame frame;
    chat_view payload = {record->payload, record->len};
    int is_about_members = record->kind == CHAT_FRAME_CHAT || record->kind == CHAT_FRAME_CHANGE;
    if (!is_about_members ||
        chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, &frame) != CHAT_OK)
        return;
    if (record->kind == CHAT_FRAME_CHANGE) {
        apply_change(group, record, &frame);
        return;
    }
    group->is_there = 1;
    group->is_open = CHAT_FRAME_HAS(&frame, OPEN) && frame.open;
    for (size_t i = 0; i < frame.users.n_items; i++)
        enter(group, frame.users.items[i], CHAT__ROLE_MEMBER, record);
    enter(group, frame.from, CHAT__ROLE_OWNER, record);
}

void chat__sim_group_of(sim *s, const char *chat, sim_group *out)
{
    chat__sim_group_init(out, chat);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->is_durable && strcmp(record->chat, chat) == 0)
            chat__sim_group_apply(s, out, record);
    }
}

int chat__sim_is_for(sim_group *group, const char *user, uint64_t seq)
{
    const sim_member *member = chat__sim_member_of(group, user);
    return member != NULL && (member->left == 0 || member->left == seq);
}
