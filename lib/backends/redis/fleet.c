/* SPDX-License-Identifier: MIT */
/* See fleet.h: the connections. Asks are in asks.c, where servers are found in sentinel.c and
   cluster.c. */
#include "backends/redis/fleet_internal.h"

#include "base/alloc.h"
#include "base/view.h"

#include <mbedtls/sha1.h>

#include <stdio.h>
#include <string.h>

void chat__redis_fleet_options_init(chat__redis_fleet_options *options)
{
    memset(options, 0, sizeof *options);
    chat__redis_conn_options_init(&options->conn);
    options->wait_ms = 5000;
    options->poll_ms = 1000;
    options->max_asks = 4096;
    options->max_ask_bytes = 16u * 1024 * 1024;
}

/* --- links --- */

static chat__redis_kind kind_of_seeds(const chat__redis_fleet *fleet)
{
    return fleet->options.mode == CHAT__REDIS_WATCHED     ? CHAT__REDIS_SENTINEL
           : fleet->options.mode == CHAT__REDIS_CLUSTERED ? CHAT__REDIS_CLUSTER
                                                          : CHAT__REDIS_STANDALONE;
}

static chat_status make_conn(chat__redis_fleet *fleet, chat__redis_link *link,
                             chat__redis_kind kind)
{
    chat__redis_conn_options options = fleet->options.conn;
    options.kind = kind;
    options.must_be_primary =
        kind == CHAT__REDIS_STANDALONE && fleet->options.mode == CHAT__REDIS_WATCHED;
    options.seed += (uint64_t)(link - fleet->links) + 1;
    if (kind == CHAT__REDIS_SENTINEL) {
        options.user = fleet->options.sentinel_user;
        options.password = fleet->options.sentinel_password;
        options.database = 0;
    }
    return chat__redis_conn_new(&options, &link->conn);
}

uint32_t chat__redis_link_to(chat__redis_fleet *fleet, const chat__redis_address *address,
                             chat__redis_kind kind)
{
    uint32_t place = CHAT__REDIS_NO_LINK;
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        if (fleet->links[i].conn == NULL)
            place = place < i ? place : i;
        else if (chat__redis_address_equal(&fleet->links[i].address, address))
            return i;
    }
    if (place == CHAT__REDIS_NO_LINK && fleet->n_links < CHAT__REDIS_MAX_LINKS)
        place = fleet->n_links++;
    if (place == CHAT__REDIS_NO_LINK)
        return place;
    chat__redis_link *link = &fleet->links[place];
    memset(link, 0, sizeof *link);
    link->address = *address;
    return make_conn(fleet, link, kind) == CHAT_OK ? place : CHAT__REDIS_NO_LINK;
}

int chat__redis_link_is_ready(const chat__redis_fleet *fleet, uint32_t link)
{
    return link < fleet->n_links && fleet->links[link].conn != NULL &&
           chat__redis_conn_get_state(fleet->links[link].conn) == CHAT__REDIS_READY;
}

void chat__redis_link_drop(chat__redis_fleet *fleet, uint32_t link, const char *why)
{
    fleet->links[link].is_wanted = 0;
    fleet->links[link].has_news = 1;
    chat__redis_conn_closed(fleet->links[link].conn, CHAT_ERR_CLOSED, why);
}

chat_status chat__redis_link_say(chat__redis_fleet *fleet, uint32_t link, chat__redis_ticket ticket,
                                 const char *const *words, int n, uint64_t now_ms)
{
    size_t lens[4];
    chat__buf command;
    chat__buf_init(&command, &fleet->allocator, fleet->options.conn.max_unsent_bytes);
    for (int i = 0; i < n; i++)
        lens[i] = strlen(words[i]);
    chat_status status = chat__redis_format(&command, n, words, lens);
    if (status == CHAT_OK)
        status =
            chat__redis_conn_say(fleet->links[link].conn, ticket, chat__buf_view(&command), now_ms);
    chat__buf_done(&command);
    return status;
}

/* --- the whole --- */

