/* SPDX-License-Identifier: MIT */
/*
 * A user's connection on its shard: at most one read and one write for each turn. What is written
 * is framed into a buffer that is borrowed until all of it is sent; what is read is taken from the
 * shard's buffer in place. An idle connection holds nothing but its own struct.
 */
#include "tunnel.h"
#include "base/alloc.h"
#include "base/view.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOVE_BYTES (256u << 10)
/* Close codes, RFC 6455 section 7.4.1. */
#define CLOSE_NORMAL  1000u
#define CLOSE_NO_CODE 1005u

static chat__shard *shard_of(const chat__peer *peer)
{
    return peer->poll.data;
}

static int fd_of(const chat__peer *peer)
{
    uv_os_fd_t fd = -1;
    (void)uv_fileno((const uv_handle_t *)&peer->poll, &fd);
    return fd;
}

/* What is being sent. */
static chat_view out_view(const chat__out *out)
{
    return chat__buf_view(out->shared != NULL ? &out->shared->bytes : &out->bytes);
}

static size_t unsent_bytes(const chat__peer *peer)
{
    return peer->out == NULL ? 0 : out_view(peer->out).len - peer->out->sent;
}

/* --- the end of a connection --- */

static void on_closed(uv_handle_t *handle)
{
    chat__peer *peer = (chat__peer *)(void *)handle;
    chat__alloc_free(chat__shard_allocator(shard_of(peer)), peer);
}

static void no_longer_late(chat__shard *shard, chat__peer *peer)
{
    if (peer->is_late)
        chat__due_remove(&shard->late, &peer->due);
    peer->is_late = 0;
}

/* Cut it. The dirty list is empty before the loop calls on_closed(). */
static void drop(chat__peer *peer)
{
    chat__shard *shard = shard_of(peer);
    int fd = fd_of(peer);
    if (peer->is_closing)
        return;
    peer->is_closing = 1;
    chat__peers_closed(shard, peer);
    no_longer_late(shard, peer);
    if (peer->is_ending)
        chat__due_remove(&shard->ending, &peer->due);
    chat__peers_return_out(shard, peer);
    chat__ws_done(&peer->ws);
    chat__tls_free(peer->tls);
    peer->tls = NULL;
    chat__peers_remove(shard, peer);
    uv_close((uv_handle_t *)&peer->poll, on_closed);
    close(fd);
    atomic_fetch_sub(&shard->server->n_connections, 1);
}

void chat__peer_mark_dirty(chat__shard *shard, chat__peer *peer)
{
    if (peer->is_dirty || peer->is_closing)
        return;
    peer->is_dirty = 1;
    peer->next_dirty = shard->dirty;
    shard->dirty = peer;
}

/* Whether it has a buffer to add to; what it shares with others is copied first. */
static int has_own_out(chat__shard *shard, chat__peer *peer)
{
    if (peer->out == NULL)
        peer->out = chat__peers_borrow_out(shard);
    chat__out *out = peer->out;
    if (out == NULL || out->shared == NULL)
        return out != NULL;
    chat_view rest = out_view(out);
    if (chat__buf_append(&out->bytes, rest.data + out->sent, rest.len - out->sent) != CHAT_OK)
        return 0;
    chat__shared_release(shard, out->shared);
    out->shared = NULL;
    out->sent = 0;
    return 1;
}

/* Say why and that it is over, then wait a while for the peer to say so too. */
static void end(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text)
{
    if (peer->is_ending || peer->is_closing)
        return;
    peer->is_ending = 1;
    no_longer_late(shard, peer);
    chat__due_add(&shard->ending, &peer->due, chat__shard_now(shard) + CHAT__SERVER_LINGER_MS);
    if (!has_own_out(shard, peer) ||
        chat__ws_write_close(&peer->ws, code, text, &peer->out->bytes) != CHAT_OK)
        drop(peer);
    else
        chat__peer_mark_dirty(shard, peer);
}

void chat__peer_end(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text)
{
    code = code != 0 ? code : CHAT__CLOSE_INTERNAL;
    chat__peers_forget(shard, peer);
    if (peer->kind == CHAT__PEER_USER)
        chat__tunnel_end(shard, peer, code, text);
    else
        end(shard, peer, code, text);
}

void chat__peer_end_ourselves(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text)
{
    chat__peers_closed(shard, peer);
    end(shard, peer, code, text);
}

