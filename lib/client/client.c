/* SPDX-License-Identifier: MIT */
/*
 * <chat/client.h>: the machine of lib/core/client driven over one link. All waiting is the
 * caller's, on an epoll descriptor that holds the socket, the resolver's result and the wake-up.
 */
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"
#include "keep.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define LEAVE_MS       2000u
#define READS_PER_TURN 16
#define ACK_EVERY      64u
#define MAX_TOKEN      8192u

void chat_client_options_init(chat_client_options *options)
{
    chat__client_options core;
    chat__client_options_init(&core);
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->encoding = core.encoding;
    options->backoff_first_ms = core.backoff_first_ms;
    options->backoff_max_ms = core.backoff_max_ms;
    options->stable_ms = core.stable_ms;
    options->connect_timeout_ms = core.connect_timeout_ms;
    options->answer_timeout_ms = core.answer_timeout_ms;
    options->max_outbox_count = core.max_outbox_count;
    options->max_outbox_bytes = core.max_outbox_bytes;
    options->max_requests = core.max_requests;
    options->max_frame_bytes = core.max_frame_bytes;
    options->max_chats = core.max_chats;
    options->typing_ms = core.typing_ms;
    options->cache_messages = 1000;
    options->cache_total = 100000;
}

void chat__client_say_line(const chat_client *client, chat_log_level level, const char *what,
                           const char *why)
{
    char line[512];
    if (client->log.write == NULL)
        return;
    snprintf(line, sizeof line, "%s%s%s", what, why[0] != '\0' ? ": " : "", why);
    client->log.write(client->log.ctx, level, line);
}

/* --- making and freeing --- */

chat_status chat__client_put_token(chat_client *client, const char *token)
{
    size_t len = token != NULL ? strlen(token) : 0;
    if (len > MAX_TOKEN)
        return CHAT_ERR_ARG;
    for (size_t i = 0; i < len; i++)
        if (token[i] <= 0x20 || token[i] >= 0x7f)
            return CHAT_ERR_ARG;
    char *copy = chat__alloc_resize(&client->allocator, NULL, len + 1);
    if (copy == NULL)
        return CHAT_ERR_NOMEM;
    if (len > 0)
        memcpy(copy, token, len);
    copy[len] = '\0';
    chat__alloc_free(&client->allocator, client->token);
    client->token = copy;
    chat__client_renew_started(client);
    return CHAT_OK;
}

static chat_status make_core(chat_client *client, const chat_client_options *options)
{
    chat__client_options core;
    chat__client_options_init(&core);
    core.allocator = &client->allocator;
    core.encoding = (chat_encoding)options->encoding;
    if (options->device != NULL)
        core.device = chat__view_str(options->device);
    if (options->agent != NULL)
        core.agent = chat__view_str(options->agent);
    core.ignore_stream = options->ignore_stream != 0;
    core.backoff_first_ms = options->backoff_first_ms;
    core.backoff_max_ms = options->backoff_max_ms;
    core.stable_ms = options->stable_ms;
    core.connect_timeout_ms = options->connect_timeout_ms;
    core.answer_timeout_ms = options->answer_timeout_ms;
    core.max_outbox_count = options->max_outbox_count;
    core.max_outbox_bytes = options->max_outbox_bytes;
    core.max_requests = options->max_requests;
    core.max_frame_bytes = options->max_frame_bytes;
    core.max_chats = options->max_chats;
    core.typing_ms = options->typing_ms;
    if (getrandom(core.seed, sizeof core.seed, 0) != (ssize_t)sizeof core.seed)
        return CHAT_ERR_LIMIT;
    chat_status status = chat__keep_open(client, options, &core);
    if (status == CHAT_OK)
        status = chat__client_new(&core, &client->core);
    return status == CHAT_OK ? chat__keep_restore(client) : status;
}

