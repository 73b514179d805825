/* SPDX-License-Identifier: MIT */
/* See links.h: the thread, its loop, and what other threads call. */
#include "links_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

uint64_t chat__links_now(const chat__links *links)
{
    return uv_now(&links->loop);
}

chat__links_peer *chat__links_find(chat__links *links, uint32_t member)
{
    for (uint32_t i = 0; i < links->n_peers; i++)
        if (links->peers[i].member == member)
            return &links->peers[i];
    return NULL;
}

void chat__links_random(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len < 256 ? len : 256, 0);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

void chat__links_trouble(chat__links_peer *peer, const char *why)
{
    if (strcmp(peer->why, why) == 0)
        return;
    (void)snprintf(peer->why, sizeof peer->why, "%s", why);
    chat__options_log(peer->links->options, CHAT_LOG_WARN, "link to member %u (%s:%u): %s",
                      peer->member, peer->host, peer->port, peer->why);
}

void chat__links_tell(chat__links_peer *peer)
{
    chat__links *links = peer->links;
    for (;;) {
        uv_mutex_lock(&peer->mutex);
        chat__trunk_news news = chat__trunk_next_news(peer->trunk);
        uv_mutex_unlock(&peer->mutex);
        if (news == CHAT__TRUNK_NOTHING)
            return;
        if (news == CHAT__TRUNK_UP) {
            peer->why[0] = '\0';
            atomic_fetch_add(&links->n_up, 1);
            chat__options_log(links->options, CHAT_LOG_INFO, "link to member %u is up",
                              peer->member);
            links->hooks.up(links->hooks.ctx, peer->member);
        } else {
            atomic_fetch_sub(&links->n_up, 1);
            atomic_fetch_add(&links->n_lost, 1);
            chat__options_log(links->options, CHAT_LOG_WARN,
                              "member %u is lost: what was on its way to it is, too", peer->member);
            links->hooks.lost(links->hooks.ctx, peer->member);
        }
    }
}

/* --- the loop --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* This thread may have been held up, or stopped: what came meanwhile counts. */
static void read_unseen(chat__links_peer *peer, uint64_t now_ms)
{
    chat__links_conn *conn = peer->conn;
    uv_mutex_lock(&peer->mutex);
    int is_silent = chat__trunk_is_silent(peer->trunk, now_ms);
    uv_mutex_unlock(&peer->mutex);
    if (is_silent && conn != NULL && conn->hello == NULL && !conn->is_connecting)
        chat__links_conn_receive(conn);
}

static void check_peer(chat__links_peer *peer, uint64_t now_ms)
{
    chat__links_follow(peer);
    read_unseen(peer, now_ms);
    uv_mutex_lock(&peer->mutex);
    chat_status status = chat__trunk_check(peer->trunk, now_ms);
    int is_left = peer->conn != NULL && peer->conn->hello == NULL && !peer->conn->is_connecting &&
                  !chat__trunk_is_joined(peer->trunk);
    uv_mutex_unlock(&peer->mutex);
    if (status == CHAT_ERR_TIMEOUT)
        chat__links_trouble(peer, "it is silent");
    if (is_left)
        chat__links_conn_close(peer->conn);
    chat__links_tell(peer);
    if (peer->conn == NULL && chat__links_dials(peer) && now_ms >= peer->dial_at_ms)
        chat__links_dial(peer, now_ms);
    if (peer->conn != NULL)
        chat__links_conn_flush(peer->conn);
}

static uint64_t deadline_of(chat__links_peer *peer)
{
    uv_mutex_lock(&peer->mutex);
    uint64_t at_ms = chat__trunk_deadline(peer->trunk);
    uv_mutex_unlock(&peer->mutex);
    if (peer->conn == NULL && !peer->is_resolving && chat__links_dials(peer))
        at_ms = earlier(at_ms, peer->dial_at_ms);
    return at_ms;
}

static void on_timer(uv_timer_t *timer);

