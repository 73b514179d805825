/* SPDX-License-Identifier: MIT */
/* See askers.h. */
#include "askers.h"
#include "recent.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/view.h"

/* Under way, of all shards; above it: busy. */
#define MAX_QUESTIONS 65536u
/* Cursors of one call. */
#define MAX_CURSORS 256u
/* So long a cursor waits for a newer one of the same device and chat, as long as nothing is asked
   behind it: where a device is changes with each message, and the newest place is enough. */
#define CURSOR_LINGER_MS 500u
#define NS_IN_MS         UINT64_C(1000000)
/* A cursor that could not be written is tried so often, with pauses; then its device is sent those
   messages again. */
#define CURSOR_TRIES    5u
#define CURSOR_PAUSE_MS 200u

typedef struct asker {
    chat__askers *all;
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t wake;
    chat__question *first, *last;
    chat__map cursors; /* that are among them, by chat, user and device */
    size_t n_queued;
    uint64_t since_ms;  /* when the first of them came */
    uint64_t n_cursors; /* that were put */
    uint64_t n_written; /* of them written, or given up */
    uv_cond_t written;
    int is_running, is_stopping, is_hurried;
} asker;

struct chat__askers {
    chat_server *server;
    const chat_store *store;
    atomic_uint n_questions;
    uint32_t n_threads;
    asker items[];
};

/* --- a thread --- */

static void post(chat__askers *all, chat__question *question)
{
    chat_server *server = all->server;
    chat__shard *shard = &server->shards[question->from];
    chat__batch *batch = chat__batch_new(&server->allocator, CHAT__MAIL_ANSWER, question->from);
    if (batch == NULL) {
        chat__server_log(server, CHAT_LOG_ERROR, "out of memory: the server ends");
        atomic_store(&server->is_broken, 1);
        chat_server_stop(server);
        chat__question_free(&server->allocator, question);
        return;
    }
    batch->question = question;
    batch->life = question->life;
    chat__shard_post(shard, batch);
}

static int has_answer(const chat__question *question)
{
    return question->effect.type != CHAT__EFFECT_CURSOR &&
           question->effect.type != CHAT__EFFECT_SEEN;
}

static void count_written(asker *self, size_t n)
{
    uv_mutex_lock(&self->mutex);
    self->n_written += n;
    uv_cond_broadcast(&self->written);
    uv_mutex_unlock(&self->mutex);
}

/*
 * How far the members of a chat are is asked when the cursors are written that were put before, of
 * all users: who was told of an ack finds it. Nobody waits for what was put behind his question, so
 * no two wait for each other.
 */
static void wait_for_cursors(asker *self, const chat__question *question)
{
    for (uint32_t i = 0; question->after != NULL && i < self->all->n_threads; i++) {
        asker *other = &self->all->items[i];
        uv_mutex_lock(&other->mutex);
        while (other != self && other->n_written < question->after[i]) {
            other->is_hurried = 1;
            uv_cond_signal(&other->wake);
            uv_cond_wait(&other->written, &other->mutex);
        }
        uv_mutex_unlock(&other->mutex);
    }
}

static void answer(asker *self, chat__question *question)
{
    chat__askers *all = self->all;
    wait_for_cursors(self, question);
    chat__recent_ask *recent = chat__recent_get(all->server, &question->effect, &question->recent);
    chat__question_ask(question, all->store, chat__server_unix_ms());
    if (recent != NULL)
        chat__recent_count(all->server, question->recent.is_used != 0);
    chat__recent_release(recent);
    atomic_fetch_sub(&all->n_questions, 1);
    if (has_answer(question)) {
        post(all, question);
        return;
    }
    if (question->answer.status != CHAT_OK)
        chat__server_log(all->server, CHAT_LOG_WARN,
                         "when a device was last here was not kept (%s)",
                         chat_status_text(question->answer.status));
    chat__question_free(&all->server->allocator, question);
}

static void write_cursors(asker *self, const chat_store_cursor *cursors, size_t n)
{
    const chat_store *store = self->all->store;
    chat_status status = CHAT_ERR_BUSY;
    for (uint32_t i = 0; i < CURSOR_TRIES && status != CHAT_OK; i++) {
        if (i > 0)
            uv_sleep(CURSOR_PAUSE_MS);
        status = store->put_cursors(store->ctx, cursors, n);
    }
    if (status != CHAT_OK)
        chat__server_log(self->all->server, CHAT_LOG_WARN,
                         "positions of %zu devices were not kept (%s): they will be sent messages "
                         "again",
                         n, chat_status_text(status));
}

