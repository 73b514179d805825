/* SPDX-License-Identifier: MIT */
/*
 * A simulated client: writes messages, sends them again until it is told `sent`, counts and acks
 * stream frames, drops what it has seen, and now and then vanishes or falls silent.
 */
#include "testing/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS     200u
#define PING_MS     20000u
#define SILENCE_MS  60000u
#define ANSWER_MS   10000u /* an answer that takes longer: connect again */
#define FRAME_BYTES 2048u
#define MAX_FLYING  8u

static uint64_t arrival(sim *s, uint64_t *last_ms)
{
    uint64_t at_ms = s->now_ms + 1 + chat__sim_random(s, 20);
    if (chat__sim_chance(s, 2))
        at_ms += chat__sim_random(s, 500);
    if (at_ms < *last_ms)
        at_ms = *last_ms;
    *last_ms = at_ms;
    return at_ms;
}

void chat__sim_client_say(sim *s, sim_client *client, const chat_frame *frame)
{
    uint8_t bytes[FRAME_BYTES];
    size_t len = 0;
    if (chat_frame_encode(client->encoding, frame, bytes, sizeof bytes, &len) != CHAT_OK) {
        chat__sim_violate(s, "a client could not encode a frame of type %u", frame->type);
        return;
    }
    chat_view view = {bytes, len};
    client->said_ms = s->now_ms;
    if (client->is_mute)
        return;
    sim_event *event =
        chat__sim_schedule(s, SIM_EV_TO_SERVER, arrival(s, &client->to_server_ms), view);
    if (event == NULL)
        return;
    event->client = client->index;
    event->wire = client->wire;
    chat__sim_to_node(s, event, client->node, client->node);
    event->conn = client->conn;
}

/* --- connecting --- */

void chat__sim_client_lost(sim *s, sim_client *client)
{
    if (client->is_welcome)
        chat__sim_tell(s, client, "lost");
    chat__sim_devices_lost(client);
    client->wire = 0;
    client->conn = 0;
    client->is_welcome = 0;
    client->is_deaf = 0;
    client->is_mute = 0;
    client->is_slow = 0;
    client->unsent_bytes = 0;
    client->reported_bytes = 0;
    client->counted = 0;
    client->acked = 0;
    for (size_t i = 0; i < client->n_outs; i++)
        client->outs[i].is_flying_here = 0;
    chat__sim_marks_lost(client);
    chat__sim_asks_lost(client);
    chat__sim_blocks_lost(client);
    chat__sim_gaps_lost(client);
    chat__sim_pages_lost(client);
}

/* The client goes; the server hears of it later, or never. */
static void vanish(sim *s, sim_client *client)
{
    chat_view none = {NULL, 0};
    chat__sim_trace(s, "%s/%s cuts its connection", client->user, client->device);
    if (s->is_settling || chat__sim_chance(s, 70)) {
        sim_event *event =
            chat__sim_schedule(s, SIM_EV_CLIENT_GONE, s->now_ms + chat__sim_random(s, 200), none);
        if (event != NULL) {
            chat__sim_to_node(s, event, client->node, client->node);
            event->conn = client->conn;
        }
    }
    chat__sim_client_lost(s, client);
}

static void connect_client(sim *s, sim_client *client)
{
    chat_frame hello;
    if (s->nodes[client->node] == NULL)
        return;
    chat__sim_begin(s, client->node);
    chat_status status = chat__node_open(s->nodes[client->node], chat__sim_view(client->user),
                                         client->encoding, UINT64_MAX, &client->conn);
    chat__sim_run_effects(s, client->node);
    if (status != CHAT_OK)
        return;
    client->wire = ++s->next_wire;
    client->to_server_ms = s->now_ms;
    client->to_client_ms = s->now_ms;
    client->heard_ms = s->now_ms;
    s->report->n_reconnects++;
    chat__sim_trace(s, "%s/%s connects", client->user, client->device);
    chat_frame_init(&hello, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&hello, DEVICE, device, chat__sim_view(client->device));
    chat__sim_client_say(s, client, &hello);
}

/* --- sending --- */

static void choose_change(sim *s, sim_out *out)
{
    static const uint32_t TYPES[] = {CHAT_FRAME_CHAT_ADD,    CHAT_FRAME_CHAT_ADD,
                                     CHAT_FRAME_CHAT_REMOVE, CHAT_FRAME_CHAT_LEAVE,
                                     CHAT_FRAME_CHAT_JOIN,   CHAT_FRAME_CHAT_ROLE};
    const sim_client *whom = &s->clients[chat__sim_random(s, s->n_clients)];
    out->change = TYPES[chat__sim_random(s, sizeof TYPES / sizeof *TYPES)];
    memcpy(out->whom, whom->user, sizeof out->whom);
}

