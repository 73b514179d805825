/* SPDX-License-Identifier: MIT */
/* libcurl's multi interface behind an epoll descriptor. See http.h. */
#include "backends/etcd/http.h"
#include "backends/etcd/wire.h"
#include "base/alloc.h"
#include "base/view.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NEVER         UINT64_MAX
#define URL_BYTES     512u
#define MAX_READY     8
#define IDLE_PERIOD_S 3L /* a connection that is quiet is probed */
#define LOGIN_BYTES   4096u
#define TOKEN_BYTES   2048u
#define BAD_REQUEST   400L
#define UNAUTHORIZED  401L

struct chat__etcd_http {
    chat_allocator allocator;
    chat__etcd_endpoints endpoints;
    const chat__etcd_access *access;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    int epoll_fd;
    int is_running; /* the handle is with `multi` */
    int is_over;    /* a reply waits */
    int is_stream;
    int is_full; /* more came than may be kept */
    int has_token;
    int is_login;  /* a token is asked for, then comes `call` */
    int is_second; /* it is asked for once more, for etcd forgot it */
    chat__etcd_call call;
    chat__buf login;
    CURLcode result;
    long http_status;
    uint64_t at_mono_ms;
    uint64_t now_mono_ms;
    chat__buf reply;
    char why[CURL_ERROR_SIZE];
};

/* --- what libcurl calls --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
    chat__etcd_http *http = ctx;
    struct epoll_event event;
    (void)easy;
    (void)of_socket;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    memset(&event, 0, sizeof event);
    event.data.fd = fd;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(http->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    chat__etcd_http *http = ctx;
    (void)multi;
    http->at_mono_ms = timeout_ms < 0 ? NEVER : http->now_mono_ms + (uint64_t)timeout_ms;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    chat__etcd_http *http = ctx;
    if (chat__buf_append(&http->reply, bytes, size * n) == CHAT_OK)
        return size * n;
    http->is_full = 1;
    return 0;
}

/* --- life --- */

/* What every call says; `token` NULL: without. 0: no memory. */
static int set_headers(chat__etcd_http *http, const char *token)
{
    char line[TOKEN_BYTES + 32];
    curl_slist_free_all(http->headers);
    http->headers = curl_slist_append(NULL, "Content-Type: application/json");
    http->has_token = 0;
    if (http->headers == NULL || token == NULL)
        return http->headers != NULL;
    (void)snprintf(line, sizeof line, "Authorization: %s", token);
    http->has_token = curl_slist_append(http->headers, line) != NULL;
    return http->has_token;
}

static int set_multi(chat__etcd_http *http)
{
    return curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 2L) == CURLM_OK;
}

static CURLcode set_access(CURL *easy, const chat__etcd_access *access)
{
    const struct {
        CURLoption option;
        const char *text;
    } rows[] = {{CURLOPT_CAINFO, access->ca_file},
                {CURLOPT_SSLCERT, access->cert_file},
                {CURLOPT_SSLKEY, access->key_file}};
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code == CURLE_OK && rows[i].text != NULL)
            code = curl_easy_setopt(easy, rows[i].option, rows[i].text);
    return code;
}

static int set_easy(chat__etcd_http *http)
{
    CURL *easy = http->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A name that nobody resolves must not hold up who drops the call. */
    code = code ? code : curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROXY, "");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->why);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, IDLE_PERIOD_S);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, IDLE_PERIOD_S);
    code = code ? code : set_access(easy, http->access);
    return code == CURLE_OK;
}

chat_status chat__etcd_http_new(const chat__etcd_http_options *options, chat__etcd_http **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat__etcd_http *http = chat__alloc_zero(&allocator, sizeof *http);
    if (http == NULL)
        return CHAT_ERR_NOMEM;
    http->allocator = allocator;
    http->endpoints = options->endpoints;
    http->access = options->access;
    http->at_mono_ms = NEVER;
    chat__buf_init(&http->reply, &allocator, options->max_reply_bytes);
    http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    chat__buf_init(&http->login, &allocator, LOGIN_BYTES);
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    if (http->epoll_fd < 0 || http->multi == NULL || http->easy == NULL || !set_multi(http) ||
        !set_headers(http, NULL) || !set_easy(http)) {
        chat__etcd_http_free(http);
        return CHAT_ERR_NOMEM;
    }
    *out = http;
    return CHAT_OK;
}

/* The password is needed no more. */
static void forget_login(chat__etcd_http *http)
{
    if (http->login.len > 0)
        memset(http->login.data, 0, http->login.len);
    http->login.len = 0;
}

static void stop(chat__etcd_http *http)
{
    if (http->is_running)
        (void)curl_multi_remove_handle(http->multi, http->easy);
    http->is_running = 0;
}

void chat__etcd_http_free(chat__etcd_http *http)
{
    if (http == NULL)
        return;
    chat_allocator allocator = http->allocator;
    stop(http);
    curl_easy_cleanup(http->easy);
    if (http->multi != NULL)
        (void)curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    if (http->epoll_fd >= 0)
        close(http->epoll_fd);
    chat__buf_done(&http->reply);
    forget_login(http);
    chat__buf_done(&http->login);
    chat__alloc_free(&allocator, http);
}

/* --- a call --- */

static void end(chat__etcd_http *http, CURLcode result)
{
    stop(http);
    http->is_over = 1;
    http->result = result;
}

static CURLcode set_call(chat__etcd_http *http, const chat__etcd_call *call)
{
    char url[URL_BYTES];
    CURL *easy = http->easy;
    long timeout_ms = (long)call->timeout_ms;
    (void)snprintf(url, sizeof url, "%s%s", http->endpoints.items[call->endpoint], call->path);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.data);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)call->body.len);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    return code ? code
                : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, call->is_stream ? 0L : timeout_ms);
}

