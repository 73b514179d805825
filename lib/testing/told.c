/* SPDX-License-Identifier: MIT */
/* Judges notifications when they are made: of no message twice, of nobody's own, on no device that
   has acknowledged it, that is not known, or that the notifier said to be gone. */
#include "testing/sim.h"

#include <string.h>

static sim_record *record_of(sim *s, uint64_t id)
{
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (s->storage.records[i].id == id)
            return &s->storage.records[i];
    }
    return NULL;
}

static int has_cursor(const sim *s, const char *const device[2], const sim_record *record)
{
    for (size_t i = 0; i < s->storage.n_cursors; i++) {
        const sim_cursor *cursor = &s->storage.cursors[i];
        if (strcmp(cursor->user, device[0]) == 0 && strcmp(cursor->device, device[1]) == 0 &&
            strcmp(cursor->chat, record->chat) == 0)
            return cursor->seq >= record->seq;
    }
    return 0;
}

/* Those of the user that lack the record. */
static size_t lacking(const sim *s, const char *user, const sim_record *record, chat_view *out,
                      size_t *out_known)
{
    size_t n = 0;
    *out_known = 0;
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        const sim_device *known = &s->storage.devices[i];
        const char *const device[2] = {known->user, known->device};
        if (strcmp(device[0], user) != 0 || !known->is_known)
            continue;
        ++*out_known;
        if (!has_cursor(s, device, record))
            out[n++] = chat__sim_view(device[1]);
    }
    return n;
}

void chat__sim_told_give(sim *s, chat__node *node, const sim_answer *answer)
{
    sim_record record = {.seq = answer->seq};
    chat_view devices[SIM_MAX_CLIENTS];
    chat__node_away away = {.devices = devices};
    memcpy(record.chat, answer->chat, sizeof record.chat);
    away.n_devices = lacking(s, answer->user, &record, devices, &away.n_known);
    if (s->plant != SIM_PLANT_MUTED_IS_TOLD)
        away.muted_until_ms = chat__sim_muted_until(s, answer->user, answer->chat);
    away.read_seq = chat__sim_storage_read(s, answer->user, answer->chat);
    chat__node_away_loaded(node, answer->tag, CHAT_OK, &away);
}

static sim_client *client_of(sim *s, const char *user, chat_view device)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        if (strcmp(s->clients[i].user, user) == 0 && strlen(s->clients[i].device) == device.len &&
            memcmp(s->clients[i].device, device.data, device.len) == 0)
            return &s->clients[i];
    }
    return NULL;
}

static void judge_device(sim *s, const char *user, chat_view device, const sim_record *record)
{
    const sim_client *client = client_of(s, user, device);
    const char *const name[2] = {user, client != NULL ? client->device : ""};
    if (client == NULL)
        chat__sim_violate(s, "push right: %s was notified on a device that is not known", user);
    else if (record != NULL && has_cursor(s, name, record))
        chat__sim_violate(s, "push right: %s/%s was notified of %s seq %llu, which it has", user,
                          name[1], record->chat, (unsigned long long)record->seq);
    else if (client->is_gone)
        chat__sim_violate(s, "push right: %s/%s was notified although it is gone", user, name[1]);
}

/* What becomes of it. */
static void end(sim *s, const chat__effect *effect, const char *user, uint32_t node)
{
    chat__told told = {effect->tag, effect->after, CHAT__FATE_ACCEPTED, {NULL, 0}};
    for (size_t i = 0; i < effect->devices.n_items; i++) {
        sim_client *client = client_of(s, user, effect->devices.items[i]);
        told.device = effect->devices.items[i];
        told.fate = chat__sim_chance(s, 10) ? CHAT__FATE_GONE : CHAT__FATE_ACCEPTED;
        if (client != NULL && told.fate == CHAT__FATE_GONE)
            client->is_gone = 1;
        chat__node_told(s->nodes[node], &told);
    }
}

static uint32_t bit_of(const sim *s, const char *user)
{
    uint32_t i = 0;
    while (i + 1 < s->n_clients && strcmp(s->clients[i].user, user) != 0)
        i++;
    return UINT32_C(1) << i;
}

void chat__sim_told(sim *s, const chat__effect *effect, uint32_t node)
{
    char user[SIM_NAME_BYTES];
    chat__sim_copy_name(user, sizeof user, effect->user);
    chat__sim_trace(s, "%s is notified of %u", user, effect->limit);
    sim_record *record = effect->id != 0 ? record_of(s, effect->id) : NULL;
    if (effect->id != 0 && (record == NULL || record->kind != CHAT_FRAME_MSG))
        chat__sim_violate(s, "push right: %s was notified of what is no message", user);
    chat__sim_judge_mute(s, user, effect->chat);
    for (size_t i = 0; i < effect->devices.n_items; i++)
        judge_device(s, user, effect->devices.items[i], record);
    end(s, effect, user, node);
    if (record == NULL || effect->limit != 1)
        return;
    if (record->told & bit_of(s, user))
        chat__sim_violate(s, "push right: %s was notified twice of %s seq %llu", user, record->chat,
                          (unsigned long long)record->seq);
    record->told |= bit_of(s, user);
    if (effect->names.n_items == 1 && effect->names.items[0].len == strlen(user) &&
        memcmp(effect->names.items[0].data, user, strlen(user)) == 0)
        chat__sim_violate(s, "push right: %s was notified of an own message", user);
}
