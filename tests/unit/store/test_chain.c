/* SPDX-License-Identifier: MIT */
/* Chains: which record skips where, and how few reads lead to any of them. */
#include "store_helper.h"
#include "store/chain.h"

#define N_LONG 20000u

static void roots_are_where_the_trees_begin(void **state)
{
    chat__root roots[CHAT__CHAIN_ROOTS_MAX] = {{0, 0}};
    size_t n_roots = 0;
    (void)state;
    for (uint64_t ordinal = 1; ordinal <= 5000; ordinal++) {
        chat__root added = {ordinal, ordinal};
        n_roots = chat__chain_push(roots, n_roots, chat__chain_joins(ordinal), added);
        assert_int_equal(n_roots, chat__chain_n_roots(ordinal));
        assert_true(n_roots <= 14);
        uint64_t skip = n_roots > 1 ? roots[n_roots - 2].at : 0;
        assert_true(skip == chat__chain_skip_ordinal(ordinal));
    }
}

/* Myers' rule: jump twice from the parent if both jumps are of one length, else to the parent. */
static void skips_follow_the_rule(void **state)
{
    (void)state;
    for (uint64_t ordinal = 2; ordinal <= 5000; ordinal++) {
        uint64_t parent = ordinal - 1;
        uint64_t jump = chat__chain_skip_ordinal(parent);
        uint64_t twice = jump == 0 ? 0 : chat__chain_skip_ordinal(jump);
        uint64_t want = jump > 0 && parent - jump == jump - twice ? twice : parent;
        assert_true(chat__chain_skip_ordinal(ordinal) == want);
    }
}

static void any_ordinal_has_few_roots(void **state)
{
    (void)state;
    assert_int_equal(chat__chain_n_roots(0), 0);
    assert_int_equal(chat__chain_n_roots(UINT64_MAX), 1);
    assert_true(chat__chain_n_roots(UINT64_MAX - 1) <= CHAT__CHAIN_ROOTS_MAX);
    assert_true(chat__chain_skip_ordinal(UINT64_MAX) == 0);
}

static void fill(fixture *f)
{
    chat__store_record record = {.kind = CHAT_FRAME_MSG};
    record.chat = chat__view_str("room");
    record.payload = chat__view_str("text");
    for (uint64_t i = 1; i <= N_LONG; i++) {
        record.id = i * 2;
        assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
        if (i % 500 == 0)
            assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    }
}

static void count_row(void *ctx, const chat__store_row *row)
{
    uint64_t *seq = ctx;
    *seq = row->seq;
}

/* Reads for one row at `seq`, through segments of 64 KiB. */
static uint64_t reads_for(fixture *f, uint64_t after, uint64_t before, uint64_t want)
{
    uint64_t got = 0;
    chat__store_query query = {.chat = chat__view_str("room"), .limit = 1};
    query.after = after;
    query.before = before;
    uint64_t n_before = f->disk->n_preads;
    assert_int_equal(chat__store_read(f->store, &query, count_row, &got),
                     want == N_LONG * 2 || (after == UINT64_MAX && want == 2) ? CHAT_OK
                                                                              : CHAT_MORE);
    assert_true(got == want);
    return f->disk->n_preads - n_before;
}

static void any_record_is_a_logarithmic_number_of_reads_away(void **state)
{
    fixture *f = *state;
    uint64_t most = 0;
    fill(f);
    for (uint64_t seq = 2; seq <= N_LONG * 2; seq += 2 * 97) {
        uint64_t back = reads_for(f, UINT64_MAX, seq + 1, seq);
        uint64_t on = reads_for(f, seq - 1, 0, seq);
        most = back > most ? back : most;
        most = on > most ? on : most;
    }
    /* Two searches at most for a page forward, each 3 log2(n) hops at worst: log2(20000) < 15. */
    assert_true(most <= 2 * 3 * 15);
}

static void a_restart_keeps_chains_short(void **state)
{
    fixture *f = *state;
    fill(f);
    reopen(f);
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = N_LONG * 2 + 2};
    record.chat = chat__view_str("room");
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    assert_true(reads_for(f, UINT64_MAX, 1001, 1000) <= 3 * 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_where_the_trees_begin),
        cmocka_unit_test(skips_follow_the_rule),
        cmocka_unit_test(any_ordinal_has_few_roots),
        FAULTY_TEST(any_record_is_a_logarithmic_number_of_reads_away),
        FAULTY_TEST(a_restart_keeps_chains_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