static void write_message(sim *s, sim_client *client)
{
    if (!chat__sim_grow(s, (void **)&client->outs, &client->outs_cap, client->n_outs,
                        sizeof *client->outs))
        return;
    sim_out *out = &client->outs[client->n_outs++];
    memset(out, 0, sizeof *out);
    snprintf(out->cid, sizeof out->cid, "c%u", ++s->next_cid);
    s->n_to_send--;
    if (chat__sim_chance(s, 20) && chat__sim_notes_choose(s, client, out))
        return;
    if (s->options.n_groups > 0 && chat__sim_chance(s, 40)) {
        if (chat__sim_chance(s, 25))
            choose_change(s, out);
        snprintf(out->chat, sizeof out->chat, "group-%u", chat__sim_random(s, s->options.n_groups));
        return;
    }
    chat_direct_name name;
    sim_client *to = &s->clients[chat__sim_random(s, s->n_clients)];
    if (chat_direct_id(chat__sim_view(client->user), chat__sim_view(to->user), &name) == CHAT_OK) {
        chat_view view = {name.bytes, name.len};
        chat__sim_copy_name(out->chat, sizeof out->chat, view);
    } else {
        snprintf(out->chat, sizeof out->chat, "group-0");
    }
}

static void send_out(sim *s, sim_client *client, sim_out *out)
{
    chat_frame frame;
    chat_view users[SIM_MAX_CLIENTS];
    size_t n_users = 0;
    if (out->is_create) {
        chat_frame_init(&frame, CHAT_FRAME_CHAT_CREATE);
        CHAT_FRAME_SET(&frame, R, r, 1 + (uint64_t)(out - client->outs));
        for (uint32_t i = 0; i < s->n_clients; i++) {
            if (i % 3 != 2)
                users[n_users++] = chat__sim_view(s->clients[i].user);
        }
        chat_view_list list = {users, n_users};
        CHAT_FRAME_SET(&frame, USERS, users, list);
        CHAT_FRAME_SET(&frame, OPEN, open, (out->chat[strlen(out->chat) - 1] & 1) != 0);
    } else if (out->change != 0) {
        chat_frame_init(&frame, (chat_frame_type)out->change);
        CHAT_FRAME_SET(&frame, R, r, 1 + (uint64_t)(out - client->outs));
        chat__sim_notes_fill(out, &frame);
        users[0] = chat__sim_view(out->whom);
        chat_view_list list = {users, 1};
        CHAT_FRAME_SET(&frame, USERS, users, list);
        CHAT_FRAME_SET(&frame, USER, user, users[0]);
        CHAT_FRAME_SET(&frame, ROLE, role, chat__sim_view("admin"));
    } else {
        chat_frame_init(&frame, CHAT_FRAME_SEND);
        CHAT_FRAME_SET(&frame, CID, cid, chat__sim_view(out->cid));
        CHAT_FRAME_SET(&frame, BODY, body, chat__sim_view("hello"));
    }
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(out->chat));
    if (out->is_flying && s->plant != SIM_PLANT_NO_DEDUPE)
        CHAT_FRAME_SET(&frame, RESEND, resend, 1);
    if (!out->is_flying)
        chat__sim_tell_said(s, client, out);
    out->is_flying = 1;
    out->is_flying_here = 1;
    chat__sim_trace(s, "%s/%s sends %s to %s%s", client->user, client->device, out->cid, out->chat,
                    frame.type == CHAT_FRAME_CHAT_CREATE ? " (create)" : "");
    chat__sim_client_say(s, client, &frame);
}

/* In order: what is not known to be sent goes before what is new. */
static void send_waiting(sim *s, sim_client *client)
{
    uint32_t n_flying = 0;
    for (size_t i = 0; i < client->n_outs && n_flying < MAX_FLYING; i++) {
        sim_out *out = &client->outs[i];
        if (out->is_done || out->is_failed)
            continue;
        if (out->not_before_ms > s->now_ms)
            return;
        n_flying++;
        if (!out->is_flying_here)
            send_out(s, client, out);
    }
}

int chat__sim_client_is_settled(const sim_client *client)
{
    if (!client->is_welcome || client->counted != client->acked || client->is_deaf ||
        client->is_mute)
        return 0;
    for (size_t i = 0; i < client->n_outs; i++) {
        if (!client->outs[i].is_done && !client->outs[i].is_failed)
            return 0;
    }
    return chat__sim_marks_are_settled(client) && chat__sim_asks_are_settled(client) &&
           chat__sim_gaps_are_settled(client) && chat__sim_blocks_are_settled(client);
}

/* --- receiving --- */

