/* SPDX-License-Identifier: MIT */
/* The server's half of http.h: requests are read and answered. */
#include "base/view.h"
#include "net/http_head.h"
#include "net/ws_deflate.h"

#include <stdio.h>
#include <string.h>

#define KEY_CHARS 24u /* 16 bytes in base64 */

static chat_status refuse(chat__http_request *request, uint16_t status, const char *text)
{
    request->error_status = status;
    request->error_text = text;
    return status == 431 ? CHAT_ERR_LIMIT : CHAT_ERR_PROTOCOL;
}

/* What is served: GET of a path, HTTP/1. */
static chat_status read_line(const chat__http_head *head, chat__http_request *out)
{
    chat_view target = head->start;
    out->method = head->method;
    if (head->major != 1)
        return refuse(out, 505, "this HTTP version is not supported");
    if (!chat__view_equal(out->method, chat__view_str("GET")))
        return refuse(out, 405, "only GET is served here");
    if (target.len == 0 || target.data[0] != '/' || memchr(target.data, '#', target.len) != NULL)
        return refuse(out, 400, "the target must be a path");
    const uint8_t *mark = memchr(target.data, '?', target.len);
    out->path = target;
    if (mark != NULL) {
        out->path.len = (size_t)(mark - target.data);
        out->query = chat__view(mark + 1, target.len - out->path.len - 1);
    }
    return CHAT_OK;
}

static int is_host(chat_view value)
{
    return chat__http_is_visible(value) &&
           (value.len == 0 || (memchr(value.data, '/', value.len) == NULL &&
                               memchr(value.data, ',', value.len) == NULL &&
                               memchr(value.data, '@', value.len) == NULL));
}

static int is_number(chat_view value)
{
    size_t i = 0;
    while (i < value.len && value.data[i] >= '0' && value.data[i] <= '9')
        i++;
    return i > 0 && i == value.len;
}

/* What a request must, and must not, carry whatever it is for. */
static chat_status check_fields(const chat__http_head *head, chat__http_request *out)
{
    chat_view value;
    size_t n_hosts = chat__http_head_find(head, "host", &value);
    if (n_hosts > 1)
        return refuse(out, 400, "more than one Host");
    if (n_hosts == 0 && head->minor > 0)
        return refuse(out, 400, "no Host");
    if (!is_host(value))
        return refuse(out, 400, "a malformed Host");
    if (chat__http_head_find(head, "transfer-encoding", &value) > 0)
        return refuse(out, 400, "a request here has no body");
    size_t n_lengths = chat__http_head_find(head, "content-length", &value);
    if (n_lengths > 1)
        return refuse(out, 400, "more than one Content-Length");
    if (n_lengths == 1 && !is_number(value))
        return refuse(out, 400, "a malformed Content-Length");
    if (n_lengths == 1 && !chat__http_is(value, "0"))
        return refuse(out, 413, "a request here has no body");
    return CHAT_OK;
}

static int is_key(chat_view value)
{
    if (value.len != KEY_CHARS || memcmp(value.data + KEY_CHARS - 2, "==", 2) != 0)
        return 0;
    for (size_t i = 0; i < KEY_CHARS - 2; i++) {
        uint8_t c = value.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return 0;
    }
    return 1;
}

/* RFC 6455 section 4.2.1. Neither of the two tokens: an ordinary request. */
static chat_status read_upgrade(const chat__http_head *head, chat__http_request *out)
{
    chat_view version;
    int wants_ws = chat__http_head_lists(head, "upgrade", "websocket");
    if (!wants_ws)
        return CHAT_OK;
    if (!chat__http_head_lists(head, "connection", "upgrade"))
        return refuse(out, 400, "Upgrade without Connection: Upgrade");
    if (head->minor == 0)
        return refuse(out, 400, "an upgrade needs HTTP/1.1");
    size_t n_versions = chat__http_head_find(head, "sec-websocket-version", &version);
    if (n_versions != 1)
        return refuse(out, 400, "one Sec-WebSocket-Version is needed");
    if (!chat__http_is(version, "13"))
        return refuse(out, 426, "this WebSocket version is not supported, 13 is");
    if (chat__http_head_find(head, "sec-websocket-key", &out->ws_key) != 1 || !is_key(out->ws_key))
        return refuse(out, 400, "one Sec-WebSocket-Key of 16 bytes in base64 is needed");
    out->is_upgrade = 1;
    return CHAT_OK;
}

/* The first of ours that is offered counts; the entry with the token is never chosen. */
static chat_status read_protocols(const chat__http_head *head, chat__http_request *out)
{
    static const char token_prefix[] = "chat.jwt.";
    size_t prefix_len = sizeof token_prefix - 1;
    for (size_t i = 0; i < head->n_fields; i++) {
        chat_view rest = head->fields[i].value;
        chat_view item;
        if (!chat__http_is(head->fields[i].name, "sec-websocket-protocol"))
            continue;
        while (chat__http_next(&rest, ',', &item)) {
            if (item.len > 0 && !chat__http_is_token(item))
                return refuse(out, 400, "a malformed Sec-WebSocket-Protocol");
            if (out->encoding == 0 && chat__view_equal(item, chat__view_str("chat.v1.cbor")))
                out->encoding = CHAT_ENCODING_CBOR;
            if (out->encoding == 0 && chat__view_equal(item, chat__view_str("chat.v1.json")))
                out->encoding = CHAT_ENCODING_JSON;
            if (out->token.data == NULL && chat__view_starts_with(item, token_prefix))
                out->token = chat__view(item.data + prefix_len, item.len - prefix_len);
        }
    }
    return CHAT_OK;
}

