/* SPDX-License-Identifier: MIT */
/* Runs a simulation: a cluster of nodes, their links, crashes, and the clock that drives it all. */
#include "testing/sim.h"
#include "base/sized.h"

#include <chat/history.h>

#include <stdlib.h>
#include <string.h>

#define UNIX_BASE_MS  (CHAT_EPOCH_MS + UINT64_C(8640000000))
#define SECOND_MS     1000u
#define SETTLE_MS     600000u
#define ACTIVE_MS     60000u
#define FLUSH_PERCENT 40u
#define SLOW_MS       400u
/* Of the frames between nodes, so many in a thousand find the link down, for so long. */
#define PARTITION_PERMILLE 4u
#define PARTITION_MS       6000u
#define RENEW_PERCENT      60u /* of the seconds have a renewal that gets through */
#define MAX_FRAME          4096u

void chat_sim_options_init(chat_sim_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->n_nodes = 3;
    options->seed = 1;
    options->n_users = 5;
    options->n_devices = 2;
    options->n_groups = 2;
    options->n_messages = 60;
    options->crash_percent = 5;
    options->cut_percent = 10;
}

/* --- effects --- */

static sim_client *client_of(sim *s, uint32_t node, chat__conn conn)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        if (s->clients[i].wire != 0 && s->clients[i].node == node && s->clients[i].conn == conn)
            return &s->clients[i];
    }
    return NULL;
}

/* Planted: frames of the stream that are late, behind what came after them. */
static int is_overtaken(sim *s, const sim_client *client, chat_view bytes)
{
    chat_frame frame;
    return s->plant == SIM_PLANT_LIVE_OVERTAKES && bytes.len > 0 &&
           chat_frame_decode(s->decoder, client->encoding, bytes, &frame) == CHAT_OK &&
           frame.type == CHAT_FRAME_MSG && !CHAT_FRAME_HAS(&frame, R) && chat__sim_chance(s, 10);
}

/* Planted: the device counts as having what was merely written to it. */
static void move_cursor(sim *s, const sim_client *client, chat_view bytes)
{
    chat_frame frame;
    chat__effect effect;
    if (bytes.len == 0 ||
        chat_frame_decode(s->decoder, client->encoding, bytes, &frame) != CHAT_OK ||
        frame.type != CHAT_FRAME_MSG)
        return;
    memset(&effect, 0, sizeof effect);
    effect.user = chat__sim_view(client->user);
    effect.device = chat__sim_view(client->device);
    effect.chat = frame.chat;
    effect.seq = frame.seq;
    chat__sim_storage_cursor(s, &effect);
}

static void to_client(sim *s, uint32_t node, const chat__effect *effect)
{
    sim_client *client = client_of(s, node, effect->conn);
    if (client == NULL)
        return;
    int is_close = effect->type == CHAT__EFFECT_CLOSE;
    chat__sim_devices_write(s, client, effect->bytes);
    if (chat__sim_pages_drop(s, client, effect->bytes))
        return;
    uint64_t at_ms = s->now_ms + 1 + chat__sim_random(s, 20);
    if (client->is_slow)
        at_ms += chat__sim_random(s, SLOW_MS);
    if (is_overtaken(s, client, effect->bytes))
        at_ms += 200;
    else if (at_ms < client->to_client_ms)
        at_ms = client->to_client_ms;
    client->to_client_ms = at_ms;
    if (s->plant == SIM_PLANT_CURSOR_TOO_EARLY)
        move_cursor(s, client, effect->bytes);
    sim_event *event = chat__sim_schedule(s, is_close ? SIM_EV_SERVER_CLOSED : SIM_EV_TO_CLIENT,
                                          at_ms, effect->bytes);
    if (event == NULL)
        return;
    event->client = client->index;
    event->wire = client->wire;
    client->unsent_bytes += effect->bytes.len;
}

