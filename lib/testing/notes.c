/* SPDX-License-Identifier: MIT */
/* Edits, deletions and reactions: clients make them at random, storage gives messages as they are
   then, and the judge looks whether each was allowed at its place. */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 512u

static int decode(sim *s, const sim_record *record, chat_frame *out)
{
    chat_view payload = {record->payload, record->len};
    return chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, out) == CHAT_OK;
}

static int is_what(const chat_frame *note, const char *what)
{
    return note->what.len == strlen(what) && memcmp(note->what.data, what, note->what.len) == 0;
}

/* --- clients --- */

/* Some message that was acknowledged: his own, or anybody's, for most are of a chat of this
   client's too. Often one of the first, so that several things are done to it. */
static const sim_out *some_message(sim *s, const sim_client *client)
{
    const sim_client *author = client;
    if (chat__sim_chance(s, 50))
        author = &s->clients[chat__sim_random(s, s->n_clients)];
    if (author->n_outs == 0)
        return NULL;
    uint32_t n = (uint32_t)author->n_outs;
    const sim_out *out =
        &author->outs[chat__sim_random(s, chat__sim_chance(s, 50) && n > 4 ? 4 : n)];
    return out->is_done && !out->is_create && out->change == 0 ? out : NULL;
}

int chat__sim_notes_choose(sim *s, const sim_client *client, sim_out *out)
{
    static const char *const THOUGHTS[] = {"+", "-", ""};
    static const uint32_t TYPES[] = {CHAT_FRAME_EDIT, CHAT_FRAME_EDIT, CHAT_FRAME_DELETE,
                                     CHAT_FRAME_REACT};
    const sim_out *message = some_message(s, client);
    if (message == NULL)
        return 0;
    out->change = TYPES[chat__sim_random(s, sizeof TYPES / sizeof *TYPES)];
    out->re = message->id;
    memcpy(out->chat, message->chat, sizeof out->chat);
    chat__sim_copy_name(out->whom, sizeof out->whom,
                        chat__sim_view(THOUGHTS[chat__sim_random(s, 3)]));
    return 1;
}

void chat__sim_notes_fill(const sim_out *out, chat_frame *frame)
{
    if (out->re == 0)
        return;
    CHAT_FRAME_SET(frame, RE, re, out->re);
    CHAT_FRAME_SET(frame, CID, cid, chat__sim_view(out->cid));
    if (out->change == CHAT_FRAME_EDIT)
        CHAT_FRAME_SET(frame, BODY, body, chat__sim_view(out->cid));
    if (out->change == CHAT_FRAME_REACT)
        CHAT_FRAME_SET(frame, REACTION, reaction, chat__sim_view(out->whom));
}

/* By a durable record before this one. */
static int was_deleted(sim *s, const char *chat, const sim_record *before, uint64_t re_seq)
{
    for (const sim_record *each = s->storage.records; each < before; each++) {
        chat_frame note;
        if (each->kind == CHAT_FRAME_NOTE && each->is_durable && strcmp(each->chat, chat) == 0 &&
            decode(s, each, &note) && note.re_seq == re_seq && is_what(&note, "delete"))
            return 1;
    }
    return 0;
}

/* --- storage --- */

/* Views of an edit point into its record, which outlives the answer. */
static void apply(sim *s, const sim_record *record, chat_frame *message)
{
    chat_view none = {NULL, 0};
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *other = &s->storage.records[i];
        chat_frame note;
        if (!other->is_durable || other->kind != CHAT_FRAME_NOTE ||
            strcmp(other->chat, record->chat) != 0 || !decode(s, other, &note) ||
            note.re_seq != record->seq)
            continue;
        if (is_what(&note, "delete")) {
            CHAT_FRAME_SET(message, DELETED, deleted, 1);
            message->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_EDITED);
            if (s->plant != SIM_PLANT_DELETED_SHOWN)
                CHAT_FRAME_SET(message, BODY, body, none);
        } else if (is_what(&note, "edit") && !CHAT_FRAME_HAS(message, DELETED)) {
            CHAT_FRAME_SET(message, EDITED, edited, note.ts);
            CHAT_FRAME_SET(message, BODY, body, note.body);
        }
    }
}

/* What its edits said went with the message. 0: as it was written. */
static int strip(sim *s, const sim_record *record, chat_frame *note)
{
    uint64_t re_seq = note->re_seq;
    const sim_record *end = s->storage.records + s->storage.n_records;
    if (!CHAT_FRAME_HAS(note, BODY) || s->plant == SIM_PLANT_DELETED_EDIT_SHOWN ||
        !was_deleted(s, record->chat, end, re_seq) || !decode(s, record, note))
        return 0;
    note->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
    return 1;
}

