/* SPDX-License-Identifier: MIT */
/* The head of an HTTP message taken apart, and the lists in its fields. For http_*.c only. */
#ifndef CHAT_NET_HTTP_HEAD_H
#define CHAT_NET_HTTP_HEAD_H

#include "net/http.h"

typedef struct chat__http_field {
    chat_view name;
    chat_view value; /* without white space around */
} chat__http_field;

typedef struct chat__http_head {
    chat_view method; /* request */
    chat_view start;  /* target of a request, reason of a response */
    uint16_t status;  /* response */
    uint16_t major;
    uint16_t minor;
    uint16_t error_status; /* why it was refused */
    const char *error_text;
    size_t n_fields;
    chat__http_field fields[CHAT__HTTP_MAX_HEADERS];
} chat__http_head;

/* CHAT_OK: `*out` and `*len` written; CHAT_MORE; CHAT_ERR_PROTOCOL, CHAT_ERR_LIMIT with
   error_status and error_text. Everything borrowed from `bytes`. */
chat_status chat__http_head_parse(chat_view bytes, int is_request, chat__http_head *out,
                                  size_t *len);

/* How many fields have this name; the first one's value in `*out` (empty when there is none). */
size_t chat__http_head_find(const chat__http_head *head, const char *name, chat_view *out);

/* Equal but for the case of ASCII letters. */
int chat__http_is(chat_view text, const char *lower_case);

/* One or more token characters (RFC 9110 section 5.6.2) and nothing else. */
int chat__http_is_token(chat_view text);

/* Visible ASCII only: safe to write into a head. */
int chat__http_is_visible(chat_view text);

chat_view chat__http_trim(chat_view text);

/* Cut the next element off `*rest` at `separator`, trimmed; quoted strings are kept whole. 0: there
   is none left. */
int chat__http_next(chat_view *rest, char separator, chat_view *out);

/* Whether any field `name` lists `token`. */
int chat__http_head_lists(const chat__http_head *head, const char *name, const char *token);

/* Sec-WebSocket-Accept for a key, 28 characters and a zero. CHAT_OK, CHAT_ERR_ARG. */
chat_status chat__http_accept_key(chat_view key, char out[32]);

typedef struct chat__http_deflate {
    int is_deflate;       /* it is permessage-deflate */
    int is_valid;         /* its parameters are known, once, and in range */
    int has_server_reset; /* server_no_context_takeover */
    int has_client_reset; /* client_no_context_takeover */
    int has_client_bits;  /* client_max_window_bits, with or without a value */
    unsigned server_bits; /* server_max_window_bits, 0: not said */
} chat__http_deflate;

/* Take one element of Sec-WebSocket-Extensions apart. 0: not in the grammar. */
int chat__http_read_extension(chat_view element, chat__http_deflate *out);

/* Append zero-terminated text; remembers the first failure in `*status`. */
void chat__http_put(chat__buf *out, const char *text, chat_status *status);
void chat__http_put_view(chat__buf *out, chat_view text, chat_status *status);

#endif