static void to_node(sim *s, uint32_t node, const chat__effect *effect)
{
    uint64_t *last_ms = &s->link_ms[node][effect->to_node];
    if (s->is_link_cut[node][effect->to_node])
        return;
    uint64_t at_ms = s->now_ms + chat__sim_random(s, 10);
    /* A partition: what the link carries waits until it heals. */
    if (!s->is_settling && chat__sim_random(s, 1000) < PARTITION_PERMILLE) {
        uint64_t ms = chat__sim_random(s, PARTITION_MS);
        at_ms += ms;
        chat__sim_trace(s, "node %u does not reach node %u for %llu ms", node, effect->to_node,
                        (unsigned long long)ms);
    }
    if (at_ms < *last_ms)
        at_ms = *last_ms;
    *last_ms = at_ms;
    uint8_t newer[SIM_NEWER_BYTES];
    chat_view bytes = chat__sim_newer_frame(s, node, effect->bytes, newer);
    do {
        sim_event *event = chat__sim_schedule(s, SIM_EV_LINK, at_ms, bytes);
        if (event == NULL)
            return;
        chat__sim_to_node(s, event, node, effect->to_node);
    } while (chat__sim_newer_type(s, node, &bytes));
}

static void to_storage(sim *s, uint32_t node, const chat__effect *effect)
{
    chat_view none = {NULL, 0};
    sim_answer *answer = chat__sim_storage_ask(s, effect);
    sim_event *event = NULL;
    if (answer != NULL)
        event = chat__sim_schedule(s, SIM_EV_ANSWER, s->now_ms + chat__sim_random(s, 30), none);
    if (event == NULL) {
        if (answer != NULL)
            chat__sim_answer_free(answer);
        return;
    }
    chat__sim_to_node(s, event, node, node);
    event->answer = answer;
}

void chat__sim_run_effects(sim *s, uint32_t node)
{
    chat__effect effect;
    while (s->nodes[node] != NULL && chat__node_next_effect(s->nodes[node], &effect) == CHAT_OK) {
        switch (effect.type) {
        case CHAT__EFFECT_WRITE:
        case CHAT__EFFECT_CLOSE:
            to_client(s, node, &effect);
            break;
        case CHAT__EFFECT_LINK:
            to_node(s, node, &effect);
            break;
        case CHAT__EFFECT_APPEND:
            if (chat__sim_unix_ms(s, node) >= s->lease_until_ms[node])
                chat__sim_violate(s, "ids: node %u gave one after its lease had ended", node);
            chat__sim_storage_append(s, node, &effect);
            break;
        case CHAT__EFFECT_NOTIFY:
            chat__sim_told(s, &effect, node);
            break;
        case CHAT__EFFECT_CURSOR:
            chat__sim_storage_cursor(s, &effect);
            break;
        case CHAT__EFFECT_SEEN:
            chat__sim_devices_seen(s, &effect);
            break;
        case CHAT__EFFECT_LOG:
            chat__sim_trace(s, "node %u: %s", node, effect.text);
            break;
        default:
            to_storage(s, node, &effect);
            break;
        }
    }
}

/* --- the world goes on --- */

static void on_second(sim *s)
{
    chat_view none = {NULL, 0};
    chat__sim_devices_sweep(s);
    if (chat__sim_chance(s, FLUSH_PERCENT))
        chat__sim_storage_flush(s);
    /* A log that failed is restarted, sooner or later. */
    uint32_t percent = s->storage.is_dead ? 30 : s->is_settling ? 0 : s->options.crash_percent;
    if (percent > 0 && chat__sim_chance(s, percent))
        chat__sim_nodes_crash(s);
    chat__sim_nodes_second(s);
    for (uint32_t i = 0; i < s->options.n_nodes; i++) {
        if (s->is_settling || chat__sim_chance(s, RENEW_PERCENT))
            chat__sim_renew_lease(s, i);
        chat__sim_begin(s, i);
        chat__sim_run_effects(s, i);
    }
    (void)chat__sim_schedule(s, SIM_EV_SECOND, s->now_ms + SECOND_MS, none);
}

static void on_node_event(sim *s, const sim_event *event)
{
    chat_view bytes = {event->bytes, event->len};
    chat__node *node = s->nodes[event->node];
    if (chat__sim_is_void(s, event))
        return;
    chat__sim_begin(s, event->node);
    if (event->type == SIM_EV_TO_SERVER) {
        s->clients[event->client].is_gone = 0; /* it may be the hello */
        chat__node_receive(node, event->conn, bytes);
    } else if (event->type == SIM_EV_CLIENT_GONE) {
        chat__node_closed(node, event->conn);
    } else if (event->type == SIM_EV_ANSWER) {
        chat__sim_storage_give(s, node, event->answer);
    } else if (chat__node_link(node, event->from_node, bytes) != CHAT_OK) {
        chat__sim_violate(s, "node %u refused what node %u sent", event->node, event->from_node);
    }
    chat__sim_run_effects(s, event->node);
}