void chat__sim_notes_apply(sim *s, sim_answer *answer, const sim_record *record,
                           chat__node_row *row)
{
    chat_frame message;
    size_t len = 0;
    if ((record->kind != CHAT_FRAME_MSG && record->kind != CHAT_FRAME_NOTE) ||
        s->plant == SIM_PLANT_NOTES_UNSEEN || !decode(s, record, &message))
        return;
    if (record->kind == CHAT_FRAME_NOTE && !strip(s, record, &message))
        return;
    if (record->kind == CHAT_FRAME_MSG)
        apply(s, record, &message);
    if (record->kind == CHAT_FRAME_MSG && !CHAT_FRAME_HAS(&message, EDITED) &&
        !CHAT_FRAME_HAS(&message, DELETED))
        return;
    uint8_t **owned = realloc(answer->owned, (answer->n_owned + 1) * sizeof *owned);
    uint8_t *bytes = malloc(FRAME_BYTES);
    if (owned != NULL)
        answer->owned = owned;
    if (owned == NULL || bytes == NULL ||
        chat_frame_encode(CHAT_ENCODING_CBOR, &message, bytes, FRAME_BYTES, &len) != CHAT_OK) {
        s->is_out_of_memory = 1;
        free(bytes);
        return;
    }
    answer->owned[answer->n_owned++] = bytes;
    row->payload.data = bytes;
    row->payload.len = len;
}

static int is_newest_reaction(sim *s, const sim_record *record, const chat_frame *note)
{
    char user[SIM_NAME_BYTES];
    uint64_t re = note->re;
    if (s->plant == SIM_PLANT_REACTIONS_ADD_UP)
        return 1;
    chat__sim_copy_name(user, sizeof user, note->from);
    for (size_t i = (size_t)(record - s->storage.records) + 1; i < s->storage.n_records; i++) {
        const sim_record *later = &s->storage.records[i];
        chat_frame other;
        if (later->is_durable && later->kind == CHAT_FRAME_NOTE && decode(s, later, &other) &&
            other.re == re &&
            (is_what(&other, "delete") ||
             (is_what(&other, "react") && other.from.len == strlen(user) &&
              memcmp(other.from.data, user, other.from.len) == 0)))
            return 0;
    }
    return 1;
}

void chat__sim_notes_react(sim *s, sim_answer *answer)
{
    answer->rows = calloc(s->storage.n_records + 1, sizeof *answer->rows);
    answer->status = CHAT_ERR_NOT_FOUND;
    for (size_t i = 0; answer->rows != NULL && i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        chat_frame note;
        if (record->id == answer->id && strcmp(record->chat, answer->chat) == 0)
            answer->status = CHAT_OK;
        if (!record->is_durable || record->kind != CHAT_FRAME_NOTE || !decode(s, record, &note) ||
            note.re != answer->id || !CHAT_FRAME_HAS(&note, REACTION) ||
            !is_newest_reaction(s, record, &note))
            continue;
        chat_view payload = {record->payload, record->len};
        chat__node_row row = {record->seq, record->prev, payload};
        answer->rows[answer->n_rows++] = row;
    }
}

/* --- the judge --- */

static const sim_record *message_at(const sim *s, const char *chat, uint64_t seq)
{
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->seq == seq && record->kind == CHAT_FRAME_MSG && strcmp(record->chat, chat) == 0)
            return record;
    }
    return NULL;
}

static int is_by_author(sim *s, const sim_record *message, const char *user)
{
    chat_frame frame;
    return decode(s, message, &frame) && frame.from.len == strlen(user) &&
           memcmp(frame.from.data, user, frame.from.len) == 0;
}

static void check_note(sim *s, const sim_record *record, sim_group *group)
{
    chat_frame note;
    char user[SIM_NAME_BYTES];
    if (!decode(s, record, &note))
        return;
    chat__sim_copy_name(user, sizeof user, note.from);
    uint64_t re_seq = note.re_seq;
    int is_edit = is_what(&note, "edit");
    int is_reaction = is_what(&note, "react");
    const sim_record *message = message_at(s, record->chat, re_seq);
    const sim_member *member = chat__sim_member_of(group, user);
    int is_manager = member != NULL && member->left == 0 && member->role >= CHAT__ROLE_ADMIN;
    if (message == NULL)
        chat__sim_violate(s, "notes: seq %llu of %s is about no message",
                          (unsigned long long)record->seq, record->chat);
    else if (was_deleted(s, record->chat, record, re_seq))
        chat__sim_violate(s, "notes: seq %llu of %s is behind the deletion of its message",
                          (unsigned long long)record->seq, record->chat);
    else if (!is_reaction && !is_by_author(s, message, user) && (is_edit || !is_manager))
        chat__sim_violate(s, "notes: %s may not do seq %llu of %s", user,
                          (unsigned long long)record->seq, record->chat);
    else if (member == NULL || member->left != 0)
        chat__sim_violate(s, "notes: %s is no member at seq %llu of %s", user,
                          (unsigned long long)record->seq, record->chat);
}

