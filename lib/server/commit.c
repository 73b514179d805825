/* SPDX-License-Identifier: MIT */
/*
 * The two threads that write. The log thread takes what all shards handed in, stages it, commits it
 * once (group commit: one fdatasync for all) and sends the batches back. The state thread writes
 * the views back to SQLite now and then, so that commits do not wait for it.
 *
 * As long as commits are fast and nobody else has something to write, a shard commits itself: to
 * wake another thread and be woken costs more than the commit.
 */
#include "internal.h"
#include "base/view.h"

#include <time.h>

/* A commit that waited longer is left to the log thread: a shard does not wait for a disk. */
#define FAST_COMMIT_NS 250000u
/* Devices that are forgotten between two flushes. */
#define FORGET_COUNT 256u

chat_status chat__committer_init(chat__committer *committer, chat_server *server)
{
    committer->server = server;
    if (uv_mutex_init(&committer->mutex) != 0)
        return CHAT_ERR_NOMEM;
    if (uv_cond_init(&committer->log_wake) != 0)
        goto no_log_wake;
    if (uv_cond_init(&committer->state_wake) != 0)
        goto no_state_wake;
    if (uv_mutex_init(&committer->log_lock) != 0)
        goto no_log_lock;
    if (chat__mailbox_init(&committer->box) != 0)
        goto no_box;
    if (chat__mailbox_init(&committer->flush_box) != 0)
        goto no_flush_box;
    committer->has_sync = 1;
    return CHAT_OK;
no_flush_box:
    chat__mailbox_done(&committer->box, &committer->server->allocator);
no_box:
    uv_mutex_destroy(&committer->log_lock);
no_log_lock:
    uv_cond_destroy(&committer->state_wake);
no_state_wake:
    uv_cond_destroy(&committer->log_wake);
no_log_wake:
    uv_mutex_destroy(&committer->mutex);
    return CHAT_ERR_NOMEM;
}

void chat__committer_done(chat__committer *committer)
{
    if (!committer->has_sync)
        return;
    committer->has_sync = 0;
    chat__mailbox_done(&committer->box, &committer->server->allocator);
    chat__mailbox_done(&committer->flush_box, &committer->server->allocator);
    uv_mutex_destroy(&committer->log_lock);
    uv_cond_destroy(&committer->state_wake);
    uv_cond_destroy(&committer->log_wake);
    uv_mutex_destroy(&committer->mutex);
}

/* --- the log thread --- */

static void report_broken(chat_server *server)
{
    if (atomic_exchange(&server->is_broken, 1) == 0)
        chat__server_log(server, CHAT_LOG_ERROR,
                         "STORAGE FAILED: the log in %s could not be written. What was "
                         "acknowledged is safe; nothing more is taken, reading goes on. Check the "
                         "disk, then restart.",
                         server->options.data);
}

/* A place among the records of some batches. */
typedef struct walk {
    chat__batch *batch;
    size_t at;
} walk;

static chat__append_head *next_record(walk *it)
{
    chat__append_head *head = NULL;
    while (it->batch != NULL && (head = chat__batch_next_record(it->batch, &it->at)) == NULL) {
        it->batch = it->batch->next;
        it->at = 0;
    }
    return head;
}

/* Have what memory knows of the next record's chat near before its turn comes. */
static void expect_next(chat_server *server, walk *it)
{
    chat__append_head *head = next_record(it);
    if (head != NULL)
        head->hash = chat__store_expect(server->store, chat__view(head + 1, head->chat_len));
}

static chat_status stage(chat_server *server, chat__append_head *head)
{
    const uint8_t *bytes = (const uint8_t *)(head + 1);
    chat__store_record record = {.partition = head->partition,
                                 .kind = head->kind,
                                 .id = head->id,
                                 .chat = chat__view(bytes, head->chat_len),
                                 .hash = head->hash,
                                 .payload = chat__view(bytes + head->chat_len, head->payload_len)};
    chat_status status = chat__store_append(server->store, &record);
    if (status == CHAT_OK) {
        head->is_staged = 1;
        head->seq = record.seq;
        head->prev = record.prev;
    }
    return status;
}

/* Commit what is staged in `first` up to `last` (NULL: to the end) and note how it went. */
static void commit(chat_server *server, chat__batch *first)
{
    chat_status status = chat__store_commit(server->store);
    if (status == CHAT_ERR_IO)
        report_broken(server);
    chat__append_head *head;
    for (walk it = {first, 0}; (head = next_record(&it)) != NULL; head->is_staged = 0) {
        if (head->is_staged)
            head->status = status;
    }
}

static void stage_all(chat_server *server, chat__batch *first)
{
    walk it = {first, 0}, ahead = it;
    chat__append_head *head;
    for (uint32_t i = 0; i < CHAT__STORE_AHEAD; i++)
        expect_next(server, &ahead);
    while ((head = next_record(&it)) != NULL) {
        expect_next(server, &ahead);
        head->status = stage(server, head);
        if (head->status == CHAT_ERR_BUSY) { /* too much at once: make room */
            commit(server, first);
            head->status = stage(server, head);
        }
        if (head->status == CHAT_ERR_IO)
            report_broken(server);
    }
}

