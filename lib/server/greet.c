/* SPDX-License-Identifier: MIT */
/*
 * A connection from its first byte to the upgrade: TLS, one HTTP request, the token. Then it goes
 * to the shard where its user lives. One deadline covers all of it.
 */
#include "metrics.h"
#include "slots.h"
#include "base/alloc.h"
#include "base/view.h"

#include <chat/id.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ANSWER_BYTES 262144u /* 256 shards in the metrics */
#define LEEWAY_MS        0u

static chat__shard *shard_of(const chat__greet *greet)
{
    return greet->poll.data;
}

static void on_closed(uv_handle_t *handle)
{
    chat__greet *greet = (chat__greet *)(void *)handle;
    chat_allocator allocator = *chat__shard_allocator(shard_of(greet));
    chat__buf_done(&greet->head);
    chat__buf_done(&greet->answer);
    chat__alloc_free(&allocator, greet);
}

/* Stop watching. Socket and TLS stay, they may have moved on. */
static void release(chat__greet *greet)
{
    chat__shard *shard = shard_of(greet);
    chat__due_remove(greet->is_lingering ? &shard->lingering : &shard->greeting, &greet->due);
    greet->is_closing = 1;
    uv_close((uv_handle_t *)&greet->poll, on_closed);
}

static void drop(chat__greet *greet)
{
    int fd = greet->fd;
    chat__server_log(shard_of(greet)->server, CHAT_LOG_DEBUG,
                     "connection %d ended before it "
                     "was let in",
                     fd);
    chat__tls_free(greet->tls);
    release(greet);
    close(fd);
    atomic_fetch_sub(&shard_of(greet)->server->n_connections, 1);
}

void chat__guest_free(const chat_allocator *allocator, chat__guest *guest)
{
    if (guest == NULL)
        return;
    chat__tls_free(guest->tls);
    if (guest->fd >= 0)
        close(guest->fd);
    chat__buf_done(&guest->answer);
    chat__buf_done(&guest->rest);
    chat__alloc_free(allocator, guest);
}

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(chat__greet *greet, int events)
{
    if (uv_poll_start(&greet->poll, events, on_event) != 0)
        drop(greet);
}

/* --- refusing --- */

/* Everything is said. What still comes is read for a while, so that the answer is not lost with it.
 */
static void linger(chat__greet *greet)
{
    chat__shard *shard = shard_of(greet);
    if (greet->tls != NULL)
        chat__tls_close(greet->tls);
    (void)shutdown(greet->fd, SHUT_WR);
    chat__due_remove(&shard->greeting, &greet->due);
    greet->is_lingering = 1;
    chat__due_add(&shard->lingering, &greet->due, chat__shard_now(shard) + CHAT__SERVER_LINGER_MS);
    watch(greet, UV_READABLE);
}

static chat_status send_some(chat__greet *greet, const uint8_t *bytes, size_t len, size_t *out_len)
{
    if (greet->tls != NULL)
        return chat__tls_write(greet->tls, bytes, len, out_len);
    return chat__io_send(greet->fd, bytes, len, out_len);
}

static void send_answer(chat__greet *greet)
{
    while (greet->answered < greet->answer.len) {
        size_t sent = 0;
        chat_status status = send_some(greet, greet->answer.data + greet->answered,
                                       greet->answer.len - greet->answered, &sent);
        if (status == CHAT_MORE) {
            watch(greet, UV_WRITABLE);
            return;
        }
        if (status != CHAT_OK) {
            drop(greet);
            return;
        }
        greet->answered += sent;
    }
    linger(greet);
}

static void answer(chat__greet *greet, uint16_t status, const char *type, const char *body)
{
    if (chat__http_write_answer(status, type, chat__view_str(body), &greet->answer) != CHAT_OK) {
        drop(greet);
        return;
    }
    send_answer(greet);
}

/* --- what is not for WebSocket --- */

