/* SPDX-License-Identifier: MIT */
/*
 * Gaps in the simulation: storage cuts what is too much or too old, one record after the other, and
 * a client that is told fills the gap from history, page by page.
 */
#include "testing/sim.h"

#include <string.h>

#define PAGE_ROWS 5u
#define FIRST_R   2000000u /* numbers of these requests begin here */

/* --- storage --- */

static int is_self(chat_view chat)
{
    return chat.len > 3 && memcmp(chat.data, "me:", 3) == 0;
}

/* The oldest record that is still to be sent, of all chats; its chat's row in *out_row. */
static const sim_record *oldest_of(const sim *s, sim_answer *answer, chat__node_user_chat **out_row,
                                   size_t *out_n)
{
    const sim_record *oldest = NULL;
    *out_n = 0;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        for (size_t k = 0; record->is_durable && k < answer->n_rows; k++) {
            chat__node_user_chat *row = &answer->chats[k];
            if (is_self(row->chat) || strcmp((const char *)row->chat.data, record->chat) != 0 ||
                record->seq <= row->cursor || record->seq <= row->gap_seq ||
                record->seq > row->last_seq)
                continue;
            (*out_n)++;
            if (oldest == NULL || record->seq < oldest->seq) {
                oldest = record;
                *out_row = row;
            }
        }
    }
    return oldest;
}

void chat__sim_storage_cut(sim *s, sim_answer *answer)
{
    chat__node_user_chat *row = NULL;
    size_t n;
    uint64_t now_ms = s->unix_base_ms + s->now_ms;
    uint64_t first =
        s->offline_ttl_ms > 0 ? chat_snowflake_first_at(now_ms - s->offline_ttl_ms) : 0;
    const sim_record *oldest;
    while ((oldest = oldest_of(s, answer, &row, &n)) != NULL) {
        if (oldest->seq >= first && (s->offline_limit == 0 || n <= s->offline_limit))
            return;
        row->gap_seq = oldest->seq;
    }
}

/* --- clients --- */

static sim_gap *gap_of(sim_client *client, chat_view chat)
{
    char name[SIM_CHAT_BYTES];
    chat__sim_copy_name(name, sizeof name, chat);
    for (size_t i = 0; i < client->n_gaps; i++) {
        if (strcmp(client->gaps[i].chat, name) == 0)
            return &client->gaps[i];
    }
    return NULL;
}

static void on_gap(sim *s, sim_client *client, const chat_frame *frame)
{
    if (client->n_gaps == SIM_MARKS || s->plant == SIM_PLANT_GAP_NOT_TOLD)
        return;
    sim_gap *gap = &client->gaps[client->n_gaps++];
    memset(gap, 0, sizeof *gap);
    chat__sim_copy_name(gap->chat, sizeof gap->chat, frame->chat);
    gap->after = frame->after;
    gap->last = frame->before - 1;
    gap->goal = gap->last;
    chat__sim_trace(s, "%s/%s is told of a gap in %s up to %llu", client->user, client->device,
                    gap->chat, (unsigned long long)gap->last);
}

static void on_resumed(sim *s, sim_client *client)
{
    client->n_resumed++;
    chat__sim_tell(s, client, "resumed");
}

/* The first gap is filled: say so. */
static void end_gap(sim *s, sim_client *client)
{
    chat_frame ack;
    sim_gap gap = client->gaps[0];
    chat_frame_init(&ack, CHAT_FRAME_ACK);
    CHAT_FRAME_SET(&ack, N, n, client->counted);
    CHAT_FRAME_SET(&ack, CHAT, chat, chat__sim_view(gap.chat));
    CHAT_FRAME_SET(&ack, SEQ, seq, gap.after > gap.last ? gap.after : gap.last);
    client->acked = client->counted;
    client->n_gaps--;
    memmove(client->gaps, client->gaps + 1, client->n_gaps * sizeof *client->gaps);
    chat__sim_client_say(s, client, &ack);
}

static void on_answer(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_gap *gap = &client->gaps[0];
    if (frame->type == CHAT_FRAME_ERROR) {
        gap->r = 0;
    } else if (frame->type != CHAT_FRAME_RESULT) {
        gap->page_end = frame->seq;
        chat__sim_client_saw(s, client, frame);
    } else {
        uint64_t end = gap->page_end;
        gap->r = 0;
        gap->page_end = 0;
        if (end > 0)
            gap->after = end;
        /* What came since it was asked may not be in it: one more look. */
        if ((end == 0 && gap->goal <= gap->asked_goal) || gap->after >= gap->goal)
            end_gap(s, client);
    }
}

int chat__sim_gaps_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_GAP) {
        on_gap(s, client, frame);
    } else if (frame->type == CHAT_FRAME_RESUMED) {
        on_resumed(s, client);
    } else if (CHAT_FRAME_HAS(frame, R) && frame->r >= FIRST_R) {
        if (client->n_gaps > 0 && client->gaps[0].r == frame->r)
            on_answer(s, client, frame);
    } else {
        return 0;
    }
    return 1;
}

int chat__sim_gaps_hold(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_gap *gap = gap_of(client, frame->chat);
    if (gap != NULL && frame->seq > gap->goal)
        gap->goal = frame->seq;
    if (gap != NULL)
        chat__sim_trace(s, "%s/%s holds %s seq %llu", client->user, client->device, gap->chat,
                        (unsigned long long)frame->seq);
    return gap != NULL;
}

void chat__sim_gaps_step(sim *s, sim_client *client)
{
    chat_frame frame;
    if (client->n_gaps == 0 || client->gaps[0].r != 0)
        return;
    sim_gap *gap = &client->gaps[0];
    gap->r = FIRST_R + ++client->n_pages;
    gap->asked_goal = gap->goal;
    chat_frame_init(&frame, CHAT_FRAME_HISTORY);
    CHAT_FRAME_SET(&frame, R, r, gap->r);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(gap->chat));
    CHAT_FRAME_SET(&frame, AFTER, after, gap->after);
    CHAT_FRAME_SET(&frame, LIMIT, limit, PAGE_ROWS);
    chat__sim_client_say(s, client, &frame);
}

void chat__sim_gaps_lost(sim_client *client)
{
    client->n_gaps = 0;
    client->n_resumed = 0;
}

int chat__sim_gaps_are_settled(const sim_client *client)
{
    return client->n_gaps == 0 && client->n_resumed == 1;
}
