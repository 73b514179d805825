/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 part of a connection, without I/O: the server reads one request (an
 * upgrade to WebSocket or a GET such as /healthz), the client one response. Strict: see each
 * status.
 */
#ifndef CHAT_NET_HTTP_H
#define CHAT_NET_HTTP_H

#include <chat/frame.h>

#include "base/buf.h"

#define CHAT__HTTP_MAX_HEAD_BYTES 16384u
#define CHAT__HTTP_MAX_HEADERS    64u

/* A request, borrowed from the bytes that were parsed. */
typedef struct chat__http_request {
    chat_view method;
    chat_view path;  /* without the query */
    chat_view query; /* without '?' */
    int is_upgrade;  /* a valid WebSocket upgrade, version 13 */
    chat_view ws_key;
    chat_encoding encoding; /* from Sec-WebSocket-Protocol; 0: none of ours offered */
    chat_view token;        /* from Authorization: Bearer, else "chat.jwt.<token>" in the protocols,
                               else `token=` in the query when allow_query_token */
    int offers_deflate; /* permessage-deflate with parameters that we can serve: 1, or the window
                           that the client asks for (9..15). Pass it to chat__ws_init() */
    /* On an error: what to answer. */
    uint16_t error_status; /* 400, 404, 405, 413, 426, 431, 505 ... */
    const char *error_text;
} chat__http_request;

/*
 * Parse a whole request head at the start of `head` (no I/O, no state: call again with more).
 * CHAT_OK: `*out` and `*head_len` written (bytes behind belong to WebSocket); CHAT_MORE: the head
 * is not complete; CHAT_ERR_PROTOCOL: answer error_status and close; CHAT_ERR_LIMIT: as PROTOCOL
 * (431).
 */
chat_status chat__http_parse_request(chat_view head, int allow_query_token, chat__http_request *out,
                                     size_t *head_len);

/* Append the 101 answer. */
chat_status chat__http_write_switch(const chat__http_request *request, int use_deflate,
                                    chat__buf *out);

/* Append a plain answer with Content-Type text/plain (or `type`) that closes the connection; 426
   names the version, 401 has WWW-Authenticate: Bearer, 429 says to come back after a second. */
chat_status chat__http_write_answer(uint16_t status, const char *type, chat_view body,
                                    chat__buf *out);

/* --- client --- */
typedef struct chat__http_upgrade {
    const char *host_header; /* "host:port" */
    const char *path;        /* "/" and query */
    chat_view token;         /* may be empty */
    chat_encoding encoding;
    int offer_deflate;
    uint8_t key[16]; /* random */
} chat__http_upgrade;

chat_status chat__http_write_upgrade(const chat__http_upgrade *upgrade, chat__buf *out);

/* Ask a proxy for a tunnel to "host:port"; `basic`: its password in base64, or "". */
chat_status chat__http_write_connect(const char *host_port, const char *basic, chat__buf *out);

typedef struct chat__http_response {
    uint16_t status;
    int has_deflate;
    chat_view reason;       /* body of a refusal, as far as it came, else the status line's text */
    uint32_t retry_after_s; /* 0: not said */
} chat__http_response;

/* What the proxy answered. CHAT_OK: the tunnel is there; CHAT_MORE; CHAT_ERR_NETWORK: status and
   reason are in `*out`. */
chat_status chat__http_parse_connect(chat_view bytes, chat__http_response *out);

/* CHAT_OK: 101 and every check passed; CHAT_MORE; CHAT_ERR_AUTH for 401 and 403; CHAT_ERR_BUSY for
   429 and 503; CHAT_ERR_PROTOCOL otherwise. `*out` is written for all but CHAT_MORE. */
chat_status chat__http_parse_response(chat_view head, const chat__http_upgrade *upgrade,
                                      chat__http_response *out, size_t *head_len);

#endif
