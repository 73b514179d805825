/* SPDX-License-Identifier: MIT */
#include <chat/id.h>

#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOW        (CHAT_EPOCH_MS + 1000)
#define LAST_MS    (CHAT_EPOCH_MS + (UINT64_C(1) << 41) - 1)
#define N_SEQUENCE (CHAT_SNOWFLAKE_MAX_SEQUENCE + 1)

/* Both generators behind one face: every rule is for both. */
typedef struct any_gen {
    int is_shared;
    chat_idgen one;
    chat_idgen_shared shared;
} any_gen;

static chat_status init(any_gen *gen, int is_shared, uint32_t node, uint64_t not_before_id)
{
    gen->is_shared = is_shared;
    return is_shared ? chat_idgen_shared_init(&gen->shared, node, not_before_id)
                     : chat_idgen_init(&gen->one, node, not_before_id);
}

static chat_status next(any_gen *gen, uint64_t now_ms, uint64_t *out_id)
{
    return gen->is_shared ? chat_idgen_shared_next(&gen->shared, now_ms, out_id)
                          : chat_idgen_next(&gen->one, now_ms, out_id);
}

static void set_lease(any_gen *gen, uint64_t until_ms)
{
    if (gen->is_shared)
        chat_idgen_shared_set_lease(&gen->shared, until_ms);
    else
        chat_idgen_set_lease(&gen->one, until_ms);
}

static int is_shared(void **state)
{
    return *(const int *)*state;
}

static uint64_t id_of(uint64_t unix_ms, uint32_t node, uint32_t sequence)
{
    return (unix_ms - CHAT_EPOCH_MS) << 23 | (uint64_t)node << 13 | sequence;
}

static void lays_out_41_10_13_bits(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 0x2a5, 0), CHAT_OK);
    assert_int_equal(next(&gen, CHAT_EPOCH_MS + 5, &id), CHAT_OK);
    assert_true(id == (UINT64_C(5) << 23 | UINT64_C(0x2a5) << 13));
    assert_int_equal(next(&gen, CHAT_EPOCH_MS + 5, &id), CHAT_OK);
    assert_true(id == (UINT64_C(5) << 23 | UINT64_C(0x2a5) << 13 | 1));
}

static void gives_8192_ids_in_a_millisecond_and_then_is_busy(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    uint64_t before = 0;
    assert_int_equal(init(&gen, is_shared(state), 7, 0), CHAT_OK);
    for (unsigned i = 0; i < N_SEQUENCE; i++, before = id) {
        assert_int_equal(next(&gen, NOW, &id), CHAT_OK);
        assert_true(id > before);
        assert_int_equal(chat_snowflake_decode(id).sequence, i);
        assert_int_equal(chat_snowflake_decode(id).node, 7);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(next(&gen, NOW, &id), CHAT_ERR_BUSY);
    assert_true(id == before);
    assert_int_equal(next(&gen, NOW + 1, &id), CHAT_OK);
    assert_true(id == id_of(NOW + 1, 7, 0));
}

static void never_follows_a_clock_that_runs_back(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 1, 0), CHAT_OK);
    assert_int_equal(next(&gen, NOW + 5000, &id), CHAT_OK);
    uint64_t first = id;
    assert_int_equal(next(&gen, NOW + 4999, &id), CHAT_ERR_BUSY);
    assert_int_equal(next(&gen, NOW + 4000, &id), CHAT_ERR_BUSY);
    assert_int_equal(next(&gen, NOW + 3999, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, CHAT_EPOCH_MS, &id), CHAT_ERR_CLOCK);
    assert_true(id == first);
    assert_int_equal(next(&gen, NOW + 5000, &id), CHAT_OK);
    assert_true(id == first + 1);
}

static void the_bound_of_the_wait_is_an_option(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 1, 0), CHAT_OK);
    gen.one.max_backward_ms = 0;
    gen.shared.max_backward_ms = 0;
    assert_int_equal(next(&gen, NOW, &id), CHAT_OK);
    assert_int_equal(next(&gen, NOW - 1, &id), CHAT_ERR_CLOCK);
    for (unsigned i = 1; i < N_SEQUENCE; i++)
        assert_int_equal(next(&gen, NOW, &id), CHAT_OK);
    /* Used up is no clock that ran back. */
    assert_int_equal(next(&gen, NOW, &id), CHAT_ERR_BUSY);
}