/* The cursors at the front of `first`, up to another kind of question; what is behind them. */
static chat__question *take_cursors(asker *self, chat__question *first)
{
    chat__askers *all = self->all;
    chat_store_cursor cursors[MAX_CURSORS];
    size_t n = 0;
    chat__question *end = first;
    for (; end != NULL && end->effect.type == CHAT__EFFECT_CURSOR && n < MAX_CURSORS;
         end = end->next) {
        const chat__effect *effect = &end->effect;
        cursors[n++] = (chat_store_cursor){effect->user, effect->device, effect->chat, effect->seq,
                                           effect->after};
    }
    if (n > 0) {
        write_cursors(self, cursors, n);
        count_written(self, n);
    }
    while (first != end) {
        chat__question *next = first->next;
        chat__question_free(&all->server->allocator, first);
        atomic_fetch_sub(&all->n_questions, 1);
        first = next;
    }
    return end;
}

/* How long nobody needs what is queued; under the mutex. */
static uint64_t idle_ms(const asker *self)
{
    uint64_t past_ms = chat__server_mono_ms() - self->since_ms;
    int has_time = self->n_queued == self->cursors.n_items && self->n_queued < MAX_CURSORS &&
                   !self->is_hurried && !self->is_stopping;
    return has_time && past_ms < CURSOR_LINGER_MS ? CURSOR_LINGER_MS - past_ms : 0;
}

static chat__question *wait_for_questions(asker *self)
{
    uint64_t wait_ms;
    uv_mutex_lock(&self->mutex);
    while (self->first == NULL && !self->is_stopping)
        uv_cond_wait(&self->wake, &self->mutex);
    while (self->first != NULL && (wait_ms = idle_ms(self)) > 0)
        (void)uv_cond_timedwait(&self->wake, &self->mutex, wait_ms * NS_IN_MS);
    chat__question *all = self->first;
    self->first = self->last = NULL;
    self->n_queued = 0;
    self->is_hurried = 0;
    chat__map_done(&self->cursors);
    uv_mutex_unlock(&self->mutex);
    return all;
}

static void asker_main(void *arg)
{
    asker *self = arg;
    chat__question *first;
    while ((first = wait_for_questions(self)) != NULL) {
        while (first != NULL) {
            first = take_cursors(self, first);
            chat__question *next = first == NULL ? NULL : first->next;
            if (first != NULL && first->effect.type != CHAT__EFFECT_CURSOR)
                answer(self, first);
            else
                next = first;
            first = next;
        }
    }
}

/* --- all of them --- */

chat_status chat__askers_new(chat_server *server, const chat_store *store, uint32_t n_threads,
                             chat__askers **out)
{
    chat__askers *all =
        chat__alloc_zero(&server->allocator, sizeof *all + n_threads * sizeof *all->items);
    if (all == NULL)
        return CHAT_ERR_NOMEM;
    all->server = server;
    all->store = store;
    *out = all;
    for (uint32_t i = 0; i < n_threads; i++) {
        asker *self = &all->items[i];
        self->all = all;
        chat__map_init(&self->cursors, &server->allocator, MAX_QUESTIONS, server->seed);
        if (uv_mutex_init(&self->mutex) != 0)
            return CHAT_ERR_NOMEM;
        if (uv_cond_init(&self->wake) != 0) {
            uv_mutex_destroy(&self->mutex);
            return CHAT_ERR_NOMEM;
        }
        if (uv_cond_init(&self->written) != 0) {
            uv_cond_destroy(&self->wake);
            uv_mutex_destroy(&self->mutex);
            return CHAT_ERR_NOMEM;
        }
        all->n_threads = i + 1;
    }
    return CHAT_OK;
}

chat_status chat__askers_start(chat__askers *askers)
{
    for (uint32_t i = 0; i < askers->n_threads; i++) {
        if (uv_thread_create(&askers->items[i].thread, asker_main, &askers->items[i]) != 0)
            return CHAT_ERR_NOMEM;
        askers->items[i].is_running = 1;
    }
    return CHAT_OK;
}

void chat__askers_stop(chat__askers *askers)
{
    for (uint32_t i = 0; i < askers->n_threads; i++) {
        asker *self = &askers->items[i];
        uv_mutex_lock(&self->mutex);
        self->is_stopping = 1;
        uv_cond_signal(&self->wake);
        uv_mutex_unlock(&self->mutex);
    }
    for (uint32_t i = 0; i < askers->n_threads; i++) {
        if (askers->items[i].is_running)
            uv_thread_join(&askers->items[i].thread);
        askers->items[i].is_running = 0;
    }
}