static sim_seen *seen_of(sim *s, sim_client *client, chat_view chat)
{
    char name[SIM_CHAT_BYTES];
    chat__sim_copy_name(name, sizeof name, chat);
    for (size_t i = 0; i < client->n_seen; i++) {
        if (strcmp(client->seen[i].chat, name) == 0)
            return &client->seen[i];
    }
    sim_seen *seen = realloc(client->seen, (client->n_seen + 1) * sizeof *seen);
    if (seen == NULL) {
        s->is_out_of_memory = 1;
        return NULL;
    }
    client->seen = seen;
    seen = &client->seen[client->n_seen++];
    memset(seen, 0, sizeof *seen);
    memcpy(seen->chat, name, sizeof name);
    return seen;
}

void chat__sim_client_saw(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_seen *seen = seen_of(s, client, frame->chat);
    if (seen == NULL)
        return;
    uint64_t last = seen->n_seqs > 0 ? seen->seqs[seen->n_seqs - 1] : 0;
    chat__sim_trace(s, "%s/%s gets %s seq %llu%s", client->user, client->device, seen->chat,
                    (unsigned long long)frame->seq, frame->seq <= last ? " (again)" : "");
    if (frame->seq <= last)
        return;
    if (!chat__sim_grow(s, (void **)&seen->seqs, &seen->cap, seen->n_seqs, sizeof *seen->seqs))
        return;
    seen->seqs[seen->n_seqs++] = frame->seq;
    if (frame->type != CHAT_FRAME_MARKER && frame->type != CHAT_FRAME_SETTING &&
        frame->type != CHAT_FRAME_BLOCKED)
        chat__sim_tell_frame(s, client, frame);
    s->report->n_received++;
}

static void on_record(sim *s, sim_client *client, const chat_frame *frame)
{
    client->counted++;
    if (!chat__sim_gaps_hold(s, client, frame))
        chat__sim_client_saw(s, client, frame);
}

static void on_sent(sim *s, sim_client *client, const chat_frame *frame)
{
    chat__sim_tell_frame(s, client, frame);
    for (size_t i = 0; i < client->n_outs; i++) {
        sim_out *out = &client->outs[i];
        if (out->is_create || out->change != 0 || strlen(out->cid) != frame->cid.len ||
            memcmp(out->cid, frame->cid.data, frame->cid.len) != 0)
            continue;
        if (out->is_done && (out->id != frame->id || out->seq != frame->seq))
            chat__sim_violate(s, "one-copy: %s was answered with two ids", out->cid);
        if (!out->is_done)
            s->report->n_sent++;
        out->is_done = 1;
        out->id = frame->id;
        out->seq = frame->seq;
        return;
    }
}

static int is_cid(const sim_out *out, const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, CID) && strlen(out->cid) == frame->cid.len &&
           memcmp(out->cid, frame->cid.data, frame->cid.len) == 0;
}

static void on_error(sim *s, sim_client *client, const chat_frame *frame)
{
    chat__sim_trace(s, "%s/%s is refused: %.*s", client->user, client->device, (int)frame->code.len,
                    (const char *)frame->code.data);
    for (size_t i = 0; i < client->n_outs; i++) {
        sim_out *out = &client->outs[i];
        int is_it = out->is_create || out->change != 0
                        ? CHAT_FRAME_HAS(frame, R) && frame->r == i + 1
                        : is_cid(out, frame);
        if (!is_it)
            continue;
        if (CHAT_FRAME_HAS(frame, RETRY_AFTER)) {
            out->not_before_ms = s->now_ms + frame->retry_after_ms;
            out->is_flying_here = 0;
        } else {
            out->is_failed = 1;
        }
    }
}

static void on_result(sim *s, sim_client *client, const chat_frame *frame)
{
    if (CHAT_FRAME_HAS(frame, ID))
        chat__sim_tell_frame(s, client, frame);
    else if (frame->r >= SIM_READ_R && CHAT_FRAME_HAS(frame, CHAT) && CHAT_FRAME_HAS(frame, SEQ))
        chat__sim_tell_read(s, client, frame);
    sim_out *out = frame->r >= 1 && frame->r <= client->n_outs ? &client->outs[frame->r - 1] : NULL;
    if (out == NULL || (!out->is_create && out->change == 0))
        return;
    out->is_done = 1;
    if (out->change != 0 && CHAT_FRAME_HAS(frame, ID))
        out->id = frame->id;
}

/* Of the stream: a row of an answer has the number of its question. */
static int is_record(const chat_frame *frame)
{
    return !CHAT_FRAME_HAS(frame, R) &&
           (frame->type == CHAT_FRAME_MSG || frame->type == CHAT_FRAME_CHAT ||
            frame->type == CHAT_FRAME_CHANGE || frame->type == CHAT_FRAME_NOTE ||
            frame->type == CHAT_FRAME_MARKER || frame->type == CHAT_FRAME_SETTING ||
            frame->type == CHAT_FRAME_BLOCKED);
}

