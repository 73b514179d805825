/* SPDX-License-Identifier: MIT */
/*
 * Asks: each is kept as the bytes that are said, so that it can be said again elsewhere, until it
 * is answered. They stand in a list by age, so the first one's deadline is the next.
 */
#include "backends/redis/fleet_internal.h"

#include "base/alloc.h"
#include "base/view.h"

#include <stdio.h>

#define MOST_TRIES   64u   /* of one ask; its deadline is nearer in practice */
#define KEPT_BYTES   4096u /* of a command's buffer when its ask is over */
#define MOST_ARGS    64u   /* with a script */
#define DIRECT_TRIES 4u    /* without a pause between them */

/* --- the list --- */

chat_status chat__redis_asks_init(chat__redis_fleet *fleet)
{
    uint32_t n = fleet->options.max_asks;
    fleet->asks = chat__alloc_zero(&fleet->allocator, n * sizeof *fleet->asks);
    if (fleet->asks == NULL)
        return CHAT_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        chat__buf_init(&fleet->asks[i].command, &fleet->allocator,
                       fleet->options.conn.max_unsent_bytes);
        fleet->asks[i].newer = i + 1 < n ? i + 2 : 0;
    }
    fleet->first_free = 1;
    return CHAT_OK;
}

void chat__redis_asks_done(chat__redis_fleet *fleet)
{
    for (uint32_t i = 0; fleet->asks != NULL && i < fleet->options.max_asks; i++)
        chat__buf_done(&fleet->asks[i].command);
    if (fleet->asks != NULL)
        chat__alloc_free(&fleet->allocator, fleet->asks);
}

static uint64_t ticket_of(const chat__redis_fleet *fleet, const chat__redis_slot_ask *ask)
{
    return (uint64_t)ask->generation << 32 | (uint64_t)(ask - fleet->asks);
}

static chat__redis_slot_ask *ask_of(chat__redis_fleet *fleet, uint64_t ticket)
{
    uint32_t index = (uint32_t)ticket;
    chat__redis_slot_ask *ask = index < fleet->options.max_asks ? &fleet->asks[index] : NULL;
    return ask != NULL && ask->state == CHAT__REDIS_ASK_FLYING &&
                   ask->generation == (uint32_t)(ticket >> 32)
               ? ask
               : NULL;
}

static void enqueue(chat__redis_fleet *fleet, chat__redis_slot_ask *ask)
{
    uint32_t number = (uint32_t)(ask - fleet->asks) + 1;
    fleet->first_free = ask->newer;
    ask->newer = 0;
    ask->older = fleet->newest;
    if (fleet->newest != 0)
        fleet->asks[fleet->newest - 1].newer = number;
    else
        fleet->oldest = number;
    fleet->newest = number;
    fleet->n_ask_bytes += ask->command.len;
}

static void release(chat__redis_fleet *fleet, chat__redis_slot_ask *ask)
{
    uint32_t older = ask->older, newer = ask->newer;
    *(older != 0 ? &fleet->asks[older - 1].newer : &fleet->oldest) = newer;
    *(newer != 0 ? &fleet->asks[newer - 1].older : &fleet->newest) = older;
    fleet->n_ask_bytes -= ask->command.len;
    chat__buf_consume(&ask->command, ask->command.len);
    if (ask->command.cap > KEPT_BYTES)
        chat__buf_done(&ask->command);
    ask->state = CHAT__REDIS_ASK_FREE;
    ask->newer = fleet->first_free;
    fleet->first_free = (uint32_t)(ask - fleet->asks) + 1;
}

static int answer(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, chat_status status,
                  chat__redis_fleet_event *out)
{
    out->type = CHAT__REDIS_FLEET_ANSWER;
    out->tag = ask->tag;
    out->status = status;
    release(fleet, ask);
    return 1;
}

/* --- where it goes --- */

static uint32_t link_of(const chat__redis_fleet *fleet, uint16_t crc)
{
    switch (fleet->options.mode) {
    case CHAT__REDIS_SHARDS:
        return crc % fleet->n_seeds;
    case CHAT__REDIS_WATCHED:
        return fleet->primary;
    case CHAT__REDIS_CLUSTERED:
        return fleet->slots[crc % CHAT__REDIS_N_SLOTS]; /* no link has the number of none */
    case CHAT__REDIS_ONE:
        break;
    }
    return 0;
}

uint32_t chat__redis_fleet_part(const chat__redis_fleet *fleet, chat_view key)
{
    uint16_t crc = chat__redis_crc(key);
    return fleet->options.mode == CHAT__REDIS_CLUSTERED ? crc % CHAT__REDIS_N_SLOTS
                                                        : link_of(fleet, crc);
}