/* The socket of a client that hears nothing takes nothing, and the server sees that. */
static void take_bytes(sim *s, sim_client *client, chat_view bytes)
{
    if (client->is_deaf)
        return;
    client->unsent_bytes -= bytes.len;
    chat__sim_client_frame(s, client, bytes);
}

/* As a socket tells it: how much waits, once a turn. */
static void report_unsent(sim *s)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        sim_client *client = &s->clients[i];
        if (client->wire == 0 || client->unsent_bytes == client->reported_bytes)
            continue;
        client->reported_bytes = client->unsent_bytes;
        chat__sim_begin(s, client->node);
        chat__node_unsent(s->nodes[client->node], client->conn, client->unsent_bytes);
        chat__sim_run_effects(s, client->node);
    }
}

static void on_client_event(sim *s, const sim_event *event)
{
    chat_view bytes = {event->bytes, event->len};
    sim_client *client = &s->clients[event->client];
    if (event->type == SIM_EV_CLIENT_STEP)
        chat__sim_client_step(s, client);
    else if (client->wire != event->wire)
        return;
    else if (event->type == SIM_EV_TO_CLIENT)
        take_bytes(s, client, bytes);
    else if (client->is_deaf)
        return;
    else
        chat__sim_client_lost(s, client);
}

static void on_event(sim *s, const sim_event *event)
{
    switch (event->type) {
    case SIM_EV_SECOND:
        on_second(s);
        break;
    case SIM_EV_CLIENT_STEP:
        on_client_event(s, event);
        break;
    case SIM_EV_TO_CLIENT:
    case SIM_EV_SERVER_CLOSED:
        if (event->epoch == s->epoch)
            on_client_event(s, event);
        break;
    case SIM_EV_COMMIT:
        if (event->epoch == s->epoch)
            chat__sim_storage_commit(s);
        break;
    case SIM_EV_PEER_LOST:
    case SIM_EV_LINK_UP:
    case SIM_EV_NODE_START:
        if (event->epoch == s->epoch)
            chat__sim_nodes_event(s, event);
        break;
    default:
        if (event->epoch == s->epoch)
            on_node_event(s, event);
        break;
    }
}

static int is_settled(sim *s)
{
    int has_walked = 1;
    if (s->storage.is_dead || s->n_cut > 0)
        return 0;
    for (uint32_t i = 0; i < s->n_clients; i++) {
        if (!chat__sim_client_is_settled(&s->clients[i]))
            return 0;
        has_walked &= chat__sim_pages_are_settled(&s->clients[i]);
    }
    s->is_quiet = 1;
    return has_walked;
}

static void run(sim *s)
{
    sim_event event;
    uint64_t settled_since_ms = 0;
    while (s->report->violation[0] == 0 && !s->is_out_of_memory &&
           chat__sim_next_event(s, &event)) {
        s->now_ms = event.at_ms;
        on_event(s, &event);
        report_unsent(s);
        free(event.bytes);
        if (event.answer != NULL)
            chat__sim_answer_free(event.answer);
        if (!s->is_settling && (s->n_to_send == 0 || s->now_ms > ACTIVE_MS)) {
            s->is_settling = 1;
            s->max_devices = 0; /* else some never come in */
            settled_since_ms = s->now_ms;
        }
        if (!s->is_settling)
            continue;
        if (!is_settled(s))
            settled_since_ms = s->now_ms;
        /* Longer than any delay of the world: nothing is under way any more. */
        if (s->now_ms > settled_since_ms + 12 * SECOND_MS)
            return;
        if (s->now_ms > ACTIVE_MS + SETTLE_MS)
            chat__sim_violate(s, "it never settles: somebody waits for something that never comes");
    }
}

/* --- setting it up --- */

