/* SPDX-License-Identifier: MIT */
/* The link's bytes and messages. */
#include "link_io.h"
#include "base/view.h"
#include "net/io.h"

#include <errno.h>
#include <string.h>

static chat_status lost(chat__link *link, chat_status status)
{
    const char *why = link->tls != NULL ? chat__tls_why(link->tls) : NULL;
    char copy[CHAT__LINK_WHY_BYTES] = "the connection ended";
    if (status == CHAT_ERR_NETWORK && link->tls == NULL)
        why = strerror(errno);
    if (why != NULL && why[0] != '\0')
        strncpy(copy, why, sizeof copy - 1);
    return chat__link_fail(link, status, "%s", copy);
}

static chat_status read_own(chat__link *link, uint8_t *out, size_t cap, size_t *out_len)
{
    chat__buf *in = &link->own_in;
    size_t n = in->len < cap ? in->len : cap;
    if (n == 0)
        return link->is_own_over ? CHAT_ERR_CLOSED : CHAT_MORE;
    memcpy(out, in->data, n);
    chat__buf_consume(in, n);
    *out_len = n;
    return CHAT_OK;
}

/* CHAT_OK, CHAT_MORE, or why it ended. */
static chat_status read_some(chat__link *link, uint8_t *out, size_t cap, size_t *out_len)
{
    if (link->is_own)
        return read_own(link, out, cap, out_len);
    return chat__io_receive(link->tls, link->fd, out, cap, out_len);
}

static chat_status write_some(chat__link *link, size_t *out_len)
{
    const chat__buf *tx = &link->tx;
    return link->tls != NULL
               ? chat__io_send_tls(link->tls, &link->tls_repeat_bytes, tx->data, tx->len, out_len)
               : chat__io_send(link->fd, tx->data, tx->len, out_len);
}

/* TLS hands out one record after the other: a short read does not mean that there is no more. */
chat_status chat__link_receive(chat__link *link)
{
    size_t before = link->rx.len;
    size_t cap = CHAT__LINK_READ_BYTES;
    chat_status status = chat__buf_reserve(&link->rx, cap);
    if (status != CHAT_OK)
        return chat__link_fail(link, status, "no memory to read");
    link->may_read_more = 0;
    while (cap > 0) {
        size_t n = 0;
        status = read_some(link, link->rx.data + link->rx.len, cap, &n);
        if (status != CHAT_OK)
            break;
        link->rx.len += n;
        cap -= n;
        if (link->tls == NULL) {
            link->may_read_more = cap == 0;
            break;
        }
    }
    if (cap == 0)
        link->may_read_more = 1;
    if (status != CHAT_OK && status != CHAT_MORE) {
        /* What came before the end is read first; the end comes again. */
        if (link->rx.len == before)
            return lost(link, status);
        link->may_read_more = 1;
    }
    return link->rx.len > before ? CHAT_OK : CHAT_EMPTY;
}

/* A connection that is idle holds no buffers. */
static void release_buffers(chat__link *link)
{
    chat__buf_done(&link->rx);
    if (link->tx.len == 0)
        chat__buf_done(&link->tx);
    if (link->own_in.len == 0)
        chat__buf_done(&link->own_in);
}

chat_status chat__link_read(chat__link *link)
{
    if (link->state < CHAT__LINK_UP || link->rx_at < link->rx.len)
        return CHAT_EMPTY;
    link->rx.len = 0;
    link->rx_at = 0;
    chat_status status = chat__link_receive(link);
    if (status == CHAT_EMPTY)
        release_buffers(link);
    return status;
}