/* CPU of this thread: the rest of the time that passes it waits. */
static uint64_t worked_ns(void)
{
    struct timespec cpu = {0, 0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

/* Under `log_lock`. */
static void write_all(chat__committer *committer, chat__batch *first)
{
    uint64_t start_ns = uv_hrtime(), start_cpu_ns = worked_ns();
    stage_all(committer->server, first);
    commit(committer->server, first);
    uint64_t took_ns = uv_hrtime() - start_ns;
    atomic_store(&committer->is_fast, took_ns < FAST_COMMIT_NS + (worked_ns() - start_cpu_ns));
    atomic_fetch_add_explicit(&committer->n_commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&committer->commit_ns, took_ns, memory_order_relaxed);
    if (chat__store_wants_flush(committer->server->store))
        uv_cond_signal(&committer->state_wake);
}

static void send_back(chat__committer *committer, chat__batch *batch)
{
    while (batch != NULL) {
        chat__batch *next = batch->next;
        atomic_fetch_sub(&committer->n_handed, 1);
        chat__shard_post(&committer->server->shards[batch->from], batch);
        batch = next;
    }
}

static void log_main(void *arg)
{
    chat__committer *committer = arg;
    for (;;) {
        uv_mutex_lock(&committer->log_lock);
        chat__batch *all = chat__mailbox_take(&committer->box);
        if (all != NULL)
            write_all(committer, all);
        uv_mutex_unlock(&committer->log_lock);
        if (all != NULL) {
            send_back(committer, all);
            continue;
        }
        uv_mutex_lock(&committer->mutex);
        int is_stopping = committer->is_stopping;
        /* A batch that came in between was put there under this mutex. */
        if (!is_stopping && committer->box.first == NULL)
            uv_cond_wait(&committer->log_wake, &committer->mutex);
        uv_mutex_unlock(&committer->mutex);
        if (is_stopping)
            return;
    }
}

void chat__committer_append(chat__committer *committer, chat__batch *batch)
{
    atomic_fetch_add(&committer->n_handed, 1);
    uv_mutex_lock(&committer->mutex);
    int was_empty = chat__mailbox_put(&committer->box, batch);
    uv_mutex_unlock(&committer->mutex);
    if (was_empty)
        uv_cond_signal(&committer->log_wake);
}

int chat__committer_try(chat__committer *committer, chat__batch *batch)
{
    if (!atomic_load(&committer->is_fast) || atomic_load(&committer->n_handed) > 0 ||
        uv_mutex_trylock(&committer->log_lock) != 0)
        return 0;
    write_all(committer, batch);
    uv_mutex_unlock(&committer->log_lock);
    return 1;
}

/* --- the state thread --- */

static chat_status flush(chat_server *server)
{
    chat_status status = chat__store_flush(server->store);
    if (status != CHAT_OK)
        chat__server_log(server, CHAT_LOG_WARN,
                         "%s: the state could not be written back (%s); the log has everything, "
                         "and it is tried again",
                         server->options.data, chat_status_text(status));
    return status;
}

/* What was handed in before the flush is on disk with it. */
static void flush_for(chat__committer *committer, chat__batch *waiting)
{
    chat_status status = flush(committer->server);
    while (waiting != NULL) {
        chat__batch *next = waiting->next;
        waiting->status = status;
        chat__shard_post(&committer->server->shards[waiting->from], waiting);
        waiting = next;
    }
}

static void forget_unseen(chat_server *server)
{
    chat_status status =
        chat__store_forget_unseen(server->store, chat__server_unix_ms(), FORGET_COUNT);
    if (status < 0)
        chat__server_log(server, CHAT_LOG_WARN,
                         "%s: devices that are away for long could not be forgotten (%s); it is "
                         "tried again",
                         server->options.data, chat_status_text(status));
}

void chat__committer_flush(chat__committer *committer, chat__batch *batch)
{
    uv_mutex_lock(&committer->mutex);
    (void)chat__mailbox_put(&committer->flush_box, batch);
    uv_cond_signal(&committer->state_wake);
    uv_mutex_unlock(&committer->mutex);
}

static void state_main(void *arg)
{
    chat__committer *committer = arg;
    chat_server *server = committer->server;
    uint64_t interval_ns = server->options.flush_interval_ms * 1000000u;
    for (;;) {
        uv_mutex_lock(&committer->mutex);
        int is_stopping = committer->is_stopping;
        if (!is_stopping && committer->flush_box.first == NULL)
            (void)uv_cond_timedwait(&committer->state_wake, &committer->mutex, interval_ns);
        uv_mutex_unlock(&committer->mutex);
        flush_for(committer, chat__mailbox_take(&committer->flush_box));
        if (is_stopping)
            return;
        forget_unseen(server);
    }
}

chat_status chat__committer_start(chat__committer *committer)
{
    committer->is_stopping = 0;
    if (uv_thread_create(&committer->log_thread, log_main, committer) != 0)
        return CHAT_ERR_NOMEM;
    committer->is_log_running = 1;
    if (uv_thread_create(&committer->state_thread, state_main, committer) != 0)
        return CHAT_ERR_NOMEM;
    committer->is_state_running = 1;
    return CHAT_OK;
}

void chat__committer_stop(chat__committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    committer->is_stopping = 1;
    uv_cond_broadcast(&committer->log_wake);
    uv_cond_broadcast(&committer->state_wake);
    uv_mutex_unlock(&committer->mutex);
    if (committer->is_log_running)
        uv_thread_join(&committer->log_thread);
    if (committer->is_state_running)
        uv_thread_join(&committer->state_thread);
    committer->is_log_running = committer->is_state_running = 0;
}