/* CHAT_ERR_STATE: there is nobody to say it to now. */
static chat_status say(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, uint64_t now_ms)
{
    static const char *const asking[] = {"ASKING"};
    uint32_t link = ask->link != CHAT__REDIS_NO_LINK ? ask->link : link_of(fleet, ask->crc);
    if (!chat__redis_link_is_ready(fleet, link))
        return CHAT_ERR_STATE;
    chat_status status = CHAT_OK;
    if (ask->link != CHAT__REDIS_NO_LINK)
        status = chat__redis_link_say(fleet, link, CHAT__REDIS_TICKET_IGNORE, asking, 1, now_ms);
    if (status == CHAT_OK)
        status = chat__redis_conn_say(fleet->links[link].conn, ticket_of(fleet, ask),
                                      chat__buf_view(&ask->command), now_ms);
    if (status != CHAT_OK)
        return status;
    ask->state = CHAT__REDIS_ASK_FLYING;
    ask->link = CHAT__REDIS_NO_LINK;
    return CHAT_OK;
}

/* `retry_at_ms` 0: as soon as somebody is there. */
static void wait_until(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, uint64_t retry_at_ms)
{
    ask->state = CHAT__REDIS_ASK_WAITING;
    ask->generation++;
    ask->retry_at_ms = retry_at_ms;
    if (retry_at_ms == 0)
        fleet->is_due = 1;
    else if (retry_at_ms < fleet->retry_at_ms)
        fleet->retry_at_ms = retry_at_ms;
}

void chat__redis_asks_route(chat__redis_fleet *fleet, uint64_t now_ms)
{
    fleet->is_due = 0;
    fleet->retry_at_ms = UINT64_MAX;
    for (uint32_t i = fleet->oldest; i != 0; i = fleet->asks[i - 1].newer) {
        chat__redis_slot_ask *ask = &fleet->asks[i - 1];
        if (ask->state != CHAT__REDIS_ASK_WAITING)
            continue;
        if (ask->retry_at_ms <= now_ms) {
            chat_status status = say(fleet, ask, now_ms);
            /* Whose link is not there waits for one; who was too much for it looks again. */
            ask->retry_at_ms = status == CHAT_OK || status == CHAT_ERR_STATE ? 0 : now_ms + 1;
            if (status == CHAT_ERR_STATE && ask->link != CHAT__REDIS_NO_LINK)
                ask->retry_at_ms = now_ms + CHAT__REDIS_RETRY_MS;
        }
        if (ask->state == CHAT__REDIS_ASK_WAITING && ask->retry_at_ms > now_ms &&
            ask->retry_at_ms < fleet->retry_at_ms)
            fleet->retry_at_ms = ask->retry_at_ms;
    }
}

static chat_status format(chat__redis_fleet *fleet, const chat__redis_ask *ask, chat__buf *out)
{
    const char *args[MOST_ARGS + 2] = {"EVALSHA", NULL};
    size_t lens[MOST_ARGS + 2] = {7, CHAT__REDIS_DIGEST};
    if (ask->script == 0)
        return chat__redis_format(out, ask->n_args, ask->args, ask->lens);
    if (ask->n_args > (int)MOST_ARGS)
        return CHAT_ERR_LIMIT;
    args[1] = fleet->digests[ask->script - 1];
    for (int i = 0; i < ask->n_args; i++) {
        args[i + 2] = ask->args[i];
        lens[i + 2] = ask->lens[i];
    }
    return chat__redis_format(out, ask->n_args + 2, args, lens);
}

chat_status chat__redis_fleet_ask(chat__redis_fleet *fleet, const chat__redis_ask *ask,
                                  uint64_t now_ms)
{
    if (fleet->first_free == 0)
        return CHAT_ERR_BUSY;
    chat__redis_slot_ask *slot = &fleet->asks[fleet->first_free - 1];
    chat_status status = format(fleet, ask, &slot->command);
    if (status == CHAT_OK && fleet->n_ask_bytes > 0 &&
        fleet->n_ask_bytes + slot->command.len > fleet->options.max_ask_bytes)
        status = CHAT_ERR_BUSY;
    if (status != CHAT_OK) {
        chat__buf_consume(&slot->command, slot->command.len);
        return status;
    }
    enqueue(fleet, slot);
    slot->tag = ask->tag;
    slot->script = ask->script;
    slot->is_repeatable = ask->is_repeatable != 0;
    slot->was_lost = 0;
    slot->n_tries = 0;
    slot->link = CHAT__REDIS_NO_LINK;
    slot->crc = chat__redis_crc(ask->key);
    slot->status = CHAT_OK;
    slot->deadline_ms = now_ms + fleet->options.wait_ms;
    wait_until(fleet, slot, 0);
    return CHAT_OK;
}

/* --- what comes back --- */

/* The script is given to the server, then the ask again: in this order on one connection. */
static void load(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, uint32_t link,
                 uint64_t now_ms)
{
    const char *words[] = {"SCRIPT", "LOAD", NULL};
    if (ask->script != 0 && chat__redis_link_is_ready(fleet, link)) {
        words[2] = fleet->options.scripts[ask->script - 1];
        (void)chat__redis_link_say(fleet, link, CHAT__REDIS_TICKET_IGNORE, words, 3, now_ms);
    }
    wait_until(fleet, ask, ask->n_tries < DIRECT_TRIES ? 0 : now_ms + CHAT__REDIS_RETRY_MS);
}

