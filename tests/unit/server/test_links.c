/* SPDX-License-Identifier: MIT */
/* A member that is not there yet is dialed again, however long the thread of the links was held
   up. */
#include "links.h"
#include "small.h"
#include "unit.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_UP_US (200u * 1000u) /* longer than any of the first pauses */
#define WAIT_MS    10000

typedef struct fixture {
    small place;
    char peers[64];
    chat_server_options options;
    chat__links *links;
    int fd; /* the other member's port: bound, nobody listens */
    atomic_int n_told;
} fixture;

static void on_line(void *ctx, chat_log_level level, const char *line)
{
    fixture *self = ctx;
    if (level != CHAT_LOG_WARN || strstr(line, "link to member 1") == NULL)
        return;
    usleep(HELD_UP_US);
    atomic_fetch_add(&self->n_told, 1);
}

static void on_records(void *ctx, uint32_t member, uint64_t session, chat_view records)
{
    (void)ctx;
    (void)member;
    (void)session;
    (void)records;
}

static void on_member(void *ctx, uint32_t member)
{
    (void)ctx;
    (void)member;
}

static int take_port(fixture *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self->fd < 0 || bind(self->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(self->fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    snprintf(self->peers, sizeof self->peers, "1@127.0.0.1:%u", ntohs(address.sin_port));
    return 0;
}

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    if (self == NULL || small_make(&self->place) != 0 || small_secret(&self->place) != 0 ||
        take_port(self) != 0)
        return -1;
    *state = self;
    small_options(&self->place, &self->options);
    self->options.log = (chat_log_sink){self, on_line};
    self->options.link_listen = "127.0.0.1:0";
    self->options.link_peers = self->peers;
    self->options.link_secret_file = self->place.secret;
    const chat__links_hooks hooks = {self, on_records, on_member, on_member};
    return chat__links_new(&self->options, "as all", &hooks, &self->links) == CHAT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    chat__links_stop(self->links);
    chat__links_free(self->links);
    close(self->fd);
    small_remove(&self->place);
    free(self);
    return 0;
}

static void a_thread_that_was_held_up_dials_again(void **state)
{
    fixture *self = *state;
    assert_int_equal(CHAT_OK, chat__links_start(self->links));
    for (int ms = 0; ms < WAIT_MS && atomic_load(&self->n_told) == 0; ms++)
        usleep(1000);
    assert_int_equal(1, atomic_load(&self->n_told));
    assert_int_equal(0, listen(self->fd, 1));
    struct pollfd calls = {.fd = self->fd, .events = POLLIN};
    assert_int_equal(1, poll(&calls, 1, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_thread_that_was_held_up_dials_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
