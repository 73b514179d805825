/* SPDX-License-Identifier: MIT */
/* Readers, cursors and flushes on their own threads while the writer appends. */
#include "store_helper.h"

#include <stdatomic.h>
#include <stdio.h>

#define N_BATCHES 120
#define N_CHATS   5

typedef struct shared {
    chat__store *store;
    atomic_int is_done;
    atomic_int n_wrong;
    atomic_uint_fast64_t committed; /* highest seq */
} shared;

static const char *const NAMES[N_CHATS] = {"a", "dm:3:ann:bob", "c", "d", "e"};

typedef struct order {
    uint64_t last;
    uint64_t n_rows;
    int is_wrong;
} order;

static void take_row(void *ctx, const chat__store_row *row)
{
    order *seen = ctx;
    seen->is_wrong |= row->prev != seen->last || row->seq <= seen->last;
    seen->last = row->seq;
    seen->n_rows++;
}

static void *read_all(void *arg)
{
    shared *s = arg;
    while (!atomic_load(&s->is_done)) {
        for (size_t i = 0; i < N_CHATS; i++) {
            order seen = {0, 0, 0};
            uint64_t committed = atomic_load(&s->committed);
            chat__store_query query = {.chat = chat__view_str(NAMES[i]), .limit = 37};
            chat_status status = CHAT_MORE;
            while (status == CHAT_MORE) {
                query.after = seen.last;
                status = chat__store_read(s->store, &query, take_row, &seen);
            }
            /* The last of each batch of five is in the last chat. */
            int is_behind = i + 1 == N_CHATS && seen.last < committed;
            if (status != CHAT_OK || seen.is_wrong || is_behind)
                atomic_fetch_add(&s->n_wrong, 1);
        }
    }
    return NULL;
}

typedef struct last_of {
    uint64_t cursor;
    uint64_t seq;
} last_of;

static void take_chat(void *ctx, const chat__store_user_chat *row)
{
    last_of *last = ctx;
    last->cursor = row->cursor;
    last->seq = row->last_seq;
}

static void *load_and_ack(void *arg)
{
    shared *s = arg;
    chat_view user = chat__view_str("bob");
    chat_view device = chat__view_str("phone");
    last_of before = {0, 0};
    for (uint64_t now = 1; !atomic_load(&s->is_done); now++) {
        last_of last = before;
        chat__store_visit visit = {.user = user, .device = device, .now_unix_ms = now};
        chat_status status = chat__store_load_user(s->store, &visit, take_chat, &last);
        if (status < 0 || (status == CHAT_EMPTY) != (now == 1) || last.cursor != before.seq ||
            last.seq < before.seq)
            atomic_fetch_add(&s->n_wrong, 1);
        if (last.seq > 0 &&
            chat__store_put_cursor(s->store, user, device, chat__view_str("dm:3:ann:bob"), last.seq,
                                   1) != CHAT_OK)
            atomic_fetch_add(&s->n_wrong, 1);
        before = last;
    }
    return NULL;
}

static void *flush(void *arg)
{
    shared *s = arg;
    while (!atomic_load(&s->is_done)) {
        if (chat__store_flush(s->store) != CHAT_OK)
            atomic_fetch_add(&s->n_wrong, 1);
    }
    return NULL;
}

static void readers_see_whole_batches_in_order_while_the_writer_appends(void **state)
{
    fixture *f = *state;
    shared s = {.store = f->store};
    pthread_t threads[4];
    void *(*const jobs[4])(void *) = {read_all, read_all, load_and_ack, flush};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, jobs[i], &s), 0);
    for (uint64_t batch = 0; batch < N_BATCHES; batch++) {
        uint64_t seq = 0;
        for (size_t i = 0; i < 5 * N_CHATS; i++)
            seq = put(f, NAMES[i % N_CHATS], 1, "text");
        commit(f);
        atomic_store(&s.committed, seq);
    }
    atomic_store(&s.is_done, 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&s.n_wrong), 0);
    for (size_t i = 0; i < N_CHATS; i++)
        check_pages(f, NAMES[i], 100);
    reopen(f);
    for (size_t i = 0; i < N_CHATS; i++)
        check_pages(f, NAMES[i], 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_see_whole_batches_in_order_while_the_writer_appends),
        FAULTY_TEST(readers_see_whole_batches_in_order_while_the_writer_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
