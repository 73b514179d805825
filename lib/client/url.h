/* SPDX-License-Identifier: MIT */
/* The address of a server: ws://HOST[:PORT][/PATH][?QUERY], or wss. */
#ifndef CHAT_CLIENT_URL_H
#define CHAT_CLIENT_URL_H

#include <chat/status.h>

#define CHAT__URL_MAX_HOST_BYTES 253u /* RFC 1035 section 2.3.4 */
#define CHAT__URL_MAX_PATH_BYTES 1024u

typedef struct chat__url {
    int is_tls;
    char host[CHAT__URL_MAX_HOST_BYTES + 1]; /* without the brackets of an IPv6 address */
    char port[6];
    char host_header[CHAT__URL_MAX_HOST_BYTES + 10]; /* "host", "host:port" or "[v6]:port" */
    char path[CHAT__URL_MAX_PATH_BYTES + 1];         /* "/" and query */
} chat__url;

/* A proxy: http://[USER:PASSWORD@]HOST[:PORT]. */
typedef struct chat__proxy {
    char host[CHAT__URL_MAX_HOST_BYTES + 1];
    char port[6];
    char basic[352]; /* USER:PASSWORD in base64, "" for none */
} chat__proxy;
chat_status chat__proxy_parse(const char *text, chat__proxy *out, const char **out_why);

/* CHAT_OK; CHAT_ERR_ARG, `*out_why` says what is wrong (static). */
chat_status chat__url_parse(const char *text, chat__url *out, const char **out_why);

#endif
