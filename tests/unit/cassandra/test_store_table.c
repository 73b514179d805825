/* SPDX-License-Identifier: MIT */
#include <chat/cassandra_store.h>

#include "base/view.h"
#include "unit.h"

#include <pthread.h>
#include <time.h>

static chat_cassandra_options cassandra;
static chat_cassandra_store_options options;

/* Nobody listens there. */
static int set_up(void **state)
{
    (void)state;
    chat_cassandra_options_init(&cassandra);
    chat_cassandra_store_options_init(&options);
    cassandra.contact_points = "127.0.0.1:1";
    cassandra.request_timeout_ms = 200;
    options.cassandra = &cassandra;
    return 0;
}

static void options_out_of_range_are_refused(void **state)
{
    chat_cassandra_store *store = NULL;
    (void)state;
    assert_int_equal(chat_cassandra_store_new(NULL, &store), CHAT_ERR_ARG);
    assert_int_equal(chat_cassandra_store_new(&options, NULL), CHAT_ERR_ARG);
    options.n_partitions = 0;
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_ERR_ARG);
    options.n_partitions = 1;
    options.max_in_flight = 0;
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_ERR_ARG);
    options.max_in_flight = 1;
    cassandra.contact_points = "";
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_ERR_ARG);
    assert_null(store);
    chat_cassandra_store_free(NULL);
}

static chat_status apply_one(chat_cassandra_store *store)
{
    const chat_store *table = chat_cassandra_store_table(store);
    chat_store_record record = {.struct_size = sizeof record, .seq = 1, .kind = 1};
    record.chat = chat__view_str("c");
    record.payload = chat__view_str("x");
    return table->apply(table->ctx, &record, 1);
}

static void a_cluster_that_is_not_there_is_told_in_time(void **state)
{
    chat_cassandra_store *store = NULL;
    chat_cassandra_figures figures = {.struct_size = sizeof figures};
    (void)state;
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_OK);
    assert_int_equal(apply_one(store), CHAT_ERR_NETWORK);
    assert_int_equal(chat_cassandra_store_get_figures(store, &figures), CHAT_OK);
    assert_int_equal(figures.nodes_up, 0);
    chat_cassandra_store_free(store);
}

static void *wait_in_vain(void *ctx)
{
    return (void *)(intptr_t)apply_one(ctx);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void who_waits_is_told_of_the_end(void **state)
{
    enum { N = 8 };
    chat_cassandra_store *store = NULL;
    pthread_t threads[N];
    uint64_t began = now_ms();
    (void)state;
    cassandra.request_timeout_ms = 60000;
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_in_vain, store), 0);
    chat_cassandra_store_stop(store);
    for (int i = 0; i < N; i++) {
        void *status = NULL;
        assert_int_equal(pthread_join(threads[i], &status), 0);
        assert_int_equal((intptr_t)status, CHAT_ERR_CLOSED);
    }
    assert_true(now_ms() - began < 30000);
    chat_cassandra_store_free(store);
}

static void records_that_cannot_be_are_refused(void **state)
{
    chat_cassandra_store *store = NULL;
    chat_store_record record = {.struct_size = sizeof record, .seq = 1, .partition = 64};
    (void)state;
    record.chat = chat__view_str("c");
    assert_int_equal(chat_cassandra_store_new(&options, &store), CHAT_OK);
    const chat_store *table = chat_cassandra_store_table(store);
    assert_int_equal(table->apply(table->ctx, &record, 1), CHAT_ERR_ARG);
    record.partition = 0;
    record.seq = 0;
    assert_int_equal(table->apply(table->ctx, &record, 1), CHAT_ERR_ARG);
    record.seq = 1;
    record.chat.len = 0;
    assert_int_equal(table->apply(table->ctx, &record, 1), CHAT_ERR_ARG);
    assert_int_equal(table->apply(table->ctx, &record, 0), CHAT_OK);
    chat_cassandra_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(options_out_of_range_are_refused, set_up),
        cmocka_unit_test_setup(a_cluster_that_is_not_there_is_told_in_time, set_up),
        cmocka_unit_test_setup(who_waits_is_told_of_the_end, set_up),
        cmocka_unit_test_setup(records_that_cannot_be_are_refused, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