static void gives_nothing_without_a_live_lease(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 1, 0), CHAT_OK);
    set_lease(&gen, NOW);
    assert_int_equal(next(&gen, NOW, &id), CHAT_ERR_LEASE);
    assert_int_equal(next(&gen, NOW + 1, &id), CHAT_ERR_LEASE);
    assert_int_equal(next(&gen, NOW - 1, &id), CHAT_OK);
    set_lease(&gen, NOW + 10);
    assert_int_equal(next(&gen, NOW + 9, &id), CHAT_OK);
    assert_int_equal(next(&gen, NOW + 10, &id), CHAT_ERR_LEASE);
    set_lease(&gen, 0);
    assert_int_equal(next(&gen, NOW + 11, &id), CHAT_ERR_LEASE);
    set_lease(&gen, UINT64_MAX);
    assert_int_equal(next(&gen, NOW + 11, &id), CHAT_OK);
}

static void refuses_times_out_of_the_41_bits(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 1023, 0), CHAT_OK);
    assert_int_equal(next(&gen, 0, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, CHAT_EPOCH_MS - 1, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, LAST_MS + 1, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, UINT64_MAX, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, CHAT_EPOCH_MS, &id), CHAT_OK);
    assert_true(id == id_of(CHAT_EPOCH_MS, 1023, 0));
    for (unsigned i = 0; i < N_SEQUENCE; i++)
        assert_int_equal(next(&gen, LAST_MS, &id), CHAT_OK);
    assert_true(id == UINT64_MAX);
    assert_int_equal(next(&gen, LAST_MS, &id), CHAT_ERR_BUSY);
    assert_int_equal(next(&gen, LAST_MS + 1, &id), CHAT_ERR_CLOCK);
}

typedef struct start_row {
    uint32_t last_node;
    uint32_t last_sequence;
    uint32_t node;
    chat_status status; /* of the first call in the millisecond of the last id */
    uint32_t first_sequence;
} start_row;

/* The node's bits weigh more than the sequence, so a lower node must wait for the next ms. */
static void starts_above_the_last_known_id_of_any_node(void **state)
{
    static const start_row ROWS[] = {
        {5, 100, 5, CHAT_OK, 101},      {5, 8190, 5, CHAT_OK, 8191}, {5, 8191, 5, CHAT_ERR_BUSY, 0},
        {5, 8191, 6, CHAT_OK, 0},       {5, 0, 1023, CHAT_OK, 0},    {5, 0, 4, CHAT_ERR_BUSY, 0},
        {1023, 0, 0, CHAT_ERR_BUSY, 0}, {0, 0, 0, CHAT_OK, 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const start_row *row = &ROWS[i];
        any_gen gen;
        uint64_t id = 0;
        uint64_t last = id_of(NOW, row->last_node, row->last_sequence);
        assert_int_equal(init(&gen, is_shared(state), row->node, last), CHAT_OK);
        assert_int_equal(next(&gen, NOW - 1, &id), CHAT_ERR_BUSY);
        assert_int_equal(next(&gen, NOW, &id), row->status);
        if (row->status == CHAT_OK)
            assert_true(id == id_of(NOW, row->node, row->first_sequence));
        assert_int_equal(next(&gen, NOW + 1, &id), CHAT_OK);
        assert_true(id == id_of(NOW + 1, row->node, 0));
    }
}

static void a_start_at_the_very_end_gives_nothing(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 1023, UINT64_MAX), CHAT_OK);
    assert_int_equal(next(&gen, NOW, &id), CHAT_ERR_CLOCK);
    assert_int_equal(next(&gen, LAST_MS, &id), CHAT_ERR_BUSY);
    assert_int_equal(next(&gen, LAST_MS + 1, &id), CHAT_ERR_CLOCK);
}

