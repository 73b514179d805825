/* SPDX-License-Identifier: MIT */
/* A member that there is a link to, and where it is: named by the options, or found. */
#include "base/alloc.h"
#include "links_internal.h"

#include <string.h>

chat_status chat__links_peer_make(chat__links *links, chat__links_peer *peer)
{
    chat__trunk_options options = {.allocator = &links->allocator,
                                   .pool = links->pool,
                                   .window_bytes = (uint32_t)links->options->link_window_bytes,
                                   .queue_bytes = (uint32_t)links->options->link_queue_bytes,
                                   .timeout_ms = (uint32_t)links->options->link_timeout_ms};
    peer->links = links;
    if (uv_mutex_init(&peer->mutex) != 0)
        return CHAT_ERR_NOMEM;
    peer->has_mutex = 1;
    chat_status status = chat__trunk_new(&options, &peer->trunk);
    return status == CHAT_OK ? chat__links_tls(links->options, 1, &peer->tls) : status;
}

void chat__links_peer_free(chat__links_peer *peer)
{
    chat__trunk_free(peer->trunk);
    chat__tls_context_free(peer->tls);
    if (peer->addresses != NULL)
        uv_freeaddrinfo(peer->addresses);
    if (peer->has_mutex)
        uv_mutex_destroy(&peer->mutex);
}

/* It is somewhere else than it was. */
void chat__links_follow(chat__links_peer *peer)
{
    uv_mutex_lock(&peer->mutex);
    if (peer->is_found && !peer->is_resolving) {
        memcpy(peer->host, peer->found, sizeof peer->host);
        peer->port = peer->found_port;
        peer->is_found = 0;
        peer->dial_at_ms = peer->pause_ms = 0;
        peer->next_address = NULL; /* all are asked for anew */
    }
    uv_mutex_unlock(&peer->mutex);
}

chat_status chat__links_meet(chat__links *links, uint32_t member, const char *address)
{
    char host[CHAT__LINKS_HOST_BYTES] = "";
    uint16_t port = 0;
    uint32_t n = links->n_peers;
    chat__links_peer *peer = chat__links_find(links, member);
    if (address[0] != '\0' && !chat__options_split_address(address, host, sizeof host, &port))
        return CHAT_ERR_ARG;
    if (peer == NULL && n == CHAT__LINKS_MAX_PEERS)
        return CHAT_ERR_LIMIT;
    if (peer == NULL) {
        peer = &links->peers[n];
        peer->member = member;
        chat_status status = chat__links_peer_make(links, peer);
        if (status != CHAT_OK) {
            chat__links_peer_free(peer);
            memset(peer, 0, sizeof *peer);
            return status;
        }
        links->n_peers = n + 1;
    }
    uv_mutex_lock(&peer->mutex);
    int is_new = strcmp(peer->found, host) != 0 || peer->found_port != port;
    if (is_new) {
        memcpy(peer->found, host, sizeof host);
        peer->found_port = port;
        peer->is_found = 1;
    }
    uv_mutex_unlock(&peer->mutex);
    if (is_new)
        chat__links_wake(links);
    return CHAT_OK;
}
