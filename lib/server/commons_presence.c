/* SPDX-License-Identifier: MIT */
/*
 * Devices that are connected here, told to what servers share: when they come, again before the
 * time to live ends, and when they go. For each device one ask is under way at most, for those at
 * the same time are done in any order. What fails is said again when it is due.
 */
#include "commons_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <stddef.h>
#include <string.h>

#define KEY_BYTES (2 * CHAT_ID_MAX_BYTES + 1)

static chat_view key_of(const chat__commons_device *device)
{
    return chat__view(device->bytes, (size_t)device->user_len + 1 + device->device_len);
}

static chat__commons_device *device_of(chat__due *due)
{
    return (chat__commons_device *)(void *)((uint8_t *)due - offsetof(chat__commons_device, due));
}

static void unlink_one(chat__commons *commons, chat__commons_device *device)
{
    chat__due_remove(device->is_due ? &commons->due : &commons->told, &device->due);
    device->is_due = 0;
}

/* To be said now. */
static void put_due(chat__commons *commons, chat__commons_device *device)
{
    device->is_due = 1;
    chat__due_add(&commons->due, &device->due, commons->now_ms);
}

static void forget(chat__commons *commons, chat__commons_device *device)
{
    (void)chat__map_remove(&commons->devices, key_of(device));
    chat__alloc_free(&commons->server->allocator, device);
}

void chat__commons_devices_init(chat__commons *commons)
{
    /* Those that are gone stay until that is said. */
    size_t max = 2 * (size_t)commons->server->options.max_connections + CHAT__COMMONS_FLIGHTS;
    chat__map_init(&commons->devices, &commons->server->allocator, max, commons->server->seed);
}

void chat__commons_devices_done(chat__commons *commons)
{
    chat__commons_device *device;
    size_t cursor = 0;
    while ((device = chat__map_next(&commons->devices, &cursor)) != NULL)
        chat__alloc_free(&commons->server->allocator, device);
    chat__map_done(&commons->devices);
}

/* --- what shards say --- */

static chat__commons_device *make(chat__commons *commons, uint32_t shard, chat_view user,
                                  chat_view key)
{
    chat__commons_device *device =
        chat__alloc_zero(&commons->server->allocator, sizeof *device + key.len);
    if (device == NULL)
        return NULL;
    device->shard = shard;
    device->user_len = (uint8_t)user.len;
    device->device_len = (uint8_t)(key.len - user.len - 1);
    memcpy(device->bytes, key.data, key.len);
    if (chat__map_put(&commons->devices, key_of(device), device) != CHAT_OK) {
        chat__alloc_free(&commons->server->allocator, device);
        return NULL;
    }
    put_due(commons, device);
    return device;
}

/* To be said as soon as nothing about it is under way. */
static void want(chat__commons *commons, chat__commons_device *device, int is_here)
{
    device->is_here = is_here != 0;
    if (device->is_flying || device->is_due)
        return;
    unlink_one(commons, device);
    put_due(commons, device);
}

void chat__commons_say(chat__commons *commons, uint32_t shard, int is_here, chat_view user,
                       chat_view device)
{
    uint8_t bytes[KEY_BYTES];
    chat_view key = chat__view(bytes, user.len + 1 + device.len);
    if (key.len > sizeof bytes || user.len == 0 || device.len == 0)
        return;
    memcpy(bytes, user.data, user.len);
    bytes[user.len] = 0;
    memcpy(bytes + user.len + 1, device.data, device.len);
    chat__commons_device *found = chat__map_get(&commons->devices, key);
    if (found == NULL && is_here)
        found = make(commons, shard, user, key);
    if (found != NULL)
        want(commons, found, is_here);
}

void chat__commons_say_away(chat__commons *commons, uint32_t shard)
{
    chat__commons_device *device;
    size_t cursor = 0;
    while ((device = chat__map_next(&commons->devices, &cursor)) != NULL) {
        if (device->shard == shard || shard == UINT32_MAX)
            want(commons, device, 0);
    }
}

void chat__commons_say_again(chat__commons *commons)
{
    while (commons->told.first != NULL) {
        chat__commons_device *device = device_of(commons->told.first);
        want(commons, device, device->is_here);
    }
}

/* --- asking --- */

static chat_status ask(chat__commons *commons, chat__commons_device *device)
{
    const uint8_t *name = device->bytes + device->user_len + 1;
    chat__commons_flight flight = {.kind = CHAT__COMMONS_DEVICE, .device = device};
    chat_shared_ask what = {.struct_size = sizeof what,
                            .op = device->is_here ? CHAT_SHARED_ONLINE : CHAT_SHARED_OFFLINE,
                            .owner = chat__view(device->bytes, device->user_len),
                            .name = chat__view(name, device->device_len),
                            .value = chat__view_str(commons->here)};
    return chat__commons_ask(commons, &flight, &what);
}

/* Said, or not to be said: until it is due again. */
static void settle(chat__commons *commons, chat__commons_device *device)
{
    if (!device->is_here) {
        forget(commons, device);
        return;
    }
    chat__due_add(&commons->told, &device->due, commons->now_ms + commons->renew_ms);
}

void chat__commons_tell_due(chat__commons *commons)
{
    while (commons->told.first != NULL && commons->told.first->at_ms <= commons->now_ms)
        want(commons, device_of(commons->told.first), 1);
    while (commons->due.first != NULL && !commons->is_full &&
           commons->n_flights < CHAT__COMMONS_FLIGHTS / 2) {
        chat__commons_device *device = device_of(commons->due.first);
        int is_here = device->is_here;
        /* It came and went before anybody was told. */
        chat_status status = is_here || device->is_told_here ? ask(commons, device) : CHAT_EMPTY;
        if (status == CHAT_ERR_BUSY)
            return;
        unlink_one(commons, device);
        device->is_flying = status == CHAT_OK;
        device->is_told_here = (uint8_t)is_here; /* once it is under way */
        if (status != CHAT_OK)
            settle(commons, device);
    }
}

/* Also when it failed: who is here is told again when that is due, and who went ends by himself. */
void chat__commons_told(chat__commons *commons, chat__commons_device *device)
{
    device->is_flying = 0;
    if (device->is_here != device->is_told_here)
        put_due(commons, device);
    else
        settle(commons, device);
}

uint64_t chat__commons_due_ms(const chat__commons *commons)
{
    return commons->told.first != NULL ? commons->told.first->at_ms : UINT64_MAX;
}