static chat_status make_link(chat_client *client, const chat_client_options *options)
{
    chat__link *link = &client->link;
    const char *why = "";
    char tls_why[256] = "";
    if (options->url == NULL || chat__url_parse(options->url, &link->url, &why) != CHAT_OK) {
        chat__client_say_line(client, CHAT_LOG_ERROR, "the URL is not valid", why);
        return CHAT_ERR_ARG;
    }
    link->is_own = options->own_transport != 0;
    if (options->proxy != NULL &&
        chat__proxy_parse(options->proxy, &link->proxy, &why) != CHAT_OK) {
        chat__client_say_line(client, CHAT_LOG_ERROR, "the proxy is not valid", why);
        return CHAT_ERR_ARG;
    }
    if (link->url.is_tls && !link->is_own) {
        chat_status status = chat__tls_client_new(options->ca_file, options->insecure_tls == 0,
                                                  tls_why, sizeof tls_why, &client->tls_context);
        if (status == CHAT_OK && options->pin != NULL)
            status =
                chat__tls_client_pin(client->tls_context, options->pin, tls_why, sizeof tls_why);
        if (status != CHAT_OK) {
            chat__client_say_line(client, CHAT_LOG_ERROR, "TLS", tls_why);
            return status;
        }
    }
    link->allocator = &client->allocator;
    link->epoll_fd = client->epoll_fd;
    link->encoding = (chat_encoding)options->encoding;
    link->tls_context = client->tls_context;
    link->max_frame_bytes = options->max_frame_bytes;
    link->no_deflate = options->no_deflate != 0;
    return chat__link_init(link);
}

/* On the application's own transport there is nothing to wait for but the wake-up. */
static chat_status make_descriptors(chat_client *client, int is_own)
{
    struct epoll_event event;
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (is_own)
        return client->wake_fd >= 0 ? CHAT_OK : CHAT_ERR_LIMIT;
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd < 0 || client->wake_fd < 0)
        return CHAT_ERR_LIMIT;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = client->wake_fd;
    if (epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &event) != 0)
        return CHAT_ERR_LIMIT;
    return CHAT_OK;
}

chat_status chat_client_new(const chat_client_options *given, chat_client **out)
{
    chat_client_options known;
    const chat_client_options *options = &known;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_client_options_init(&known);
    if (chat__sized_take(&known, sizeof known, given) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    chat_client *client = chat__alloc_zero(&allocator, sizeof *client);
    if (client == NULL)
        return CHAT_ERR_NOMEM;
    client->allocator = allocator;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->thread.ended, NULL);
    client->link.fd = -1;
    client->epoll_fd = -1;
    client->wake_fd = -1;
    client->renewal.lead_ms = options->token_lead_ms;
    if (options->log != NULL)
        client->log = *options->log;
    chat_status status = chat__client_put_token(client, options->token);
    if (status == CHAT_ERR_ARG)
        chat__client_say_line(client, CHAT_LOG_ERROR, "the token has a character that no token has",
                              "");
    if (status == CHAT_OK) {
        status = make_core(client, options);
        if (status == CHAT_ERR_ARG)
            chat__client_say_line(client, CHAT_LOG_ERROR,
                                  "the device, the agent or a number is not valid", "");
    }
    if (status == CHAT_OK)
        status = make_descriptors(client, options->own_transport != 0);
    if (status == CHAT_OK)
        status = make_link(client, options);
    if (status != CHAT_OK) {
        chat_client_free(client);
        return status;
    }
    *out = client;
    return CHAT_OK;
}

void chat_client_free(chat_client *client)
{
    if (client != NULL && !chat__client_thread_stop(client, 1))
        chat__client_destroy(client);
}

void chat__client_destroy(chat_client *client)
{
    chat_allocator allocator = client->allocator;
    if (client->link.allocator != NULL) {
        chat__link_leave(&client->link, 1001, "");
        chat__link_done(&client->link);
    }
    chat__tls_context_free(client->tls_context);
    chat__keep_close(client);
    chat__client_free(client->core);
    chat__alloc_free(&allocator, client->shown);
    if (client->epoll_fd >= 0)
        close(client->epoll_fd);
    if (client->wake_fd >= 0)
        close(client->wake_fd);
    chat__alloc_free(&allocator, client->token);
    pthread_cond_destroy(&client->thread.ended);
    pthread_mutex_destroy(&client->lock);
    chat__alloc_free(&allocator, client);
}