void chat__sim_notes_check(sim *s, const char *chat)
{
    sim_group group;
    chat__sim_group_init(&group, chat);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (strcmp(record->chat, chat) != 0)
            continue;
        chat__sim_group_apply(s, &group, record);
        if (record->kind == CHAT_FRAME_NOTE)
            check_note(s, record, &group);
    }
}

/* --- what history shows --- */

void chat__sim_notes_say(const chat_frame *frame, sim_saying *out)
{
    memset(out, 0, sizeof *out);
    if (CHAT_FRAME_HAS(frame, BODY))
        chat__sim_copy_name(out->text[0], sizeof out->text[0], frame->body);
    if (CHAT_FRAME_HAS(frame, REACTION))
        chat__sim_copy_name(out->text[1], sizeof out->text[1], frame->reaction);
    out->has_body = CHAT_FRAME_HAS(frame, BODY);
    out->is_deleted = CHAT_FRAME_HAS(frame, DELETED) && frame->deleted;
    out->edited = CHAT_FRAME_HAS(frame, EDITED) ? frame->edited : 0;
}

/* What `later` makes of a record. */
static void change_saying(sim *s, const sim_record *record, const sim_record *later, sim_saying *it)
{
    chat_frame own, note;
    if (later->kind != CHAT_FRAME_NOTE || strcmp(later->chat, record->chat) != 0 ||
        !decode(s, record, &own))
        return;
    int is_message = record->kind == CHAT_FRAME_MSG;
    uint64_t re_seq = is_message ? record->seq : own.re_seq;
    if (!decode(s, later, &note) || note.re_seq != re_seq)
        return;
    if (is_what(&note, "delete") && (is_message || it->has_body)) {
        memset(it, 0, sizeof *it);
        it->has_body = is_message;
        it->is_deleted = is_message;
    } else if (is_what(&note, "edit") && is_message && !it->is_deleted) {
        chat__sim_notes_say(&note, it);
        it->edited = note.ts;
    }
}

void chat__sim_notes_judge(sim *s, const sim_client *client, const sim_record *record,
                           const sim_saying *shown)
{
    sim_saying it;
    chat_frame own;
    size_t i = (size_t)(record - s->storage.records);
    if (record->kind != CHAT_FRAME_MSG && record->kind != CHAT_FRAME_NOTE)
        return;
    if (!decode(s, record, &own))
        return;
    chat__sim_notes_say(&own, &it);
    for (;; i++) {
        if (i + 1 >= client->walk.n_asked && memcmp(&it, shown, sizeof it) == 0)
            return;
        if (i + 1 >= s->storage.n_records || !s->storage.records[i + 1].is_durable)
            break;
        change_saying(s, record, &s->storage.records[i + 1], &it);
    }
    chat__sim_violate(s, "history: %s/%s was shown seq %llu of %s as it is not: %s%s", client->user,
                      client->device, (unsigned long long)record->seq, record->chat,
                      shown->is_deleted ? "deleted " : "", shown->text[0]);
}

void chat__sim_notes_judge_thoughts(sim *s, const sim_client *client)
{
    const sim_walk *walk = &client->walk;
    char thoughts[SIM_MAX_USERS][2];
    int is_deleted = 0;
    memset(thoughts, 0, sizeof thoughts);
    for (size_t i = 0;; i++) {
        chat_frame note;
        if (i >= walk->n_asked && memcmp(thoughts, walk->thoughts, sizeof thoughts) == 0)
            return;
        if (i >= s->storage.n_records || !s->storage.records[i].is_durable)
            break;
        const sim_record *record = &s->storage.records[i];
        if (record->kind != CHAT_FRAME_NOTE || !decode(s, record, &note) || note.re != walk->re)
            continue;
        is_deleted |= is_what(&note, "delete");
        if (is_deleted)
            memset(thoughts, 0, sizeof thoughts);
        else if (is_what(&note, "react"))
            thoughts[note.from.data[0] - 'a'][0] =
                CHAT_FRAME_HAS(&note, REACTION) ? (char)note.reaction.data[0] : 0;
    }
    chat__sim_violate(s, "history: %s/%s was shown other reactions to %llu of %s than there are",
                      client->user, client->device, (unsigned long long)walk->re, walk->chat);
}