void chat__askers_free(chat__askers *askers)
{
    if (askers == NULL)
        return;
    const chat_allocator allocator = askers->server->allocator;
    for (uint32_t i = 0; i < askers->n_threads; i++) {
        asker *self = &askers->items[i];
        while (self->first != NULL) {
            chat__question *next = self->first->next;
            chat__question_free(&allocator, self->first);
            self->first = next;
        }
        chat__map_done(&self->cursors);
        uv_cond_destroy(&self->written);
        uv_cond_destroy(&self->wake);
        uv_mutex_destroy(&self->mutex);
    }
    chat__alloc_free(&allocator, askers);
}

/* --- shards --- */

/* Where each thread's cursors are now. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status note_cursors(chat__askers *all, chat__question *question)
{
    if (question->effect.type != CHAT__EFFECT_LOAD_MARKS)
        return CHAT_OK;
    question->after =
        chat__alloc_zero(&all->server->allocator, all->n_threads * sizeof *question->after);
    for (uint32_t i = 0; question->after != NULL && i < all->n_threads; i++) {
        uv_mutex_lock(&all->items[i].mutex);
        question->after[i] = all->items[i].n_cursors;
        uv_mutex_unlock(&all->items[i].mutex);
    }
    return question->after != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
}

/* The copies of a question's names are one behind the other. */
static chat_view names_of(const chat__question *question)
{
    const chat__effect *effect = &question->effect;
    return chat__view(effect->chat.data, effect->chat.len + effect->user.len + effect->device.len);
}

/* Whether a cursor of the same device and chat waits, and is moved on instead. Under the mutex. */
static int has_moved(asker *self, const chat__question *made)
{
    const chat__effect *effect = &made->effect;
    chat__question *waits =
        effect->type == CHAT__EFFECT_CURSOR ? chat__map_get(&self->cursors, names_of(made)) : NULL;
    if (waits == NULL || !chat__view_equal(waits->effect.chat, effect->chat) ||
        !chat__view_equal(waits->effect.user, effect->user))
        return 0;
    if (effect->seq > waits->effect.seq) {
        waits->effect.seq = effect->seq;
        waits->effect.after = effect->after;
    }
    return 1;
}

/* Under the mutex. Whether its thread is to look. */
static int enqueue(asker *self, chat__question *made)
{
    if (self->first == NULL)
        self->since_ms = chat__server_mono_ms();
    if (made->effect.type == CHAT__EFFECT_CURSOR) {
        self->n_cursors++;
        /* One that is not known there waits for nothing. */
        (void)chat__map_put(&self->cursors, names_of(made), made);
    }
    if (self->first == NULL)
        self->first = made;
    else
        self->last->next = made;
    self->last = made;
    self->n_queued++;
    return self->n_queued == 1 || idle_ms(self) == 0;
}

void chat__askers_put(chat__shard *shard, const chat__effect *effect)
{
    chat__askers *all = shard->server->askers;
    chat__question *made = chat__question_new(chat__shard_allocator(shard), effect);
    if (made == NULL || note_cursors(all, made) != CHAT_OK) {
        chat__question none = {.effect = *effect, .answer = {.status = CHAT_ERR_NOMEM}};
        chat__question_give(&none, shard->node);
        chat__question_free(chat__shard_allocator(shard), made);
        return;
    }
    if (atomic_fetch_add(&all->n_questions, 1) >= MAX_QUESTIONS) {
        atomic_fetch_sub(&all->n_questions, 1);
        made->answer.status = CHAT_ERR_BUSY;
        chat__question_give(made, shard->node);
        chat__question_free(chat__shard_allocator(shard), made);
        return;
    }
    made->from = shard->index;
    made->life = shard->life;
    asker *self = &all->items[made->key % all->n_threads];
    uv_mutex_lock(&self->mutex);
    int is_moved = has_moved(self, made);
    if (!is_moved && enqueue(self, made))
        uv_cond_signal(&self->wake);
    uv_mutex_unlock(&self->mutex);
    if (is_moved) {
        atomic_fetch_sub(&all->n_questions, 1);
        chat__question_free(chat__shard_allocator(shard), made);
    }
}

void chat__askers_take(chat__shard *shard, chat__batch *batch)
{
    if (shard->node != NULL)
        chat__question_give(batch->question, shard->node);
}