static void answer_health(chat__greet *greet)
{
    const chat_server *server = shard_of(greet)->server;
    const char *state = "ok";
    char body[128];
    if (atomic_load(&server->is_broken))
        state = "storage failed";
    else if (atomic_load(&server->phase) != CHAT__PHASE_SERVING)
        state = "draining";
    (void)snprintf(body, sizeof body,
                   "{\"status\":\"%s\",\"version\":\"" CHAT__SERVER_VERSION "\"}\n", state);
    answer(greet, strcmp(state, "ok") == 0 ? 200 : 503, "application/json", body);
}

static void answer_metrics(chat__greet *greet)
{
    chat__shard *shard = shard_of(greet);
    chat__buf page;
    chat__buf_init(&page, chat__shard_allocator(shard), MAX_ANSWER_BYTES / 2);
    chat_status status = chat__metrics_write(shard->server, &page);
    if (status == CHAT_OK)
        status = chat__http_write_answer(200, "text/plain; version=0.0.4", chat__buf_view(&page),
                                         &greet->answer);
    chat__buf_done(&page);
    if (status == CHAT_OK)
        send_answer(greet);
    else
        drop(greet);
}

static int is_path(const chat__http_request *request, const char *path)
{
    return chat__view_equal(request->path, chat__view_str(path));
}

static void answer_plain(chat__greet *greet, const chat__http_request *request)
{
    if (is_path(request, "/healthz"))
        answer_health(greet);
    else if (is_path(request, "/metrics") && shard_of(greet)->server->options.metrics)
        answer_metrics(greet);
    else if (is_path(request, "/"))
        answer(greet, 426, NULL,
               "This is a libchat server. It speaks WebSocket, subprotocols chat.v1.cbor and "
               "chat.v1.json, with a token.\n");
    else
        answer(greet, 404, NULL, "Nothing is here but WebSocket, and the state at /healthz.\n");
}

/* --- letting in --- */

static chat_status check_token(const chat_server *server, chat_view token,
                               chat_server_identity *out)
{
    chat__jwt_claims claims;
    chat__jwt_check check = {
        .key = server->key, .now_unix_ms = chat__server_unix_ms(), .leeway_ms = LEEWAY_MS};
    if (token.len == 0) {
        out->why = "a token is needed: Authorization: Bearer, or subprotocol chat.jwt.<token>";
        return CHAT_ERR_AUTH;
    }
    chat_status status = chat__jwt_verify(&check, token, &claims, &out->why);
    if (status != CHAT_OK)
        return status;
    memcpy(out->user, claims.sub, claims.sub_len);
    out->user_len = (uint32_t)claims.sub_len;
    out->expires_unix_ms = claims.exp_unix_ms;
    return CHAT_OK;
}

static chat_status authenticate(const chat_server *server, chat_view token,
                                chat_server_identity *out)
{
    const chat_server_hooks *hooks = &server->options.hooks;
    chat_server_login login = {.struct_size = sizeof login, .token = token};
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->expires_unix_ms = UINT64_MAX;
    if (hooks->authenticate == NULL)
        return check_token(server, token, out);
    chat_status status = hooks->authenticate(hooks->ctx, &login, out);
    if (status == CHAT_OK && (out->user_len > sizeof out->user ||
                              !chat_id_is_valid(chat__view(out->user, out->user_len)))) {
        chat__server_log(server, CHAT_LOG_ERROR, "the authenticate hook gave no valid user id");
        return CHAT_ERR_AUTH;
    }
    return status;
}