static void redirect(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, uint32_t from,
                     const chat__redis_reply *reply, uint64_t now_ms)
{
    uint16_t slot = 0;
    uint32_t to = chat__redis_cluster_moved(fleet, from, chat__redis_text(reply, 0), &slot);
    int is_ask = chat__redis_is_error(reply, "ASK");
    if (to != CHAT__REDIS_NO_LINK && is_ask)
        ask->link = to;
    else if (to != CHAT__REDIS_NO_LINK)
        fleet->slots[slot] = (uint8_t)to;
    if (!is_ask)
        chat__redis_cluster_refresh(fleet, now_ms);
    wait_until(fleet, ask, ask->n_tries < DIRECT_TRIES ? 0 : now_ms + CHAT__REDIS_RETRY_MS);
}

/* Errors that pass: with another server, or with time. */
static int passes(const chat__redis_fleet *fleet, const chat__redis_reply *reply)
{
    static const char *const words[] = {"TRYAGAIN",   "CLUSTERDOWN", "LOADING",
                                        "MASTERDOWN", "NOREPLICAS",  "BUSY "};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (chat__redis_is_error(reply, words[i]))
            return 1;
    }
    return (fleet->options.mode == CHAT__REDIS_WATCHED ||
            fleet->options.mode == CHAT__REDIS_CLUSTERED) &&
           chat__redis_is_error(reply, "READONLY");
}

static void try_later(chat__redis_fleet *fleet, chat__redis_slot_ask *ask, uint32_t link,
                      const chat__redis_reply *reply, uint64_t now_ms)
{
    char why[CHAT__REDIS_WHY_BYTES];
    ask->status = chat__redis_advice(reply, why);
    chat__redis_problem(fleet, &fleet->links[link].address, ask->status, why);
    if (fleet->options.mode == CHAT__REDIS_CLUSTERED)
        chat__redis_cluster_refresh(fleet, now_ms);
    else if (chat__redis_is_error(reply, "READONLY")) /* not the primary any more */
        chat__redis_fleet_closed(fleet, link, CHAT_ERR_STATE, why);
    wait_until(fleet, ask, now_ms + CHAT__REDIS_RETRY_MS);
}

int chat__redis_asks_take(chat__redis_fleet *fleet, uint32_t link, uint64_t ticket,
                          const chat__redis_reply *reply, uint64_t now_ms,
                          chat__redis_fleet_event *out)
{
    char why[CHAT__REDIS_WHY_BYTES];
    chat__redis_slot_ask *ask = ask_of(fleet, ticket);
    if (ask == NULL)
        return 0; /* was answered: it took too long */
    if (reply == NULL) {
        if (!ask->is_repeatable)
            return answer(fleet, ask, CHAT_ERR_TIMEOUT, out);
        ask->was_lost = 1;
        wait_until(fleet, ask, 0);
        return 0;
    }
    if (reply->values[0].type != CHAT__REDIS_ERROR) {
        out->reply = *reply;
        return answer(fleet, ask, CHAT_OK, out);
    }
    if (ask->n_tries++ < MOST_TRIES) {
        int is_moved = chat__redis_is_error(reply, "MOVED ") || chat__redis_is_error(reply, "ASK ");
        if (chat__redis_is_error(reply, "NOSCRIPT"))
            load(fleet, ask, link, now_ms);
        else if (is_moved && fleet->options.mode == CHAT__REDIS_CLUSTERED)
            redirect(fleet, ask, link, reply, now_ms);
        else if (passes(fleet, reply))
            try_later(fleet, ask, link, reply, now_ms);
        if (ask->state == CHAT__REDIS_ASK_WAITING)
            return 0;
    }
    chat_status status = chat__redis_advice(reply, why);
    chat__redis_problem(fleet, &fleet->links[link].address, status, why);
    return answer(fleet, ask, status, out);
}

/* --- time --- */

int chat__redis_asks_expire(chat__redis_fleet *fleet, uint64_t now_ms, chat__redis_fleet_event *out)
{
    if (fleet->oldest == 0)
        return 0;
    chat__redis_slot_ask *ask = &fleet->asks[fleet->oldest - 1];
    if (now_ms < ask->deadline_ms)
        return 0;
    int may_be_done = ask->state == CHAT__REDIS_ASK_FLYING || ask->was_lost;
    /* What kept it waiting is often a time-out itself, but nothing of this was carried out. */
    chat_status kept_by = ask->status != CHAT_OK ? ask->status : fleet->problem;
    chat_status status = may_be_done                                         ? CHAT_ERR_TIMEOUT
                         : kept_by == CHAT_OK || kept_by == CHAT_ERR_TIMEOUT ? CHAT_ERR_NETWORK
                                                                             : kept_by;
    return answer(fleet, ask, status, out);
}

uint64_t chat__redis_asks_deadline(const chat__redis_fleet *fleet)
{
    uint64_t at = fleet->oldest != 0 ? fleet->asks[fleet->oldest - 1].deadline_ms : UINT64_MAX;
    return fleet->retry_at_ms < at ? fleet->retry_at_ms : at;
}
