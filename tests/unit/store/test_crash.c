/* SPDX-License-Identifier: MIT */
/*
 * Random work and random crashes against a model. A failing seed is printed; CHAT_SEED runs it
 * alone.
 */
#include "store_helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_SEEDS 300
#define N_CHATS 7

static const char *const NAMES[N_CHATS] = {"a", "b", "dm:3:ann:bob", "dm:3:ann:eve", "c", "d", "e"};

static uint64_t pick(fixture *f, uint64_t n)
{
    return faulty_random(&f->random) % n;
}

static void check_chats(fixture *f)
{
    for (size_t i = 0; i < N_CHATS; i++)
        check_pages(f, NAMES[i], (uint32_t)(1 + pick(f, 20)));
}

static void stage_some(fixture *f)
{
    static const char body[] = "0123456789012345678901234567890123456789012345678";
    /* Some batches are long, so that segments are crossed. */
    uint64_t n = 1 + pick(f, pick(f, 4) == 0 ? 150 : 12);
    for (uint64_t i = 0; i < n; i++) {
        const char *chat = NAMES[pick(f, N_CHATS)];
        uint64_t id = f->n_rows * 3 + pick(f, 50);
        (void)put(f, chat, id, body + pick(f, sizeof body));
    }
}

/* How many staged records the log turned out to have: a crash may leave any of them. */
static void take_what_is_there(fixture *f, size_t n_staged)
{
    page *got = malloc(sizeof *got);
    size_t n_kept = f->n_committed;
    for (size_t i = f->n_committed; i < f->n_committed + n_staged; i++) {
        model_row row = f->rows[i];
        read_after(f, row.chat, row.seq - 1, 1, got);
        if (got->n_rows == 1 && got->rows[0].seq == row.seq)
            f->rows[n_kept++] = row;
    }
    f->n_rows = f->n_committed = n_kept;
    free(got);
}

/* Power lost in the middle of a commit: written, but the sync never came back. */
static void crash_in_commit(fixture *f)
{
    stage_some(f);
    size_t n_staged = f->n_rows - f->n_committed;
    f->disk->syncs_to_fail = 0;
    if (pick(f, 2) == 0)
        f->disk->writes_to_fail = pick(f, 2);
    chat_status status = chat__store_commit(f->store);
    assert_int_equal(status, CHAT_ERR_IO);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    take_what_is_there(f, n_staged);
}

static void crash_between(fixture *f)
{
    if (pick(f, 2) == 0)
        assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_true(f->report.n_damaged_records == 0);
}

static void full_commit(fixture *f)
{
    stage_some(f);
    f->disk->writable_bytes = pick(f, 1500);
    chat_status status = try_commit(f);
    assert_true(status == CHAT_OK || status == CHAT_ERR_FULL);
    faulty_heal(f->disk);
}

static void run_step(fixture *f)
{
    switch (pick(f, 12)) {
    case 0:
        crash_in_commit(f);
        break;
    case 1:
        crash_between(f);
        break;
    case 2:
        full_commit(f);
        break;
    case 3:
        assert_int_equal(chat__store_flush(f->store), CHAT_OK);
        break;
    case 4:
        stage_some(f);
        crash(f);
        assert_int_equal(try_open(f), CHAT_OK);
        break;
    default:
        stage_some(f);
        commit(f);
    }
}

static void run_seed(uint64_t seed)
{
    void *state = NULL;
    assert_int_equal(set_up_faulty(&state), 0);
    fixture *f = state;
    f->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 30 && f->n_rows < MODEL_MAX - 64; i++) {
        run_step(f);
        check_pages(f, NAMES[pick(f, N_CHATS)], 9);
    }
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_chats(f);
    (void)tear_down(&state);
}

static uint64_t *seed_of(void **state)
{
    return *state;
}

static void what_was_acknowledged_survives_any_crash(void **state)
{
    const char *only = getenv("CHAT_SEED");
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        if (only != NULL && strtoull(only, NULL, 10) != seed)
            continue;
        /* cmocka leaves a failed test by longjmp: main() says where. */
        *seed_of(state) = seed;
        run_seed(seed);
    }
}

int main(void)
{
    static uint64_t seed;
    struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(what_was_acknowledged_survives_any_crash, &seed),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (n_failed > 0)
        print_error("failed with CHAT_SEED=%llu\n", (unsigned long long)seed);
    return n_failed;
}
