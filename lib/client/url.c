/* SPDX-License-Identifier: MIT */
/* See url.h. Strict: what is copied into a request line has no space and no control character. */
#include "url.h"

#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_visible_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return 0;
    return 1;
}

static chat_status refuse(const char **out_why, const char *why)
{
    *out_why = why;
    return CHAT_ERR_ARG;
}

/* Digits up to the end of the authority. */
static int parse_port(const char *text, size_t len, chat__url *url)
{
    unsigned port = 0;
    if (len == 0 || len > 5)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > 65535)
        return 0;
    snprintf(url->port, sizeof url->port, "%u", port);
    return 1;
}

static chat_status parse_authority(const char *text, size_t len, chat__url *url,
                                   const char **out_why)
{
    const char *end = text + len;
    const char *host = text;
    const char *after;
    size_t host_len;
    int is_v6 = len > 0 && text[0] == '[';
    if (memchr(text, '@', len) != NULL)
        return refuse(out_why, "no user or password may stand in the URL");
    if (is_v6) {
        host++;
        after = memchr(host, ']', len - 1);
        if (after == NULL)
            return refuse(out_why, "'[' without ']'");
        host_len = (size_t)(after++ - host);
    } else {
        after = memchr(text, ':', len);
        if (after == NULL)
            after = end;
        host_len = (size_t)(after - host);
    }
    if (host_len == 0 || host_len > CHAT__URL_MAX_HOST_BYTES)
        return refuse(out_why, "the host name is missing or too long");
    memcpy(url->host, host, host_len);
    url->host[host_len] = '\0';
    snprintf(url->port, sizeof url->port, "%s", url->is_tls ? "443" : "80");
    if (after < end && (*after != ':' || !parse_port(after + 1, (size_t)(end - after - 1), url)))
        return refuse(out_why, "the port must be a number from 1 to 65535");
    memcpy(url->host_header, text, len);
    url->host_header[len] = '\0';
    return CHAT_OK;
}

chat_status chat__url_parse(const char *text, chat__url *out, const char **out_why)
{
    chat__url url;
    memset(&url, 0, sizeof url);
    *out_why = "";
    if (!is_visible_ascii(text))
        return refuse(out_why, "a space, control or non-ASCII character");
    if (strncmp(text, "ws://", 5) == 0)
        text += 5;
    else if (strncmp(text, "wss://", 6) == 0) {
        text += 6;
        url.is_tls = 1;
    } else
        return refuse(out_why, "it must start with ws:// or wss://");
    size_t len = strcspn(text, "/?#");
    const char *path = text + len;
    if (len >= sizeof url.host_header)
        return refuse(out_why, "the host name is missing or too long");
    chat_status status = parse_authority(text, len, &url, out_why);
    if (status != CHAT_OK)
        return status;
    if (strchr(path, '#') != NULL)
        return refuse(out_why, "a fragment (#) has no meaning here");
    if (strlen(path) + (*path != '/') > CHAT__URL_MAX_PATH_BYTES)
        return refuse(out_why, "the path is too long");
    url.path[0] = '/';
    strcpy(url.path + (*path != '/'), path);
    *out = url;
    return CHAT_OK;
}

chat_status chat__proxy_parse(const char *text, chat__proxy *out, const char **out_why)
{
    chat__proxy proxy;
    chat__url url;
    char copy[512];
    size_t len = 0;
    memset(&proxy, 0, sizeof proxy);
    if (strncmp(text, "http://", 7) != 0)
        return refuse(out_why, "a proxy must start with http://");
    const char *at = strrchr(text, '@');
    if (at != NULL && mbedtls_base64_encode((uint8_t *)proxy.basic, sizeof proxy.basic, &len,
                                            (const uint8_t *)text + 7, (size_t)(at - text - 7)))
        return refuse(out_why, "the proxy's password is too long");
    snprintf(copy, sizeof copy, "ws://%.300s", at != NULL ? at + 1 : text + 7);
    chat_status status = chat__url_parse(copy, &url, out_why);
    if (status != CHAT_OK)
        return status;
    if (strcmp(url.path, "/") != 0)
        return refuse(out_why, "a proxy has no path");
    memcpy(proxy.host, url.host, sizeof proxy.host);
    memcpy(proxy.port, url.port, sizeof proxy.port);
    *out = proxy;
    return CHAT_OK;
}
