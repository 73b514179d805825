/* SPDX-License-Identifier: MIT */
/* The end of a tunnel where the user is, and what both ends have for a shard. See tunnel.h. */
#include "tunnel_internal.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

chat_status chat__tunnels_init(chat__shard *shard)
{
    const chat_server *server = shard->server;
    chat__tunnels *tunnels = chat__alloc_zero(&server->allocator, sizeof *tunnels);
    if (tunnels == NULL)
        return CHAT_ERR_NOMEM;
    shard->slots->tunnels = tunnels;
    chat__map_init(&tunnels->sockets, &server->allocator, SIZE_MAX / 2, server->seed);
    chat__map_init(&tunnels->users, &server->allocator, SIZE_MAX / 2, server->seed);
    return CHAT_OK;
}

/* Room in `to_sockets`, at `at` and for all threads of that member. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status make_room(chat__shard *shard, uint32_t at)
{
    chat__tunnels *tunnels = shard->slots->tunnels;
    uint32_t n = (at / shard->server->n_shards + 1) * shard->server->n_shards;
    if (n <= tunnels->n_to_sockets)
        return CHAT_OK;
    chat__batch **made =
        chat__alloc_resize(chat__shard_allocator(shard), tunnels->to_sockets, n * sizeof *made);
    if (made == NULL)
        return CHAT_ERR_NOMEM;
    memset(made + tunnels->n_to_sockets, 0, (n - tunnels->n_to_sockets) * sizeof *made);
    tunnels->to_sockets = made;
    tunnels->n_to_sockets = n;
    return CHAT_OK;
}

void chat__tunnels_done(chat__shard *shard)
{
    const chat_allocator *allocator = chat__shard_allocator(shard);
    chat__tunnels *tunnels = shard->slots->tunnels;
    if (tunnels == NULL)
        return;
    for (uint32_t i = 0; i < tunnels->n_to_sockets; i++)
        chat__batch_free(allocator, tunnels->to_sockets[i]);
    chat__alloc_free(allocator, tunnels->to_sockets);
    chat__map_done(&tunnels->sockets);
    chat__map_done(&tunnels->users);
    chat__alloc_free(allocator, tunnels);
    shard->slots->tunnels = NULL;
}

void chat__tunnels_send(chat__shard *shard)
{
    chat__tunnels *tunnels = shard->slots->tunnels;
    uint32_t n_threads = shard->server->n_shards;
    for (uint32_t i = 0; i < tunnels->n_to_sockets; i++) {
        chat__batch *batch = tunnels->to_sockets[i];
        if (batch == NULL)
            continue;
        chat__slot_place place = {0, 0, batch->session, batch->member};
        tunnels->to_sockets[i] = NULL;
        chat__slots_send(shard, batch, &place, i % n_threads);
    }
}

/* --- the user's end --- */

static chat__tunnel_user *user_of(chat__peer *peer)
{
    return (chat__tunnel_user *)(void *)peer;
}

/* A message goes from where it is: that one more is larger than a batch may be ends the tunnel. */
static chat_status say(chat__shard *shard, const chat__tunnel_user *tunnel, chat__tunnel_word word,
                       chat_view what)
{
    chat__batch **batch = &shard->slots->tunnels->to_sockets[tunnel->key.at];
    uint8_t head[CHAT__TUNNEL_HEAD] = {(uint8_t)word};
    chat__store64le(head + 1, tunnel->key.number);
    chat_status status =
        chat__slots_add(shard, batch, CHAT__MAIL_TO_SOCKET, chat__view(head, sizeof head), what);
    if (*batch != NULL) {
        (*batch)->session = tunnel->session;
        (*batch)->member =
            shard->server->cluster->members[tunnel->key.at / shard->server->n_shards];
    }
    return status;
}

static void on_dirty_forget(chat__shard *shard, chat__peer *peer)
{
    chat__peer **at = &shard->dirty;
    while (*at != NULL && *at != peer)
        at = &(*at)->next_dirty;
    if (*at == peer)
        *at = peer->next_dirty;
}

