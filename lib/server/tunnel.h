/* SPDX-License-Identifier: MIT */
/*
 * Connections of users who live on another member. The socket is on a thread of the member that the
 * client called: TLS, WebSocket, pings and what is wrong with them stay there. Its messages go to
 * the user's node, whose messages come back, in frames of a kind of their own over the link, which
 * are lost with the session or with the slot: then the socket is closed with `busy`, and the client
 * comes again. On the user's node such a connection is a peer without a socket; the other end
 * reports what the socket took, so that a slow reader is known as one.
 */
#ifndef CHAT_SERVER_TUNNEL_H
#define CHAT_SERVER_TUNNEL_H

#include "internal.h"

/* @thread the shard's own, all of them. */

chat_status chat__tunnels_init(chat__shard *shard);
void chat__tunnels_done(chat__shard *shard);
/* At the end of a turn: to the sockets. */
void chat__tunnels_send(chat__shard *shard);
/* A slot is not where it was. */
void chat__tunnels_lose_slot(chat__shard *shard, uint32_t slot);
/* Nor are the sockets of a member. */
void chat__tunnels_lose_member(chat__shard *shard, uint32_t member);
/* This server goes away: so do sockets whose users' nodes stay. */
void chat__tunnels_drain(chat__shard *shard);

/* --- where the socket is --- */

/* NULL when out of memory. */
chat__peer *chat__tunnel_socket_new(const chat_allocator *allocator);
/* Tell the user's node. CHAT_OK, CHAT_ERR_BUSY (the slot is gone), CHAT_ERR_NOMEM. */
chat_status chat__tunnel_dig(chat__shard *shard, chat__peer *peer, const chat__guest *guest);
int chat__tunnel_is_open(const chat__peer *peer);
void chat__tunnel_receive(chat__shard *shard, chat__peer *peer, chat_view message);
void chat__tunnel_alive(chat__shard *shard, chat__peer *peer);
void chat__tunnel_unsent(chat__shard *shard, chat__peer *peer, size_t bytes);
void chat__tunnel_closed(chat__shard *shard, chat__peer *peer);
/* What the node says to sockets here. */
void chat__tunnel_take_to_socket(chat__shard *shard, const chat__batch *batch);

/* --- where the user is --- */

void chat__tunnel_write(chat__shard *shard, chat__peer *peer, chat_view message);
void chat__tunnel_flush(chat__shard *shard, chat__peer *peer);
/* The node has closed it: the socket is told, the peer is gone. */
void chat__tunnel_end(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text);
/* The socket is gone. */
void chat__tunnel_drop(chat__shard *shard, chat__peer *peer);
/* What sockets elsewhere say to the node. */
void chat__tunnel_take_to_home(chat__shard *shard, const chat__batch *batch);

#endif
