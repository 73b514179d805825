/* SPDX-License-Identifier: MIT */
/* One connection of a link: TLS, the greeting, then what the trunk has to say and to hear. */
#include "links_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_EVENT 4
#define LINGER_MS       1000u
#define MIN_SHIFT       65536u

static void on_event(uv_poll_t *poll, int status, int events);

/* --- life --- */

static void on_closed(uv_handle_t *handle)
{
    chat__links_conn *conn = (chat__links_conn *)(void *)handle;
    chat_allocator allocator = conn->links->allocator;
    chat__buf_done(&conn->out);
    chat__alloc_free(&allocator, conn);
}

void chat__links_conn_close(chat__links_conn *conn)
{
    chat__links *links = conn->links;
    chat__links_peer *peer = conn->peer;
    if (conn->is_closing)
        return;
    conn->is_closing = 1;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        links->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    if (peer == NULL)
        links->n_greeting--;
    if (peer != NULL && peer->conn == conn) {
        int was_good = conn->hello == NULL && !conn->is_connecting;
        uv_mutex_lock(&peer->mutex);
        chat__trunk_leave(peer->trunk);
        uv_mutex_unlock(&peer->mutex);
        peer->conn = NULL;
        chat__links_dial_later(peer, was_good);
    }
    chat__trunk_hello_free(conn->hello);
    conn->hello = NULL;
    chat__tls_free(conn->tls);
    uv_close((uv_handle_t *)&conn->poll, on_closed);
    close(conn->fd);
}

static void fail(chat__links_conn *conn, const char *why)
{
    if (conn->peer != NULL && conn->peer->conn == conn)
        chat__links_trouble(conn->peer, why);
    else
        chat__options_log(conn->links->options, CHAT_LOG_WARN,
                          "a connection to link-listen was refused: %s", why);
    chat__links_conn_close(conn);
}

/* The other side, or the network, has ended it. */
static void lose(chat__links_conn *conn)
{
    if (conn->peer != NULL && conn->peer->conn == conn && !conn->is_ending)
        chat__links_trouble(conn->peer,
                            conn->hello == NULL
                                ? "the connection was lost"
                                : "the other side ended the greeting, its log may say why");
    chat__links_conn_close(conn);
}

static void watch(chat__links_conn *conn)
{
    int wants_write = conn->is_connecting || conn->sent < conn->out.len ||
                      (conn->tls != NULL && chat__tls_wants_write(conn->tls));
    int events = UV_READABLE | (wants_write ? UV_WRITABLE : 0);
    if (conn->is_closing || events == conn->events)
        return;
    conn->events = events;
    if (uv_poll_start(&conn->poll, events, on_event) != 0)
        chat__links_conn_close(conn);
}

/* --- greeting --- */

static chat_status start_greeting(chat__links_conn *conn)
{
    chat__links *links = conn->links;
    char host[CHAT__LINKS_HOST_BYTES + 16];
    chat__trunk_hello_options options = {.allocator = &links->allocator,
                                         .pool = links->hello_pool,
                                         .is_dialer = conn->is_dialer,
                                         .host_header = host,
                                         .secret = chat__view(links->secret, links->secret_len),
                                         .cluster = chat__view_str(links->options->link_cluster),
                                         .setup = chat__view_str(links->setup),
                                         .self = (uint32_t)links->options->link_member,
                                         .instance = links->instance,
                                         .window_bytes =
                                             (uint32_t)links->options->link_window_bytes,
                                         .timeout_ms = (uint32_t)links->options->link_timeout_ms};
    chat__links_random(options.random, sizeof options.random);
    chat__links_random(options.key, sizeof options.key);
    if (conn->is_dialer) {
        chat__options_join_address(conn->peer->host, conn->peer->port, host, sizeof host);
        options.peer = conn->peer->member;
        uv_mutex_lock(&conn->peer->mutex);
        chat__trunk_state(conn->peer->trunk, &options.session, &options.received);
        uv_mutex_unlock(&conn->peer->mutex);
    }
    return chat__trunk_hello_new(&options, &conn->hello);
}

/* Whether the caller may be who it proved to be; else what it is told. */
static int is_welcome(chat__links_conn *conn, const chat__trunk_peer *who, chat__links_peer *peer,
                      chat__trunk_refusal *out)
{
    *out = CHAT__TRUNK_NO_UNKNOWN;
    if (peer == NULL)
        return 0;
    *out = CHAT__TRUNK_NO_MEMBER; /* the one with the lower number dials */
    if (chat__links_dials(peer))
        return 0;
    *out = CHAT__TRUNK_NO_GOING;
    if (atomic_load(&conn->links->is_stopping))
        return 0;
    *out = CHAT__TRUNK_NO_IN_USE;
    uv_mutex_lock(&peer->mutex);
    int is_used =
        chat__trunk_is_joined(peer->trunk) && chat__trunk_instance(peer->trunk) != who->instance;
    uv_mutex_unlock(&peer->mutex);
    return !is_used;
}

