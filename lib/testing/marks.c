/* SPDX-License-Identifier: MIT */
/*
 * Markers of what was read, in the simulation: clients say at random what they have read, again
 * until they are answered; what was answered must survive, and no marker may ever go back.
 */
#include "testing/sim.h"

#include <string.h>

#define MAX_MEMBERS  64u
#define READ_PERCENT 8u
#define RETRY_MS     1000u

static int is_text_at(chat_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

/* Whether it is a marker of the user (any when empty) in the chat; `*frame` is its content. */
static int is_marker(sim *s, const sim_record *record, chat_frame *frame)
{
    chat_view payload = {record->payload, record->len};
    return record->kind == CHAT_FRAME_MARKER && record->is_durable &&
           chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, frame) == CHAT_OK;
}

static uint64_t stored_marker(sim *s, chat_view user, const char *chat)
{
    uint64_t seq = 0;
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (is_marker(s, &s->storage.records[i], &frame) && is_text_at(frame.of, chat) &&
            frame.from.len == user.len && memcmp(frame.from.data, user.data, user.len) == 0 &&
            frame.read_seq > seq)
            seq = frame.read_seq;
    }
    return seq;
}

uint64_t chat__sim_storage_read(sim *s, const char *user, const char *chat)
{
    return stored_marker(s, chat__sim_view(user), chat);
}

/* --- storage --- */

void chat__sim_marks_give(sim *s, chat__node *node, const sim_answer *answer)
{
    sim_group group;
    chat__node_mark items[MAX_MEMBERS];
    chat__node_marks marks = {items, 0, 0};
    chat__sim_group_of(s, answer->chat, &group);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->is_durable && record->seq <= answer->seq &&
            strcmp(record->chat, answer->chat) == 0)
            marks.seq = record->seq;
    }
    for (size_t i = 0; i < group.n_members; i++) {
        const char *name = group.members[i].user;
        if (group.members[i].left != 0)
            continue;
        chat__node_mark *mark = &items[marks.n_items++];
        mark->user = chat__sim_view(name);
        mark->read_seq =
            s->plant == SIM_PLANT_MARKER_GOES_BACK ? 0 : stored_marker(s, mark->user, answer->chat);
        mark->delivered_seq = s->plant == SIM_PLANT_WHY_INVENTS
                                  ? UINT64_MAX
                                  : chat__sim_storage_delivered(s, name, answer->chat);
    }
    /* A group that all have left is still there. */
    int is_there = group.is_there || marks.n_items > 0;
    chat__node_marks_loaded(node, answer->tag, is_there ? CHAT_OK : CHAT_ERR_NOT_FOUND, &marks);
}

/* --- clients --- */

static sim_mark *mark_of(sim_client *client, chat_view chat)
{
    for (size_t i = 0; i < client->n_marks; i++) {
        if (is_text_at(chat, client->marks[i].chat))
            return &client->marks[i];
    }
    if (client->n_marks == SIM_MARKS)
        return NULL;
    sim_mark *mark = &client->marks[client->n_marks++];
    memset(mark, 0, sizeof *mark);
    chat__sim_copy_name(mark->chat, sizeof mark->chat, chat);
    return mark;
}

static void say_read(sim *s, sim_client *client, sim_mark *mark)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_READ);
    CHAT_FRAME_SET(&frame, R, r, SIM_READ_R + (uint64_t)(mark - client->marks));
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(mark->chat));
    CHAT_FRAME_SET(&frame, SEQ, seq, mark->wanted);
    mark->is_flying_here = 1;
    chat__sim_trace(s, "%s/%s has read %s up to %llu", client->user, client->device, mark->chat,
                    (unsigned long long)mark->wanted);
    chat__sim_client_say(s, client, &frame);
}

static void read_something(sim *s, sim_client *client)
{
    chat_view user;
    const sim_seen *seen = &client->seen[chat__sim_random(s, (uint32_t)client->n_seen)];
    if (seen->n_seqs == 0 || chat_self_user(chat__sim_view(seen->chat), &user) == CHAT_OK)
        return;
    sim_mark *mark = mark_of(client, chat__sim_view(seen->chat));
    if (mark == NULL || mark->wanted != 0)
        return;
    mark->wanted = seen->seqs[chat__sim_random(s, (uint32_t)seen->n_seqs)];
    mark->not_before_ms = 0;
    mark->is_flying_here = 0;
}

void chat__sim_marks_step(sim *s, sim_client *client)
{
    if (!s->is_settling && client->n_seen > 0 && chat__sim_chance(s, READ_PERCENT))
        read_something(s, client);
    for (size_t i = 0; i < client->n_marks; i++) {
        sim_mark *mark = &client->marks[i];
        if (mark->wanted != 0 && !mark->is_flying_here && mark->not_before_ms <= s->now_ms)
            say_read(s, client, mark);
    }
}

