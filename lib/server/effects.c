/* SPDX-License-Identifier: MIT */
/*
 * What the node of a shard wants done: bytes for sockets, records for the log, questions to the
 * store (answered here and now: it reads from memory and from the page cache), frames for others.
 */
#include "appender.h"
#include "askers.h"
#include "commons.h"
#include "herald.h"
#include "slots.h"
#include "tunnel.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <chat/id.h>

#include <string.h>

#define MAX_APPENDING_BYTES ((uint64_t)64 << 20) /* with the log thread, above it: busy */

/* --- questions to the embedded store --- */

static void ask_now(chat__shard *shard, const chat__effect *effect)
{
    chat__question question;
    chat__question_init(&question, chat__shard_allocator(shard), effect);
    chat__question_ask(&question, &shard->server->store_table, chat__server_unix_ms());
    chat__question_give(&question, shard->node);
    chat__question_done(&question);
}

void chat__shard_answer_user(chat__shard *shard, const chat__effect *effect, int is_new)
{
    chat__question question;
    chat__answer *answer = &question.answer;
    chat__question_init(&question, chat__shard_allocator(shard), effect);
    chat__question_ask(&question, &shard->server->store_table, chat__server_unix_ms());
    int is_held = 0;
    if (answer->status == CHAT_EMPTY) {
        answer->status = chat__newcomers_hold(shard, effect);
        is_held = answer->status == CHAT_OK;
        answer->n_rows = 0;
    } else if (answer->status == CHAT_OK && is_new) {
        answer->status = CHAT_EMPTY;
    }
    if (!is_held)
        chat__question_give(&question, shard->node);
    chat__question_done(&question);
}

static chat__store_visit visit_of(const chat__effect *effect)
{
    chat__store_visit visit = {.user = effect->user,
                               .device = effect->device,
                               .now_unix_ms = chat__server_unix_ms(),
                               .connected = effect->names.items,
                               .n_connected = effect->names.n_items};
    return visit;
}

static void forget_device(chat__shard *shard, const chat__effect *effect)
{
    chat__store_visit visit = visit_of(effect);
    chat__effect done = *effect;
    done.status = chat__store_forget_device(shard->server->store, &visit);
    /* One that is not there may just have been removed, and not be off the disk yet. */
    if (done.status != CHAT_OK && done.status != CHAT_ERR_NOT_FOUND)
        chat__node_forgotten(shard->node, effect->tag, CHAT_ERR_BUSY);
    else if (chat__newcomers_hold(shard, &done) != CHAT_OK)
        chat__node_forgotten(shard->node, effect->tag, CHAT_ERR_BUSY);
}

/* --- what goes to other threads --- */

static void collect_append(chat__shard *shard, const chat__effect *effect)
{
    chat_status status = CHAT_ERR_NOMEM;
    if (shard->n_appending_bytes >= MAX_APPENDING_BYTES)
        status = CHAT_ERR_BUSY;
    else if (shard->appends == NULL)
        shard->appends = chat__shard_batch(shard, CHAT__MAIL_APPEND);
    if (status != CHAT_ERR_BUSY && shard->appends != NULL)
        status = chat__batch_add_record(shard->appends, effect);
    if (status == CHAT_OK)
        shard->n_appending_bytes += effect->bytes.len;
    else
        chat__node_appended(shard->node, effect->tag, status, 0, 0);
}

static void collect_link(chat__shard *shard, const chat__effect *effect)
{
    chat_status status = chat__slots_add(shard, &shard->links[effect->to_node], CHAT__MAIL_LINK,
                                         effect->bytes, chat__view(NULL, 0));
    if (status != CHAT_OK)
        chat__server_log(shard->server, CHAT_LOG_ERROR,
                         "out of memory: a frame to another shard was lost");
}

void chat__shard_send_batches(chat__shard *shard)
{
    chat__newcomers_send(shard);
    chat__commons_send(shard);
    chat__slots_send_batches(shard);
    if (shard->appends != NULL) {
        shard->n_handed++;
        shard->appends->life = shard->life;
        if (shard->server->appender != NULL)
            chat__appender_put(shard->server->appender, shard->appends);
        else
            chat__committer_append(&shard->server->committer, shard->appends);
    }
    shard->appends = NULL;
}

/* --- all effects --- */

static void put_cursor(chat__shard *shard, const chat__effect *effect)
{
    chat_status status = chat__store_put_cursor(shard->server->store, effect->user, effect->device,
                                                effect->chat, effect->seq, effect->after);
    if (status != CHAT_OK)
        chat__server_log(shard->server, CHAT_LOG_WARN,
                         "a device's position was not kept (%s): it will be sent messages again",
                         chat_status_text(status));
}

static void see_device(chat__shard *shard, const chat__effect *effect)
{
    chat__store_visit visit = visit_of(effect);
    chat_status status = chat__store_see_device(shard->server->store, &visit);
    if (status != CHAT_OK)
        chat__server_log(shard->server, CHAT_LOG_WARN,
                         "when a device was last here was not kept (%s)", chat_status_text(status));
}

static void close_peer(chat__shard *shard, const chat__effect *effect)
{
    chat__peer *peer = chat__peers_find(shard, effect->conn);
    uint16_t code = chat_status_close_code(effect->status);
    if (peer == NULL)
        return;
    chat__server_log(shard->server,
                     effect->status == CHAT_ERR_SLOW ? CHAT_LOG_WARN : CHAT_LOG_DEBUG,
                     "a connection is closed with %u: %s", code, effect->text);
    chat__peer_end(shard, peer, code, effect->text);
}

static void write_peer(chat__shard *shard, const chat__effect *effect)
{
    chat__peer *peer = chat__peers_find(shard, effect->conn);
    if (peer != NULL && effect->kind == CHAT__WRITE_LATE)
        chat__peer_write_late(shard, peer, effect->bytes);
    else if (peer != NULL)
        chat__peer_write(shard, peer, effect->bytes, effect->share);
}