static void never_gives_the_id_zero(void **state)
{
    any_gen gen;
    uint64_t id = 0;
    assert_int_equal(init(&gen, is_shared(state), 0, 0), CHAT_OK);
    assert_int_equal(next(&gen, CHAT_EPOCH_MS, &id), CHAT_OK);
    assert_true(id == 1);
}

static void refuses_a_node_above_10_bits(void **state)
{
    any_gen gen;
    memset(&gen, 0x5a, sizeof gen);
    any_gen before = gen;
    before.is_shared = is_shared(state);
    assert_int_equal(init(&gen, is_shared(state), 1024, 0), CHAT_ERR_ARG);
    assert_memory_equal(&gen, &before, sizeof gen);
}

static void both_kinds_give_the_same_ids(void **state)
{
    any_gen gens[2];
    uint64_t now_ms = NOW;
    uint64_t random = 88172645463325252u;
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(init(&gens[i], i, 3, id_of(NOW, 3, 8000)), CHAT_OK);
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t ids[2] = {0, 0};
        now_ms += random % 4000 == 0 ? random % 3 : 0;
        uint64_t asked_ms = random % 1000 == 1 ? now_ms - random % 2000 : now_ms;
        assert_int_equal(next(&gens[0], asked_ms, &ids[0]), next(&gens[1], asked_ms, &ids[1]));
        assert_true(ids[0] == ids[1]);
    }
}

static void takes_an_id_apart(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 41; bit++) {
        uint64_t ms = CHAT_EPOCH_MS + (UINT64_C(1) << bit);
        chat_snowflake parts = chat_snowflake_decode(id_of(ms, 1023 >> (bit % 10), 8191 - bit));
        assert_true(parts.unix_ms == ms);
        assert_int_equal(parts.node, 1023 >> (bit % 10));
        assert_int_equal(parts.sequence, 8191 - bit);
    }
    assert_true(chat_snowflake_decode(UINT64_MAX).unix_ms == LAST_MS);
    assert_true(chat_snowflake_decode(0).unix_ms == CHAT_EPOCH_MS);
}

static void knows_the_first_id_of_a_moment(void **state)
{
    (void)state;
    assert_true(chat_snowflake_first_at(0) == 0);
    assert_true(chat_snowflake_first_at(CHAT_EPOCH_MS) == 0);
    assert_true(chat_snowflake_first_at(NOW) == id_of(NOW, 0, 0));
    assert_true(chat_snowflake_first_at(LAST_MS) == id_of(LAST_MS, 0, 0));
    assert_true(chat_snowflake_first_at(LAST_MS + 1) == UINT64_MAX);
    assert_true(chat_snowflake_first_at(UINT64_MAX) == UINT64_MAX);
}

#define N_THREADS    4
#define N_PER_THREAD 100000

typedef struct worker {
    pthread_t thread;
    chat_idgen_shared *gen;
    uint64_t *clock_ms;
    uint64_t *ids;
    int is_rising;
} worker;

/* A thread that finds the millisecond used up moves the clock that all of them share. */
static void *work(void *arg)
{
    worker *self = arg;
    uint64_t last = 0;
    self->is_rising = 1;
    for (size_t n = 0; n < N_PER_THREAD;) {
        uint64_t now_ms = __atomic_load_n(self->clock_ms, __ATOMIC_RELAXED);
        chat_status status = chat_idgen_shared_next(self->gen, now_ms, &self->ids[n]);
        if (status == CHAT_ERR_BUSY) {
            __atomic_compare_exchange_n(self->clock_ms, &now_ms, now_ms + 1, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
            continue;
        }
        if (status != CHAT_OK || self->ids[n] <= last)
            self->is_rising = 0;
        last = self->ids[n++];
    }
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void four_threads_never_share_an_id(void **state)
{
    static uint64_t ids[N_THREADS * N_PER_THREAD];
    worker workers[N_THREADS];
    chat_idgen_shared gen;
    uint64_t clock_ms = NOW;
    (void)state;
    assert_int_equal(chat_idgen_shared_init(&gen, 9, 0), CHAT_OK);
    for (int i = 0; i < N_THREADS; i++) {
        workers[i] = (worker){.gen = &gen, .clock_ms = &clock_ms, .ids = ids + i * N_PER_THREAD};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].is_rising);
    }
    qsort(ids, N_THREADS * N_PER_THREAD, sizeof ids[0], compare_ids);
    for (size_t i = 1; i < N_THREADS * N_PER_THREAD; i++)
        assert_true(ids[i] > ids[i - 1]);
}

