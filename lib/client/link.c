/* SPDX-License-Identifier: MIT */
/* See link.h: making the connection. Bytes and messages are in link_io.c. */
#include "link.h"
#include "link_io.h"
#include "base/view.h"
#include "net/ws_deflate.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FRAGMENTS     1024u
#define DEFLATE_MIN_BYTES 512u

chat_status chat__link_init(chat__link *link)
{
    chat__ws_limits limits = {link->max_frame_bytes, MAX_FRAGMENTS, DEFLATE_MIN_BYTES};
    link->fd = -1;
    link->state = CHAT__LINK_DOWN;
    chat__buf_init(&link->rx, link->allocator, CHAT__HTTP_MAX_HEAD_BYTES + CHAT__LINK_READ_BYTES);
    chat__buf_init(&link->tx, link->allocator,
                   CHAT__LINK_WRITE_BYTES + 2 * (size_t)link->max_frame_bytes + 4096);
    chat__buf_init(&link->own_in, link->allocator, CHAT__LINK_READ_BYTES);
    return chat__ws_pool_new(link->allocator, &limits, &link->pool);
}

void chat__link_done(chat__link *link)
{
    chat__link_drop(link);
    chat__resolver_done(&link->resolver);
    chat__buf_done(&link->rx);
    chat__buf_done(&link->tx);
    chat__buf_done(&link->own_in);
    chat__ws_pool_free(link->pool);
    link->pool = NULL;
}

/* A server's words may have lines; a reason is one line. */
static void make_one_line(char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
}

chat_status chat__link_fail(chat__link *link, chat_status status, const char *format, ...)
{
    va_list args;
    assert(format != NULL); /* else the sanitizers' check of it makes the compiler warn */
    va_start(args, format);
    vsnprintf(link->why, sizeof link->why, format, args);
    va_end(args);
    make_one_line(link->why);
    chat__link_drop(link);
    return status;
}

static void close_socket(chat__link *link)
{
    chat__tls_free(link->tls);
    link->tls = NULL;
    if (link->fd >= 0)
        close(link->fd); /* leaves the epoll set by itself: it was never duplicated */
    link->fd = -1;
    link->interest = 0;
}

/* Its descriptor stays open for the thread, or with a result that is readable for ever. */
static void unwatch_look_up(chat__link *link)
{
    (void)epoll_ctl(link->epoll_fd, EPOLL_CTL_DEL, chat__resolve_fd(link->resolver.now), NULL);
}

void chat__link_drop(chat__link *link)
{
    if (link->state >= CHAT__LINK_UP)
        chat__ws_done(&link->ws);
    close_socket(link);
    if (link->state == CHAT__LINK_RESOLVING)
        unwatch_look_up(link);
    chat__dial_drop(&link->dial); /* borrows what was found */
    chat__resolver_leave(&link->resolver);
    link->rx.len = 0;
    link->rx_at = 0;
    link->tx.len = 0;
    link->own_in.len = 0;
    link->is_own_open = 0;
    link->is_own_over = 0;
    link->tls_repeat_bytes = 0;
    link->may_read_more = 0;
    link->state = CHAT__LINK_DOWN;
}

/* Ask epoll for writability only while it matters: it would be reported all the time. */
chat_status chat__link_watch(chat__link *link)
{
    int wants_write = link->tx.len > 0 || (link->tls != NULL && chat__tls_wants_write(link->tls));
    struct epoll_event event;
    if (link->is_own)
        return CHAT_OK;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0);
    event.data.fd = link->fd;
    if (event.events == link->interest)
        return CHAT_OK;
    int op = link->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(link->epoll_fd, op, link->fd, &event) != 0)
        return chat__link_fail(link, CHAT_ERR_LIMIT, "epoll: %s", strerror(errno));
    link->interest = event.events;
    return CHAT_OK;
}

static const char *host_of(const chat__link *link)
{
    return link->proxy.host[0] != '\0' ? link->proxy.host : link->url.host;
}

static const char *port_of(const chat__link *link)
{
    return link->proxy.host[0] != '\0' ? link->proxy.port : link->url.port;
}

chat_status chat__link_open(chat__link *link, const uint8_t key[16])
{
    struct epoll_event event;
    chat__link_drop(link);
    link->retry_ms = 0;
    link->why[0] = '\0';
    memcpy(link->upgrade.key, key, sizeof link->upgrade.key);
    if (link->is_own) {
        link->n_opened++;
        link->state = CHAT__LINK_CONNECTING;
        return CHAT_OK;
    }
    chat_status status = chat__resolver_start(&link->resolver, host_of(link), port_of(link));
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "the look-up of %s could not start", host_of(link));
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = chat__resolve_fd(link->resolver.now);
    if (epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
        return chat__link_fail(link, CHAT_ERR_LIMIT, "epoll: %s", strerror(errno));
    link->state = CHAT__LINK_RESOLVING;
    return CHAT_OK;
}

static chat_status work_resolving(chat__link *link)
{
    const struct addrinfo *addresses = NULL;
    const char *why = "";
    chat_status status = chat__resolve_result(link->resolver.now, &addresses, &why);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    unwatch_look_up(link);
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "cannot find %s: %s", host_of(link), why);
    chat__dial_begin(&link->dial, link->epoll_fd, addresses);
    link->state = CHAT__LINK_CONNECTING;
    return CHAT_MORE;
}

