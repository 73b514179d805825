/* SPDX-License-Identifier: MIT */
/* See keep.h: what is written to the file, and when. */
#include "keep.h"
#include "base/alloc.h"
#include "base/view.h"
#include "client/cache/cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* What an item of the outbox takes in memory beside its frame as it is in the file. */
#define ITEM_BYTES 2048u

/* --- opening --- */

static chat_status open_cache(chat_client *client, const chat_client_options *options,
                              const chat__client_options *core)
{
    chat__cache_options cache = {.allocator = &client->allocator,
                                 .path = options->store_file,
                                 .device = core->device,
                                 .max_chat_records = options->cache_messages,
                                 .max_records = options->cache_total};
    if (cache.max_chat_records == 0 || cache.max_records == 0)
        return CHAT_ERR_ARG;
    while (cache.family == 0)
        if (getrandom(&cache.family, sizeof cache.family, 0) != (ssize_t)sizeof cache.family)
            return CHAT_ERR_LIMIT;
    chat_status status = chat__cache_open(&cache, client->local.text, &client->cache);
    if (client->local.text[0] != '\0')
        chat__client_say_line(client, status == CHAT_OK ? CHAT_LOG_WARN : CHAT_LOG_ERROR, "store",
                              client->local.text);
    client->local.is_damage_due = status == CHAT_OK && client->local.text[0] != '\0';
    return status;
}

chat_status chat__keep_open(chat_client *client, const chat_client_options *options,
                            chat__client_options *core)
{
    uint64_t count = 0;
    uint64_t bytes = 0;
    client->local.max_answers = options->max_requests;
    client->is_deaf = options->ignore_stream != 0;
    if (options->store_file == NULL)
        return CHAT_OK;
    chat_status status = open_cache(client, options, core);
    if (status == CHAT_OK)
        status = chat__cache_measure(client->cache, &count, &bytes);
    if (status != CHAT_OK)
        return status;
    core->family = chat__cache_family(client->cache);
    /* What an earlier run was allowed to put in stays in. */
    bytes += count * ITEM_BYTES;
    if (core->max_outbox_count < count)
        core->max_outbox_count = (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX);
    if (core->max_outbox_bytes < bytes)
        core->max_outbox_bytes = (uint32_t)(bytes < UINT32_MAX ? bytes : UINT32_MAX);
    return CHAT_OK;
}

chat_status chat__keep_say_again(chat_client *client, const chat_frame *send)
{
    chat_target target = {{NULL, 0}, {NULL, 0}};
    chat__client_message message = {send->body, send->cid, 0};
    if (CHAT_FRAME_HAS(send, CHAT))
        target.chat = send->chat;
    else
        target.to = send->to;
    if (CHAT_FRAME_HAS(send, RE))
        message.re = send->re;
    return chat__client_say(client->core, &target, &message, NULL);
}

/* The application is told of what could not be read, once for all of it. */
static void tell_damage(chat_client *client, uint64_t n, const char *what)
{
    chat__client_local *local = &client->local;
    if (n == 0 || local->is_damage_due)
        return;
    snprintf(local->text, sizeof local->text, "%llu %s", (unsigned long long)n, what);
    chat__client_say_line(client, CHAT_LOG_ERROR, "store", local->text);
    local->is_damage_due = 1;
}

/* What waits in the file and is not in the machine: at first all of it, later what could not be
   struck out when it was answered. What cannot be read has failed. */
static chat_status restore(chat_client *client)
{
    uint64_t n_damaged = 0;
    chat__cache_message message;
    chat__client_waiting waiting;
    chat_status status = CHAT_OK;
    uint64_t after = 0;
    while ((status = chat__cache_next_message(client->cache, after, &message)) == CHAT_OK) {
        after = message.number;
        n_damaged += (uint64_t)message.is_damaged;
        if (message.is_damaged)
            status = chat__cache_failed(client->cache, message.frame.cid, CHAT_ERR_CORRUPT);
        if (status != CHAT_OK)
            return status;
        if (message.status != CHAT_OK ||
            chat__client_outbox_find(client->core, message.frame.cid, &waiting) == CHAT_OK)
            continue;
        status = chat__keep_say_again(client, &message.frame);
        if (status == CHAT_ERR_ARG || status == CHAT_ERR_LIMIT)
            status = chat__cache_failed(client->cache, message.frame.cid, status);
        if (status != CHAT_OK)
            return status;
    }
    tell_damage(client, n_damaged, "messages that waited cannot be read, and failed");
    return status == CHAT_EMPTY ? chat__cache_commit(client->cache) : status;
}

