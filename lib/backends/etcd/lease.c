/* SPDX-License-Identifier: MIT */
/* <chat/etcd.h>: the machine of numbers.h on the wire of http.h. */
#include "backends/etcd/config.h"
#include "backends/etcd/http.h"
#include "backends/etcd/numbers.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <stdio.h>
#include <sys/random.h>

#define TOKEN_HALF_BYTES (CHAT__ETCD_TOKEN_LEN / 2)

struct chat_etcd_lease {
    chat__etcd_config config;
    chat__etcd_http *http;
    chat__etcd_numbers *numbers;
};

/* --- life --- */

chat_status chat_etcd_lease_new(const chat_etcd_options *given, chat_etcd_lease **out)
{
    chat_etcd_options options;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_status status = chat__etcd_config_check(given, &options);
    if (status != CHAT_OK)
        return status;
    chat_allocator allocator = chat__alloc_or_libc(options.allocator);
    chat_etcd_lease *lease = chat__alloc_zero(&allocator, sizeof *lease);
    if (lease == NULL)
        return CHAT_ERR_NOMEM;
    status = chat__etcd_config_init(&lease->config, &options);
    if (status != CHAT_OK) {
        chat_etcd_lease_free(lease);
        return status;
    }
    *out = lease;
    return CHAT_OK;
}

void chat_etcd_lease_free(chat_etcd_lease *lease)
{
    if (lease == NULL)
        return;
    chat_allocator allocator = lease->config.allocator;
    chat__etcd_http_free(lease->http);
    chat__etcd_numbers_free(lease->numbers);
    chat__etcd_config_done(&lease->config);
    chat__alloc_free(&allocator, lease);
}

/* --- the table --- */

/* A name that no other server has. CHAT_OK, CHAT_ERR_IO. */
static chat_status make_token(char token[CHAT__ETCD_TOKEN_LEN + 1])
{
    uint8_t bytes[TOKEN_HALF_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return CHAT_ERR_IO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return CHAT_OK;
}

/* Carry replies in and calls out until both wait. */
static void carry(chat_etcd_lease *lease, uint64_t mono_ms)
{
    chat__etcd_reply reply;
    chat__etcd_call call;
    for (int i = 0; i < CHAT__ETCD_MAX_CALLS; i++) {
        if (chat__etcd_http_reply(lease->http, &reply) == CHAT_OK)
            chat__etcd_numbers_reply(lease->numbers, &reply);
        if (chat__etcd_numbers_next_call(lease->numbers, &call) != CHAT_OK)
            return;
        chat__etcd_http_start(lease->http, &call, mono_ms);
        chat__etcd_http_process(lease->http, mono_ms);
    }
}

static chat_status open_lease(void *ctx, const chat_lease_wish *wish, chat_lease_time now)
{
    chat_etcd_lease *lease = ctx;
    char token[CHAT__ETCD_TOKEN_LEN + 1];
    chat_lease_wish copy = {.struct_size = sizeof copy};
    if (lease->numbers != NULL)
        return CHAT_ERR_STATE;
    if (chat__sized_take(&copy, sizeof copy, wish) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_status status = make_token(token);
    if (status != CHAT_OK)
        return status;
    chat__etcd_http_options of_http = {.allocator = &lease->config.allocator,
                                       .endpoints = lease->config.endpoints,
                                       .access = &lease->config.access,
                                       .max_reply_bytes = CHAT__ETCD_MAX_REPLY};
    chat__etcd_numbers_options options = {.allocator = &lease->config.allocator,
                                          .prefix = lease->config.prefix,
                                          .endpoints = lease->config.endpoints,
                                          .ttl_ms = lease->config.ttl_ms,
                                          .token = token,
                                          .wish = &copy};
    if (lease->http == NULL)
        status = chat__etcd_http_new(&of_http, &lease->http);
    if (status == CHAT_OK)
        status = chat__etcd_numbers_new(&options, &lease->numbers);
    if (status != CHAT_OK)
        return status;
    chat__etcd_numbers_begin(lease->numbers, now);
    carry(lease, now.mono_ms);
    return CHAT_OK;
}

static int get_fd(void *ctx)
{
    const chat_etcd_lease *lease = ctx;
    return lease->http != NULL ? chat__etcd_http_fd(lease->http) : -1;
}

static uint64_t get_deadline(void *ctx)
{
    const chat_etcd_lease *lease = ctx;
    if (lease->numbers == NULL)
        return UINT64_MAX;
    uint64_t of_http = chat__etcd_http_deadline(lease->http);
    uint64_t of_numbers = chat__etcd_numbers_deadline(lease->numbers);
    return of_http < of_numbers ? of_http : of_numbers;
}

static void process(void *ctx, chat_lease_time now)
{
    chat_etcd_lease *lease = ctx;
    if (lease->numbers == NULL)
        return;
    chat__etcd_http_process(lease->http, now.mono_ms);
    chat__etcd_numbers_begin(lease->numbers, now);
    carry(lease, now.mono_ms);
}

static chat_status next_event(void *ctx, chat_lease_event *out)
{
    chat_etcd_lease *lease = ctx;
    chat_lease_event event;
    if (lease->numbers == NULL || chat__etcd_numbers_next_event(lease->numbers, &event) != CHAT_OK)
        return CHAT_EMPTY;
    return chat__sized_give(out, &event, sizeof event);
}

static void release(void *ctx, chat_lease_time now)
{
    chat_etcd_lease *lease = ctx;
    if (lease->numbers == NULL)
        return;
    chat__etcd_numbers_release(lease->numbers, now);
    carry(lease, now.mono_ms);
}

void chat_etcd_lease_table(chat_etcd_lease *lease, chat_lease *out)
{
    const chat_lease table = {.struct_size = sizeof table,
                              .ctx = lease,
                              .open = open_lease,
                              .fd = get_fd,
                              .deadline = get_deadline,
                              .process = process,
                              .next_event = next_event,
                              .release = release};
    *out = table;
}
