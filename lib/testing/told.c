/* SPDX-License-Identifier: MIT */
/* Judges notifications when they are made: of no message twice, of nobody's own, of none that all
   devices of the user have acknowledged. */
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

static int have_all(const sim *s, const char *user, const sim_record *record)
{
    int n = 0;
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        const char *const device[2] = {s->storage.devices[i][0], s->storage.devices[i][1]};
        if (strcmp(device[0], user) != 0)
            continue;
        n++;
        if (!has_cursor(s, device, record))
            return 0;
    }
    return n > 0;
}

static int is_local(const sim *s, const sim_record *record, chat_view user)
{
    uint32_t n = s->options.n_nodes;
    return chat__node_of_chat(chat__sim_view(record->chat), SIM_PARTITIONS, n) ==
           chat__node_of_user(user, n);
}

static uint32_t bit_of(const sim *s, const char *user)
{
    uint32_t i = 0;
    while (i + 1 < s->n_clients && strcmp(s->clients[i].user, user) != 0)
        i++;
    return UINT32_C(1) << i;
}

void chat__sim_told(sim *s, const chat__effect *effect)
{
    char user[SIM_NAME_BYTES];
    chat__sim_copy_name(user, sizeof user, effect->user);
    chat__sim_trace(s, "%s is notified of %u", user, effect->limit);
    sim_record *record = effect->id != 0 ? record_of(s, effect->id) : NULL;
    if (effect->id != 0 && (record == NULL || record->kind != CHAT_FRAME_MSG))
        chat__sim_violate(s, "push right: %s was notified of what is no message", user);
    if (record == NULL || effect->limit != 1)
        return;
    if (record->told & bit_of(s, user))
        chat__sim_violate(s, "push right: %s was notified twice of %s seq %llu", user, record->chat,
                          (unsigned long long)record->seq);
    record->told |= bit_of(s, user);
    if (effect->names.n_items == 1 && effect->names.items[0].len == strlen(user) &&
        memcmp(effect->names.items[0].data, user, strlen(user)) == 0)
        chat__sim_violate(s, "push right: %s was notified of an own message", user);
    /* From another node a record may come so late that the device has read it back. */
    if (is_local(s, record, effect->user) && have_all(s, user, record))
        chat__sim_violate(s, "push right: %s was notified of %s seq %llu, which all have", user,
                          record->chat, (unsigned long long)record->seq);
}
