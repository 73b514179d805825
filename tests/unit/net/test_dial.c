/* SPDX-License-Identifier: MIT */
#include "net/dial.h"
#include "unit.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define N 4

struct rig {
    chat__dial dial;
    int epoll_fd;
    int fds[N]; /* listeners */
    int plugs[8];
    int n_plugs;
    struct sockaddr_in addresses[N];
    struct addrinfo infos[N];
};

static void set_up(struct rig *rig, const int *families)
{
    memset(rig, 0, sizeof *rig);
    rig->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < N; i++) {
        socklen_t len = sizeof rig->addresses[i];
        rig->fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        rig->addresses[i].sin_family = AF_INET;
        rig->addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(rig->fds[i], (struct sockaddr *)&rig->addresses[i], len), 0);
        assert_int_equal(getsockname(rig->fds[i], (struct sockaddr *)&rig->addresses[i], &len), 0);
        rig->infos[i].ai_family = families[i];
        rig->infos[i].ai_addr = (struct sockaddr *)&rig->addresses[i];
        rig->infos[i].ai_addrlen = len;
        rig->infos[i].ai_next = i + 1 < N ? &rig->infos[i + 1] : NULL;
    }
}

static void tear_down(struct rig *rig)
{
    chat__dial_drop(&rig->dial);
    for (int i = 0; i < N; i++)
        close(rig->fds[i]);
    for (int i = 0; i < rig->n_plugs; i++)
        close(rig->plugs[i]);
    close(rig->epoll_fd);
}

/* Neither answers nor refuses: its queue is full. */
static void make_silent(struct rig *rig, int i)
{
    assert_int_equal(listen(rig->fds[i], 0), 0);
    for (int k = 0; k < 3; k++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fd, rig->infos[i].ai_addr, rig->infos[i].ai_addrlen);
        rig->plugs[rig->n_plugs++] = fd;
    }
}

static const int IPV4[N] = {AF_INET, AF_INET, AF_INET, AF_INET};

static void families_take_turns(void **state)
{
    const int families[N] = {AF_INET6, AF_INET6, AF_INET6, AF_INET};
    struct rig rig;
    (void)state;
    set_up(&rig, families);
    chat__dial_begin(&rig.dial, rig.epoll_fd, rig.infos);
    assert_int_equal(rig.dial.n, N);
    assert_ptr_equal(rig.dial.order[0], &rig.infos[0]);
    assert_ptr_equal(rig.dial.order[1], &rig.infos[3]);
    assert_ptr_equal(rig.dial.order[2], &rig.infos[1]);
    assert_ptr_equal(rig.dial.order[3], &rig.infos[2]);
    tear_down(&rig);
}

static void a_silent_address_costs_a_quarter_of_a_second(void **state)
{
    struct rig rig;
    struct epoll_event event;
    int fd = -1;
    (void)state;
    set_up(&rig, IPV4);
    make_silent(&rig, 0);
    assert_int_equal(listen(rig.fds[1], 4), 0);
    chat__dial_begin(&rig.dial, rig.epoll_fd, rig.infos);
    assert_int_equal(chat__dial_work(&rig.dial, 1000, &fd), CHAT_MORE);
    assert_int_equal(chat__dial_deadline(&rig.dial), 1250);
    assert_int_equal(chat__dial_work(&rig.dial, 1249, &fd), CHAT_MORE);
    assert_int_equal(rig.dial.next, 1);
    (void)chat__dial_work(&rig.dial, 1250, &fd);
    assert_int_equal(rig.dial.next, 2);
    assert_int_equal(epoll_wait(rig.epoll_fd, &event, 1, 5000), 1);
    assert_int_equal(chat__dial_work(&rig.dial, 1251, &fd), CHAT_OK);
    assert_true(fd >= 0);
    close(fd);
    tear_down(&rig);
}

static void a_refusal_goes_on_at_once_and_the_last_one_is_told(void **state)
{
    struct rig rig;
    struct epoll_event event;
    chat_status status;
    int fd = -1;
    (void)state;
    set_up(&rig, IPV4); /* nobody listens */
    chat__dial_begin(&rig.dial, rig.epoll_fd, rig.infos);
    while ((status = chat__dial_work(&rig.dial, 0, &fd)) == CHAT_MORE)
        assert_int_equal(epoll_wait(rig.epoll_fd, &event, 1, 5000), 1);
    assert_int_equal(status, CHAT_ERR_NETWORK);
    assert_int_not_equal(rig.dial.error, 0);
    assert_int_equal(rig.dial.next, N);
    tear_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(a_silent_address_costs_a_quarter_of_a_second),
        cmocka_unit_test(a_refusal_goes_on_at_once_and_the_last_one_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
