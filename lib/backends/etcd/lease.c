/* SPDX-License-Identifier: MIT */
/* <chat/etcd.h>: options, and the machine of numbers.h on the wire of http.h. */
#include <chat/etcd.h>

#include "backends/etcd/http.h"
#include "backends/etcd/numbers.h"
#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#define DEFAULT_TTL_MS   10000u
#define MIN_TTL_MS       2000u
#define MAX_TTL_MS       600000u
#define MAX_REPLY_BYTES  262144u
#define MAX_URL_BYTES    256u
#define MAX_CALLS        8 /* in one turn: each may be over at once */
#define TOKEN_HALF_BYTES (CHAT__ETCD_TOKEN_LEN / 2)

struct chat_etcd_lease {
    chat_allocator allocator;
    char *endpoints_text; /* cut at its commas */
    char *prefix;
    char *ca_file;
    const char *endpoint_items[CHAT__ETCD_MAX_ENDPOINTS];
    chat__etcd_endpoints endpoints;
    uint64_t ttl_ms;
    chat__etcd_http *http;
    chat__etcd_numbers *numbers;
};

/* --- options --- */

void chat_etcd_options_init(chat_etcd_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->endpoints = "http://127.0.0.1:2379";
    options->prefix = "chat/";
    options->ttl_ms = DEFAULT_TTL_MS;
}

static char *copy_string(const chat_allocator *allocator, const char *text)
{
    size_t len = strlen(text);
    char *copy = chat__alloc_zero(allocator, len + 1);
    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

static int is_url(const char *text)
{
    size_t skip = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    if (skip == 0 || text[skip] == '\0' || strlen(text) > MAX_URL_BYTES)
        return 0;
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || *at == '@' || *at == '?' || *at == '#')
            return 0;
    return 1;
}

static int is_prefix(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return 0;
    return strlen(text) <= CHAT__ETCD_PREFIX_MAX;
}

/* Cut at commas, without the slashes at the ends. CHAT_OK, CHAT_ERR_ARG. */
static chat_status split_endpoints(chat_etcd_lease *lease)
{
    char *at = lease->endpoints_text;
    while (at != NULL) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma = '\0';
        while (*at == ' ')
            at++;
        size_t len = strlen(at);
        while (len > 0 && (at[len - 1] == '/' || at[len - 1] == ' '))
            at[--len] = '\0';
        if (!is_url(at) || lease->endpoints.n_items == CHAT__ETCD_MAX_ENDPOINTS)
            return CHAT_ERR_ARG;
        lease->endpoint_items[lease->endpoints.n_items++] = at;
        at = comma != NULL ? comma + 1 : NULL;
    }
    lease->endpoints.items = lease->endpoint_items;
    return CHAT_OK;
}

static chat_status copy_options(chat_etcd_lease *lease, const chat_etcd_options *options)
{
    lease->ttl_ms = options->ttl_ms;
    lease->endpoints_text = copy_string(&lease->allocator, options->endpoints);
    lease->prefix = copy_string(&lease->allocator, options->prefix);
    if (lease->endpoints_text == NULL || lease->prefix == NULL)
        return CHAT_ERR_NOMEM;
    if (options->ca_file != NULL) {
        lease->ca_file = copy_string(&lease->allocator, options->ca_file);
        if (lease->ca_file == NULL)
            return CHAT_ERR_NOMEM;
    }
    return split_endpoints(lease);
}

/* --- life --- */

static CURLcode of_libcurl;

static void set_up_libcurl(void)
{
    of_libcurl = curl_global_init(CURL_GLOBAL_DEFAULT);
}

chat_status chat_etcd_lease_new(const chat_etcd_options *given, chat_etcd_lease **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    chat_etcd_options options;
    if (given == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_etcd_options_init(&options);
    if (chat__sized_take(&options, sizeof options, given) != CHAT_OK || options.endpoints == NULL ||
        options.prefix == NULL || !is_prefix(options.prefix) || options.ttl_ms < MIN_TTL_MS ||
        options.ttl_ms > MAX_TTL_MS)
        return CHAT_ERR_ARG;
    if (pthread_once(&once, set_up_libcurl) != 0 || of_libcurl != CURLE_OK)
        return CHAT_ERR_NOMEM;
    chat_allocator allocator = chat__alloc_or_libc(options.allocator);
    chat_etcd_lease *lease = chat__alloc_zero(&allocator, sizeof *lease);
    if (lease == NULL)
        return CHAT_ERR_NOMEM;
    lease->allocator = allocator;
    chat_status status = copy_options(lease, &options);
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
    chat_allocator allocator = lease->allocator;
    chat__etcd_http_free(lease->http);
    chat__etcd_numbers_free(lease->numbers);
    chat__alloc_free(&allocator, lease->endpoints_text);
    chat__alloc_free(&allocator, lease->prefix);
    chat__alloc_free(&allocator, lease->ca_file);
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
    for (int i = 0; i < MAX_CALLS; i++) {
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
    chat__etcd_http_options of_http = {.allocator = &lease->allocator,
                                       .endpoints = lease->endpoints,
                                       .ca_file = lease->ca_file,
                                       .max_reply_bytes = MAX_REPLY_BYTES};
    chat__etcd_numbers_options options = {.allocator = &lease->allocator,
                                          .prefix = lease->prefix,
                                          .endpoints = lease->endpoints,
                                          .ttl_ms = lease->ttl_ms,
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