/* Connection, request and user, but not yet the socket. NULL: out of memory. */
static chat__guest *make_guest(const chat__greet *greet, const chat__http_request *request,
                               size_t head_len, const chat_server_identity *who)
{
    const chat_server *server = shard_of(greet)->server;
    chat__guest *guest = chat__alloc_zero(&server->allocator, sizeof *guest);
    if (guest == NULL)
        return NULL;
    chat__buf_init(&guest->answer, &server->allocator, MAX_ANSWER_BYTES);
    chat__buf_init(&guest->rest, &server->allocator, CHAT__HTTP_MAX_HEAD_BYTES * 2);
    guest->fd = -1;
    guest->has_deflate = request->offers_deflate && server->options.deflate;
    guest->encoding = (uint8_t)request->encoding;
    guest->user_len = (uint8_t)who->user_len;
    guest->expires_unix_ms = who->expires_unix_ms;
    guest->since_ms = greet->due.at_ms - server->options.handshake_timeout_ms;
    memcpy(guest->user, who->user, who->user_len);
    if (chat__http_write_switch(request, guest->has_deflate, &guest->answer) == CHAT_OK &&
        chat__buf_append(&guest->rest, greet->head.data + head_len, greet->head.len - head_len) ==
            CHAT_OK)
        return guest;
    chat__guest_free(&server->allocator, guest);
    return NULL;
}

/* To the user's shard. The socket stays in this thread when its user is not on this member. */
static void let_in(chat__greet *greet, const chat__http_request *request, size_t head_len,
                   const chat_server_identity *who)
{
    chat__shard *shard = shard_of(greet);
    chat_server *server = shard->server;
    uint32_t home = chat__node_of_user(chat__view(who->user, who->user_len), server->n_shards);
    const chat__slot_place *place = chat__slots_place(shard, home);
    int is_far = place != NULL && place->member != CHAT__SLOTS_HERE;
    if (place != NULL && place->life == 0) {
        answer(greet, 503, NULL, "nobody serves this user now, come back later\n");
        return;
    }
    chat__shard *to = is_far ? shard : &server->shards[home];
    chat__guest *guest = make_guest(greet, request, head_len, who);
    chat__batch *batch =
        to == shard ? NULL : chat__batch_new(&server->allocator, CHAT__MAIL_GUEST, shard->index);
    if (guest == NULL || (to != shard && batch == NULL)) {
        chat__guest_free(&server->allocator, guest);
        chat__batch_free(&server->allocator, batch);
        drop(greet);
        return;
    }
    guest->home = home;
    guest->is_far = (uint8_t)is_far;
    guest->fd = greet->fd;
    guest->tls = greet->tls;
    release(greet);
    if (batch == NULL) {
        chat__shard_begin(shard);
        chat__peer_new(shard, guest);
        return;
    }
    batch->guest = guest;
    chat__shard_post(to, batch);
}

/* Before the token is looked at: that is the work that strangers can cause. */
static int is_over_limit(const chat__greet *greet)
{
    const chat__shard *shard = shard_of(greet);
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return shard->server->visitors != NULL &&
           getpeername(greet->fd, (struct sockaddr *)&address, &len) == 0 &&
           !chat__visitors_admit(shard->server->visitors, (struct sockaddr *)&address,
                                 chat__shard_now(shard));
}

static void upgrade(chat__greet *greet, const chat__http_request *request, size_t head_len)
{
    const chat_server *server = shard_of(greet)->server;
    chat_server_identity who;
    if (atomic_load(&server->phase) != CHAT__PHASE_SERVING) {
        answer(greet, 503, NULL, "the server is going away, come back later\n");
    } else if (request->encoding == 0) {
        answer(greet, 400, NULL, "offer subprotocol chat.v1.cbor or chat.v1.json\n");
    } else if (is_over_limit(greet)) {
        answer(greet, 429, NULL, "too many connections from this address, come back later\n");
    } else if (authenticate(server, request->token, &who) != CHAT_OK) {
        answer(greet, 401, NULL, who.why != NULL ? who.why : "the token is not valid");
    } else {
        let_in(greet, request, head_len, &who);
    }
}

/* --- reading --- */

static void parse(chat__greet *greet)
{
    const chat_server *server = shard_of(greet)->server;
    chat__http_request request;
    size_t head_len = 0;
    memset(&request, 0, sizeof request);
    chat_status status = chat__http_parse_request(
        chat__buf_view(&greet->head), server->options.allow_query_token != 0, &request, &head_len);
    if (status == CHAT_MORE)
        return;
    if (status != CHAT_OK)
        answer(greet, request.error_status, NULL, request.error_text);
    else if (request.is_upgrade)
        upgrade(greet, &request, head_len);
    else
        answer_plain(greet, &request);
}

