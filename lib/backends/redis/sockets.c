/* SPDX-License-Identifier: MIT */
/*
 * The sockets of the fleet's links, behind one epoll descriptor: looked up, dialled, with TLS when
 * it is asked for, read and written. Nothing blocks.
 */
#include "backends/redis/internal.h"

#include "base/view.h"
#include "net/io.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_OF_TURN 16u
#define ADVICE_TLS    "check `tls`, `ca_file`, and that the certificate is for this name"

static int watch(chat_redis *redis, int how, int fd, int wants_write)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0u);
    event.data.fd = fd;
    return epoll_ctl(redis->epoll_fd, how, fd, &event) == 0;
}

static void hang_up(chat__redis_socket *s)
{
    chat__resolve_free(s->resolve);
    s->resolve = NULL;
    if (s->phase == CHAT__REDIS_SOCKET_CONNECTING)
        chat__dial_drop(&s->dial);
    chat__tls_free(s->tls);
    s->tls = NULL;
    s->tls_repeat_bytes = 0;
    if (s->phase == CHAT__REDIS_SOCKET_OPEN)
        close(s->fd);
    s->phase = CHAT__REDIS_SOCKET_NONE;
}

static void fail(chat_redis *redis, uint32_t link, chat_status status, const char *why)
{
    hang_up(&redis->sockets[link]);
    chat__redis_fleet_closed(redis->fleet, link, status, why);
}

/* --- dialling --- */

static void dial(chat_redis *redis, uint32_t link, const chat__redis_address *address)
{
    chat__redis_socket *s = &redis->sockets[link];
    char port[8];
    if (!chat__redis_address_equal(&s->address, address)) {
        chat__tls_context_free(s->tls_context);
        s->tls_context = NULL;
    }
    s->address = *address;
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    chat_status status = chat__resolve_start(address->host, port, &s->resolve);
    if (status == CHAT_OK && !watch(redis, EPOLL_CTL_ADD, chat__resolve_fd(s->resolve), 0))
        status = CHAT_ERR_LIMIT;
    if (status != CHAT_OK) {
        fail(redis, link, status, "no thread, descriptor or memory is left to look up its name");
        return;
    }
    s->phase = CHAT__REDIS_SOCKET_RESOLVING;
}

static void resolve(chat_redis *redis, uint32_t link)
{
    chat__redis_socket *s = &redis->sockets[link];
    const struct addrinfo *addresses = NULL;
    const char *error = "";
    char why[CHAT__REDIS_WHY_BYTES];
    chat_status status = chat__resolve_result(s->resolve, &addresses, &error);
    if (status == CHAT_MORE)
        return;
    (void)epoll_ctl(redis->epoll_fd, EPOLL_CTL_DEL, chat__resolve_fd(s->resolve), NULL);
    if (status != CHAT_OK) {
        snprintf(why, sizeof why, "the name is not known (%.100s): correct `servers`", error);
        fail(redis, link, CHAT_ERR_NETWORK, why);
        return;
    }
    chat__dial_begin(&s->dial, redis->epoll_fd, addresses);
    s->phase = CHAT__REDIS_SOCKET_CONNECTING;
}

static chat_status start_tls(chat_redis *redis, chat__redis_socket *s,
                             char why[CHAT__REDIS_WHY_BYTES])
{
    chat_status status = CHAT_OK;
    if (!redis->options.tls)
        return CHAT_OK;
    if (s->tls_context == NULL)
        status = chat__tls_client_new(redis->options.ca_file, 1, why, CHAT__REDIS_WHY_BYTES,
                                      &s->tls_context);
    if (status == CHAT_OK)
        status = chat__tls_new(s->tls_context, s->fd, s->address.host, &s->tls);
    return status;
}

static void connect_it(chat_redis *redis, uint32_t link)
{
    chat__redis_socket *s = &redis->sockets[link];
    char why[CHAT__REDIS_WHY_BYTES] = "TLS cannot begin: check `ca_file`";
    int one = 1;
    chat_status status = chat__dial_work(&s->dial, redis->now_ms, &s->fd);
    if (status == CHAT_MORE)
        return;
    if (status != CHAT_OK) {
        snprintf(why, sizeof why, "%s: check host and port in `servers`, and whether it runs",
                 strerror(s->dial.error));
        fail(redis, link, status, why);
        return;
    }
    chat__resolve_free(s->resolve);
    s->resolve = NULL;
    s->phase = CHAT__REDIS_SOCKET_OPEN;
    s->is_ready = 1;
    s->wants_write = 0;
    (void)setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    status = start_tls(redis, s, why);
    if (status == CHAT_OK && !watch(redis, EPOLL_CTL_ADD, s->fd, 0)) {
        snprintf(why, sizeof why, "%s", strerror(errno));
        status = CHAT_ERR_LIMIT;
    }
    if (status != CHAT_OK)
        fail(redis, link, status, why);
    else
        chat__redis_fleet_opened(redis->fleet, link, redis->now_ms);
}

/* --- bytes --- */