/* --- sending --- */

/* Whether it was; else the peer is gone: out of memory, or more unread than we keep. */
static int add_frame(chat__shard *shard, chat__peer *peer, chat__ws_opcode opcode,
                     chat_view payload)
{
    if (has_own_out(shard, peer) &&
        chat__ws_write(&peer->ws, opcode, payload, &peer->out->bytes) == CHAT_OK)
        return 1;
    drop(peer);
    return 0;
}

static void write_frame(chat__shard *shard, chat__peer *peer, chat__ws_opcode opcode,
                        chat_view payload)
{
    if (add_frame(shard, peer, opcode, payload))
        chat__peer_mark_dirty(shard, peer);
}

/* Alone in its turn it is sent from where all have it, else copied. */
static void write_shared(chat__shard *shard, chat__peer *peer, chat__shared *shared)
{
    chat_view bytes = chat__buf_view(&shared->bytes);
    if (peer->out == NULL)
        peer->out = chat__peers_borrow_out(shard);
    if (peer->out != NULL && unsent_bytes(peer) == 0) {
        peer->out->shared = shared;
        chat__peer_mark_dirty(shard, peer);
        return;
    }
    chat_status status = CHAT_ERR_NOMEM;
    if (has_own_out(shard, peer))
        status = chat__buf_append(&peer->out->bytes, bytes.data, bytes.len);
    chat__shared_release(shard, shared);
    if (status == CHAT_OK)
        chat__peer_mark_dirty(shard, peer);
    else
        drop(peer);
}

static chat__ws_opcode opcode_of(const chat__peer *peer)
{
    return peer->encoding == CHAT_ENCODING_JSON ? CHAT__WS_OP_TEXT : CHAT__WS_OP_BINARY;
}

void chat__peer_write(chat__shard *shard, chat__peer *peer, chat_view message, uint64_t share)
{
    chat__ws_opcode opcode = opcode_of(peer);
    chat__shared *shared = NULL;
    if (peer->kind == CHAT__PEER_USER) {
        chat__tunnel_write(shard, peer, message);
        return;
    }
    if (share != 0)
        shared = chat__shared_get(shard, &peer->ws, opcode, message, share);
    if (shared != NULL)
        write_shared(shard, peer, shared);
    else
        write_frame(shard, peer, opcode, message);
}

void chat__peer_write_late(chat__shard *shard, chat__peer *peer, chat_view message)
{
    if (peer->kind == CHAT__PEER_USER || peer->is_ending) {
        chat__peer_write(shard, peer, message, 0);
    } else if (add_frame(shard, peer, opcode_of(peer), message) && !peer->is_late) {
        peer->is_late = 1;
        chat__due_add(&shard->late, &peer->due, chat__shard_now(shard) + CHAT__SERVER_LATE_MS);
    }
}

/* TLS wants what it could not send again in the same length; a record holds less than we have. */
static chat_status send_tls(chat__peer *peer)
{
    chat__out *out = peer->out;
    chat_status status = CHAT_OK;
    chat_view bytes = out_view(out);
    while (status == CHAT_OK && out->sent < bytes.len) {
        size_t sent = 0;
        size_t len = out->retry_bytes > 0 ? out->retry_bytes : bytes.len - out->sent;
        status = chat__tls_write(peer->tls, bytes.data + out->sent, len, &sent);
        out->sent += sent;
        shard_of(peer)->n_sent_bytes += sent;
        out->retry_bytes = status == CHAT_MORE ? len : 0;
    }
    return status;
}

