/* SPDX-License-Identifier: MIT */
/* Who connects to whom: callers are taken, members with higher numbers are dialed, with pauses that
   grow. */
#include "links_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_PAUSE_MS   50u
#define ACCEPTS_PER_TURN 16

int chat__links_dials(const chat__links_peer *peer)
{
    return peer->member > peer->links->options->link_member && peer->host[0] != '\0';
}

/* Twice as long each time up to link-retry-max-ms, and by chance up to a half less. */
void chat__links_dial_later(chat__links_peer *peer, int is_good)
{
    uint64_t max_ms = peer->links->options->link_retry_max_ms;
    uint32_t chance;
    uint64_t next_ms = is_good || peer->pause_ms == 0 ? FIRST_PAUSE_MS : peer->pause_ms * 2;
    peer->pause_ms = next_ms < max_ms ? next_ms : max_ms;
    chat__links_random(&chance, sizeof chance);
    peer->dial_at_ms =
        chat__links_now(peer->links) + peer->pause_ms - chance % (peer->pause_ms / 2 + 1);
}

static void connect_to(chat__links_peer *peer)
{
    const struct addrinfo *address = peer->next_address;
    char why[CHAT__LINKS_WHY_BYTES];
    int one = 1;
    peer->next_address = address->ai_next;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0 &&
        (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)) {
        chat__links_conn_new(peer->links, peer, fd);
        return;
    }
    (void)snprintf(why, sizeof why, "cannot connect: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    chat__links_trouble(peer, why);
    chat__links_dial_later(peer, 0);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    chat__links_peer *peer = request->data;
    char why[CHAT__LINKS_WHY_BYTES];
    peer->is_resolving = 0;
    if (status != 0) {
        (void)snprintf(why, sizeof why, "the host's address cannot be found: %s",
                       uv_strerror(status));
        chat__links_trouble(peer, why);
        chat__links_dial_later(peer, 0);
        return;
    }
    peer->addresses = addresses;
    peer->next_address = addresses;
    if (!atomic_load(&peer->links->is_stopping))
        connect_to(peer);
}

void chat__links_dial(chat__links_peer *peer, uint64_t now_ms)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    (void)now_ms;
    if (peer->is_resolving)
        return;
    if (peer->next_address != NULL) {
        connect_to(peer);
        return;
    }
    /* All addresses were tried: they may be others by now. */
    if (peer->addresses != NULL)
        uv_freeaddrinfo(peer->addresses);
    peer->addresses = NULL;
    (void)snprintf(port, sizeof port, "%u", peer->port);
    peer->resolve.data = peer;
    peer->is_resolving = 1;
    if (uv_getaddrinfo(&peer->links->loop, &peer->resolve, on_resolved, peer->host, port, &hints) !=
        0) {
        peer->is_resolving = 0;
        chat__links_dial_later(peer, 0);
    }
}

void chat__links_accept(uv_poll_t *poll, int status, int events)
{
    chat__links *links = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(links->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (links->n_greeting >= CHAT__LINKS_MAX_GREETING)
            close(fd); /* strangers wait no longer than link-timeout-ms; members call again */
        else
            chat__links_conn_new(links, NULL, fd);
    }
}
