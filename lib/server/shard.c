/* SPDX-License-Identifier: MIT */
/*
 * A shard: one thread with a loop, a node and its connections. A turn starts with the first input
 * after the poll and ends before the next poll: effects are taken, what they wrote is sent, and
 * batches go to the log and to other shards.
 */
#include "lessee.h"
#include "cluster.h"
#include "metrics.h"
#include "slot.h"
#include "tunnel.h"
#include "base/alloc.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_ROUNDS        16 /* of taking effects and sending, in one turn */
#define MAX_FRAGMENTS     1024u
#define DEFLATE_MIN_BYTES 512u

chat_allocator *chat__shard_allocator(chat__shard *shard)
{
    return &shard->server->allocator;
}

uint64_t chat__shard_now(const chat__shard *shard)
{
    return uv_now(&shard->loop);
}

/* --- phases --- */

static void start_drain(chat__shard *shard)
{
    shard->is_draining = 1;
    chat__shard_begin(shard);
    if (shard->slots != NULL)
        chat__tunnels_drain(shard);
    if (shard->node != NULL)
        chat__node_drain(shard->node, (uint32_t)shard->server->options.retry_after_ms);
}

static void follow_phase(chat__shard *shard)
{
    int phase = atomic_load(&shard->server->phase);
    if (phase >= CHAT__PHASE_DRAINING && !shard->is_draining)
        start_drain(shard);
    if (phase >= CHAT__PHASE_STOPPING)
        uv_stop(&shard->loop);
}

static void report_idle(chat__shard *shard)
{
    int is_idle = shard->is_draining && shard->n_peers == 0 && shard->appends == NULL &&
                  (shard->node == NULL || chat__node_is_idle(shard->node));
    if (is_idle == shard->is_reported_idle)
        return;
    shard->is_reported_idle = (uint8_t)is_idle;
    atomic_store(&shard->is_idle, is_idle);
    if (is_idle)
        chat__server_wake_control(shard->server);
}

/* Only now: the mail is no longer on its way when all that it caused is counted elsewhere. */
static void settle_mail(chat__shard *shard)
{
    while (shard->done != NULL) {
        chat__batch *next = shard->done->next;
        chat__cluster_settle(shard->server, shard->done);
        chat__shard_drop_batch(shard, shard->done);
        shard->done = next;
        if (atomic_fetch_sub(&shard->server->n_mail, 1) == 1 && shard->is_draining)
            chat__server_wake_control(shard->server);
    }
}

/* --- the turn --- */

void chat__shard_begin(chat__shard *shard)
{
    if (shard->is_in_turn)
        return;
    shard->is_in_turn = 1;
    shard->turn_bytes = 0;
    if (shard->node != NULL)
        chat__node_begin(shard->node, chat__shard_now(shard), chat__server_unix_ms());
}

