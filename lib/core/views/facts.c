/* SPDX-License-Identifier: MIT */
/* See facts.h. */
#include "views/facts.h"
#include "base/view.h"
#include "views/members.h"

#include <chat/id.h>

#include <stddef.h>
#include <string.h>

/* Numbers of stores have a sign. */
#define SEQ_MAX ((uint64_t)INT64_MAX)

/* --- members --- */

/* Later ones of the same record count. */
static void add_event(chat__facts *facts, const chat__facts_record *record, chat_view user,
                      chat__role role)
{
    size_t i = 0;
    if (user.len == 0 || user.len > CHAT_ID_MAX_BYTES)
        return;
    while (i < facts->n_users && !chat__view_equal(facts->users[i], user))
        i++;
    if (i == CHAT__FACTS_USERS_MAX)
        return;
    if (i == facts->n_users)
        facts->users[facts->n_users++] = user;
    facts->values[i] = (uint8_t)role;
    if (record->is_first)
        facts->values[i] |= CHAT__MEMBER_EVENT_FIRST;
}

static void add_users(chat__facts *facts, const chat__facts_record *record, const chat_frame *frame,
                      chat__role role)
{
    for (size_t i = 0; CHAT_FRAME_HAS(frame, USERS) && i < frame->users.n_items; i++)
        add_event(facts, record, frame->users.items[i], role);
}

/* The users of a direct chat or a self stream are members from its first record on. */
static void read_first(chat__facts *facts, const chat__facts_record *record)
{
    chat_view members[2];
    if (!record->is_first)
        return;
    if (chat_self_user(record->chat, members) == CHAT_OK) {
        add_event(facts, record, members[0], CHAT__ROLE_MEMBER);
    } else if (chat_direct_members(record->chat, members) == CHAT_OK) {
        add_event(facts, record, members[0], CHAT__ROLE_MEMBER);
        add_event(facts, record, members[1], CHAT__ROLE_MEMBER);
    }
}

static chat_view title_of(const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, TITLE) ? frame->title : chat__view(NULL, 0);
}

/* Author and users are members, besides those that are already. */
static chat_status read_group(chat__facts *facts, const chat__facts_record *record,
                              const chat_frame *frame)
{
    add_users(facts, record, frame, CHAT__ROLE_MEMBER);
    if (CHAT_FRAME_HAS(frame, FROM))
        add_event(facts, record, frame->from, CHAT__ROLE_OWNER);
    facts->what = CHAT__FACT_GROUP;
    facts->title = title_of(frame);
    facts->created_ms = chat_snowflake_decode(record->id).unix_ms;
    facts->is_open = CHAT_FRAME_HAS(frame, OPEN) && frame->open;
    return CHAT_OK;
}

/* What a newer version wrote changes nothing here. */
static chat_status read_change(chat__facts *facts, const chat__facts_record *record,
                               const chat_frame *frame)
{
    static const struct {
        const char *what;
        chat__role role; /* without `role` */
        int may_have_role;
    } KINDS[] = {{"join", CHAT__ROLE_MEMBER, 1},
                 {"leave", CHAT__ROLE_NONE, 0},
                 {"add", CHAT__ROLE_MEMBER, 0},
                 {"remove", CHAT__ROLE_NONE, 0},
                 {"role", CHAT__ROLE_MEMBER, 1}};
    chat__role role = CHAT_FRAME_HAS(frame, ROLE) ? chat__role_named(frame->role) : CHAT__ROLE_NONE;
    if (chat__view_equal(frame->what, chat__view_str("title"))) {
        facts->what = CHAT__FACT_TITLE;
        facts->title = title_of(frame);
        return CHAT_OK;
    }
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!chat__view_equal(frame->what, chat__view_str(KINDS[i].what)))
            continue;
        int is_named = KINDS[i].may_have_role && role != CHAT__ROLE_NONE;
        add_users(facts, record, frame, is_named ? role : KINDS[i].role);
        /* Who inherits the group. */
        if (!KINDS[i].may_have_role && CHAT_FRAME_HAS(frame, USER) && role != CHAT__ROLE_NONE)
            add_event(facts, record, frame->user, role);
    }
    return CHAT_OK;
}