static chat_status begin_upgrade(chat__link *link, chat_view token)
{
    chat_status status;
    if (link->tls_context != NULL) {
        status = chat__tls_new(link->tls_context, link->fd, link->url.host, &link->tls);
        if (status != CHAT_OK)
            return chat__link_fail(link, status, "TLS could not start");
    }
    link->upgrade.host_header = link->url.host_header;
    link->upgrade.path = link->url.path;
    link->upgrade.token = token;
    link->upgrade.encoding = link->encoding;
    link->upgrade.offer_deflate = !link->no_deflate && chat__ws_zip_is_there();
    link->state = CHAT__LINK_UPGRADING;
    status = chat__http_write_upgrade(&link->upgrade, &link->tx);
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "the request is too long");
    return CHAT_OK;
}

static chat_status work_own(chat__link *link, chat_view token)
{
    if (link->is_own_over)
        return chat__link_fail(link, CHAT_ERR_NETWORK, "the application's transport failed");
    return link->is_own_open ? begin_upgrade(link, token) : CHAT_MORE;
}

/* "host:port", as CONNECT wants it. */
static chat_status ask_proxy(chat__link *link)
{
    char target[sizeof link->url.host + sizeof link->url.port + 3];
    int is_v6 = strchr(link->url.host, ':') != NULL;
    snprintf(target, sizeof target, "%s%s%s:%s", is_v6 ? "[" : "", link->url.host, is_v6 ? "]" : "",
             link->url.port);
    link->state = CHAT__LINK_PROXYING;
    chat_status status = chat__http_write_connect(target, link->proxy.basic, &link->tx);
    return status == CHAT_OK ? CHAT_OK : chat__link_fail(link, status, "no memory to write");
}

static chat_status work_connecting(chat__link *link, uint64_t now_ms, chat_view token)
{
    int fd = -1;
    chat_status status = chat__dial_work(&link->dial, now_ms, &fd);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "cannot connect to %s port %s: %s", host_of(link),
                               port_of(link), strerror(link->dial.error));
    link->fd = fd;
    return link->proxy.host[0] != '\0' ? ask_proxy(link) : begin_upgrade(link, token);
}

static chat_status work_proxying(chat__link *link, chat_view token)
{
    chat__http_response response;
    chat_status status = chat__link_flush(link);
    if (status == CHAT_OK)
        status = chat__link_receive(link);
    if (status == CHAT_EMPTY)
        return CHAT_MORE;
    if (status != CHAT_OK)
        return status;
    status = chat__http_parse_connect(chat__buf_view(&link->rx), &response);
    if (status == CHAT_MORE && link->rx.len < CHAT__HTTP_MAX_HEAD_BYTES)
        return CHAT_MORE;
    if (status == CHAT_MORE)
        return chat__link_fail(link, CHAT_ERR_PROTOCOL, "the proxy's answer is too long");
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "the proxy answered %u %.*s", response.status,
                               (int)(response.reason.len < 180 ? response.reason.len : 180),
                               (const char *)response.reason.data);
    link->rx.len = 0;
    return begin_upgrade(link, token);
}

static chat_status work_upgrading(chat__link *link)
{
    chat__http_response response;
    size_t head_len = 0;
    chat_status status = chat__link_flush(link);
    if (status == CHAT_OK)
        status = chat__link_receive(link);
    if (status != CHAT_OK && status != CHAT_EMPTY)
        return status;
    memset(&response, 0, sizeof response);
    status =
        chat__http_parse_response(chat__buf_view(&link->rx), &link->upgrade, &response, &head_len);
    if (status == CHAT_MORE)
        return link->rx.len < CHAT__HTTP_MAX_HEAD_BYTES
                   ? CHAT_MORE
                   : chat__link_fail(link, CHAT_ERR_PROTOCOL, "the answer is too long");
    if (status != CHAT_OK) {
        link->retry_ms = (uint64_t)response.retry_after_s * 1000;
        return chat__link_fail(link, status, "the server answered %u %.*s", response.status,
                               (int)(response.reason.len < 180 ? response.reason.len : 180),
                               (const char *)response.reason.data);
    }
    link->rx_at = head_len;
    chat__ws_init(&link->ws, link->pool, 1, response.has_deflate);
    link->state = CHAT__LINK_UP;
    return CHAT_OK;
}

chat_status chat__link_work(chat__link *link, uint64_t now_ms, chat_view token)
{
    chat_status status = CHAT_MORE;
    if (link->state == CHAT__LINK_RESOLVING)
        status = work_resolving(link);
    if (status == CHAT_MORE && link->state == CHAT__LINK_CONNECTING) {
        status = link->is_own ? work_own(link, token) : work_connecting(link, now_ms, token);
        status = status == CHAT_OK ? CHAT_MORE : status;
    }
    if (status == CHAT_MORE && link->state == CHAT__LINK_PROXYING) {
        status = work_proxying(link, token);
        status = status == CHAT_OK ? CHAT_MORE : status;
    }
    if (status == CHAT_MORE && link->state == CHAT__LINK_UPGRADING)
        status = work_upgrading(link);
    return status;
}

uint64_t chat__link_deadline(const chat__link *link)
{
    return link->state == CHAT__LINK_CONNECTING && !link->is_own ? chat__dial_deadline(&link->dial)
                                                                 : UINT64_MAX;
}

uint64_t chat__link_number(const chat__link *link)
{
    return link->is_own && link->state != CHAT__LINK_DOWN ? link->n_opened : 0;
}
