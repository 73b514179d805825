/* SPDX-License-Identifier: MIT */
/*
 * A link between two hosts, where wslay takes its memory from libc: who finds no memory loses the
 * connection, and the next one goes on where it was. Nothing comes twice, or not in order.
 */
#include "libc.h"

#include "../unit/net/trunk_rig.h"

#define N_FRAMES  60u
#define MAX_TRIES 20u

/* cmocka's checks take memory themselves. */
#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            oom_libc.is_armed = 0;                                                                 \
            fail_msg("%s", #what);                                                                 \
        }                                                                                          \
    } while (0)

/* Connect, and exchange what there is. */
static chat_status try_once(rig *r)
{
    chat_status status =
        chat__trunk_is_joined(r->dialer.trunk) && chat__trunk_is_joined(r->acceptor.trunk)
            ? CHAT_OK
            : rig_dial(r);
    if (status == CHAT_OK)
        status = rig_run(r);
    if (status != CHAT_OK)
        rig_hang_up(r);
    return status;
}

static void run(rig *r, uint64_t *sent)
{
    for (unsigned i = 0; i < MAX_TRIES && r->acceptor.n_records < N_FRAMES; i++) {
        chat_status status = try_once(r);
        CHECK(status == CHAT_OK || oom_libc.n_failed > 0);
        while (*sent < N_FRAMES && chat__trunk_is_up(r->dialer.trunk) &&
               (status = rig_send(&r->dialer, *sent, 3000)) == CHAT_OK)
            ++*sent;
        CHECK(status == CHAT_OK || status == CHAT_ERR_BUSY || oom_libc.n_failed > 0);
        rig_work_off(&r->acceptor);
        if (i == MAX_TRIES / 2)
            oom_libc_recover();
    }
}

static void link_of_two(void *ctx)
{
    rig r;
    uint64_t sent = 0;
    (void)ctx;
    chat_status status = rig_open(&r, NULL);
    CHECK(status == CHAT_OK || (status == CHAT_ERR_NOMEM && oom_libc.n_failed > 0));
    if (status == CHAT_OK) {
        run(&r, &sent);
        CHECK(!r.acceptor.is_out_of_order);
        CHECK(r.acceptor.n_records == N_FRAMES);
    }
    rig_close(&r);
}

static void linking_and_sending(void **state)
{
    (void)state;
    assert_true(oom_libc_loop(link_of_two, NULL, 1) >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linking_and_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
