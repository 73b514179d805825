/* SPDX-License-Identifier: MIT */
/* The simulator itself: a seed is a run, and the world does to it what it is there for. */
#include "unit.h"

#include "base/crc32c.h"

#include <chat/testing.h>

#include <string.h>

typedef struct watched {
    uint32_t crc;
    uint32_t n_lines;
    uint64_t last_ms;
    size_t found[16]; /* lines with the words of FAULTS */
} watched;

/* Words of a trace, and in how many of 100 runs they are at least. */
static const struct {
    const char *words;
    size_t n_at_least;
} FAULTS[] = {
    {"fdatasync fails", 5},     {"the disk is full", 5},
    {"the disk takes", 20},     {"were not acknowledged", 20},
    {"does not reach", 20},     {"cuts its connection", 50},
    {"is half-open", 50},       {"(again)", 20},
    {"is told of a gap", 10},   {"its clock is", 10},
    {"of a newer version", 10}, {"hears that it was removed", 10},
    {"is forgotten", 20},       {"is one device too many", 5},
    {"dies, for", 10},          {"breaks", 10},
};

#define N_FAULTS (sizeof FAULTS / sizeof *FAULTS)

static void watch(void *ctx, uint64_t now_ms, const char *line)
{
    watched *seen = ctx;
    seen->crc = chat__crc32c(seen->crc, line, strlen(line));
    seen->n_lines++;
    assert_true(now_ms >= seen->last_ms);
    seen->last_ms = now_ms;
    for (size_t i = 0; i < N_FAULTS; i++)
        seen->found[i] += strstr(line, FAULTS[i].words) != NULL;
}

static watched run(uint64_t seed)
{
    chat_sim_options options;
    chat_sim_report report;
    watched seen = {0};
    chat_sim_options_init(&options);
    options.seed = seed;
    options.trace = watch;
    options.trace_ctx = &seen;
    assert_int_equal(chat_sim_run(&options, &report), CHAT_OK);
    assert_string_equal(report.violation, "");
    return seen;
}

static void a_seed_is_a_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        watched first = run(seed), again = run(seed), other = run(seed + 1000);
        assert_true(first.n_lines > 100);
        assert_memory_equal(&first, &again, sizeof first);
        assert_true(first.crc != other.crc);
    }
}

static void each_fault_happens(void **state)
{
    size_t n_runs[N_FAULTS] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        watched seen = run(seed);
        for (size_t i = 0; i < N_FAULTS; i++)
            n_runs[i] += seen.found[i] > 0;
    }
    for (size_t i = 0; i < N_FAULTS; i++) {
        if (n_runs[i] < FAULTS[i].n_at_least)
            fail_msg("\"%s\" in %zu of 100 runs", FAULTS[i].words, n_runs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_run),
        cmocka_unit_test(each_fault_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
