/* SPDX-License-Identifier: MIT */
/*
 * Devices in the simulation. Storage knows them, forgets them when it is told to, when they are not
 * seen for long and when there are too many; a crash loses what was not flushed. Clients list and
 * remove devices of their users at random. A device that was removed is sent nothing more; when it
 * comes back it is told `reset`, and gets everything from the place where its user is.
 */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_R        3000000u /* numbers of these requests begin here */
#define REMOVE_PERCENT 2u
#define LIST_PERCENT   2u
#define SWEEP_PERCENT  50u
#define SWEEP_SLACK_MS 1000u
#define AWAY_MS        4000u

/* --- storage --- */

static uint64_t unix_ms(const sim *s)
{
    return s->unix_base_ms + s->now_ms;
}

static int is_of(const sim_device *device, const char *user)
{
    return strcmp(device->user, user) == 0;
}

static sim_device *find(sim *s, const char *user, const char *name)
{
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        sim_device *device = &s->storage.devices[i];
        if (is_of(device, user) && strcmp(device->device, name) == 0)
            return device;
    }
    return NULL;
}

static int is_unseen(const sim *s, const sim_device *device, uint64_t slack_ms)
{
    uint64_t since_ms = device->seen_ms + s->device_ttl_ms + slack_ms;
    return s->device_ttl_ms > 0 && since_ms < unix_ms(s);
}

int chat__sim_device_is_known(sim *s, const char *user, const char *device)
{
    const sim_device *found = find(s, user, device);
    return found != NULL && found->is_known && !is_unseen(s, found, 0);
}

static void forget(sim *s, sim_device *device)
{
    chat__sim_trace(s, "%s/%s is forgotten", device->user, device->device);
    device->is_known = 0;
    chat__sim_storage_keep_cursors(s, device->user, device->device);
}

/* The one longest away of a user, if he has too many. */
static sim_device *longest_away(sim *s, const sim_answer *answer, int *out_is_full)
{
    sim_device *found = NULL;
    uint32_t n = 0;
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        sim_device *device = &s->storage.devices[i];
        int is_connected = 0;
        if (!is_of(device, answer->user) || !device->is_known || is_unseen(s, device, 0))
            continue;
        n++;
        for (size_t k = 0; k < answer->n_connected; k++)
            is_connected |= strcmp(answer->connected + k * SIM_NAME_BYTES, device->device) == 0;
        if (!is_connected && (found == NULL || device->seen_ms < found->seen_ms))
            found = device;
    }
    *out_is_full = s->max_devices > 0 && n >= s->max_devices;
    return *out_is_full ? found : NULL;
}

static void tell_forgotten(sim *s, const sim_device *device)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        if (strcmp(s->clients[i].user, device->user) == 0 &&
            strcmp(s->clients[i].device, device->device) == 0)
            chat__sim_tell(s, &s->clients[i], "forgotten");
    }
}

chat_status chat__sim_device_hello(sim *s, const sim_answer *answer)
{
    int is_full = 0;
    sim_device *device = find(s, answer->user, answer->device);
    if (device != NULL && device->is_known && !is_unseen(s, device, 0)) {
        device->seen_ms = unix_ms(s);
        return CHAT_OK;
    }
    sim_device *other;
    while ((other = longest_away(s, answer, &is_full)) != NULL)
        forget(s, other);
    if (is_full)
        return CHAT_ERR_LIMIT;
    if (device == NULL && s->storage.n_devices < SIM_MAX_CLIENTS) {
        device = &s->storage.devices[s->storage.n_devices++];
        chat__sim_copy_name(device->user, SIM_NAME_BYTES, chat__sim_view(answer->user));
        chat__sim_copy_name(device->device, SIM_NAME_BYTES, chat__sim_view(answer->device));
    }
    if (device == NULL)
        return CHAT_EMPTY;
    if (device->is_known)
        forget(s, device);
    if (device->n_hellos++ > 0)
        tell_forgotten(s, device);
    device->is_known = device->was_known = 1;
    device->seen_ms = device->was_seen_ms = unix_ms(s);
    return CHAT_EMPTY;
}

void chat__sim_devices_seen(sim *s, const chat__effect *effect)
{
    char user[SIM_NAME_BYTES], name[SIM_NAME_BYTES];
    chat__sim_copy_name(user, sizeof user, effect->user);
    chat__sim_copy_name(name, sizeof name, effect->device);
    sim_device *device = find(s, user, name);
    if (device != NULL && unix_ms(s) > device->seen_ms)
        device->seen_ms = unix_ms(s);
}

