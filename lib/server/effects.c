/* SPDX-License-Identifier: MIT */
/*
 * What the node of a shard wants done: bytes for sockets, records for the log, questions to the
 * store (answered here and now: it reads from memory and from the page cache), frames for others.
 */
#include "appender.h"
#include "askers.h"
#include "herald.h"
#include "slots.h"
#include "tunnel.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <chat/id.h>

#include <string.h>

#define MAX_READ_BYTES      (1u << 20)
#define MAX_APPENDING_BYTES ((uint64_t)64 << 20) /* with the log thread, above it: busy */

/* --- questions to the store --- */

typedef struct load_chat {
    chat__node *node;
    const chat_allocator *allocator;
    uint64_t tag;
} load_chat;

static void on_chat(void *ctx, const chat__store_chat *chat)
{
    load_chat *load = ctx;
    size_t bytes = (chat->n_members + 1) * sizeof(chat__node_member);
    chat__node_chat copy = {.title = chat->title, .is_open = chat->is_open};
    chat__node_member *members = chat__alloc_resize(load->allocator, NULL, bytes);
    for (size_t i = 0; members != NULL && i < chat->n_members; i++) {
        members[i].user = chat->members[i].user;
        members[i].since = chat->members[i].since;
        members[i].role = chat->members[i].role;
    }
    copy.members = members;
    copy.n_members = chat->n_members;
    chat__node_chat_loaded(load->node, load->tag, members != NULL ? CHAT_OK : CHAT_ERR_NOMEM,
                           &copy);
    chat__alloc_free(load->allocator, members);
}

static void answer_load_chat(chat__shard *shard, const chat__effect *effect)
{
    chat_view members[2];
    if (chat_direct_members(effect->chat, members) == CHAT_OK) {
        chat__shard_answer_direct(shard, effect, members);
        return;
    }
    load_chat load = {shard->node, chat__shard_allocator(shard), effect->tag};
    chat_status status = chat__store_load_chat(shard->server->store, effect->chat, on_chat, &load);
    if (status != CHAT_OK)
        chat__node_chat_loaded(shard->node, effect->tag, status, NULL);
}

/* Rows with copies of their bytes, which the store lends only during its call. */
typedef struct rows {
    chat__buf rows;
    chat__buf bytes;
    uint32_t limit;
    uint32_t n_rows;
    chat_status status;
    int has_more;
} rows;

static void rows_init(rows *all, chat__shard *shard, uint32_t limit)
{
    memset(all, 0, sizeof *all);
    all->limit = limit;
    chat__buf_init(&all->rows, chat__shard_allocator(shard), SIZE_MAX / 2);
    chat__buf_init(&all->bytes, chat__shard_allocator(shard), SIZE_MAX / 2);
}

static void rows_done(rows *all)
{
    chat__buf_done(&all->rows);
    chat__buf_done(&all->bytes);
}

/* The bytes move when they grow: until all are there, `data` is where they start in `bytes`. */
static chat_view keep(rows *all, chat_view view)
{
    size_t at = all->bytes.len;
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->bytes, view.data, view.len);
    return chat__view((const uint8_t *)(uintptr_t)at, view.len);
}

static chat_view settle(const rows *all, chat_view view)
{
    return chat__view(view.len == 0 ? NULL : all->bytes.data + (uintptr_t)view.data, view.len);
}

static void on_user_chat(void *ctx, const chat__store_user_chat *row)
{
    rows *all = ctx;
    if (all->limit != 0 && all->n_rows == all->limit)
        return;
    chat__node_user_chat copy = {.cursor = row->cursor,
                                 .last_seq = row->last_seq,
                                 .read_seq = row->read_seq,
                                 .unread = row->unread,
                                 .has_unread = row->has_unread,
                                 .is_past = row->is_past,
                                 .gap_seq = row->gap_seq,
                                 .muted_until_ms = row->muted_until_ms};
    copy.chat = keep(all, row->chat);
    copy.title = keep(all, row->title);
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->rows, &copy, sizeof copy);
    all->n_rows++;
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

void chat__shard_answer_user(chat__shard *shard, const chat__effect *effect, int is_new)
{
    rows all;
    rows_init(&all, shard, effect->limit);
    chat__store_visit visit = visit_of(effect);
    chat_status status = chat__store_load_user(shard->server->store, &visit, on_user_chat, &all);
    if (status >= 0 && all.status != CHAT_OK)
        status = all.status;
    if (status == CHAT_EMPTY) {
        status = chat__newcomers_hold(shard, effect);
        if (status == CHAT_OK) {
            rows_done(&all);
            return;
        }
    }
    if (status == CHAT_OK && is_new)
        status = CHAT_EMPTY;
    chat__node_user_chat *chats = (chat__node_user_chat *)(void *)all.rows.data;
    uint32_t n_chats = status >= 0 ? all.n_rows : 0;
    for (uint32_t i = 0; i < n_chats; i++) {
        chats[i].chat = settle(&all, chats[i].chat);
        chats[i].title = settle(&all, chats[i].title);
    }
    chat__node_user_loaded(shard->node, effect->tag, status, chats, n_chats);
    rows_done(&all);
}

static void on_device(void *ctx, chat_view device, uint64_t seen_ms)
{
    rows *all = ctx;
    chat__node_device copy = {keep(all, device), seen_ms};
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->rows, &copy, sizeof copy);
    all->n_rows++;
}