static void free_user(chat__shard *shard, chat__tunnel_user *tunnel)
{
    if (tunnel->peer.is_dirty)
        on_dirty_forget(shard, &tunnel->peer);
    (void)chat__map_remove(&shard->slots->tunnels->users,
                           chat__tunnel_key(&tunnel->key, sizeof tunnel->key));
    chat__peers_remove(shard, &tunnel->peer);
    chat__alloc_free(chat__shard_allocator(shard), tunnel);
}

void chat__tunnel_drop(chat__shard *shard, chat__peer *peer)
{
    chat__peers_closed(shard, peer);
    free_user(shard, user_of(peer));
}

void chat__tunnel_end(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text)
{
    uint8_t bytes[2 + CHAT__SERVER_WHY_BYTES] = {(uint8_t)code, (uint8_t)(code >> 8)};
    size_t len = text != NULL ? strlen(text) : 0;
    len = len < CHAT__SERVER_WHY_BYTES ? len : CHAT__SERVER_WHY_BYTES;
    if (len > 0)
        memcpy(bytes + 2, text, len);
    (void)say(shard, user_of(peer), CHAT__TUNNEL_END, chat__view(bytes, 2 + len));
    free_user(shard, user_of(peer));
}

void chat__tunnel_write(chat__shard *shard, chat__peer *peer, chat_view message)
{
    chat__tunnel_user *tunnel = user_of(peer);
    if (say(shard, tunnel, CHAT__TUNNEL_WRITE, message) != CHAT_OK) {
        chat__peers_closed(shard, peer);
        chat__tunnel_end(shard, peer, chat_status_close_code(CHAT_ERR_BUSY), "out of memory");
        return;
    }
    tunnel->written += message.len;
    chat__peer_mark_dirty(shard, peer);
}

/* What is under way, and what waits at the socket; not what need not be reported yet. */
void chat__tunnel_flush(chat__shard *shard, chat__peer *peer)
{
    chat__tunnel_user *tunnel = user_of(peer);
    uint64_t slack = chat__tunnel_slack(shard);
    uint64_t away = tunnel->written - tunnel->taken;
    size_t unsent = away > slack ? (size_t)(away - slack) : 0;
    if (peer->id == 0 || (unsent == 0 && !peer->is_unsent))
        return;
    peer->is_unsent = unsent > 0;
    chat__node_unsent(shard->node, peer->id, unsent);
}

/* --- from the socket --- */

static void refuse(chat__shard *shard, chat__tunnel_user *tunnel, chat_status status)
{
    chat__peer_end(shard, &tunnel->peer, chat__peers_refusal(status), chat_status_text(status));
}

/* Where in `to_sockets` what goes back to a batch's thread is collected. */
static uint32_t place_of(const chat__shard *shard, const chat__batch *batch)
{
    const chat_server *server = shard->server;
    return chat__cluster_place_of(server->cluster, batch->member) * server->n_shards + batch->from;
}

static chat_status make_user(chat__shard *shard, const chat__batch *batch, uint64_t number,
                             chat__tunnel_user **out)
{
    uint32_t at = place_of(shard, batch);
    chat__tunnel_user *tunnel = NULL;
    if (make_room(shard, at) == CHAT_OK)
        tunnel = chat__alloc_zero(chat__shard_allocator(shard), sizeof *tunnel);
    if (tunnel == NULL)
        return CHAT_ERR_NOMEM;
    tunnel->peer.kind = CHAT__PEER_USER;
    tunnel->key.at = at;
    tunnel->key.number = number;
    tunnel->session = batch->session;
    chat_status status = chat__peers_add(shard, &tunnel->peer);
    if (status != CHAT_OK) {
        chat__alloc_free(chat__shard_allocator(shard), tunnel);
        return status;
    }
    status = chat__map_put(&shard->slots->tunnels->users,
                           chat__tunnel_key(&tunnel->key, sizeof tunnel->key), tunnel);
    if (status != CHAT_OK) {
        chat__peers_remove(shard, &tunnel->peer);
        chat__alloc_free(chat__shard_allocator(shard), tunnel);
        return status;
    }
    *out = tunnel;
    return CHAT_OK;
}

