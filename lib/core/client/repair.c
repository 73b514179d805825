/* SPDX-License-Identifier: MIT */
/* See repair.h. */
#include "client/repair.h"
#include "base/alloc.h"
#include "base/view.h"
#include "client/internal.h"
#include "wire/wire.h"

#include <assert.h>
#include <string.h>

static chat_view name_of(const chat__client_gap *gap)
{
    return chat__view(gap->chat, gap->chat_len);
}

static chat__client_gap *find(const chat__client_repair *repair, chat_view chat)
{
    chat__client_gap *gap = repair->first;
    while (gap != NULL && !chat__view_equal(name_of(gap), chat))
        gap = gap->next;
    return gap;
}

/* The application is told of the first one by RESUMED. */
static void fail(chat__client_repair *repair, chat_view chat, uint64_t after, uint64_t before)
{
    if (repair->is_failed)
        return;
    repair->is_failed = 1;
    repair->failed_after = after;
    repair->failed_before = before;
    repair->failed_len = (uint32_t)chat.len;
    memcpy(repair->failed_chat, chat.data, chat.len);
}

static void drop_first(chat__client *client)
{
    chat__client_repair *repair = &client->repair;
    chat__client_gap *gap = repair->first;
    repair->first = gap->next;
    if (repair->first == NULL)
        repair->last = NULL;
    repair->n_gaps--;
    chat__alloc_free(&client->allocator, gap);
}

/* A `reset` that waits for its last page, and a gap that could not be filled: the server counts
   both as told, so the next connection's event has them. */
void chat__repair_reset(chat__client *client)
{
    chat__client_repair *repair = &client->repair;
    while (repair->first != NULL)
        drop_first(client);
    repair->r = 0;
    repair->asked_ms = 0;
    repair->not_before_ms = 0;
    repair->n_given = 0;
    repair->n_held = 0;
    repair->n_resumed = 0;
    repair->confirm_seq = 0;
    repair->is_resumed_held = 0;
}

void chat__repair_on_gap(chat__client *client)
{
    chat__client_repair *repair = &client->repair;
    const chat_frame *frame = &client->frame;
    if (frame->before <= frame->after || client->options.ignore_stream ||
        find(repair, frame->chat) != NULL)
        return;
    chat__client_gap *gap = NULL;
    if (repair->n_gaps < client->options.max_chats)
        gap = chat__alloc_zero(&client->allocator, sizeof *gap + frame->chat.len);
    if (gap == NULL) {
        fail(repair, frame->chat, frame->after, frame->before);
        return;
    }
    gap->after = chat__client_seen_last(&client->seen, frame->chat);
    if (gap->after < frame->after)
        gap->after = frame->after;
    gap->last = frame->before - 1;
    gap->goal = gap->last;
    gap->chat_len = (uint32_t)frame->chat.len;
    memcpy(gap->chat, frame->chat.data, frame->chat.len);
    if (repair->last != NULL)
        repair->last->next = gap;
    else
        repair->first = gap;
    repair->last = gap;
    repair->n_gaps++;
}

int chat__repair_holds(chat__client *client, const chat_frame *frame)
{
    chat__client_gap *gap = NULL;
    if (client->repair.first != NULL && CHAT_FRAME_HAS(frame, CHAT) && CHAT_FRAME_HAS(frame, SEQ))
        gap = find(&client->repair, frame->chat);
    if (gap != NULL && frame->seq > gap->goal) {
        gap->goal = frame->seq;
        client->repair.n_held += !client->is_resumed;
    }
    return gap != NULL;
}

static void confirm(chat__client_repair *repair, const chat__client_gap *gap, uint64_t seq)
{
    repair->confirm_seq = seq;
    repair->confirm_len = gap->chat_len;
    memcpy(repair->confirm_chat, gap->chat, gap->chat_len);
}

/* Make the frame in hand what the application is told; from then on it counts as told. */
static void make_resumed(chat__client *client)
{
    chat__client_repair *repair = &client->repair;
    const char *state = repair->is_reset ? "reset" : repair->is_failed ? "gap" : "recovered";
    uint64_t count = repair->n_resumed + repair->n_given;
    count -= count < repair->n_held ? count : repair->n_held;
    chat_frame_init(&client->frame, CHAT_FRAME_RESUMED);
    CHAT_FRAME_SET(&client->frame, STATE, state, chat__view_str(state));
    CHAT_FRAME_SET(&client->frame, COUNT, count, count);
    repair->is_reset = 0;
    if (!repair->is_failed)
        return;
    repair->is_failed = 0;
    CHAT_FRAME_SET(&client->frame, CHAT, chat, chat__view(repair->failed_chat, repair->failed_len));
    CHAT_FRAME_SET(&client->frame, AFTER, after, repair->failed_after);
    CHAT_FRAME_SET(&client->frame, BEFORE, before, repair->failed_before);
}

/* The first gap is over, one way or the other. */
static void end_gap(chat__client *client, int is_filled)
{
    chat__client_repair *repair = &client->repair;
    chat__client_gap *gap = repair->first;
    if (!is_filled)
        fail(repair, name_of(gap), gap->after, gap->last + 1);
    confirm(repair, gap, gap->after > gap->last ? gap->after : gap->last);
    drop_first(client);
    if (repair->first != NULL || !repair->is_resumed_held)
        return;
    repair->is_resumed_held = 0;
    make_resumed(client);
    chat__client_give(client, CHAT_EVENT_RESUMED, CHAT_OK);
}