static void answer_devices(chat__shard *shard, const chat__effect *effect)
{
    rows all;
    rows_init(&all, shard, 0);
    chat_status status = chat__store_load_devices(shard->server->store, effect->user,
                                                  chat__server_unix_ms(), on_device, &all);
    if (status == CHAT_OK)
        status = all.status;
    chat__node_device *list = (chat__node_device *)(void *)all.rows.data;
    uint32_t n_rows = status == CHAT_OK ? all.n_rows : 0;
    for (uint32_t i = 0; i < n_rows; i++)
        list[i].device = settle(&all, list[i].device);
    chat__node_devices_loaded(shard->node, effect->tag, status, list, n_rows);
    rows_done(&all);
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

static void on_row(void *ctx, const chat__store_row *row)
{
    rows *all = ctx;
    chat__node_row copy = {.seq = row->seq, .prev = row->prev};
    copy.payload = keep(all, row->payload);
    if (all->status == CHAT_OK)
        all->status = chat__buf_append(&all->rows, &copy, sizeof copy);
    all->n_rows++;
}

static void answer_read(chat__shard *shard, const chat__effect *effect)
{
    rows all;
    rows_init(&all, shard, effect->limit);
    chat__store_query query = {.chat = effect->chat,
                               .after = effect->after,
                               .before = effect->before,
                               .limit = effect->limit,
                               .max_bytes = MAX_READ_BYTES,
                               .user = effect->user};
    chat_status status = effect->id != 0
                             ? chat__store_read_reactions(shard->server->store, effect->chat,
                                                          effect->user, effect->id, on_row, &all)
                             : chat__store_read(shard->server->store, &query, on_row, &all);
    int has_more = status == CHAT_MORE;
    if (status == CHAT_OK || status == CHAT_MORE)
        status = all.status;
    chat__node_row *list = (chat__node_row *)(void *)all.rows.data;
    uint32_t n_rows = status == CHAT_OK ? all.n_rows : 0;
    for (uint32_t i = 0; i < n_rows; i++)
        list[i].payload = settle(&all, list[i].payload);
    chat__node_rows_read(shard->node, effect->tag, status, list, n_rows, has_more);
    rows_done(&all);
}

static void on_marks(void *ctx, const chat__store_marks *marks)
{
    load_chat *load = ctx;
    chat__node_mark items[CHAT_GROUP_MAX_MEMBERS];
    chat__node_marks copy = {items, 0, marks->seq};
    for (size_t i = 0; i < marks->n_items && i < CHAT_GROUP_MAX_MEMBERS; i++) {
        items[copy.n_items].user = marks->items[i].user;
        items[copy.n_items].read_seq = marks->items[i].read_seq;
        items[copy.n_items].delivered_unix_ms = marks->items[i].delivered_unix_ms;
        items[copy.n_items].read_unix_ms = marks->items[i].read_unix_ms;
        items[copy.n_items++].delivered_seq = marks->items[i].delivered_seq;
    }
    chat__node_marks_loaded(load->node, load->tag, CHAT_OK, &copy);
}

static void answer_load_marks(chat__shard *shard, const chat__effect *effect)
{
    load_chat load = {shard->node, chat__shard_allocator(shard), effect->tag};
    chat__node_marks none = {NULL, 0, 0};
    chat_status status = chat__store_load_marks(shard->server->store, effect->chat, effect->user,
                                                effect->seq, on_marks, &load);
    if (status != CHAT_OK)
        chat__node_marks_loaded(shard->node, effect->tag, status, &none);
}

static void on_away(void *ctx, const chat__store_away *away)
{
    load_chat *load = ctx;
    chat__node_away copy = {away->muted_until_ms, away->read_seq, away->devices, away->n_devices,
                            away->n_known};
    chat__node_away_loaded(load->node, load->tag, CHAT_OK, &copy);
}

static void answer_load_away(chat__shard *shard, const chat__effect *effect)
{
    load_chat load = {shard->node, chat__shard_allocator(shard), effect->tag};
    chat__store_visit visit = visit_of(effect);
    chat_status status = chat__store_load_away(shard->server->store, &visit, effect->chat,
                                               effect->seq, on_away, &load);
    if (status != CHAT_OK)
        chat__node_away_loaded(shard->node, effect->tag, status, NULL);
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
    if (peer != NULL)
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
        [CHAT__EFFECT_WRITE] = write_peer,
        [CHAT__EFFECT_CLOSE] = close_peer,
        [CHAT__EFFECT_LINK] = collect_link,
        [CHAT__EFFECT_APPEND] = collect_append,
        [CHAT__EFFECT_LOAD_CHAT] = answer_load_chat,
        [CHAT__EFFECT_LOAD_MARKS] = answer_load_marks,
        [CHAT__EFFECT_LOAD_AWAY] = answer_load_away,
        [CHAT__EFFECT_LOAD_BLOCKS] = chat__shard_answer_blocks,
        [CHAT__EFFECT_LOAD_USER] = load_user,
        [CHAT__EFFECT_LOAD_DEVICES] = answer_devices,
        [CHAT__EFFECT_FORGET] = forget_device,
        [CHAT__EFFECT_SEEN] = see_device,
        [CHAT__EFFECT_READ] = answer_read,
        [CHAT__EFFECT_CURSOR] = put_cursor,
        [CHAT__EFFECT_NOTIFY] = notify,
        [CHAT__EFFECT_LOG] = write_log,
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
    case CHAT__MAIL_ANSWER:
        chat__askers_take(shard, batch);
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
