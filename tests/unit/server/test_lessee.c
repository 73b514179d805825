/* SPDX-License-Identifier: MIT */
/* The server with a lease that the test speaks for: numbers reach the shards, are lost, change. */
#include "lessee.h"
#include "metrics.h"
#include "small.h"
#include "unit.h"

#include <chat/id.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_SHARDS   2u
#define WAIT_TURNS 4000
#define MAX_SAID   16

typedef struct script {
    small place;
    chat_lease lease;
    int fd;
    pthread_mutex_t mutex;
    chat_lease_event said[MAX_SAID];
    uint32_t numbers[MAX_SAID][N_SHARDS + 1];
    size_t n_said, n_read;
    uint32_t n_wanted;
    int is_released;
    chat_status of_open;
    chat_server *server;
    pthread_t thread;
    char log[4096];
} script;

static chat_status on_open(void *ctx, const chat_lease_wish *wish, chat_lease_time now)
{
    script *self = ctx;
    assert_true(now.unix_ms > CHAT_EPOCH_MS && now.mono_ms > 0);
    assert_true(wish->name.len > 0 && wish->address.len > 0 && wish->roles.len > 0);
    self->n_wanted = wish->n_numbers;
    return self->of_open;
}

static int on_fd(void *ctx)
{
    return ((script *)ctx)->fd;
}

static uint64_t on_deadline(void *ctx)
{
    (void)ctx;
    return UINT64_MAX;
}

static void on_process(void *ctx, chat_lease_time now)
{
    uint64_t count;
    (void)now;
    ssize_t ignored = read(((script *)ctx)->fd, &count, sizeof count);
    (void)ignored;
}

static chat_status on_next_event(void *ctx, chat_lease_event *out)
{
    script *self = ctx;
    chat_status status = CHAT_EMPTY;
    pthread_mutex_lock(&self->mutex);
    if (self->n_read < self->n_said) {
        *out = self->said[self->n_read++];
        status = CHAT_OK;
    }
    pthread_mutex_unlock(&self->mutex);
    return status;
}

static void say(script *self, chat_lease_event_type type, uint32_t first, uint64_t until_ms)
{
    uint64_t one = 1;
    pthread_mutex_lock(&self->mutex);
    size_t at = self->n_said++;
    for (uint32_t i = 0; i <= N_SHARDS; i++)
        self->numbers[at][i] = first + i;
    chat_lease_event event = {sizeof event, type, 0, until_ms, self->numbers[at], N_SHARDS, "why"};
    self->said[at] = event;
    pthread_mutex_unlock(&self->mutex);
    assert_int_equal(write(self->fd, &one, sizeof one), sizeof one);
}

static void on_release(void *ctx, chat_lease_time now)
{
    script *self = ctx;
    (void)now;
    self->is_released = 1;
    say(self, CHAT_LEASE_RELEASED, 0, 0);
}

static void on_line(void *ctx, chat_log_level level, const char *line)
{
    script *self = ctx;
    (void)level;
    pthread_mutex_lock(&self->mutex);
    strncat(self->log, line, sizeof self->log - strlen(self->log) - 2);
    strcat(self->log, "\n");
    pthread_mutex_unlock(&self->mutex);
}

static chat_status make(script *self)
{
    chat_server_options options;
    small_options(&self->place, &options);
    options.shards = N_SHARDS;
    options.lease = &self->lease;
    options.log = (chat_log_sink){self, on_line};
    return chat_server_new(&options, &self->server);
}

static int set_up(void **state)
{
    script *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -1;
    *state = self;
    pthread_mutex_init(&self->mutex, NULL);
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    self->lease = (chat_lease){sizeof self->lease, 0,          self,          on_open,   on_fd,
                               on_deadline,        on_process, on_next_event, on_release};
    return self->fd >= 0 && small_make(&self->place) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    script *self = *state;
    chat_server_free(self->server);
    small_remove(&self->place);
    close(self->fd);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return 0;
}

