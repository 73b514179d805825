/* SPDX-License-Identifier: MIT */
/* See config.h. */
#include "backends/etcd/config.h"
#include "backends/etcd/numbers.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#define DEFAULT_TTL_MS 10000u
#define MIN_TTL_MS     2000u
#define MAX_TTL_MS     600000u
#define MAX_URL_BYTES  256u

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
static chat_status split_endpoints(chat__etcd_config *config)
{
    char *at = config->endpoints_text;
    while (at != NULL) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma = '\0';
        while (*at == ' ')
            at++;
        size_t len = strlen(at);
        while (len > 0 && (at[len - 1] == '/' || at[len - 1] == ' '))
            at[--len] = '\0';
        if (!is_url(at) || config->endpoints.n_items == CHAT__ETCD_MAX_ENDPOINTS)
            return CHAT_ERR_ARG;
        config->endpoint_items[config->endpoints.n_items++] = at;
        at = comma != NULL ? comma + 1 : NULL;
    }
    config->endpoints.items = config->endpoint_items;
    return CHAT_OK;
}

chat_status chat__etcd_config_init(chat__etcd_config *config, const chat_etcd_options *options)
{
    memset(config, 0, sizeof *config);
    config->allocator = chat__alloc_or_libc(options->allocator);
    config->ttl_ms = options->ttl_ms;
    config->endpoints_text = copy_string(&config->allocator, options->endpoints);
    config->prefix = copy_string(&config->allocator, options->prefix);
    if (config->endpoints_text == NULL || config->prefix == NULL)
        return CHAT_ERR_NOMEM;
    const struct {
        const char *from, **to;
    } rows[] = {{options->ca_file, &config->access.ca_file},
                {options->cert_file, &config->access.cert_file},
                {options->key_file, &config->access.key_file},
                {options->user, &config->access.user},
                {options->password, &config->access.password}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].from == NULL)
            continue;
        *rows[i].to = copy_string(&config->allocator, rows[i].from);
        if (*rows[i].to == NULL)
            return CHAT_ERR_NOMEM;
    }
    return split_endpoints(config);
}

/* With nothing left of it in memory. */
static void free_string(const chat_allocator *allocator, const char *text)
{
    char *gone = (char *)(uintptr_t)text;
    for (volatile char *at = gone; at != NULL && *at != '\0'; at++)
        *at = '\0';
    chat__alloc_free(allocator, gone);
}

void chat__etcd_config_done(chat__etcd_config *config)
{
    chat__alloc_free(&config->allocator, config->endpoints_text);
    chat__alloc_free(&config->allocator, config->prefix);
    free_string(&config->allocator, config->access.ca_file);
    free_string(&config->allocator, config->access.cert_file);
    free_string(&config->allocator, config->access.key_file);
    free_string(&config->allocator, config->access.user);
    free_string(&config->allocator, config->access.password);
}

/* --- checking --- */

static CURLcode of_libcurl;

static void set_up_libcurl(void)
{
    of_libcurl = curl_global_init(CURL_GLOBAL_DEFAULT);
}

chat_status chat__etcd_config_check(const chat_etcd_options *given, chat_etcd_options *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    chat_etcd_options_init(out);
    if (chat__sized_take(out, sizeof *out, given) != CHAT_OK || out->endpoints == NULL ||
        out->prefix == NULL || !is_prefix(out->prefix) || out->ttl_ms < MIN_TTL_MS ||
        out->ttl_ms > MAX_TTL_MS || (out->cert_file == NULL) != (out->key_file == NULL) ||
        (out->user == NULL) != (out->password == NULL))
        return CHAT_ERR_ARG;
    return pthread_once(&once, set_up_libcurl) != 0 || of_libcurl != CURLE_OK ? CHAT_ERR_NOMEM
                                                                              : CHAT_OK;
}
