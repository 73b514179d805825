/* SPDX-License-Identifier: MIT */
/*
 * chat_sim_run(), which takes its memory from libc: a simulated cluster, server and clients, whose
 * memory runs out at any allocation, wherever in it that is. What is looked for is a crash and a
 * leak: with the judge's memory failing too, its judgement says nothing.
 */
#include "libc.h"

#include <chat/testing.h>

#include <stdlib.h>

static void run_cluster(void *ctx)
{
    chat_sim_options options;
    chat_sim_report report;
    (void)ctx;
    chat_sim_options_init(&options);
    options.n_nodes = 2;
    options.n_users = 2;
    options.n_devices = 1;
    options.n_groups = 1;
    options.n_messages = 4;
    options.crash_percent = 0;
    options.cut_percent = 0;
    options.seed = 7;
    chat_status status = chat_sim_run(&options, &report);
    if (status == CHAT_OK)
        return;
    assert_true(status == CHAT_ERR_NOMEM || status == CHAT_ERR_CORRUPT);
    assert_true(oom_libc.n_failed > 0);
}

static void running_a_cluster(void **state)
{
    (void)state;
    assert_true(oom_libc_loop(run_cluster, NULL, 1) >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_a_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