static void *run(void *ctx)
{
    script *self = ctx;
    return (void *)(intptr_t)chat_server_run(self->server);
}

static void start(script *self)
{
    assert_int_equal(make(self), CHAT_OK);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
}

static chat_status stop(script *self)
{
    void *status;
    chat_server_stop(self->server);
    assert_int_equal(pthread_join(self->thread, &status), 0);
    return (chat_status)(intptr_t)status;
}

/* Whether the page of metrics comes to say this. */
static int comes_to_say(script *self, const char *line)
{
    int is_there = 0;
    for (int i = 0; i < WAIT_TURNS && !is_there; i++) {
        chat__buf page;
        chat__buf_init(&page, NULL, 1 << 20);
        assert_int_equal(chat__metrics_write(self->server, &page), CHAT_OK);
        assert_int_equal(chat__buf_append(&page, "", 1), CHAT_OK);
        is_there = strstr((const char *)page.data, line) != NULL;
        chat__buf_done(&page);
        if (!is_there)
            (void)poll(NULL, 0, 5);
    }
    return is_there;
}

static void numbers_reach_the_shards_and_change(void **state)
{
    script *self = *state;
    start(self);
    assert_true(comes_to_say(self, "chat_lease_held 0\n"));
    say(self, CHAT_LEASE_HELD, 40, UINT64_MAX);
    assert_true(comes_to_say(self, "chat_lease_held 1\n"));
    assert_true(comes_to_say(self, "chat_node_number{shard=\"0\"} 40\n"));
    assert_true(comes_to_say(self, "chat_node_number{shard=\"1\"} 41\n"));
    say(self, CHAT_LEASE_LOST, 0, 0);
    assert_true(comes_to_say(self, "chat_lease_held 0\n"));
    assert_true(comes_to_say(self, "chat_lease_lost_total 1\n"));
    say(self, CHAT_LEASE_TROUBLE, 0, 0);
    say(self, CHAT_LEASE_HELD, 3, UINT64_MAX);
    assert_true(comes_to_say(self, "chat_node_number{shard=\"1\"} 4\n"));
    assert_true(comes_to_say(self, "chat_lease_renewals_total 2\n"));
    assert_int_equal(stop(self), CHAT_OK);
    assert_true(self->is_released);
    assert_int_equal(self->n_wanted, N_SHARDS);
    assert_non_null(strstr(self->log, "node numbers are held: 40 41\n"));
    assert_non_null(strstr(self->log, "node numbers are lost, senders have to wait: why\n"));
    assert_non_null(strstr(self->log, "node numbers are held: 3 4\n"));
}

static void numbers_that_cannot_be_are_not_used(void **state)
{
    script *self = *state;
    start(self);
    say(self, CHAT_LEASE_HELD, CHAT_SNOWFLAKE_MAX_NODE, UINT64_MAX);
    assert_true(comes_to_say(self, "chat_lease_lost_total 1\n"));
    assert_true(comes_to_say(self, "chat_lease_held 0\n"));
    assert_int_equal(stop(self), CHAT_OK);
}

static void a_lease_that_cannot_begin_stops_the_start(void **state)
{
    script *self = *state;
    self->of_open = CHAT_ERR_LIMIT;
    assert_int_equal(make(self), CHAT_OK);
    assert_int_equal(chat_server_run(self->server), CHAT_ERR_LIMIT);
    assert_non_null(strstr(self->log, "2 shards need a node number each"));
    assert_non_null(strstr(self->log, "--shards"));
    assert_false(self->is_released);
}

static void a_table_with_a_hole_is_refused(void **state)
{
    script *self = *state;
    self->lease.release = NULL;
    assert_int_equal(make(self), CHAT_ERR_ARG);
    assert_non_null(strstr(self->log, "lease: struct_size or a function is not set"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_reach_the_shards_and_change),
        TEST(numbers_that_cannot_be_are_not_used),
        TEST(a_lease_that_cannot_begin_stops_the_start),
        TEST(a_table_with_a_hole_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