static void lose(chat_redis *redis, uint32_t link, chat_status status)
{
    chat__redis_socket *s = &redis->sockets[link];
    char why[CHAT__REDIS_WHY_BYTES];
    const char *what = status == CHAT_ERR_CLOSED ? "it closed the connection"
                       : s->tls != NULL          ? chat__tls_why(s->tls)
                                                 : strerror(errno);
    const char *hint = status == CHAT_ERR_TLS ? ": " ADVICE_TLS
                       : s->tls == NULL       ? " (if that is at once, does it want TLS? Set `tls`)"
                                              : "";
    snprintf(why, sizeof why, "%.100s%s", what, hint);
    fail(redis, link, status, why);
}

static chat_status write_some(chat__redis_socket *s, chat_view bytes, size_t *out_len)
{
    return s->tls != NULL
               ? chat__io_send_tls(s->tls, &s->tls_repeat_bytes, bytes.data, bytes.len, out_len)
               : chat__io_send(s->fd, bytes.data, bytes.len, out_len);
}

static void read_it(chat_redis *redis, uint32_t link)
{
    chat__redis_socket *s = &redis->sockets[link];
    for (uint32_t i = 0; i < READS_OF_TURN; i++) {
        size_t n = 0;
        chat_status status = chat__io_receive(s->tls, s->fd, redis->bytes, sizeof redis->bytes, &n);
        if (status == CHAT_MORE || (status == CHAT_OK && s->tls == NULL && n < sizeof redis->bytes))
            s->is_ready = 0;
        if (status == CHAT_OK)
            chat__redis_fleet_feed(redis->fleet, link, chat__view(redis->bytes, n));
        else if (status != CHAT_MORE)
            lose(redis, link, status);
        if (status != CHAT_OK || !s->is_ready)
            return;
    }
}

static void write_it(chat_redis *redis, uint32_t link)
{
    chat__redis_socket *s = &redis->sockets[link];
    chat_view bytes;
    chat_status status = CHAT_OK;
    while ((bytes = chat__redis_fleet_unsent(redis->fleet, link)).len > 0 && status == CHAT_OK) {
        size_t n = 0;
        status = write_some(s, bytes, &n);
        if (status == CHAT_OK)
            chat__redis_fleet_sent(redis->fleet, link, n);
    }
    if (status != CHAT_OK && status != CHAT_MORE) {
        lose(redis, link, status);
        return;
    }
    int wants_write =
        s->tls != NULL && status == CHAT_MORE ? chat__tls_wants_write(s->tls) : status == CHAT_MORE;
    if (wants_write != s->wants_write)
        (void)watch(redis, EPOLL_CTL_MOD, s->fd, wants_write);
    s->wants_write = wants_write != 0;
}

/* --- a turn --- */

void chat__redis_sockets_read(chat_redis *redis)
{
    struct epoll_event events[CHAT__REDIS_MAX_LINKS];
    int n = epoll_wait(redis->epoll_fd, events, CHAT__REDIS_MAX_LINKS, 0);
    for (uint32_t i = 0; i < CHAT__REDIS_MAX_LINKS; i++) {
        chat__redis_socket *s = &redis->sockets[i];
        for (int k = 0; k < n && s->phase == CHAT__REDIS_SOCKET_OPEN; k++)
            s->is_ready |= events[k].data.fd == s->fd;
        if (s->phase == CHAT__REDIS_SOCKET_RESOLVING)
            resolve(redis, i);
        if (s->phase == CHAT__REDIS_SOCKET_CONNECTING)
            connect_it(redis, i);
        if (s->phase == CHAT__REDIS_SOCKET_OPEN && s->is_ready)
            read_it(redis, i);
    }
}

void chat__redis_sockets_work(chat_redis *redis)
{
    chat__redis_io io;
    while (chat__redis_fleet_next_io(redis->fleet, redis->now_ms, &io) == CHAT_OK) {
        if (io.type == CHAT__REDIS_IO_HANG_UP)
            hang_up(&redis->sockets[io.link]);
        else
            dial(redis, io.link, &io.address);
    }
    for (uint32_t i = 0; i < CHAT__REDIS_MAX_LINKS; i++) {
        if (redis->sockets[i].phase == CHAT__REDIS_SOCKET_OPEN)
            write_it(redis, i);
    }
}

uint64_t chat__redis_sockets_deadline(const chat_redis *redis)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t i = 0; i < CHAT__REDIS_MAX_LINKS; i++) {
        const chat__redis_socket *s = &redis->sockets[i];
        uint64_t its = s->phase == CHAT__REDIS_SOCKET_CONNECTING ? chat__dial_deadline(&s->dial)
                       : s->phase == CHAT__REDIS_SOCKET_OPEN && s->is_ready ? 0
                                                                            : UINT64_MAX;
        at = its < at ? its : at;
    }
    return at;
}

void chat__redis_sockets_done(chat_redis *redis)
{
    for (uint32_t i = 0; i < CHAT__REDIS_MAX_LINKS; i++) {
        hang_up(&redis->sockets[i]);
        chat__tls_context_free(redis->sockets[i].tls_context);
    }
    if (redis->epoll_fd >= 0)
        close(redis->epoll_fd);
}