static const char *keep(chat__buf *strings, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t at = strings->len;
    (void)chat__buf_append(strings, text, strlen(text) + 1); /* reserved */
    return (const char *)strings->data + at;
}

static chat_status keep_strings(chat__redis_fleet *fleet)
{
    chat__redis_fleet_options *o = &fleet->options;
    const char **all[] = {&o->master, &o->sentinel_user, &o->sentinel_password, &o->conn.user,
                          &o->conn.password};
    size_t n_bytes = 1;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        n_bytes += *all[i] != NULL ? strlen(*all[i]) + 1 : 0;
    chat_status status = chat__buf_reserve(&fleet->strings, n_bytes);
    for (size_t i = 0; status == CHAT_OK && i < sizeof all / sizeof all[0]; i++)
        *all[i] = keep(&fleet->strings, *all[i]);
    o->servers = NULL;
    return status;
}

static chat_status make_seeds(chat__redis_fleet *fleet, const char *servers,
                              char why[CHAT__REDIS_WHY_BYTES])
{
    chat_view rest = chat__view_str(servers != NULL ? servers : "");
    chat__redis_address address;
    chat_status status;
    while ((status = chat__redis_address_next(&rest, &address)) == CHAT_OK) {
        uint32_t link = fleet->n_links == CHAT__REDIS_MAX_LINKS / 2
                            ? CHAT__REDIS_NO_LINK
                            : chat__redis_link_to(fleet, &address, kind_of_seeds(fleet));
        if (link == CHAT__REDIS_NO_LINK || fleet->links[link].is_seed) {
            snprintf(why, CHAT__REDIS_WHY_BYTES, "`servers`: 1 to %u different ones",
                     CHAT__REDIS_MAX_LINKS / 2);
            return CHAT_ERR_ARG;
        }
        fleet->links[link].is_seed = 1;
        fleet->n_seeds++;
    }
    if (status == CHAT_EMPTY && fleet->n_seeds > 0 &&
        (fleet->n_seeds == 1 || fleet->options.mode != CHAT__REDIS_ONE))
        return CHAT_OK;
    snprintf(why, CHAT__REDIS_WHY_BYTES, "%s",
             status != CHAT_EMPTY || fleet->n_seeds == 0
                 ? "`servers`: \"host:port\" is needed, with a comma between several"
                 : "`servers`: there are several: set `mode` to shards, sentinel or cluster");
    return CHAT_ERR_ARG;
}

static chat_status check(const chat__redis_fleet_options *options, char why[CHAT__REDIS_WHY_BYTES])
{
    const char *wrong = options->mode == CHAT__REDIS_WATCHED && options->master == NULL
                            ? "`master`: the name by which the sentinels know the primary is needed"
                        : options->conn.user != NULL && options->conn.password == NULL
                            ? "`password`: a `user` has one"
                        : options->sentinel_user != NULL && options->sentinel_password == NULL
                            ? "`sentinel_password`: a `sentinel_user` has one"
                        : options->mode == CHAT__REDIS_CLUSTERED && options->conn.database != 0
                            ? "`database`: a Redis Cluster has only 0"
                        : options->wait_ms == 0 || options->conn.timeout_ms == 0 ||
                                options->poll_ms == 0 || options->max_asks == 0
                            ? "a number of the options is out of its range"
                            : NULL;
    snprintf(why, CHAT__REDIS_WHY_BYTES, "%s", wrong != NULL ? wrong : "");
    return wrong != NULL ? CHAT_ERR_ARG : CHAT_OK;
}

static void digest_scripts(chat__redis_fleet *fleet)
{
    uint8_t sum[20];
    for (uint32_t i = 0; i < fleet->options.n_scripts; i++) {
        const char *text = fleet->options.scripts[i];
        (void)mbedtls_sha1_ret((const uint8_t *)text, strlen(text), sum);
        for (size_t k = 0; k < sizeof sum; k++)
            snprintf(fleet->digests[i] + 2 * k, 3, "%02x", sum[k]);
    }
}

