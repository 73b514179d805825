/* SPDX-License-Identifier: MIT */
/* The client's half of http.h: the upgrade is asked for, and the answer checked. */
#include "base/view.h"
#include "net/http_head.h"

#include <mbedtls/base64.h>
#include <string.h>

/* The 24 characters of Sec-WebSocket-Key. */
static chat_status key_text(const chat__http_upgrade *upgrade, char out[32])
{
    size_t len;
    int failed = mbedtls_base64_encode((uint8_t *)out, 32, &len, upgrade->key, 16);
    return failed ? CHAT_ERR_ARG : CHAT_OK;
}

static const char *protocol_of(const chat__http_upgrade *upgrade)
{
    return upgrade->encoding == CHAT_ENCODING_CBOR   ? "chat.v1.cbor"
           : upgrade->encoding == CHAT_ENCODING_JSON ? "chat.v1.json"
                                                     : NULL;
}

static int is_writable(const chat__http_upgrade *upgrade)
{
    chat_view host = chat__view_str(upgrade->host_header);
    chat_view path = chat__view_str(upgrade->path);
    return host.len > 0 && chat__http_is_visible(host) && path.len > 0 && path.data[0] == '/' &&
           chat__http_is_visible(path) && chat__http_is_visible(upgrade->token);
}

chat_status chat__http_write_upgrade(const chat__http_upgrade *upgrade, chat__buf *out)
{
    char key[32];
    size_t start = out->len;
    chat_status status = is_writable(upgrade) ? key_text(upgrade, key) : CHAT_ERR_ARG;
    if (status != CHAT_OK)
        return status;
    chat__http_put(out, "GET ", &status);
    chat__http_put(out, upgrade->path, &status);
    chat__http_put(out, " HTTP/1.1\r\nHost: ", &status);
    chat__http_put(out, upgrade->host_header, &status);
    chat__http_put(out,
                   "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
                   &status);
    chat__http_put(out, key, &status);
    if (protocol_of(upgrade) != NULL) {
        chat__http_put(out, "\r\nSec-WebSocket-Protocol: ", &status);
        chat__http_put(out, protocol_of(upgrade), &status);
    }
    if (upgrade->offer_deflate)
        chat__http_put(out,
                       "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                       "server_no_context_takeover; client_no_context_takeover",
                       &status);
    if (upgrade->token.len > 0) {
        chat__http_put(out, "\r\nAuthorization: Bearer ", &status);
        chat__http_put_view(out, upgrade->token, &status);
    }
    chat__http_put(out, "\r\n\r\n", &status);
    if (status != CHAT_OK)
        out->len = start;
    return status;
}

static uint32_t read_seconds(chat_view value)
{
    uint32_t seconds = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || i == 8)
            return 0;
        seconds = seconds * 10 + (uint32_t)(value.data[i] - '0');
    }
    return seconds;
}

/* A refusal: its body as far as it came, else the text of the status line. */
static chat_status read_refusal(const chat__http_head *head, chat_view body,
                                chat__http_response *out)
{
    chat_view value;
    if (chat__http_head_find(head, "content-length", &value) > 0 && read_seconds(value) < body.len)
        body.len = read_seconds(value);
    out->reason = body.len > 0 ? body : head->start;
    (void)chat__http_head_find(head, "retry-after", &value);
    out->retry_after_s = read_seconds(value);
    switch (head->status) {
    case 401:
    case 403:
        return CHAT_ERR_AUTH;
    case 429:
    case 503:
        return CHAT_ERR_BUSY;
    default:
        return CHAT_ERR_PROTOCOL;
    }
}

/* At most one extension, and only one that was offered (RFC 6455 section 4.1). NULL: good. */
static const char *read_extensions(const chat__http_head *head, const chat__http_upgrade *upgrade,
                                   chat__http_response *out)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        chat_view rest = head->fields[i].value;
        chat_view item;
        if (!chat__http_is(head->fields[i].name, "sec-websocket-extensions"))
            continue;
        while (chat__http_next(&rest, ',', &item)) {
            chat__http_deflate answer;
            if (item.len == 0)
                continue;
            if (!chat__http_read_extension(item, &answer) || !answer.is_valid ||
                !upgrade->offer_deflate || out->has_deflate)
                return "the server chose an extension that was not offered";
            /* Each message is expanded on its own; the window of the client is not negotiable. */
            if (!answer.has_server_reset || answer.has_client_bits)
                return "the server changed what was offered for permessage-deflate";
            out->has_deflate = 1;
        }
    }
    return NULL;
}

/* RFC 6455 section 4.1, what a client must check. NULL: good. */
static const char *check_switch(const chat__http_head *head, const chat__http_upgrade *upgrade,
                                chat__http_response *out)
{
    char key[32], accept[32];
    chat_view value;
    const char *protocol = protocol_of(upgrade);

    if (chat__http_head_find(head, "upgrade", &value) != 1 || !chat__http_is(value, "websocket"))
        return "the server's answer has no Upgrade: websocket";
    if (!chat__http_head_lists(head, "connection", "upgrade"))
        return "the server's answer has no Connection: Upgrade";
    if (key_text(upgrade, key) != CHAT_OK ||
        chat__http_accept_key(chat__view_str(key), accept) != CHAT_OK ||
        chat__http_head_find(head, "sec-websocket-accept", &value) != 1 ||
        !chat__view_equal(value, chat__view_str(accept)))
        return "the server's Sec-WebSocket-Accept is wrong";
    size_t n = chat__http_head_find(head, "sec-websocket-protocol", &value);
    if (protocol == NULL ? n != 0 : n != 1 || !chat__view_equal(value, chat__view_str(protocol)))
        return "the server does not speak the subprotocol that was asked for";
    return read_extensions(head, upgrade, out);
}

chat_status chat__http_parse_response(chat_view bytes, const chat__http_upgrade *upgrade,
                                      chat__http_response *out, size_t *head_len)
{
    chat__http_head head;
    size_t len = 0;
    chat_status status = chat__http_head_parse(bytes, 0, &head, &len);
    if (status == CHAT_MORE)
        return status;
    memset(out, 0, sizeof *out);
    if (status != CHAT_OK) {
        out->reason = chat__view_str(head.error_text);
        return CHAT_ERR_PROTOCOL;
    }
    *head_len = len;
    out->status = head.status;
    if (head.status != 101)
        return read_refusal(&head, chat__view(bytes.data + len, bytes.len - len), out);
    const char *wrong = head.major == 1 && head.minor == 1 ? check_switch(&head, upgrade, out)
                                                           : "the server does not speak HTTP/1.1";
    if (wrong == NULL)
        return CHAT_OK;
    out->has_deflate = 0;
    out->reason = chat__view_str(wrong);
    return CHAT_ERR_PROTOCOL;
}
