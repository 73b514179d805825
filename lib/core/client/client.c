/* SPDX-License-Identifier: MIT */
/* The machine of a client: its phases, what is due when, and the application's calls. */
#include "base/alloc.h"
#include "base/utf8.h"
#include "base/view.h"
#include "client/internal.h"

#include <string.h>

/* Every move that is possible. */
static const struct {
    uint8_t from, step, to;
} moves[] = {
    {CHAT__PHASE_WAITING, CHAT__STEP_DUE, CHAT__PHASE_DIALING},
    {CHAT__PHASE_WAITING, CHAT__STEP_RECONNECT, CHAT__PHASE_WAITING},
    {CHAT__PHASE_DIALING, CHAT__STEP_OPENED, CHAT__PHASE_HELLO},
    {CHAT__PHASE_DIALING, CHAT__STEP_LOST, CHAT__PHASE_WAITING},
    {CHAT__PHASE_DIALING, CHAT__STEP_REFUSED, CHAT__PHASE_REFUSED},
    {CHAT__PHASE_DIALING, CHAT__STEP_RECONNECT, CHAT__PHASE_WAITING},
    {CHAT__PHASE_HELLO, CHAT__STEP_WELCOME, CHAT__PHASE_LIVE},
    {CHAT__PHASE_HELLO, CHAT__STEP_LOST, CHAT__PHASE_WAITING},
    {CHAT__PHASE_HELLO, CHAT__STEP_REFUSED, CHAT__PHASE_REFUSED},
    {CHAT__PHASE_HELLO, CHAT__STEP_RECONNECT, CHAT__PHASE_WAITING},
    {CHAT__PHASE_LIVE, CHAT__STEP_LOST, CHAT__PHASE_WAITING},
    {CHAT__PHASE_LIVE, CHAT__STEP_REFUSED, CHAT__PHASE_REFUSED},
    {CHAT__PHASE_LIVE, CHAT__STEP_RECONNECT, CHAT__PHASE_WAITING},
    {CHAT__PHASE_REFUSED, CHAT__STEP_RECONNECT, CHAT__PHASE_WAITING},
    {CHAT__PHASE_WAITING, CHAT__STEP_CLOSE, CHAT__PHASE_CLOSED},
    {CHAT__PHASE_DIALING, CHAT__STEP_CLOSE, CHAT__PHASE_CLOSED},
    {CHAT__PHASE_HELLO, CHAT__STEP_CLOSE, CHAT__PHASE_CLOSED},
    {CHAT__PHASE_LIVE, CHAT__STEP_CLOSE, CHAT__PHASE_CLOSED},
    {CHAT__PHASE_REFUSED, CHAT__STEP_CLOSE, CHAT__PHASE_CLOSED},
};

void chat__client_options_init(chat__client_options *options)
{
    memset(options, 0, sizeof *options);
    options->encoding = CHAT_ENCODING_CBOR;
    options->device = chat__view_str("default");
    options->backoff_first_ms = 1000;
    options->backoff_max_ms = 30000;
    options->stable_ms = 10000;
    options->connect_timeout_ms = 10000;
    options->answer_timeout_ms = 30000;
    options->max_outbox_count = 10000;
    options->max_outbox_bytes = 16u << 20;
    options->max_requests = 64;
    options->max_frame_bytes = 131072;
    options->max_chats = 4096;
    options->typing_ms = 5000;
}

static int options_are_valid(const chat__client_options *o)
{
    if (o->encoding != CHAT_ENCODING_CBOR && o->encoding != CHAT_ENCODING_JSON)
        return 0;
    if (!chat_id_is_valid(o->device) || o->agent.len > 128 || !chat__utf8_is_valid(o->agent))
        return 0;
    return o->backoff_first_ms > 0 && o->backoff_max_ms >= o->backoff_first_ms &&
           o->connect_timeout_ms > 0 && o->answer_timeout_ms > 0 && o->max_outbox_count > 0 &&
           o->max_requests > 0 && o->max_frame_bytes >= 1024 && o->max_chats > 0;
}

