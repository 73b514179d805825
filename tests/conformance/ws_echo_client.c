/* SPDX-License-Identifier: MIT */
/*
 * ws-echo-client URL: connects, sends back whatever arrives until the peer closes. For conformance
 * suites that test clients. Exit code 0: the peer closed in the proper way; 1: anything else.
 */
#include "echo.h"

#include "base/view.h"
#include "client/url.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "ws-echo-client: %s\n", what);
    return 1;
}

static int connect_to(const chat__url *url)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(url->host, url->port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static int send_all(int fd, chat__buf *tx)
{
    size_t at = 0;
    while (at < tx->len) {
        ssize_t n = send(fd, tx->data + at, tx->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return 0;
        at += n > 0 ? (size_t)n : 0;
    }
    tx->len = 0;
    return 1;
}

/* Read more behind what is there; 0 at the end or on failure. */
static int receive(int fd, chat__buf *rx)
{
    if (chat__buf_reserve(rx, 65536) != CHAT_OK)
        return 0;
    ssize_t n = recv(fd, rx->data + rx->len, 65536, 0);
    rx->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Ask for the upgrade; what follows the answer stays in `rx`. NULL, or what went wrong. */
static const char *upgrade_to_ws(int fd, const chat__http_upgrade *upgrade, int *has_deflate,
                                 chat__buf *rx, chat__buf *tx)
{
    chat__http_response response;
    size_t head_len = 0;
    chat_status status = chat__http_write_upgrade(upgrade, tx);
    if (status != CHAT_OK || !send_all(fd, tx))
        return "the request cannot be sent";
    do {
        if (!receive(fd, rx))
            return "the server hung up";
        status = chat__http_parse_response(chat__buf_view(rx), upgrade, &response, &head_len);
    } while (status == CHAT_MORE);
    if (status != CHAT_OK)
        return "the server refused the upgrade";
    *has_deflate = response.has_deflate;
    chat__buf_consume(rx, head_len);
    return NULL;
}

/* Until the peer closes: CHAT_ERR_CLOSED. */
static chat_status echo(int fd, chat__ws *ws, chat__buf *rx, chat__buf *tx)
{
    for (;;) {
        chat_status status = echo_receive(ws, rx->data, rx->len, tx);
        rx->len = 0;
        if (!send_all(fd, tx))
            return CHAT_ERR_NETWORK;
        if (status != CHAT_OK)
            return status;
        if (!receive(fd, rx))
            return CHAT_ERR_NETWORK;
    }
}

int main(int argc, char **argv)
{
    chat__url url;
    chat__http_upgrade upgrade = {.path = url.path, .host_header = url.host_header};
    chat__ws_pool *pool = NULL;
    chat__ws ws;
    chat__buf rx, tx;
    const char *why = NULL;
    int has_deflate = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: ws-echo-client ws://HOST[:PORT][/PATH]\n");
        return 2;
    }
    if (chat__url_parse(argv[1], &url, &why) != CHAT_OK || url.is_tls)
        return fail(why != NULL ? why : "only ws: is spoken here");
    upgrade.offer_deflate = 1;
    int fd = connect_to(&url);
    if (fd < 0 || getrandom(upgrade.key, sizeof upgrade.key, 0) != (ssize_t)sizeof upgrade.key ||
        chat__ws_pool_new(NULL, &echo_limits, &pool) != CHAT_OK)
        return fail("cannot connect");
    chat__buf_init(&rx, NULL, 1u << 20);
    chat__buf_init(&tx, NULL, ECHO_MAX_TX_BYTES);
    why = upgrade_to_ws(fd, &upgrade, &has_deflate, &rx, &tx);
    chat_status status = CHAT_ERR_PROTOCOL;
    if (why == NULL) {
        chat__ws_init(&ws, pool, 1, has_deflate);
        status = echo(fd, &ws, &rx, &tx);
        chat__ws_done(&ws);
        /* Our close frame arrives only if nothing is left unread here. */
        (void)shutdown(fd, SHUT_WR);
        while (receive(fd, &rx))
            rx.len = 0;
    }
    chat__buf_done(&rx);
    chat__buf_done(&tx);
    chat__ws_pool_free(pool);
    close(fd);
    if (status == CHAT_ERR_CLOSED)
        return 0;
    return fail(why != NULL ? why : chat_status_text(status));
}