#define FOR_BOTH(rule)                                                                             \
    {#rule, rule, NULL, NULL, &flags[0]},                                                          \
    {                                                                                              \
#rule "_shared", rule, NULL, NULL, &flags[1]                                               \
    }

static void takes_another_number_and_goes_on_growing(void **state)
{
    static const uint32_t NODES[] = {7, 900, 3, 3, 0, CHAT_SNOWFLAKE_MAX_NODE};
    chat_idgen gen;
    uint64_t id = 0;
    uint64_t before = 0;
    (void)state;
    assert_int_equal(chat_idgen_init(&gen, 7, 0), CHAT_OK);
    for (size_t i = 0; i < sizeof NODES / sizeof *NODES; i++, before = id) {
        assert_int_equal(chat_idgen_set_node(&gen, NODES[i], 0), CHAT_OK);
        chat_status status = chat_idgen_next(&gen, NOW + i / 2, &id);
        if (status == CHAT_ERR_BUSY) /* a smaller number: not in this millisecond */
            status = chat_idgen_next(&gen, NOW + i / 2 + 1, &id);
        assert_int_equal(status, CHAT_OK);
        assert_true(id > before);
        assert_int_equal(chat_snowflake_decode(id).node, NODES[i]);
    }
    assert_int_equal(chat_idgen_set_node(&gen, CHAT_SNOWFLAKE_MAX_NODE + 1, 0), CHAT_ERR_ARG);
    assert_int_equal(chat_idgen_set_node(NULL, 0, 0), CHAT_ERR_ARG);
}

static void a_number_is_for_times_from_one_on(void **state)
{
    chat_idgen gen;
    uint64_t id = 0;
    (void)state;
    assert_int_equal(chat_idgen_init(&gen, 7, 0), CHAT_OK);
    assert_int_equal(chat_idgen_set_node(&gen, 8, NOW + 5), CHAT_OK);
    assert_int_equal(chat_idgen_next(&gen, NOW + 4, &id), CHAT_ERR_BUSY);
    assert_int_equal(chat_idgen_next(&gen, NOW + 4 - CHAT_SNOWFLAKE_MAX_BACKWARD_MS, &id),
                     CHAT_ERR_CLOCK);
    assert_int_equal(chat_idgen_next(&gen, NOW + 5, &id), CHAT_OK);
    assert_true(id == id_of(NOW + 5, 8, 0));
    assert_int_equal(chat_idgen_set_node(&gen, 8, NOW), CHAT_OK); /* earlier: nothing changes */
    assert_int_equal(chat_idgen_next(&gen, NOW + 5, &id), CHAT_OK);
    assert_true(id == id_of(NOW + 5, 8, 1));
}

int main(void)
{
    static int flags[2] = {0, 1};
    const struct CMUnitTest tests[] = {
        FOR_BOTH(lays_out_41_10_13_bits),
        FOR_BOTH(gives_8192_ids_in_a_millisecond_and_then_is_busy),
        FOR_BOTH(never_follows_a_clock_that_runs_back),
        FOR_BOTH(the_bound_of_the_wait_is_an_option),
        FOR_BOTH(gives_nothing_without_a_live_lease),
        FOR_BOTH(refuses_times_out_of_the_41_bits),
        FOR_BOTH(starts_above_the_last_known_id_of_any_node),
        FOR_BOTH(a_start_at_the_very_end_gives_nothing),
        FOR_BOTH(never_gives_the_id_zero),
        FOR_BOTH(refuses_a_node_above_10_bits),
        cmocka_unit_test(both_kinds_give_the_same_ids),
        cmocka_unit_test(takes_an_id_apart),
        cmocka_unit_test(knows_the_first_id_of_a_moment),
        cmocka_unit_test(takes_another_number_and_goes_on_growing),
        cmocka_unit_test(a_number_is_for_times_from_one_on),
        cmocka_unit_test(four_threads_never_share_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
