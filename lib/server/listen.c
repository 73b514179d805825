/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: one for each shard on the same port (SO_REUSEPORT), so that the system spreads
 * connections. Running out of descriptors is survived: a spare one is kept to turn callers away.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          4096
#define SEND_BYTES       131072 /* in the system; it takes twice as much */
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100u
#define WARN_EVERY_MS    10000u
#define HOST_BYTES       256u

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

/* A bound socket, or -errno. */
static int bind_to(const struct addrinfo *info, int is_shared)
{
    int one = 1, send_bytes = SEND_BYTES;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Accepted sockets inherit both. Left to itself the system takes megabytes for a client that
       does not read, and we would not see that it is slow. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    if (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        goto fail;
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0)
        goto fail;
    return fd;
fail:
    one = errno;
    close(fd);
    return -one;
}

/* Sockets that share a port would also share it with another server: look alone first. */
static int probe(const struct addrinfo *info)
{
    int fd = bind_to(info, 0);
    if (fd < 0)
        return fd;
    int error = listen(fd, 1) == 0 ? 0 : -errno;
    close(fd);
    return error;
}

/* Say why `option` cannot be what it is. */
static chat_status refuse(const chat_server_options *options, const char *option,
                          const char *address, int error)
{
    char advice[160] = "";
    chat_status status = CHAT_ERR_NETWORK;
    if (error == EADDRINUSE) {
        (void)snprintf(advice, sizeof advice,
                       ": another program has it; choose another with --%s, or stop that program",
                       option);
        status = CHAT_ERR_IN_USE;
    } else if (error == EACCES) {
        (void)snprintf(advice, sizeof advice, ": ports below 1024 need the right to bind them");
    } else if (error == EADDRNOTAVAIL) {
        (void)snprintf(advice, sizeof advice,
                       ": no network interface of this host has this address");
    }
    chat__options_log(options, CHAT_LOG_ERROR, "cannot listen on %s: %s%s", address,
                      error == EADDRINUSE ? "the port is in use" : strerror(error), advice);
    return status;
}

/* `port` 0: the address's own. */
static int find_address(const char *address, uint16_t port, struct addrinfo **out)
{
    char host[HOST_BYTES], service[8];
    uint16_t own_port = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!chat__options_split_address(address, host, sizeof host, &own_port))
        return EAI_NONAME;
    (void)snprintf(service, sizeof service, "%u", port != 0 ? port : own_port);
    return getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, out);
}

/* One of those that share a port, or the only one; the first one looks whether it is free. */
static chat_status open_socket(const chat_server_options *options, const char *option,
                               const char *address, int is_shared, int *out_fd, uint16_t *port)
{
    struct addrinfo *info = NULL;
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int error = find_address(address, *port, &info);
    if (error != 0) {
        chat__options_log(options, CHAT_LOG_ERROR, "cannot listen on %s: %s", address,
                          gai_strerror(error));
        return CHAT_ERR_NETWORK;
    }
    error = *port == 0 ? probe(info) : 0;
    int fd = error == 0 ? bind_to(info, is_shared) : error;
    freeaddrinfo(info);
    if (fd < 0)
        return refuse(options, option, address, -fd);
    if (listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0) {
        error = errno;
        close(fd);
        return refuse(options, option, address, error);
    }
    *port = port_of(&bound);
    *out_fd = fd;
    return CHAT_OK;
}

chat_status chat__listen_open(chat_server *server, int *out_fd)
{
    return open_socket(&server->options, "listen", server->options.listen, server->n_shards > 1,
                       out_fd, &server->port);
}

chat_status chat__listen_socket(const chat_server_options *options, const char *option,
                                const char *address, int *out_fd, uint16_t *out_port)
{
    *out_port = 0;
    return open_socket(options, option, address, 0, out_fd, out_port);
}

/* --- accepting --- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    chat__shard *shard = timer->data;
    if (shard->listen_fd >= 0)
        (void)uv_poll_start(&shard->listener, UV_READABLE, on_readable);
}

/* No descriptor is left: use the spare one to turn one caller away, then wait a little. */
static void turn_away(chat__shard *shard, int error)
{
    uint64_t now_ms = chat__shard_now(shard);
    if (shard->reserve_fd >= 0) {
        close(shard->reserve_fd);
        int fd = accept4(shard->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        shard->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (shard->accept_warned_ms == 0 || now_ms - shard->accept_warned_ms >= WARN_EVERY_MS) {
        shard->accept_warned_ms = now_ms;
        chat__server_log(shard->server, CHAT_LOG_ERROR,
                         "cannot accept connections: %s; raise the limit of open files (ulimit -n) "
                         "or lower max-connections",
                         strerror(error));
    }
    (void)uv_poll_stop(&shard->listener);
    (void)uv_timer_start(&shard->accept_timer, on_pause_over, PAUSE_MS, 0);
}

static int is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    chat__shard *shard = poll->data;
    (void)status;
    (void)events;
    chat__shard_begin(shard);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(shard->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            chat__greet_new(shard, fd);
        } else if (is_shortage(errno)) {
            turn_away(shard, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else: that caller is gone already, the next one is waiting */
    }
}

chat_status chat__listen_start(chat__shard *shard)
{
    shard->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (uv_poll_init(&shard->loop, &shard->listener, shard->listen_fd) != 0) {
        close(shard->listen_fd);
        shard->listen_fd = -1;
        return CHAT_ERR_NOMEM;
    }
    shard->listener.data = shard;
    (void)uv_poll_start(&shard->listener, UV_READABLE, on_readable);
    return CHAT_OK;
}

void chat__listen_stop(chat__shard *shard)
{
    if (shard->listen_fd >= 0) {
        (void)uv_timer_stop(&shard->accept_timer);
        uv_close((uv_handle_t *)&shard->listener, NULL);
        close(shard->listen_fd);
    }
    if (shard->reserve_fd >= 0)
        close(shard->reserve_fd);
    shard->listen_fd = shard->reserve_fd = -1;
}