/* --- waiting --- */

int chat_client_fd(const chat_client *client)
{
    if (client == NULL)
        return -1;
    return client->epoll_fd >= 0 ? client->epoll_fd : client->wake_fd;
}

int chat__client_wait_ms(const chat_client *client, uint64_t now_ms)
{
    uint64_t at = chat__client_deadline(client->core);
    uint64_t link_at = chat__link_deadline(&client->link);
    if (client->link.may_read_more || client->is_woken || chat__keep_has_event(client))
        return 0;
    if (link_at < at)
        at = link_at;
    if (chat__client_renew_at(client) < at)
        at = chat__client_renew_at(client);
    if (client->is_leaving && client->leave_until_ms < at)
        at = client->leave_until_ms;
    if (at == UINT64_MAX)
        return -1;
    if (at <= now_ms)
        return 0;
    return at - now_ms > INT32_MAX ? INT32_MAX : (int)(at - now_ms);
}

int chat_client_timeout(const chat_client *client, uint64_t now_ms)
{
    if (client == NULL)
        return -1;
    chat__client_enter(client);
    int wait_ms = chat__client_wait_ms(client, now_ms);
    chat__client_exit(client);
    return wait_ms;
}

void chat_client_wakeup(const chat_client *client)
{
    uint64_t one = 1;
    if (client != NULL)
        (void)!write(client->wake_fd, &one, sizeof one);
}

/* Once a turn suffices. */
void chat__client_wake_self(chat_client *client)
{
    if (client->is_woken)
        return;
    client->is_woken = 1;
    chat_client_wakeup(client);
}

/* --- a turn --- */

static void on_lost(chat_client *client, chat_status status)
{
    chat__client_say_line(client, CHAT_LOG_INFO, "connection lost", client->link.why);
    if (client->is_leaving)
        chat__client_close(client->core);
    else
        chat__client_lost(client->core, status, client->link.retry_ms, client->link.why);
}

static void connect_now(chat_client *client)
{
    uint8_t key[16];
    chat_status status = CHAT_ERR_LIMIT;
    client->renewal.used = client->renewal.number;
    if (getrandom(key, sizeof key, 0) == (ssize_t)sizeof key)
        status = chat__link_open(&client->link, key);
    if (status != CHAT_OK)
        on_lost(client, status);
}

/* The server has it still, and gives it again over the next connection. */
static void give_up(chat_client *client, chat_status status)
{
    chat__link_leave(&client->link, 1001, "");
    chat__link_drop(&client->link);
    snprintf(client->link.why, sizeof client->link.why,
             "the store cannot be written: %s; what was received comes again",
             chat_status_text(status));
    on_lost(client, status);
}

/* Do what the machine asks for. Nothing of the application is written behind our close frame, and
   nothing is acknowledged that is not kept. */
static void pump(chat_client *client)
{
    chat__client_effect effect;
    chat_status kept = CHAT_OK;
    if (!chat__keep_commit(client, &kept))
        give_up(client, kept);
    while (client->link.state != CHAT__LINK_LEAVING &&
           chat__client_next_effect(client->core, chat__link_has_room(&client->link), &effect) ==
               CHAT_OK) {
        chat_status status = CHAT_OK;
        if (effect.type == CHAT__CLIENT_CLOSE) {
            chat__client_say_line(client, CHAT_LOG_INFO, "connection given up", effect.text);
            chat__link_leave(&client->link, effect.code, effect.text);
            chat__link_drop(&client->link);
        } else if (effect.type == CHAT__CLIENT_CONNECT) {
            connect_now(client);
        } else {
            status = chat__link_write(&client->link, effect.bytes);
        }
        if (status != CHAT_OK) /* what could not be written is written again */
            on_lost(client, status);
    }
    chat_status status = chat__link_flush(&client->link);
    if (status != CHAT_OK)
        on_lost(client, status);
}