static void on_row(chat__client *client)
{
    chat__client_gap *gap = client->repair.first;
    chat_frame *frame = &client->frame;
    uint64_t prev = CHAT_FRAME_HAS(frame, PREV) ? frame->prev : 0;
    uint64_t ignored;
    frame->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_R);
    if (!chat__frame_is_stream(frame) || !CHAT_FRAME_HAS(frame, CHAT) ||
        !chat__view_equal(frame->chat, name_of(gap)))
        return; /* no record of what was asked for */
    if (!CHAT_FRAME_HAS(frame, SEQ) || frame->seq <= gap->after || frame->seq <= gap->page_end)
        return;
    gap->page_end = frame->seq;
    gap->n_given++;
    client->is_heard = 1;
    if (chat__client_seen_frame(&client->seen, name_of(gap), frame->seq, prev, &ignored) ==
            CHAT_EMPTY ||
        chat__client_is_own(client, frame))
        return;
    client->repair.n_given++;
    chat__client_give(client, chat__client_event_of(frame), CHAT_OK);
}

/* The rows were taken before this. A page without rows is the end of what history has. */
static void on_page_end(chat__client *client)
{
    chat__client_gap *gap = client->repair.first;
    int is_empty = gap->page_end == 0;
    client->repair.r = 0;
    if (!is_empty)
        gap->after = gap->page_end;
    gap->page_end = 0;
    if (gap->after >= gap->goal)
        end_gap(client, 1);
    else if (is_empty && gap->goal > gap->asked_goal)
        return; /* what came since it was asked may not be in it: one more look */
    else if (is_empty)
        end_gap(client, gap->n_given > 0 && gap->goal == gap->last);
    else
        confirm(&client->repair, gap, gap->after);
}

static void on_refused(chat__client *client)
{
    const chat_frame *frame = &client->frame;
    chat_status status = chat_status_from_wire(frame->code);
    uint64_t wait = CHAT_FRAME_HAS(frame, RETRY_AFTER) ? frame->retry_after_ms : 0;
    if (wait < CHAT__CLIENT_HOLD_MS)
        wait = CHAT__CLIENT_HOLD_MS;
    if (wait > CHAT__CLIENT_MAX_RETRY_MS)
        wait = CHAT__CLIENT_MAX_RETRY_MS;
    client->repair.r = 0;
    client->repair.not_before_ms = client->now_ms + wait;
    if (chat_status_kind_of(status) != CHAT_KIND_RETRY && !CHAT_FRAME_HAS(frame, RETRY_AFTER))
        end_gap(client, 0);
}

int chat__repair_takes(chat__client *client)
{
    const chat_frame *frame = &client->frame;
    if (client->repair.r == 0 || !CHAT_FRAME_HAS(frame, R) || frame->r != client->repair.r)
        return 0;
    if (frame->type == CHAT_FRAME_RESULT)
        on_page_end(client);
    else if (frame->type == CHAT_FRAME_ERROR)
        on_refused(client);
    else
        on_row(client);
    return 1;
}

int chat__repair_on_resumed(chat__client *client)
{
    chat__client_repair *repair = &client->repair;
    const chat_frame *frame = &client->frame;
    if (chat__view_equal(frame->state, chat__view_str("reset")))
        repair->is_reset = 1;
    repair->n_resumed = frame->count;
    repair->is_resumed_held = repair->first != NULL;
    if (!repair->is_resumed_held)
        make_resumed(client);
    return repair->is_resumed_held;
}

int chat__repair_request(chat__client *client, chat_frame *out)
{
    const chat__client_repair *repair = &client->repair;
    if (repair->first == NULL || repair->r != 0 || client->now_ms < repair->not_before_ms)
        return 0;
    chat_frame_init(out, CHAT_FRAME_HISTORY);
    CHAT_FRAME_SET(out, R, r, client->next_r);
    CHAT_FRAME_SET(out, CHAT, chat, name_of(repair->first));
    CHAT_FRAME_SET(out, AFTER, after, repair->first->after);
    CHAT_FRAME_SET(out, LIMIT, limit, CHAT__REPAIR_PAGE_ROWS);
    return 1;
}

void chat__repair_asked(chat__client *client)
{
    assert(client->repair.confirm_seq == 0); /* the ack went first: room for one is enough */
    client->repair.r = client->next_r++;
    client->repair.asked_ms = client->now_ms;
    client->repair.first->asked_goal = client->repair.first->goal;
}

uint64_t chat__repair_due_at(const chat__client *client)
{
    const chat__client_repair *repair = &client->repair;
    if (repair->first == NULL)
        return UINT64_MAX;
    return repair->r != 0 ? repair->asked_ms + client->options.answer_timeout_ms
                          : repair->not_before_ms;
}

int chat__repair_is_late(const chat__client *client)
{
    return client->repair.r != 0 && client->now_ms >= chat__repair_due_at(client);
}