static void load_user(chat__shard *shard, const chat__effect *effect)
{
    chat__shard_answer_user(shard, effect, 0);
}

static void notify(chat__shard *shard, const chat__effect *effect)
{
    chat__herald_put(shard->server, effect);
}

static void write_log(chat__shard *shard, const chat__effect *effect)
{
    chat__server_log(shard->server, CHAT_LOG_WARN, "%s", effect->text);
}

static void do_effect(chat__shard *shard, const chat__effect *effect)
{
    static void (*const DO[])(chat__shard *, const chat__effect *) = {
        [CHAT__EFFECT_WRITE] = write_peer,      [CHAT__EFFECT_CLOSE] = close_peer,
        [CHAT__EFFECT_LINK] = collect_link,     [CHAT__EFFECT_APPEND] = collect_append,
        [CHAT__EFFECT_LOAD_CHAT] = ask_now,     [CHAT__EFFECT_LOAD_MARKS] = ask_now,
        [CHAT__EFFECT_LOAD_AWAY] = ask_now,     [CHAT__EFFECT_LOAD_BLOCKS] = ask_now,
        [CHAT__EFFECT_LOAD_USER] = load_user,   [CHAT__EFFECT_LOAD_DEVICES] = ask_now,
        [CHAT__EFFECT_FORGET] = forget_device,  [CHAT__EFFECT_SEEN] = see_device,
        [CHAT__EFFECT_READ] = ask_now,          [CHAT__EFFECT_CURSOR] = put_cursor,
        [CHAT__EFFECT_NOTIFY] = notify,         [CHAT__EFFECT_PRESENCE] = chat__commons_put,
        [CHAT__EFFECT_WHO] = chat__commons_put, [CHAT__EFFECT_LOG] = write_log,
    };
    if (shard->server->askers != NULL && chat__question_is(effect->type))
        chat__askers_put(shard, effect);
    else
        DO[effect->type](shard, effect);
}

int chat__shard_take_effects(chat__shard *shard)
{
    chat__effect effect;
    int has_any = 0;
    while (shard->node != NULL && chat__node_next_effect(shard->node, &effect) == CHAT_OK) {
        do_effect(shard, &effect);
        has_any = 1;
    }
    return has_any;
}

/* --- mail --- */

static void take_links(chat__shard *shard, const chat__batch *batch)
{
    chat_view left = chat__view(batch->bytes.data + batch->start, batch->bytes.len - batch->start);
    chat_view frame;
    while (chat__slots_next(&left, &frame) == CHAT_OK) {
        chat_status status = chat__node_link(shard->node, batch->from, frame);
        if (status == CHAT_OK)
            continue;
        chat__server_log(shard->server, CHAT_LOG_ERROR,
                         "a frame of shard %u could not be read (%s)", batch->from,
                         chat_status_text(status));
        chat__slots_distrust(shard, batch);
    }
}

static void take_appended(chat__shard *shard, chat__batch *batch)
{
    const chat__append_head *head;
    size_t at = 0;
    if (batch->life != shard->life)
        return; /* of the node that was here before */
    while ((head = chat__batch_next_record(batch, &at)) != NULL) {
        shard->n_appending_bytes -= head->payload_len;
        chat__node_appended(shard->node, head->tag, (chat_status)head->status, head->seq,
                            head->prev);
    }
}

int chat__shard_commit(chat__shard *shard)
{
    chat__batch *batch = shard->appends;
    /* Records become durable in the order of the effects. */
    if (batch == NULL || shard->n_handed > 0 || shard->server->appender != NULL ||
        !chat__committer_try(&shard->server->committer, batch))
        return 0;
    shard->appends = NULL;
    batch->life = shard->life;
    take_appended(shard, batch);
    chat__shard_drop_batch(shard, batch);
    return 1;
}

static void take_batch(chat__shard *shard, chat__batch *batch)
{
    if (batch->life != 0 && batch->life != shard->life && batch->kind != CHAT__MAIL_APPEND)
        return; /* meant for the node that was here before */
    switch (batch->kind) {
    case CHAT__MAIL_LINK:
        take_links(shard, batch);
        break;
    case CHAT__MAIL_APPEND:
        shard->n_handed--;
        take_appended(shard, batch);
        break;
    case CHAT__MAIL_NEWCOMERS:
        chat__newcomers_answer(shard, batch);
        break;
    case CHAT__MAIL_TOLD:
        chat__herald_take(shard, batch);
        break;
    case CHAT__MAIL_GUEST:
        chat__peer_new(shard, batch->guest);
        break;
    case CHAT__MAIL_SLOTS:
        chat__slots_take_news(shard, batch);
        break;
    case CHAT__MAIL_TO_HOME:
        chat__tunnel_take_to_home(shard, batch);
        break;
    case CHAT__MAIL_TO_SOCKET:
        chat__tunnel_take_to_socket(shard, batch);
        break;
    case CHAT__MAIL_WHO:
        chat__commons_take(shard, batch);
        break;
    case CHAT__MAIL_ANSWER:
        chat__askers_take(shard, batch);
        break;
    case CHAT__MAIL_RECENT: /* goes to the commons only */
        break;
    }
    batch->guest = NULL;
}

void chat__shard_take_mail(chat__shard *shard)
{
    chat__batch *batch = chat__mailbox_take(&shard->box);
    while (batch != NULL) {
        chat__batch *next = batch->next;
        chat__shard_begin(shard);
        take_batch(shard, batch);
        batch->next = shard->done;
        shard->done = batch;
        chat__shard_took(shard, batch->bytes.len);
        batch = next;
    }
}
