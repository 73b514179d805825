/* SPDX-License-Identifier: MIT */
/* A tunnel through an HTTP proxy (RFC 9110 section 9.3.6). */
#include "base/view.h"
#include "net/http_head.h"

chat_status chat__http_write_connect(const char *host_port, const char *basic, chat__buf *out)
{
    size_t start = out->len;
    chat_status status = CHAT_OK;
    if (!chat__http_is_visible(chat__view_str(host_port)))
        return CHAT_ERR_ARG;
    chat__http_put(out, "CONNECT ", &status);
    chat__http_put(out, host_port, &status);
    chat__http_put(out, " HTTP/1.1\r\nHost: ", &status);
    chat__http_put(out, host_port, &status);
    if (basic[0] != '\0') {
        chat__http_put(out, "\r\nProxy-Authorization: Basic ", &status);
        chat__http_put(out, basic, &status);
    }
    chat__http_put(out, "\r\n\r\n", &status);
    if (status != CHAT_OK)
        out->len = start;
    return status;
}

chat_status chat__http_parse_connect(chat_view bytes, chat__http_response *out)
{
    chat__http_head head;
    size_t len = 0;
    memset(&head, 0, sizeof head);
    chat_status status = chat__http_head_parse(bytes, 0, &head, &len);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    memset(out, 0, sizeof *out);
    out->status = head.status;
    out->reason = status == CHAT_OK ? head.start : chat__view_str("no HTTP");
    /* The other end waits for us to begin: nothing may follow. */
    if (status != CHAT_OK || head.status / 100 != 2 || len != bytes.len)
        return CHAT_ERR_NETWORK;
    return CHAT_OK;
}