/* The first offer that can be served; one that cannot is passed over, not an error. */
static chat_status read_extensions(const chat__http_head *head, chat__http_request *out)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        chat_view rest = head->fields[i].value;
        chat_view item;
        if (!chat__http_is(head->fields[i].name, "sec-websocket-extensions"))
            continue;
        while (chat__http_next(&rest, ',', &item)) {
            chat__http_deflate offer;
            if (item.len == 0)
                continue;
            if (!chat__http_read_extension(item, &offer))
                return refuse(out, 400, "a malformed Sec-WebSocket-Extensions");
            if (out->offers_deflate || !offer.is_valid || !chat__ws_zip_is_there())
                continue;
            if (offer.server_bits == 0)
                out->offers_deflate = 1;
            else if (offer.server_bits >= CHAT__WS_MIN_WINDOW_BITS)
                out->offers_deflate = (int)offer.server_bits;
        }
    }
    return CHAT_OK;
}

static void read_query_token(chat__http_request *out)
{
    chat_view rest = out->query;
    chat_view item;
    while (chat__http_next(&rest, '&', &item)) {
        if (chat__view_starts_with(item, "token=")) {
            out->token = chat__view(item.data + 6, item.len - 6);
            return;
        }
    }
}

/* Authorization goes before the subprotocol, that before the query. */
static chat_status read_token(const chat__http_head *head, int allow_query_token,
                              chat__http_request *out)
{
    chat_view value;
    size_t n = chat__http_head_find(head, "authorization", &value);
    if (n > 1)
        return refuse(out, 400, "more than one Authorization");
    if (value.len > 7 && chat__http_is(chat__view(value.data, 7), "bearer "))
        out->token = chat__http_trim(chat__view(value.data + 7, value.len - 7));
    else if (out->token.data == NULL && allow_query_token)
        read_query_token(out);
    return CHAT_OK;
}

chat_status chat__http_parse_request(chat_view bytes, int allow_query_token,
                                     chat__http_request *out, size_t *head_len)
{
    chat__http_head head;
    size_t len = 0;
    memset(out, 0, sizeof *out);
    chat_status status = chat__http_head_parse(bytes, 1, &head, &len);
    if (status == CHAT_MORE)
        return status;
    if (status != CHAT_OK)
        return refuse(out, head.error_status, head.error_text);
    if ((status = read_line(&head, out)) != CHAT_OK ||
        (status = check_fields(&head, out)) != CHAT_OK ||
        (status = read_upgrade(&head, out)) != CHAT_OK ||
        (status = read_protocols(&head, out)) != CHAT_OK ||
        (status = read_extensions(&head, out)) != CHAT_OK ||
        (status = read_token(&head, allow_query_token, out)) != CHAT_OK)
        return status;
    *head_len = len;
    return CHAT_OK;
}

chat_status chat__http_write_switch(const chat__http_request *request, int use_deflate,
                                    chat__buf *out)
{
    char accept[32];
    char bits[48];
    size_t start = out->len;
    chat_status status = chat__http_accept_key(request->ws_key, accept);
    chat__http_put(out,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: ",
                   &status);
    chat__http_put(out, status == CHAT_OK ? accept : "", &status);
    if (request->encoding == CHAT_ENCODING_CBOR)
        chat__http_put(out, "\r\nSec-WebSocket-Protocol: chat.v1.cbor", &status);
    if (request->encoding == CHAT_ENCODING_JSON)
        chat__http_put(out, "\r\nSec-WebSocket-Protocol: chat.v1.json", &status);
    if (use_deflate && request->offers_deflate) {
        chat__http_put(out,
                       "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                       "server_no_context_takeover; client_no_context_takeover",
                       &status);
        (void)snprintf(bits, sizeof bits, "; server_max_window_bits=%d", request->offers_deflate);
        chat__http_put(out, request->offers_deflate > 1 ? bits : "", &status);
    }
    chat__http_put(out, "\r\n\r\n", &status);
    if (status != CHAT_OK)
        out->len = start;
    return status;
}

static const char *reason_of(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status)
            return rows[i].text;
    }
    return "Error";
}

chat_status chat__http_write_answer(uint16_t status_code, const char *type, chat_view body,
                                    chat__buf *out)
{
    char line[160];
    size_t start = out->len;
    chat_status status = CHAT_OK;
    (void)snprintf(line, sizeof line,
                   "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status_code,
                   reason_of(status_code), body.len);
    chat__http_put(out, line, &status);
    if (status_code == 401)
        chat__http_put(out, "WWW-Authenticate: Bearer\r\n", &status);
    if (status_code == 405)
        chat__http_put(out, "Allow: GET\r\n", &status);
    if (status_code == 429 || status_code == 503)
        chat__http_put(out, "Retry-After: 1\r\n", &status);
    if (status_code == 426)
        chat__http_put(out, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", &status);
    chat__http_put(out, "Cache-Control: no-store\r\nContent-Type: ", &status);
    chat__http_put(out, type == NULL ? "text/plain; charset=utf-8" : type, &status);
    chat__http_put(out, "\r\n\r\n", &status);
    chat__http_put_view(out, body, &status);
    if (status != CHAT_OK)
        out->len = start;
    return status;
}