/* After each poll: whatever happened, all is as it should be. */
static void turn(chat__links *links)
{
    uint64_t now_ms = chat__links_now(links);
    uint64_t at_ms = UINT64_MAX;
    for (chat__links_conn *conn = links->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        chat__links_conn_check(conn, now_ms);
    }
    for (uint32_t i = 0; i < links->n_peers; i++) {
        check_peer(&links->peers[i], now_ms);
        at_ms = earlier(at_ms, deadline_of(&links->peers[i]));
    }
    for (chat__links_conn *conn = links->conns; conn != NULL; conn = conn->next)
        if (conn->hello != NULL || conn->is_ending || conn->is_connecting)
            at_ms = earlier(at_ms, conn->until_ms);
    (void)uv_timer_stop(&links->timer);
    if (at_ms != UINT64_MAX)
        (void)uv_timer_start(&links->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* A thread that was held up finds it due before it polls, and would poll without end. */
static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_after_poll(uv_check_t *handle)
{
    turn(handle->data);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    chat__links *links = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    if (read(links->wake_fd, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    atomic_store(&links->is_woken, 0);
    if (atomic_load(&links->is_stopping))
        uv_stop(&links->loop);
}

void chat__links_wake(chat__links *links)
{
    const uint64_t one = 1;
    if (atomic_exchange(&links->is_woken, 1) == 0 &&
        write(links->wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
        atomic_store(&links->is_woken, 0);
}

/* --- life --- */

static int make_loop(chat__links *links)
{
    if (uv_loop_init(&links->loop) != 0)
        return -1;
    links->has_loop = 1;
    links->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (links->wake_fd < 0 || uv_poll_init(&links->loop, &links->wake, links->wake_fd) != 0)
        return -1;
    if (links->listen_fd >= 0 &&
        uv_poll_init(&links->loop, &links->listener, links->listen_fd) != 0) {
        uv_close((uv_handle_t *)&links->wake, NULL);
        return -1;
    }
    (void)uv_timer_init(&links->loop, &links->timer);
    (void)uv_check_init(&links->loop, &links->after_poll);
    links->wake.data = links->listener.data = links->after_poll.data = links->timer.data = links;
    links->has_handles = 1;
    (void)uv_poll_start(&links->wake, UV_READABLE, on_wake);
    (void)uv_check_start(&links->after_poll, on_after_poll);
    if (links->listen_fd >= 0)
        (void)uv_poll_start(&links->listener, UV_READABLE, chat__links_accept);
    return 0;
}

static chat_status make_peers(chat__links *links)
{
    links->peers =
        chat__alloc_zero(&links->allocator, (CHAT__LINKS_MAX_PEERS + 1) * sizeof *links->peers);
    if (links->peers == NULL)
        return CHAT_ERR_NOMEM;
    int n = chat__links_read_peers(links->options, links->peers);
    chat_status status = n < 0 ? CHAT_ERR_ARG : CHAT_OK;
    for (int i = 0; i < n && status == CHAT_OK; i++) {
        status = chat__links_peer_make(links, &links->peers[i]);
        links->n_peers = (uint32_t)i + 1;
    }
    return status;
}

static chat_status fill(chat__links *links)
{
    const chat_server_options *options = links->options;
    chat_status status = chat__links_check(options);
    if (status == CHAT_OK)
        status = chat__links_read_secret(options, links->secret, &links->secret_len);
    if (status == CHAT_OK)
        status =
            chat__ws_pool_new(&links->allocator, &chat__trunk_hello_limits, &links->hello_pool);
    if (status == CHAT_OK)
        status = chat__ws_pool_new(&links->allocator, &chat__trunk_limits, &links->pool);
    if (status == CHAT_OK)
        status = chat__links_tls(options, 0, &links->tls);
    if (status == CHAT_OK)
        status = make_peers(links);
    if (status == CHAT_OK && options->link_listen != NULL)
        status = chat__listen_socket(options, "link-listen", options->link_listen,
                                     &links->listen_fd, &links->port);
    if (status == CHAT_OK && make_loop(links) != 0)
        status = CHAT_ERR_NOMEM;
    return status;
}

chat_status chat__links_new(const chat_server_options *options, const char *setup,
                            const chat__links_hooks *hooks, chat__links **out)
{
    chat_allocator allocator = chat__alloc_or_libc(&options->allocator);
    chat__links *links = chat__alloc_zero(&allocator, sizeof *links);
    if (links == NULL)
        return CHAT_ERR_NOMEM;
    links->allocator = allocator;
    links->options = options;
    links->hooks = *hooks;
    links->wake_fd = links->listen_fd = -1;
    (void)snprintf(links->setup, sizeof links->setup, "%s", setup);
    while (links->instance == 0)
        chat__links_random(&links->instance, sizeof links->instance);
    chat_status status = fill(links);
    if (status == CHAT_OK)
        *out = links;
    else
        chat__links_free(links);
    return status;
}

static void close_loop(chat__links *links)
{
    while (links->conns != NULL)
        chat__links_conn_close(links->conns);
    for (uint32_t i = 0; i < links->n_peers; i++)
        if (links->peers[i].is_resolving)
            (void)uv_cancel((uv_req_t *)&links->peers[i].resolve);
    if (links->has_handles) {
        uv_close((uv_handle_t *)&links->wake, NULL);
        uv_close((uv_handle_t *)&links->timer, NULL);
        uv_close((uv_handle_t *)&links->after_poll, NULL);
        if (links->listen_fd >= 0)
            uv_close((uv_handle_t *)&links->listener, NULL);
    }
    links->has_handles = 0;
    while (links->has_loop && uv_loop_close(&links->loop) == UV_EBUSY)
        (void)uv_run(&links->loop, UV_RUN_DEFAULT);
    links->has_loop = 0;
}

void chat__links_free(chat__links *links)
{
    if (links == NULL)
        return;
    chat_allocator allocator = links->allocator;
    close_loop(links);
    for (uint32_t i = 0; i < links->n_peers; i++)
        chat__links_peer_free(&links->peers[i]);
    chat__alloc_free(&allocator, links->peers);
    chat__ws_pool_free(links->hello_pool);
    chat__ws_pool_free(links->pool);
    chat__tls_context_free(links->tls);
    if (links->wake_fd >= 0)
        close(links->wake_fd);
    if (links->listen_fd >= 0)
        close(links->listen_fd);
    volatile uint8_t *secret = links->secret;
    for (size_t i = 0; i < links->secret_len; i++)
        secret[i] = 0;
    chat__alloc_free(&allocator, links);
}

static void run(void *arg)
{
    chat__links *links = arg;
    uv_update_time(&links->loop);
    turn(links);
    (void)uv_run(&links->loop, UV_RUN_DEFAULT);
}

chat_status chat__links_start(chat__links *links)
{
    links->is_running = uv_thread_create(&links->thread, run, links) == 0;
    return links->is_running ? CHAT_OK : CHAT_ERR_NOMEM;
}

void chat__links_stop(chat__links *links)
{
    if (links == NULL || !links->is_running)
        return;
    atomic_store(&links->is_stopping, 1);
    chat__links_wake(links);
    uv_thread_join(&links->thread);
    links->is_running = 0;
    for (uint32_t i = 0; i < links->n_peers; i++) {
        chat__links_conn *conn = links->peers[i].conn;
        if (conn == NULL || conn->hello != NULL || conn->is_connecting)
            continue;
        chat__links_conn_flush(conn);
        if (conn->sent == conn->out.len &&
            chat__trunk_goodbye(links->peers[i].trunk, &conn->out) == CHAT_OK)
            chat__links_conn_flush(conn);
    }
}

uint16_t chat__links_port(const chat__links *links)
{
    return links->port;
}

/* --- other threads --- */

chat_status chat__links_send(chat__links *links, uint32_t member, const chat__trunk_record *records,
                             size_t n, size_t *out_n)
{
    chat__links_peer *peer = chat__links_find(links, member);
    chat_status status = CHAT_OK;
    *out_n = 0;
    if (peer == NULL)
        return CHAT_ERR_NOT_FOUND;
    uv_mutex_lock(&peer->mutex);
    while (*out_n < n && (status = chat__trunk_send(peer->trunk, &records[*out_n])) == CHAT_OK)
        ++*out_n;
    uv_mutex_unlock(&peer->mutex);
    if (*out_n > 0)
        chat__links_wake(links);
    return status;
}

uint64_t chat__links_session(chat__links *links, uint32_t member)
{
    chat__links_peer *peer = chat__links_find(links, member);
    uint64_t session = 0, received;
    if (peer == NULL)
        return 0;
    uv_mutex_lock(&peer->mutex);
    chat__trunk_state(peer->trunk, &session, &received);
    uv_mutex_unlock(&peer->mutex);
    return session;
}

chat_status chat__links_send_in(chat__links *links, uint32_t member, uint64_t session,
                                const chat__trunk_record *record)
{
    chat__links_peer *peer = chat__links_find(links, member);
    chat_status status = CHAT_ERR_CLOSED;
    uint64_t now, received;
    if (peer == NULL)
        return CHAT_ERR_NOT_FOUND;
    uv_mutex_lock(&peer->mutex);
    chat__trunk_state(peer->trunk, &now, &received);
    if (session == 0 || session == now)
        status = chat__trunk_send(peer->trunk, record);
    uv_mutex_unlock(&peer->mutex);
    if (status == CHAT_OK)
        chat__links_wake(links);
    return status;
}

void chat__links_consumed(chat__links *links, uint32_t member, uint64_t session, uint64_t bytes)
{
    chat__links_peer *peer = chat__links_find(links, member);
    if (peer == NULL)
        return;
    uv_mutex_lock(&peer->mutex);
    chat__trunk_consumed(peer->trunk, session, bytes);
    uv_mutex_unlock(&peer->mutex);
    chat__links_wake(links);
}

int chat__links_is_up(chat__links *links, uint32_t member)
{
    chat__links_peer *peer = chat__links_find(links, member);
    if (peer == NULL)
        return 0;
    uv_mutex_lock(&peer->mutex);
    int is_up = chat__trunk_is_up(peer->trunk);
    uv_mutex_unlock(&peer->mutex);
    return is_up;
}

void chat__links_give_up(chat__links *links, uint32_t member, uint64_t session)
{
    chat__links_peer *peer = chat__links_find(links, member);
    uint64_t now, received;
    if (peer == NULL)
        return;
    uv_mutex_lock(&peer->mutex);
    chat__trunk_state(peer->trunk, &now, &received);
    if (session == 0 || session == now)
        chat__trunk_end(peer->trunk);
    uv_mutex_unlock(&peer->mutex);
    chat__links_wake(links);
}

int chat__links_member(chat__links *links, uint32_t i, uint32_t *out_member)
{
    if (i >= links->n_peers)
        return 0;
    *out_member = links->peers[i].member;
    return 1;
}

void chat__links_figures_get(chat__links *links, chat__links_figures *out)
{
    memset(out, 0, sizeof *out);
    out->n_up = atomic_load(&links->n_up);
    out->n_connects = atomic_load(&links->n_connects);
    out->n_lost = atomic_load(&links->n_lost);
    out->n_refused = atomic_load(&links->n_refused);
    out->received_bytes = atomic_load(&links->received_bytes);
    out->sent_bytes = atomic_load(&links->sent_bytes);
    for (uint32_t i = 0; i < links->n_peers; i++) {
        uint64_t kept, unsent;
        uv_mutex_lock(&links->peers[i].mutex);
        chat__trunk_kept(links->peers[i].trunk, &kept, &unsent);
        uv_mutex_unlock(&links->peers[i].mutex);
        out->kept_bytes += kept;
    }
}
