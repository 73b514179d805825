/* SPDX-License-Identifier: MIT */
/*
 * Clients of the simulation mute chats and ask where messages are, at random. What was answered
 * must hold: a mute survives, nobody is notified of what comes in a muted chat, and `why` says of
 * no message that was acknowledged that it is not there, and of nobody that he has what he never
 * saw.
 */
#include "testing/sim.h"

#include <string.h>

#define MUTE_PERCENT 2u
#define WHY_PERCENT  8u
#define RETRY_MS     1000u
#define SHORT_MS     20000u
#define SKEW_MS      20000u /* of the nodes' clocks, at most */
#define SIM_FOREVER  (UINT64_C(1) << 53)

static int is_text_at(chat_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

/* --- muted, by the records --- */

static int is_setting(sim *s, const sim_record *record, chat_frame *frame)
{
    chat_view payload = {record->payload, record->len};
    return record->kind == CHAT_FRAME_SETTING && record->is_durable &&
           chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, frame) == CHAT_OK;
}

uint64_t chat__sim_muted_until(sim *s, const char *user, const char *chat)
{
    uint64_t until = 0;
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (is_setting(s, &s->storage.records[i], &frame) && is_text_at(frame.from, user) &&
            is_text_at(frame.of, chat))
            until = frame.until;
    }
    return until;
}

void chat__sim_judge_mute(sim *s, const char *user, chat_view chat)
{
    char name[SIM_CHAT_BYTES];
    chat__sim_copy_name(name, sizeof name, chat);
    uint64_t until = chat__sim_muted_until(s, user, name);
    if (until > s->unix_base_ms + s->now_ms + SKEW_MS)
        chat__sim_violate(s, "push right: %s was notified of %s, which is muted", user, name);
}

/* --- mute --- */

static sim_mute *mute_of(sim_client *client, chat_view chat)
{
    for (size_t i = 0; i < client->n_mutes; i++) {
        if (is_text_at(chat, client->mutes[i].chat))
            return &client->mutes[i];
    }
    if (client->n_mutes == SIM_MARKS)
        return NULL;
    sim_mute *mute = &client->mutes[client->n_mutes++];
    memset(mute, 0, sizeof *mute);
    chat__sim_copy_name(mute->chat, sizeof mute->chat, chat);
    return mute;
}

static void choose_mute(sim *s, sim_client *client)
{
    chat_view user;
    const sim_seen *seen = &client->seen[chat__sim_random(s, (uint32_t)client->n_seen)];
    if (chat_self_user(chat__sim_view(seen->chat), &user) == CHAT_OK)
        return;
    sim_mute *mute = mute_of(client, chat__sim_view(seen->chat));
    if (mute == NULL || mute->is_wanted)
        return;
    mute->is_wanted = mute->was_asked = 1;
    mute->is_flying_here = 0;
    mute->not_before_ms = 0;
    mute->until = chat__sim_chance(s, 60) ? SIM_FOREVER
                  : chat__sim_chance(s, 50)
                      ? 0
                      : s->unix_base_ms + s->now_ms + chat__sim_random(s, SHORT_MS);
}

static void say_mute(sim *s, sim_client *client, sim_mute *mute)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MUTE);
    CHAT_FRAME_SET(&frame, R, r, SIM_MUTE_R + (uint64_t)(mute - client->mutes));
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(mute->chat));
    CHAT_FRAME_SET(&frame, UNTIL, until, mute->until);
    mute->is_flying_here = 1;
    chat__sim_trace(s, "%s/%s mutes %s until %llu", client->user, client->device, mute->chat,
                    (unsigned long long)mute->until);
    chat__sim_client_say(s, client, &frame);
}

static void on_mute_answer(sim *s, sim_mute *mute, const chat_frame *frame)
{
    if (!mute->is_wanted)
        return;
    mute->is_flying_here = 0;
    if (frame->type == CHAT_FRAME_ERROR) {
        mute->not_before_ms = s->now_ms + RETRY_MS;
        if (is_text_at(frame->code, "forbidden") || is_text_at(frame->code, "not_found"))
            mute->is_wanted = 0;
        return;
    }
    mute->is_wanted = 0;
    mute->is_told = 1;
    mute->told = mute->until;
}

/* --- why --- */

static const sim_out *choose_message(sim *s, const sim_client *client)
{
    if (client->n_outs == 0)
        return NULL;
    const sim_out *out = &client->outs[chat__sim_random(s, (uint32_t)client->n_outs)];
    return out->is_done && !out->is_create && out->change == 0 ? out : NULL;
}

static void say_why(sim *s, sim_client *client)
{
    chat_frame frame;
    const sim_out *out = choose_message(s, client);
    sim_why *why = &client->why;
    if (out == NULL)
        return;
    memset(why, 0, sizeof *why);
    why->r = SIM_WHY_R + ++client->n_whys;
    why->id = out->id;
    why->seq = out->seq;
    memcpy(why->chat, out->chat, sizeof why->chat);
    chat_frame_init(&frame, CHAT_FRAME_WHY);
    CHAT_FRAME_SET(&frame, R, r, why->r);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(why->chat));
    CHAT_FRAME_SET(&frame, ID, id, why->id);
    chat__sim_client_say(s, client, &frame);
}