static void make_clients(sim *s)
{
    chat_view none = {NULL, 0};
    for (uint32_t u = 0; u < s->options.n_users; u++) {
        uint32_t n_devices = 1 + chat__sim_random(s, s->options.n_devices);
        for (uint32_t d = 0; d < n_devices && s->n_clients < SIM_MAX_CLIENTS; d++) {
            sim_client *client = &s->clients[s->n_clients];
            client->index = s->n_clients++;
            client->user[0] = (char)('a' + u);
            client->device[0] = 'd';
            client->device[1] = (char)('0' + d);
            client->encoding = chat__sim_chance(s, 30) ? CHAT_ENCODING_JSON : CHAT_ENCODING_CBOR;
            client->node = chat__node_of_user(chat__sim_view(client->user), s->options.n_nodes);
            sim_event *event =
                chat__sim_schedule(s, SIM_EV_CLIENT_STEP, chat__sim_random(s, 300), none);
            if (event != NULL)
                event->client = client->index;
        }
    }
}

/* The first client makes the groups, before it writes anything else. */
static void make_groups(sim *s)
{
    sim_client *client = &s->clients[0];
    for (uint32_t i = 0; i < s->options.n_groups; i++) {
        if (!chat__sim_grow(s, (void **)&client->outs, &client->outs_cap, client->n_outs,
                            sizeof *client->outs))
            return;
        sim_out *out = &client->outs[client->n_outs++];
        memset(out, 0, sizeof *out);
        out->is_create = 1;
        memcpy(out->chat, "group-0", sizeof "group-0");
        out->chat[6] = (char)('0' + i);
    }
}

static int options_are_sane(const chat_sim_options *options)
{
    return options->n_nodes >= 1 && options->n_nodes <= SIM_MAX_NODES && options->n_users >= 2 &&
           options->n_users <= 16 && options->n_devices >= 1 && options->n_devices <= 4 &&
           options->n_groups <= 9 &&
           (options->plant == NULL || chat__sim_plant_named(options->plant) != SIM_PLANT_NONE);
}

static int take_options(chat_sim_options *out, const chat_sim_options *given)
{
    chat_sim_options_init(out);
    return chat__sized_take(out, sizeof *out, given) == CHAT_OK && options_are_sane(out);
}

chat_status chat_sim_run(const chat_sim_options *given, chat_sim_report *out)
{
    chat_sim_options known;
    const chat_sim_options *options = &known;
    chat_view none = {NULL, 0};
    if (given == NULL || out == NULL || !take_options(&known, given))
        return CHAT_ERR_ARG;
    sim *s = calloc(1, sizeof *s);
    if (s == NULL)
        return CHAT_ERR_NOMEM;
    memset(out, 0, sizeof *out);
    s->options = *options;
    s->report = out;
    s->plant = chat__sim_plant_named(options->plant);
    s->rng = options->seed;
    s->unix_base_ms = UNIX_BASE_MS;
    s->n_to_send = options->n_messages;
    s->offline_limit = chat__sim_chance(s, 40) ? 1 + chat__sim_random(s, 12) : 0;
    s->offline_ttl_ms = chat__sim_chance(s, 20) ? 200 + chat__sim_random(s, 5000) : 0;
    chat__sim_nodes_init(s);
    chat__sim_mixed_init(s);
    chat__sim_devices_init(s);
    chat_status status = chat_decoder_new(NULL, MAX_FRAME, &s->decoder);
    if (status == CHAT_OK)
        status = chat_history_new(&s->history);
    if (status == CHAT_OK)
        status = chat__sim_nodes_start(s);
    if (status == CHAT_OK) {
        make_clients(s);
        make_groups(s);
        (void)chat__sim_schedule(s, SIM_EV_SECOND, SECOND_MS, none);
        run(s);
        if (out->violation[0] == 0 && !s->is_out_of_memory)
            chat__sim_check(s);
        out->end_ms = s->now_ms;
        status = s->is_out_of_memory      ? CHAT_ERR_NOMEM
                 : out->violation[0] != 0 ? CHAT_ERR_CORRUPT
                                          : CHAT_OK;
    }
    chat__sim_nodes_stop(s);
    chat__sim_drop_events(s);
    chat__sim_storage_free(s);
    for (uint32_t i = 0; i < s->n_clients; i++)
        chat__sim_client_free(&s->clients[i]);
    chat_decoder_free(s->decoder);
    chat_history_free(s->history);
    free(s);
    return status;
}