static chat_status send_out(chat__peer *peer)
{
    chat__out *out = peer->out;
    size_t sent = 0;
    if (peer->tls != NULL)
        return send_tls(peer);
    chat_view bytes = out_view(out);
    chat_status status =
        chat__io_send(fd_of(peer), bytes.data + out->sent, bytes.len - out->sent, &sent);
    out->sent += sent;
    shard_of(peer)->n_sent_bytes += sent;
    return status;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(chat__peer *peer)
{
    const chat_server_options *options = &shard_of(peer)->server->options;
    size_t unsent = unsent_bytes(peer);
    int events = UV_READABLE;
    if (unsent > options->max_unsent_bytes && !peer->is_ending)
        events = 0; /* who does not read is not read */
    if (unsent > 0)
        events |= UV_WRITABLE;
    if (events == peer->events)
        return;
    peer->events = (uint8_t)events;
    if (uv_poll_start(&peer->poll, events, on_event) != 0)
        drop(peer);
}

/* All is out and nothing will follow. */
static void shut(chat__peer *peer)
{
    if (peer->is_peer_done) {
        drop(peer);
        return;
    }
    if (peer->is_shut)
        return;
    peer->is_shut = 1;
    if (peer->tls != NULL)
        chat__tls_close(peer->tls);
    (void)shutdown(fd_of(peer), SHUT_WR);
}

static void report_unsent(chat__shard *shard, chat__peer *peer)
{
    size_t unsent = unsent_bytes(peer);
    if ((unsent == 0 && !peer->is_unsent && peer->kind == CHAT__PEER_WHOLE) ||
        !chat__peers_is_open(peer))
        return;
    peer->is_unsent = unsent > 0;
    chat__peers_unsent(shard, peer, unsent);
}

static void flush(chat__shard *shard, chat__peer *peer)
{
    if (peer->kind == CHAT__PEER_USER) {
        chat__tunnel_flush(shard, peer);
        return;
    }
    no_longer_late(shard, peer);
    if (unsent_bytes(peer) > 0) {
        chat_status status = send_out(peer);
        if (status != CHAT_OK && status != CHAT_MORE) {
            drop(peer);
            return;
        }
    }
    if (unsent_bytes(peer) == 0) {
        chat__peers_return_out(shard, peer);
        if (peer->is_ending)
            shut(peer);
    } else if (peer->out->shared == NULL && peer->out->sent > MOVE_BYTES &&
               peer->out->sent > peer->out->bytes.len / 2) {
        chat__buf_consume(&peer->out->bytes, peer->out->sent);
        peer->out->sent = 0;
    }
    if (peer->is_closing)
        return;
    watch(peer);
    if (!peer->is_closing)
        report_unsent(shard, peer);
}

int chat__peer_flush_all(chat__shard *shard)
{
    int has_any = shard->dirty != NULL;
    while (shard->dirty != NULL) {
        chat__peer *peer = shard->dirty;
        shard->dirty = peer->next_dirty;
        peer->is_dirty = 0;
        if (!peer->is_closing)
            flush(shard, peer);
    }
    return has_any;
}

/* --- receiving --- */

static void take_message(chat__shard *shard, chat__peer *peer, const chat__ws_event *event)
{
    int is_text = event->type == CHAT__WS_TEXT;
    if (!chat__peers_is_open(peer))
        return;
    if (is_text != (peer->encoding == CHAT_ENCODING_JSON))
        chat__peer_end_ourselves(shard, peer, chat_status_close_code(CHAT_ERR_UNSUPPORTED),
                                 is_text ? "chat.v1.cbor goes in binary messages"
                                         : "chat.v1.json goes in text messages");
    else
        chat__peers_receive(shard, peer, event->payload);
}

static void take_event(chat__shard *shard, chat__peer *peer, const chat__ws_event *event)
{
    switch (event->type) {
    case CHAT__WS_TEXT:
    case CHAT__WS_BINARY:
        take_message(shard, peer, event);
        break;
    case CHAT__WS_PING:
        if (!peer->is_ending)
            write_frame(shard, peer, CHAT__WS_OP_PONG, event->payload);
        chat__peers_alive(shard, peer);
        break;
    case CHAT__WS_PONG:
        chat__peers_alive(shard, peer);
        break;
    case CHAT__WS_CLOSE:
        peer->is_peer_done = 1;
        if (peer->is_ending)
            chat__peer_mark_dirty(shard, peer);
        else
            chat__peer_end_ourselves(
                shard, peer, event->code == CLOSE_NO_CODE ? CLOSE_NORMAL : event->code, NULL);
        break;
    case CHAT__WS_FAIL:
        chat__peer_end_ourselves(shard, peer, event->code, event->why);
        break;
    }
}

static void take_bytes(chat__shard *shard, chat__peer *peer, uint8_t *bytes, size_t len)
{
    chat__ws_event event;
    while (len > 0 && !peer->is_closing && !peer->ws.is_closed) {
        size_t used = 0;
        chat_status status = chat__ws_read(&peer->ws, bytes, len, &used, &event);
        bytes += used;
        len -= used;
        if (status == CHAT_MORE)
            return;
        if (status != CHAT_OK) {
            drop(peer);
            return;
        }
        take_event(shard, peer, &event);
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    chat__peer *peer = (chat__peer *)(void *)poll;
    chat__shard *shard = shard_of(peer);
    size_t got = 0;
    chat__shard_begin(shard);
    if (status < 0) {
        drop(peer);
        return;
    }
    if (events & UV_WRITABLE)
        chat__peer_mark_dirty(shard, peer);
    if (!(events & UV_READABLE))
        return;
    chat_status read_status =
        chat__io_receive(peer->tls, fd_of(peer), shard->read, sizeof shard->read, &got);
    shard->n_received_bytes += got;
    if (read_status == CHAT_OK)
        take_bytes(shard, peer, shard->read, got);
    else if (read_status != CHAT_MORE)
        drop(peer);
    chat__shard_took(shard, got);
}

/* --- life --- */

/* Let the node know. What it refuses is closed after the 101, with the reason. */
static void open_in_node(chat__shard *shard, chat__peer *peer, const chat__guest *guest)
{
    chat_status status = peer->kind == CHAT__PEER_SOCKET ? chat__tunnel_dig(shard, peer, guest)
                                                         : chat__peers_open(shard, peer, guest);
    if (status != CHAT_OK)
        end(shard, peer, chat__peers_refusal(status), chat_status_text(status));
}

/* The struct, its socket watched, in the shard's table. NULL: the guest still owns everything. */
static chat__peer *admit(chat__shard *shard, const chat__guest *guest)
{
    const chat_allocator *allocator = chat__shard_allocator(shard);
    chat__peer *peer = guest->is_far ? chat__tunnel_socket_new(allocator)
                                     : chat__alloc_zero(allocator, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->out = chat__peers_borrow_out(shard);
    if (peer->out == NULL || chat__peers_add(shard, peer) != CHAT_OK)
        goto fail;
    if (uv_poll_init(&shard->loop, &peer->poll, guest->fd) != 0) {
        chat__peers_remove(shard, peer);
        goto fail;
    }
    peer->poll.data = shard;
    peer->encoding = guest->encoding;
    chat__ws_init(&peer->ws, shard->ws_pool, 0, guest->has_deflate);
    return peer;
fail:
    chat__peers_return_out(shard, peer);
    chat__alloc_free(allocator, peer);
    return NULL;
}

void chat__peer_new(chat__shard *shard, chat__guest *guest)
{
    const chat_allocator *allocator = chat__shard_allocator(shard);
    chat__peer *peer = admit(shard, guest);
    if (peer == NULL) {
        chat__guest_free(allocator, guest);
        atomic_fetch_sub(&shard->server->n_connections, 1);
        return;
    }
    chat_view answer = chat__buf_view(&guest->answer);
    peer->tls = guest->tls;
    guest->tls = NULL;
    guest->fd = -1;
    if (chat__buf_append(&peer->out->bytes, answer.data, answer.len) != CHAT_OK) {
        drop(peer);
    } else {
        chat__peer_mark_dirty(shard, peer);
        open_in_node(shard, peer, guest);
        take_bytes(shard, peer, guest->rest.data, guest->rest.len);
    }
    chat__guest_free(allocator, guest);
}

static chat__peer *peer_of_due(chat__due *due)
{
    return (chat__peer *)(void *)((uint8_t *)due - offsetof(chat__peer, due));
}

void chat__peer_expire(chat__shard *shard, uint64_t now_ms)
{
    while (shard->ending.first != NULL && shard->ending.first->at_ms <= now_ms)
        drop(peer_of_due(shard->ending.first));
    while (shard->late.first != NULL && shard->late.first->at_ms <= now_ms) {
        chat__peer *peer = peer_of_due(shard->late.first);
        no_longer_late(shard, peer);
        chat__peer_mark_dirty(shard, peer);
    }
}

void chat__peer_close_all(chat__shard *shard)
{
    shard->dirty = NULL;
    while (shard->n_peers > 0) {
        chat__peer *last = shard->peers[shard->n_peers - 1];
        if (last->kind == CHAT__PEER_USER)
            chat__tunnel_drop(shard, last);
        else
            drop(last);
    }
}