chat_status chat__redis_fleet_new(const chat__redis_fleet_options *options,
                                  char why[CHAT__REDIS_WHY_BYTES], chat__redis_fleet **out)
{
    chat_status status = check(options, why);
    if (status != CHAT_OK)
        return status;
    chat_allocator allocator = chat__alloc_or_libc(&options->conn.allocator);
    chat__redis_fleet *fleet = chat__alloc_zero(&allocator, sizeof *fleet);
    if (fleet == NULL)
        return CHAT_ERR_NOMEM;
    fleet->allocator = allocator;
    fleet->options = *options;
    fleet->primary = CHAT__REDIS_NO_LINK;
    fleet->retry_at_ms = UINT64_MAX;
    memset(fleet->slots, CHAT__REDIS_SLOT_OF_NO, sizeof fleet->slots);
    chat__buf_init(&fleet->strings, &allocator, 8192);
    status = keep_strings(fleet);
    if (status == CHAT_OK)
        status = chat__redis_asks_init(fleet);
    if (status == CHAT_OK)
        status = make_seeds(fleet, options->servers, why);
    if (status != CHAT_OK) {
        chat__redis_fleet_free(fleet);
        return status;
    }
    digest_scripts(fleet);
    int is_all =
        fleet->options.mode == CHAT__REDIS_ONE || fleet->options.mode == CHAT__REDIS_SHARDS;
    for (uint32_t i = 0; i < fleet->n_seeds; i++)
        fleet->links[i].is_wanted = is_all || i == 0;
    *out = fleet;
    return CHAT_OK;
}

void chat__redis_fleet_free(chat__redis_fleet *fleet)
{
    if (fleet == NULL)
        return;
    for (uint32_t i = 0; i < fleet->n_links; i++)
        chat__redis_conn_free(fleet->links[i].conn);
    chat__redis_asks_done(fleet);
    if (fleet->strings.len > 0)
        memset(fleet->strings.data, 0, fleet->strings.len);
    chat__buf_done(&fleet->strings);
    chat__alloc_free(&fleet->allocator, fleet);
}

/* --- sockets --- */

/* 1: `out` is something to do. */
static int io_of(chat__redis_fleet *fleet, uint32_t i, uint64_t now_ms, chat__redis_io *out)
{
    chat__redis_link *link = &fleet->links[i];
    chat__redis_conn_state state = chat__redis_conn_get_state(link->conn);
    out->link = i;
    out->address = link->address;
    if (link->has_socket && (state == CHAT__REDIS_DOWN || state == CHAT__REDIS_ENDING)) {
        link->has_socket = 0;
        out->type = CHAT__REDIS_IO_HANG_UP;
        return 1;
    }
    if (link->is_wanted && chat__redis_conn_may_dial(link->conn, now_ms)) {
        chat__redis_conn_dialling(link->conn, now_ms);
        link->has_socket = 1;
        out->type = CHAT__REDIS_IO_DIAL;
        return 1;
    }
    if (state == CHAT__REDIS_DOWN && !link->is_wanted && !link->is_seed && !link->is_in_map) {
        chat__redis_conn_free(link->conn);
        link->conn = NULL;
    }
    return 0;
}

chat_status chat__redis_fleet_next_io(chat__redis_fleet *fleet, uint64_t now_ms,
                                      chat__redis_io *out)
{
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        if (fleet->links[i].conn != NULL && io_of(fleet, i, now_ms, out))
            return CHAT_OK;
    }
    return CHAT_EMPTY;
}

void chat__redis_fleet_opened(chat__redis_fleet *fleet, uint32_t link, uint64_t now_ms)
{
    chat__redis_conn_opened(fleet->links[link].conn, now_ms);
    fleet->links[link].has_news = 1;
}

void chat__redis_fleet_closed(chat__redis_fleet *fleet, uint32_t link, chat_status status,
                              const char *why)
{
    fleet->links[link].has_socket = 0;
    fleet->links[link].has_news = 1;
    chat__redis_conn_closed(fleet->links[link].conn, status, why);
}