static void refuse(chat__links_conn *conn, chat__trunk_refusal refusal)
{
    (void)chat__trunk_hello_refuse(conn->hello, refusal);
    conn->is_ending = 1;
    conn->until_ms = chat__links_now(conn->links) + LINGER_MS;
    atomic_fetch_add(&conn->links->n_refused, 1);
    chat__options_log(conn->links->options, CHAT_LOG_WARN,
                      "a connection to link-listen was refused: %s",
                      chat__trunk_hello_why(conn->hello));
}

/* The greeting is over: the connection is the peer's now. */
static void join(chat__links_conn *conn, const chat__trunk_peer *who)
{
    chat__links *links = conn->links;
    chat__links_peer *peer = conn->is_dialer ? conn->peer : chat__links_find(links, who->member);
    chat__trunk_refusal refusal;
    uint64_t fresh = 0;
    if (!conn->is_dialer && !is_welcome(conn, who, peer, &refusal)) {
        refuse(conn, refusal);
        return;
    }
    if (!conn->is_dialer) {
        if (peer->conn != NULL)
            chat__links_conn_close(peer->conn);
        conn->peer = peer;
        peer->conn = conn;
        links->n_greeting--;
    }
    while (fresh == 0)
        chat__links_random(&fresh, sizeof fresh);
    uv_mutex_lock(&peer->mutex);
    chat_status status =
        chat__trunk_join(peer->trunk, conn->is_dialer, who, fresh, chat__links_now(links));
    uv_mutex_unlock(&peer->mutex);
    atomic_fetch_add(&links->n_connects, 1);
    chat__buf *rest = chat__trunk_hello_output(conn->hello);
    if (status == CHAT_OK)
        status = chat__buf_append(&conn->out, rest->data, rest->len);
    chat__trunk_hello_free(conn->hello);
    conn->hello = NULL;
    if (status != CHAT_OK)
        fail(conn, "the greeting came to nothing");
    else
        chat__links_tell(peer);
}

static void take_greeting(chat__links_conn *conn, uint8_t *bytes, size_t len, size_t *used)
{
    chat__trunk_peer who;
    chat_status status = chat__trunk_hello_feed(conn->hello, bytes, len, used, &who);
    if (status == CHAT_OK) {
        join(conn, &who);
    } else if (status != CHAT_MORE) {
        /* Let the other side hear why. */
        const char *why = chat__trunk_hello_why(conn->hello);
        atomic_fetch_add(&conn->links->n_refused, 1);
        conn->is_ending = 1;
        conn->until_ms = chat__links_now(conn->links) + LINGER_MS;
        if (conn->is_dialer)
            chat__links_trouble(conn->peer, why);
        else
            chat__options_log(conn->links->options, CHAT_LOG_WARN,
                              "a connection to link-listen was refused: %s", why);
        *used = len;
    }
}

/* --- receiving --- */

static void take_stream(chat__links_conn *conn, uint8_t *bytes, size_t len, size_t *used)
{
    chat__links_peer *peer = conn->peer;
    chat__links *links = conn->links;
    chat_view records;
    uint64_t session, received;
    uv_mutex_lock(&peer->mutex);
    chat__trunk_heard(peer->trunk, chat__links_now(links));
    chat_status status = chat__trunk_is_joined(peer->trunk)
                             ? chat__trunk_feed(peer->trunk, bytes, len, used, &records)
                             : CHAT_ERR_CLOSED;
    chat__trunk_state(peer->trunk, &session, &received);
    uv_mutex_unlock(&peer->mutex);
    if (status == CHAT_OK)
        links->hooks.records(links->hooks.ctx, peer->member, session, records);
    else if (status != CHAT_MORE)
        fail(conn, chat__trunk_why(peer->trunk));
}

static void take_bytes(chat__links_conn *conn, uint8_t *bytes, size_t len)
{
    while (len > 0 && !conn->is_closing && !conn->is_ending) {
        size_t used = 0;
        if (conn->hello != NULL)
            take_greeting(conn, bytes, len, &used);
        else
            take_stream(conn, bytes, len, &used);
        bytes += used;
        len -= used;
    }
}

void chat__links_conn_receive(chat__links_conn *conn)
{
    chat__links *links = conn->links;
    for (int i = 0; i < READS_PER_EVENT && !conn->is_closing; i++) {
        size_t got = 0;
        chat_status status =
            chat__io_receive(conn->tls, conn->fd, links->read, sizeof links->read, &got);
        if (status == CHAT_MORE)
            return;
        if (status == CHAT_ERR_TLS) {
            fail(conn, chat__tls_why(conn->tls));
            return;
        }
        if (status != CHAT_OK) {
            lose(conn);
            return;
        }
        atomic_fetch_add_explicit(&links->received_bytes, got, memory_order_relaxed);
        take_bytes(conn, links->read, got);
        if (conn->tls == NULL && got < sizeof links->read)
            return;
    }
}

