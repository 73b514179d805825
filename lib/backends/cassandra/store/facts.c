/* SPDX-License-Identifier: MIT */
/* See facts.h. */
#include "backends/cassandra/store/facts.h"

#include "base/role.h"
#include "base/view.h"

#include <chat/id.h>

#include <string.h>

static int is_user(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

static int is_chat(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_CHAT_ID_MAX_BYTES;
}

/* --- memberships --- */

/* Later ones of the same record count. */
static void add_user(chat__cstore_facts *facts, chat_view user, chat__role role, int is_first)
{
    size_t i = 0;
    if (!is_user(user))
        return;
    while (i < facts->n_users && !chat__view_equal(facts->users[i], user))
        i++;
    if (i == CHAT__CSTORE_MAX_USERS)
        return;
    if (i == facts->n_users)
        facts->users[facts->n_users++] = user;
    facts->values[i] = (uint8_t)(role | (is_first ? CHAT__CSTORE_IN_FIRST : 0u));
}

static void add_users(chat__cstore_facts *facts, const chat_frame *frame, chat__role role,
                      int is_first)
{
    for (size_t i = 0; CHAT_FRAME_HAS(frame, USERS) && i < frame->users.n_items; i++)
        add_user(facts, frame->users.items[i], role, is_first);
}

/* The members of a direct chat or a self stream are those that its name says. */
static void add_named(chat__cstore_facts *facts, chat_view chat)
{
    chat_view members[2];
    if (chat_self_user(chat, members) == CHAT_OK) {
        add_user(facts, members[0], CHAT__ROLE_MEMBER, 1);
    } else if (chat_direct_members(chat, members) == CHAT_OK) {
        add_user(facts, members[0], CHAT__ROLE_MEMBER, 1);
        add_user(facts, members[1], CHAT__ROLE_MEMBER, 1);
    }
}

/* --- by kind of record --- */

static void read_title(chat__cstore_facts *facts, const chat_frame *frame)
{
    facts->title = chat__view("", 0);
    if (CHAT_FRAME_HAS(frame, TITLE) && frame->title.len > 0)
        facts->title = frame->title;
}

static void read_group(chat__cstore_facts *facts, const chat_frame *frame, uint64_t id,
                       int is_first)
{
    add_users(facts, frame, CHAT__ROLE_MEMBER, is_first);
    if (CHAT_FRAME_HAS(frame, FROM))
        add_user(facts, frame->from, CHAT__ROLE_OWNER, is_first);
    facts->fact = CHAT__CSTORE_GROUP;
    facts->at_ms = chat_snowflake_decode(id).unix_ms;
    facts->is_open = CHAT_FRAME_HAS(frame, OPEN) && frame->open;
    read_title(facts, frame);
}

static void read_change(chat__cstore_facts *facts, const chat_frame *frame, int is_first)
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
        facts->fact = CHAT__CSTORE_TITLE;
        read_title(facts, frame);
        return;
    }
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!chat__view_equal(frame->what, chat__view_str(KINDS[i].what)))
            continue;
        int is_named = KINDS[i].may_have_role && role != CHAT__ROLE_NONE;
        add_users(facts, frame, is_named ? role : KINDS[i].role, is_first);
        /* Who inherits the group. */
        if (!KINDS[i].may_have_role && CHAT_FRAME_HAS(frame, USER) && role != CHAT__ROLE_NONE)
            add_user(facts, frame->user, role, is_first);
    }
}

/* Of a self stream: what its user does for himself. */
static void read_own(chat__cstore_facts *facts, const chat_frame *frame,
                     const chat_store_record *record)
{
    if (chat_self_user(record->chat, &facts->user) != CHAT_OK)
        return;
    facts->of = frame->type == CHAT_FRAME_BLOCKED ? frame->user : frame->of;
    if (frame->type == CHAT_FRAME_BLOCKED && is_user(facts->of)) {
        facts->fact = CHAT__CSTORE_BLOCK;
        facts->number = frame->blocked ? 1 : 2;
    } else if (frame->type == CHAT_FRAME_SETTING && is_chat(facts->of)) {
        facts->fact = CHAT__CSTORE_MUTE;
        facts->number = frame->until;
    } else if (frame->type == CHAT_FRAME_MARKER && is_chat(facts->of) &&
               frame->read_seq <= INT64_MAX) {
        facts->fact = CHAT__CSTORE_MARKER;
        facts->number = frame->read_seq;
        facts->at_ms = CHAT_FRAME_HAS(frame, TS) && frame->ts > 0
                           ? frame->ts
                           : chat_snowflake_decode(record->id).unix_ms;
    }
}

static chat__cstore_did did_of(const chat_frame *note)
{
    if (chat__view_equal(note->what, chat__view_str("edit")))
        return CHAT__CSTORE_DID_EDIT;
    if (chat__view_equal(note->what, chat__view_str("delete")))
        return CHAT__CSTORE_DID_DELETE;
    if (!chat__view_equal(note->what, chat__view_str("react")))
        return CHAT__CSTORE_DID_NOTHING;
    return CHAT_FRAME_HAS(note, REACTION) ? CHAT__CSTORE_DID_REACT : CHAT__CSTORE_DID_UNREACT;
}

static void read_note(chat__cstore_facts *facts, const chat_frame *note)
{
    facts->did = did_of(note);
    if (facts->did == CHAT__CSTORE_DID_NOTHING || note->re_seq > INT64_MAX || !is_user(note->from))
        return;
    facts->fact = CHAT__CSTORE_NOTE;
    facts->user = note->from;
    facts->number = note->re_seq;
}

static void read_frame(chat__cstore_facts *facts, const chat_frame *frame,
                       const chat_store_record *record, int is_first)
{
    switch (frame->type) {
    case CHAT_FRAME_CHAT:
        read_group(facts, frame, record->id, is_first);
        break;
    case CHAT_FRAME_CHANGE:
        read_change(facts, frame, is_first);
        break;
    case CHAT_FRAME_NOTE:
        read_note(facts, frame);
        break;
    default:
        read_own(facts, frame, record);
        break;
    }
}

static int has_facts(uint32_t kind)
{
    return kind == CHAT_FRAME_CHAT || kind == CHAT_FRAME_CHANGE || kind == CHAT_FRAME_MARKER ||
           kind == CHAT_FRAME_SETTING || kind == CHAT_FRAME_BLOCKED || kind == CHAT_FRAME_NOTE;
}

chat_status chat__cstore_read_facts(chat_decoder *decoder, const chat_store_record *record,
                                    int is_first, chat__cstore_facts *out)
{
    chat_frame frame;
    out->fact = CHAT__CSTORE_NO_FACT;
    out->did = CHAT__CSTORE_DID_NOTHING;
    out->n_users = 0;
    if (has_facts(record->kind)) {
        chat_status status =
            chat_frame_decode(decoder, CHAT_ENCODING_CBOR, record->payload, &frame);
        if (status == CHAT_ERR_NOMEM)
            return status;
        if (status == CHAT_OK && frame.type == record->kind)
            read_frame(out, &frame, record, is_first);
    }
    if (is_first && record->kind != CHAT_FRAME_CHAT && record->kind != CHAT_FRAME_CHANGE)
        add_named(out, record->chat);
    return CHAT_OK;
}