static void work(chat_client *client)
{
    chat__link *link = &client->link;
    chat_status status = CHAT_OK;
    int was_up = link->state >= CHAT__LINK_UP;
    if (link->state != CHAT__LINK_DOWN && !was_up) {
        status = chat__link_work(link, client->now_ms, chat__view_str(client->token));
        if (status == CHAT_OK)
            chat__client_opened(client->core);
        else if (status != CHAT_MORE)
            on_lost(client, status);
    }
    if (was_up) {
        status = chat__link_read(link);
        if (status == CHAT_OK)
            chat__client_alive(client->core);
        else if (status != CHAT_EMPTY)
            on_lost(client, status);
    }
}

/* A goodbye comes behind all that is ready; without a connection there is nobody to say it to. */
static void leave(chat_client *client)
{
    chat__link *link = &client->link;
    if (client->leave_until_ms == 0)
        client->leave_until_ms = client->now_ms + LEAVE_MS;
    int is_late = client->now_ms >= client->leave_until_ms;
    if (link->state == CHAT__LINK_UP && link->tx.len > 0 && !is_late)
        return;
    chat__link_leave(link, 1000, "");
    if (link->state == CHAT__LINK_LEAVING && !is_late)
        return;
    chat__link_drop(link);
    chat__client_close(client->core);
}

chat_status chat__client_process_turn(chat_client *client, uint64_t now_ms)
{
    uint64_t count;
    client->now_ms = now_ms;
    (void)!read(client->wake_fd, &count, sizeof count);
    client->is_woken = 0;
    client->reads_left = READS_PER_TURN;
    chat__client_turn(client->core, now_ms);
    work(client);
    pump(client);
    chat__client_renew(client);
    if (client->is_leaving)
        leave(client);
    return CHAT_OK;
}

chat_status chat_client_process(chat_client *client, uint64_t now_ms)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status =
        client->thread.is_running ? CHAT_ERR_STATE : chat__client_process_turn(client, now_ms);
    chat__client_exit(client);
    return status;
}

/* What waits in the file must not be sent in another user's name. */
static void refuse(chat_client *client)
{
    static const char why[] = "the store belongs to another user: each user has a file of its own";
    chat__client_say_line(client, CHAT_LOG_ERROR, "store", why);
    chat__link_leave(&client->link, 1000, "");
    chat__link_drop(&client->link);
    chat__client_lost(client->core, CHAT_ERR_AUTH, 0, why);
}

/* 1: there may be an event. */
static int take_message(chat_client *client)
{
    chat__link *link = &client->link;
    chat_view message;
    chat_status status = chat__link_next_message(link, &message);
    if (status == CHAT_OK) {
        chat__client_receive(client->core, message);
        if (chat__keep_heard(client) != CHAT_OK)
            refuse(client);
        return 1;
    }
    if (status == CHAT_EMPTY && link->may_read_more && client->reads_left > 0) {
        client->reads_left--;
        status = chat__link_read(link);
        if (status == CHAT_OK)
            return 1;
    }
    if (status == CHAT_EMPTY)
        return 0;
    on_lost(client, status);
    return 1;
}

static chat_status next_event(chat_client *client, const chat_event **out)
{
    chat_status status = chat__client_next_event(client->core, out);
    if (status == CHAT_OK)
        chat__keep_event(client, *out);
    return status;
}

chat_status chat__client_read_event(chat_client *client, const chat_event **out)
{
    if (chat__keep_next_event(client, out) == CHAT_OK)
        return CHAT_OK;
    do {
        if (next_event(client, out) == CHAT_OK)
            return CHAT_OK;
        if (chat__client_unacked(client->core) >= ACK_EVERY)
            pump(client);
    } while (take_message(client));
    pump(client);
    chat__client_renew(client);
    return next_event(client, out);
}

chat_status chat_client_next_event(chat_client *client, const chat_event **out)
{
    if (client == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status =
        client->thread.is_running ? CHAT_ERR_STATE : chat__client_read_event(client, out);
    chat__client_exit(client);
    return status;
}