static uint64_t first_due(const chat__due_list *list)
{
    return list->first == NULL ? UINT64_MAX : list->first->at_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void on_timer(uv_timer_t *timer)
{
    chat__shard *shard = timer->data;
    uint64_t now_ms = chat__shard_now(shard);
    shard->timer_at_ms = UINT64_MAX;
    chat__shard_begin(shard);
    chat__greet_expire(shard, now_ms);
    chat__peer_expire(shard, now_ms);
}

static void set_timer(chat__shard *shard)
{
    uint64_t now_ms = chat__shard_now(shard);
    uint64_t at_ms = shard->node != NULL ? chat__node_deadline(shard->node) : UINT64_MAX;
    at_ms = earlier(at_ms, first_due(&shard->greeting));
    at_ms = earlier(at_ms, first_due(&shard->lingering));
    at_ms = earlier(at_ms, first_due(&shard->ending));
    at_ms = earlier(at_ms, first_due(&shard->late));
    at_ms = earlier(at_ms, shard->slot_until_ms);
    if (at_ms == shard->timer_at_ms)
        return;
    shard->timer_at_ms = at_ms;
    if (at_ms == UINT64_MAX)
        (void)uv_timer_stop(&shard->timer);
    else
        (void)uv_timer_start(&shard->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

void chat__shard_end(chat__shard *shard)
{
    if (!shard->is_in_turn)
        return;
    int is_busy = 1;
    for (int round = 0; is_busy && round < MAX_ROUNDS; round++) {
        int has_effects = chat__shard_take_effects(shard);
        /* Before the sockets are written: what became durable goes out with the rest. */
        int has_committed = chat__shard_commit(shard);
        if (has_committed)
            (void)chat__shard_take_effects(shard);
        int has_sent = chat__peer_flush_all(shard);
        is_busy = has_effects || has_committed || has_sent;
    }
    chat__shard_send_batches(shard);
    chat__slot_check(shard);
    shard->is_in_turn = 0;
    report_idle(shard);
    settle_mail(shard);
    set_timer(shard);
    chat__metrics_publish(shard);
    if (is_busy)
        chat__shard_wake(shard);
}

void chat__shard_took(chat__shard *shard, size_t bytes)
{
    shard->turn_bytes += bytes;
    if (shard->turn_bytes >= CHAT__SERVER_TURN_BYTES)
        chat__shard_end(shard);
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    chat__shard *shard = wake->data;
    uint64_t count;
    (void)status;
    (void)events;
    if (read(shard->wake_fd, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    /* Before the mail is taken: what comes behind that wakes again. */
    atomic_store(&shard->is_woken, 0);
    follow_phase(shard);
    chat__lessee_follow(shard);
    chat__shard_begin(shard);
    chat__shard_take_mail(shard);
    chat__slot_follow(shard);
}

static void on_before_poll(uv_prepare_t *handle)
{
    chat__shard_end(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
    chat__shard_end(handle->data);
}

/* --- life --- */

/* No uv_async_t: its loop spins while the thread that wakes it is between two steps, which is where
   it is when both share a CPU. */
void chat__shard_wake(chat__shard *shard)
{
    const uint64_t one = 1;
    if (atomic_exchange(&shard->is_woken, 1) == 0 &&
        write(shard->wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
        atomic_store(&shard->is_woken, 0); /* cannot be: the counter is far from its end */
}

void chat__shard_post(chat__shard *to, chat__batch *batch)
{
    atomic_fetch_add(&to->server->n_mail, 1);
    if (chat__mailbox_put(&to->box, batch))
        chat__shard_wake(to);
}

static void shard_main(void *arg)
{
    chat__shard *shard = arg;
    uv_update_time(&shard->loop);
    chat__lessee_follow(shard);
    chat__slot_begin(shard);
    follow_phase(shard);
    if (atomic_load(&shard->server->phase) < CHAT__PHASE_STOPPING)
        (void)uv_run(&shard->loop, UV_RUN_DEFAULT);
}

int chat__shard_start(chat__shard *shard)
{
    int error = uv_thread_create(&shard->thread, shard_main, shard);
    shard->is_running = error == 0;
    return error;
}

static chat_status make_ws_pool(chat__shard *shard)
{
    chat__ws_limits limits = {.max_message_bytes = (size_t)shard->server->options.max_frame_bytes,
                              .max_fragments = MAX_FRAGMENTS,
                              .deflate_min_bytes = DEFLATE_MIN_BYTES};
    return chat__ws_pool_new(&shard->server->allocator, &limits, &shard->ws_pool);
}

static chat_status make_tls(chat__shard *shard)
{
    const chat_server_options *options = &shard->server->options;
    char why[CHAT__SERVER_WHY_BYTES] = "";
    if (options->tls_cert == NULL)
        return CHAT_OK;
    chat_status status =
        chat__tls_server_new(options->tls_cert, options->tls_key, why, sizeof why, &shard->tls);
    if (status != CHAT_OK)
        chat__server_log(shard->server, CHAT_LOG_ERROR, "tls-cert %s, tls-key %s: %s",
                         options->tls_cert, options->tls_key, why);
    return status;
}

static int make_loop(chat__shard *shard)
{
    int error = uv_loop_init(&shard->loop);
    if (error != 0)
        return error;
    shard->has_loop = 1;
    shard->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (shard->wake_fd < 0)
        return UV_EMFILE;
    error = uv_poll_init(&shard->loop, &shard->wake, shard->wake_fd);
    if (error != 0)
        return error;
    (void)uv_prepare_init(&shard->loop, &shard->before_poll);
    (void)uv_check_init(&shard->loop, &shard->after_poll);
    (void)uv_timer_init(&shard->loop, &shard->timer);
    (void)uv_timer_init(&shard->loop, &shard->accept_timer);
    shard->wake.data = shard->before_poll.data = shard->after_poll.data = shard;
    shard->timer.data = shard->accept_timer.data = shard->listener.data = shard;
    shard->has_handles = 1;
    (void)uv_poll_start(&shard->wake, UV_READABLE, on_wake);
    (void)uv_prepare_start(&shard->before_poll, on_before_poll);
    (void)uv_check_start(&shard->after_poll, on_after_poll);
    return 0;
}

chat_status chat__shard_init(chat__shard *shard, chat_server *server, uint32_t index)
{
    shard->server = server;
    shard->index = index;
    shard->listen_fd = shard->reserve_fd = shard->wake_fd = -1;
    shard->timer_at_ms = UINT64_MAX;
    shard->slot_until_ms = UINT64_MAX;
    if (chat__mailbox_init(&shard->box) != 0)
        return CHAT_ERR_NOMEM;
    shard->has_box = 1;
    if (make_loop(shard) != 0)
        return CHAT_ERR_NOMEM;
    shard->links = chat__alloc_zero(&server->allocator, server->n_shards * sizeof(chat__batch *));
    if (shard->links == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = make_tls(shard);
    if (status == CHAT_OK)
        status = chat__slots_init(shard);
    if (status == CHAT_OK)
        status = chat__slot_init(shard);
    if (status == CHAT_OK)
        status = make_ws_pool(shard);
    if (status == CHAT_OK)
        status = chat__listen_open(server, &shard->listen_fd);
    if (status == CHAT_OK)
        status = chat__listen_start(shard);
    return status;
}

static void close_loop(chat__shard *shard)
{
    if (shard->has_handles) {
        uv_close((uv_handle_t *)&shard->wake, NULL);
        uv_close((uv_handle_t *)&shard->before_poll, NULL);
        uv_close((uv_handle_t *)&shard->after_poll, NULL);
        uv_close((uv_handle_t *)&shard->timer, NULL);
        uv_close((uv_handle_t *)&shard->accept_timer, NULL);
    }
    shard->has_handles = 0;
    /* More than once: a stop that nobody waited for ends the first run at once. */
    while (shard->has_loop && uv_loop_close(&shard->loop) == UV_EBUSY)
        (void)uv_run(&shard->loop, UV_RUN_DEFAULT);
    shard->has_loop = 0;
    if (shard->wake_fd >= 0)
        close(shard->wake_fd);
    shard->wake_fd = -1;
}

void chat__shard_done(chat__shard *shard)
{
    chat_allocator *allocator = chat__shard_allocator(shard);
    if (shard->has_loop) {
        chat__listen_stop(shard);
        chat__greet_close_all(shard);
        chat__peer_close_all(shard);
    }
    close_loop(shard);
    settle_mail(shard);
    chat__slots_done(shard);
    chat__shard_free_batches(shard);
    chat__batch_free(allocator, shard->appends);
    chat__batch_free(allocator, shard->newcomers);
    chat__batch_free(allocator, shard->commons);
    for (uint32_t i = 0; shard->links != NULL && i < shard->server->n_shards; i++)
        chat__batch_free(allocator, shard->links[i]);
    if (shard->has_box)
        chat__mailbox_done(&shard->box, allocator);
    shard->has_box = 0;
    chat__alloc_free(allocator, shard->links);
    chat__peers_free(shard);
    chat__node_free(shard->node);
    chat__ws_pool_free(shard->ws_pool);
    chat__tls_context_free(shard->tls);
}
