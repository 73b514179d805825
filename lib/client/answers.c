/* SPDX-License-Identifier: MIT */
/* See keep.h: requests that the file answers, and the outbox as the file has it. */
#include "base/alloc.h"
#include "base/view.h"
#include "client/cache/cache.h"
#include "keep.h"

#include <string.h>

#define PAGE_ROWS     50u /* as the server's */
#define PAGE_MAX_ROWS 100u
#define CHATS_MAX     1000u

/* --- the outbox --- */

/* What the file says, and how far the machine is with it. */
static chat_status show(chat_client *client, const chat__cache_message *message,
                        chat_outbox_item *out)
{
    chat__client_waiting waiting;
    memset(out, 0, sizeof *out);
    out->number = message->number;
    out->id = message->id;
    out->seq = message->seq;
    out->status = message->status;
    out->state = CHAT_OUTBOX_WAITING;
    if (message->status != CHAT_OK)
        out->state = CHAT_OUTBOX_FAILED;
    else if (message->number == 0)
        out->state = CHAT_OUTBOX_SENT;
    else if (chat__client_outbox_find(client->core, message->frame.cid, &waiting) == CHAT_OK &&
             waiting.is_written)
        out->state = CHAT_OUTBOX_WRITTEN;
    return chat__client_show_frame(client, &message->frame, out);
}

chat_status chat__keep_next(chat_client *client, uint64_t after, chat_outbox_item *out)
{
    chat__cache_message message;
    chat_status status = chat__cache_next_message(client->cache, after, &message);
    return status == CHAT_OK ? show(client, &message, out) : status;
}

chat_status chat__keep_find(chat_client *client, chat_view cid, chat_outbox_item *out)
{
    chat__cache_message message;
    chat_status status = chat__cache_find_message(client->cache, cid, &message);
    return status == CHAT_OK ? show(client, &message, out) : status;
}

/* The machine first, for it may have no room; the file decides. */
chat_status chat__keep_retry(chat_client *client, chat_view cid)
{
    chat__cache_message message;
    chat_status status = chat__cache_find_message(client->cache, cid, &message);
    if (status != CHAT_OK || message.status == CHAT_OK)
        return status < 0 ? status : CHAT_EMPTY;
    if (message.status == CHAT_ERR_CORRUPT)
        return CHAT_ERR_CORRUPT;
    status = chat__keep_say_again(client, &message.frame);
    if (status != CHAT_OK)
        return status;
    status = chat__cache_revive(client->cache, cid);
    if (status == CHAT_OK)
        status = chat__cache_commit(client->cache);
    if (status != CHAT_OK)
        chat__client_unsay(client->core);
    return status;
}

chat_status chat__keep_drop(chat_client *client, chat_view cid)
{
    chat_status status = chat__cache_drop(client->cache, cid);
    return status == CHAT_OK ? chat__cache_commit(client->cache) : status;
}

/* --- questions --- */

int chat__keep_direct(const chat_client *client, chat_view to, chat_direct_name *out)
{
    chat_view user = chat__cache_user(client->cache);
    return user.len > 0 && chat_direct_id(user, to, out) == CHAT_OK;
}

static uint64_t clamp(uint64_t seq)
{
    return seq < INT64_MAX ? seq : INT64_MAX;
}

/* What a request for history asks of the file. `direct` holds the name of a direct chat. */
static void make_query(const chat_client *client, const chat_frame *request,
                       chat_direct_name *direct, chat__cache_query *out)
{
    memset(out, 0, sizeof *out);
    if (CHAT_FRAME_HAS(request, CHAT))
        out->chat = request->chat;
    else if (chat__keep_direct(client, request->to, direct))
        out->chat = chat__view(direct->bytes, direct->len);
    out->direction = CHAT_HISTORY_NEWEST;
    if (CHAT_FRAME_HAS(request, BEFORE)) {
        out->direction = CHAT_HISTORY_BEFORE;
        out->seq = clamp(request->before);
    } else if (CHAT_FRAME_HAS(request, AFTER)) {
        out->direction = CHAT_HISTORY_AFTER;
        out->seq = clamp(request->after);
    }
}

static uint32_t limit_of(const chat_frame *request)
{
    uint32_t most = request->type == CHAT_FRAME_HISTORY ? PAGE_MAX_ROWS : CHATS_MAX;
    uint32_t usual = request->type == CHAT_FRAME_HISTORY ? PAGE_ROWS : CHATS_MAX;
    if (!CHAT_FRAME_HAS(request, LIMIT))
        return usual;
    return request->limit < most ? (uint32_t)request->limit : most;
}

/* CHAT_CACHED_NO: the server is to be asked. */
static chat_cached choose(chat_client *client, const chat_frame *request, uint32_t source)
{
    int is_online = chat__client_state(client->core) == CHAT_CLIENT_ONLINE;
    chat_direct_name direct;
    chat__cache_query query;
    if (source == CHAT_HISTORY_SERVER)
        return CHAT_CACHED_NO;
    if (request->type == CHAT_FRAME_HISTORY) {
        make_query(client, request, &direct, &query);
        query.limit = limit_of(request);
        if (!(is_online && client->is_deaf) && chat__cache_covers(client->cache, &query, is_online))
            return CHAT_CACHED_WHOLE;
    }
    return is_online && source != CHAT_HISTORY_CACHE ? CHAT_CACHED_NO : CHAT_CACHED_PART;
}