/* --- sending --- */

static chat_status send_some(chat__links_conn *conn, size_t *out_n)
{
    const uint8_t *bytes = conn->out.data + conn->sent;
    size_t len = conn->out.len - conn->sent;
    if (conn->tls == NULL)
        return chat__io_send(conn->fd, bytes, len, out_n);
    if (conn->retry_bytes != 0)
        len = conn->retry_bytes;
    chat_status status = chat__tls_write(conn->tls, bytes, len, out_n);
    conn->retry_bytes = status == CHAT_MORE ? len : 0;
    return status;
}

/* Make more ready when all is out. CHAT_EMPTY: there is nothing. */
static chat_status refill(chat__links_conn *conn)
{
    chat_status status = CHAT_OK;
    conn->out.len = conn->sent = 0;
    if (conn->hello != NULL) {
        chat__buf *out = chat__trunk_hello_output(conn->hello);
        status = chat__buf_append(&conn->out, out->data, out->len);
        out->len = status == CHAT_OK ? 0 : out->len;
    } else if (conn->peer != NULL) {
        uv_mutex_lock(&conn->peer->mutex);
        status = chat__trunk_pull(conn->peer->trunk, CHAT__LINKS_OUT_BYTES,
                                  chat__links_now(conn->links), &conn->out);
        uv_mutex_unlock(&conn->peer->mutex);
    }
    if (status != CHAT_OK)
        return CHAT_ERR_NOMEM;
    return conn->out.len > 0 ? CHAT_OK : CHAT_EMPTY;
}

void chat__links_conn_flush(chat__links_conn *conn)
{
    chat_status status = CHAT_OK;
    while (!conn->is_closing && !conn->is_connecting && status == CHAT_OK) {
        size_t n = 0;
        if (conn->sent == conn->out.len)
            status = refill(conn);
        if (status == CHAT_OK)
            status = send_some(conn, &n);
        if (status == CHAT_OK) {
            conn->sent += n;
            atomic_fetch_add_explicit(&conn->links->sent_bytes, n, memory_order_relaxed);
        }
    }
    if (status == CHAT_ERR_TLS)
        fail(conn, chat__tls_why(conn->tls));
    else if (status < 0)
        lose(conn);
    else
        watch(conn);
}

/* --- events --- */

static void finish_connect(chat__links_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;
    char why[CHAT__LINKS_WHY_BYTES];
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0) {
        (void)snprintf(why, sizeof why, "cannot connect: %s", strerror(error));
        fail(conn, why);
        return;
    }
    conn->is_connecting = 0;
    if (start_greeting(conn) != CHAT_OK)
        fail(conn, "out of memory");
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    chat__links_conn *conn = (chat__links_conn *)(void *)poll;
    if (conn->is_connecting) {
        finish_connect(conn);
    } else if (status < 0) {
        chat__links_conn_close(conn);
        return;
    } else if (events & UV_READABLE) {
        chat__links_conn_receive(conn);
    }
    if (!conn->is_closing)
        chat__links_conn_flush(conn);
}

void chat__links_conn_check(chat__links_conn *conn, uint64_t now_ms)
{
    if ((conn->hello == NULL && !conn->is_connecting) || now_ms < conn->until_ms)
        return;
    if (conn->is_ending)
        chat__links_conn_close(conn);
    else
        fail(conn, "the greeting took too long");
}

void chat__links_conn_new(chat__links *links, chat__links_peer *peer, int fd)
{
    chat__links_conn *conn = chat__alloc_zero(&links->allocator, sizeof *conn);
    chat__tls_context *tls = peer != NULL ? peer->tls : links->tls;
    if (conn == NULL)
        goto fail;
    conn->links = links;
    conn->fd = fd;
    conn->peer = peer;
    conn->is_dialer = conn->is_connecting = peer != NULL;
    conn->until_ms = chat__links_now(links) + links->options->link_timeout_ms;
    chat__buf_init(&conn->out, &links->allocator, SIZE_MAX);
    if ((tls != NULL &&
         chat__tls_new(tls, fd, peer != NULL ? peer->host : NULL, &conn->tls) != CHAT_OK) ||
        (peer == NULL && start_greeting(conn) != CHAT_OK) ||
        uv_poll_init(&links->loop, &conn->poll, fd) != 0)
        goto fail;
    conn->next = links->conns;
    if (links->conns != NULL)
        links->conns->prev = conn;
    links->conns = conn;
    if (peer != NULL)
        peer->conn = conn;
    else
        links->n_greeting++;
    watch(conn);
    return;
fail:
    close(fd);
    if (conn != NULL) {
        chat__trunk_hello_free(conn->hello);
        chat__tls_free(conn->tls);
        chat__alloc_free(&links->allocator, conn);
    }
    if (peer != NULL)
        chat__links_dial_later(peer, 0);
}
