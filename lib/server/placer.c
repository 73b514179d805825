/* SPDX-License-Identifier: MIT */
/* See placer.h. */
#include "placer.h"
#include "cluster.h"
#include "plan.h"
#include "slot.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <poll.h>
#include <string.h>

#define MAX_STOP_MS 2500u

typedef struct chat__placer {
    chat_places table;
    int is_open, is_released, is_leaving;
} chat__placer;

/* --- life --- */

static int is_whole(const chat_places *table)
{
    return table->open != NULL && table->fd != NULL && table->deadline != NULL &&
           table->process != NULL && table->next_event != NULL && table->look != NULL &&
           table->claim != NULL && table->give_up != NULL && table->leave != NULL &&
           table->release != NULL;
}

int chat__placer_is_wanted(const chat_server *server)
{
    return server->options.places != NULL && server->options.slots > 0 &&
           chat__links_are_wanted(&server->options);
}

chat_status chat__placer_init(chat_server *server)
{
    const chat_places *given = server->options.places;
    if (!chat__placer_is_wanted(server))
        return CHAT_OK;
    chat__placer *placer = chat__alloc_zero(&server->allocator, sizeof *placer);
    if (placer == NULL)
        return CHAT_ERR_NOMEM;
    server->placer = placer;
    chat_status status = chat__sized_take(&placer->table, sizeof placer->table, given);
    if (status == CHAT_OK && is_whole(&placer->table))
        return CHAT_OK;
    chat__server_log(server, CHAT_LOG_ERROR, "places: struct_size or a function is not set");
    return CHAT_ERR_ARG;
}

void chat__placer_done(chat_server *server)
{
    chat__alloc_free(&server->allocator, server->placer);
    server->placer = NULL;
}

chat_status chat__placer_start(chat_server *server)
{
    chat__placer *placer = server->placer;
    if (placer == NULL)
        return CHAT_OK;
    uint32_t runs_slots = server->options.gateway ? 0 : (uint32_t)server->options.partitions;
    char address[CHAT_PLACES_ADDRESS_BYTES];
    chat__links_address(server->links, address, sizeof address);
    chat_places_wish wish = {sizeof wish, (uint32_t)server->options.link_member, server->n_shards,
                             runs_slots, address};
    chat_status status = placer->table.open(placer->table.ctx, &wish, chat__server_mono_ms());
    if (status == CHAT_OK)
        placer->is_open = 1;
    else
        chat__server_log(server, CHAT_LOG_ERROR, "the places of slots cannot be asked for: %s",
                         chat_status_text(status));
    return status;
}

/* --- doing --- */

/* A slot that the directory says is ours, or is not. */
static void place(chat_server *server, uint32_t index, const chat_places_slot *slot,
                  chat__plan_step step)
{
    chat__placer *placer = server->placer;
    chat__shard *shard = &server->shards[index];
    uint64_t running = chat__slot_term(shard);
    uint64_t wanted = atomic_load(&shard->wanted_term);
    if (atomic_load(&shard->is_slot_refused))
        step = slot->is_ours ? CHAT__PLAN_GIVE_UP : CHAT__PLAN_KEEP;
    if (!slot->is_ours) {
        if (running != 0 || wanted != 0)
            chat__slot_want(shard, 0, running != 0);
        else if (step == CHAT__PLAN_CLAIM && !placer->is_leaving)
            placer->table.claim(placer->table.ctx, index);
    } else if (step == CHAT__PLAN_GIVE_UP) {
        chat__slot_want(shard, 0, 0);
        if (running == 0 && wanted == 0)
            placer->table.give_up(placer->table.ctx, index);
    } else if (!placer->is_leaving) {
        chat__slot_want(shard, slot->term, running != 0 && running != slot->term);
    }
}

/* Who is there. Who is gone stays known: a link holds as long as both sides live, without etcd. */
static void meet(chat_server *server, const chat_places_picture *picture)
{
    if (!picture->is_known || !chat__links_are_found(&server->options))
        return;
    for (uint32_t i = 0; i < picture->n_members; i++)
        chat__cluster_meet(server, picture->members[i].member, picture->members[i].address);
}

static void follow_picture(chat_server *server)
{
    chat__placer *placer = server->placer;
    chat__plan_step steps[CHAT_PLACES_MAX_SLOTS];
    chat_places_slot slots[CHAT_PLACES_MAX_SLOTS];
    chat_places_picture picture = {.struct_size = sizeof picture};
    if (placer->table.look(placer->table.ctx, &picture) != CHAT_OK ||
        picture.n_slots != server->n_shards)
        return;
    meet(server, &picture);
    chat__plan(&picture, (uint32_t)server->options.link_member, steps);
    /* It is lent until the next call. */
    memcpy(slots, picture.slots, picture.n_slots * sizeof *slots);
    for (uint32_t i = 0; i < server->n_shards; i++)
        place(server, i, &slots[i], steps[i]);
}

static void read_events(chat_server *server)
{
    chat__placer *placer = server->placer;
    chat_places_event event = {.struct_size = sizeof event};
    while (placer->table.next_event(placer->table.ctx, &event) == CHAT_OK) {
        if (event.type == CHAT_PLACES_LOST)
            chat__server_log(server, CHAT_LOG_ERROR, "the slots of this member are lost: %s",
                             event.why);
        else if (event.type == CHAT_PLACES_TROUBLE)
            chat__server_log(server, CHAT_LOG_WARN, "%s", event.why);
        else if (event.type == CHAT_PLACES_RELEASED)
            placer->is_released = 1;
    }
}

int chat__placer_fd(const chat_server *server)
{
    const chat__placer *placer = server->placer;
    return placer != NULL && placer->is_open ? placer->table.fd(placer->table.ctx) : -1;
}

uint64_t chat__placer_deadline(const chat_server *server)
{
    const chat__placer *placer = server->placer;
    return placer != NULL && placer->is_open ? placer->table.deadline(placer->table.ctx)
                                             : UINT64_MAX;
}

void chat__placer_turn(chat_server *server, uint64_t now_ms)
{
    chat__placer *placer = server->placer;
    if (placer == NULL || !placer->is_open)
        return;
    placer->table.process(placer->table.ctx, now_ms);
    read_events(server);
    follow_picture(server);
    /* What was just claimed or given up goes out at once. */
    placer->table.process(placer->table.ctx, now_ms);
}

void chat__placer_leave(chat_server *server)
{
    chat__placer *placer = server->placer;
    if (placer == NULL || !placer->is_open || placer->is_leaving)
        return;
    placer->is_leaving = 1;
    placer->table.leave(placer->table.ctx);
    chat__placer_turn(server, chat__server_mono_ms());
}

void chat__placer_stop(chat_server *server)
{
    chat__placer *placer = server->placer;
    uint64_t now_ms = chat__server_mono_ms();
    uint64_t end_ms = now_ms + MAX_STOP_MS;
    if (placer == NULL || !placer->is_open)
        return;
    placer->table.release(placer->table.ctx, now_ms);
    read_events(server);
    while (!placer->is_released && now_ms < end_ms) {
        struct pollfd wait = {.fd = chat__placer_fd(server), .events = POLLIN};
        uint64_t at_ms = chat__placer_deadline(server);
        at_ms = at_ms < end_ms ? at_ms : end_ms;
        (void)poll(&wait, 1, at_ms > now_ms ? (int)(at_ms - now_ms) : 0);
        now_ms = chat__server_mono_ms();
        placer->table.process(placer->table.ctx, now_ms);
        read_events(server);
    }
    placer->is_open = 0;
}