void chat__redis_fleet_feed(chat__redis_fleet *fleet, uint32_t link, chat_view bytes)
{
    chat__redis_conn_feed(fleet->links[link].conn, bytes);
    fleet->links[link].has_news = 1;
}

chat_view chat__redis_fleet_unsent(const chat__redis_fleet *fleet, uint32_t link)
{
    return chat__redis_conn_unsent(fleet->links[link].conn);
}

void chat__redis_fleet_sent(chat__redis_fleet *fleet, uint32_t link, size_t n)
{
    chat__redis_conn_sent(fleet->links[link].conn, n);
}

/* --- events --- */

void chat__redis_problem(chat__redis_fleet *fleet, const chat__redis_address *of,
                         chat_status status, const char *why)
{
    char line[CHAT__REDIS_WHY_BYTES];
    int is_v6 = strchr(of->host, ':') != NULL;
    snprintf(line, sizeof line, "redis %s%.60s%s:%u: %.280s", is_v6 ? "[" : "", of->host,
             is_v6 ? "]" : "", (unsigned)of->port, why);
    if (fleet->problem == status && strcmp(fleet->why, line) == 0)
        return;
    memcpy(fleet->why, line, sizeof line);
    fleet->problem = status;
    fleet->is_problem_new = 1;
    fleet->is_well_new = 0;
}

static int is_well(const chat__redis_fleet *fleet)
{
    if (fleet->options.mode == CHAT__REDIS_WATCHED)
        return chat__redis_link_is_ready(fleet, fleet->primary);
    if (fleet->options.mode == CHAT__REDIS_CLUSTERED && !fleet->has_slots)
        return 0;
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        const chat__redis_link *link = &fleet->links[i];
        int is_needed =
            fleet->options.mode == CHAT__REDIS_CLUSTERED ? link->is_in_map : link->is_seed;
        if (link->conn != NULL && is_needed && !chat__redis_link_is_ready(fleet, i))
            return 0;
    }
    return 1;
}

static void take_ready(chat__redis_fleet *fleet, uint64_t now_ms)
{
    fleet->is_due = 1;
    if (fleet->options.mode != CHAT__REDIS_CLUSTERED || !fleet->has_slots)
        fleet->poll_at_ms = fleet->poll_at_ms < now_ms ? fleet->poll_at_ms : now_ms;
}

/* Others are asked where the servers are. */
static void take_down(chat__redis_fleet *fleet, uint32_t i, uint64_t now_ms)
{
    int is_found =
        fleet->options.mode == CHAT__REDIS_WATCHED || fleet->options.mode == CHAT__REDIS_CLUSTERED;
    if (is_found && i == fleet->seed) {
        fleet->links[i].is_wanted = fleet->links[i].is_in_map;
        fleet->seed = (fleet->seed + 1) % fleet->n_seeds;
    }
    if (fleet->options.mode == CHAT__REDIS_CLUSTERED)
        chat__redis_cluster_refresh(fleet, now_ms);
    else if (i == fleet->primary && fleet->poll_at_ms > now_ms)
        fleet->poll_at_ms = now_ms;
}

static int take_reply(chat__redis_fleet *fleet, uint32_t i, const chat__redis_conn_event *event,
                      uint64_t now_ms, chat__redis_fleet_event *out)
{
    const chat__redis_reply *reply = event->type == CHAT__REDIS_CONN_REPLY ? &event->reply : NULL;
    if (event->ticket == CHAT__REDIS_TICKET_IGNORE)
        return 0;
    if (event->ticket > CHAT__REDIS_TICKET_MASTER)
        return chat__redis_asks_take(fleet, i, event->ticket, reply, now_ms, out);
    fleet->is_asking = 0;
    if (reply != NULL && event->ticket == CHAT__REDIS_TICKET_SLOTS)
        chat__redis_cluster_take(fleet, i, reply);
    if (reply != NULL && event->ticket == CHAT__REDIS_TICKET_MASTER)
        chat__redis_watch_take(fleet, i, reply);
    return 0;
}