static chat_status status_of_close(uint16_t code)
{
    static const struct {
        uint16_t code;
        int16_t status;
    } rows[] = {
#define CLOSE_ROW(name, value, kind, wire, close, text) {close, value},
        CHAT_STATUS_TABLE(CLOSE_ROW)
#undef CLOSE_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status != CHAT_OK && rows[i].code != 0 && rows[i].code == code)
            return (chat_status)rows[i].status;
    return CHAT_ERR_CLOSED;
}

/* The close frame is answered before the end, as far as the socket takes it. */
static chat_status on_close(chat__link *link, const chat__ws_event *event)
{
    chat_status status = status_of_close(event->code);
    char why[128];
    size_t len = event->payload.len < sizeof why - 1 ? event->payload.len : sizeof why - 1;
    if (len > 0)
        memcpy(why, event->payload.data, len);
    why[len] = '\0';
    uint16_t code = event->code == 1005 ? 1000 : event->code;
    (void)chat__ws_write_close(&link->ws, code, "", &link->tx);
    if (chat__link_flush(link) != CHAT_OK)
        return status;
    return chat__link_fail(link, status, "%s (closed with %u)", why[0] ? why : "the server left",
                           event->code);
}

static chat_status on_fail(chat__link *link, const chat__ws_event *event)
{
    char why[128] = "";
    strncpy(why, event->why != NULL ? event->why : "", sizeof why - 1);
    (void)chat__ws_write_close(&link->ws, event->code, why, &link->tx);
    (void)chat__link_flush(link);
    return chat__link_fail(link, CHAT_ERR_PROTOCOL, "the server broke the rules: %s", why);
}

/* CHAT_OK: `*out` is a message; CHAT_EMPTY: it was something else. */
static chat_status on_event(chat__link *link, const chat__ws_event *event, chat_view *out)
{
    chat__ws_event_type data =
        link->encoding == CHAT_ENCODING_JSON ? CHAT__WS_TEXT : CHAT__WS_BINARY;
    switch (event->type) {
    case CHAT__WS_TEXT:
    case CHAT__WS_BINARY:
        if (event->type != data)
            return chat__link_fail(link, CHAT_ERR_PROTOCOL, "a message of the other encoding");
        *out = event->payload;
        return CHAT_OK;
    case CHAT__WS_PING:
        if (link->state == CHAT__LINK_UP)
            (void)chat__ws_write(&link->ws, CHAT__WS_OP_PONG, event->payload, &link->tx);
        return CHAT_EMPTY;
    case CHAT__WS_CLOSE:
        return on_close(link, event);
    case CHAT__WS_FAIL:
        return on_fail(link, event);
    case CHAT__WS_PONG:
    default:
        return CHAT_EMPTY;
    }
}

chat_status chat__link_next_message(chat__link *link, chat_view *out)
{
    while (link->state >= CHAT__LINK_UP && link->rx_at < link->rx.len) {
        chat__ws_event event;
        size_t used = 0;
        memset(&event, 0, sizeof event);
        chat_status status = chat__ws_read(&link->ws, link->rx.data + link->rx_at,
                                           link->rx.len - link->rx_at, &used, &event);
        link->rx_at += used;
        if (status == CHAT_MORE)
            continue;
        if (status != CHAT_OK)
            return chat__link_fail(link, status, "no memory for a message");
        status = on_event(link, &event, out);
        if (status != CHAT_EMPTY)
            return status;
    }
    return CHAT_EMPTY;
}

int chat__link_has_room(const chat__link *link)
{
    return link->state == CHAT__LINK_UP && link->tx.len < CHAT__LINK_WRITE_BYTES;
}

chat_status chat__link_write(chat__link *link, chat_view message)
{
    chat__ws_opcode opcode =
        link->encoding == CHAT_ENCODING_JSON ? CHAT__WS_OP_TEXT : CHAT__WS_OP_BINARY;
    if (link->state != CHAT__LINK_UP)
        return chat__link_fail(link, CHAT_ERR_CLOSED, "the connection ended");
    chat_status status = chat__ws_write(&link->ws, opcode, message, &link->tx);
    return status == CHAT_OK ? CHAT_OK : chat__link_fail(link, status, "no memory to write");
}

chat_status chat__link_flush(chat__link *link)
{
    if (link->state < CHAT__LINK_PROXYING || link->is_own)
        return CHAT_OK;
    while (link->tx.len > 0) {
        size_t n = 0;
        chat_status status = write_some(link, &n);
        if (status == CHAT_MORE)
            break;
        if (status != CHAT_OK)
            return lost(link, status);
        chat__buf_consume(&link->tx, n);
    }
    return chat__link_watch(link);
}

void chat__link_leave(chat__link *link, uint16_t code, const char *text)
{
    if (link->state != CHAT__LINK_UP)
        return;
    (void)chat__ws_write_close(&link->ws, code, text, &link->tx);
    link->state = CHAT__LINK_LEAVING;
    (void)chat__link_flush(link);
}
