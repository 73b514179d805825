/* SPDX-License-Identifier: MIT */
/* See link.h. */
#include "backends/cassandra/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TLS_WRITE_BYTES 16384u

uint64_t chat__cql_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void chat__cql_link_close(chat__cql_link *link, const chat__cql_link_place *place)
{
    if (link->resolve != NULL) /* the look-up may hold its descriptor open for longer */
        (void)epoll_ctl(place->epoll_fd, EPOLL_CTL_DEL, chat__resolve_fd(link->resolve), NULL);
    chat__dial_drop(&link->dial);
    chat__resolve_free(link->resolve);
    link->resolve = NULL;
    if (link->tls != NULL && link->state == CHAT__CQL_LINK_UP)
        chat__tls_close(link->tls);
    chat__tls_free(link->tls);
    link->tls = NULL;
    link->tls_repeat_bytes = 0;
    if (link->state >= CHAT__CQL_LINK_SHAKING)
        close(link->fd);
    link->state = CHAT__CQL_LINK_DOWN;
}

static chat_status fail(chat__cql_link *link, const chat__cql_link_place *place, chat_status status,
                        const char *why)
{
    char copy[CHAT__CQL_LINK_WHY_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", why); /* it may be TLS's */
    chat__cql_link_close(link, place);
    memcpy(link->why, copy, sizeof copy);
    return status;
}

chat_status chat__cql_link_open(chat__cql_link *link, const chat__cql_link_place *place,
                                const char *host, uint16_t port)
{
    char digits[8];
    struct epoll_event event = {.events = EPOLLIN};
    (void)snprintf(link->host, sizeof link->host, "%s", host);
    (void)snprintf(digits, sizeof digits, "%u", (unsigned)port);
    chat_status status = chat__resolve_start(host, digits, &link->resolve);
    if (status != CHAT_OK)
        return fail(link, place, status, "its name cannot be looked up: no memory or descriptor");
    link->state = CHAT__CQL_LINK_RESOLVING;
    if (epoll_ctl(place->epoll_fd, EPOLL_CTL_ADD, chat__resolve_fd(link->resolve), &event) != 0)
        return fail(link, place, CHAT_ERR_LIMIT, strerror(errno));
    return CHAT_OK;
}

/* The look-up stays: the addresses are its. */
static chat_status resolve(chat__cql_link *link, const chat__cql_link_place *place)
{
    const struct addrinfo *addresses = NULL;
    const char *why = "";
    chat_status status = chat__resolve_result(link->resolve, &addresses, &why);
    if (status == CHAT_MORE)
        return status;
    if (status != CHAT_OK)
        return fail(link, place, status, why);
    (void)epoll_ctl(place->epoll_fd, EPOLL_CTL_DEL, chat__resolve_fd(link->resolve), NULL);
    chat__dial_begin(&link->dial, place->epoll_fd, addresses);
    link->state = CHAT__CQL_LINK_CONNECTING;
    return CHAT_OK;
}

static chat_status dial(chat__cql_link *link, const chat__cql_link_place *place, uint64_t now_ms)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    chat_status status = chat__dial_work(&link->dial, now_ms, &link->fd);
    if (status == CHAT_MORE)
        return status;
    if (status != CHAT_OK)
        return fail(link, place, status, strerror(link->dial.error));
    chat__resolve_free(link->resolve);
    link->resolve = NULL;
    link->state = CHAT__CQL_LINK_SHAKING;
    link->interest = event.events;
    event.data.u64 = CHAT__CQL_LINK_MARK | link->number;
    if (epoll_ctl(place->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) != 0)
        return fail(link, place, CHAT_ERR_LIMIT, strerror(errno));
    if (place->tls != NULL)
        status = chat__tls_new(place->tls, link->fd,
                               place->tls_name != NULL ? place->tls_name : link->host, &link->tls);
    return status == CHAT_OK ? CHAT_OK : fail(link, place, status, "TLS cannot begin: no memory?");
}

static chat_status shake(chat__cql_link *link, const chat__cql_link_place *place)
{
    chat_status status = link->tls != NULL ? chat__tls_handshake(link->tls) : CHAT_OK;
    if (status == CHAT_MORE) {
        chat__cql_link_want(link, place, chat__tls_wants_write(link->tls));
        return status;
    }
    if (status != CHAT_OK)
        return fail(link, place, status, chat__tls_why(link->tls));
    chat__cql_link_want(link, place, 0);
    link->state = CHAT__CQL_LINK_UP;
    return CHAT_OK;
}

chat_status chat__cql_link_work(chat__cql_link *link, const chat__cql_link_place *place,
                                uint64_t now_ms)
{
    chat_status status = CHAT_OK;
    while (status == CHAT_OK && link->state != CHAT__CQL_LINK_UP) {
        if (link->state == CHAT__CQL_LINK_RESOLVING)
            status = resolve(link, place);
        else if (link->state == CHAT__CQL_LINK_CONNECTING)
            status = dial(link, place, now_ms);
        else if (link->state == CHAT__CQL_LINK_SHAKING)
            status = shake(link, place);
        else
            status = CHAT_ERR_STATE;
    }
    return status;
}

uint64_t chat__cql_link_deadline(const chat__cql_link *link)
{
    return link->state == CHAT__CQL_LINK_CONNECTING ? chat__dial_deadline(&link->dial) : UINT64_MAX;
}

/* Of a call on the socket. */
static chat_status settle(chat__cql_link *link, const chat__cql_link_place *place, ssize_t n,
                          size_t *out_len)
{
    if (n > 0) {
        *out_len = (size_t)n;
        return CHAT_OK;
    }
    if (n == 0)
        return fail(link, place, CHAT_ERR_CLOSED, "it closed the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return CHAT_MORE;
    return fail(link, place, CHAT_ERR_NETWORK, strerror(errno));
}

chat_status chat__cql_link_read(chat__cql_link *link, const chat__cql_link_place *place,
                                uint8_t *out, size_t cap, size_t *out_len)
{
    if (link->tls == NULL)
        return settle(link, place, recv(link->fd, out, cap, 0), out_len);
    chat_status status = chat__tls_read(link->tls, out, cap, out_len);
    return status >= 0 ? status : fail(link, place, status, chat__tls_why(link->tls));
}

chat_status chat__cql_link_write(chat__cql_link *link, const chat__cql_link_place *place,
                                 chat_view bytes, size_t *out_len)
{
    if (link->tls == NULL)
        return settle(link, place, send(link->fd, bytes.data, bytes.len, MSG_NOSIGNAL), out_len);
    size_t len = bytes.len < TLS_WRITE_BYTES ? bytes.len : TLS_WRITE_BYTES;
    if (link->tls_repeat_bytes != 0)
        len = link->tls_repeat_bytes;
    chat_status status = chat__tls_write(link->tls, bytes.data, len, out_len);
    link->tls_repeat_bytes = status == CHAT_MORE ? len : 0;
    return status >= 0 ? status : fail(link, place, status, chat__tls_why(link->tls));
}

void chat__cql_link_want(chat__cql_link *link, const chat__cql_link_place *place, int is_writing)
{
    struct epoll_event event = {.events = EPOLLIN | (is_writing ? (uint32_t)EPOLLOUT : 0)};
    event.data.u64 = CHAT__CQL_LINK_MARK | link->number;
    if (event.events != link->interest &&
        epoll_ctl(place->epoll_fd, EPOLL_CTL_MOD, link->fd, &event) == 0)
        link->interest = event.events;
}
