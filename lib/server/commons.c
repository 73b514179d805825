/* SPDX-License-Identifier: MIT */
/* The thread that asks what servers share in memory. See commons.h. */
#include "commons_internal.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_POLL_MS   60000u
#define STOP_MS       1000u
#define WARN_MS       60000u /* between two lines about problems that differ */
#define TURNS_PER_TTL 3u     /* so often is a device told */
#define BURST_S       10u    /* of a bucket without a burst (base/bucket.h) */

_Static_assert(CHAT__WHO_MAX <= CHAT_SHARED_MAX_USERS, "a question of a node is one of the table");

/* --- life --- */

static void wake(void *ctx)
{
    chat__commons *commons = ctx;
    const uint64_t one = 1;
    if (atomic_exchange(&commons->is_woken, 1) == 0 &&
        write(commons->wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
        atomic_store(&commons->is_woken, 0); /* cannot be: the counter is far from its end */
}

void chat__commons_post(chat__commons *commons, chat__batch *batch)
{
    if (chat__mailbox_put(&commons->box, batch))
        wake(commons);
}

/* Member, host and port, as far as they are known here. */
static void name_place(chat__commons *commons)
{
    const chat_server_options *options = &commons->server->options;
    char host[CHAT__COMMONS_VALUE_BYTES / 2] = "";
    uint16_t port = 0;
    (void)chat__options_split_address(options->listen, host, sizeof host, &port);
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        (void)gethostname(host, sizeof host - 1);
    (void)snprintf(commons->here, sizeof commons->here, "%" PRIu64 "@%s:%" PRIu16,
                   options->link_member, host, commons->server->port);
}

static int is_complete(const chat_shared *table)
{
    return table->fd != NULL && table->deadline != NULL && table->ask != NULL &&
           table->process != NULL && table->next_event != NULL;
}

static void fill(chat__commons *commons)
{
    commons->wake_fd = -1;
    commons->was_answered = 1;
    commons->renew_ms = commons->server->options.redis_presence_ttl_s * 1000 / TURNS_PER_TTL;
    for (uint32_t i = 0; i < CHAT__COMMONS_FLIGHTS; i++)
        commons->flights[i].next_free = i + 1;
    atomic_store(&commons->is_up, 1);
    chat__commons_devices_init(commons);
    chat__buf_init(&commons->value, &commons->server->allocator, SIZE_MAX / 2);
}

chat_status chat__commons_init(chat_server *server)
{
    if (server->options.shared == NULL && server->options.redis != NULL) {
        chat__server_log(server, CHAT_LOG_ERROR,
                         "redis: this program has no libchat-redis: build it with "
                         "-Dredis=enabled, or leave --redis away (a program of your own sets "
                         "chat_server_options.shared)");
        return CHAT_ERR_ARG;
    }
    if (server->options.shared == NULL)
        return CHAT_OK;
    chat__commons *commons = chat__alloc_zero(&server->allocator, sizeof *commons);
    if (commons == NULL)
        return CHAT_ERR_NOMEM;
    server->commons = commons;
    commons->server = server;
    fill(commons);
    chat_status status =
        chat__sized_take(&commons->table, sizeof commons->table, server->options.shared);
    if (status != CHAT_OK || !is_complete(&commons->table)) {
        chat__server_log(server, CHAT_LOG_ERROR, "shared: struct_size or a function is not set");
        return CHAT_ERR_ARG;
    }
    if (chat__mailbox_init(&commons->box) != 0)
        return CHAT_ERR_NOMEM;
    commons->has_box = 1;
    commons->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (commons->wake_fd < 0)
        return CHAT_ERR_NOMEM;
    if (server->visitors != NULL)
        chat__visitors_share(server->visitors, wake, commons);
    return CHAT_OK;
}

void chat__commons_done(chat_server *server)
{
    chat__commons *commons = server->commons;
    if (commons == NULL)
        return;
    for (uint32_t i = 0; i < CHAT__COMMONS_FLIGHTS; i++)
        if (commons->flights[i].kind == CHAT__COMMONS_QUESTION)
            chat__batch_free(&server->allocator, commons->flights[i].question);
        else if (commons->flights[i].kind == CHAT__COMMONS_RECENT)
            chat__recent_release(commons->flights[i].recent);
    chat__commons_devices_done(commons);
    chat__commons_recent_done(commons);
    if (commons->has_box)
        chat__mailbox_done(&commons->box, &server->allocator);
    if (commons->wake_fd >= 0)
        close(commons->wake_fd);
    chat__alloc_free(&server->allocator, commons);
    server->commons = NULL;
}

/* --- asking --- */

chat_status chat__commons_ask(chat__commons *commons, const chat__commons_flight *flight,
                              chat_shared_ask *ask)
{
    uint32_t place = commons->first_free;
    if (place >= CHAT__COMMONS_FLIGHTS)
        return CHAT_ERR_BUSY;
    ask->tag = place;
    chat_status status = commons->table.ask(commons->table.ctx, ask, commons->now_ms);
    if (status == CHAT_ERR_BUSY)
        commons->is_full = 1;
    if (status != CHAT_OK)
        return status;
    uint32_t next = commons->flights[place].next_free;
    commons->flights[place] = *flight;
    commons->first_free = next;
    commons->n_flights++;
    commons->n_keeps += flight->kind == CHAT__COMMONS_KEEP;
    return CHAT_OK;
}

int chat__commons_is_useless(const chat__commons *commons)
{
    return commons->is_ill && !commons->was_answered;
}

static void count_visitors(chat__commons *commons)
{
    chat__visitors *visitors = commons->server->visitors;
    const chat_server_options *options = &commons->server->options;
    uint64_t burst = options->burst_handshakes;
    if (burst == 0)
        burst = options->rate_handshakes * BURST_S;
    chat__commons_flight flight = {.kind = CHAT__COMMONS_COUNT};
    while (visitors != NULL && chat__visitors_next_count(visitors, &flight.count) == CHAT_OK) {
        char name[CHAT__VISITORS_NAME_BYTES];
        chat__visitors_name(&flight.count, name);
        chat_shared_ask ask = {.struct_size = sizeof ask,
                               .op = CHAT_SHARED_TAKE,
                               .owner = chat__view_str(name),
                               .count = flight.count.count,
                               .rate = (uint32_t)options->rate_handshakes,
                               .burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX};
        if (chat__commons_is_useless(commons) ||
            chat__commons_ask(commons, &flight, &ask) != CHAT_OK)
            chat__visitors_counted(visitors, &flight.count, 0, commons->now_ms);
    }
}

/* --- questions of shards --- */

static void answer(chat__commons *commons, chat__batch *question, chat_status status)
{
    question->status = status;
    chat__shard_post(&commons->server->shards[question->from], question);
}

/* A head and its names, CHAT_SHARED_MAX_USERS at most; what is behind them. */
static const uint8_t *read_names(const uint8_t *at, chat__commons_head *head, chat_view *names)
{
    memcpy(head, at, sizeof *head);
    at += sizeof *head;
    for (uint32_t i = 0; i < head->n_names; i++) {
        names[i] = chat__view(at + 1, *at);
        at += 1 + names[i].len;
    }
    return at;
}

static void ask_who(chat__commons *commons, chat__batch *question)
{
    chat__commons_head head;
    chat_view users[CHAT_SHARED_MAX_USERS];
    (void)read_names(question->bytes.data, &head, users);
    chat__commons_flight flight = {.kind = CHAT__COMMONS_QUESTION, .question = question};
    chat_shared_ask ask = {
        .struct_size = sizeof ask, .op = CHAT_SHARED_WHO, .users = users, .n_users = head.n_names};
    if (chat__commons_is_useless(commons) || chat__commons_ask(commons, &flight, &ask) != CHAT_OK)
        answer(commons, question, CHAT_ERR_TIMEOUT);
}

static void end_question(chat__commons *commons, chat__batch *question,
                         const chat_shared_event *event)
{
    chat__commons_head head;
    chat_status status = event->status;
    memcpy(&head, question->bytes.data, sizeof head);
    if (status == CHAT_OK && event->n_items != head.n_names)
        status = CHAT_ERR_IO;
    for (uint32_t i = 0; status == CHAT_OK && i < head.n_names; i++) {
        uint8_t is_online = event->items[i].number != 0;
        status = chat__buf_append(&question->bytes, &is_online, 1);
    }
    answer(commons, question, status);
}

void chat__commons_take(chat__shard *shard, const chat__batch *batch)
{
    chat__commons_head head;
    chat_view users[CHAT_SHARED_MAX_USERS];
    if (shard->node == NULL)
        return;
    const uint8_t *at = read_names(batch->bytes.data, &head, users);
    chat__node_who who = {head.conn, head.id, head.node, {users, head.n_names}, at};
    chat__node_who_told(shard->node, batch->status, &who);
}

/* --- mail of shards --- */

static chat_status put_name(chat__batch *batch, chat_view name)
{
    uint8_t len = (uint8_t)name.len;
    chat_status status = chat__buf_append(&batch->bytes, &len, 1);
    return status == CHAT_OK ? chat__buf_append(&batch->bytes, name.data, name.len) : status;
}

static chat__batch *batch_of(chat__shard *shard)
{
    if (shard->commons == NULL)
        shard->commons = chat__shard_batch(shard, CHAT__MAIL_WHO);
    return shard->commons;
}

void chat__commons_put(chat__shard *shard, const chat__effect *effect)
{
    chat__commons_head head = {effect->conn, effect->id, CHAT__COMMONS_WHO, effect->to_node, 2, 0};
    chat_view names[2] = {effect->user, effect->device};
    chat_view_list list = {names, 2};
    chat__batch *batch = batch_of(shard);
    if (batch == NULL)
        return; /* said no more; who asked gives up in time */
    size_t len = batch->bytes.len;
    if (effect->type == CHAT__EFFECT_PRESENCE)
        head.word = effect->kind ? CHAT__COMMONS_HERE : CHAT__COMMONS_AWAY;
    else
        list = effect->names;
    head.n_names = (uint32_t)list.n_items;
    chat_status status = chat__buf_append(&batch->bytes, &head, sizeof head);
    for (size_t i = 0; i < list.n_items && status == CHAT_OK; i++)
        status = put_name(batch, list.items[i]);
    if (status != CHAT_OK)
        batch->bytes.len = len;
}

void chat__commons_send(chat__shard *shard)
{
    chat__commons *commons = shard->server->commons;
    if (shard->commons == NULL)
        return;
    shard->commons->life = shard->life;
    chat__commons_post(commons, shard->commons);
    shard->commons = NULL;
}

void chat__commons_drop(chat__shard *shard)
{
    chat__commons_head head = {.word = CHAT__COMMONS_ALL_AWAY};
    chat__batch *batch = shard->server->commons != NULL ? batch_of(shard) : NULL;
    if (batch != NULL)
        (void)chat__buf_append(&batch->bytes, &head, sizeof head);
    chat__commons_send(shard);
}

/* A question goes alone from here on, and comes back as the answer. */
static void take_question(chat__commons *commons, const chat__batch *mail, chat_view bytes)
{
    chat__batch *question =
        chat__batch_new(&commons->server->allocator, CHAT__MAIL_WHO, mail->from);
    if (question == NULL)
        return;
    question->life = mail->life;
    if (chat__buf_append(&question->bytes, bytes.data, bytes.len) == CHAT_OK)
        ask_who(commons, question);
    else
        chat__batch_free(&commons->server->allocator, question);
}

static void take_batch(chat__commons *commons, const chat__batch *mail)
{
    chat__commons_head head;
    chat_view names[CHAT_SHARED_MAX_USERS];
    const uint8_t *end = mail->bytes.data + mail->bytes.len;
    for (const uint8_t *from = mail->bytes.data, *at = from; from < end; from = at) {
        at = read_names(from, &head, names);
        if (head.word == CHAT__COMMONS_WHO)
            take_question(commons, mail, chat__view(from, (size_t)(at - from)));
        else if (head.word == CHAT__COMMONS_ALL_AWAY)
            chat__commons_say_away(commons, mail->from);
        else
            chat__commons_say(commons, mail->from, head.word == CHAT__COMMONS_HERE, names[0],
                              names[1]);
    }
}

static void take_mail(chat__commons *commons)
{
    uint64_t count;
    ssize_t ignored = read(commons->wake_fd, &count, sizeof count);
    (void)ignored;
    atomic_store(&commons->is_woken, 0); /* before the mail: what comes behind wakes again */
    chat__batch *batch = chat__mailbox_take(&commons->box);
    while (batch != NULL) {
        chat__batch *next = batch->next;
        if (!chat__commons_take_recent(commons, batch)) {
            take_batch(commons, batch);
            chat__batch_free(&commons->server->allocator, batch);
        }
        batch = next;
    }
}

/* --- what is answered --- */

static void take_answer(chat__commons *commons, const chat_shared_event *event)
{
    if (event->tag >= CHAT__COMMONS_FLIGHTS)
        return;
    chat__commons_flight flight = commons->flights[event->tag];
    commons->flights[event->tag].kind = CHAT__COMMONS_FREE;
    commons->flights[event->tag].next_free = commons->first_free;
    commons->first_free = (uint32_t)event->tag;
    commons->n_flights--;
    commons->is_full = 0;
    commons->was_answered = event->status == CHAT_OK;
    atomic_fetch_add_explicit(&commons->n_asks, 1, memory_order_relaxed);
    if (event->status != CHAT_OK)
        atomic_fetch_add_explicit(&commons->n_failed, 1, memory_order_relaxed);
    if (chat__commons_recent_end(commons, &flight, event))
        return;
    if (flight.kind == CHAT__COMMONS_DEVICE)
        chat__commons_told(commons, flight.device);
    else if (flight.kind == CHAT__COMMONS_QUESTION)
        end_question(commons, flight.question, event);
    else if (flight.kind == CHAT__COMMONS_COUNT)
        chat__visitors_counted(commons->server->visitors, &flight.count,
                               event->status == CHAT_OK ? event->number : 0, commons->now_ms);
}

static void take_problem(chat__commons *commons, const chat_shared_event *event)
{
    int is_new = !commons->is_ill || commons->now_ms >= commons->warned_ms + WARN_MS;
    commons->is_ill = 1;
    atomic_store(&commons->is_up, 0);
    chat__server_log(commons->server, is_new ? CHAT_LOG_WARN : CHAT_LOG_DEBUG,
                     "what servers share in memory is missing, this one goes on without: %s%s",
                     event->text != NULL ? event->text : chat_status_text(event->status),
                     commons->server->options.redis != NULL
                         ? " (`x` is the option redis-x, `servers` is redis, and `password` "
                           "redis-password-file)"
                         : "");
    if (is_new)
        commons->warned_ms = commons->now_ms;
}

static void take_well(chat__commons *commons)
{
    commons->is_ill = 0;
    commons->was_answered = 1;
    atomic_store(&commons->is_up, 1);
    chat__server_log(commons->server, CHAT_LOG_INFO, "what servers share in memory is back");
    chat__commons_say_again(commons);
}

/* Whether there was one. */
static int take_events(chat__commons *commons)
{
    chat_shared_event event = {.struct_size = sizeof event};
    int has_any = 0;
    for (; commons->table.next_event(commons->table.ctx, &event) == CHAT_OK; has_any = 1) {
        if (event.type == CHAT_SHARED_EVENT_ANSWER)
            take_answer(commons, &event);
        else if (event.type == CHAT_SHARED_EVENT_PROBLEM)
            take_problem(commons, &event);
        else if (event.type == CHAT_SHARED_EVENT_WELL)
            take_well(commons);
    }
    return has_any;
}

/* --- the thread --- */

static void wait_for_news(chat__commons *commons, uint64_t until_ms)
{
    uint64_t of_table = commons->table.deadline(commons->table.ctx);
    uint64_t of_devices = chat__commons_due_ms(commons);
    until_ms = of_table < until_ms ? of_table : until_ms;
    until_ms = of_devices < until_ms ? of_devices : until_ms;
    uint64_t now_ms = chat__server_mono_ms();
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    struct pollfd on[2] = {{.fd = commons->wake_fd, .events = POLLIN},
                           {.fd = commons->table.fd(commons->table.ctx), .events = POLLIN}};
    (void)poll(on, 2, (int)(left_ms < MAX_POLL_MS ? left_ms : MAX_POLL_MS));
}

/* Whether there may be more to ask at once. */
static int turn(chat__commons *commons)
{
    commons->now_ms = chat__server_mono_ms();
    take_mail(commons);
    count_visitors(commons);
    chat__commons_tell_due(commons);
    chat__commons_keep_due(commons);
    commons->table.process(commons->table.ctx, commons->now_ms);
    int has_any = take_events(commons);
    atomic_store_explicit(&commons->n_devices, commons->devices.n_items, memory_order_relaxed);
    return has_any;
}

/* All devices are away; waits only for what answers. */
static void say_goodbye(chat__commons *commons)
{
    uint64_t until_ms = chat__server_mono_ms() + STOP_MS;
    (void)turn(commons);
    chat__commons_say_away(commons, UINT32_MAX);
    while (commons->devices.n_items > 0 && !chat__commons_is_useless(commons) &&
           chat__server_mono_ms() < until_ms) {
        if (!turn(commons))
            wait_for_news(commons, until_ms);
    }
}

static void run(void *arg)
{
    chat__commons *commons = arg;
    while (!atomic_load(&commons->is_stopping)) {
        if (!turn(commons))
            wait_for_news(commons, UINT64_MAX);
    }
    say_goodbye(commons);
}

chat_status chat__commons_start(chat_server *server)
{
    chat__commons *commons = server->commons;
    if (commons == NULL)
        return CHAT_OK;
    name_place(commons);
    if (uv_thread_create(&commons->thread, run, commons) != 0)
        return CHAT_ERR_NOMEM;
    commons->is_running = 1;
    return CHAT_OK;
}

void chat__commons_stop(chat_server *server)
{
    chat__commons *commons = server->commons;
    if (commons == NULL || !commons->is_running)
        return;
    atomic_store(&commons->is_stopping, 1);
    wake(commons);
    uv_thread_join(&commons->thread);
    commons->is_running = 0;
}

int chat__commons_figures_get(const chat_server *server, chat__commons_figures *out)
{
    const chat__commons *commons = server->commons;
    if (commons == NULL)
        return 0;
    out->is_up = atomic_load_explicit(&commons->is_up, memory_order_relaxed);
    out->n_asks = atomic_load_explicit(&commons->n_asks, memory_order_relaxed);
    out->n_failed = atomic_load_explicit(&commons->n_failed, memory_order_relaxed);
    out->n_devices = atomic_load_explicit(&commons->n_devices, memory_order_relaxed);
    out->n_kept = atomic_load_explicit(&commons->n_kept, memory_order_relaxed);
    out->n_shed = atomic_load_explicit(&commons->n_shed, memory_order_relaxed);
    out->n_hits = atomic_load_explicit(&commons->n_hits, memory_order_relaxed);
    out->n_misses = atomic_load_explicit(&commons->n_misses, memory_order_relaxed);
    return 1;
}