/* The link must end when not even a refusal can be made: the other side would wait for nothing. */
static void open_user(chat__shard *shard, const chat__batch *batch, uint64_t number, chat_view what)
{
    chat__guest guest;
    chat__tunnel_user *tunnel = NULL;
    uint64_t now_ms = chat__shard_now(shard);
    if (what.len < CHAT__TUNNEL_OPEN_HEAD || what.len > CHAT__TUNNEL_OPEN_HEAD + sizeof guest.user)
        return;
    if (make_user(shard, batch, number, &tunnel) != CHAT_OK) {
        chat__links_give_up(shard->server->links, batch->member, batch->session);
        return;
    }
    memset(&guest, 0, sizeof guest);
    guest.encoding = what.data[0];
    guest.expires_unix_ms = chat__load64le(what.data + 1);
    uint64_t age_ms = chat__load64le(what.data + 9);
    guest.since_ms = age_ms < now_ms ? now_ms - age_ms : 0;
    guest.user_len = (uint8_t)(what.len - CHAT__TUNNEL_OPEN_HEAD);
    memcpy(guest.user, what.data + CHAT__TUNNEL_OPEN_HEAD, guest.user_len);
    tunnel->peer.encoding = guest.encoding;
    chat_status status = chat__peers_open(shard, &tunnel->peer, &guest);
    if (status != CHAT_OK)
        refuse(shard, tunnel, status);
}

static void take_taken(chat__shard *shard, chat__tunnel_user *tunnel, chat_view what)
{
    uint64_t taken = what.len == 8 ? chat__load64le(what.data) : 0;
    if (taken > tunnel->taken && taken <= tunnel->written)
        tunnel->taken = taken;
    chat__peer_mark_dirty(shard, &tunnel->peer);
}

static void take_word(chat__shard *shard, chat__tunnel_user *tunnel, uint8_t word, chat_view what)
{
    switch (word) {
    case CHAT__TUNNEL_MESSAGE:
        chat__node_receive(shard->node, tunnel->peer.id, what);
        break;
    case CHAT__TUNNEL_ALIVE:
        chat__node_alive(shard->node, tunnel->peer.id);
        break;
    case CHAT__TUNNEL_CLOSED:
        chat__tunnel_drop(shard, &tunnel->peer);
        break;
    case CHAT__TUNNEL_TAKEN:
        take_taken(shard, tunnel, what);
        break;
    }
}

void chat__tunnel_take_to_home(chat__shard *shard, const chat__batch *batch)
{
    chat_view left = chat__view(batch->bytes.data + batch->start, batch->bytes.len - batch->start);
    chat__tunnel_user probe;
    chat_view frame;
    memset(&probe, 0, sizeof probe);
    probe.key.at = place_of(shard, batch);
    while (chat__slots_next(&left, &frame) == CHAT_OK) {
        if (frame.len < CHAT__TUNNEL_HEAD)
            continue;
        probe.key.number = chat__load64le(frame.data + 1);
        chat__tunnel_user *tunnel = chat__map_get(&shard->slots->tunnels->users,
                                                  chat__tunnel_key(&probe.key, sizeof probe.key));
        chat_view what = chat__view(frame.data + CHAT__TUNNEL_HEAD, frame.len - CHAT__TUNNEL_HEAD);
        if (frame.data[0] == CHAT__TUNNEL_OPEN && tunnel == NULL)
            open_user(shard, batch, probe.key.number, what);
        else if (tunnel != NULL)
            take_word(shard, tunnel, frame.data[0], what);
    }
}

void chat__tunnels_lose_member(chat__shard *shard, uint32_t member)
{
    chat__tunnels *tunnels = shard->slots->tunnels;
    uint32_t n_shards = shard->server->n_shards;
    uint32_t place = chat__cluster_place_of(shard->server->cluster, member);
    for (uint32_t i = shard->n_peers; i > 0; i--) {
        chat__peer *peer = shard->peers[i - 1];
        if (peer->kind == CHAT__PEER_USER && user_of(peer)->key.at / n_shards == place)
            chat__tunnel_drop(shard, peer);
    }
    for (uint32_t i = place * n_shards; i < (place + 1) * n_shards && i < tunnels->n_to_sockets;
         i++) {
        chat__batch **batch = &tunnels->to_sockets[i];
        if (*batch != NULL)
            chat__shard_drop_batch(shard, *batch);
        *batch = NULL;
    }
}