static void send_call(chat__etcd_http *http, const chat__etcd_call *call)
{
    http->is_over = http->is_full = 0;
    http->is_stream = call->is_stream;
    http->http_status = 0;
    http->reply.len = 0;
    http->why[0] = '\0';
    CURLcode code = set_call(http, call);
    if (code != CURLE_OK) {
        end(http, code);
        return;
    }
    if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK) {
        end(http, CURLE_OUT_OF_MEMORY);
        return;
    }
    http->is_running = 1;
}

/* Ask for a token where the call goes. */
static void log_in(chat__etcd_http *http)
{
    forget_login(http);
    chat__etcd_writer writer = chat__etcd_write(&http->login);
    chat__etcd_put_raw(&writer, "{\"name\":");
    chat__etcd_put_string(&writer, chat__view_str(http->access->user));
    chat__etcd_put_raw(&writer, ",\"password\":");
    chat__etcd_put_string(&writer, chat__view_str(http->access->password));
    chat__etcd_put_raw(&writer, "}");
    if (writer.status != CHAT_OK || !set_headers(http, NULL)) {
        end(http, CURLE_OUT_OF_MEMORY);
        return;
    }
    const chat__etcd_call call = {http->call.endpoint, "/v3/auth/authenticate",
                                  chat__buf_view(&http->login), http->call.timeout_ms, 0};
    http->is_login = 1;
    send_call(http, &call);
}

void chat__etcd_http_start(chat__etcd_http *http, const chat__etcd_call *call, uint64_t mono_ms)
{
    stop(http);
    http->now_mono_ms = mono_ms;
    http->call = *call;
    http->is_login = http->is_second = 0;
    http->why[0] = '\0';
    if (http->access->user != NULL && !http->has_token)
        log_in(http);
    else
        send_call(http, call);
}

/* The token, or an error with the reason. */
static void on_login(chat__etcd_http *http)
{
    chat__etcd_answer answer;
    const cJSON *token = NULL;
    http->is_login = 0;
    forget_login(http);
    if (http->result != CURLE_OK ||
        chat__etcd_read(chat__buf_view(&http->reply), &answer) != CHAT_OK)
        return; /* it is told as the call's */
    if (answer.code == 0)
        token = cJSON_GetObjectItemCaseSensitive(answer.tree, "token");
    if (cJSON_IsString(token) && strlen(token->valuestring) < TOKEN_BYTES &&
        strpbrk(token->valuestring, "\r\n") == NULL) {
        if (set_headers(http, token->valuestring))
            send_call(http, &http->call);
        else
            end(http, CURLE_OUT_OF_MEMORY);
    } else {
        http->result = CURLE_LOGIN_DENIED;
        (void)snprintf(http->why, sizeof http->why, "%s",
                       answer.code != 0 ? answer.why : "it gave no token that can be used");
    }
    chat__etcd_answer_done(&answer);
}

/* As etcd says of a token that it forgot, or that is older than what users may do. */
static int is_token_old(const chat__etcd_http *http)
{
    return http->has_token && !http->is_second && http->result == CURLE_OK &&
           (http->http_status == UNAUTHORIZED || http->http_status == BAD_REQUEST);
}

static void look_at_end(chat__etcd_http *http)
{
    if (http->is_login) {
        on_login(http);
    } else if (is_token_old(http)) {
        http->is_second = 1;
        log_in(http);
    }
}

int chat__etcd_http_fd(const chat__etcd_http *http)
{
    return http->epoll_fd;
}

uint64_t chat__etcd_http_deadline(const chat__etcd_http *http)
{
    return http->is_over ? 0 : http->at_mono_ms;
}

static void act(chat__etcd_http *http, curl_socket_t fd, int what)
{
    int n_running = 0;
    (void)curl_multi_socket_action(http->multi, fd, what, &n_running);
}

static void read_messages(chat__etcd_http *http)
{
    int n_left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(http->multi, &n_left)) != NULL) {
        if (message->msg != CURLMSG_DONE || !http->is_running)
            continue;
        CURLcode result = message->data.result; /* gone with the handle */
        (void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &http->http_status);
        end(http, result);
        look_at_end(http);
    }
}

void chat__etcd_http_process(chat__etcd_http *http, uint64_t mono_ms)
{
    struct epoll_event ready[MAX_READY];
    http->now_mono_ms = mono_ms;
    int n = epoll_wait(http->epoll_fd, ready, MAX_READY, 0);
    for (int i = 0; i < n; i++) {
        uint32_t events = ready[i].events;
        act(http, ready[i].data.fd,
            (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
    }
    if (mono_ms >= http->at_mono_ms) {
        http->at_mono_ms = NEVER;
        act(http, CURL_SOCKET_TIMEOUT, 0);
    }
    read_messages(http);
}

chat_status chat__etcd_http_reply(chat__etcd_http *http, chat__etcd_reply *out)
{
    if (!http->is_over)
        return CHAT_EMPTY;
    http->is_over = 0;
    chat__etcd_reply reply = {0, chat__buf_view(&http->reply), NULL};
    if (http->is_full)
        reply.why = "its answer is too long";
    else if (http->result == CURLE_OK)
        reply.http_status = (uint32_t)http->http_status;
    else
        reply.why = http->why[0] != '\0' ? http->why : curl_easy_strerror(http->result);
    *out = reply;
    return CHAT_OK;
}

chat_view chat__etcd_http_stream(const chat__etcd_http *http)
{
    chat_view nothing = {NULL, 0};
    return http->is_stream ? chat__buf_view(&http->reply) : nothing;
}

void chat__etcd_http_used(chat__etcd_http *http, size_t n)
{
    chat__buf_consume(&http->reply, n);
}
