/* SPDX-License-Identifier: MIT */
/*
 * Judges a settled run: by its history, as anybody's run is judged, and by what only a simulation
 * can show: self streams reach their devices, markers and notes are as the records say.
 */
#include "testing/sim.h"

#include <string.h>

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

int chat__sim_has_seen(const sim_client *client, const char *chat, uint64_t seq)
{
    return has_seen(seen_of(client, chat), seq);
}

uint64_t chat__sim_last_seen(const sim_client *client, const char *chat)
{
    const sim_seen *seen = seen_of(client, chat);
    return seen != NULL && seen->n_seqs > 0 ? seen->seqs[seen->n_seqs - 1] : 0;
}

/* The first device of a user gets everything; a later one starts where the user is. */
int chat__sim_is_first_device(const sim *s, const sim_client *client)
{
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        const sim_device *device = &s->storage.devices[i];
        if (strcmp(device->user, client->user) == 0)
            return strcmp(device->device, client->device) == 0 && device->n_hellos <= 1;
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
        if (was_seen || !is_for || chat__sim_marks_has_asked(s, client, record) ||
            chat__sim_asks_has_asked(s, client, record) ||
            chat__sim_blocks_has_asked(s, client, record))
            continue;
        if (!chat__sim_is_first_device(s, client) && (seen == NULL || record->seq < seen->seqs[0]))
            continue;
        if (record->seq <= chat__sim_storage_start(s, client->user, client->device, chat))
            continue;
        chat__sim_violate(s, "delivered or queued: %s/%s never saw %s seq %llu", client->user,
                          client->device, chat, (unsigned long long)record->seq);
        return;
    }
}

static void check_self_stream(sim *s, const char *chat)
{
    for (uint32_t k = 0; k < s->n_clients; k++)
        check_device(s, &s->clients[k], chat);
}

void chat__sim_check(sim *s)
{
    chat__sim_judge(s);
    chat__sim_marks_check(s);
    chat__sim_devices_check(s);
    chat__sim_asks_check(s);
    chat__sim_blocks_check(s);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (!chat__sim_is_first(s, record))
            continue;
        if (record->kind == CHAT_FRAME_MARKER || record->kind == CHAT_FRAME_SETTING ||
            record->kind == CHAT_FRAME_BLOCKED)
            check_self_stream(s, record->chat);
        else
            chat__sim_notes_check(s, record->chat);
    }
}