/* In the order of the effects: what was asked before is answered as it was then. */
static void take_hellos(sim *s, const char *user)
{
    for (size_t i = 0; i < s->n_events; i++) {
        sim_answer *answer = s->events[i].answer;
        if (answer != NULL && answer->type == CHAT__EFFECT_LOAD_USER && !answer->is_taken &&
            strcmp(answer->user, user) == 0)
            chat__sim_storage_take(s, answer);
    }
}

int chat__sim_devices_are_asked(const sim_answer *answer)
{
    return answer->type == CHAT__EFFECT_FORGET || answer->type == CHAT__EFFECT_LOAD_DEVICES;
}

static void copy_connected(sim *s, sim_answer *answer, chat_view_list devices)
{
    answer->connected = calloc(devices.n_items + 1, SIM_NAME_BYTES);
    if (answer->connected == NULL) {
        s->is_out_of_memory = 1;
        return;
    }
    for (size_t i = 0; i < devices.n_items; i++)
        chat__sim_copy_name(answer->connected + i * SIM_NAME_BYTES, SIM_NAME_BYTES,
                            devices.items[i]);
    answer->n_connected = devices.n_items;
}

/* What is done is done when it is asked; and who is connected is known then only. */
int chat__sim_devices_ask(sim *s, sim_answer *answer, chat_view_list connected)
{
    int is_hello = answer->type == CHAT__EFFECT_LOAD_USER;
    if (is_hello)
        copy_connected(s, answer, connected);
    return chat__sim_devices_are_asked(answer) || (is_hello && s->max_devices > 0);
}

void chat__sim_devices_take(sim *s, sim_answer *answer)
{
    answer->is_taken = 1;
    if (answer->type == CHAT__EFFECT_FORGET) {
        take_hellos(s, answer->user);
        sim_device *device = find(s, answer->user, answer->device);
        int is_there = device != NULL && device->is_known && !is_unseen(s, device, 0);
        answer->status = is_there ? CHAT_OK : CHAT_ERR_NOT_FOUND;
        if (is_there && s->plant != SIM_PLANT_REMOVED_STAYS)
            forget(s, device);
        return;
    }
    answer->devices = calloc(SIM_MAX_CLIENTS, sizeof *answer->devices);
    for (size_t i = 0; i < s->storage.n_devices && answer->devices != NULL; i++) {
        const sim_device *device = &s->storage.devices[i];
        if (!is_of(device, answer->user) || !device->is_known || is_unseen(s, device, 0))
            continue;
        answer->devices[answer->n_rows].device = chat__sim_view(device->device);
        answer->devices[answer->n_rows++].seen_unix_ms = device->seen_ms;
    }
}

/* What was forgotten is on disk. */
void chat__sim_devices_give(sim *s, chat__node *node, const sim_answer *answer)
{
    if (answer->type == CHAT__EFFECT_FORGET) {
        chat__sim_storage_flush(s);
        chat__node_forgotten(node, answer->tag, answer->status);
    } else {
        chat__node_devices_loaded(node, answer->tag, CHAT_OK, answer->devices, answer->n_rows);
    }
}

void chat__sim_devices_flush(sim *s)
{
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        sim_device *device = &s->storage.devices[i];
        device->was_known = device->is_known;
        device->was_seen_ms = device->seen_ms;
    }
}

void chat__sim_devices_crash(sim *s, uint32_t node)
{
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        sim_device *device = &s->storage.devices[i];
        if (!chat__sim_lives_on(s, device->user, node))
            continue;
        device->is_known = device->was_known;
        device->seen_ms = device->was_seen_ms;
    }
}

void chat__sim_devices_sweep(sim *s)
{
    if (!chat__sim_chance(s, SWEEP_PERCENT))
        return;
    for (size_t i = 0; i < s->storage.n_devices; i++) {
        sim_device *device = &s->storage.devices[i];
        if (device->is_known && is_unseen(s, device, SWEEP_SLACK_MS))
            forget(s, device);
    }
}

/* --- clients --- */

void chat__sim_devices_init(sim *s)
{
    s->has_removals = chat__sim_chance(s, 40);
    s->max_devices = chat__sim_chance(s, 20) ? 1 + chat__sim_random(s, 2) : 0;
    s->device_ttl_ms = chat__sim_chance(s, 20) ? 2000 + chat__sim_random(s, 8000) : 0;
}

static void ask(sim *s, sim_client *client, chat_frame_type type, const char *device)
{
    chat_frame frame;
    chat_frame_init(&frame, type);
    CHAT_FRAME_SET(&frame, R, r, FIRST_R + client->n_pages++);
    if (device != NULL)
        CHAT_FRAME_SET(&frame, DEVICE, device, chat__sim_view(device));
    chat__sim_trace(s, "%s/%s asks: %s %s", client->user, client->device,
                    chat_frame_type_name(type), device != NULL ? device : "");
    chat__sim_client_say(s, client, &frame);
}

