/* SPDX-License-Identifier: MIT */
/* A slot whose partitions another server takes: it comes back when it is wanted again, however soon
   that is. The test is the storage and the control thread; the server does not run. */
#include "internal.h"
#include "slot.h"
#include "small.h"
#include "unit.h"

#define TERM UINT64_C(5)

typedef struct fixture {
    small place;
    chat_server *server;
    chat__shard *shard;
} fixture;

static uint32_t n_opened, n_closed;

static void on_open(chat_server *server, uint32_t slot)
{
    (void)server;
    (void)slot;
    n_opened++;
}

static void on_close(chat_server *server, uint32_t slot)
{
    (void)server;
    (void)slot;
    n_closed++;
}

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    chat_server_options options;
    if (self == NULL || small_make(&self->place) != 0 || small_secret(&self->place) != 0)
        return -1;
    *state = self;
    small_options(&self->place, &options);
    options.slots = 1;
    options.link_listen = "127.0.0.1:0";
    options.link_peers = "1@127.0.0.1:1";
    options.link_member = 0;
    options.link_secret_file = self->place.secret;
    if (chat_server_new(&options, &self->server) != CHAT_OK)
        return -1;
    self->shard = &self->server->shards[0];
    chat__node_free(self->shard->node);
    self->shard->node = NULL;
    self->shard->is_placed = 1;
    self->server->open_slot = on_open;
    self->server->close_slot = on_close;
    n_opened = n_closed = 0;
    return 0;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    chat_server_free(self->server);
    small_remove(&self->place);
    free(self);
    return 0;
}

static void expect_running(fixture *self, uint32_t times)
{
    assert_int_equal(times, n_opened);
    chat__slot_opened(self->shard, 0);
    chat__slot_follow(self->shard);
    assert_non_null(self->shard->node);
    assert_int_equal(TERM, chat__slot_term(self->shard));
}

/* Before the shard has looked it is wanted again. */
static void take_and_want(fixture *self, uint32_t times)
{
    chat__slot_taken(self->shard);
    chat__slot_want(self->shard, TERM, 0);
    chat__slot_follow(self->shard);
    assert_null(self->shard->node);
    assert_int_equal(times, n_closed);
    chat__slot_closed(self->shard);
    chat__slot_follow(self->shard);
}

static void a_slot_that_is_lost_while_it_is_opened_is_opened_anew(void **state)
{
    fixture *self = *state;
    chat__slot_want(self->shard, TERM, 0);
    chat__slot_follow(self->shard);
    assert_int_equal(1, n_opened);
    take_and_want(self, 1);
    expect_running(self, 2);
}

static void a_slot_that_is_lost_while_it_runs_is_opened_anew(void **state)
{
    fixture *self = *state;
    chat__slot_want(self->shard, TERM, 0);
    chat__slot_follow(self->shard);
    expect_running(self, 1);
    take_and_want(self, 1);
    expect_running(self, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slot_that_is_lost_while_it_is_opened_is_opened_anew,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_is_lost_while_it_runs_is_opened_anew, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
