/* SPDX-License-Identifier: MIT */
/*
 * Judges a settled run by what clients were told and saw: acknowledged is durable, exactly once;
 * each device of each member has every record of its chats, in the log's order; ids are unique.
 */
#include "testing/sim.h"

#include <string.h>

static int is_text_at(chat_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

/* Acknowledged is durable, and exists once. */
static void check_out(sim *s, const sim_client *client, const sim_out *out)
{
    size_t n_found = 0;
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        chat_view payload = {record->payload, record->len};
        if (record->kind != CHAT_FRAME_MSG ||
            chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, &frame) != CHAT_OK ||
            !is_text_at(frame.from, client->user) || !is_text_at(frame.cid, out->cid))
            continue;
        n_found++;
        if (out->is_done && (record->id != out->id || record->seq != out->seq))
            chat__sim_violate(s, "one-copy: %s was acknowledged with another id or seq than it has",
                              out->cid);
    }
    if (out->is_done && n_found == 0)
        chat__sim_violate(s, "acknowledged is durable: %s of %s is lost", out->cid, client->user);
    if (n_found > 1)
        chat__sim_violate(s, "once: %s of %s is stored %zu times", out->cid, client->user, n_found);
}

static const sim_seen *seen_of(const sim_client *client, const char *chat)
{
    for (size_t i = 0; i < client->n_seen; i++) {
        if (strcmp(client->seen[i].chat, chat) == 0)
            return &client->seen[i];
    }
    return NULL;
}

static int has_seen(const sim_seen *seen, uint64_t seq)
{
    for (size_t i = 0; seen != NULL && i < seen->n_seqs; i++) {
        if (seen->seqs[i] == seq)
            return 1;
    }
    return 0;
}

/* Who made a change of members gets it all the same. */
static int was_sent_by(const sim_client *client, const sim_record *record)
{
    for (size_t i = 0;
         record->kind != CHAT_FRAME_CHANGE && record->kind != CHAT_FRAME_NOTE && i < client->n_outs;
         i++) {
        const sim_out *out = &client->outs[i];
        if (out->is_create ? record->kind == CHAT_FRAME_CHAT && strcmp(out->chat, record->chat) == 0
                           : out->id == record->id)
            return 1;
    }
    return 0;
}

/* The first device of a user gets everything; a later one starts where the user is. */
int chat__sim_is_first_device(const sim *s, const sim_client *client)
{
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        if (strcmp(s->storage.devices[i][0], client->user) == 0)
            return strcmp(s->storage.devices[i][1], client->device) == 0;
    }
    return 1;
}

/* Who is a member at a record's place gets it, nobody else. A client drops what is at or behind the
   last that it saw, so what came out of order is missing. */
static void check_device(sim *s, const sim_client *client, const char *chat)
{
    sim_group group;
    const sim_seen *seen = seen_of(client, chat);
    chat__sim_group_init(&group, chat);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (strcmp(record->chat, chat) != 0)
            continue;
        chat__sim_group_apply(s, &group, record);
        int is_for = chat__sim_is_for(&group, client->user, record->seq);
        int was_seen = has_seen(seen, record->seq);
        if (was_seen && !is_for) {
            chat__sim_violate(s, "members only: %s/%s saw %s seq %llu", client->user,
                              client->device, chat, (unsigned long long)record->seq);
            return;
        }
        if (was_seen || !is_for || was_sent_by(client, record) ||
            chat__sim_marks_has_asked(s, client, record))
            continue;
        if (!chat__sim_is_first_device(s, client) && (seen == NULL || record->seq < seen->seqs[0]))
            continue;
        chat__sim_violate(s, "delivered or queued: %s/%s never saw %s seq %llu", client->user,
                          client->device, chat, (unsigned long long)record->seq);
        return;
    }
}

static void check_chat(sim *s, const char *chat)
{
    chat__sim_notes_check(s, chat);
    for (uint32_t k = 0; k < s->n_clients; k++)
        check_device(s, &s->clients[k], chat);
}

static void check_log(sim *s)
{
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        for (size_t k = 0; k < i; k++) {
            if (s->storage.records[k].id == record->id)
                chat__sim_violate(s, "unique ids: %llu was given twice",
                                  (unsigned long long)record->id);
        }
    }
}

/* Nobody sees a record that the log has not. */
static void check_seen(sim *s, const sim_client *client, const sim_seen *seen)
{
    for (size_t i = 0; i < seen->n_seqs; i++) {
        size_t k = 0;
        while (k < s->storage.n_records && (s->storage.records[k].seq != seen->seqs[i] ||
                                            strcmp(s->storage.records[k].chat, seen->chat) != 0))
            k++;
        if (k == s->storage.n_records)
            chat__sim_violate(s, "one order: %s/%s saw %s seq %llu, which the log has not",
                              client->user, client->device, seen->chat,
                              (unsigned long long)seen->seqs[i]);
    }
}

void chat__sim_check(sim *s)
{
    check_log(s);
    chat__sim_marks_check(s);
    for (uint32_t i = 0; i < s->n_clients; i++) {
        const sim_client *client = &s->clients[i];
        for (size_t k = 0; k < client->n_outs; k++) {
            if (!client->outs[k].is_create && client->outs[k].change == 0)
                check_out(s, client, &client->outs[k]);
        }
        for (size_t k = 0; k < client->n_seen; k++)
            check_seen(s, client, &client->seen[k]);
    }
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (s->storage.records[i].prev == 0)
            check_chat(s, s->storage.records[i].chat);
    }
}