/* Whether a device of the user (this one, if it is named) may have acknowledged the message: it was
   shown that or a later one. What is held behind a gap is acknowledged before it is shown. */
static int may_have(const sim *s, const chat_frame *row, const sim_why *why)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        const sim_client *client = &s->clients[i];
        if (is_text_at(row->user, client->user) &&
            (!CHAT_FRAME_HAS(row, DEVICE) || is_text_at(row->device, client->device)) &&
            (client->had_gaps || chat__sim_last_seen(client, why->chat) >= why->seq))
            return 1;
    }
    return 0;
}

static void on_trail(sim *s, sim_client *client, const chat_frame *row)
{
    sim_why *why = &client->why;
    int says_has = is_text_at(row->state, "acked") || is_text_at(row->state, "read");
    why->n_rows++;
    why->is_durable |= is_text_at(row->state, "durable");
    if (says_has && CHAT_FRAME_HAS(row, USER) && !may_have(s, row, why))
        chat__sim_violate(s, "explain: why says that %.*s/%.*s has %s seq %llu, which it never saw",
                          (int)row->user.len, (const char *)row->user.data,
                          CHAT_FRAME_HAS(row, DEVICE) ? (int)row->device.len : 0,
                          (const char *)row->device.data, why->chat, (unsigned long long)why->seq);
}

static void on_why_answer(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_why *why = &client->why;
    if (frame->type == CHAT_FRAME_ERROR && is_text_at(frame->code, "not_found"))
        chat__sim_violate(s, "explain: why does not find %s seq %llu, which was acknowledged",
                          why->chat, (unsigned long long)why->seq);
    if (frame->type == CHAT_FRAME_RESULT && !why->is_durable)
        chat__sim_violate(s, "explain: why calls %s seq %llu not durable after it was acknowledged",
                          why->chat, (unsigned long long)why->seq);
    if (frame->type == CHAT_FRAME_RESULT && why->n_rows != frame->count)
        chat__sim_violate(s, "explain: %u rows of %llu", why->n_rows,
                          (unsigned long long)frame->count);
    why->r = 0;
}

/* --- both --- */

void chat__sim_asks_step(sim *s, sim_client *client)
{
    if (!s->is_settling && client->n_seen > 0 && chat__sim_chance(s, MUTE_PERCENT))
        choose_mute(s, client);
    for (size_t i = 0; i < client->n_mutes; i++) {
        sim_mute *mute = &client->mutes[i];
        if (mute->is_wanted && !mute->is_flying_here && mute->not_before_ms <= s->now_ms)
            say_mute(s, client, mute);
    }
    if (client->why.r == 0 && !s->is_settling && chat__sim_chance(s, WHY_PERCENT))
        say_why(s, client);
}

void chat__sim_asks_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    client->had_gaps |= frame->type == CHAT_FRAME_GAP;
    if (!CHAT_FRAME_HAS(frame, R))
        return;
    if (frame->r >= SIM_MUTE_R && frame->r < SIM_MUTE_R + client->n_mutes)
        on_mute_answer(s, &client->mutes[frame->r - SIM_MUTE_R], frame);
    else if (client->why.r != 0 && frame->r == client->why.r && frame->type == CHAT_FRAME_TRAIL)
        on_trail(s, client, frame);
    else if (client->why.r != 0 && frame->r == client->why.r)
        on_why_answer(s, client, frame);
}

void chat__sim_asks_lost(sim_client *client)
{
    client->why.r = 0;
    for (size_t i = 0; i < client->n_mutes; i++)
        client->mutes[i].is_flying_here = 0;
}

int chat__sim_asks_are_settled(const sim_client *client)
{
    for (size_t i = 0; i < client->n_mutes; i++) {
        if (client->mutes[i].is_wanted)
            return 0;
    }
    return 1;
}

int chat__sim_asks_has_asked(sim *s, const sim_client *client, const sim_record *record)
{
    chat_frame frame;
    if (!is_setting(s, record, &frame))
        return 0;
    for (size_t i = 0; i < client->n_mutes; i++) {
        if (is_text_at(frame.of, client->mutes[i].chat))
            return client->mutes[i].was_asked;
    }
    return 0;
}

static int has_record(sim *s, const sim_client *client, const sim_mute *mute)
{
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (is_setting(s, &s->storage.records[i], &frame) && is_text_at(frame.from, client->user) &&
            is_text_at(frame.of, mute->chat) && frame.until == mute->told)
            return 1;
    }
    return 0;
}

void chat__sim_asks_check(sim *s)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        const sim_client *client = &s->clients[i];
        for (size_t k = 0; k < client->n_mutes; k++) {
            if (client->mutes[k].is_told && !has_record(s, client, &client->mutes[k]))
                chat__sim_violate(s, "answered settings survive: %s/%s has muted %s", client->user,
                                  client->device, client->mutes[k].chat);
        }
    }
}