void chat__sim_devices_step(sim *s, sim_client *client)
{
    char name[3] = {'d', (char)('0' + chat__sim_random(s, s->options.n_devices)), 0};
    if (s->is_settling || !s->has_removals)
        return;
    if (chat__sim_chance(s, REMOVE_PERCENT))
        ask(s, client, CHAT_FRAME_DEVICE_REMOVE, name);
    else if (chat__sim_chance(s, LIST_PERCENT))
        ask(s, client, CHAT_FRAME_DEVICES, NULL);
}

static int is_text(chat_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

/* A user who removed a device says hello with it again only some time later. */
static void on_bye(sim *s, sim_client *client, const chat_frame *frame)
{
    if (is_text(frame->code, "too_many_devices"))
        chat__sim_trace(s, "%s/%s is one device too many", client->user, client->device);
    if (!is_text(frame->code, "removed"))
        return;
    chat__sim_trace(s, "%s/%s hears that it was removed", client->user, client->device);
    client->is_removed = 1;
    client->away_until_ms = s->now_ms + chat__sim_random(s, AWAY_MS);
}

static void on_resumed(sim *s, sim_client *client, const chat_frame *frame)
{
    if (client->is_removed && !is_text(frame->state, "reset"))
        chat__sim_violate(s, "removed: %s/%s came back and was told %.*s", client->user,
                          client->device, (int)frame->state.len, (const char *)frame->state.data);
    client->is_removed = 0;
}

void chat__sim_devices_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_BYE)
        on_bye(s, client, frame);
    else if (frame->type == CHAT_FRAME_RESUMED)
        on_resumed(s, client, frame);
}

void chat__sim_devices_lost(sim_client *client)
{
    /* What it would have been told, it was not told. */
    if (client->wire != 0 && client->away_until_ms == 0)
        client->is_removed = 0;
}

int chat__sim_devices_is_away(const sim *s, sim_client *client)
{
    if (!s->is_settling && s->now_ms < client->away_until_ms)
        return 1;
    client->away_until_ms = 0;
    return 0;
}

/* --- judging --- */

void chat__sim_devices_write(sim *s, const sim_client *client, chat_view bytes)
{
    chat_frame frame;
    const sim_device *device = find(s, client->user, client->device);
    if (device == NULL || device->is_known || bytes.len == 0 ||
        chat_frame_decode(s->decoder, client->encoding, bytes, &frame) != CHAT_OK)
        return;
    if (CHAT_FRAME_HAS(&frame, PREV) && !CHAT_FRAME_HAS(&frame, R))
        chat__sim_violate(s, "removed: %s/%s is sent seq %llu", client->user, client->device,
                          (unsigned long long)frame.seq);
}

int chat__sim_device_is_restarted(const sim *s, const sim_client *client)
{
    const sim_device *device = find((sim *)(uintptr_t)s, client->user, client->device);
    return device != NULL && device->n_hellos > 1;
}

static int is_own(const sim_client *client, const sim_record *record)
{
    for (size_t i = 0; i < client->n_outs; i++) {
        const sim_out *out = &client->outs[i];
        if (out->seq == record->seq || (out->is_create && strcmp(out->chat, record->chat) == 0))
            return 1;
    }
    return 0;
}

static void check_chat(sim *s, const sim_client *client, const char *chat)
{
    sim_group group;
    uint64_t start = chat__sim_storage_start(s, client->user, client->device, chat);
    chat__sim_group_init(&group, chat);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (strcmp(record->chat, chat) != 0)
            continue;
        chat__sim_group_apply(s, &group, record);
        if (record->seq > start && chat__sim_is_for(&group, client->user, record->seq) &&
            !chat__sim_has_seen(client, chat, record->seq) && !is_own(client, record) &&
            !chat__sim_marks_has_asked(s, client, record) &&
            !chat__sim_asks_has_asked(s, client, record) &&
            !chat__sim_blocks_has_asked(s, client, record))
            chat__sim_violate(s, "removed: %s/%s came back at %llu of %s and never saw seq %llu",
                              client->user, client->device, (unsigned long long)start, chat,
                              (unsigned long long)record->seq);
    }
}

/* What came behind the place where it began anew it has, all of it. */
void chat__sim_devices_check(sim *s)
{
    for (uint32_t k = 0; k < s->n_clients; k++) {
        if (!chat__sim_device_is_restarted(s, &s->clients[k]))
            continue;
        for (size_t i = 0; i < s->storage.n_records; i++) {
            const sim_record *record = &s->storage.records[i];
            if (record->prev == 0 && record->kind != CHAT_FRAME_MARKER &&
                record->kind != CHAT_FRAME_SETTING)
                check_chat(s, &s->clients[k], record->chat);
        }
    }
}
