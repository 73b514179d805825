/* SPDX-License-Identifier: MIT */
/* A machine under test, with a server's side that speaks JSON and a clock that only tests move. */
#ifndef CHAT_TESTS_CLIENT_RIG_H
#define CHAT_TESTS_CLIENT_RIG_H

#include "base/alloc.h"
#include "base/view.h"
#include "client/client.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 1000000u

struct rig {
    chat__client *client;
    uint64_t now_ms;
    char out[65536]; /* what the client wrote, a line each, since the last look */
    int n_connects;
    int n_closes;
    char event[4096]; /* the last event, in words */
    chat_client_cid cid;
};

static const chat_target ROOM = {{(const uint8_t *)"room", 4}, {NULL, 0}};
static const chat_target BOB = {{NULL, 0}, {(const uint8_t *)"bob", 3}};

static inline chat__client_options rig_options(void)
{
    chat__client_options options;
    chat__client_options_init(&options);
    options.encoding = CHAT_ENCODING_JSON;
    options.device = chat__view_str("phone");
    options.seed[0] = 7;
    options.seed[1] = 8;
    return options;
}

static inline void rig_init(struct rig *rig, const chat__client_options *options)
{
    memset(rig, 0, sizeof *rig);
    rig->now_ms = T0;
    assert_int_equal(chat__client_new(options, &rig->client), CHAT_OK);
}

static inline void rig_pump(struct rig *rig)
{
    chat__client_effect effect;
    while (chat__client_next_effect(rig->client, 1, &effect) == CHAT_OK) {
        size_t len = strlen(rig->out);
        if (effect.type == CHAT__CLIENT_CONNECT)
            rig->n_connects++;
        else if (effect.type == CHAT__CLIENT_CLOSE)
            rig->n_closes++;
        else
            snprintf(rig->out + len, sizeof rig->out - len, "%.*s\n", (int)effect.bytes.len,
                     (const char *)effect.bytes.data);
    }
}

/* A turn after `ms` more milliseconds. */
static inline void rig_turn(struct rig *rig, uint64_t ms)
{
    rig->now_ms += ms;
    chat__client_turn(rig->client, rig->now_ms);
    rig_pump(rig);
}

/* The next event as "TYPE status detail", "" for none. */
static inline const char *rig_event(struct rig *rig)
{
    static const char *const types[] = {
        "",       "STATE",   "MESSAGE",  "CHAT",
        "SENT",   "RECEIPT", "ROW",      "RESULT",
        "ERROR",  "FAILED",  "PRESENCE", "TYPING",
        "MARKER", "CHANGE",  "RESUMED",  [CHAT_EVENT_TYPING_ENDED] = "TYPING_ENDED"};
    static const char *const states[] = {"",       "waiting", "connecting",
                                         "online", "refused", "closed"};
    const chat_event *event;
    rig->event[0] = '\0';
    if (chat__client_next_event(rig->client, &event) != CHAT_OK)
        return rig->event;
    const char *status = chat_status_wire((chat_status)event->status);
    if (event->type == CHAT_EVENT_STATE)
        snprintf(rig->event, sizeof rig->event, "STATE %s %s", status, states[event->state]);
    else if (CHAT_FRAME_HAS(event->frame, BODY))
        snprintf(rig->event, sizeof rig->event, "%s %s %.*s%s", types[event->type], status,
                 (int)event->frame->body.len, (const char *)event->frame->body.data,
                 event->gap_after != 0 ? " gap" : "");
    else if (CHAT_FRAME_HAS(event->frame, CID))
        snprintf(rig->event, sizeof rig->event, "%s %s %.*s", types[event->type], status,
                 (int)event->frame->cid.len, (const char *)event->frame->cid.data);
    else
        snprintf(rig->event, sizeof rig->event, "%s %s %llu", types[event->type], status,
                 (unsigned long long)(CHAT_FRAME_HAS(event->frame, R) ? event->frame->r : 0));
    return rig->event;
}

static inline void rig_drain(struct rig *rig)
{
    while (rig_event(rig)[0] != '\0') {
    }
}

/* The server says `json`; the event it makes is in the result. */
static inline const char *rig_hear(struct rig *rig, const char *json)
{
    chat__client_receive(rig->client, chat__view_str(json));
    return rig_event(rig);
}

/* What was written since the last look. */
static inline const char *rig_written(struct rig *rig)
{
    static char last[sizeof rig->out];
    rig_pump(rig);
    memcpy(last, rig->out, sizeof last);
    rig->out[0] = '\0';
    return last;
}

static inline void rig_welcome(struct rig *rig)
{
    chat__client_opened(rig->client);
    rig_turn(rig, 1);
    assert_string_equal(rig_hear(rig, "{\"t\":\"welcome\",\"user\":\"alice\",\"device\":\"phone\","
                                      "\"heartbeat_ms\":30000,\"max_body_bytes\":1000}"),
                        "STATE ok online");
}

/* Until it is live, with nothing left to read. */
static inline void rig_online(struct rig *rig)
{
    rig_turn(rig, 0);
    rig_welcome(rig);
    rig_drain(rig);
    (void)rig_written(rig);
}

static inline chat_status client_send(chat__client *client, const chat_target *target,
                                      chat_view body, chat_view cid, chat_client_cid *out_cid)
{
    chat__client_message message = {body, cid, 0};
    return chat__client_say(client, target, &message, out_cid);
}

static inline const char *rig_send(struct rig *rig, const chat_target *target, const char *body)
{
    assert_int_equal(
        client_send(rig->client, target, chat__view_str(body), chat__view(NULL, 0), &rig->cid),
        CHAT_OK);
    return rig->cid.text;
}

/* `sent` for a cid. */
static inline const char *rig_hear_sent(struct rig *rig, const char *cid, unsigned seq)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"t\":\"sent\",\"cid\":\"%s\",\"chat\":\"room\",\"id\":\"%u\",\"seq\":\"%u\","
             "\"ts\":1}",
             cid, seq, seq);
    return rig_hear(rig, json);
}

/* `error` for a cid. */
static inline const char *rig_hear_error(struct rig *rig, const char *cid, const char *code)
{
    char json[512];
    snprintf(json, sizeof json, "{\"t\":\"error\",\"cid\":\"%s\",\"code\":\"%s\"}", cid, code);
    return rig_hear(rig, json);
}

/* A message of the stream. */
static inline const char *rig_hear_msg(struct rig *rig, unsigned seq, unsigned prev)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"bob\",\"id\":\"%u\",\"seq\":\"%u\","
             "\"prev\":\"%u\",\"ts\":1,\"body\":\"m%u\"}",
             seq, seq, prev, seq);
    return rig_hear(rig, json);
}

static inline int count_of(const char *text, const char *part)
{
    int n = 0;
    for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
        n++;
    return n;
}

#endif
