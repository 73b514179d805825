/* SPDX-License-Identifier: MIT */
/* The end of a tunnel where the socket is. See tunnel.h. */
#include "tunnel_internal.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

static chat__tunnel_socket *socket_of(chat__peer *peer)
{
    return (chat__tunnel_socket *)(void *)peer;
}

chat__peer *chat__tunnel_socket_new(const chat_allocator *allocator)
{
    chat__tunnel_socket *tunnel = chat__alloc_zero(allocator, sizeof *tunnel);
    if (tunnel == NULL)
        return NULL;
    tunnel->peer.kind = CHAT__PEER_SOCKET;
    return &tunnel->peer;
}

int chat__tunnel_is_open(const chat__peer *peer)
{
    return ((const chat__tunnel_socket *)(const void *)peer)->number != 0;
}

static void forget(chat__shard *shard, chat__tunnel_socket *tunnel)
{
    if (tunnel->number != 0)
        (void)chat__map_remove(&shard->slots->tunnels->sockets,
                               chat__tunnel_key(&tunnel->number, sizeof tunnel->number));
    tunnel->number = 0;
}

/* Nobody serves it: the client is to come again. */
static void leave(chat__shard *shard, chat__tunnel_socket *tunnel, chat_status status,
                  const char *text)
{
    forget(shard, tunnel);
    chat__peer_end(shard, &tunnel->peer, chat_status_close_code(status), text);
}

static chat_status say(chat__shard *shard, const chat__tunnel_socket *tunnel,
                       chat__tunnel_word word, chat_view a)
{
    uint8_t head[CHAT__TUNNEL_HEAD] = {(uint8_t)word};
    chat__store64le(head + 1, tunnel->number);
    return chat__slots_add(shard, &shard->slots->to_home[tunnel->slot], CHAT__MAIL_TO_HOME,
                           chat__view(head, sizeof head), a);
}

/* What cannot be said would be missing. */
static void say_or_leave(chat__shard *shard, chat__tunnel_socket *tunnel, chat__tunnel_word word,
                         chat_view a)
{
    if (say(shard, tunnel, word, a) == CHAT_OK)
        return;
    uint64_t number = tunnel->number;
    leave(shard, tunnel, CHAT_ERR_BUSY, "out of memory");
    tunnel->number = number;
    (void)say(shard, tunnel, CHAT__TUNNEL_CLOSED, chat__view(NULL, 0));
    tunnel->number = 0;
}

chat_status chat__tunnel_dig(chat__shard *shard, chat__peer *peer, const chat__guest *guest)
{
    chat__tunnel_socket *tunnel = socket_of(peer);
    chat__tunnels *tunnels = shard->slots->tunnels;
    uint8_t open[CHAT__TUNNEL_OPEN_HEAD + CHAT_ID_MAX_BYTES];
    uint64_t now_ms = chat__shard_now(shard);
    const chat__slot_place *place = chat__slots_place(shard, guest->home);
    if (shard->is_draining)
        return CHAT_ERR_DRAIN;
    if (place->life == 0 || place->member == CHAT__SLOTS_HERE)
        return CHAT_ERR_BUSY;
    tunnel->slot = guest->home;
    tunnel->number = ++tunnels->last_number;
    chat_status status = chat__map_put(
        &tunnels->sockets, chat__tunnel_key(&tunnel->number, sizeof tunnel->number), tunnel);
    if (status != CHAT_OK) {
        tunnel->number = 0;
        return status;
    }
    open[0] = guest->encoding;
    chat__store64le(open + 1, guest->expires_unix_ms);
    chat__store64le(open + 9, now_ms > guest->since_ms ? now_ms - guest->since_ms : 0);
    memcpy(open + CHAT__TUNNEL_OPEN_HEAD, guest->user, guest->user_len);
    status = say(shard, tunnel, CHAT__TUNNEL_OPEN,
                 chat__view(open, CHAT__TUNNEL_OPEN_HEAD + guest->user_len));
    if (status != CHAT_OK)
        forget(shard, tunnel);
    return status;
}

void chat__tunnel_receive(chat__shard *shard, chat__peer *peer, chat_view message)
{
    say_or_leave(shard, socket_of(peer), CHAT__TUNNEL_MESSAGE, message);
}

