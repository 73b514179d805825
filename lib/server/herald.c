/* SPDX-License-Identifier: MIT */
/* The thread that calls the notifier. See herald.h. */
#include "herald.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <chat/id.h>
#include <stdio.h>
#include <string.h>

#define MAX_WAITING 4096u
#define MAX_NAMES   3u
#define STOP_NS     1000000000u
#define TEXT_BYTES  512u
#define UNREAD_MAX  99999u
#define MAX_OPEN    4096u /* notifications that may still be reported of, and leave a trail */

/* Where the node remembers what became of a notification. */
typedef struct trace {
    uint64_t number; /* of the notification; 0: none yet */
    uint64_t key, user_key;
    uint32_t shard;
} trace;

typedef struct news {
    struct news *next;
    trace trace;
    uint64_t id, seq;
    uint32_t count, has_others, n_names;
    chat_view user, chat, names[MAX_NAMES];
    chat_view *devices;
    size_t n_devices;
    uint8_t bytes[];
} news;

/* A row of the mail to a shard; the device follows. */
typedef struct told_head {
    uint64_t key, user_key;
    uint32_t fate;
    uint32_t device_len;
} told_head;

struct chat__herald {
    chat_server *server;
    chat_notifier notifier;
    uv_mutex_t mutex;
    uv_cond_t wake;
    uv_thread_t thread;
    news *first, *last;
    uint64_t n_told;
    uint64_t stop_at_ns;
    uint32_t n_waiting;
    uint8_t is_running, is_stopping, is_own, is_full;
    trace open[MAX_OPEN]; /* by number, under `mutex` */
    _Atomic uint64_t fates[CHAT__FATE_COUNT];
};

static void count(chat__herald *herald, chat__fate fate)
{
    atomic_fetch_add_explicit(&herald->fates[fate], 1, memory_order_relaxed);
}

uint64_t chat__herald_count(const chat_server *server, chat__fate fate)
{
    return server->herald == NULL
               ? 0
               : atomic_load_explicit(&server->herald->fates[fate], memory_order_relaxed);
}

/* Counts it, and tells the node of the user. `to` may be NULL. */
static void note(chat__herald *herald, chat__fate fate, const trace *to, chat_view device)
{
    count(herald, fate);
    if (to == NULL)
        return;
    told_head head = {to->key, to->user_key, (uint32_t)fate, (uint32_t)device.len};
    chat__batch *batch = chat__batch_new(&herald->server->allocator, CHAT__MAIL_TOLD, to->shard);
    if (batch == NULL)
        return;
    if (chat__buf_reserve(&batch->bytes, sizeof head + device.len) != CHAT_OK) {
        chat__batch_free(&herald->server->allocator, batch);
        return;
    }
    (void)chat__buf_append(&batch->bytes, &head, sizeof head);
    (void)chat__buf_append(&batch->bytes, device.data, device.len);
    chat__shard_post(&herald->server->shards[to->shard], batch);
}

void chat__herald_take(chat__shard *shard, const chat__batch *batch)
{
    told_head head;
    if (shard->node == NULL)
        return; /* it has stopped since */
    memcpy(&head, batch->bytes.data, sizeof head);
    chat__told told = {head.key, head.user_key, (chat__fate)head.fate,
                       chat__view(batch->bytes.data + sizeof head, head.device_len)};
    chat__node_told(shard->node, &told);
}

/* --- life --- */

static chat_status choose_notifier(chat__herald *herald)
{
    const chat_server_options *options = &herald->server->options;
    if (options->notifier == NULL) {
        herald->is_own = 1;
        return chat__notify_file_new(&herald->server->allocator, options->notify_file,
                                     &herald->notifier);
    }
    chat_status status =
        chat__sized_take(&herald->notifier, sizeof herald->notifier, options->notifier);
    return status == CHAT_OK && herald->notifier.notify == NULL ? CHAT_ERR_ARG : status;
}

chat_status chat__herald_init(chat_server *server)
{
    if (server->options.notifier == NULL && server->options.notify_file == NULL)
        return CHAT_OK;
    chat__herald *herald = chat__alloc_zero(&server->allocator, sizeof *herald);
    if (herald == NULL)
        return CHAT_ERR_NOMEM;
    herald->server = server;
    chat_status status = choose_notifier(herald);
    if (status == CHAT_ERR_ARG)
        chat__server_log(server, CHAT_LOG_ERROR, "notifier: struct_size or notify is not set");
    if (status != CHAT_OK)
        goto fail;
    status = CHAT_ERR_NOMEM;
    if (uv_mutex_init(&herald->mutex) != 0)
        goto no_mutex;
    if (uv_cond_init(&herald->wake) != 0)
        goto no_wake;
    server->herald = herald;
    return CHAT_OK;
no_wake:
    uv_mutex_destroy(&herald->mutex);
no_mutex:
    if (herald->is_own)
        chat__notify_file_free(&server->allocator, &herald->notifier);
fail:
    chat__alloc_free(&server->allocator, herald);
    return status;
}

