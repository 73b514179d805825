/* SPDX-License-Identifier: MIT */
/* The history of a simulation: what clients were told and saw, line by line, and its judgement. */
#include "testing/sim.h"

#include <chat/history.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 4096u

static void add(sim *s, const char *line, size_t len)
{
    chat_view view = {(const uint8_t *)line, len};
    if (s->options.history != NULL)
        s->options.history(s->options.history_ctx, line);
    if (chat_history_add(s->history, view) != CHAT_OK)
        s->is_out_of_memory = 1;
}

/* `rest`: what follows the observer, with the closing brace. */
static void add_line(sim *s, const sim_client *client, const char *rest, size_t rest_len)
{
    char line[LINE_BYTES];
    int n = client == NULL
                ? snprintf(line, sizeof line, "{\"by\":\"log\",%.*s", (int)rest_len, rest)
                : snprintf(line, sizeof line, "{\"by\":\"%s/%s\",%.*s", client->user,
                           client->device, (int)rest_len, rest);
    add(s, line, (size_t)n);
}

void chat__sim_tell(sim *s, const sim_client *client, const char *t)
{
    char rest[64];
    int n = snprintf(rest, sizeof rest, "\"t\":\"%s\"}", t);
    add_line(s, client, rest, (size_t)n);
}

void chat__sim_tell_frame(sim *s, const sim_client *client, const chat_frame *frame)
{
    uint8_t json[LINE_BYTES - 128];
    size_t len = 0;
    chat_frame copy = *frame;
    copy.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    if (frame->type == CHAT_FRAME_RESULT) /* needs it */
        CHAT_FRAME_SET(&copy, R, r, frame->r);
    chat_status status = chat_frame_encode(CHAT_ENCODING_JSON, &copy, json, sizeof json, &len);
    if (status == CHAT_OK)
        add_line(s, client, (const char *)json + 1, len - 1); /* without its opening brace */
    else
        s->is_out_of_memory = 1;
}

void chat__sim_tell_said(sim *s, const sim_client *client, const sim_out *out)
{
    char rest[512];
    const char *t = out->change == 0                  ? "send"
                    : out->change == CHAT_FRAME_EDIT  ? "edit"
                    : out->change == CHAT_FRAME_REACT ? "react"
                                                      : NULL;
    if (t == NULL || out->is_create)
        return;
    int n = snprintf(rest, sizeof rest, "\"t\":\"%s\",\"chat\":\"%s\",\"cid\":\"%s\"}", t,
                     out->chat, out->cid);
    add_line(s, client, rest, (size_t)n);
}

void chat__sim_tell_block(sim *s, const sim_client *client, int is_done)
{
    char rest[256];
    int n = snprintf(rest, sizeof rest, "\"t\":\"%s\",\"user\":\"%s\"%s}",
                     client->block.is_blocking ? "block" : "unblock", client->block.whom,
                     is_done ? ",\"done\":true" : "");
    add_line(s, client, rest, (size_t)n);
}

void chat__sim_tell_read(sim *s, const sim_client *client, const chat_frame *result)
{
    char rest[256];
    int n = snprintf(rest, sizeof rest, "\"t\":\"read\",\"chat\":\"%.*s\",\"seq\":\"%llu\"}",
                     (int)result->chat.len, (const char *)result->chat.data,
                     (unsigned long long)result->seq);
    add_line(s, client, rest, (size_t)n);
}

/* As history gives it. */
static void tell_record(sim *s, const sim_record *record)
{
    chat_frame frame;
    sim_answer *answer = calloc(1, sizeof *answer);
    chat__node_row row = {record->seq, record->prev, {record->payload, record->len}};
    if (answer != NULL)
        chat__sim_notes_apply(s, answer, record, &row);
    if (answer == NULL ||
        chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, row.payload, &frame) != CHAT_OK) {
        s->is_out_of_memory = 1;
    } else {
        CHAT_FRAME_SET(&frame, SEQ, seq, record->seq);
        chat__sim_tell_frame(s, NULL, &frame);
    }
    if (answer != NULL)
        chat__sim_answer_free(answer);
}

/* What the chats have at the end. Self streams are nobody's to read. */
static void tell_log(sim *s)
{
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->is_durable && record->kind != CHAT_FRAME_MARKER &&
            record->kind != CHAT_FRAME_SETTING && record->kind != CHAT_FRAME_BLOCKED)
            tell_record(s, record);
    }
}

void chat__sim_judge(sim *s)
{
    static const char END[] = "{\"by\":\"log\",\"t\":\"end\"}";
    chat_history_verdict verdict = {.struct_size = sizeof verdict};
    tell_log(s);
    add(s, END, sizeof END - 1);
    if (s->is_out_of_memory)
        return;
    chat_status status = chat_history_judge(s->history, &verdict);
    if (status == CHAT_ERR_NOMEM)
        s->is_out_of_memory = 1;
    else if (status != CHAT_OK)
        chat__sim_violate(s, "%s", verdict.violation);
}
