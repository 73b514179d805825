/* SPDX-License-Identifier: MIT */
/* See dial.h. */
#include "net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The next address whose family is (not) `family`, behind `from`. */
static const struct addrinfo *next_of(const struct addrinfo *from, int family, int is_same)
{
    while (from != NULL && (from->ai_family == family) != is_same)
        from = from->ai_next;
    return from;
}

/* RFC 8305 section 4: the resolver's first family begins, then they take turns. */
void chat__dial_begin(chat__dial *dial, int epoll_fd, const struct addrinfo *addresses)
{
    int family = addresses->ai_family;
    const struct addrinfo *at[2] = {addresses, next_of(addresses, family, 0)};
    memset(dial, 0, sizeof *dial);
    dial->epoll_fd = epoll_fd;
    for (int turn = 0; dial->n < CHAT__DIAL_MAX && (at[0] != NULL || at[1] != NULL); turn ^= 1) {
        if (at[turn] == NULL)
            continue;
        dial->fds[dial->n] = -1;
        dial->order[dial->n++] = at[turn];
        at[turn] = next_of(at[turn]->ai_next, family, turn == 0);
    }
}

/* 0: not even begun, `error` says why. */
static int begin_one(chat__dial *dial, size_t i)
{
    const struct addrinfo *address = dial->order[i];
    struct epoll_event event;
    int one = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | EPOLLOUT;
    event.data.fd = fd;
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0 &&
        (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) &&
        epoll_ctl(dial->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        dial->fds[i] = fd;
        return 1;
    }
    dial->error = errno;
    if (fd >= 0)
        close(fd);
    return 0;
}

/* CHAT_OK, CHAT_MORE, CHAT_ERR_NETWORK. */
static chat_status look(chat__dial *dial, int fd)
{
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0)
        return getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 ? CHAT_OK : CHAT_MORE;
    dial->error = error;
    return CHAT_ERR_NETWORK;
}

/* How many are on their way; CHAT_OK in `*out_status` when one has arrived. */
static size_t look_at_all(chat__dial *dial, int *out_fd, chat_status *out_status)
{
    size_t n_live = 0;
    *out_status = CHAT_MORE;
    for (size_t i = 0; i < dial->next; i++) {
        int fd = dial->fds[i];
        chat_status status = fd >= 0 ? look(dial, fd) : CHAT_EMPTY;
        if (status == CHAT_OK) {
            (void)epoll_ctl(dial->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
            dial->fds[i] = -1;
            *out_fd = fd;
            *out_status = CHAT_OK;
            return n_live;
        }
        if (status == CHAT_ERR_NETWORK) {
            close(fd);
            dial->fds[i] = -1;
        }
        n_live += status == CHAT_MORE;
    }
    return n_live;
}

chat_status chat__dial_work(chat__dial *dial, uint64_t now_ms, int *out_fd)
{
    chat_status status;
    size_t n_live = look_at_all(dial, out_fd, &status);
    if (status == CHAT_OK) {
        chat__dial_drop(dial);
        return CHAT_OK;
    }
    while (dial->next < dial->n && (n_live == 0 || now_ms >= dial->next_at_ms)) {
        n_live += (size_t)begin_one(dial, dial->next++);
        dial->next_at_ms = now_ms + CHAT__DIAL_DELAY_MS;
    }
    return n_live > 0 ? CHAT_MORE : CHAT_ERR_NETWORK;
}

uint64_t chat__dial_deadline(const chat__dial *dial)
{
    return dial->next < dial->n ? dial->next_at_ms : UINT64_MAX;
}

void chat__dial_drop(chat__dial *dial)
{
    for (size_t i = 0; i < dial->next; i++)
        if (dial->fds[i] >= 0)
            close(dial->fds[i]);
    dial->n = 0;
    dial->next = 0;
}