chat_status chat__keep_ask(chat_client *client, const chat_frame *request, uint32_t source,
                           uint64_t *out_r)
{
    chat__client_local *local = &client->local;
    chat_cached cached = client->cache != NULL ? choose(client, request, source) : CHAT_CACHED_NO;
    if (cached == CHAT_CACHED_NO)
        return CHAT_EMPTY;
    if (local->n_answers >= local->max_answers)
        return CHAT_ERR_BUSY;
    chat__client_answer *answer = chat__alloc_zero(&client->allocator, sizeof *answer);
    if (answer == NULL || chat__client_item_new(&client->allocator, request, &answer->request)) {
        chat__alloc_free(&client->allocator, answer);
        return CHAT_ERR_NOMEM;
    }
    answer->limit = limit_of(request);
    answer->cached = cached;
    *out_r = chat__client_take_number(client->core);
    CHAT_FRAME_SET(&answer->request->frame, R, r, *out_r);
    if (local->last != NULL)
        local->last->next = answer;
    else
        local->first = answer;
    local->last = answer;
    local->n_answers++;
    return CHAT_OK;
}

/* --- answers --- */

static void drop_first(chat_client *client)
{
    chat__client_local *local = &client->local;
    chat__client_answer *answer = local->first;
    local->first = answer->next;
    if (local->first == NULL)
        local->last = NULL;
    local->n_answers--;
    chat__alloc_free(&client->allocator, answer->request);
    chat__alloc_free(&client->allocator, answer);
}

void chat__keep_forget(chat_client *client)
{
    while (client->local.first != NULL)
        drop_first(client);
    chat__alloc_free(&client->allocator, client->local.given);
    client->local.given = NULL;
}

static void go_on(const chat__client_answer *answer, chat__cache_query *query)
{
    if (answer->n_rows == 0)
        return;
    if (query->direction == CHAT_HISTORY_NEWEST)
        query->direction = CHAT_HISTORY_BEFORE;
    query->seq = answer->seq;
}

/* `*out_n` as in the answer. CHAT_OK, CHAT_EMPTY. */
static chat_status next_chat(chat_client *client, const chat__client_answer *answer,
                             chat_frame *out, uint64_t *out_n)
{
    chat__cache_place place = {answer->seq, answer->n};
    chat_status status = chat__cache_next_chat(client->cache, &place, out);
    *out_n = place.n;
    return status;
}

/* As next_chat(). */
static chat_status next_row(chat_client *client, const chat__client_answer *answer, chat_frame *out,
                            uint64_t *out_n)
{
    chat_direct_name direct;
    chat__cache_query query;
    if (answer->n_rows >= answer->limit)
        return CHAT_EMPTY;
    if (answer->request->frame.type == CHAT_FRAME_CHATS)
        return next_chat(client, answer, out, out_n);
    make_query(client, &answer->request->frame, &direct, &query);
    go_on(answer, &query);
    return chat__cache_next_row(client->cache, &query, out);
}

static int has_more(chat_client *client, const chat__client_answer *answer)
{
    chat_direct_name direct;
    chat__cache_query query;
    chat_frame row;
    uint64_t n;
    if (answer->request->frame.type == CHAT_FRAME_CHATS)
        return next_chat(client, answer, &row, &n) == CHAT_OK;
    make_query(client, &answer->request->frame, &direct, &query);
    go_on(answer, &query);
    return chat__cache_has_more(client->cache, &query);
}

static void make_result(chat_client *client, const chat__client_answer *answer, chat_frame *out)
{
    chat_frame_init(out, CHAT_FRAME_RESULT);
    CHAT_FRAME_SET(out, COUNT, count, answer->n_rows);
    CHAT_FRAME_SET(out, HAS_MORE, more, (uint64_t)has_more(client, answer));
}

static chat_status give_answer(chat_client *client, const chat_event **out)
{
    chat__client_local *local = &client->local;
    chat__client_answer *answer = local->first;
    chat_event *event = &local->event;
    chat_frame frame;
    uint64_t n = 0;
    chat_status status = next_row(client, answer, &frame, &n);
    int is_row = status == CHAT_OK;
    if (!is_row)
        make_result(client, answer, &frame);
    CHAT_FRAME_SET(&frame, R, r, answer->request->frame.r);
    if (chat__client_item_new(&client->allocator, &frame, &local->given) != CHAT_OK)
        return CHAT_EMPTY; /* again with the next turn */
    event->type = is_row ? CHAT_EVENT_ROW : CHAT_EVENT_RESULT;
    event->frame = &local->given->frame;
    /* What could not be read is missing. */
    chat__keep_check(client, status);
    if (status < 0 || local->is_damage_due)
        answer->cached = CHAT_CACHED_PART;
    event->cached = answer->cached;
    answer->n_rows += (uint32_t)is_row;
    if (is_row) {
        answer->seq = CHAT_FRAME_HAS(&frame, SEQ) ? frame.seq : frame.last_seq;
        answer->n = n;
    }
    if (!is_row)
        drop_first(client);
    *out = event;
    return CHAT_OK;
}

int chat__keep_has_event(const chat_client *client)
{
    return client->local.first != NULL || client->local.is_damage_due;
}

chat_status chat__keep_next_event(chat_client *client, const chat_event **out)
{
    chat__client_local *local = &client->local;
    chat__alloc_free(&client->allocator, local->given);
    local->given = NULL;
    if (!chat__keep_has_event(client))
        return CHAT_EMPTY;
    memset(&local->event, 0, sizeof local->event);
    local->event.struct_size = sizeof local->event;
    local->event.state = chat__client_state(client->core);
    if (!local->is_damage_due)
        return give_answer(client, out);
    local->is_damage_due = 0;
    local->event.type = CHAT_EVENT_STORE;
    local->event.status = CHAT_ERR_CORRUPT;
    local->event.text = chat__view_str(local->text);
    *out = &local->event;
    return CHAT_OK;
}