chat_status chat__keep_restore(chat_client *client)
{
    return client->cache == NULL ? CHAT_OK : restore(client);
}

void chat__keep_close(chat_client *client)
{
    chat__keep_forget(client);
    chat__cache_close(client->cache);
    client->cache = NULL;
}

/* --- damage --- */

/* All that waits is in the machine; what failed is saved as far as the old file can be read. */
static chat_status renew(chat_client *client)
{
    chat__client_waiting waiting;
    uint64_t after = 0;
    chat__client_local *local = &client->local;
    chat_status status = chat__cache_renew(client->cache, local->text);
    chat__client_say_line(client, CHAT_LOG_ERROR, "store", local->text);
    local->is_damage_due = 1;
    while (status == CHAT_OK &&
           chat__client_outbox_after(client->core, after, &waiting) == CHAT_OK) {
        after = waiting.number;
        status = chat__cache_put_message(client->cache, waiting.frame);
        if (status == CHAT_ERR_EXISTS)
            status = CHAT_OK;
    }
    return status == CHAT_OK ? chat__cache_commit(client->cache) : status;
}

/* After each change: damage is dealt with at once, and what came in the same transaction has to
   come again. */
void chat__keep_check(chat_client *client, chat_status status)
{
    if (status == CHAT_ERR_CORRUPT)
        (void)renew(client);
    tell_damage(client, chat__cache_damage(client->cache),
                "records cannot be read and were dropped; the server has them");
}

/* --- sending --- */

/* In a transaction of its own: what was received does not hang on it. */
chat_status chat__keep_said(chat_client *client)
{
    chat__client_waiting said;
    if (client->cache == NULL)
        return CHAT_OK;
    chat__keep_check(client, chat__cache_commit(client->cache));
    chat_status loss = chat__cache_loss(client->cache);
    chat_status status = chat__client_outbox_last(client->core, &said);
    if (status == CHAT_OK)
        status = chat__cache_put_message(client->cache, said.frame);
    if (status == CHAT_OK)
        status = chat__cache_commit(client->cache);
    if (status == CHAT_ERR_CORRUPT)
        status = renew(client);
    (void)chat__cache_loss(client->cache);
    client->keep_loss = loss != CHAT_OK ? loss : client->keep_loss;
    if (status != CHAT_OK)
        chat__client_unsay(client->core);
    return status == CHAT_EMPTY || status == CHAT_ERR_CORRUPT ? CHAT_ERR_IO : status;
}

/* --- what the server says --- */

static chat_status on_welcome(chat_client *client, const chat_frame *frame)
{
    chat__cache_begin_connection(client->cache);
    chat_status status = chat__cache_set_user(client->cache, frame->user);
    if (status == CHAT_ERR_ARG)
        return CHAT_ERR_AUTH;
    chat__keep_check(client, status);
    if (client->is_restore_due) {
        client->is_restore_due = 0;
        chat__keep_check(client, restore(client));
    }
    return CHAT_OK;
}

/* Records that came over the stream, or fill a gap as if they had. */
static void on_stream(chat_client *client, const chat_frame *frame)
{
    chat_status status = CHAT_OK;
    if (frame->type == CHAT_FRAME_MARKER)
        status = chat__cache_put_read(client->cache, frame->of, frame->read_seq);
    else if (frame->type == CHAT_FRAME_SETTING)
        status = chat__cache_put_until(client->cache, frame->of, frame->until);
    else if (frame->type != CHAT_FRAME_BLOCKED)
        status = chat__cache_put_record(client->cache, frame);
    chat__keep_check(client, status);
}

