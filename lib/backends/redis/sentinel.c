/* SPDX-License-Identifier: MIT */
/*
 * Which server is the primary: one sentinel is asked again and again, and the next one when it is
 * gone or its primary is none for long. The primary says what it is when it is dialled (ROLE).
 */
#include "backends/redis/fleet_internal.h"

#include "base/view.h"

#define MOST_POLLS 20u /* of one sentinel while its primary is not ready */

void chat__redis_watch_process(chat__redis_fleet *fleet, uint64_t now_ms)
{
    const char *words[] = {"SENTINEL", "get-master-addr-by-name", fleet->options.master};
    int is_ready = chat__redis_link_is_ready(fleet, fleet->primary);
    fleet->links[fleet->seed].is_wanted = 1;
    if (fleet->is_asking || now_ms < fleet->poll_at_ms ||
        !chat__redis_link_is_ready(fleet, fleet->seed))
        return;
    fleet->n_polls = is_ready ? 0 : fleet->n_polls + 1;
    if (fleet->n_polls > MOST_POLLS && fleet->n_seeds > 1) {
        fleet->n_polls = 0;
        chat__redis_link_drop(fleet, fleet->seed, "another sentinel is asked");
        return;
    }
    fleet->poll_at_ms = now_ms + (is_ready ? fleet->options.poll_ms : CHAT__REDIS_RETRY_MS);
    fleet->is_asking = chat__redis_link_say(fleet, fleet->seed, CHAT__REDIS_TICKET_MASTER, words, 3,
                                            now_ms) == CHAT_OK;
}

static void move_to(chat__redis_fleet *fleet, const chat__redis_address *address)
{
    uint32_t old = fleet->primary;
    if (old != CHAT__REDIS_NO_LINK &&
        chat__redis_address_equal(&fleet->links[old].address, address))
        return;
    uint32_t link = chat__redis_link_to(fleet, address, CHAT__REDIS_STANDALONE);
    if (link == CHAT__REDIS_NO_LINK)
        return; /* no memory: the next poll tries again */
    if (fleet->links[link].is_seed) {
        chat__redis_problem(fleet, address, CHAT_ERR_ARG,
                            "this is both a sentinel and its primary: correct `servers`");
        return;
    }
    fleet->primary = link;
    fleet->links[link].is_wanted = 1;
    if (old != CHAT__REDIS_NO_LINK)
        chat__redis_link_drop(fleet, old, "another server is the primary now");
}

void chat__redis_watch_take(chat__redis_fleet *fleet, uint32_t link, const chat__redis_reply *reply)
{
    char why[CHAT__REDIS_WHY_BYTES];
    chat__redis_address address;
    uint64_t port = 0;
    uint32_t host = chat__redis_item(reply, 0, 0);
    uint32_t number = chat__redis_item(reply, 0, 1);
    if (host != 0 && number != 0 && chat__redis_number(reply, number, &port) == CHAT_OK &&
        chat__redis_address_set(&address, chat__redis_text(reply, host), port) == CHAT_OK) {
        move_to(fleet, &address);
        return;
    }
    if (reply->values[0].type == CHAT__REDIS_ERROR) {
        chat_status status = chat__redis_advice(reply, why);
        chat__redis_problem(fleet, &fleet->links[link].address, status, why);
    } else {
        chat__redis_problem(fleet, &fleet->links[link].address, CHAT_ERR_NOT_FOUND,
                            "the sentinel knows no primary of the name in `master`");
    }
}