void chat__sim_marks_lost(sim_client *client)
{
    for (size_t i = 0; i < client->n_marks; i++)
        client->marks[i].is_flying_here = 0;
}

int chat__sim_marks_are_settled(const sim_client *client)
{
    for (size_t i = 0; i < client->n_marks; i++) {
        if (client->marks[i].wanted != 0)
            return 0;
    }
    return 1;
}

static void on_answer(sim *s, sim_client *client, sim_mark *mark, const chat_frame *frame)
{
    if (mark->wanted == 0)
        return;
    mark->is_flying_here = 0;
    if (frame->type == CHAT_FRAME_ERROR) {
        mark->not_before_ms = s->now_ms + RETRY_MS;
        /* Who is no member any more gives it up, and may have missed an earlier answer. */
        /* It was removed, or has left: asking again gets the same answer. */
        if (is_text_at(frame->code, "forbidden") || is_text_at(frame->code, "not_found")) {
            mark->wanted = 0;
            mark->is_given_up = 1;
        }
        return;
    }
    if (frame->seq < mark->wanted || frame->seq < mark->told)
        chat__sim_violate(s, "markers never go back: %s/%s was told %llu of %s after %llu",
                          client->user, client->device, (unsigned long long)frame->seq, mark->chat,
                          (unsigned long long)mark->told);
    mark->wanted = 0;
    mark->told = frame->seq;
    if (frame->seq > mark->known)
        mark->known = frame->seq;
}

static void on_marker(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_mark *mark = mark_of(client, frame->of);
    if (mark == NULL)
        return;
    /* A frame that is written again says the same; the stream as such never goes back. */
    if (frame->seq > mark->streamed) {
        if (frame->read_seq <= mark->known && mark->streamed != 0 && mark->told == 0)
            chat__sim_violate(s, "markers never go back: %s/%s saw %llu of %s after %llu",
                              client->user, client->device, (unsigned long long)frame->read_seq,
                              mark->chat, (unsigned long long)mark->known);
        mark->streamed = frame->seq;
    }
    if (frame->read_seq > mark->known)
        mark->known = frame->read_seq;
}

void chat__sim_marks_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_MARKER)
        on_marker(s, client, frame);
    else if (CHAT_FRAME_HAS(frame, R) && frame->r >= SIM_READ_R &&
             frame->r < SIM_READ_R + client->n_marks)
        on_answer(s, client, &client->marks[frame->r - SIM_READ_R], frame);
}

/* --- judging --- */

int chat__sim_marks_has_asked(sim *s, const sim_client *client, const sim_record *record)
{
    chat_frame frame;
    if (!is_marker(s, record, &frame))
        return 0;
    for (size_t i = 0; i < client->n_marks; i++) {
        if (is_text_at(frame.of, client->marks[i].chat))
            return client->marks[i].told != 0 || client->marks[i].is_given_up;
    }
    return 0;
}

static void check_record(sim *s, size_t at)
{
    chat_frame frame;
    chat_frame other;
    const sim_record *record = &s->storage.records[at];
    int is_there = 0;
    if (!is_marker(s, record, &frame))
        return;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *each = &s->storage.records[i];
        is_there |= each->seq == frame.read_seq && is_text_at(frame.of, each->chat);
        if (i < at && strcmp(each->chat, record->chat) == 0 && is_marker(s, each, &other) &&
            other.of.len == frame.of.len &&
            memcmp(other.of.data, frame.of.data, frame.of.len) == 0 &&
            other.read_seq >= frame.read_seq)
            chat__sim_violate(s, "markers never go back: %s has %llu behind %llu", record->chat,
                              (unsigned long long)frame.read_seq,
                              (unsigned long long)other.read_seq);
    }
    if (!is_there)
        chat__sim_violate(s, "a marker of %s stands on no record", record->chat);
}

void chat__sim_marks_check(sim *s)
{
    for (size_t i = 0; i < s->storage.n_records; i++)
        check_record(s, i);
    for (uint32_t i = 0; i < s->n_clients; i++) {
        const sim_client *client = &s->clients[i];
        for (size_t k = 0; k < client->n_marks; k++) {
            const sim_mark *mark = &client->marks[k];
            uint64_t stored = stored_marker(s, chat__sim_view(client->user), mark->chat);
            if (stored < mark->told)
                chat__sim_violate(s, "answered markers survive: %s of %s/%s is at %llu, not %llu",
                                  mark->chat, client->user, client->device,
                                  (unsigned long long)stored, (unsigned long long)mark->told);
            if (chat__sim_is_first_device(s, client) && !mark->is_given_up && mark->known != stored)
                chat__sim_violate(s, "%s/%s knows marker %llu of %s, not %llu", client->user,
                                  client->device, (unsigned long long)mark->known, mark->chat,
                                  (unsigned long long)stored);
        }
    }
}