static void on_row(chat_client *client, const chat_frame *asked, const chat_frame *row)
{
    chat__client_page *page = &client->page;
    chat_status status = CHAT_OK;
    if (asked->type == CHAT_FRAME_CHATS && row->type == CHAT_FRAME_CHAT) {
        status = chat__cache_put_chat(client->cache, row);
    } else if (asked->type == CHAT_FRAME_HISTORY && CHAT_FRAME_HAS(row, SEQ)) {
        if (page->r != asked->r)
            *page = (chat__client_page){asked->r, row->seq, 0};
        page->last_seq = row->seq;
        status = chat__cache_put_row(client->cache, row);
    }
    chat__keep_check(client, status);
}

/* The page is known by the rows that came for it; another answer in between breaks that off. */
static chat_status end_page(chat_client *client, const chat_frame *asked, const chat_frame *result)
{
    chat__client_page *rows = &client->page;
    chat_direct_name direct;
    chat__cache_page page = {.asked = asked,
                             .has_more = CHAT_FRAME_HAS(result, HAS_MORE) && result->more != 0};
    int has_rows = CHAT_FRAME_HAS(result, COUNT) && result->count > 0;
    if (has_rows && rows->r != asked->r)
        return CHAT_OK;
    if (CHAT_FRAME_HAS(asked, CHAT))
        page.chat = asked->chat;
    else if (chat__keep_direct(client, asked->to, &direct))
        page.chat = chat__view(direct.bytes, direct.len);
    else
        return CHAT_OK;
    page.first_seq = has_rows ? rows->first_seq : 0;
    page.last_seq = has_rows ? rows->last_seq : 0;
    rows->r = 0;
    return chat__cache_end_page(client->cache, &page);
}

static void on_end(chat_client *client, const chat_frame *asked, const chat_frame *result)
{
    chat_status status = CHAT_OK;
    int has_more = CHAT_FRAME_HAS(result, HAS_MORE) && result->more != 0;
    if (asked->type == CHAT_FRAME_HISTORY)
        status = end_page(client, asked, result);
    else if (asked->type == CHAT_FRAME_CHATS && !has_more)
        status = chat__cache_end_chats(client->cache);
    else if (asked->type == CHAT_FRAME_READ && CHAT_FRAME_HAS(result, CHAT) &&
             CHAT_FRAME_HAS(result, SEQ))
        status = chat__cache_put_read(client->cache, result->chat, result->seq);
    else if (asked->type == CHAT_FRAME_MUTE && CHAT_FRAME_HAS(result, CHAT))
        status = chat__cache_put_until(client->cache, result->chat,
                                       CHAT_FRAME_HAS(asked, UNTIL) ? asked->until : 0);
    chat__keep_check(client, status);
}

chat_status chat__keep_heard(chat_client *client)
{
    const chat_frame *frame = client->cache != NULL ? chat__client_heard(client->core) : NULL;
    if (frame == NULL)
        return CHAT_OK;
    const chat_frame *asked = chat__client_asked(client->core);
    if (frame->type == CHAT_FRAME_WELCOME)
        return on_welcome(client, frame);
    if (asked == NULL)
        on_stream(client, frame);
    else if (frame->type == CHAT_FRAME_RESULT)
        on_end(client, asked, frame);
    else
        on_row(client, asked, frame);
    return CHAT_OK;
}

void chat__keep_event(chat_client *client, const chat_event *event)
{
    const chat_frame *frame = event->frame;
    chat_status status = CHAT_OK;
    if (client->cache == NULL || frame == NULL)
        return;
    if (event->type == CHAT_EVENT_SENT)
        status = chat__cache_sent(client->cache, frame);
    else if (event->type == CHAT_EVENT_FAILED)
        status = chat__cache_failed(client->cache, frame->cid, (chat_status)event->status);
    else if (event->type == CHAT_EVENT_RESUMED &&
             chat__view_equal(frame->state, chat__view_str("recovered")))
        chat__cache_set_current(client->cache);
    chat__keep_check(client, status);
}

int chat__keep_commit(chat_client *client, chat_status *out_status)
{
    if (client->cache == NULL)
        return 1;
    chat__keep_check(client, chat__cache_commit(client->cache));
    *out_status = chat__cache_loss(client->cache);
    if (*out_status == CHAT_OK)
        *out_status = client->keep_loss;
    client->keep_loss = CHAT_OK;
    client->is_restore_due |= *out_status != CHAT_OK;
    return *out_status == CHAT_OK;
}