static int take_event(chat__redis_fleet *fleet, uint32_t i, const chat__redis_conn_event *event,
                      uint64_t now_ms, chat__redis_fleet_event *out)
{
    if (event->type == CHAT__REDIS_CONN_READY) {
        take_ready(fleet, now_ms);
    } else if (event->type == CHAT__REDIS_CONN_DOWN) {
        if (fleet->links[i].is_wanted)
            chat__redis_problem(fleet, &fleet->links[i].address, event->status, event->why);
        take_down(fleet, i, now_ms);
    } else if (take_reply(fleet, i, event, now_ms, out)) {
        return 1;
    }
    return 0;
}

static int tell_problem(chat__redis_fleet *fleet, chat__redis_fleet_event *out)
{
    if (fleet->is_problem_new) {
        fleet->is_problem_new = 0;
        out->type = CHAT__REDIS_FLEET_PROBLEM;
        out->status = fleet->problem;
        out->why = fleet->why;
        return 1;
    }
    if (fleet->problem == CHAT_OK || !is_well(fleet))
        return 0;
    fleet->problem = CHAT_OK;
    fleet->why[0] = '\0';
    out->type = CHAT__REDIS_FLEET_WELL;
    return 1;
}

chat_status chat__redis_fleet_next_event(chat__redis_fleet *fleet, uint64_t now_ms,
                                         chat__redis_fleet_event *out)
{
    chat__redis_conn_event event;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        chat__redis_link *link = &fleet->links[i];
        while (link->conn != NULL && link->has_news) {
            if (chat__redis_conn_next_event(link->conn, now_ms, &event) != CHAT_OK)
                link->has_news = 0;
            else if (take_event(fleet, i, &event, now_ms, out))
                return CHAT_OK;
        }
    }
    if (chat__redis_asks_expire(fleet, now_ms, out) || tell_problem(fleet, out))
        return CHAT_OK;
    return CHAT_EMPTY;
}

/* --- time --- */

static int needs_polls(const chat__redis_fleet *fleet)
{
    return !fleet->is_asking && (fleet->options.mode == CHAT__REDIS_WATCHED ||
                                 fleet->options.mode == CHAT__REDIS_CLUSTERED);
}

uint64_t chat__redis_fleet_deadline(const chat__redis_fleet *fleet)
{
    uint64_t at = chat__redis_asks_deadline(fleet);
    int is_ready = 0;
    if (fleet->is_due || fleet->is_problem_new)
        return 0;
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        const chat__redis_link *link = &fleet->links[i];
        if (link->conn == NULL)
            continue;
        if (link->has_news)
            return 0;
        is_ready |= chat__redis_link_is_ready(fleet, i);
        uint64_t its = chat__redis_conn_deadline(link->conn);
        if (link->is_wanted || chat__redis_conn_get_state(link->conn) != CHAT__REDIS_DOWN)
            at = its < at ? its : at;
    }
    /* A poll needs somebody to ask. */
    return needs_polls(fleet) && is_ready && fleet->poll_at_ms < at ? fleet->poll_at_ms : at;
}

void chat__redis_fleet_process(chat__redis_fleet *fleet, uint64_t now_ms)
{
    for (uint32_t i = 0; i < fleet->n_links; i++) {
        chat__redis_link *link = &fleet->links[i];
        if (link->conn == NULL)
            continue;
        chat__redis_conn_process(link->conn, now_ms);
        link->has_news |= chat__redis_conn_get_state(link->conn) == CHAT__REDIS_ENDING;
    }
    if (fleet->options.mode == CHAT__REDIS_WATCHED)
        chat__redis_watch_process(fleet, now_ms);
    if (fleet->options.mode == CHAT__REDIS_CLUSTERED)
        chat__redis_cluster_process(fleet, now_ms);
    if (fleet->is_due || now_ms >= fleet->retry_at_ms)
        chat__redis_asks_route(fleet, now_ms);
}