/* The thread is not there. */
static news *take_first(chat__herald *herald)
{
    news *item = herald->first;
    if (item == NULL)
        return NULL;
    herald->first = item->next;
    if (herald->first == NULL)
        herald->last = NULL;
    herald->n_waiting--;
    return item;
}

void chat__herald_done(chat_server *server)
{
    chat__herald *herald = server->herald;
    news *item;
    if (herald == NULL)
        return;
    while ((item = take_first(herald)) != NULL)
        chat__alloc_free(&server->allocator, item);
    uv_cond_destroy(&herald->wake);
    uv_mutex_destroy(&herald->mutex);
    if (herald->is_own)
        chat__notify_file_free(&server->allocator, &herald->notifier);
    chat__alloc_free(&server->allocator, herald);
    server->herald = NULL;
}

/* --- putting --- */

static chat_view keep(uint8_t **at, chat_view view)
{
    chat_view copy = chat__view(*at, view.len);
    if (view.len > 0)
        memcpy(*at, view.data, view.len);
    *at += view.len;
    return copy;
}

static size_t size_of(chat_view_list list)
{
    size_t size = 0;
    for (size_t i = 0; i < list.n_items; i++)
        size += list.items[i].len;
    return size;
}

static news *copy_news(const chat_server *server, const chat__effect *effect)
{
    size_t views = effect->devices.n_items * sizeof(chat_view);
    news *item = chat__alloc_zero(&server->allocator,
                                  sizeof *item + views + effect->user.len + effect->chat.len +
                                      size_of(effect->names) + size_of(effect->devices));
    if (item == NULL)
        return NULL;
    uint8_t *at = item->bytes + views;
    item->devices = (chat_view *)(void *)item->bytes;
    item->trace = (trace){.key = effect->tag,
                          .user_key = effect->after,
                          .shard = chat__node_of_user(effect->user, server->n_shards)};
    item->id = effect->id;
    item->seq = effect->seq;
    item->count = effect->limit;
    item->has_others = effect->kind;
    item->user = keep(&at, effect->user);
    item->chat = keep(&at, effect->chat);
    for (size_t i = 0; i < effect->names.n_items && i < MAX_NAMES; i++)
        item->names[item->n_names++] = keep(&at, effect->names.items[i]);
    for (size_t i = 0; i < effect->devices.n_items; i++)
        item->devices[item->n_devices++] = keep(&at, effect->devices.items[i]);
    return item;
}

void chat__herald_put(chat_server *server, const chat__effect *effect)
{
    chat__herald *herald = server->herald;
    if (herald == NULL)
        return;
    news *item = copy_news(server, effect);
    uv_mutex_lock(&herald->mutex);
    int is_taken = item != NULL && herald->n_waiting < MAX_WAITING;
    int warn = !is_taken && !herald->is_full;
    herald->is_full = !is_taken;
    if (is_taken) {
        if (herald->last != NULL)
            herald->last->next = item;
        else
            herald->first = item;
        herald->last = item;
        herald->n_waiting++;
    }
    uv_mutex_unlock(&herald->mutex);
    chat_view all = {NULL, 0};
    if (is_taken) {
        count(herald, CHAT__FATE_QUEUED);
        uv_cond_signal(&herald->wake);
    } else {
        note(herald, CHAT__FATE_DROPPED, item != NULL ? &item->trace : NULL, all);
        chat__alloc_free(&server->allocator, item);
    }
    if (warn)
        chat__server_log(server, CHAT_LOG_WARN,
                         "the notifier is slow: notifications are dropped until it catches up");
}

/* --- telling --- */

typedef struct badge {
    const news *item;
    uint32_t sum;
    int is_known;
    int is_read;
} badge;

static void on_chat(void *ctx, const chat_store_user_chat *row)
{
    badge *to = ctx;
    chat_view user;
    if (row->is_past || chat_self_user(row->chat, &user) == CHAT_OK)
        return;
    if (!row->has_unread)
        to->is_known = 0;
    else if (to->sum < UNREAD_MAX)
        to->sum += row->unread;
    if (chat__view_equal(row->chat, to->item->chat) && row->read_seq >= to->item->seq)
        to->is_read = 1;
}

static chat_status load_badge(const chat_server *server, badge *to)
{
    chat_store_visit visit = {.user = to->item->user, .now_unix_ms = chat__server_unix_ms()};
    return server->store_table.load_user(server->store_table.ctx, &visit, on_chat, to);
}

static chat_view make_text(const news *item, char *out, size_t cap)
{
    int len = item->count == 1 ? snprintf(out, cap, "You have a new message")
                               : snprintf(out, cap, "You have %u new messages", item->count);
    for (uint32_t i = 0; i < item->n_names && len > 0 && (size_t)len < cap; i++)
        len += snprintf(out + len, cap - (size_t)len, "%s%.*s", i == 0 ? " from " : ", ",
                        (int)item->names[i].len, (const char *)item->names[i].data);
    if (item->has_others && len > 0 && (size_t)len < cap)
        len += snprintf(out + len, cap - (size_t)len, " and others");
    return chat__view((const uint8_t *)out, len > 0 && (size_t)len < cap ? (size_t)len : 0);
}