/* splitmix64 (Steele, Lea, Flood, 2014): spreads a seed, protects nothing. */
uint64_t chat__client_random(chat__client *client)
{
    uint64_t z = client->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

chat_status chat__client_new(const chat__client_options *options, chat__client **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    if (!options_are_valid(options))
        return CHAT_ERR_ARG;
    size_t bytes = sizeof(chat__client) + options->device.len + options->agent.len;
    chat__client *client = chat__alloc_zero(&allocator, bytes);
    if (client == NULL)
        return CHAT_ERR_NOMEM;
    uint8_t *at = (uint8_t *)(client + 1);
    client->allocator = allocator;
    client->options = *options;
    client->options.allocator = &client->allocator;
    memcpy(at, options->device.data, options->device.len);
    client->options.device.data = at;
    at += options->device.len;
    if (options->agent.len > 0)
        memcpy(at, options->agent.data, options->agent.len);
    client->options.agent.data = at;
    client->random = options->seed[0];
    chat__client_make_prefix(client);
    client->max_body_bytes = options->max_frame_bytes;
    client->next_r = 1;
    client->next_order = 1;
    client->phase = CHAT__PHASE_WAITING;
    client->is_due_done = 1; /* nothing is due before the first turn tells the time */
    chat__client_outbox_init(&client->outbox, &allocator, options->max_outbox_count,
                             options->max_outbox_bytes, options->seed);
    chat__client_seen_init(&client->seen, &allocator, options->max_chats, options->seed);
    chat__buf_init(&client->out, &allocator, options->max_frame_bytes * 2 + 1024);
    chat_status status = chat_decoder_new(&allocator, options->max_frame_bytes, &client->decoder);
    if (status != CHAT_OK) {
        chat__client_free(client);
        return status;
    }
    *out = client;
    return CHAT_OK;
}

void chat__client_free(chat__client *client)
{
    if (client == NULL)
        return;
    chat_allocator allocator = client->allocator;
    chat__repair_reset(client);
    chat__client_outbox_done(&client->outbox);
    chat__client_list_free(&client->requests, &allocator);
    chat__client_list_free(&client->dead, &allocator);
    chat__client_list_free(&client->hints, &allocator);
    chat__client_list_free(&client->typists, &allocator);
    chat__client_list_free(&client->ended, &allocator);
    chat__client_seen_done(&client->seen);
    chat__alloc_free(&allocator, client->told);
    chat__buf_done(&client->out);
    chat_decoder_free(client->decoder);
    chat__alloc_free(&allocator, client);
}

void chat__client_copy_text(char *out, size_t cap, chat_view text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    /* Not in the middle of a character. */
    while (len < text.len && len > 0 && (text.data[len] & 0xc0) == 0x80)
        len--;
    if (len > 0)
        memcpy(out, text.data, len);
    out[len] = '\0';
}

chat_client_state chat__client_state(const chat__client *client)
{
    static const uint8_t states[CHAT__PHASES] = {CHAT_CLIENT_WAITING,    CHAT_CLIENT_CONNECTING,
                                                 CHAT_CLIENT_CONNECTING, CHAT_CLIENT_ONLINE,
                                                 CHAT_CLIENT_REFUSED,    CHAT_CLIENT_CLOSED};
    return (chat_client_state)states[client->phase];
}

static void tell_change(chat__client *client, chat_status status, uint64_t retry_ms,
                        const char *why)
{
    if (client->n_changes == CHAT__CLIENT_STATES) {
        memmove(client->changes, client->changes + 1,
                (CHAT__CLIENT_STATES - 1) * sizeof *client->changes);
        client->n_changes--;
    }
    chat__client_change *change = &client->changes[client->n_changes++];
    change->state = chat__client_state(client);
    change->status = status;
    change->retry_ms = retry_ms;
    chat__client_copy_text(change->why, sizeof change->why, chat__view_str(why));
}

int chat__client_move(chat__client *client, chat__client_step step)
{
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (moves[i].from == client->phase && moves[i].step == step) {
            client->phase = (chat__client_phase)moves[i].to;
            return 1;
        }
    return 0;
}

int chat__client_is_final(chat_status status)
{
    return status == CHAT_ERR_AUTH || status == CHAT_ERR_EXPIRED || status == CHAT_ERR_VERSION ||
           status == CHAT_ERR_REPLACED || status == CHAT_ERR_REMOVED;
}

/* Doubles up to the maximum, and varies by a fifth so that clients that were thrown out together do
   not come back together. The server's advice is a minimum. */
static uint64_t wait_ms(chat__client *client, uint64_t advice_ms)
{
    uint64_t wait = client->options.backoff_first_ms;
    for (uint32_t i = 0; i < client->n_tries && wait < client->options.backoff_max_ms; i++)
        wait *= 2;
    if (wait > client->options.backoff_max_ms)
        wait = client->options.backoff_max_ms;
    uint64_t spread = wait * 2 / 5;
    wait = wait - wait / 5 + (spread > 0 ? chat__client_random(client) % (spread + 1) : 0);
    if (advice_ms > CHAT__CLIENT_MAX_RETRY_MS)
        advice_ms = CHAT__CLIENT_MAX_RETRY_MS;
    advice_ms += advice_ms / 5 > 0 ? chat__client_random(client) % (advice_ms / 5) : 0;
    return wait > advice_ms ? wait : advice_ms;
}

/* Requests that had rows cannot be asked again without showing rows twice. */
static void rewind_requests(chat__client *client)
{
    chat__client_item *item = client->requests.first;
    while (item != NULL) {
        chat__client_item *next = item->next;
        item->state = CHAT__ITEM_QUEUED;
        if (item->n_rows > 0) {
            item->status = CHAT_ERR_CLOSED;
            chat__client_list_remove(&client->requests, item);
            chat__client_list_append(&client->dead, item);
        }
        item = next;
    }
}

static void forget_connection(chat__client *client)
{
    if (client->phase == CHAT__PHASE_LIVE &&
        client->now_ms - client->live_since_ms >= client->options.stable_ms)
        client->n_tries = 0;
    client->is_connect_wanted = 0;
    client->is_hello_written = 0;
    client->bye_ms = 0;
    client->n_stream = 0;
    client->n_taken = 0;
    client->n_acked = 0;
    chat__repair_reset(client);
    chat__client_outbox_rewind(&client->outbox);
    chat__client_list_free(&client->hints, &client->allocator);
    chat__typists_turn(client, UINT64_MAX);
    rewind_requests(client);
}

void chat__client_drop_connection(chat__client *client, uint16_t code, const char *text)
{
    client->is_close_wanted = 1;
    client->close_code = code;
    client->close_text = text;
}

void chat__client_leave(chat__client *client, chat__client_step step, chat_status status,
                        uint64_t retry_ms, const char *why)
{
    uint64_t wait = 0;
    char copy[CHAT__CLIENT_WHY_BYTES];
    chat__client_copy_text(copy, sizeof copy, chat__view_str(why));
    forget_connection(client);
    client->left_status = status;
    if (!chat__client_move(client, step))
        return;
    if (step == CHAT__STEP_LOST) {
        wait = wait_ms(client, retry_ms);
        client->n_tries++;
        client->due_ms = client->now_ms + wait;
    }
    tell_change(client, status, wait, copy);
}

static void dial(chat__client *client)
{
    if (!chat__client_move(client, CHAT__STEP_DUE))
        return;
    client->is_connect_wanted = 1;
    client->due_ms = client->now_ms + client->options.connect_timeout_ms;
    tell_change(client, CHAT_OK, 0, "");
}

void chat__client_opened(chat__client *client)
{
    (void)chat__client_move(client, CHAT__STEP_OPENED);
}

void chat__client_lost(chat__client *client, chat_status status, uint64_t retry_ms, const char *why)
{
    if (client->bye_ms != 0) {
        status = client->bye_status;
        retry_ms = client->bye_retry_ms;
        why = client->bye_why;
    }
    if (client->phase == CHAT__PHASE_WAITING || client->phase == CHAT__PHASE_REFUSED ||
        client->phase == CHAT__PHASE_CLOSED)
        return;
    /* Who acknowledges nothing is thrown out now and then; that says nothing about the server. */
    if (status == CHAT_ERR_UNACKED && client->options.ignore_stream)
        client->n_tries = 0;
    chat__client_leave(client, chat__client_is_final(status) ? CHAT__STEP_REFUSED : CHAT__STEP_LOST,
                       status, retry_ms, why != NULL ? why : "");
}

void chat__client_alive(chat__client *client)
{
    client->heard_ms = client->now_ms;
}

static void give_up(chat__client *client, chat_status status, const char *why)
{
    chat__client_drop_connection(client, chat_status_close_code(status), why);
    chat__client_lost(client, status, 0, why);
}

/* A request's time starts with the turn after the call: before, the time is not known. */
static void time_out_requests(chat__client *client)
{
    chat__client_item *item = client->requests.first;
    while (item != NULL) {
        chat__client_item *next = item->next;
        if (item->deadline_ms == 0)
            item->deadline_ms = client->now_ms + client->options.answer_timeout_ms;
        if (client->now_ms >= item->deadline_ms) {
            item->status = CHAT_ERR_TIMEOUT;
            chat__client_list_remove(&client->requests, item);
            chat__client_list_append(&client->dead, item);
        }
        item = next;
    }
}

void chat__client_turn(chat__client *client, uint64_t now_ms)
{
    if (now_ms > client->now_ms)
        client->now_ms = now_ms;
    client->n_taken = client->n_stream;
    client->is_due_done = 0;
}

void chat__client_do_due(chat__client *client)
{
    uint64_t now_ms = client->now_ms;
    client->is_due_done = 1;
    time_out_requests(client);
    chat__client_outbox_turn(&client->outbox, now_ms);
    chat__typists_turn(client, now_ms);
    if (client->phase == CHAT__PHASE_WAITING && now_ms >= client->due_ms)
        dial(client);
    else if ((client->phase == CHAT__PHASE_DIALING || client->phase == CHAT__PHASE_HELLO) &&
             now_ms >= client->due_ms)
        give_up(client, CHAT_ERR_TIMEOUT, "no connection in time");
    if (client->phase != CHAT__PHASE_LIVE)
        return;
    if (client->bye_ms != 0 && now_ms >= client->bye_ms)
        give_up(client, CHAT_ERR_DRAIN, "the server said bye");
    else if (now_ms - client->heard_ms >= 2 * client->heartbeat_ms)
        give_up(client, CHAT_ERR_TIMEOUT, "the server is silent");
    else if (now_ms >= chat__client_outbox_answer_at(&client->outbox))
        give_up(client, CHAT_ERR_TIMEOUT, "a message got no answer in time");
    else if (chat__repair_is_late(client))
        give_up(client, CHAT_ERR_TIMEOUT, "history got no answer in time");
}

static void earlier(uint64_t *deadline, uint64_t at_ms)
{
    if (at_ms < *deadline)
        *deadline = at_ms;
}

uint64_t chat__client_deadline(const chat__client *client)
{
    uint64_t at = UINT64_MAX;
    for (const chat__client_item *item = client->requests.first; item; item = item->next)
        if (item->deadline_ms != 0)
            earlier(&at, item->deadline_ms);
    if (client->phase <= CHAT__PHASE_HELLO)
        earlier(&at, client->due_ms);
    if (client->phase != CHAT__PHASE_LIVE)
        return at;
    earlier(&at, client->ping_at_ms);
    earlier(&at, client->heard_ms + 2 * client->heartbeat_ms);
    earlier(&at, chat__client_outbox_answer_at(&client->outbox));
    earlier(&at, chat__client_outbox_hold_at(&client->outbox));
    earlier(&at, chat__repair_due_at(client));
    earlier(&at, chat__typists_due_at(client));
    if (client->bye_ms != 0)
        earlier(&at, client->bye_ms);
    return at;
}

uint64_t chat__client_take_number(chat__client *client)
{
    return client->next_r++;
}

chat_status chat__client_request(chat__client *client, const chat_frame *frame, uint64_t *out_r)
{
    chat_client_cid cid = {{0}};
    chat_frame named = *frame;
    chat__client_item *item;
    int is_named = chat__client_is_named(frame->type);
    if (client->phase == CHAT__PHASE_CLOSED)
        return CHAT_ERR_STATE;
    if (client->requests.n_items >= client->options.max_requests)
        return CHAT_ERR_BUSY;
    chat__client_make_cid(client, &cid);
    if (is_named)
        CHAT_FRAME_SET(&named, CID, cid, chat__view_str(cid.text));
    if (chat_frame_size_bound(client->options.encoding, &named) > client->out.max_bytes)
        return CHAT_ERR_ARG;
    chat_status status = chat__client_item_new(&client->allocator, &named, &item);
    if (status != CHAT_OK)
        return status;
    client->next_cid += is_named;
    CHAT_FRAME_SET(&item->frame, R, r, client->next_r);
    item->order = client->next_order++;
    chat__client_list_append(&client->requests, item);
    *out_r = client->next_r++;
    return CHAT_OK;
}

chat_status chat__client_reconnect(chat__client *client)
{
    if (client->phase == CHAT__PHASE_CLOSED)
        return CHAT_ERR_STATE;
    if (client->phase == CHAT__PHASE_DIALING || client->phase == CHAT__PHASE_HELLO ||
        client->phase == CHAT__PHASE_LIVE)
        chat__client_drop_connection(client, 1000, "reconnecting");
    forget_connection(client);
    (void)chat__client_move(client, CHAT__STEP_RECONNECT);
    client->due_ms = 0;
    return CHAT_OK;
}

void chat__client_close(chat__client *client)
{
    if (client->phase == CHAT__PHASE_CLOSED)
        return;
    client->n_taken = client->n_stream;
    chat__client_leave(client, CHAT__STEP_CLOSE, CHAT_OK, 0, "");
}
