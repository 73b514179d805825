/* SPDX-License-Identifier: MIT */
/*
 * ws-echo --listen HOST:PORT: sends back every WebSocket message, over the adapters that chatd
 * uses. For conformance suites, which point themselves at it. Any path will do; port 0 picks one.
 * Prints `listening on HOST:PORT` when it is ready.
 */
#include "echo.h"

#include "base/view.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_TX_WAITING (1u << 20) /* above it nothing more is read from the connection */

typedef struct conn {
    int fd;
    int is_up;
    int is_ending; /* what is left in tx goes out, then the socket is shut */
    int is_shut;
    size_t tx_at;
    chat__ws ws;
    chat__buf rx; /* the head of the request */
    chat__buf tx;
} conn;

static int poller;
static chat__ws_pool *pool;

static void conn_free(conn *c)
{
    close(c->fd);
    if (c->is_up)
        chat__ws_done(&c->ws);
    chat__buf_done(&c->rx);
    chat__buf_done(&c->tx);
    free(c);
}

/* Answer the request when its head is complete; what follows it is WebSocket. */
static void take_head(conn *c)
{
    chat__http_request request;
    size_t head_len = 0;
    chat_status status = chat__http_parse_request(chat__buf_view(&c->rx), 0, &request, &head_len);
    if (status == CHAT_MORE)
        return;
    if (status != CHAT_OK || !request.is_upgrade) {
        c->is_ending = 1;
        (void)chat__http_write_answer(
            status == CHAT_OK ? 426 : request.error_status, NULL,
            chat__view_str(status == CHAT_OK ? "this is a WebSocket server" : request.error_text),
            &c->tx);
        return;
    }
    if (chat__http_write_switch(&request, 1, &c->tx) != CHAT_OK) {
        c->is_ending = 1;
        return;
    }
    c->is_up = 1;
    chat__ws_init(&c->ws, pool, 0, request.offers_deflate);
    if (echo_receive(&c->ws, c->rx.data + head_len, c->rx.len - head_len, &c->tx) != CHAT_OK)
        c->is_ending = 1;
    chat__buf_done(&c->rx);
}

/* 0: the connection is gone. */
static int take_input(conn *c)
{
    static uint8_t bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return 0;
    if (c->is_ending)
        return 1;
    if (c->is_up) {
        c->is_ending = echo_receive(&c->ws, bytes, (size_t)n, &c->tx) != CHAT_OK;
    } else {
        if (chat__buf_append(&c->rx, bytes, (size_t)n) != CHAT_OK)
            return 0;
        take_head(c);
    }
    return 1;
}

/* 0: the connection is gone. */
static int give_output(conn *c)
{
    while (c->tx_at < c->tx.len) {
        ssize_t n = send(c->fd, c->tx.data + c->tx_at, c->tx.len - c->tx_at, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->tx_at += (size_t)n;
    }
    c->tx_at = 0;
    c->tx.len = 0;
    if (c->tx.cap > MAX_TX_WAITING)
        chat__buf_done(&c->tx);
    /* Closing with input unread would reset the connection and take our close frame with it. */
    if (c->is_ending && !c->is_shut) {
        c->is_shut = 1;
        return shutdown(c->fd, SHUT_WR) == 0;
    }
    return 1;
}

static void watch(conn *c, int operation)
{
    struct epoll_event event = {0};
    event.data.ptr = c;
    event.events = c->tx.len > MAX_TX_WAITING ? 0 : EPOLLIN;
    if (c->tx.len > 0)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller, operation, c->fd, &event) != 0)
        perror("epoll_ctl");
}

static void accept_one(int listen_fd)
{
    int yes = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c->fd = fd;
    chat__buf_init(&c->rx, NULL, 1u << 20);
    chat__buf_init(&c->tx, NULL, ECHO_MAX_TX_BYTES);
    watch(c, EPOLL_CTL_ADD);
}

static void serve(conn *c, uint32_t events)
{
    int is_alive = 1;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        is_alive = take_input(c);
    if (is_alive)
        is_alive = give_output(c);
    if (is_alive)
        watch(c, EPOLL_CTL_MOD);
    else
        conn_free(c);
}

static int listen_on(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int yes = 1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
                    bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 512) != 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void print_address(int fd, const char *host)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char port[16] = "?";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof port,
                          NI_NUMERICSERV);
    printf(strchr(host, ':') != NULL ? "listening on [%s]:%s\n" : "listening on %s:%s\n", host,
           port);
    fflush(stdout);
}

/* Split HOST:PORT or [HOST]:PORT in place; NULL when it is neither. */
static char *split_port(char **host)
{
    char *colon = strrchr(*host, ':');
    if (colon == NULL || colon == *host || colon[1] == 0)
        return NULL;
    *colon = 0;
    if (**host == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        ++*host;
    }
    return colon + 1;
}

int main(int argc, char **argv)
{
    char *host = argc == 3 && strcmp(argv[1], "--listen") == 0 ? argv[2] : NULL;
    char *port = host == NULL ? NULL : split_port(&host);
    if (port == NULL) {
        fprintf(stderr, "usage: ws-echo --listen HOST:PORT\n");
        return 2;
    }
    int listen_fd = listen_on(host, port);
    struct epoll_event listening = {.events = EPOLLIN};
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (listen_fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listen_fd, &listening) != 0 ||
        chat__ws_pool_new(NULL, &echo_limits, &pool) != CHAT_OK) {
        fprintf(stderr, "ws-echo: cannot listen on %s:%s: %s\n", host, port, strerror(errno));
        return 1;
    }
    print_address(listen_fd, host);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_one(listen_fd);
            else
                serve(events[i].data.ptr, events[i].events);
        }
    }
}