void chat__tunnel_alive(chat__shard *shard, chat__peer *peer)
{
    if (chat__tunnel_is_open(peer))
        say_or_leave(shard, socket_of(peer), CHAT__TUNNEL_ALIVE, chat__view(NULL, 0));
}

/* All but what waits here; compressed or framed it is not exactly as much as came. */
void chat__tunnel_unsent(chat__shard *shard, chat__peer *peer, size_t bytes)
{
    chat__tunnel_socket *tunnel = socket_of(peer);
    uint8_t number[8];
    uint64_t taken = tunnel->written > bytes ? tunnel->written - bytes : 0;
    if (taken > tunnel->taken)
        tunnel->taken = taken;
    if (tunnel->taken - tunnel->reported < chat__tunnel_slack(shard) ||
        tunnel->taken == tunnel->reported)
        return;
    tunnel->reported = tunnel->taken;
    chat__store64le(number, tunnel->taken);
    say_or_leave(shard, tunnel, CHAT__TUNNEL_TAKEN, chat__view(number, sizeof number));
}

void chat__tunnel_closed(chat__shard *shard, chat__peer *peer)
{
    chat__tunnel_socket *tunnel = socket_of(peer);
    if (tunnel->number == 0)
        return;
    /* Out of memory: the node finds out when it hears nothing. */
    (void)say(shard, tunnel, CHAT__TUNNEL_CLOSED, chat__view(NULL, 0));
    forget(shard, tunnel);
}

/* --- from the user's node --- */

static void take_end(chat__shard *shard, chat__tunnel_socket *tunnel, chat_view what)
{
    char text[CHAT__SERVER_WHY_BYTES];
    if (what.len < 2)
        return;
    size_t len = what.len - 2 < sizeof text - 1 ? what.len - 2 : sizeof text - 1;
    memcpy(text, what.data + 2, len);
    text[len] = '\0';
    uint16_t code = (uint16_t)(what.data[0] | what.data[1] << 8);
    forget(shard, tunnel);
    chat__peer_end(shard, &tunnel->peer, code, text);
}

void chat__tunnel_take_to_socket(chat__shard *shard, const chat__batch *batch)
{
    chat_view left = chat__view(batch->bytes.data + batch->start, batch->bytes.len - batch->start);
    chat_view frame;
    while (chat__slots_next(&left, &frame) == CHAT_OK) {
        uint64_t number = frame.len >= CHAT__TUNNEL_HEAD ? chat__load64le(frame.data + 1) : 0;
        chat__tunnel_socket *tunnel = chat__map_get(&shard->slots->tunnels->sockets,
                                                    chat__tunnel_key(&number, sizeof number));
        if (tunnel == NULL || tunnel->slot != batch->from)
            continue; /* it was just closed */
        chat_view what = chat__view(frame.data + CHAT__TUNNEL_HEAD, frame.len - CHAT__TUNNEL_HEAD);
        if (frame.data[0] == CHAT__TUNNEL_END) {
            take_end(shard, tunnel, what);
        } else if (frame.data[0] == CHAT__TUNNEL_WRITE) {
            tunnel->written += what.len;
            chat__peer_write(shard, &tunnel->peer, what, 0);
        }
    }
}

/* --- what is gone --- */

void chat__tunnels_lose_slot(chat__shard *shard, uint32_t slot)
{
    for (uint32_t i = shard->n_peers; i > 0; i--) {
        chat__peer *peer = shard->peers[i - 1];
        if (peer->kind == CHAT__PEER_SOCKET && chat__tunnel_is_open(peer) &&
            socket_of(peer)->slot == slot)
            leave(shard, socket_of(peer), CHAT_ERR_BUSY, "the user's server is gone, come back");
    }
}

void chat__tunnels_drain(chat__shard *shard)
{
    for (uint32_t i = shard->n_peers; i > 0; i--) {
        chat__peer *peer = shard->peers[i - 1];
        if (peer->kind == CHAT__PEER_SOCKET && chat__tunnel_is_open(peer))
            chat__peer_end_ourselves(shard, peer, chat_status_close_code(CHAT_ERR_DRAIN),
                                     "the server is going away");
    }
}
