/* SPDX-License-Identifier: MIT */
/*
 * Which server of a Redis Cluster has a slot: asked of any that is connected, and again when one
 * says MOVED, when one is lost, and as long as one is not there. What a MOVED says counts at once.
 */
#include "backends/redis/fleet_internal.h"

#include "base/view.h"

#include <stdio.h>

void chat__redis_cluster_refresh(chat__redis_fleet *fleet, uint64_t now_ms)
{
    uint64_t at = now_ms + CHAT__REDIS_RETRY_MS;
    fleet->poll_at_ms = fleet->poll_at_ms < at ? fleet->poll_at_ms : at;
}

/* One that is connected, others each time. */
static uint32_t who_to_ask(chat__redis_fleet *fleet)
{
    for (uint32_t i = 1; i <= fleet->n_links; i++) {
        uint32_t link = (fleet->n_polls + i) % fleet->n_links;
        if (chat__redis_link_is_ready(fleet, link)) {
            fleet->n_polls = link;
            return link;
        }
    }
    return CHAT__REDIS_NO_LINK;
}

void chat__redis_cluster_process(chat__redis_fleet *fleet, uint64_t now_ms)
{
    const char *words[] = {"CLUSTER", "SLOTS"};
    uint32_t link = who_to_ask(fleet);
    if (link == CHAT__REDIS_NO_LINK)
        fleet->links[fleet->seed].is_wanted = 1;
    if (link == CHAT__REDIS_NO_LINK || fleet->is_asking || now_ms < fleet->poll_at_ms)
        return;
    fleet->poll_at_ms = now_ms + CHAT__REDIS_RETRY_MS;
    fleet->is_asking =
        chat__redis_link_say(fleet, link, CHAT__REDIS_TICKET_SLOTS, words, 2, now_ms) == CHAT_OK;
}

/* One of the cluster: NULL or an empty name stands for the server that was asked. */
static uint32_t node(chat__redis_fleet *fleet, uint32_t from, chat_view host, uint64_t port)
{
    chat__redis_address address;
    if (host.len == 0 || chat__view_equal(host, chat__view_str("?")))
        host = chat__view_str(fleet->links[from].address.host);
    if (chat__redis_address_set(&address, host, port) != CHAT_OK)
        return CHAT__REDIS_NO_LINK;
    uint32_t link = chat__redis_link_to(fleet, &address, CHAT__REDIS_CLUSTER);
    if (link != CHAT__REDIS_NO_LINK) {
        fleet->links[link].is_wanted = 1;
        fleet->links[link].is_in_map = 1;
    }
    return link;
}

/* A range: first, last, [host, port, ...], replicas. 1: it is one. */
static int take_range(chat__redis_fleet *fleet, uint32_t from, const chat__redis_reply *reply,
                      uint32_t range)
{
    uint64_t first, last, port;
    if (reply->values[range].n_items < 3)
        return 0;
    uint32_t first_at = range + 1, last_at = range + 2, primary = range + 3;
    if (reply->values[first_at].type != CHAT__REDIS_INTEGER ||
        reply->values[last_at].type != CHAT__REDIS_INTEGER || reply->values[primary].n_items < 2 ||
        chat__redis_number(reply, first_at, &first) != CHAT_OK ||
        chat__redis_number(reply, last_at, &last) != CHAT_OK || first > last ||
        last >= CHAT__REDIS_N_SLOTS || reply->values[primary + 1].n_items > 0 ||
        chat__redis_number(reply, primary + 2, &port) != CHAT_OK)
        return 0;
    uint32_t link = node(fleet, from, chat__redis_text(reply, primary + 1), port);
    if (link == CHAT__REDIS_NO_LINK)
        return 0;
    memset(fleet->slots + first, (int)link, (size_t)(last - first + 1));
    return 1;
}

/* Those that have no slots any more are let go; 1: all others are connected. */
static int settle(chat__redis_fleet *fleet)
{
    int is_ready = 1;
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        chat__redis_link *link = &fleet->links[i];
        if (link->conn == NULL)
            continue;
        if (link->is_in_map)
            is_ready &= chat__redis_link_is_ready(fleet, i);
        else if (link->is_wanted)
            chat__redis_link_drop(fleet, i, "it has no slots any more");
    }
    return is_ready;
}

void chat__redis_cluster_take(chat__redis_fleet *fleet, uint32_t link,
                              const chat__redis_reply *reply)
{
    char why[CHAT__REDIS_WHY_BYTES];
    uint32_t n = reply->values[0].n_items, n_slots = 0;
    if (reply->values[0].type == CHAT__REDIS_ERROR) {
        chat_status status = chat__redis_advice(reply, why);
        chat__redis_problem(fleet, &fleet->links[link].address, status, why);
        return;
    }
    memset(fleet->slots, CHAT__REDIS_SLOT_OF_NO, sizeof fleet->slots);
    for (uint32_t i = 0; i < fleet->n_links; i++)
        fleet->links[i].is_in_map = 0;
    for (uint32_t i = 0, range = 1; i < n; i++, range = chat__redis_next(reply, range))
        (void)take_range(fleet, link, reply, range);
    for (uint32_t i = 0; i < CHAT__REDIS_N_SLOTS; i++)
        n_slots += fleet->slots[i] != CHAT__REDIS_SLOT_OF_NO;
    fleet->has_slots = n_slots == CHAT__REDIS_N_SLOTS;
    fleet->is_due = 1;
    if (!fleet->has_slots)
        chat__redis_problem(fleet, &fleet->links[link].address, CHAT_ERR_BUSY,
                            "slots of the Redis Cluster have no server: are all of them in it?");
    if (n_slots > 0 && settle(fleet) && fleet->has_slots)
        fleet->poll_at_ms = UINT64_MAX;
}

/* The number in front of the next space. CHAT_OK: `*rest` is what is behind it. */
static chat_status take_slot(chat_view *rest, uint16_t *out)
{
    uint32_t slot = 0;
    size_t i = 0;
    for (; i < rest->len && i < 5 && rest->data[i] >= '0' && rest->data[i] <= '9'; i++)
        slot = slot * 10 + (uint32_t)(rest->data[i] - '0');
    if (i == 0 || i == rest->len || rest->data[i] != ' ' || slot >= CHAT__REDIS_N_SLOTS)
        return CHAT_ERR_PROTOCOL;
    *out = (uint16_t)slot;
    *rest = chat__view(rest->data + i + 1, rest->len - i - 1);
    return CHAT_OK;
}

uint32_t chat__redis_cluster_moved(chat__redis_fleet *fleet, uint32_t from, chat_view text,
                                   uint16_t *out_slot)
{
    chat__redis_address address;
    char whole[CHAT__REDIS_HOST_BYTES + 8];
    const uint8_t *space = memchr(text.data, ' ', text.len);
    size_t word = space != NULL ? (size_t)(space - text.data) + 1 : text.len;
    chat_view where = chat__view(text.data + word, text.len - word);
    if (take_slot(&where, out_slot) != CHAT_OK || where.len == 0 || where.len > 260)
        return CHAT__REDIS_NO_LINK;
    /* ":port" is a port of the server that said it. */
    snprintf(whole, sizeof whole, "%s%.*s", where.data[0] == ':' ? "?" : "", (int)where.len,
             (const char *)where.data);
    if (chat__redis_address_read(chat__view_str(whole), &address) != CHAT_OK)
        return CHAT__REDIS_NO_LINK;
    return node(fleet, from, chat__view_str(address.host), address.port);
}