/* A parse costs as much as there is: only when a line has ended can there be news. */
static int is_worth_parsing(const chat__greet *greet, const uint8_t *bytes, size_t len)
{
    return greet->head.len == len || greet->head.len >= CHAT__HTTP_MAX_HEAD_BYTES ||
           memchr(bytes, '\n', len) != NULL;
}

static void read_head(chat__greet *greet)
{
    chat__shard *shard = shard_of(greet);
    size_t got = 0;
    chat_status status =
        chat__io_receive(greet->tls, greet->fd, shard->read, CHAT__HTTP_MAX_HEAD_BYTES, &got);
    if (status == CHAT_MORE) {
        int wants_write = greet->tls != NULL && chat__tls_wants_write(greet->tls);
        watch(greet, wants_write ? UV_WRITABLE : UV_READABLE);
        return;
    }
    if (status != CHAT_OK || chat__buf_append(&greet->head, shard->read, got) != CHAT_OK) {
        drop(greet);
        return;
    }
    if (is_worth_parsing(greet, shard->read, got))
        parse(greet);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    chat__greet *greet = (chat__greet *)(void *)poll;
    chat__shard *shard = shard_of(greet);
    (void)events;
    chat__shard_begin(shard);
    if (status < 0) {
        drop(greet);
    } else if (greet->is_lingering) {
        ssize_t got = recv(greet->fd, shard->read, CHAT__SERVER_READ_BYTES, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            drop(greet);
    } else if (greet->answer.len > 0) {
        send_answer(greet);
    } else {
        read_head(greet);
    }
}

/* --- life --- */

static void refuse_full(chat__shard *shard, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    if (shard->tls == NULL)
        (void)send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    close(fd);
    atomic_fetch_sub(&shard->server->n_connections, 1);
}

void chat__greet_new(chat__shard *shard, int fd)
{
    chat_server *server = shard->server;
    if (atomic_fetch_add(&server->n_connections, 1) >= server->options.max_connections) {
        refuse_full(shard, fd);
        return;
    }
    chat__greet *greet = chat__alloc_zero(&server->allocator, sizeof *greet);
    if (greet == NULL ||
        (shard->tls != NULL && chat__tls_new(shard->tls, fd, NULL, &greet->tls) != CHAT_OK)) {
        chat__alloc_free(&server->allocator, greet);
        refuse_full(shard, fd);
        return;
    }
    if (uv_poll_init(&shard->loop, &greet->poll, fd) != 0) {
        chat__tls_free(greet->tls);
        chat__alloc_free(&server->allocator, greet);
        refuse_full(shard, fd);
        return;
    }
    greet->poll.data = shard;
    greet->fd = fd;
    chat__buf_init(&greet->head, &server->allocator, CHAT__HTTP_MAX_HEAD_BYTES * 2);
    chat__buf_init(&greet->answer, &server->allocator, MAX_ANSWER_BYTES);
    chat__due_add(&shard->greeting, &greet->due,
                  chat__shard_now(shard) + server->options.handshake_timeout_ms);
    watch(greet, UV_READABLE);
}

static chat__greet *greet_of(chat__due *due)
{
    return (chat__greet *)(void *)((uint8_t *)due - offsetof(chat__greet, due));
}

static void expire(chat__due_list *list, uint64_t now_ms)
{
    while (list->first != NULL && list->first->at_ms <= now_ms)
        drop(greet_of(list->first));
}

void chat__greet_expire(chat__shard *shard, uint64_t now_ms)
{
    expire(&shard->greeting, now_ms);
    expire(&shard->lingering, now_ms);
}

void chat__greet_close_all(chat__shard *shard)
{
    expire(&shard->greeting, UINT64_MAX);
    expire(&shard->lingering, UINT64_MAX);
}