/* --- records of self streams, and notes --- */

static chat_status read_marker(chat__facts *facts, const chat__facts_record *record,
                               const chat_frame *frame)
{
    if (frame->read_seq > SEQ_MAX || chat_self_user(record->chat, &facts->user) != CHAT_OK)
        return CHAT_ERR_ARG;
    facts->what = CHAT__FACT_READ;
    facts->of = frame->of;
    facts->read_seq = frame->read_seq;
    facts->at_ms = CHAT_FRAME_HAS(frame, TS) && frame->ts > 0
                       ? frame->ts
                       : chat_snowflake_decode(record->id).unix_ms;
    return CHAT_OK;
}

static chat_status read_setting(chat__facts *facts, const chat__facts_record *record,
                                const chat_frame *frame)
{
    if (chat_self_user(record->chat, &facts->user) != CHAT_OK)
        return CHAT_ERR_ARG;
    facts->what = CHAT__FACT_MUTE;
    facts->of = frame->of;
    facts->until_ms = frame->until;
    return CHAT_OK;
}

static chat_status read_block(chat__facts *facts, const chat__facts_record *record,
                              const chat_frame *frame)
{
    if (chat_self_user(record->chat, &facts->user) != CHAT_OK)
        return CHAT_ERR_ARG;
    facts->what = CHAT__FACT_BLOCK;
    facts->of = frame->user;
    facts->is_blocked = frame->blocked != 0;
    return CHAT_OK;
}

static chat__note_what note_of(const chat_frame *frame)
{
    if (chat__view_equal(frame->what, chat__view_str("edit")))
        return CHAT__NOTE_EDIT;
    if (chat__view_equal(frame->what, chat__view_str("delete")))
        return CHAT__NOTE_DELETE;
    if (!chat__view_equal(frame->what, chat__view_str("react")))
        return CHAT__NOTE_NONE;
    return CHAT_FRAME_HAS(frame, REACTION) ? CHAT__NOTE_REACT : CHAT__NOTE_UNREACT;
}

static chat_status read_note(chat__facts *facts, const chat__facts_record *record,
                             const chat_frame *frame)
{
    (void)record;
    if (frame->re_seq > SEQ_MAX)
        return CHAT_ERR_ARG;
    facts->note = note_of(frame);
    if (facts->note == CHAT__NOTE_NONE)
        return CHAT_OK;
    facts->what = CHAT__FACT_NOTE;
    facts->user = frame->from;
    facts->re_seq = frame->re_seq;
    return CHAT_OK;
}

chat_status chat__facts_read(chat_decoder *decoder, const chat__facts_record *record,
                             chat_view payload, chat__facts *out)
{
    static const struct {
        uint32_t kind;
        chat_status (*take)(chat__facts *, const chat__facts_record *, const chat_frame *);
    } KINDS[] = {{CHAT_FRAME_CHAT, read_group},    {CHAT_FRAME_CHANGE, read_change},
                 {CHAT_FRAME_MARKER, read_marker}, {CHAT_FRAME_SETTING, read_setting},
                 {CHAT_FRAME_BLOCKED, read_block}, {CHAT_FRAME_NOTE, read_note}};
    chat_frame frame;
    memset(out, 0, offsetof(chat__facts, users));
    read_first(out, record);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (KINDS[i].kind != record->kind)
            continue;
        chat_status status = chat_frame_decode(decoder, CHAT_ENCODING_CBOR, payload, &frame);
        if (status != CHAT_OK || frame.type != record->kind)
            return status == CHAT_ERR_NOMEM ? status : CHAT_ERR_ARG;
        return KINDS[i].take(out, record, &frame);
    }
    return CHAT_OK;
}