/* The number by which it is reported of. */
static uint64_t open_trace(chat__herald *herald, const news *item)
{
    uint64_t number = ++herald->n_told;
    trace *open = &herald->open[number % MAX_OPEN];
    uv_mutex_lock(&herald->mutex);
    *open = item->trace;
    open->number = number;
    uv_mutex_unlock(&herald->mutex);
    return number;
}

static void tell(chat__herald *herald, const news *item)
{
    char text[TEXT_BYTES];
    badge all = {.item = item, .is_known = 1};
    chat_view none = {NULL, 0};
    chat_status status = load_badge(herald->server, &all);
    if (all.is_read) {
        note(herald, CHAT__FATE_READ, &item->trace, none);
        return;
    }
    chat_notification what = {.struct_size = sizeof what,
                              .count = item->count,
                              .user = item->user,
                              .chat = item->chat,
                              .id = item->id,
                              .seq = item->seq,
                              .from = item->names,
                              .n_from = item->n_names,
                              .has_others = item->has_others,
                              .has_badge = status >= 0 && all.is_known,
                              .badge = all.sum,
                              .text = make_text(item, text, sizeof text),
                              .devices = item->devices,
                              .n_devices = item->n_devices};
    status = herald->notifier.notify(herald->notifier.ctx, open_trace(herald, item), &what);
    if (status == CHAT_OK)
        return;
    note(herald, CHAT__FATE_FAILED, &item->trace, none);
    chat__server_log(herald->server, CHAT_LOG_WARN, "a notification failed: %s",
                     chat_status_text(status));
}

static void herald_main(void *arg)
{
    chat__herald *herald = arg;
    for (;;) {
        uv_mutex_lock(&herald->mutex);
        while (herald->first == NULL && !herald->is_stopping)
            uv_cond_wait(&herald->wake, &herald->mutex);
        news *item = take_first(herald);
        int is_late = herald->is_stopping && uv_hrtime() > herald->stop_at_ns;
        uv_mutex_unlock(&herald->mutex);
        if (item == NULL)
            return;
        if (is_late)
            note(herald, CHAT__FATE_DROPPED, &item->trace, chat__view(NULL, 0));
        else
            tell(herald, item);
        chat__alloc_free(&herald->server->allocator, item);
    }
}

static void report(void *ctx, const chat_notify_report *report)
{
    static const chat__fate FATES[] = {[CHAT_NOTIFY_SENT] = CHAT__FATE_SENT,
                                       [CHAT_NOTIFY_ACCEPTED] = CHAT__FATE_ACCEPTED,
                                       [CHAT_NOTIFY_FAILED] = CHAT__FATE_FAILED,
                                       [CHAT_NOTIFY_GONE] = CHAT__FATE_GONE};
    chat__herald *herald = ctx;
    if (report->struct_size < sizeof *report || report->number == 0 ||
        report->state < CHAT_NOTIFY_SENT || report->state > CHAT_NOTIFY_GONE ||
        report->device.len > CHAT_ID_MAX_BYTES)
        return;
    uv_mutex_lock(&herald->mutex);
    trace to = herald->open[report->number % MAX_OPEN];
    uv_mutex_unlock(&herald->mutex);
    note(herald, FATES[report->state], to.number == report->number ? &to : NULL, report->device);
    if (report->state == CHAT_NOTIFY_FAILED)
        chat__server_log(herald->server, CHAT_LOG_WARN, "a notification failed: %s",
                         report->why != NULL ? report->why : "no reason was given");
}

chat_status chat__herald_start(chat_server *server)
{
    chat__herald *herald = server->herald;
    if (herald == NULL)
        return CHAT_OK;
    chat_notifier_sink sink = {herald, report};
    chat_status status = CHAT_OK;
    if (herald->notifier.open != NULL)
        status = herald->notifier.open(herald->notifier.ctx, &sink);
    if (status != CHAT_OK) {
        chat__server_log(server, CHAT_LOG_ERROR, "the notifier%s%s could not be opened: %s",
                         herald->is_own ? " file " : "",
                         herald->is_own ? server->options.notify_file : "",
                         chat_status_text(status));
        return status;
    }
    herald->is_running = uv_thread_create(&herald->thread, herald_main, herald) == 0;
    if (herald->is_running)
        return CHAT_OK;
    if (herald->notifier.close != NULL)
        herald->notifier.close(herald->notifier.ctx);
    return CHAT_ERR_NOMEM;
}

void chat__herald_stop(chat_server *server)
{
    chat__herald *herald = server->herald;
    if (herald == NULL || !herald->is_running)
        return;
    uv_mutex_lock(&herald->mutex);
    herald->is_stopping = 1;
    herald->stop_at_ns = uv_hrtime() + STOP_NS;
    uv_cond_signal(&herald->wake);
    uv_mutex_unlock(&herald->mutex);
    uv_thread_join(&herald->thread);
    herald->is_running = 0;
    if (herald->notifier.close != NULL)
        herald->notifier.close(herald->notifier.ctx);
}