void chat__sim_client_frame(sim *s, sim_client *client, chat_view bytes)
{
    chat_frame frame;
    chat_status status = chat_frame_decode(s->decoder, client->encoding, bytes, &frame);
    client->heard_ms = s->now_ms;
    if (status == CHAT_ERR_NOMEM) {
        s->is_out_of_memory = 1;
        return;
    }
    if (status != CHAT_OK) {
        chat__sim_violate(s, "the server sent a bad frame: %s", chat_status_name(status));
        return;
    }
    chat__sim_devices_frame(s, client, &frame);
    chat__sim_asks_frame(s, client, &frame);
    if (chat__sim_pages_frame(s, client, &frame) || chat__sim_gaps_frame(s, client, &frame))
        return;
    chat__sim_marks_frame(s, client, &frame);
    chat__sim_blocks_frame(s, client, &frame);
    switch (frame.type) {
    case CHAT_FRAME_WELCOME:
        client->is_welcome = 1;
        chat__sim_tell(s, client, "open");
        break;
    case CHAT_FRAME_SENT:
        on_sent(s, client, &frame);
        break;
    case CHAT_FRAME_ERROR:
        on_error(s, client, &frame);
        break;
    case CHAT_FRAME_RESULT:
        on_result(s, client, &frame);
        break;
    default:
        if (is_record(&frame))
            on_record(s, client, &frame);
        break;
    }
}

/* --- one step --- */

static void ack(sim *s, sim_client *client)
{
    chat_frame frame;
    if (client->counted == client->acked || (client->is_lazy && !s->is_settling))
        return;
    client->acked = client->counted;
    chat_frame_init(&frame, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&frame, N, n, client->counted);
    chat__sim_client_say(s, client, &frame);
}

static int is_answer_late(const sim *s, const sim_client *client)
{
    for (size_t i = 0; i < client->n_outs; i++) {
        if (client->outs[i].is_flying_here && !client->outs[i].is_done &&
            !client->outs[i].is_failed)
            return s->now_ms > client->said_ms + ANSWER_MS;
    }
    return 0;
}

/* It becomes lazy, slow, or half of its connection is gone; and the other way round. */
static void change_mood(sim *s, sim_client *client)
{
    if (chat__sim_chance(s, 5))
        client->is_lazy = !client->is_lazy;
    if (chat__sim_chance(s, 3))
        client->is_slow = !client->is_slow && !s->is_settling;
    if (!s->is_settling && !client->is_deaf && !client->is_mute &&
        chat__sim_chance(s, s->options.cut_percent / 4)) {
        client->is_deaf = chat__sim_chance(s, 60);
        client->is_mute = !client->is_deaf || chat__sim_chance(s, 50);
        chat__sim_trace(s, "%s/%s is half-open", client->user, client->device);
    }
}

static void online_step(sim *s, sim_client *client)
{
    chat_frame ping;
    if (!s->is_settling && chat__sim_chance(s, s->options.cut_percent)) {
        vanish(s, client);
        return;
    }
    if (s->now_ms > client->heard_ms + SILENCE_MS || is_answer_late(s, client)) {
        vanish(s, client);
        return;
    }
    if (!client->is_welcome)
        return;
    change_mood(s, client);
    if (s->n_to_send > 0 && !s->is_settling && chat__sim_chance(s, 50))
        write_message(s, client);
    send_waiting(s, client);
    chat__sim_marks_step(s, client);
    chat__sim_asks_step(s, client);
    chat__sim_blocks_step(s, client);
    chat__sim_gaps_step(s, client);
    chat__sim_pages_step(s, client);
    chat__sim_devices_step(s, client);
    ack(s, client);
    if (s->now_ms > client->said_ms + PING_MS) {
        chat_frame_init(&ping, CHAT_FRAME_PING);
        chat__sim_client_say(s, client, &ping);
    }
}

void chat__sim_client_step(sim *s, sim_client *client)
{
    chat_view none = {NULL, 0};
    if (client->wire != 0)
        online_step(s, client);
    else if (!chat__sim_devices_is_away(s, client) && (s->is_settling || chat__sim_chance(s, 30)))
        connect_client(s, client);
    else if (s->n_to_send > 0 && chat__sim_chance(s, 20))
        write_message(s, client);
    sim_event *event = chat__sim_schedule(
        s, SIM_EV_CLIENT_STEP, s->now_ms + STEP_MS / 2 + chat__sim_random(s, STEP_MS), none);
    if (event != NULL)
        event->client = client->index;
}

void chat__sim_client_free(sim_client *client)
{
    for (size_t i = 0; i < client->n_seen; i++)
        free(client->seen[i].seqs);
    free(client->seen);
    free(client->outs);
}
